//! The ledger: when each distinct failure was first and last seen, over all sweeps. One JSON object a line, one line a
//! signature.
//!
//! A line remembers which runs it counted (16 digits of each run's key), so that a sweep that is resumed, reported again or
//! merged counts nothing twice. It is updated when a sweep concludes: a killed one is entered by the command that resumes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Line;
use crate::failure::Failure;

/// A run that showed a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The day of the report, in UTC: `2026-03-01`.
    pub date: String,
    /// The commit of the program that ran it.
    pub commit: String,
    /// `SCENARIO`, or `SCENARIO/VARIANT`.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
}

/// The run that shows a failure in the least wall time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fastest {
    /// `SCENARIO`, or `SCENARIO/VARIANT`.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Its wall time.
    pub seconds: f64,
    /// The command that repeats it.
    pub again: String,
}

/// A distinct failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Oracle, kind of evidence, place in the protocol.
    pub signature: String,
    /// How many runs showed it, over all sweeps.
    pub count: u64,
    /// The first.
    pub first: Sighting,
    /// The last.
    pub last: Sighting,
    /// The fastest.
    pub fastest: Fastest,
    /// The runs that were counted.
    pub runs: BTreeSet<String>,
}

/// A run that did not pass: what the ledger asks of it.
#[derive(Clone, Debug)]
pub struct Failing {
    signature: String,
    /// 16 digits of its key.
    run: String,
    commit: String,
    /// `SCENARIO`, or `SCENARIO/VARIANT`.
    name: String,
    seed: u64,
    seconds: f64,
    again: String,
}

impl Failing {
    /// The run of this line, if it did not pass.
    pub fn of(line: &Line) -> Option<Failing> {
        Some(Failing {
            signature: line.signature()?,
            run: line.key.to_string().chars().take(16).collect(),
            commit: line.commit.clone(),
            name: line.name(),
            seed: line.record.seed,
            seconds: line.record.wall_seconds,
            again: line.record.again.clone(),
        })
    }
}

/// What the ledger knew of the failures of a sweep, by signature: the entry without this sweep's runs, if any.
pub type Known = BTreeMap<String, Entry>;

/// All entries of a ledger; none if there is no file yet.
pub fn read(path: &Path) -> Result<BTreeMap<String, Entry>, Failure> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = crate::input::text(path)?;
    let mut entries = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let entry: Entry = serde_json::from_str(line).map_err(|error| {
            let place = format!("{}:{}", path.display(), number + 1);
            Failure::input(format!("error: {place}: no entry of a ledger: {error}; name another file with --ledger"))
        })?;
        entries.insert(entry.signature.clone(), entry);
    }
    Ok(entries)
}

/// Enters the failures of a sweep, and tells what was known of them from other sweeps.
pub fn update(path: &Path, failing: &[Failing], now: SystemTime) -> Result<Known, Failure> {
    if failing.is_empty() {
        return Ok(Known::new());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "create the folder", &error))?;
    }
    // Two sweeps may end at once: whoever comes second waits, and adds to what the first wrote.
    let lock = beside(path, "lock");
    let held = File::create(&lock).and_then(|file| file.lock().map(|()| file));
    let _held = held.map_err(|error| Failure::file(&lock, "lock", &error))?;
    let mut entries = read(path)?;
    let known = enter(&mut entries, failing, &date(now));
    let mut text = String::new();
    for entry in entries.values() {
        text += &serde_json::to_string(entry).map_err(|error| Failure::broken(error.to_string()))?;
        text.push('\n');
    }
    let draft = beside(path, &std::process::id().to_string());
    fs::write(&draft, text).map_err(|error| Failure::file(&draft, "write", &error))?;
    fs::rename(&draft, path).map_err(|error| Failure::file(path, "write", &error))?;
    Ok(known)
}

/// A hidden file beside the ledger.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let name = path.file_name().map_or_else(|| "ledger".into(), |name| name.to_string_lossy().into_owned());
    path.with_file_name(format!(".{name}.{extension}"))
}

fn enter(entries: &mut BTreeMap<String, Entry>, failing: &[Failing], date: &str) -> Known {
    let own: BTreeSet<String> = failing.iter().map(|it| it.run.clone()).collect();
    // What is known comes from other sweeps: to report one twice makes none of its failures older.
    let elsewhere = entries.iter().filter(|(_, entry)| !entry.runs.is_subset(&own));
    let before: Known = elsewhere.map(|(signature, entry)| (signature.clone(), entry.clone())).collect();
    let mut failing: Vec<&Failing> = failing.iter().collect();
    failing.sort_by_key(|it| (&it.name, it.seed, &it.run));
    let mut known = Known::new();
    for Failing { signature, run, commit, name, seed, seconds, again } in failing {
        if let Some(entry) = before.get(signature) {
            known.insert(signature.clone(), entry.clone());
        }
        let sighting = Sighting { date: date.into(), commit: commit.clone(), scenario: name.clone(), seed: *seed };
        let fastest = Fastest { scenario: name.clone(), seed: *seed, seconds: *seconds, again: again.clone() };
        let entry = entries.entry(signature.clone()).or_insert_with(|| Entry {
            signature: signature.clone(),
            count: 0,
            first: sighting.clone(),
            last: sighting.clone(),
            fastest: fastest.clone(),
            runs: BTreeSet::new(),
        });
        if entry.runs.insert(run.clone()) {
            entry.count += 1;
            entry.last = sighting;
            if fastest.seconds < entry.fastest.seconds {
                entry.fastest = fastest;
            }
        }
    }
    known
}

/// `new`, or since when a failure is known.
pub fn age(known: &Known, signature: &str) -> String {
    match known.get(signature) {
        None => "new".into(),
        Some(Entry { first, last, count, .. }) => format!(
            "known since {} ({} seed {}, commit {}), last seen {}, {count} runs before",
            first.date, first.scenario, first.seed, first.commit, last.date
        ),
    }
}

/// A day in UTC, by Howard Hinnant's civil-from-days.
fn date(now: SystemTime) -> String {
    let days = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400) + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hung(run: &str, seed: u64, seconds: f64) -> Failing {
        Failing {
            signature: "broken/hung".into(),
            run: run.into(),
            commit: "abc".into(),
            name: "s".into(),
            seed,
            seconds,
            again: format!("odradek run s.toml --seed {seed}"),
        }
    }

    #[test]
    fn days_are_civil() {
        let day = |days: u64| date(UNIX_EPOCH + Duration::from_secs(days * 86_400 + 86_399));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(11_016), "2000-02-29");
        assert_eq!(day(20_513), "2026-03-01");
    }

    #[test]
    fn a_run_is_counted_once_however_often_it_is_reported() {
        let mut entries = BTreeMap::new();
        let lines = [hung("1", 7, 9.0), hung("2", 5, 3.0)];
        assert!(enter(&mut entries, &lines[..1], "2026-01-01").is_empty(), "nothing was known");
        assert!(enter(&mut entries, &lines, "2026-01-02").is_empty(), "the sweep goes on: it is still its own news");
        assert!(enter(&mut entries, &lines, "2026-01-03").is_empty(), "reported again");
        let entry = &entries["broken/hung"];
        assert_eq!((entry.count, entry.first.seed, entry.last.seed, entry.fastest.seed), (2, 7, 5, 5));
        assert_eq!((entry.first.date.as_str(), entry.last.date.as_str()), ("2026-01-01", "2026-01-02"));
    }

    #[test]
    fn another_sweep_meets_what_is_known() {
        let mut entries = BTreeMap::new();
        enter(&mut entries, &[hung("1", 7, 9.0)], "2026-01-01");
        let known = enter(&mut entries, &[hung("3", 8, 10.0)], "2026-02-01");
        assert_eq!(
            age(&known, "broken/hung"),
            "known since 2026-01-01 (s seed 7, commit abc), last seen 2026-01-01, 1 runs before"
        );
        assert_eq!(age(&known, "lost-write"), "new");
        assert_eq!((entries["broken/hung"].count, entries["broken/hung"].fastest.seed), (2, 7));
    }
}
