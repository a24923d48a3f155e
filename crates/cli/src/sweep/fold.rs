//! The results of a sweep, folded as they come: of a run that passed nothing stays but its key, so that ten thousand runs need
//! hardly more memory than ten. Runs may come in any order, and more than once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sim::Verdict;

use super::ledger::Failing;
use super::line::{Key, Line};
use super::summary::{Signature, Summary};
use crate::table::Rows;

/// What a sweep came to so far.
#[derive(Default, Debug)]
pub struct Fold {
    seen: BTreeSet<Key>,
    whole: Counts,
    by_name: BTreeMap<String, Counts>,
    rows: Rows,
    /// Name, seed and key of the runs that gave another fingerprint when repeated.
    mismatches: BTreeSet<(String, u64, Key)>,
    failing: Vec<Failing>,
}

impl Fold {
    /// Takes a finished run; one that was taken before counts for nothing.
    pub fn add(&mut self, line: &Line) {
        if !self.seen.insert(line.key) {
            return;
        }
        let name = line.name();
        self.whole.add(line);
        self.rows.add(&line.record);
        if line.same == Some(false) {
            self.mismatches.insert((name.clone(), line.record.seed, line.key));
        }
        self.failing.extend(Failing::of(line));
        self.by_name.entry(name).or_default().add(line);
    }

    /// The runs that were taken.
    pub fn seen(&self) -> &BTreeSet<Key> {
        &self.seen
    }

    /// The runs that did not pass.
    pub fn failing(&self) -> &[Failing] {
        &self.failing
    }

    /// What came of each scenario, or variant.
    pub fn by_name(&self) -> &BTreeMap<String, Counts> {
        &self.by_name
    }

    /// Sums up, of `total` runs.
    pub fn summary(&self, total: u64) -> Summary {
        let whole = &self.whole;
        let unreached = |(name, counts): (&String, &Counts)| {
            let marks = counts.wanted.iter().filter(|(_, reached)| !**reached);
            marks.map(|(mark, _)| format!("{name}: {mark}")).collect::<Vec<_>>()
        };
        let mut variants = self.rows.finish();
        variants.sort_by_cached_key(|row| format!("{}/{}", row.scenario, row.variant));
        Summary {
            kind: "summary".into(),
            schema: 1,
            runs: whole.runs,
            total,
            passed: whole.passed,
            failed: whole.failed,
            errors: whole.errors,
            signatures: whole.signatures().into_iter().map(|(signature, _)| signature.clone()).collect(),
            variants,
            marks: whole.marks.clone(),
            unreached_marks: self.by_name.iter().flat_map(unreached).collect(),
            fingerprint_mismatches: self.mismatches.len() as u64,
            mismatches: self.mismatches.iter().map(|(name, seed, _)| format!("{name} seed {seed}")).collect(),
            rechecked: whole.rechecked,
            core_seconds: whole.wall.as_secs_f64(),
            simulated_seconds: whole.simulated.as_secs_f64(),
        }
    }
}

/// Counts over some runs. Times are whole nanoseconds: their sums do not depend on the order of the runs.
#[derive(Default, Debug)]
pub struct Counts {
    /// Runs.
    pub runs: u64,
    /// Runs that passed.
    pub passed: u64,
    /// Wall time of all.
    pub wall: Duration,
    /// Wall time of those that passed.
    pub passed_wall: Duration,
    failed: u64,
    errors: u64,
    rechecked: u64,
    simulated: Duration,
    marks: BTreeMap<String, u64>,
    /// Whether a mark that is wanted was reached.
    wanted: BTreeMap<String, bool>,
    signatures: BTreeMap<String, Shown>,
}

/// A distinct failure, the key of the fastest run that shows it, and the wall time of all that do.
#[derive(Debug)]
struct Shown {
    signature: Signature,
    key: Key,
    wall: Duration,
}

impl Shown {
    /// As this run shows it, which is not counted yet.
    fn by(signature: String, line: &Line) -> Shown {
        let record = &line.record;
        let signature = Signature {
            signature,
            scenario: line.name(),
            count: 0,
            first_seed: record.seed,
            fastest_seed: record.seed,
            fastest_seconds: record.wall_seconds,
            summary: record.reason.clone(),
            again: record.again.strip_prefix("odradek ").unwrap_or(&record.again).to_owned(),
        };
        Shown { signature, key: line.key, wall: Duration::ZERO }
    }
}

impl Counts {
    fn add(&mut self, line: &Line) {
        let record = &line.record;
        let wall = duration(record.wall_seconds);
        self.runs += 1;
        match record.verdict {
            Verdict::Pass => {
                self.passed += 1;
                self.passed_wall = self.passed_wall.saturating_add(wall);
            }
            Verdict::Fail => self.failed += 1,
            Verdict::Error => self.errors += 1,
        }
        self.rechecked += u64::from(line.same.is_some());
        self.wall = self.wall.saturating_add(wall);
        self.simulated = self.simulated.saturating_add(duration(record.simulated_seconds));
        for (mark, times) in &record.marks {
            *self.marks.entry(mark.clone()).or_default() += times;
        }
        for mark in &line.sometimes {
            *self.wanted.entry(mark.clone()).or_default() |= record.marks.contains_key(mark);
        }
        if let Some(signature) = line.signature() {
            self.show(signature, line, wall);
        }
    }

    fn show(&mut self, signature: String, line: &Line, wall: Duration) {
        let record = &line.record;
        let shown = self.signatures.entry(signature.clone()).or_insert_with(|| Shown::by(signature, line));
        let it = &mut shown.signature;
        it.count += 1;
        it.first_seed = it.first_seed.min(record.seed);
        shown.wall = shown.wall.saturating_add(wall);
        let name = line.name();
        let faster = record.wall_seconds.total_cmp(&it.fastest_seconds);
        let faster =
            faster.then_with(|| (&name, record.seed, line.key).cmp(&(&it.scenario, it.fastest_seed, shown.key)));
        if faster.is_lt() {
            let (count, first_seed) = (it.count, it.first_seed);
            let Shown { signature, key, .. } = Shown::by(it.signature.clone(), line);
            *it = Signature { count, first_seed, ..signature };
            shown.key = key;
        }
    }

    /// Distinct failures, the most frequent first, each with the wall time of the runs that show it.
    pub fn signatures(&self) -> Vec<(&Signature, Duration)> {
        let mut all: Vec<_> = self.signatures.values().map(|shown| (&shown.signature, shown.wall)).collect();
        all.sort_by(|(a, _), (b, _)| b.count.cmp(&a.count).then_with(|| a.signature.cmp(&b.signature)));
        all
    }
}

/// Seconds of a record; none of what no clock shows.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{Broken, Job};

    /// A run of `scenario` under `seed`: it passes, or it hangs.
    fn line(scenario: &str, seed: u64, passes: bool) -> Line {
        let text = format!(
            "schema = 1\nname = \"{scenario}\"\nintent = \"i\"\nseed = {seed}\n[cluster]\nbrokers = 1\nzookeepers = 1\n\
             [phases]\nwarmup = \"1s\"\nchaos = \"1s\"\nsettle = \"1s\"\n"
        );
        let plan = scenario::Plan::parse("plan.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let job = Job {
            plan: String::new(),
            trace: trace::Mode::None,
            trace_file: None,
            variant: Some("v".into()),
            again: format!("odradek run s.toml --seed {seed}"),
        };
        let mut record = crate::sweep::line::broken(&plan, &job, &Broken::Hung(Duration::from_secs(9)));
        if passes {
            record.verdict = Verdict::Pass;
            record.violations.clear();
            record.marks.insert("leader-changed".into(), 1);
            record.unavailable_seconds.insert("orders".into(), 0.1);
            (record.simulated_seconds, record.wall_seconds) = (0.1, 0.3);
        }
        Line {
            key: Key::of(&text, None),
            commit: "abc".into(),
            file: "s.toml".into(),
            sometimes: vec!["leader-changed".into(), "isr-shrunk".into()],
            total: 3,
            same: Some(seed != 5),
            record,
        }
    }

    fn fold<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Fold {
        let mut fold = Fold::default();
        lines.into_iter().for_each(|line| fold.add(line));
        fold
    }

    #[test]
    fn a_run_that_passes_leaves_nothing_but_its_key() {
        let kept = |seeds: u64| {
            let mut fold = fold(&(1_000..1_000 + seeds).map(|seed| line("s", seed, true)).collect::<Vec<_>>());
            assert_eq!(std::mem::take(&mut fold.seen).len() as u64, seeds);
            // Numbers may be larger; there must not be more of them.
            format!("{fold:?}")
                .replace(|c: char| c.is_ascii_digit() || c == '.', "")
                .replace("ns", "s")
                .replace("ms", "s")
        };
        assert_eq!(kept(1), kept(1_000));
        assert_eq!(size_of::<Key>(), 16);
    }

    #[test]
    fn the_same_runs_in_any_order_and_number_give_the_same_summary() {
        let lines: Vec<Line> = (0..9).flat_map(|seed| [line("b", seed, seed % 3 > 0), line("a", seed, true)]).collect();
        let summary = fold(&lines).summary(18);
        assert_eq!(fold(lines.iter().rev().chain(&lines)).summary(18), summary);
        assert_eq!((summary.runs, summary.passed, summary.errors, summary.rechecked), (18, 15, 3, 18));
        assert_eq!(summary.mismatches, ["a/v seed 5", "b/v seed 5"]);
        assert_eq!(summary.unreached_marks, ["a/v: isr-shrunk", "b/v: isr-shrunk"]);
        assert_eq!((summary.simulated_seconds, summary.core_seconds), (1.5, 31.5), "no sum depends on rounding");
        let hung = &summary.signatures[0];
        assert_eq!(
            (hung.count, hung.first_seed, hung.fastest_seed),
            (3, 0, 0),
            "of equally fast runs the first is shown"
        );
        let rows: Vec<_> = summary.variants.iter().map(|row| (row.scenario.as_str(), row.passed)).collect();
        assert_eq!(rows, [("a", 9), ("b", 6)]);
    }

    #[test]
    fn the_fastest_run_of_a_failure_is_shown_and_the_lowest_seed_named() {
        let mut lines = [line("s", 3, false), line("s", 7, false), line("s", 4, false)];
        lines[1].record.wall_seconds = 0.5;
        let found = &fold(&lines).summary(3).signatures[0];
        assert_eq!((found.first_seed, found.fastest_seed, found.fastest_seconds), (3, 7, 0.5));
        assert_eq!(found.again, "run s.toml --seed 7");
    }
}
