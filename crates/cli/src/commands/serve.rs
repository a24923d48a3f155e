//! `odradek serve`: the cluster of the simulations on real sockets and files, until somebody ends it.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use host::real::SharedRecorder;
use serve::{
    Cluster, ClusterSettings, DataDirectory, Journal, Layout, Node, Options, Probe, ServeError, TraceFile, Wishes,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use trace::{Event, Mode};

use super::serve_scenario::serve_scenario;
use crate::Status;
use crate::arguments::Serve;
use crate::failure::Failure;
use crate::worker::COMMIT;

/// How often events are told and written.
const TICK: Duration = Duration::from_millis(100);
/// How long a node may take to end well.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same before it serves: it may wait for others that never come.
const EARLY_PATIENCE: Duration = Duration::from_secs(3);
/// The exit status of a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// Starts the nodes and tends them until Ctrl-C, SIGTERM or the end of one of them.
pub fn serve(arguments: &Serve) -> Result<Status, Failure> {
    if let Some(scenario) = &arguments.scenario {
        return serve_scenario(scenario, arguments);
    }
    let began = Instant::now();
    let layout = Layout::new(&Wishes {
        brokers: arguments.brokers,
        zookeepers: arguments.zookeepers,
        port: arguments.port,
        zookeeper_port: arguments.zookeeper_port,
        bind: arguments.bind,
        advertise: arguments.advertise.clone(),
    })?;
    let settings = ClusterSettings::parse(arguments.brokers, &arguments.set)?;
    let nodes = match &arguments.node {
        Some(name) => vec![layout.alone(name)?],
        None => layout.nodes(),
    };
    layout.check(&nodes)?;
    let data = DataDirectory::open(arguments.data.as_deref())?;
    let mode = if arguments.trace.is_some() { Mode::Full } else { Mode::None };
    let trace = arguments.trace.as_deref().map(|path| TraceFile::create(path, COMMIT)).transpose()?;
    let recorder = SharedRecorder::new(mode);
    let mut account = Account { recorder: recorder.clone(), journal: Journal::default(), trace, events: Vec::new() };
    let options = Options { layout: layout.clone(), settings, data: data.path().to_owned(), recorder };
    let mut cluster = Cluster::new(options);
    let interrupts = interrupts()?;
    nodes.iter().try_for_each(|node| cluster.start(*node))?;
    let probe = Probe::start(&layout, &nodes);
    let (mut ready, mut sound) = (false, true);
    while sound && matches!(interrupts.recv_timeout(TICK), Err(RecvTimeoutError::Timeout)) {
        account.follow();
        for ended in cluster.ended() {
            sound = false;
            eprintln!("error: {}", ended.complaint().unwrap_or_else(|| format!("{} ended", ended.node)));
        }
        if sound && !ready && probe.is_ready() {
            ready = true;
            say_ready(arguments, &layout, &data, &nodes, began.elapsed())?;
        }
    }
    drop(probe);
    eprintln!("stopping; again Ctrl-C ends at once");
    let patience = if ready { PATIENCE } else { EARLY_PATIENCE };
    for ended in cluster.shut_down(patience, &mut || account.follow()) {
        if let Some(complaint) = ended.complaint() {
            sound = false;
            eprintln!("error: {complaint}");
        }
    }
    account.finish();
    Ok(if sound { Status::Good } else { Status::Broken })
}

/// Gets a message when the program is asked to end. A second time it ends at once.
fn interrupts() -> Result<Receiver<()>, Failure> {
    let signals = Signals::new([SIGINT, SIGTERM]);
    let mut signals = signals.map_err(|error| Failure::broken(format!("error: cannot wait for signals: {error}")))?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || sender.send(()).is_err() {
                std::process::exit(INTERRUPTED);
            }
        }
    });
    Ok(receiver)
}

/// Says what the nodes do, on standard error and in the trace.
struct Account {
    recorder: SharedRecorder,
    journal: Journal,
    trace: Option<TraceFile>,
    events: Vec<Event>,
}

impl Account {
    fn follow(&mut self) {
        self.recorder.take_events(&mut self.events);
        for line in self.journal.lines(&self.events) {
            eprintln!("{line}");
        }
        if let Some(trace) = &mut self.trace
            && let Err(error) = trace.write(&self.events)
        {
            eprintln!("error: the trace ends here: {error}");
            self.trace = None;
        }
    }

    fn finish(mut self) {
        self.follow();
        if let Some(Err(error)) = self.trace.map(TraceFile::finish) {
            eprintln!("error: {error}");
        }
    }
}

fn say_ready(
    arguments: &Serve,
    layout: &Layout,
    data: &DataDirectory,
    nodes: &[Node],
    after: Duration,
) -> Result<(), Failure> {
    let (bootstrap, zookeeper) = (layout.bootstrap(), layout.zookeeper());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let nodes: Vec<String> = nodes.iter().map(Node::to_string).collect();
        let line = serde_json::json!({
            "type": "ready",
            "bootstrap": bootstrap,
            "zookeeper": zookeeper,
            "data": data.path(),
            "nodes": nodes,
        });
        writeln!(out, "{line}")?;
        return Ok(out.flush()?);
    }
    let fate = if data.is_temporary() { " (removed at the end; --data DIR keeps it)" } else { "" };
    let first = bootstrap.split(',').next().unwrap_or_default();
    writeln!(out, "ready after {:.1} s: {}", after.as_secs_f64(), names(nodes))?;
    writeln!(out, "bootstrap.servers  {bootstrap}")?;
    writeln!(out, "zookeeper.connect  {zookeeper}")?;
    writeln!(out, "data               {}{fate}", data.path().display())?;
    writeln!(out, "look               kcat -b {first} -L")?;
    writeln!(out, "stop               Ctrl-C")?;
    Ok(out.flush()?)
}

fn names(nodes: &[Node]) -> String {
    match nodes {
        [node] => format!("{node} serves"),
        _ => {
            let brokers = nodes.iter().filter(|node| matches!(node, Node::Broker(_))).count();
            format!("{brokers} brokers, {} members of the ensemble", nodes.len() - brokers)
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        let message = format!("error: {error}");
        if matches!(error, ServeError::Thread { .. }) { Failure::broken(message) } else { Failure::input(message) }
    }
}
