//! A cluster in this process, on ports that were free.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use host::real::{End, SharedRecorder};
use serve::{Cluster, ClusterSettings, DataDirectory, Ended, Layout, Node, Options, Probe, Wishes};
use trace::{Event, EventKind, Mode};

use crate::load::{DEADLINE, until};

/// Sessions of a few seconds, so that nobody waits long for the dead.
const SETTINGS: [&str; 2] = ["tickTime=1000", "zookeeper.session.timeout.ms=6000"];

pub struct Served {
    pub cluster: Cluster,
    pub layout: Layout,
    pub data: DataDirectory,
    recorder: SharedRecorder,
    settings: ClusterSettings,
    events: Vec<Event>,
}

impl Served {
    /// Starts a cluster and waits until it is ready.
    pub fn start(brokers: u32, zookeepers: u32, settings: &[&str]) -> Served {
        let bind = IpAddr::from([127, 0, 0, 1]);
        let layout = Layout::new(&Wishes { brokers, zookeepers, port: 0, zookeeper_port: 0, bind, advertise: None });
        let given: Vec<String> = SETTINGS.iter().chain(settings).map(|setting| (*setting).to_owned()).collect();
        let settings = ClusterSettings::parse(brokers, &given).unwrap();
        let (layout, data) = (layout.unwrap(), DataDirectory::open(None).unwrap());
        let recorder = SharedRecorder::new(Mode::None);
        let cluster = build(&layout, &settings, data.path(), &recorder);
        let mut served = Served { cluster, layout, data, recorder, settings, events: Vec::new() };
        served.start_all();
        served
    }

    fn start_all(&mut self) {
        let nodes = self.layout.nodes();
        nodes.iter().for_each(|node| self.cluster.start(*node).unwrap());
        self.wait_until_ready(&nodes);
    }

    /// Ends all and starts all over the same data, as another process would.
    pub fn start_over(mut self) -> Served {
        self.end();
        let Served { cluster, layout, data, recorder, settings, events } = self;
        drop(cluster); // it holds the folders
        let cluster = build(&layout, &settings, data.path(), &recorder);
        let mut served = Served { cluster, layout, data, recorder, settings, events };
        served.start_all();
        served
    }

    pub fn wait_until_ready(&self, nodes: &[Node]) {
        let probe = Probe::start(&self.layout, nodes);
        until("the cluster is ready", || probe.is_ready());
    }

    /// Ends one node well and waits for it.
    pub fn stop(&mut self, node: Node) {
        assert!(self.cluster.stop(node));
        let ended = self.cluster.wait(node, DEADLINE, &mut || ()).unwrap();
        assert_eq!(ended, Ended { node, end: End::Exited, asked: true });
    }

    /// Ends all; each must end well.
    pub fn end(&mut self) {
        for ended in self.cluster.shut_down(Duration::from_secs(60), &mut || ()) {
            assert_eq!(ended.end, End::Exited, "{}", ended.node);
        }
    }

    /// All events so far.
    pub fn events(&mut self) -> &[Event] {
        let mut fresh = Vec::new();
        self.recorder.take_events(&mut fresh);
        self.events.append(&mut fresh);
        &self.events
    }

    /// No node has ended by itself.
    pub fn check_alive(&mut self) {
        assert_eq!(self.cluster.ended(), []);
        let panicked = self.events().iter().find(|event| matches!(event.kind, EventKind::NodePanicked { .. }));
        assert_eq!(panicked, None);
    }
}

fn build(layout: &Layout, settings: &ClusterSettings, data: &Path, recorder: &SharedRecorder) -> Cluster {
    Cluster::new(Options {
        layout: layout.clone(),
        settings: settings.clone(),
        data: data.to_owned(),
        recorder: recorder.clone(),
    })
}
