//! Answers to four-letter words: plain text about a member, in ZooKeeper's own format.

use std::fmt::Write;

use crate::member::MemberConfig;
use crate::server::Server;

/// The version of ZooKeeper whose clients this server is compared with.
const VERSION: &str = concat!("3.8.0-odradek-", env!("CARGO_PKG_VERSION"));

/// Clients that `stat` lists: the answer must fit into a frame.
const MOST_CLIENTS: usize = 10_000;

/// What a member is, while it serves clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The only member.
    Standalone,
    /// The leader of several.
    Leader,
    /// One of the others.
    Follower,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Standalone => "standalone",
            Mode::Leader => "leader",
            Mode::Follower => "follower",
        }
    }
}

/// The answer to one word. Latencies are left out: the server's core has no clock. So are addresses: members know names.
pub(super) fn answer(word: &str, server: &Server, config: &MemberConfig, mode: Mode) -> String {
    match word {
        "ruok" => "imok".to_owned(),
        "srvr" => format!("{}{}", version(), summary(server, mode)),
        "stat" => format!("{}Clients:\n{}\n{}", version(), clients(server), summary(server, mode)),
        "mntr" => metrics(server, config, mode),
        "conf" => configuration(config),
        "envi" => format!("Environment:\nzookeeper.version={VERSION}\n"),
        _ => format!("{word} is not executed because it is not in the whitelist.\n"),
    }
}

fn version() -> String {
    format!("Zookeeper version: {VERSION}\n")
}

fn clients(server: &Server) -> String {
    let line = |client: crate::server::ConnectionState| {
        let (peer, queued) = (client.peer, client.outstanding);
        format!(" /{peer}[1](queued={queued},recved={},sent={})\n", client.received, client.sent)
    };
    server.connections().take(MOST_CLIENTS).map(line).collect()
}

fn summary(server: &Server, mode: Mode) -> String {
    let (received, sent) = server.traffic();
    let outstanding: usize = server.connections().map(|client| client.outstanding).sum();
    format!(
        "Received: {received}\nSent: {sent}\nConnections: {}\nOutstanding: {outstanding}\nZxid: {:#x}\nMode: {}\nNode count: {}\n",
        server.connections().count(),
        server.tree().last_zxid().0,
        mode.name(),
        server.tree().size().nodes,
    )
}

fn metrics(server: &Server, config: &MemberConfig, mode: Mode) -> String {
    let (size, (received, sent)) = (server.tree().size(), server.traffic());
    let outstanding: usize = server.connections().map(|client| client.outstanding).sum();
    let mut text = format!("zk_version\t{VERSION}\nzk_server_state\t{}\n", mode.name());
    let numbers = [
        ("peer_id", config.id as usize),
        ("packets_received", received as usize),
        ("packets_sent", sent as usize),
        ("num_alive_connections", server.connections().count()),
        ("outstanding_requests", outstanding),
        ("znode_count", size.nodes),
        ("watch_count", server.watch_count()),
        ("ephemerals_count", size.ephemerals),
        ("approximate_data_size", size.bytes),
        ("global_sessions", server.tree().sessions().count()),
        ("quorum_size", config.members.len()),
    ];
    for (name, number) in numbers {
        writeln!(text, "zk_{name}\t{number}").expect("text takes any write");
    }
    text
}

fn configuration(config: &MemberConfig) -> String {
    let tick = config.tick_time_ms;
    let numbers = [
        ("tickTime", tick),
        ("minSessionTimeout", 2 * tick),
        ("maxSessionTimeout", 20 * tick),
        ("serverId", config.id),
        ("initLimit", config.init_limit),
        ("syncLimit", config.sync_limit),
    ];
    numbers.into_iter().map(|(name, number)| format!("{name}={number}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trace::Name;

    use super::*;
    use crate::server::Limits;
    use crate::tree::Tree;

    fn check(word: &str, mode: Mode, lines: &[&str]) {
        let limits = Limits { min_timeout_ms: 4000, max_timeout_ms: 40_000 };
        let mut server = Server::new(2, limits, Tree::default(), 1);
        server.on_accepted(7, Name::new("10.0.0.9"));
        let config = MemberConfig::new(2, BTreeMap::from([(2, Name::new("zk-2"))]));
        let answer = answer(word, &server, &config, mode);
        let length = (crate::framing::client().length)(answer.as_bytes());
        assert_eq!(length, Ok(Some(answer.len())), "{word}: what is sent is one frame");
        for line in lines {
            assert!(answer.lines().any(|answered| answered == *line), "{word}: no line {line:?} in {answer:?}");
        }
    }

    #[test]
    fn words_are_answered_as_zookeeper_does() {
        check("ruok", Mode::Leader, &["imok"]);
        let named = |name: &str| format!("{name}{VERSION}");
        let summary = [&named("Zookeeper version: "), "Connections: 1", "Zxid: 0x0", "Mode: leader", "Node count: 3"];
        check("srvr", Mode::Leader, &summary);
        check("stat", Mode::Follower, &["Clients:", " /10.0.0.9[1](queued=0,recved=0,sent=0)", "Mode: follower"]);
        check("mntr", Mode::Standalone, &["zk_server_state\tstandalone", "zk_peer_id\t2", "zk_znode_count\t3"]);
        check("conf", Mode::Leader, &["tickTime=2000", "minSessionTimeout=4000", "serverId=2"]);
        check("envi", Mode::Leader, &[&named("zookeeper.version=")]);
    }

    #[test]
    fn words_that_are_not_served_are_refused_in_plain_text() {
        for word in ["cons", "crst", "dirs", "dump", "hash", "isro", "lead", "srst", "wchc", "wchp", "wchs"] {
            check(word, Mode::Leader, &[&format!("{word} is not executed because it is not in the whitelist.")]);
        }
    }
}
