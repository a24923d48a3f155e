//! `odradek flaws --bench`: what is found of the historical flaws, and after how long.

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use scenario::Flaw;

use super::quoted;
use crate::Status;
use crate::arguments::Flaws;
use crate::bench::table::{self, Made};
use crate::bench::work::{How, work};
use crate::bench::{Bench, score::Score};
use crate::failure::Failure;
use crate::worker::COMMIT;

/// Runs the bench; status 1 if a flaw's own scenario misses it or is not clean without it.
pub fn bench(arguments: &Flaws) -> Result<Status, Failure> {
    // All input is checked before anything runs.
    let chosen = chosen(&arguments.names)?;
    let benches =
        chosen.into_iter().map(|flaw| Bench::read(flaw, &arguments.scenarios)).collect::<Result<Vec<_>, _>>()?;
    let ranges = split(&arguments.seeds, arguments.ranges)?;
    let reasons = match &arguments.reasons {
        Some(path) => table::reasons(path)?,
        None => Some(Path::new("docs/flaw-bench.toml"))
            .filter(|path| path.exists())
            .map_or(Ok(Default::default()), table::reasons)?,
    };
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("runs/flaw-bench"));
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let how = How { ranges: &ranges, jobs, limit: arguments.timeout, out: &out, shrink: arguments.attempts };
    let scores = work(&benches, &how)?;
    if let Some(path) = &arguments.markdown {
        let made = Made {
            date: &today(),
            command: &command(arguments),
            commit: COMMIT,
            seeds: &format!("{}..{}", arguments.seeds.start, arguments.seeds.end),
            ranges: arguments.ranges,
            scenarios: benches.iter().map(|bench| bench.chaos.len()).max().unwrap_or(0),
        };
        let page = table::markdown(&scores, &reasons, &made);
        std::fs::write(path, page).map_err(|error| Failure::file(path, "write", &error))?;
    }
    let mut stdout = std::io::stdout().lock();
    if arguments.json {
        for score in &scores {
            serde_json::to_writer(&mut stdout, score).map_err(std::io::Error::from)?;
            stdout.write_all(b"\n")?;
        }
    } else {
        stdout.write_all(table::text(&scores).as_bytes())?;
    }
    Ok(if scores.iter().all(Score::holds) { Status::Good } else { Status::Failed })
}

/// The flaws named, or every one that is built, in catalogue order.
fn chosen(names: &[String]) -> Result<Vec<&'static Flaw>, Failure> {
    if names.is_empty() {
        return Ok(scenario::FLAWS.iter().filter(|flaw| flaw.implemented).collect());
    }
    let find = |name: &String| match scenario::flaw(name) {
        Some(flaw) if flaw.implemented => Ok(flaw),
        Some(_) => Err(Failure::input(format!("error: flaw `{name}` is in the catalogue but not built yet"))),
        None => Err(Failure::input(format!("error: there is no flaw `{name}`\nhelp: `odradek flaws` lists all"))),
    };
    names.iter().map(find).collect()
}

/// So many equal ranges; the last takes what is left.
fn split(seeds: &Range<u64>, count: usize) -> Result<Vec<Range<u64>>, Failure> {
    let (all, parts) = (seeds.end - seeds.start, count as u64);
    if parts == 0 || parts > all {
        let message = format!("error: --ranges {count}: {all} seeds can be split into 1 to {all} ranges");
        return Err(Failure::input(message));
    }
    let at = |part: u64| seeds.start + all * part / parts;
    Ok((0..parts).map(|part| at(part)..at(part + 1)).collect())
}

fn command(arguments: &Flaws) -> String {
    let mut words = vec!["odradek flaws".to_owned()];
    words.extend(arguments.names.iter().map(|name| quoted(name)));
    words.push(format!("--bench --seeds {}..{}", arguments.seeds.start, arguments.seeds.end));
    words.push(format!("--ranges {}", arguments.ranges));
    words.join(" ")
}

/// The day, by the real clock, in UTC.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(i64::try_from(seconds / 86_400).unwrap_or(0))
}

/// The date so many days after 1970-01-01 (Howard Hinnant, chrono-compatible low-level date algorithms).
fn date(days: i64) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_disjoint_and_cover_all_seeds() {
        assert_eq!(split(&(0..1000), 5).unwrap(), [0..200, 200..400, 400..600, 600..800, 800..1000]);
        assert_eq!(split(&(3..10), 3).unwrap(), [3..5, 5..7, 7..10]);
        assert!(split(&(0..3), 0).is_err() && split(&(0..3), 4).is_err());
    }

    #[test]
    fn days_become_dates() {
        let dates = [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_454, "2026-01-01")];
        for (days, expected) in dates {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn only_built_flaws_can_be_benched() {
        assert!(chosen(&[]).unwrap().iter().any(|flaw| flaw.name == "canary"));
        for wrong in ["no-such", "hanging-txn"] {
            assert!(chosen(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
