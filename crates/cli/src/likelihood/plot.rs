//! The curves as text, time downwards, with the faults between their instants.

use trace::{Event, EventKind};

use super::{Jump, Likelihood, Point, told};

/// So many characters are 100 %.
const WIDTH: usize = 20;
/// So many events of a jump are listed.
const LISTED: usize = 14;

/// The whole answer for a terminal. `events` is the trace of the run that failed.
pub fn text(found: &Likelihood, events: &[Event]) -> String {
    let mut text = format!(
        "{}, seed {}: {}\nit failed at {}; from each instant on {} tails were drawn anew, on each curve\n\n",
        found.scenario,
        found.seed,
        found.signature,
        seconds(found.failed_at_ns),
        found.tails
    );
    let heads = ["no later fault begins", "later faults as planned"];
    text += &format!("{:>10}  {:<w$}  {}\n", "instant", heads[0], heads[1], w = WIDTH + 8);
    let mut shown = 0;
    for (place, point) in found.points.iter().enumerate() {
        let upto = found.points.get(place + 1).map_or(found.failed_at_ns, |next| next.at_ns);
        text += &row(point);
        for event in events.iter().filter(|event| (point.at_ns.max(shown)..upto).contains(&event.at)) {
            if let EventKind::FaultBegan { fault, kind, target } = &event.kind {
                text += &format!("{:>10}  -- {fault}: {kind} {target}\n", seconds(event.at));
            }
        }
        shown = upto;
    }
    text.push('\n');
    if found.jumps.is_empty() {
        text += &flat(&found.points);
    }
    for jump in &found.jumps {
        text += &told_jump(jump, events);
    }
    text
}

fn row(point: &Point) -> String {
    let (without, with) = (bar(point.without_later_faults), bar(point.with_later_faults));
    format!("{:>10}  {without}  {with}\n", seconds(point.at_ns))
}

/// `|#####     |  50 %`
fn bar(share: f64) -> String {
    let full = (share * WIDTH as f64).round() as usize;
    format!("|{}{}| {:>3.0} %", "#".repeat(full), " ".repeat(WIDTH - full), share * 100.0)
}

fn seconds(ns: u64) -> String {
    format!("{:.3}s", ns as f64 / 1e9)
}

fn flat(points: &[Point]) -> String {
    let likely = points.first().is_some_and(|point| point.with_later_faults >= 0.5);
    let why = match likely {
        true => "the failure is likely from the start: it needs no luck, look at the plan's settings and first faults",
        false => "it is luck up to the end, or needs more --tails to show",
    };
    format!("no curve rises by a tenth or more anywhere: {why}\n")
}

fn told_jump(jump: &Jump, events: &[Event]) -> String {
    let curve = match jump.curve {
        "without_later_faults" => "without later faults",
        _ => "with the later faults",
    };
    let mut text = format!(
        "largest jump {curve}: {:.0} % -> {:.0} % between {} and {}\n",
        jump.before * 100.0,
        jump.after * 100.0,
        seconds(jump.from_ns),
        seconds(jump.to_ns)
    );
    if jump.events.is_empty() {
        text += "   no fault, election, ISR change or truncation in between: what matters is the order of frames and tasks\n";
    }
    // `events` has no gaps in a full trace, but a search does not rely on it.
    let find = |id: &u64| events.binary_search_by_key(id, |event| event.id.0).ok().map(|place| &events[place]);
    for event in jump.events.iter().take(LISTED).filter_map(find) {
        text += &format!("   {}\n", told(event));
    }
    if jump.events.len() > LISTED {
        text += &format!("   ... and {} more\n", jump.events.len() - LISTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{EventId, Name};

    #[test]
    fn the_plot_shows_both_curves_and_the_fault_in_the_jump() {
        let second = 1_000_000_000;
        let point = |at: u64, with_later_faults, without_later_faults| Point {
            at_ns: at * second,
            with_later_faults,
            without_later_faults,
        };
        let points = vec![point(10, 0.5, 0.0), point(12, 0.5, 0.0), point(14, 1.0, 1.0)];
        let name = Name::new;
        let kind = EventKind::FaultBegan { fault: name("cut"), kind: name("isolate"), target: name("broker-1") };
        let events = [Event { id: EventId(5), at: 13 * second, node: name("world"), cause: EventId(0), kind }];
        let mut jumps = super::super::jumps(&points);
        jumps.iter_mut().for_each(|jump| jump.find_events(&events));
        let found = Likelihood {
            kind: "likelihood",
            schema: 1,
            scenario: "x".into(),
            seed: 1,
            signature: "lost-write/x".into(),
            failed_at_ns: 15 * second,
            tails: 10,
            points,
            jumps,
        };
        let text = text(&found, &events);
        assert!(text.contains("|####################| 100 %"), "{text}");
        assert!(text.contains("0 % -> 100 % between 12.000s and 14.000s"), "{text}");
        assert_eq!(text.matches("13.000s  -- cut: isolate broker-1").count(), 1, "{text}");
        assert_eq!(found.jumps[0].faults, ["cut"]);
    }
}
