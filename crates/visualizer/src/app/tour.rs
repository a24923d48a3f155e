//! The guided tour over the bundled example.

use crate::app::layouts::Pane;

/// One step: a panel and what it shows.
pub struct Step {
    /// Its heading.
    pub title: &'static str,
    /// Two or three sentences.
    pub text: &'static str,
    /// The panel it is about.
    pub pane: Option<Pane>,
}

/// The steps in order.
pub const STEPS: &[Step] = &[
    Step {
        title: "A replay, and one focus",
        text: "This is a recorded run of a whole Kafka cluster. All panels show the cluster right after the event in focus. \
               The line above says what went wrong and which fault stands behind it.",
        pane: None,
    },
    Step {
        title: "Outline",
        text: "What the oracles found, which faults were injected, every node and partition. A click moves the focus there. \
               V, L and X go to the next violation, leader change and fault.",
        pane: Some(Pane::Outline),
    },
    Step {
        title: "Cluster",
        text: "Nodes stand still on a ring. Lines that a fault cuts carry a mark, messages in flight move along them: \
               triangles are Kafka's, diamonds ZooKeeper's, crosses are lost ones.",
        pane: Some(Pane::Cluster),
    },
    Step {
        title: "Replica logs",
        text: "One row a replica, one cell an offset, coloured and numbered by leader epoch. The crown marks the leader, the \
               triangle each replica's high watermark. Red outlines differ from the leader; struck-through cells were truncated.",
        pane: Some(Pane::Logs),
    },
    Step {
        title: "Timeline",
        text: "All over time: how much happened and how bad, faults, who led, who was in sync. Drag to move the focus, \
               W and S zoom, Space plays.",
        pane: Some(Pane::Timeline),
    },
    Step {
        title: "Inspector",
        text: "The event in focus, what it changed, and why it happened. Each step of the why-chain is a click; at its end \
               stands what began it.",
        pane: Some(Pane::Inspector),
    },
    Step {
        title: "Events",
        text: "Every event, in order. The search takes words such as kind:Truncated, node:broker-1, partition:orders/0 or \
               `leader-change after crash within 5s`. ? shows all keys, Ctrl+K finds every command.",
        pane: Some(Pane::Events),
    },
];
