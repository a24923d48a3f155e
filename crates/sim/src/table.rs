//! From what a run left to its record, its closing lines and its tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oracle::{GroupRow, Latency, OracleReport, RecordCounts, Summary};
use scenario::Plan;

use crate::faults::Effect;
use crate::outcome::{GroupRecord, OracleRecord, Outcome, Percentiles, Records, RunRecord, Verdict, ViolationRecord};
use crate::run::{Raw, RunOptions};

/// Version of the record.
const RECORD_SCHEMA: u32 = 1;

/// Concludes a run.
pub(crate) fn conclude(plan: &Plan, options: &RunOptions, raw: Raw) -> Outcome {
    let summary = raw.judged.tally.summary();
    let violations = violations(plan, &raw);
    let vacuous = vacuous(plan, &raw, &summary);
    let (verdict, reason) = judge(plan, &raw, &violations, &summary);
    let record = RunRecord {
        kind: "run".into(),
        schema: RECORD_SCHEMA,
        scenario: plan.name.clone(),
        variant: options.variant.clone(),
        seed: plan.seed,
        schedule_seed: plan.schedule_seed,
        verdict,
        reason,
        fingerprint: raw.fingerprint.map_or_else(String::new, |fingerprint| format!("{fingerprint:016x}")),
        records: records(&summary.total),
        violations,
        vacuous,
        excused: raw.judged.reports.iter().flat_map(|report| report.excused.clone()).collect(),
        oracles: raw.judged.reports.iter().map(oracle_record).collect(),
        unavailable_seconds: unavailable(&summary),
        groups: summary.groups.iter().map(group_record).collect(),
        send_to_poll_ms: percentiles(&summary),
        marks: raw.judged.marks.iter().map(|(mark, count)| ((*mark).to_owned(), *count)).collect(),
        faults: raw.effects.iter().filter(|effect| **effect == Effect::Hit).count() as u64,
        events: raw.event_count,
        simulated_seconds: raw.simulated_ns as f64 / 1e9,
        wall_seconds: 0.0,
        again: options.again.clone(),
    };
    let closing = closing(&record, &summary);
    let mut digest = raw.judged.digest.finish(closing, &raw.judged.state);
    if let Some(variant) = &options.variant {
        digest.title = digest.title.replacen(&plan.name, &format!("{}/{variant}", plan.name), 1);
    }
    Outcome { tables: tables(&record, &summary), record, digest, events: raw.events }
}

fn records(counts: &RecordCounts) -> Records {
    Records {
        sent: counts.sent,
        acked: counts.acked,
        failed: counts.failed,
        unknown: counts.unknown,
        delivered: counts.delivered,
        duplicated: counts.duplicated,
        lost: counts.lost,
        out_of_order: counts.out_of_order,
    }
}

fn oracle_record(report: &OracleReport) -> OracleRecord {
    OracleRecord { oracle: report.slug.to_owned(), facts: report.facts, violations: report.violations }
}

fn violations(plan: &Plan, raw: &Raw) -> Vec<ViolationRecord> {
    let record = |finding: &oracle::Finding| ViolationRecord {
        oracle: finding.oracle.to_owned(),
        expected: plan.expect.violation.iter().any(|expected| expected == finding.oracle),
        signature: finding.signature.clone(),
        event: finding.event.0,
        at: format!("{:.3}s", finding.at as f64 / 1e9),
        summary: finding.summary.clone(),
    };
    raw.judged.findings.iter().map(record).collect()
}

/// Faults that proved nothing; each fails the run.
fn vacuous_faults(plan: &Plan, raw: &Raw) -> Vec<String> {
    let faults = plan.faults.iter().zip(&raw.effects).filter(|(fault, _)| !fault.optional);
    faults
        .filter_map(|(fault, effect)| match effect {
            Effect::Hit => None,
            Effect::NeverFired => Some(format!("fault {}: its time or condition never came", fault.id)),
            Effect::Nothing(reason) => Some(format!("fault {}: {reason}", fault.id)),
        })
        .collect()
}

fn vacuous(plan: &Plan, raw: &Raw, summary: &Summary) -> Vec<String> {
    let mut vacuous = vacuous_faults(plan, raw);
    if summary.total.acked == 0 && !plan.producers.is_empty() {
        vacuous.push("records: none was acknowledged".into());
    }
    vacuous.extend(raw.judged.reports.iter().filter(|report| report.vacuous).map(|report| report.slug.to_owned()));
    vacuous
}

/// The verdict, and why in one sentence.
fn judge(plan: &Plan, raw: &Raw, violations: &[ViolationRecord], summary: &Summary) -> (Verdict, String) {
    if let Some(reason) = &raw.setup_failed {
        let reason = format!("ERROR: the topics could not be created: {reason}");
        return (Verdict::Error, reason);
    }
    if let Some(unexpected) = violations.iter().find(|violation| !violation.expected) {
        let count = violations.iter().filter(|violation| !violation.expected).count();
        let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        return (Verdict::Fail, format!("FAIL: {}: {}{more}", unexpected.oracle, unexpected.summary));
    }
    let fired = |slug: &String| violations.iter().any(|violation| violation.oracle == *slug);
    if let Some(missing) = plan.expect.violation.iter().find(|slug| !fired(slug)) {
        return (Verdict::Fail, format!("FAIL: the scenario expects a violation of {missing}, and none was found"));
    }
    if let Some(vacuous) = vacuous_faults(plan, raw).first() {
        return (Verdict::Fail, format!("FAIL: the run proved nothing: {vacuous}"));
    }
    if summary.total.acked == 0 && !plan.producers.is_empty() {
        return (Verdict::Fail, "FAIL: the run proved nothing: no record was acknowledged".into());
    }
    let pass = if plan.expect.violation.is_empty() {
        format!("PASS: {} acknowledged records, none lost, no violation", summary.total.acked)
    } else {
        format!("PASS: the expected violation was found: {}", plan.expect.violation.join(", "))
    };
    (Verdict::Pass, pass)
}

fn unavailable(summary: &Summary) -> BTreeMap<String, f64> {
    let topics = summary.topics.iter();
    topics.map(|row| (row.topic.to_string(), (row.unavailable_ns / 1_000_000) as f64 / 1e3)).collect()
}

fn seconds(ns: u64) -> f64 {
    (ns / 1_000_000) as f64 / 1e3
}

fn group_record(row: &GroupRow) -> (String, GroupRecord) {
    let record = GroupRecord {
        generations: row.generations,
        members: row.members,
        reprocessed: row.reprocessed,
        unowned_seconds: seconds(row.unowned_longest_ns),
        unowned_seconds_total: seconds(row.unowned_total_ns),
    };
    (row.group.to_string(), record)
}

/// Of the topic that took longest.
fn percentiles(summary: &Summary) -> Percentiles {
    let ms = |ns: u64| (ns / 1_000) as f64 / 1e3;
    let slowest = summary.topics.iter().map(|row| row.end_to_end).max_by_key(|latency| latency.p50);
    slowest.map_or_else(Percentiles::default, |it| Percentiles { p50: ms(it.p50), p99: ms(it.p99), max: ms(it.max) })
}

/// A duration in a coarse bucket, so that it does not change with the schedule.
fn bucket(ns: u64) -> &'static str {
    const SECOND: u64 = 1_000_000_000;
    match ns {
        0 => "0",
        ns if ns < SECOND => "<1s",
        ns if ns < 20 * SECOND => "<20s",
        ns if ns < 45 * SECOND => "<45s",
        ns if ns < 120 * SECOND => "<2m",
        _ => ">2m",
    }
}

/// The digest's last lines: exact where safety is concerned, coarse where time is.
fn closing(record: &RunRecord, summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &summary.topics {
        let blocked = summary.partitions.iter().filter(|it| it.partition.topic == row.topic && it.unavailable_ns > 0);
        let blocked: Vec<String> =
            blocked.map(|it| format!("{} {}", it.partition, bucket(it.unavailable_ns))).collect();
        let blocked = if blocked.is_empty() { "never".to_owned() } else { blocked.join(", ") };
        let counts = &row.records;
        lines.push(format!(
            "{:<8} lost {}, duplicated {}, out of order {}        blocked  {blocked}",
            row.topic.as_str(),
            counts.lost,
            counts.duplicated,
            counts.out_of_order
        ));
    }
    for row in &summary.groups {
        let again = if row.reprocessed == 0 { "nothing" } else { "some" };
        let unowned = bucket(row.unowned_longest_ns);
        lines.push(format!(
            "group {:<8} done twice: {again}        a partition without owner: {unowned}",
            row.group.as_str()
        ));
    }
    lines.extend(record.excused.iter().map(|excuse| format!("excused  {excuse}")));
    lines.push(proved(record));
    lines.push(match record.verdict {
        Verdict::Pass => "PASS".into(),
        Verdict::Fail | Verdict::Error => record.reason.clone(),
    });
    lines
}

fn proved(record: &RunRecord) -> String {
    let oracles = record.oracles.len();
    let vacuous: Vec<&str> =
        record.oracles.iter().filter(|oracle| oracle.facts == 0).map(|oracle| oracle.oracle.as_str()).collect();
    if vacuous.is_empty() {
        format!("proved   {oracles} oracles, none vacuous")
    } else {
        format!("proved   {} oracles; saw nothing: {}", oracles - vacuous.len(), vacuous.join(", "))
    }
}

/// The tables that `run` prints: topics, producing services, consuming services, oracles, violations.
pub fn tables(record: &RunRecord, summary: &Summary) -> String {
    let mut text = String::new();
    let columns = |it: &RecordCounts| {
        [it.sent, it.acked, it.failed, it.unknown, it.delivered, it.duplicated, it.lost].map(|count| count.to_string())
    };
    let header = ["sent", "acked", "failed", "unknown", "delivered", "duplicated", "lost"].map(str::to_owned);
    text += &row("topic", &header, "blocked", "send to ack: p50 / p99 / max", "send to poll: p50 / p99 / max");
    for it in &summary.topics {
        let blocked = format!("{:.1} s", it.unavailable_ns as f64 / 1e9);
        text += &row(it.topic.as_str(), &columns(&it.records), &blocked, &latency(&it.ack), &latency(&it.end_to_end));
    }
    text += "publishes\n";
    for it in &summary.clients {
        text += &row(it.client.as_str(), &columns(&it.records), "", &latency(&it.ack), &latency(&it.end_to_end));
    }
    if !summary.readers.is_empty() {
        let header = ["", "", "", "", "polled", "again", "processed"].map(str::to_owned);
        text += &row("consumes", &header, "", "", "");
    }
    for it in &summary.readers {
        let counts = ["", "", "", "", &it.polled.to_string(), &it.redelivered.to_string(), &it.processed.to_string()]
            .map(str::to_owned);
        text += &row(it.client.as_str(), &counts, "", "", &latency(&it.end_to_end));
    }
    text += &group_table(&summary.groups);
    text += &oracle_table(record);
    for excuse in &record.excused {
        writeln!(text, "\nexcused: {excuse}").expect("a string takes all");
    }
    for violation in &record.violations {
        let expected = if violation.expected { "expected" } else { "UNEXPECTED" };
        writeln!(text, "\n{expected} violation of {} at {}: {}", violation.oracle, violation.at, violation.summary)
            .expect("a string takes all");
        writeln!(text, "   signature {}", violation.signature).expect("a string takes all");
    }
    text
}

/// What groups went through.
fn group_table(rows: &[GroupRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{:<22} {:>11} {:>8} {:>8} {:>11} {:>26}\n",
        "group", "generations", "members", "commits", "done twice", "without owner: max / sum"
    );
    for row in rows {
        let unowned = format!("{:.1} / {:.1} s", seconds(row.unowned_longest_ns), seconds(row.unowned_total_ns));
        let GroupRow { group, generations, members, commits, reprocessed, .. } = row;
        writeln!(
            text,
            "{:<22} {generations:>11} {members:>8} {commits:>8} {reprocessed:>11} {unowned:>26}",
            group.as_str()
        )
        .expect("a string takes all");
    }
    text
}

/// One row: a name, seven counts, the time unavailable, two latencies.
fn row(name: &str, counts: &[String; 7], blocked: &str, ack: &str, end_to_end: &str) -> String {
    let widths = [7, 7, 7, 8, 10, 11, 10];
    let mut line = format!("{name:<22}");
    for (count, width) in counts.iter().zip(widths) {
        write!(line, " {count:>width$}").expect("a string takes all");
    }
    let line = format!("{line} {blocked:>9}   {ack:<30} {end_to_end}");
    format!("{}\n", line.trim_end())
}

fn latency(latency: &Latency) -> String {
    let ms = |ns: u64| ns as f64 / 1e6;
    match latency.count {
        0 => String::new(),
        _ => format!("{:.1} / {:.1} / {:.1} ms", ms(latency.p50), ms(latency.p99), ms(latency.max)),
    }
}

/// What every oracle checked: three a line, those that saw nothing at the end.
fn oracle_table(record: &RunRecord) -> String {
    let mut text = String::from("\nfacts that each oracle saw\n");
    let (saw, nothing): (Vec<_>, Vec<_>) = record.oracles.iter().partition(|oracle| oracle.facts > 0);
    for three in saw.chunks(3) {
        let cells = three.iter().map(|oracle| {
            let violations = match oracle.violations {
                0 => String::new(),
                count => format!(" ({count} violations)"),
            };
            format!("{:<22} {:>8}{violations:<8}", oracle.oracle, oracle.facts)
        });
        writeln!(text, "   {}", cells.collect::<Vec<_>>().join("  ").trim_end()).expect("a string takes all");
    }
    if !nothing.is_empty() {
        let names: Vec<&str> = nothing.iter().map(|oracle| oracle.oracle.as_str()).collect();
        writeln!(text, "   saw nothing: {}", names.join(", ")).expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn durations_fall_into_coarse_buckets() {
        assert_eq!(bucket(0), "0");
        assert_eq!(bucket(999_999_999), "<1s");
        assert_eq!(bucket(1_000_000_000), "<20s");
        assert_eq!(bucket(29_000_000_000), "<45s");
        assert_eq!(bucket(300_000_000_000), ">2m");
    }
}
