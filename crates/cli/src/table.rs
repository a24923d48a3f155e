//! What came of each variant of a scenario: one row each, under one seed or over many.
//!
//! A zero says that these seeds did not show it, never that it cannot happen: so every row names its seeds, and every cell
//! the seed that shows most.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sim::{RunRecord, Verdict};

/// A variant's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// The variant.
    pub variant: String,
    /// How many runs are in this row.
    pub runs: u64,
    /// How many of them passed.
    pub passed: u64,
    /// Records acknowledged, over all runs.
    pub acked: u64,
    /// Records that failed, or of which nobody knows.
    #[serde(default)]
    pub failed: Cell,
    /// Records acknowledged and not in the log at the end.
    pub lost: Cell,
    /// Records stored more than once.
    pub duplicated: Cell,
    /// Records stored behind a later one of the same producer and key.
    pub out_of_order: Cell,
    /// Seconds without a successful write: of each run, those of its worst topic.
    pub unavailable_seconds: Cell,
    /// The command that repeats the run of the lowest seed.
    pub again: String,
}

/// An outcome over all runs of a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Over all runs.
    pub total: f64,
    /// How many runs show it.
    pub runs: u64,
    /// The most that one run shows.
    pub worst: f64,
    /// The lowest seed that shows so much.
    pub worst_seed: Option<u64>,
    /// The command that repeats that run.
    pub again: Option<String>,
}

impl Cell {
    fn add(&mut self, value: f64, record: &RunRecord) {
        self.total += value;
        self.runs += u64::from(value > 0.0);
        let before = self.worst_seed.is_some()
            && (Some(record.seed), Some(&record.again)) < (self.worst_seed, self.again.as_ref());
        if value > self.worst || (value == self.worst && before) {
            (self.worst, self.worst_seed, self.again) = (value, Some(record.seed), Some(record.again.clone()));
        }
    }

    fn text(&self) -> String {
        self.worst_seed.map_or("0".to_owned(), |seed| format!("{} in {} (seed {seed})", self.total, self.runs))
    }
}

/// The rows of all variants among these runs, in the order in which they first appear. Runs of no variant are left out.
pub fn rows(records: &[&RunRecord]) -> Vec<Row> {
    let mut rows = Rows::default();
    records.iter().for_each(|record| rows.add(record));
    rows.finish()
}

/// Rows that grow run by run. The order of the runs decides only the order of the rows.
#[derive(Default, Debug)]
pub struct Rows(Vec<Growing>);

#[derive(Debug)]
struct Growing {
    row: Row,
    lowest_seed: u64,
    /// In whole nanoseconds, whose sum does not depend on the order.
    unavailable: Duration,
}

impl Rows {
    /// Takes a run, if it is one of a variant.
    pub fn add(&mut self, record: &RunRecord) {
        let Some(variant) = &record.variant else { return };
        let place = self.0.iter().position(|it| it.row.scenario == record.scenario && it.row.variant == *variant);
        let place = place.unwrap_or_else(|| {
            self.0.push(Growing::blank(record, variant));
            self.0.len() - 1
        });
        self.0[place].add(record);
    }

    /// The rows.
    pub fn finish(&self) -> Vec<Row> {
        let row = |it: &Growing| {
            let mut row = it.row.clone();
            row.unavailable_seconds.total = it.unavailable.as_secs_f64();
            row
        };
        self.0.iter().map(row).collect()
    }
}

impl Growing {
    fn blank(record: &RunRecord, variant: &str) -> Growing {
        let row = Row {
            scenario: record.scenario.clone(),
            variant: variant.to_owned(),
            runs: 0,
            passed: 0,
            acked: 0,
            failed: Cell::default(),
            lost: Cell::default(),
            duplicated: Cell::default(),
            out_of_order: Cell::default(),
            unavailable_seconds: Cell::default(),
            again: record.again.clone(),
        };
        Growing { row, lowest_seed: record.seed, unavailable: Duration::ZERO }
    }

    fn add(&mut self, record: &RunRecord) {
        let (row, counts) = (&mut self.row, &record.records);
        row.runs += 1;
        row.passed += u64::from(record.verdict == Verdict::Pass);
        row.acked += counts.acked;
        row.failed.add((counts.failed + counts.unknown) as f64, record);
        row.lost.add(counts.lost as f64, record);
        row.duplicated.add(counts.duplicated as f64, record);
        row.out_of_order.add(counts.out_of_order as f64, record);
        let unavailable = record.unavailable_seconds.values().copied().fold(0.0, f64::max);
        row.unavailable_seconds.add(unavailable, record);
        self.unavailable =
            self.unavailable.saturating_add(Duration::try_from_secs_f64(unavailable).unwrap_or_default());
        if (record.seed, &record.again) < (self.lowest_seed, &row.again) {
            (self.lowest_seed, row.again) = (record.seed, record.again.clone());
        }
    }
}

fn command(again: &str, program: &str) -> String {
    format!("{program} {}", again.strip_prefix("odradek ").unwrap_or(again))
}

/// The table of one seed: each row ends with the command that shows it again.
pub fn one_seed(rows: &[Row], program: &str) -> String {
    let mut table = vec![
        ["variant", "verdict", "acked", "failed", "lost", "duplicated", "out of order", "unavailable", "shown by"]
            .map(String::from),
    ];
    for row in rows {
        table.push([
            row.variant.clone(),
            if row.passed == row.runs { "pass" } else { "FAIL" }.into(),
            row.acked.to_string(),
            row.failed.total.to_string(),
            row.lost.total.to_string(),
            row.duplicated.total.to_string(),
            row.out_of_order.total.to_string(),
            format!("{:.1} s", row.unavailable_seconds.worst),
            command(&row.again, program),
        ]);
    }
    aligned(&table)
}

/// What readers felt, and groups went through, variant by variant under one seed.
pub fn of_readers(records: &[&RunRecord]) -> String {
    let variant = |record: &RunRecord| record.variant.clone().unwrap_or_default();
    let mut table = vec![["variant", "send to poll: p50", "p99", "max"].map(String::from)];
    for record in records {
        let latency = &record.send_to_poll_ms;
        let [p50, p99, max] = [latency.p50, latency.p99, latency.max].map(|ms| format!("{ms:.1} ms"));
        table.push([variant(record), p50, p99, max]);
    }
    let mut text = aligned(&table);
    let mut table =
        vec![["variant", "group", "generations a minute", "done twice", "without owner: max", "sum"].map(String::from)];
    for record in records {
        for (name, group) in &record.groups {
            let a_minute = group.generations as f64 * 60.0 / record.simulated_seconds.max(1.0);
            table.push([
                variant(record),
                name.clone(),
                format!("{a_minute:.1}"),
                group.reprocessed.to_string(),
                format!("{:.1} s", group.unowned_seconds),
                format!("{:.1} s", group.unowned_seconds_total),
            ]);
        }
    }
    if table.len() > 1 {
        text += &format!("\n{}", aligned(&table));
    }
    text
}

/// The table of many seeds: counts over all of them, in how many, and the seed that shows most.
pub fn many_seeds(rows: &[Row], program: &str) -> String {
    let mut text = String::new();
    let mut scenarios: Vec<&str> = rows.iter().map(|row| row.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.scenario == scenario).collect();
        let mut table = vec![
            [scenario, "passed", "acked", "failed", "lost", "duplicated", "out of order", "unavailable at worst"]
                .map(String::from),
        ];
        for row in &rows {
            let unavailable = &row.unavailable_seconds;
            table.push([
                row.variant.clone(),
                format!("{} of {}", row.passed, row.runs),
                row.acked.to_string(),
                row.failed.text(),
                row.lost.text(),
                row.duplicated.text(),
                row.out_of_order.text(),
                match unavailable.worst_seed {
                    Some(seed) => format!("{:.1} s (seed {seed})", unavailable.worst),
                    None => "0 s".into(),
                },
            ]);
        }
        text += &aligned(&table);
        text += "  N in M: N records in M runs; the seed is that of the worst run. Show one again:\n";
        for row in &rows {
            let cells = [&row.lost, &row.failed, &row.duplicated, &row.out_of_order, &row.unavailable_seconds];
            let again = cells.iter().find_map(|cell| cell.again.as_ref()).unwrap_or(&row.again);
            text += &format!("  {}\n", command(again, program));
        }
    }
    text
}

/// Columns as wide as their widest cell; the first and the last to the left, numbers to the right.
fn aligned<const N: usize>(table: &[[String; N]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += &if line.is_empty() { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
