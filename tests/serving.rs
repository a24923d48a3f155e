//! `odradek serve` as a person meets it: processes, signals, ports, files.

use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use serve::{Layout, Wishes};

use crate::load::{DEADLINE, Load, check_records, create_topic, is_in_sync, read_topic, until};
use crate::support::{Folder, odradek};

/// Sessions of a few seconds, so that nobody waits long for the dead.
const QUICK: [&str; 4] = ["--set", "tickTime=1000", "--set", "zookeeper.session.timeout.ms=6000"];

/// A process that serves. It is killed with the test.
struct Serving {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl Serving {
    fn start(folder: &Path, arguments: &[&str]) -> Serving {
        let mut process = Command::new(env!("CARGO_BIN_EXE_odradek-under-test"))
            .arg("serve")
            .args(QUICK)
            .args(arguments)
            .arg("--json")
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let out = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Serving { process, out }
    }

    /// Waits for the line that says that it is ready.
    fn ready(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("no ready line but `{line}` ({error}): {}", self.said());
        });
        assert_eq!(ready["type"], "ready");
        ready
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it said on standard error; waits for its end.
    fn said(&mut self) -> String {
        let mut said = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            stderr.read_to_string(&mut said).unwrap();
        }
        said
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_cluster_says_when_it_is_ready_and_ends_well_when_asked() {
    let folder = Folder::new("serving");
    let mut serving = Serving::start(&folder.0, &["--port", "0", "--zookeeper-port", "0"]);
    let ready = serving.ready();
    let data = ready["data"].as_str().unwrap().to_owned();
    assert!(Path::new(&data).join("broker-3").is_dir());
    assert_eq!(ready["zookeeper"].as_str().unwrap().split(',').count(), 3);
    let bootstrap = ready["bootstrap"].as_str().unwrap();
    create_topic(bootstrap, "orders");
    let load = Load::start("load", bootstrap, "orders");
    load.wait_for(50);
    check_records(&load.finish(), &read_topic(bootstrap, "orders"));
    serving.signal("-TERM");
    assert_eq!(serving.wait().code(), Some(0));
    let said = serving.said();
    for told in ["zk-2       starts", "leads the ensemble", "is the controller", "creates orders: partitions 3"] {
        assert!(said.contains(told), "`{told}` is not in {said}");
    }
    for node in ["broker-1", "broker-2", "broker-3", "zk-1", "zk-2", "zk-3"] {
        assert!(said.contains(&format!("{node:<10} stops: exit")), "{node} does not end well: {said}");
    }
    assert!(!Path::new(&data).exists(), "a temporary directory goes away");
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let folder = Folder::new("interrupted");
    let ports = free_layout(&folder);
    // Without its ensemble it never starts up, and so cannot end well either.
    let mut serving = Serving::start(&folder.0, &[&ports.arguments[..], &["--node", "broker-1"]].concat());
    let mut said = BufReader::new(serving.process.stderr.take().unwrap()).lines();
    let mut hear = |words: &str| assert!(said.any(|line| line.unwrap().contains(words)), "it never says `{words}`");
    hear("broker-1   starts");
    serving.signal("-INT");
    hear("stopping");
    serving.signal("-INT");
    assert_eq!(serving.wait().code(), Some(130));
}

#[test]
fn a_trace_can_be_read_while_it_grows_and_ends_whole() {
    let folder = Folder::new("traced");
    for name in ["trace.jsonl", "trace.jsonl.zst"] {
        let options = ["--port", "0", "--zookeeper-port", "0", "--brokers", "2", "--zookeepers", "1", "--trace", name];
        let mut serving = Serving::start(&folder.0, &options);
        serving.ready();
        let show = |arguments: &[&str]| {
            let output = odradek(&folder.0, &[&["show", name], arguments].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        until("the trace tells of the brokers", || show(&["--kind", "BrokerRegistered"]).lines().count() == 2);
        let elected = show(&["--kind", "ControllerElected"]);
        let elected = elected.split_whitespace().next().unwrap().to_owned();
        let why = show(&["--why", &elected]);
        assert!(why.contains("starts"), "a chain of causes over sockets leads to the start: {why}");
        serving.signal("-TERM");
        assert_eq!(serving.wait().code(), Some(0));
        let output = odradek(&folder.0, &["show", name, "--kind", "NodeStopped"]);
        let stopped = String::from_utf8(output.stdout).unwrap();
        assert_eq!((stopped.lines().count(), output.stderr.len()), (3, 0), "{stopped}");
    }
}

#[test]
fn what_cannot_be_served_is_refused_with_status_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = Folder::new("unserved");
    std::fs::write(folder.0.join("file"), "no folder").unwrap();
    for (arguments, words) in [
        (vec!["--port", &port, "--zookeeper-port", "0", "--brokers", "1"], vec!["broker-1", &port, "another program"]),
        (vec!["--bind", "192.0.2.1"], vec!["--bind", "192.0.2.1"]),
        (vec!["--bind", "here"], vec!["--bind", "here"]),
        (vec!["--bind", "0.0.0.0"], vec!["--advertise"]),
        (vec!["--node", "broker-4"], vec!["broker-4", "broker-3"]),
        (vec!["--node", "broker-1", "--port", "0"], vec!["--node", "--port"]),
        (vec!["--zookeepers", "2"], vec!["--zookeepers 2", "3"]),
        (vec!["--set", "log.flush=1"], vec!["--set log.flush=1", "unknown setting"]),
        (vec!["--port", "0", "--zookeeper-port", "0", "--data", "file"], vec!["file", "data directory"]),
        (vec!["--port", "0", "--zookeeper-port", "0", "--trace", "no/such"], vec!["no/such"]),
    ] {
        let output = odradek(&folder.0, &[&["serve"], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?} should say {words:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// A layout on ports that were free, as every process is told it.
struct Ports {
    layout: Layout,
    arguments: Vec<&'static str>,
}

/// One member and three brokers, with data in this folder.
fn free_layout(folder: &Folder) -> Ports {
    let data: &'static str = folder.0.join("data").display().to_string().leak();
    // Processes of other tests have other numbers.
    let first = 20_000 + (std::process::id() % 1_000) * 10;
    for port in (first..first + 8_000).step_by(10) {
        let wishes = Wishes {
            brokers: 3,
            zookeepers: 1,
            port: port as u16,
            zookeeper_port: port as u16 + 5,
            bind: IpAddr::from([127, 0, 0, 1]),
            advertise: None,
        };
        let layout = Layout::new(&wishes).unwrap();
        if layout.check(&layout.nodes()).is_ok() {
            let (brokers, zookeeper) = (wishes.port.to_string().leak(), wishes.zookeeper_port.to_string().leak());
            let arguments = vec!["--data", data, "--zookeepers", "1", "--port", brokers, "--zookeeper-port", zookeeper];
            return Ports { layout, arguments };
        }
    }
    panic!("no free ports from {first} on");
}

#[test]
#[ignore = "takes 40 s of real time and a machine of its own: cargo test --workspace --test odradek -- --ignored"]
fn a_broker_process_that_is_killed_loses_nothing_that_was_acknowledged() {
    let folder = Folder::new("killed");
    let ports = free_layout(&folder);
    let start = |node: &str| {
        let mut serving = Serving::start(&folder.0, &[&ports.arguments[..], &["--node", node]].concat());
        serving.ready();
        serving
    };
    let ensemble = start("zk-1");
    let mut brokers: Vec<Serving> = ["broker-1", "broker-2", "broker-3"].into_iter().map(start).collect();
    let bootstrap = ports.layout.bootstrap();
    create_topic(&bootstrap, "orders");
    let load = Load::start("load", &bootstrap, "orders");
    for victim in 0..2 {
        load.wait_for(300);
        drop(brokers.remove(victim)); // kill -9
        load.wait_for(300);
        brokers.insert(victim, start(&format!("broker-{}", victim + 1)));
        until("all are in sync again", || is_in_sync(&bootstrap, "orders"));
    }
    let acknowledged = load.finish();
    check_records(&acknowledged, &read_topic(&bootstrap, "orders"));
    let second = Serving::start(&folder.0, &[&ports.arguments[..], &["--node", "broker-1"]].concat());
    refused(second, &["broker-1"]);
    // The whole cluster dies and comes back.
    drop((brokers, ensemble));
    let ensemble = start("zk-1");
    let brokers: Vec<Serving> = ["broker-1", "broker-2", "broker-3"].into_iter().map(start).collect();
    until("all are in sync again", || is_in_sync(&bootstrap, "orders"));
    check_records(&acknowledged, &read_topic(&bootstrap, "orders"));
    for mut serving in brokers.into_iter().chain([ensemble]) {
        serving.signal("-TERM");
        assert_eq!(serving.wait().code(), Some(0), "{}", serving.said());
    }
    let marker = folder.0.join("data/broker-2/data/.kafka_cleanshutdown");
    assert!(marker.exists(), "the last end was a clean one");
}

fn refused(mut serving: Serving, words: &[&str]) {
    assert_eq!(serving.wait().code(), Some(2));
    let said = serving.said();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_data_directory_is_used_by_one_process_at_a_time() {
    let folder = Folder::new("locked");
    let options = ["--port", "0", "--zookeeper-port", "0", "--brokers", "1", "--zookeepers", "1", "--data", "data"];
    let mut first = Serving::start(&folder.0, &options);
    first.ready();
    refused(Serving::start(&folder.0, &options), &["zk-1", "in use by another process", "--data"]);
    first.signal("-INT");
    assert_eq!(first.wait().code(), Some(0));
    assert!(folder.0.join("data/broker-1/data").is_dir(), "what was asked to be kept is kept");
}
