//! The shared horizontal axis of the timeline's lanes.

use crate::model::Model;

/// What X means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Axis {
    /// Simulated time, ns.
    Time,
    /// One step an event: silence takes no room.
    Rank,
}

/// How much of an item can be shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Detail {
    /// Under 3 points an item: only how much there is.
    Density,
    /// From 3 points: a filled rectangle.
    Quads,
    /// From 14 points: text fits.
    Text,
}

impl Detail {
    /// For items of this width in points.
    pub fn of(width: f32) -> Detail {
        if width >= 14.0 {
            Detail::Text
        } else if width >= 3.0 {
            Detail::Quads
        } else {
            Detail::Density
        }
    }
}

/// A part of the run and the width it is drawn on.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct View {
    /// What X means.
    pub axis: Axis,
    /// Where it begins: ns, or an event's index.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Points it is drawn on.
    pub width: f32,
}

/// The narrowest view: a microsecond, or two events.
fn narrowest(axis: Axis) -> f64 {
    match axis {
        Axis::Time => 1_000.0,
        Axis::Rank => 2.0,
    }
}

impl View {
    /// The whole run.
    pub fn whole(model: &Model, axis: Axis, width: f32) -> View {
        let (from, to) = View::bounds(model, axis);
        View { axis, from, to, width }
    }

    fn bounds(model: &Model, axis: Axis) -> (f64, f64) {
        let (from, to) = match axis {
            Axis::Time => (model.span().0 as f64, model.span().1 as f64),
            Axis::Rank => (0.0, model.len() as f64),
        };
        (from, to.max(from + narrowest(axis)))
    }

    fn scale(&self) -> f64 {
        f64::from(self.width.max(1.0)) / (self.to - self.from).max(f64::MIN_POSITIVE)
    }

    /// Where a value of the axis lies; outside 0 to width where it is not in view.
    pub fn x(&self, value: f64) -> f32 {
        ((value - self.from) * self.scale()) as f32
    }

    /// The value of the axis at an X.
    pub fn value_at(&self, x: f32) -> f64 {
        self.from + f64::from(x) / self.scale()
    }

    /// Where an event lies.
    pub fn x_of(&self, model: &Model, index: usize) -> f32 {
        match self.axis {
            Axis::Time => self.x(model.at(index) as f64),
            Axis::Rank => self.x(index as f64),
        }
    }

    /// Where a time (ns) lies.
    pub fn x_at_time(&self, model: &Model, time: u64) -> f32 {
        match self.axis {
            Axis::Time => self.x(time as f64),
            Axis::Rank => self.x(model.index_at(time) as f64),
        }
    }

    /// The last event at or before an X.
    pub fn index_at_x(&self, model: &Model, x: f32) -> usize {
        let value = self.value_at(x).max(0.0);
        let index = match self.axis {
            Axis::Time => model.index_at(value as u64),
            Axis::Rank => value as usize,
        };
        index.min(model.len().saturating_sub(1))
    }

    /// The first event at or after a value of the axis; the number of events where none is.
    pub(crate) fn first_at(&self, model: &Model, value: f64) -> usize {
        let index = match self.axis {
            Axis::Time if value <= 0.0 => 0,
            Axis::Time => model.first_after((value.ceil() as u64).saturating_sub(1)),
            Axis::Rank => value.max(0.0).ceil() as usize,
        };
        index.min(model.len())
    }

    /// The events in view.
    pub fn range(&self, model: &Model) -> std::ops::Range<usize> {
        let from = self.first_at(model, self.from);
        from..self.first_at(model, self.to.next_up()).max(from)
    }

    /// Clips a stretch from `from` to `to` events (to the end where `None`): X and width, if any of it is in view.
    pub(crate) fn clip(&self, model: &Model, from: usize, to: Option<usize>) -> Option<(f32, f32)> {
        let end = to.map_or(f32::INFINITY, |to| self.x_of(model, to)).min(self.width);
        let begin = self.x_of(model, from).max(0.0);
        (end >= begin && begin <= self.width).then_some((begin, end - begin))
    }

    /// Makes the view `factor` times as wide in what it shows, with what lies at `x` kept in place. Under 1 zooms in.
    pub fn zoom(&mut self, model: &Model, factor: f64, x: f32) {
        let fixed = self.value_at(x);
        let (low, high) = View::bounds(model, self.axis);
        let length = ((self.to - self.from) * factor).clamp(narrowest(self.axis), high - low);
        let part = f64::from(x / self.width.max(1.0)).clamp(0.0, 1.0);
        self.from = fixed - part * length;
        self.to = self.from + length;
        self.clamp(model);
    }

    /// Moves by `dx` points to the right.
    pub fn pan(&mut self, model: &Model, dx: f32) {
        let by = f64::from(dx) / self.scale();
        self.from += by;
        self.to += by;
        self.clamp(model);
    }

    /// Centres an event.
    pub fn centre(&mut self, model: &Model, index: usize) {
        let value = match self.axis {
            Axis::Time => model.at(index) as f64,
            Axis::Rank => index as f64,
        };
        let length = self.to - self.from;
        self.from = value - length / 2.0;
        self.to = self.from + length;
        self.clamp(model);
    }

    /// Keeps it inside the run.
    pub fn clamp(&mut self, model: &Model) {
        let (low, high) = View::bounds(model, self.axis);
        let length = (self.to - self.from).clamp(narrowest(self.axis), high - low);
        self.from = self.from.clamp(low, high - length);
        self.to = self.from + length;
    }

    /// The same part of the run on the other axis.
    pub fn on(&self, model: &Model, axis: Axis) -> View {
        if axis == self.axis {
            return *self;
        }
        let range = self.range(model);
        let (from, to) = match axis {
            Axis::Time => (model.at(range.start) as f64, model.at(range.end) as f64),
            Axis::Rank => (range.start as f64, range.end as f64),
        };
        let mut view = View { axis, from, to: to.max(from + narrowest(axis)), width: self.width };
        view.clamp(model);
        view
    }
}

/// A mark of the scale.
#[derive(Clone, PartialEq, Debug)]
pub struct Tick {
    /// Where.
    pub x: f32,
    /// Its text.
    pub label: String,
}

/// Marks at round values, about 90 points apart.
pub fn ticks(view: &View) -> Vec<Tick> {
    let least = (view.to - view.from) / f64::from((view.width / 90.0).max(1.0));
    let mut step = match view.axis {
        Axis::Time => 1_000.0,
        Axis::Rank => 1.0,
    };
    // 1, 2, 5, 10, 20, 50 and so on.
    for factor in [2.0, 2.5, 2.0].into_iter().cycle() {
        if step >= least {
            break;
        }
        step *= factor;
    }
    let first = (view.from / step).ceil();
    let values = (0..200).map(|n| (first + f64::from(n)) * step).take_while(|value| *value <= view.to);
    let label = |value: f64| match view.axis {
        Axis::Rank => format!("{value}"),
        Axis::Time => {
            let seconds = value / 1e9;
            let digits = if step >= 1e9 {
                0
            } else if step >= 1e6 {
                3
            } else {
                6
            };
            format!("{seconds:.digits$}s")
        }
    };
    values.map(|value| Tick { x: view.x(value), label: label(value) }).collect()
}

/// A time in ns as people read it: `12.482s`.
pub fn format_time(ns: u64) -> String {
    format!("{}.{:03}s", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}
