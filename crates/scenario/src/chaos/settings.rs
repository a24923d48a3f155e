//! `[chaos] vary`: settings drawn per seed.

use crate::random::Stream;
use crate::{Chaos, Duration, Range, Size};

/// What may be drawn.
enum Choice {
    Numbers(Range),
    Durations(u64, u64),
    Sizes(u64, u64),
    Words(Vec<String>),
}

fn parse(text: &str) -> Option<Choice> {
    if text.contains('|') {
        let words: Vec<String> = text.split('|').map(|word| word.trim().to_string()).collect();
        return words.iter().all(|word| !word.is_empty()).then_some(Choice::Words(words));
    }
    if let Ok(range) = Range::parse(text) {
        return Some(Choice::Numbers(range));
    }
    let (low, high) = text.split_once("..")?;
    if let (Ok(low), Ok(high)) = (Duration::parse(low), Duration::parse(high)) {
        return (low <= high).then_some(Choice::Durations(low.nanos(), high.nanos()));
    }
    let (low, high) = (Size::parse(low).ok()?, Size::parse(high).ok()?);
    (low <= high).then_some(Choice::Sizes(low.0, high.0))
}

/// Whether this is a range.
pub(crate) fn check_range(text: &str) -> Option<()> {
    parse(text).map(|_| ())
}

fn word(word: &str) -> String {
    match word.parse::<i64>().is_ok() || matches!(word, "true" | "false") {
        true => word.to_string(),
        false => toml::Value::String(word.to_string()).to_string(),
    }
}

/// `brokers` is short for `cluster.brokers`.
fn path(path: &str) -> String {
    match path {
        "brokers" | "zookeepers" => format!("cluster.{path}"),
        _ => path.to_string(),
    }
}

fn set(chaos: &Chaos, mut choose: impl FnMut(&str, Choice) -> String) -> Vec<String> {
    let parsed = chaos.vary.iter().filter_map(|(name, range)| Some((name, parse(range)?)));
    parsed.map(|(name, choice)| format!("{}={}", path(name), choose(name, choice))).collect()
}

/// The settings of a seed, as `--set` takes them.
pub(crate) fn draw_settings(chaos: &Chaos, seed: u64) -> Vec<String> {
    set(chaos, |name, choice| {
        let mut stream = Stream::new(seed, &format!("chaos/vary/{name}"));
        match choice {
            Choice::Numbers(range) if range.high - range.low < 16 => stream.between(range.low, range.high).to_string(),
            Choice::Numbers(range) => stream.scaled(range.low, range.high).to_string(),
            Choice::Durations(low, high) => {
                let millis = stream.scaled(low / 1_000_000, high / 1_000_000);
                format!("\"{}\"", Duration::from_millis(millis))
            }
            Choice::Sizes(low, high) => format!("\"{}\"", Size(stream.scaled(low, high))),
            Choice::Words(words) => word(&words[stream.below(words.len() as u64) as usize]),
        }
    })
}

/// All at their lowest, and all at their highest.
pub(crate) fn extremes(chaos: &Chaos) -> Vec<Vec<String>> {
    if chaos.vary.is_empty() {
        return Vec::new();
    }
    let ends = [true, false].map(|low| {
        set(chaos, |_, choice| match choice {
            Choice::Numbers(range) => if low { range.low } else { range.high }.to_string(),
            Choice::Durations(least, most) => format!("\"{}\"", Duration::from_nanos(if low { least } else { most })),
            Choice::Sizes(least, most) => format!("\"{}\"", Size(if low { least } else { most })),
            Choice::Words(words) => word(if low { &words[0] } else { &words[words.len() - 1] }),
        })
    });
    ends.into()
}
