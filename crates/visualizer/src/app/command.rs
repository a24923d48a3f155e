//! What panels and keys ask for. They never change shared state themselves: the app applies commands in one place.

use std::path::PathBuf;

use trace::{Name, Partition};

use crate::app::layouts::Preset;
use crate::model::{At, Direction, Jump};

/// What a step goes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stride {
    /// This many events that the filter shows.
    Events(usize),
    /// To the next event of the same node.
    Node,
    /// To the next event of the same partition.
    Partition,
}

/// A wish.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Look at this event.
    Event(usize),
    /// Look at this node.
    Node(Name),
    /// Look at this partition.
    Partition(Partition),
    /// Look at this offset of a partition.
    Offset(Partition, i64),
    /// Move the cursor without leaving a trace in the history: scrubbing.
    Scrub(usize),
    /// One step.
    Step(Stride, Direction),
    /// To the next violation, leader change, fault.
    Jump(Jump, Direction),
    /// To the next event that the search finds.
    Find(Direction),
    /// To a place in a deep link.
    GoTo(At),
    /// To the first event.
    First,
    /// To the last event.
    Last,
    /// Back to the focus before.
    Back,
    /// Forward again.
    Forward,
    /// Play or pause.
    Play,
    /// Simulated seconds a second.
    Speed(f64),
    /// Show only events that match; an empty text shows all.
    Filter(String),
    /// Put the keyboard into the search field.
    Search,
    /// Ask for a time.
    AskTime,
    /// Zoom the timeline.
    Zoom(f64),
    /// Pan the timeline by this share of its width.
    Pan(f32),
    /// Bring the focus to the middle of timeline and logs.
    Centre,
    /// Show the whole run.
    Fit,
    /// Time or rank on the timeline.
    Axis,
    /// The timeline's range begins here.
    RangeFrom,
    /// The timeline's range ends here.
    RangeTo,
    /// Offsets in a cell's width: zoom of the replica logs.
    LogZoom(f32),
    /// The replica logs begin at this offset.
    LogFrom(f64),
    /// Show or hide what was truncated earlier.
    Graveyard,
    /// Dim all that did not lead to the focus.
    Slice,
    /// Pin or unpin the focused partition's lanes.
    Pin,
    /// Hide the focused node on map and timeline, or show it again.
    Hide,
    /// Show all nodes again.
    ShowAll,
    /// Another layout.
    Layout(Preset),
    /// The layouts as they came.
    ResetLayouts,
    /// Light or dark.
    Theme,
    /// Draw everything larger (or smaller, where negative) by this many steps; 0 is 100 % again.
    Enlarge(i8),
    /// Nothing glides or fades, or it does again.
    ReduceMotion,
    /// The language of the scenario's notes.
    Language(String),
    /// Show or close the keys and the legend.
    Help,
    /// Show or close the command palette.
    Palette,
    /// Start the tour, or go to its next step.
    TourNext,
    /// The tour's step before.
    TourBack,
    /// End the tour.
    TourEnd,
    /// Ask for a file.
    AskFile,
    /// Open a trace.
    Open(PathBuf),
    /// Open the bundled example.
    OpenExample,
    /// Close what lies over the panels, and clear the search.
    Clear,
}
