//! `odradek replay`: run again what was recorded, and compare.

use std::io::Write;
use std::path::Path;

use sim::{RunRecord, Verdict};

use super::diff::{self, Named};
use super::run::LIMIT;
use crate::Status;
use crate::arguments::{Changes, Replay};
use crate::directory::{self, PLAN, TRACE};
use crate::failure::Failure;
use crate::input;
use crate::progress::RunProgress;
use crate::worker::{COMMIT, Job, Report, Worker};

/// Runs a run directory or a plan again.
pub fn replay(arguments: &Replay) -> Result<Status, Failure> {
    let what = arguments.what.as_path();
    let directory = what.is_dir().then_some(what);
    let path = directory.map_or_else(|| what.to_owned(), |directory| directory.join(PLAN));
    let plan = input::plan(&path, &Changes::default(), None, None)?;
    let recorded = match directory {
        Some(directory) => directory::record(directory)?,
        None => None,
    };
    let scratch = Scratch::new()?;
    let job = Job {
        plan: plan.to_toml(),
        trace: trace::Mode::Full,
        trace_file: Some(scratch.0.join(TRACE)),
        variant: recorded.as_ref().and_then(|record| record.variant.clone()),
        again: format!("odradek replay {}", what.display()),
    };
    let mut progress = RunProgress::new(format!("{} seed {}", plan.name, plan.seed), &plan);
    let report = Worker::start()?.run_watched(&job, LIMIT, &mut |simulated| progress.reached(simulated));
    progress.finish();
    let report = report?;
    let mut out = std::io::stdout().lock();
    let Some(recorded) = recorded else {
        writeln!(out, "{}\n{}", report.story.trim_end(), report.record.reason)?;
        writeln!(out, "fingerprint {}; nothing was recorded to compare with", report.record.fingerprint)?;
        return Ok(if report.record.verdict == Verdict::Pass { Status::Good } else { Status::Failed });
    };
    compare(&mut out, what, &recorded, &report, &scratch.0.join(TRACE))
}

fn compare(
    out: &mut impl Write,
    directory: &Path,
    recorded: &RunRecord,
    report: &Report,
    new_trace: &Path,
) -> Result<Status, Failure> {
    let now = &report.record;
    let same_verdict = recorded.verdict == now.verdict && signatures(recorded) == signatures(now);
    if same_verdict {
        writeln!(out, "same verdict: {}", now.reason)?;
    } else {
        writeln!(out, "recorded: {}\nnow:      {}", recorded.reason, now.reason)?;
        writeln!(out, "recorded signatures: {:?}\nnow:                 {:?}", signatures(recorded), signatures(now))?;
    }
    if recorded.fingerprint == now.fingerprint {
        writeln!(out, "same fingerprint: {}", now.fingerprint)?;
    } else {
        writeln!(out, "fingerprints differ: recorded {}, now {}", recorded.fingerprint, now.fingerprint)?;
        let old_trace = directory.join(TRACE);
        if old_trace.exists() {
            let (header, old) = input::trace(&old_trace)?;
            if header.commit != COMMIT {
                writeln!(out, "recorded by another build: commit {}, this is {COMMIT}", header.commit)?;
            }
            let (_, new) = input::trace(new_trace)?;
            let (old, new) = (Named { name: "recorded", events: &old }, Named { name: "now", events: &new });
            diff::tell(out, &old, &new)?;
        }
    }
    Ok(if same_verdict { Status::Good } else { Status::Failed })
}

fn signatures(record: &RunRecord) -> Vec<&str> {
    let mut signatures: Vec<&str> = record.violations.iter().map(|it| it.signature.as_str()).collect();
    signatures.sort_unstable();
    signatures.dedup();
    signatures
}

/// A folder for files that nobody keeps.
pub struct Scratch(pub std::path::PathBuf);

impl Scratch {
    /// Creates one.
    pub fn new() -> Result<Scratch, Failure> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("odradek-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| Failure::file(&path, "create", &error))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Left-overs in a folder for temporary files harm nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
