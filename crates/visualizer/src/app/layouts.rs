//! Saved arrangements of the panels.

use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};

/// A panel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub enum Pane {
    /// Violations, faults, nodes, topics.
    Outline,
    /// The map of nodes, links and messages.
    Cluster,
    /// The replicas of one partition.
    Logs,
    /// All over time.
    Timeline,
    /// The list of events.
    Events,
    /// The event in focus, what it changed, and why it happened.
    Inspector,
}

impl Pane {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Pane::Outline => "Outline",
            Pane::Cluster => "Cluster",
            Pane::Logs => "Replica logs",
            Pane::Timeline => "Timeline",
            Pane::Events => "Events",
            Pane::Inspector => "Inspector",
        }
    }
}

/// A saved arrangement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, serde::Serialize, serde::Deserialize)]
pub enum Preset {
    /// All panels: from a violation to its cause.
    #[default]
    Triage,
    /// The replica logs large.
    Log,
}

impl Preset {
    /// Every one, in the order of the number keys.
    pub const ALL: [Preset; 2] = [Preset::Triage, Preset::Log];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Triage => "Triage",
            Preset::Log => "Log",
        }
    }

    /// Its panels as they come.
    pub fn tree(self) -> Tree<Pane> {
        let mut tiles = Tiles::default();
        let root = match self {
            Preset::Triage => {
                let outline = tiles.insert_pane(Pane::Outline);
                let cluster = tiles.insert_pane(Pane::Cluster);
                let logs = tiles.insert_pane(Pane::Logs);
                let inspector = tiles.insert_pane(Pane::Inspector);
                let timeline = tiles.insert_pane(Pane::Timeline);
                let events = tiles.insert_pane(Pane::Events);
                let middle = row(&mut tiles, &[(cluster, 0.42), (logs, 0.58)]);
                let centre = column(&mut tiles, &[(middle, 0.56), (timeline, 0.44)]);
                let right = column(&mut tiles, &[(inspector, 0.64), (events, 0.36)]);
                row(&mut tiles, &[(outline, 0.16), (centre, 0.57), (right, 0.27)])
            }
            Preset::Log => {
                let logs = tiles.insert_pane(Pane::Logs);
                let timeline = tiles.insert_pane(Pane::Timeline);
                let inspector = tiles.insert_pane(Pane::Inspector);
                let events = tiles.insert_pane(Pane::Events);
                let left = column(&mut tiles, &[(timeline, 0.55), (events, 0.45)]);
                let below = row(&mut tiles, &[(left, 0.62), (inspector, 0.38)]);
                column(&mut tiles, &[(logs, 0.45), (below, 0.55)])
            }
        };
        Tree::new(egui::Id::unique(("layout", self.name())), root, tiles)
    }
}

fn row(tiles: &mut Tiles<Pane>, children: &[(TileId, f32)]) -> TileId {
    linear(tiles, LinearDir::Horizontal, children)
}

fn column(tiles: &mut Tiles<Pane>, children: &[(TileId, f32)]) -> TileId {
    linear(tiles, LinearDir::Vertical, children)
}

fn linear(tiles: &mut Tiles<Pane>, direction: LinearDir, children: &[(TileId, f32)]) -> TileId {
    let mut container = Linear::new(direction, children.iter().map(|(id, _)| *id).collect());
    for (id, share) in children {
        container.shares.set_share(*id, *share);
    }
    tiles.insert_new(Tile::Container(Container::Linear(container)))
}
