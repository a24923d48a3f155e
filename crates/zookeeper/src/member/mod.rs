//! One member of the ensemble: the shell around its cores.

mod courier;
mod duties;
mod shell;
mod words;

use std::collections::BTreeMap;

use host::{Host, Listener};
use tokio::sync::mpsc;
use trace::Name;

use crate::framing;
use shell::{Input, Member, Port};

/// How a member is set up. All members of an ensemble have equal `members`, ports and limits.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// The own id.
    pub id: u32,
    /// All members and their nodes, the own included. An odd number up to 7.
    pub members: BTreeMap<u32, Name>,
    /// Where clients connect.
    pub client_port: u16,
    /// Where followers connect.
    pub quorum_port: u16,
    /// Where votes are received.
    pub election_port: u16,
    /// The unit of time, in milliseconds. Sessions last 2 to 20 of it.
    pub tick_time_ms: u32,
    /// Ticks that discovery and synchronization may take.
    pub init_limit: u32,
    /// Ticks that a leader or follower may be silent.
    pub sync_limit: u32,
    /// Transactions between two snapshots.
    pub snap_count: u32,
    /// The directory of log, snapshots and epochs.
    pub data_dir: String,
}

impl MemberConfig {
    /// Member `id` of `members` with ZooKeeper's sample configuration: ticks of 2 s, initLimit 10, syncLimit 5.
    pub fn new(id: u32, members: BTreeMap<u32, Name>) -> MemberConfig {
        MemberConfig {
            id,
            members,
            client_port: 2181,
            quorum_port: 2888,
            election_port: 3888,
            tick_time_ms: 2000,
            init_limit: 10,
            sync_limit: 5,
            snap_count: 10_000,
            data_dir: "zk".to_owned(),
        }
    }
}

/// A member's process. Never returns while its node lives; if its disk or a port fails it, it ends the process.
///
/// # Panics
/// If the configuration does not list the member itself, or no tick has a length.
pub async fn run_member(host: Host, config: MemberConfig) {
    assert!(config.members.contains_key(&config.id), "member {} is not in its own ensemble", config.id);
    assert!(config.tick_time_ms > 1, "a tick takes at least two milliseconds");
    if start(&host, config).await.is_err() {
        host.exit(host.started());
    }
    std::future::pending::<()>().await;
}

async fn start(host: &Host, config: MemberConfig) -> std::io::Result<()> {
    let (mailbox, inputs) = mpsc::unbounded_channel();
    let election = host.listen(config.election_port, framing::quorum()).await?;
    let quorum = host.listen(config.quorum_port, framing::quorum()).await?;
    let client = host.listen(config.client_port, framing::client()).await?;
    let member = Member::open(host.clone(), config, mailbox.clone()).await?;
    for (port, listener) in [(Port::Election, election), (Port::Quorum, quorum), (Port::Client, client)] {
        host.spawn("accept", accept(port, listener, mailbox.clone()));
    }
    member.run(inputs).await
}

async fn accept(port: Port, listener: Listener, mailbox: mpsc::UnboundedSender<Input>) {
    loop {
        let connection = listener.accept().await;
        if mailbox.send(Input::Accepted(port, connection)).is_err() {
            return;
        }
    }
}
