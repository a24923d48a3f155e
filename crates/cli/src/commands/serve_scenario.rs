//! `odradek serve --scenario`: a scenario on real sockets and files, with its faults, judged as a simulated run is.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use scenario::Plan;
use sim::{Outcome, Progress, RunOptions, RunRecord, Verdict};
use trace::Mode;

use super::{again, program, quoted};
use crate::Status;
use crate::arguments::{Changes, Serve};
use crate::directory::{DIGEST, Draft, PLAN, VERDICT};
use crate::failure::Failure;
use crate::input;
use crate::progress::RunProgress;
use crate::worker::write_trace;

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Runs a scenario for real.
pub fn serve_scenario(path: &Path, arguments: &Serve) -> Result<Status, Failure> {
    let changes = Changes { set: arguments.set.clone(), without_flaws: arguments.without_flaws };
    let scenario = one(path, &changes, arguments.variant.as_deref())?;
    let plan = input::resolve(&scenario, arguments.seed, None)?;
    input::warn([&plan]);
    let (plan, skipped) = sim::for_real(&plan);
    for fault in &skipped {
        eprintln!("skipped: {fault}");
    }
    let data = Data::new(arguments.data.as_deref())?;
    let draft = arguments.out.as_deref().map(Draft::begin).transpose()?;
    let again = again(path, &changes, arguments.variant.as_deref(), plan.seed, None);
    let options = RunOptions {
        trace: if arguments.trace.is_some() || draft.is_some() { Mode::Full } else { Mode::None },
        variant: arguments.variant.clone(),
        again: format!("odradek {}", again.replacen("run ", "serve --scenario ", 1)),
        progress: Progress::default(),
    };
    let outcome = perform(&plan, &options, &data.path)?;
    if let Some(trace) = &arguments.trace {
        write_trace(trace, &plan, &outcome).map_err(|error| Failure::file(trace, "write", &error))?;
    }
    let mut record = serde_json::to_string(&outcome.record).map_err(|error| Failure::broken(error.to_string()))?;
    record.push('\n');
    if let Some(draft) = draft {
        let trace = draft.trace();
        write_trace(&trace, &plan, &outcome).map_err(|error| Failure::file(&trace, "write", &error))?;
        draft.write(PLAN, &plan.to_toml())?;
        draft.write(DIGEST, &outcome.digest.render(false))?;
        draft.write(VERDICT, &record)?;
        draft.commit()?;
    }
    let text = if arguments.json { record } else { for_people(arguments, &outcome, &data, &again) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(match outcome.record.verdict {
        Verdict::Pass => Status::Good,
        Verdict::Fail => Status::Failed,
        Verdict::Error => Status::Broken,
    })
}

/// The scenario; of several variants one must be named, since each takes its time.
fn one(path: &Path, changes: &Changes, variant: Option<&str>) -> Result<scenario::Scenario, Failure> {
    let scenario = input::scenario(path, changes, variant)?;
    if variant.is_none() && !scenario.variants.is_empty() {
        let names: Vec<&str> = scenario.variants.iter().map(|variant| variant.name.as_str()).collect();
        return Err(Failure::input(format!(
            "error: {} has several variants, and each takes minutes on real sockets: choose one with --variant ({})",
            path.display(),
            names.join(", ")
        )));
    }
    Ok(scenario)
}

/// Runs, and says meanwhile how far it has come.
fn perform(plan: &Plan, options: &RunOptions, data: &Path) -> Result<Outcome, Failure> {
    let began = Instant::now();
    let mut progress = RunProgress::really(format!("{} seed {}", plan.name, plan.seed), plan);
    let outcome = std::thread::scope(|scope| {
        let (running, ended) = channel::<()>();
        let run = scope.spawn(move || {
            let _running = running;
            sim::run_plan_really(plan, options, data)
        });
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK) {
            progress.reached(options.progress.reached());
        }
        run.join()
    });
    progress.finish();
    let outcome = outcome.map_err(|_| Failure::broken("error: the run panicked"))?;
    let mut outcome = outcome.map_err(|error| Failure::broken(format!("error: {error}")))?;
    outcome.record.wall_seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

/// Where the nodes' files are.
struct Data {
    path: PathBuf,
    temporary: bool,
}

impl Data {
    /// `given`, which must hold nothing yet: what an earlier run left would be judged as this run's.
    fn new(given: Option<&Path>) -> Result<Data, Failure> {
        let path = given.map_or_else(
            || std::env::temp_dir().join(format!("odradek-scenario-{}", std::process::id())),
            Path::to_owned,
        );
        std::fs::create_dir_all(&path).map_err(|error| Failure::file(&path, "create the folder", &error))?;
        let mut entries = std::fs::read_dir(&path).map_err(|error| Failure::file(&path, "read", &error))?;
        if entries.next().is_some() {
            let path = path.display();
            return Err(Failure::input(format!(
                "error: {path} is not empty: a scenario begins on empty disks; choose another --data"
            )));
        }
        Ok(Data { path, temporary: given.is_none() })
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if self.temporary {
            // What could not be removed is in the system's folder for what may be.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn for_people(arguments: &Serve, outcome: &Outcome, data: &Data, again: &str) -> String {
    let RunRecord { simulated_seconds, events, reason, seed, violations, .. } = &outcome.record;
    let program = program();
    let mut text = format!(
        "{}\n{}\n{reason}\n\n{simulated_seconds:.1} s on real sockets, {events} events; on real sockets: no fingerprint\n\n",
        outcome.digest.render(true).trim_end(),
        outcome.tables.trim_end(),
    );
    if !data.temporary {
        text += &format!("data:  {}\n", quoted(&data.path.display().to_string()));
    }
    if let Some(trace) = &arguments.trace {
        let why = if violations.is_empty() { "--kind LeadershipDecided" } else { "--why violation:1" };
        text += &format!("why:   {program} show {} {why}\n", quoted(&trace.display().to_string()));
    }
    text += &match &arguments.out {
        Some(out) => format!(
            "beside the simulated one (seed {seed}): {program} {again} --out runs/simulated; diff runs/simulated/{DIGEST} {}\n",
            quoted(&out.join(DIGEST).display().to_string())
        ),
        None => format!("the same, simulated in a moment: {program} {again}\n"),
    };
    text
}
