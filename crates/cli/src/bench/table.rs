//! The bench's table, for a terminal and as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::score::Score;
use crate::failure::Failure;

/// Why the chaos set misses a flaw, written by hand: flaw to reason.
pub type Reasons = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonsFile {
    missed: Reasons,
}

/// Reads the reasons; every name must be in the catalogue.
pub fn reasons(path: &Path) -> Result<Reasons, Failure> {
    let wrong = |error: String| Failure::input(format!("error: {}: {error}", path.display()));
    let file: ReasonsFile = toml::from_str(&crate::input::text(path)?).map_err(|error| wrong(error.to_string()))?;
    if let Some(name) = file.missed.keys().find(|name| scenario::flaw(name).is_none()) {
        return Err(wrong(format!("there is no flaw `{name}`; `odradek flaws` lists all")));
    }
    Ok(file.missed)
}

const HEADS: [&str; 8] = [
    "flaw",
    "scenario finds it",
    "clean without it",
    "ranges",
    "runs to detection",
    "core-seconds",
    "shrunk to",
    "found by",
];

fn cells(score: &Score) -> [String; 8] {
    let seeds = |part: Option<(u64, u64)>| part.map_or("-".into(), |(good, of)| format!("{good} of {of}"));
    let shrunk = match &score.shrunk {
        Some(shrunk) if shrunk.faults == 0 => "0".into(),
        Some(shrunk) => format!("{} ({})", shrunk.faults, shrunk.kinds.join(", ")),
        None => "-".into(),
    };
    let found: BTreeSet<String> = score
        .ranges
        .iter()
        .filter_map(|range| range.found.as_ref())
        .map(|found| match found.catch.by_known_oracle {
            true => found.catch.oracle.clone(),
            false => format!("other: {}", found.catch.signature),
        })
        .collect();
    [
        format!("{} {}", score.number, score.flaw),
        seeds(score.directed),
        seeds(score.control),
        format!("{} of {}", score.found(), score.ranges.len()),
        spread(score.over_ranges(|range| range.runs as f64), 0),
        spread(score.over_ranges(|range| range.core_seconds), 1),
        shrunk,
        if found.is_empty() { "-".into() } else { found.into_iter().collect::<Vec<_>>().join(", ") },
    ]
}

/// `median (least to most)`.
fn spread([median, least, most]: [Option<f64>; 3], digits: usize) -> String {
    let figure = |value: Option<f64>| value.map_or("missed".into(), |value| format!("{value:.digits$}"));
    if least.is_none() {
        "missed".into()
    } else {
        format!("{} ({} to {})", figure(median), figure(least), figure(most))
    }
}

/// How many flaws were found in at least one range, in words.
pub fn summary(scores: &[Score]) -> String {
    let found = scores.iter().filter(|score| score.found() > 0).count();
    let share = if scores.is_empty() { 0 } else { 100 * found / scores.len() };
    let held = scores.iter().filter(|score| score.directed.is_some() && score.holds()).count();
    let directed = scores.iter().filter(|score| score.directed.is_some()).count();
    let discounted: u64 = scores.iter().flat_map(|score| &score.ranges).map(|range| range.discounted).sum();
    let mut text = format!(
        "{found} of {} flaws ({share} %) found by the frozen chaos set; {held} of {directed} by their scenario, and clean without",
        scores.len()
    );
    if discounted > 0 {
        text += &format!("\n{discounted} findings were discounted: the same plan finds something without the flaw too");
    }
    text
}

/// The table for a terminal.
pub fn text(scores: &[Score]) -> String {
    let rows: Vec<[String; 8]> = std::iter::once(HEADS.map(str::to_owned)).chain(scores.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |row: &[String; 8]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect::<String>() + "\n" + &summary(scores) + "\n"
}

/// How a bench was made, for its page.
pub struct Made<'a> {
    /// The day, such as 2026-05-01.
    pub date: &'a str,
    /// The command.
    pub command: &'a str,
    /// The commit.
    pub commit: &'a str,
    /// The seeds, such as 0..1000.
    pub seeds: &'a str,
    /// In how many ranges.
    pub ranges: usize,
    /// Files in the chaos set.
    pub scenarios: usize,
}

/// The page.
pub fn markdown(scores: &[Score], reasons: &Reasons, made: &Made<'_>) -> String {
    let Made { date, command, commit, seeds, ranges, scenarios } = made;
    let mut page = format!(
        "# Flaw bench\n\nWritten by `{command}` on {date}, commit {commit}. Do not edit: the reasons in the last column come from\n\
         `docs/flaw-bench.toml`.\n\n{}.\n\n",
        summary(scores)
    );
    page += "| ";
    page += &HEADS.join(" | ");
    page += " | why not everywhere |\n|---|---|---|---|---|---|---|---|---|\n";
    for score in scores {
        let whole = score.found() == score.ranges.len();
        let reason = match reasons.get(score.flaw) {
            Some(reason) if !whole => reason.as_str(),
            None if score.found() == 0 => "not looked into yet",
            _ => "",
        };
        let row = cells(score).map(|cell| escaped(&cell)).join(" | ");
        page += &format!("| {row} | {} |\n", escaped(reason));
    }
    page += &format!(
        "\n- **scenario finds it**: `scenarios/flaws/NAME.toml` under seeds 1 to 3; **clean without it**: the same with `--without-flaws`.\n\
         - **ranges**: the {scenarios} scenarios of `scenarios/chaos/`, which are tuned for no flaw, with the flaw switched on, over seeds\n\
         \x20 {seeds} in {ranges} disjoint ranges. Each seed runs under every scenario, but a flaw of groups (60 to 67) only\n\
         \x20 under those that have a group; a range ends at its first detection.\n\
         - **runs to detection**, **core-seconds**: median (least to most) over the ranges; a range that misses counts as more than any.\n\
         \x20 Core-seconds are wall time of single runs, so they depend on the machine and on what else it does.\n\
         - **found by**: the oracles of the first detections. `other` marks one that the catalogue does not name for this flaw. A finding\n\
         \x20 that the same plan also has without the flaw is not counted.\n\
         - **shrunk to**: the faults that are left of the first detection after `odradek shrink`.\n\
         - 0 `canary` is no flaw of Kafka's but ours: about one seed in a hundred fails, which proves that the alarm works.\n"
    );
    page
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::score::tests::score;
    use super::*;

    #[test]
    fn the_table_says_what_was_missed() {
        let scores = [score(&[Some(3), Some(1), None]), score(&[None, None, None])];
        let text = text(&scores);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("2 of 3") && lines[1].contains("3 (1 to missed)"), "{text}");
        assert!(lines[1].contains("recovery") && lines[1].contains("1 (power-loss)"), "{text}");
        assert!(lines[2].contains("0 of 3") && lines[2].contains("missed  "), "{text}");
        assert!(text.contains("1 of 2 flaws (50 %)"), "{text}");
    }

    #[test]
    fn a_missed_flaw_has_its_reason_on_the_page() {
        let made =
            Made { date: "2026-05-01", command: "odradek", commit: "abc", seeds: "0..9", ranges: 3, scenarios: 3 };
        let page = |reasons: &Reasons, runs: &[Option<u64>]| markdown(&[score(runs)], reasons, &made);
        let reasons = Reasons::from([("no-dir-fsync".to_owned(), "needs a | power loss".to_owned())]);
        assert!(page(&reasons, &[None]).contains("| needs a \\| power loss |"));
        assert!(page(&Reasons::new(), &[None]).contains("| not looked into yet |"));
        assert!(!page(&reasons, &[Some(1)]).contains("power loss |\n"), "it is not missed");
    }
}
