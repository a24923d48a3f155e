//! What can be said on the command line.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Run a whole Kafka cluster under seeded faults, and see what was lost.
#[derive(Parser)]
#[command(name = "odradek", version, about, max_term_width = 100)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Run scenarios under one seed; tell the story and the verdict.
    Run(Run),
    /// Check a scenario and print its resolved timeline; run nothing.
    Plan(Plan),
    /// Run many seeds; name each distinct failure once. What is finished is kept: the same command goes on.
    Sweep(Sweep),
    /// Sum up the results of several sweeps or shards.
    Merge(Merge),
    /// Find the fewest faults, the shortest run and the smallest cluster that still fail the same way.
    Shrink(Shrink),
    /// Find where a failure became likely: replay its beginning, draw what follows anew, see how often it fails the same way.
    Likelihood(Likelihood),
    /// Run again what a run directory or a plan holds; compare verdict and fingerprint.
    Replay(Replay),
    /// Check determinism: the same seed in two processes.
    Check(Check),
    /// Look into a trace.
    Show(Show),
    /// Find where two traces part; status 0 if they are equal, 1 if not.
    Diff(Diff),
    /// Write a run as one HTML file: story, lanes, violations, causes, how to repeat it.
    Report(Report),
    /// Write a trace in the format of another tool.
    Export(Export),
    /// Open the visualizer.
    View(View),
    /// Serve the same cluster on real sockets and files, for any Kafka client, until Ctrl-C.
    Serve(Serve),
    /// List the scenarios of this folder.
    Scenarios,
    /// Write a commented scenario to begin with.
    New(New),
    /// Explain a fault, oracle, flaw, setting, selector or condition.
    Explain(Explain),
    /// List the catalogue of historical flaws, or bench what is found of them.
    Flaws(Flaws),
    /// Print a script for shell completion.
    Completions(Completions),
    /// Runs plans that come on standard input, one JSON object a line.
    #[command(hide = true)]
    Worker,
}

/// Settings that change a scenario from outside.
#[derive(Args, Clone, Default)]
pub struct Changes {
    /// Set a value by its path, such as topic.orders.partitions=6 (repeatable).
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Switch the scenario's flaws off and apply its [control] settings.
    #[arg(long)]
    pub without_flaws: bool,
}

/// `odradek run`
#[derive(Args)]
pub struct Run {
    /// Scenario or plan files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The seed; a plan brings its own.
    #[arg(long, value_parser = seed)]
    pub seed: Option<u64>,
    /// Run this variant alone; without it, all variants run and one table compares them.
    #[arg(long)]
    pub variant: Option<String>,
    /// Where to write the run, instead of runs/SCENARIO/SEED or runs/SCENARIO/VARIANT/SEED.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// How much of the trace to keep.
    #[arg(long, value_enum, default_value_t = TraceMode::Full)]
    pub trace: TraceMode,
    /// Another order of scheduling for the same seed.
    #[arg(long, value_parser = seed, value_name = "N")]
    pub schedule_seed: Option<u64>,
    #[command(flatten)]
    pub changes: Changes,
    /// Print one JSON object a run instead of text.
    #[arg(long)]
    pub json: bool,
}

/// How much of a trace is kept.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TraceMode {
    /// Nothing.
    None,
    /// The last 65,536 events.
    Ring,
    /// Everything.
    Full,
}

impl From<TraceMode> for trace::Mode {
    fn from(mode: TraceMode) -> trace::Mode {
        match mode {
            TraceMode::None => trace::Mode::None,
            TraceMode::Ring => trace::Mode::Ring,
            TraceMode::Full => trace::Mode::Full,
        }
    }
}

/// `odradek sweep`
#[derive(Args)]
pub struct Sweep {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// The seeds, the last excluded.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    pub seeds: Range<u64>,
    /// How many processes; default: one a core.
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Run only part I of N, I from 0.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<(usize, usize)>,
    /// Begin no run after this time, such as 10m.
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub budget: Option<Duration>,
    /// A run that takes longer hangs.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "300s")]
    pub timeout: Duration,
    /// Stop after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Write a report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// The ledger, which keeps when each failure was first and last seen over all sweeps.
    #[arg(long, value_name = "FILE", default_value = "runs/ledger.jsonl")]
    pub ledger: PathBuf,
    /// Where results and failing runs go, instead of runs/sweep.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub changes: Changes,
    /// Print one JSON object a run, and a summary at the end, instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `odradek merge`
#[derive(Args)]
pub struct Merge {
    /// Folders of sweeps, or their results.jsonl.
    #[arg(required = true, value_name = "DIR|FILE")]
    pub results: Vec<PathBuf>,
    /// Write a report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// The ledger, which keeps when each failure was first and last seen over all sweeps.
    #[arg(long, value_name = "FILE", default_value = "runs/ledger.jsonl")]
    pub ledger: PathBuf,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `odradek shrink`
#[derive(Args)]
pub struct Shrink {
    /// A run directory, or a plan file.
    #[arg(value_name = "DIR|PLAN")]
    pub what: PathBuf,
    /// What must fail; default: as recorded, or the plan's first violation.
    #[arg(long)]
    pub signature: Option<String>,
    /// How many orders of scheduling each candidate gets.
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub schedules: u64,
    /// Try at most so many candidates.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub attempts: usize,
    /// How many processes; default: one a core.
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// A run that takes longer hangs.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "120s")]
    pub timeout: Duration,
    /// Where to write what is left, instead of runs/shrunk/SCENARIO/SEED.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `odradek plan`
#[derive(Args)]
pub struct Plan {
    /// A scenario or plan file.
    pub scenario: PathBuf,
    /// The seed; a plan brings its own.
    #[arg(long, value_parser = seed)]
    pub seed: Option<u64>,
    /// With the settings of this variant.
    #[arg(long)]
    pub variant: Option<String>,
    #[command(flatten)]
    pub changes: Changes,
    /// Print the plan itself, as TOML that `run` accepts.
    #[arg(long)]
    pub toml: bool,
}

/// `odradek replay`
#[derive(Args)]
pub struct Replay {
    /// A run directory, or a plan file.
    #[arg(value_name = "DIR|PLAN")]
    pub what: PathBuf,
}

/// `odradek check`
#[derive(Args)]
pub struct Check {
    /// A scenario or plan file.
    pub scenario: PathBuf,
    /// The seeds, the last excluded.
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "1..4")]
    pub seeds: Range<u64>,
    #[command(flatten)]
    pub changes: Changes,
}

/// `odradek show`
#[derive(Args)]
pub struct Show {
    /// A trace file.
    pub trace: PathBuf,
    /// Print the cluster's state at this time, such as 12.5s.
    #[arg(long, value_name = "T", value_parser = time)]
    pub at: Option<u64>,
    /// List events from this time on.
    #[arg(long, value_name = "T", value_parser = time)]
    pub from: Option<u64>,
    /// List events before this time.
    #[arg(long, value_name = "T", value_parser = time)]
    pub to: Option<u64>,
    /// List events of this node.
    #[arg(long)]
    pub node: Option<String>,
    /// List events of this kind, such as LeadershipDecided.
    #[arg(long)]
    pub kind: Option<String>,
    /// Tell why: from an event id, or violation:1, back to the fault.
    #[arg(long, value_name = "EVENT|violation:N")]
    pub why: Option<String>,
}

/// `odradek diff`
#[derive(Args)]
pub struct Diff {
    /// A trace file, or a run directory.
    #[arg(value_name = "TRACE")]
    pub left: PathBuf,
    /// The other.
    #[arg(value_name = "TRACE")]
    pub right: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `odradek completions`
#[derive(Args)]
pub struct Completions {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `odradek report`
#[derive(Args)]
pub struct Report {
    /// A run directory.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Where to write it, instead of DIR/report.html.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `odradek export`
#[derive(Args)]
#[command(after_help = format!("ShiViz reads its log with the regular expression on the file's first line:\n  {}", crate::export::shiviz::REGEX))]
pub struct Export {
    /// A trace file or a run directory.
    pub trace: PathBuf,
    /// The format.
    #[arg(long, value_enum)]
    pub format: Format,
    /// Only events from this time on, such as 12.5s.
    #[arg(long, value_name = "T", value_parser = time)]
    pub from: Option<u64>,
    /// Only events before this time.
    #[arg(long, value_name = "T", value_parser = time)]
    pub to: Option<u64>,
    /// Where to write it, instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// A format of another tool.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Chrome's trace JSON, for ui.perfetto.dev: nodes, partitions, faults, an arrow for each frame.
    Perfetto,
    /// A log with vector clocks, for ShiViz.
    Shiviz,
    /// A space-time diagram, for a narrow window.
    Svg,
    /// One event a line, for a spreadsheet.
    Csv,
}

/// `odradek view`
#[derive(Args)]
pub struct View {
    /// A trace file or a run directory; without one, the visualizer begins with its example.
    pub trace: Option<PathBuf>,
    /// Where to begin: violation:1, a time such as 12.5s, or event:N.
    #[arg(long, value_name = "PLACE")]
    pub at: Option<String>,
    /// What to look at, such as orders/0.
    #[arg(long, value_name = "TOPIC/PARTITION")]
    pub focus: Option<String>,
}

/// `odradek serve`
#[derive(Args)]
#[command(
    after_help = "Broker N listens on PORT+N-1, member N of the ensemble on its own PORT+N-1, and 707 and 1707 above \
for the other members."
)]
pub struct Serve {
    /// Run this scenario or plan, with its faults, in real time, and judge it as `run` does; then end.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["brokers", "zookeepers", "node", "port", "zookeeper_port", "bind", "advertise"])]
    pub scenario: Option<PathBuf>,
    /// The scenario's seed; a plan brings its own.
    #[arg(long, value_parser = seed, requires = "scenario")]
    pub seed: Option<u64>,
    /// With the settings of this variant of the scenario.
    #[arg(long, requires = "scenario")]
    pub variant: Option<String>,
    /// Switch the scenario's flaws off and apply its [control] settings.
    #[arg(long, requires = "scenario")]
    pub without_flaws: bool,
    /// Write the scenario's run to this folder, as `run` does.
    #[arg(long, value_name = "DIR", requires = "scenario")]
    pub out: Option<PathBuf>,
    /// How many brokers.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub brokers: u32,
    /// How many members the ZooKeeper ensemble has.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub zookeepers: u32,
    /// Run this node alone, such as broker-2; the others run in other processes with the same options.
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Keep data below DIR/NODE, and begin with what is there (a scenario: with nothing); default: a temporary folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The first broker's port; 0 picks free ones.
    #[arg(long, default_value_t = 9092)]
    pub port: u16,
    /// The first member's client port; 0 picks free ones.
    #[arg(long, value_name = "PORT", default_value_t = 2181)]
    pub zookeeper_port: u16,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: std::net::IpAddr,
    /// The host that clients are told to connect to; default: the address to listen on.
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Set a broker's setting by Kafka's name, or the ensemble's tickTime, initLimit or syncLimit; with --scenario, a value of
    /// the scenario by its path (repeatable).
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Write the events to this file while they happen (of a scenario, at the end); compressed if it ends with .zst.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Print the ready line, or the scenario's record, as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `odradek new`
#[derive(Args)]
pub struct New {
    /// The scenario's name; scenarios/NAME.toml is written.
    pub name: String,
}

/// `odradek explain`
#[derive(Args)]
pub struct Explain {
    /// A word; without one, all words are listed.
    pub word: Option<String>,
}

/// `odradek likelihood`
#[derive(Args)]
pub struct Likelihood {
    /// A run directory, or a plan file.
    #[arg(value_name = "DIR|PLAN")]
    pub what: PathBuf,
    /// What must fail; default: as recorded, or the plan's first violation.
    #[arg(long)]
    pub signature: Option<String>,
    /// How many instants between the start of chaos and the failure; half as many follow where it matters.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=1000))]
    pub points: u64,
    /// How many tails each instant gets, with later faults and without.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub tails: u64,
    /// How many processes; default: one a core.
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// A run that takes longer hangs.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "120s")]
    pub timeout: Duration,
    /// Print one JSON object instead of a plot.
    #[arg(long)]
    pub json: bool,
}

/// `odradek flaws`
#[derive(Args)]
pub struct Flaws {
    /// Bench these flaws; default: every one that is built.
    #[arg(value_name = "NAME", requires = "bench")]
    pub names: Vec<String>,
    /// Bench: each flaw with its scenario, without it, and under the chaos set. The same command again goes on.
    #[arg(long)]
    pub bench: bool,
    /// The seeds of the chaos set, the last excluded.
    #[arg(long, value_name = "A..B", value_parser = seeds, default_value = "0..1000")]
    pub seeds: Range<u64>,
    /// In how many disjoint ranges of seeds a detection is sought.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub ranges: usize,
    /// How many processes; default: one a core.
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// A run that takes longer hangs.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "120s")]
    pub timeout: Duration,
    /// Run at most so many plans to shrink a detection; 0: do not shrink.
    #[arg(long, value_name = "N", default_value_t = 400)]
    pub attempts: usize,
    /// The folder that holds chaos/*.toml and flaws/NAME.toml.
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub scenarios: PathBuf,
    /// Where results are kept, instead of runs/flaw-bench.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write the table as a Markdown page.
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Why a flaw is missed, for the page; default: docs/flaw-bench.toml if it is there.
    #[arg(long, value_name = "FILE")]
    pub reasons: Option<PathBuf>,
    /// Print one JSON object a flaw instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// A seed: 0 to 2^53, so that JSON carries it exactly.
fn seed(text: &str) -> Result<u64, String> {
    let seed: u64 = text.parse().map_err(|_| format!("`{text}` is no seed: want a number from 0 to 2^53"))?;
    if seed < scenario::SEED_LIMIT { Ok(seed) } else { Err(format!("{seed} is no seed: want a number below 2^53")) }
}

/// Seeds `A..B`, B excluded.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("`{text}` is no range of seeds: want A..B"))?;
    let (from, to) = (seed(from)?, seed(to)?);
    if from < to { Ok(from..to) } else { Err(format!("{from}..{to} holds no seed: B is excluded and must be larger")) }
}

/// Part `I/N`, I from 0.
fn shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    let (part, of) = parts.ok_or_else(|| format!("`{text}` is no shard: want I/N, such as 0/4"))?;
    if part < of {
        Ok((part, of))
    } else {
        Err(format!("`{text}`: parts are counted from 0, so the last is {}/{of}", of.saturating_sub(1)))
    }
}

/// A span of wall time.
fn span(text: &str) -> Result<Duration, String> {
    time(text).map(Duration::from_nanos)
}

/// A time such as `12.5s`, `300ms` or `1m`, in nanoseconds.
fn time(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: want a number with a unit, such as 12.5s, 300ms or 1m");
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    if number.is_finite() && number >= 0.0 { Ok((number * scale) as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn seeds_exclude_their_end_and_are_never_empty() {
        assert_eq!(seeds("0..20").unwrap(), 0..20);
        for wrong in ["5", "5..5", "6..5", "a..b", "0..9007199254740993"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!(time("12.5s").unwrap(), 12_500_000_000);
        assert_eq!(time("300ms").unwrap(), 300_000_000);
        for wrong in ["12", "s", "-1s", "1 parsec", "NaNs"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
