//! What one sees and how: all state that is not the trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use trace::{Name, Partition};

use crate::app::focus::{Focus, History};
use crate::app::layouts::{Pane, Preset};
use crate::layout::{Axis, EventRows, Inspection, View};
use crate::model::{At, Model, Query};
use crate::theme::{Theme, Tokens};

/// The replica logs' camera.
#[derive(Clone, Copy, Debug)]
pub struct LogCamera {
    /// Offset at the left edge, when it does not follow the focus.
    pub first: f64,
    /// Width of an offset in points.
    pub cell: f32,
    /// Whether it follows the focus.
    pub follows: bool,
    /// Whether what was truncated earlier is shown.
    pub graveyard: bool,
}

impl Default for LogCamera {
    fn default() -> LogCamera {
        LogCamera { first: 0.0, cell: 26.0, follows: true, graveyard: true }
    }
}

/// The event list's filter, and what it finds.
#[derive(Default)]
pub struct Filter {
    /// What is typed.
    pub text: String,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// The query, when there is one.
    pub query: Option<Query>,
    /// The rows that match, and for how many events they were found.
    pub rows: Option<(usize, Arc<EventRows>)>,
    /// Whether the field wants the keyboard now.
    pub wants_keyboard: bool,
}

/// What lies over the panels.
#[derive(Default)]
pub struct Overlays {
    /// Keys and legend.
    pub help: bool,
    /// The command palette: what is typed, and the chosen row.
    pub palette: Option<(String, usize)>,
    /// The tour's step.
    pub tour: Option<usize>,
    /// The time field.
    pub time: Option<String>,
    /// The file field.
    pub file: Option<String>,
}

impl Overlays {
    /// Whether something is open.
    pub fn any(&self) -> bool {
        self.help || self.palette.is_some() || self.tour.is_some() || self.time.is_some() || self.file.is_some()
    }
}

/// What one sees and how.
pub struct ViewState {
    /// Where one looks.
    pub focus: Focus,
    /// Where one looked.
    pub history: History,
    /// Whether time runs.
    pub playing: bool,
    /// Simulated seconds a second, 0.01 to 1000.
    pub speed: f64,
    /// The instant that plays, ns; between two events while time runs.
    pub clock: f64,
    /// The timeline's range.
    pub timeline: View,
    /// The replica logs' camera.
    pub logs: LogCamera,
    /// The filter of the event list.
    pub filter: Filter,
    /// Whether all that did not lead to the focus is dimmed.
    pub slice: bool,
    /// The events that led to the focus, while `slice` is on.
    pub sliced: BTreeSet<usize>,
    /// Partitions whose lanes stand first.
    pub pinned: BTreeSet<Partition>,
    /// Nodes that are not shown.
    pub hidden: BTreeSet<Name>,
    /// The current layout.
    pub preset: Preset,
    /// Light or dark.
    pub theme: Theme,
    /// Whether nothing glides between two events.
    pub reduced_motion: bool,
    /// The language of notes.
    pub language: String,
    /// What lies over the panels.
    pub overlays: Overlays,
    /// Where each panel was painted last, for the tour's frame.
    pub places: BTreeMap<Pane, egui::Rect>,
    /// One line about what a command could not do.
    pub notice: Option<String>,
    /// The inspection of the focused event.
    pub(crate) inspection: Option<(usize, usize, Arc<Option<Inspection>>)>,
}

impl ViewState {
    /// The view of a trace that was just opened: where its first violation was committed, or where its story begins.
    pub fn open(model: &Model, theme: Theme) -> ViewState {
        let mut view = ViewState {
            focus: Focus::default(),
            history: History::default(),
            playing: false,
            speed: 1.0,
            clock: 0.0,
            timeline: View::whole(model, Axis::Time, 800.0),
            logs: LogCamera::default(),
            filter: Filter::default(),
            slice: false,
            sliced: BTreeSet::new(),
            pinned: BTreeSet::new(),
            hidden: BTreeSet::new(),
            preset: Preset::default(),
            theme,
            reduced_motion: false,
            language: "en".into(),
            overlays: Overlays::default(),
            places: BTreeMap::new(),
            notice: None,
            inspection: None,
        };
        let outline = model.outline();
        let first_partition = outline
            .topics
            .iter()
            .find_map(|topic| topic.partitions.first().map(|index| Partition { topic: topic.name, index: *index }));
        view.focus.partition = first_partition;
        let start = model.resolve(At::Violation(1)).unwrap_or_else(|| story_start(model));
        view.focus = view.focus.on_event(model, start);
        view.clock = model.at(start) as f64;
        view
    }

    /// The colours.
    pub fn tokens(&self) -> &'static Tokens {
        self.theme.tokens()
    }

    /// The rows of the event list.
    pub fn rows(&mut self, model: &Model) -> Arc<EventRows> {
        if let Some((count, rows)) = &self.filter.rows
            && *count == model.len()
        {
            return Arc::clone(rows);
        }
        let rows = match &self.filter.query {
            Some(query) => EventRows::filtered(model, query),
            None => EventRows::all(model),
        };
        let rows = Arc::new(rows);
        self.filter.rows = Some((model.len(), Arc::clone(&rows)));
        rows
    }

    /// The inspection of the focused event, kept while the focus stays.
    pub fn inspection(&mut self, model: &Model) -> Arc<Option<Inspection>> {
        if let Some((event, count, inspection)) = &self.inspection
            && (*event, *count) == (self.focus.event, model.len())
        {
            return Arc::clone(inspection);
        }
        let inspection = Arc::new(crate::layout::inspect(model, self.focus.event));
        self.inspection = Some((self.focus.event, model.len(), Arc::clone(&inspection)));
        inspection
    }

    /// Whether an event is dimmed: the causal slice is shown, and it is not part of it.
    pub fn dimmed(&self, event: usize) -> bool {
        self.slice && !self.sliced.contains(&event)
    }
}

/// Where a run without a violation begins to be interesting: just before its first fault.
fn story_start(model: &Model) -> usize {
    model.outline().faults.first().map_or(0, |fault| fault.index.saturating_sub(1))
}
