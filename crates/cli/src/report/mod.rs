//! A run as one HTML file that needs nothing else: to send to a colleague. It has no scripts, and all text is escaped.

pub mod lanes;

use std::fmt::Write as _;

use sim::{RunRecord, Verdict};
use state::Digest;

use crate::export::escaped;

/// So many violations are told one by one.
const VIOLATIONS: usize = 40;

/// So many violations are told within a chapter of the story.
const TOLD: u32 = 3;

/// All that a report shows.
pub struct Report<'a> {
    /// The run's record.
    pub record: &'a RunRecord,
    /// What the scenario shows, in a sentence.
    pub intent: &'a str,
    /// The story with times, from the trace; none without one.
    pub story: Option<Digest>,
    /// The digest as it was written.
    pub digest: &'a str,
    /// The picture; none without a trace.
    pub lanes: Option<lanes::Lanes>,
    /// The causal chain of the first violation that matters, as text.
    pub why: Option<String>,
    /// The plan as TOML.
    pub plan: &'a str,
    /// Version and commit of the build that ran it, where known.
    pub build: &'a str,
}

/// The file.
pub fn html(report: &Report<'_>) -> String {
    let record = report.record;
    let title = format!("{}, seed {}", record.scenario, record.seed);
    let (word, class) = match record.verdict {
        Verdict::Pass => ("PASS", "pass"),
        Verdict::Fail => ("FAIL", "fail"),
        Verdict::Error => ("ERROR", "fail"),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{word}: {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1>\n<p class=\"intent\">{intent}</p>\n<p class=\"verdict {class}\">{reason}</p>\n",
        title = escaped(&title),
        intent = escaped(report.intent),
        reason = escaped(&record.reason),
    );
    let _ = writeln!(
        page,
        "<p class=\"quiet\">{:.1} s simulated, {} events, {} faults hit something; fingerprint {}{}</p></header>",
        record.simulated_seconds,
        record.events,
        record.faults,
        escaped(&record.fingerprint),
        if report.build.is_empty() { String::new() } else { format!("; odradek {}", escaped(report.build)) }
    );
    section(&mut page, "What happened", &story(report));
    if let Some(lanes) = &report.lanes {
        let more = match lanes.left_out {
            0 => String::new(),
            count => format!("<p class=\"quiet\">{count} more partitions are not shown.</p>\n"),
        };
        let note = "<p class=\"quiet\">Point at a bar for its times. A red line is a violation.</p>\n";
        section(&mut page, "Over time", &format!("<div class=\"wide\">{}</div>\n{note}{more}", lanes::picture(lanes)));
    }
    section(&mut page, "Records", &records(record));
    if !record.violations.is_empty() {
        section(&mut page, "Violations", &violations(record));
    }
    if let Some(why) = &report.why {
        let note = "<p class=\"quiet\">From the violation back to the fault behind it, the effect first.</p>\n";
        section(&mut page, "Why", &format!("{note}<pre class=\"chain\">{}</pre>\n", escaped(why)));
    }
    section(&mut page, "What was proved", &oracles(record));
    section(&mut page, "How to repeat", &repeat(report));
    page + "</body>\n</html>\n"
}

fn section(page: &mut String, title: &str, content: &str) {
    let _ = write!(page, "<section>\n<h2>{title}</h2>\n{content}</section>\n");
}

fn story(report: &Report<'_>) -> String {
    let Some(digest) = &report.story else {
        let note = "<p class=\"quiet\">The run kept no trace, so the story has no times.</p>\n";
        return format!("{note}<pre>{}</pre>\n", escaped(report.digest));
    };
    let mut text = format!("<p>{}</p>\n<table class=\"story\">\n", escaped(&digest.title));
    let row = |at: u64, class: &str, told: &str| {
        format!("<tr class=\"{class}\"><td>{:.3}s</td><td>{}</td></tr>\n", at as f64 / 1e9, escaped(told))
    };
    for chapter in &digest.chapters {
        text += &row(chapter.at, "chapter", &format!("{}{}", chapter.heading, chapter.detail));
        let mut lines: Vec<_> = chapter.lines.iter().collect();
        lines.sort_by_key(|line| line.at);
        let (mut violations, mut last) = (0, chapter.at);
        for line in lines {
            last = line.at;
            violations += u32::from(line.text.starts_with("VIOLATION"));
            if violations > TOLD && line.text.starts_with("VIOLATION") {
                continue;
            }
            let class = match line.text.as_str() {
                text if text.starts_with("VIOLATION") => "bad",
                text if text.starts_with("note:") => "note",
                _ => "",
            };
            text += &row(line.at, class, &format!("{}{}", line.text, line.detail));
        }
        if violations > TOLD {
            text += &row(last, "bad", &format!("... and {} more violations, listed below", violations - TOLD));
        }
    }
    text + "</table>\n"
}

fn records(record: &RunRecord) -> String {
    let records = &record.records;
    let cells = [
        ("sent", records.sent, false),
        ("acknowledged", records.acked, false),
        ("failed", records.failed, false),
        ("unknown", records.unknown, false),
        ("delivered", records.delivered, false),
        ("duplicated", records.duplicated, true),
        ("lost", records.lost, true),
    ];
    let heads: String = cells.iter().map(|(name, ..)| format!("<th>{name}</th>")).collect();
    let values = cells.iter().map(|(_, count, bad)| {
        let class = if *bad && *count > 0 { " class=\"bad\"" } else { "" };
        format!("<td{class}>{count}</td>")
    });
    let mut text =
        format!("<table class=\"numbers\">\n<tr>{heads}</tr>\n<tr>{}</tr>\n</table>\n", values.collect::<String>());
    if !record.unavailable_seconds.is_empty() {
        text += "<table class=\"numbers\">\n<tr><th>topic</th><th>longest without a successful write</th></tr>\n";
        for (topic, seconds) in &record.unavailable_seconds {
            let _ = writeln!(text, "<tr><td>{}</td><td>{seconds:.1} s</td></tr>", escaped(topic));
        }
        text += "</table>\n";
    }
    text
}

fn violations(record: &RunRecord) -> String {
    let mut text = String::from("<ol class=\"violations\">\n");
    for violation in record.violations.iter().take(VIOLATIONS) {
        let (class, word) = if violation.expected { ("expected", "expected") } else { ("bad", "not expected") };
        let _ = writeln!(
            text,
            "<li><b>{}</b> at {} <span class=\"{class}\">{word}</span><br>{}<br><code>{}</code></li>",
            escaped(&violation.oracle),
            escaped(&violation.at),
            escaped(&violation.summary),
            escaped(&violation.signature)
        );
    }
    text += "</ol>\n";
    if record.violations.len() > VIOLATIONS {
        let _ = writeln!(text, "<p class=\"quiet\">... and {} more</p>", record.violations.len() - VIOLATIONS);
    }
    text
}

fn oracles(record: &RunRecord) -> String {
    let saw = record.oracles.iter().filter(|oracle| oracle.facts > 0).count();
    let mut text = format!("<p>{saw} oracles judged facts; {} saw nothing.</p>\n", record.oracles.len() - saw);
    text += "<details><summary>Every oracle</summary>\n<table class=\"numbers\">\n<tr><th>oracle</th><th>facts</th><th>violations</th></tr>\n";
    for oracle in &record.oracles {
        let class = if oracle.violations > 0 { " class=\"bad\"" } else { "" };
        let name = escaped(&oracle.oracle);
        let _ =
            writeln!(text, "<tr><td>{name}</td><td>{}</td><td{class}>{}</td></tr>", oracle.facts, oracle.violations);
    }
    text += "</table></details>\n";
    if !record.vacuous.is_empty() {
        let _ = writeln!(text, "<p class=\"quiet\">Proved nothing: {}</p>", escaped(&record.vacuous.join("; ")));
    }
    text
}

fn repeat(report: &Report<'_>) -> String {
    let mut text = String::new();
    if !report.record.again.is_empty() {
        let _ = writeln!(text, "<pre>{}</pre>", escaped(&report.record.again));
    }
    let _ = write!(
        text,
        "<p>Or save the plan below as <code>plan.toml</code>: it holds all that was drawn, and runs without the scenario's file.</p>\n\
         <pre>odradek replay plan.toml</pre>\n<details><summary>plan.toml</summary>\n<pre>{}</pre></details>\n",
        escaped(report.plan)
    );
    text
}

const STYLE: &str = "\
:root{--text:#1f2328;--quiet:#59636e;--page:#fff;--box:#f6f8fa;--line:#d1d9e0;--bad:#cf222e;--good:#1a7f37;--warn:#9a6700;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--quiet:#9198a1;--page:#0d1117;--box:#161b22;--line:#3d444d;--bad:#ff7b72;--good:#3fb950;\
--warn:#d29922;--on:#0d1117}}\
body{margin:0 auto;max-width:1100px;padding:24px 20px 60px;background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif}\
h1{margin:0;font-size:24px}h2{margin:32px 0 8px;padding-bottom:4px;font-size:18px;border-bottom:1px solid var(--line)}\
.intent{margin:4px 0 12px;color:var(--quiet)}.quiet{color:var(--quiet);font-size:13px}\
.verdict{padding:10px 14px;border-radius:6px;border-left:5px solid;background:var(--box);overflow-wrap:anywhere}\
.pass{border-color:var(--good)}.fail{border-color:var(--bad)}.bad{color:var(--bad)}.expected{color:var(--good)}\
pre{padding:10px 12px;background:var(--box);border-radius:6px;overflow-x:auto;font:12.5px/1.45 ui-monospace,Menlo,Consolas,monospace}\
pre.chain{white-space:pre-wrap;overflow-wrap:anywhere}code{font:12.5px ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}\
table{border-collapse:collapse;margin:8px 0}.numbers td,.numbers th{padding:3px 12px 3px 0;text-align:right;border-bottom:1px solid var(--line)}\
.numbers th{color:var(--quiet);font-weight:600}.numbers td:first-child,.numbers th:first-child{text-align:left}\
.story td{padding:2px 10px 2px 0;vertical-align:top}.story td:first-child{color:var(--quiet);font:12.5px/1.8 ui-monospace,Menlo,Consolas,monospace;\
text-align:right;white-space:nowrap}.story td+td{padding-left:22px}.story .chapter td{padding-top:8px;font-weight:600}.story .chapter td+td{padding-left:0}\
.story .note{font-style:italic;color:var(--quiet)}.story tr.bad td+td{color:var(--bad)}\
.violations li{margin:8px 0}.wide{overflow-x:auto}details{margin:8px 0}summary{cursor:pointer}\
.lanes{display:block;width:100%;min-width:760px}.lanes text{font:11px system-ui,sans-serif;fill:var(--text)}.lanes .name{text-anchor:end}\
.lanes text.quiet,.lanes .tick{fill:var(--quiet)}.lanes .tick{text-anchor:middle}.lanes text.on{fill:var(--on);font-size:10.5px;pointer-events:none}\
.rail{stroke:var(--line)}.phase{fill:transparent}.phase-chaos{fill:var(--box)}.violation{stroke:var(--bad);stroke-width:1.5}\
rect.fault{fill:var(--warn)}rect.down{fill:var(--bad)}rect.paused{fill:var(--quiet)}rect.whole{fill:var(--good)}rect.short{fill:var(--warn)}\
rect.alone{fill:var(--bad)}rect.broker1{fill:#3b73d1}rect.broker2{fill:#8250df}rect.broker3{fill:#0f8a8a}rect.broker4{fill:#bf5700}\
rect.broker5{fill:#b3397f}rect.broker6{fill:#5c6f1c}rect.broker7{fill:#6e5a4b}rect.broker0{fill:#4b6378}\
@media(prefers-color-scheme:dark){rect.broker1{fill:#79a9ff}rect.broker2{fill:#c29bff}rect.broker3{fill:#4fd1c5}rect.broker4{fill:#f0a35e}\
rect.broker5{fill:#f08cc0}rect.broker6{fill:#b5cc66}rect.broker7{fill:#c9b3a3}rect.broker0{fill:#a9c1d9}}\
@media print{body{max-width:none}}";

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RunRecord {
        let how = crate::worker::Broken::Runner("<script>alert(1)</script> & \"more\"".into());
        let mut plan = crate::bench::score::tests::plan();
        plan.name = "<i>name</i>".into();
        let job = crate::worker::Job {
            plan: String::new(),
            trace: trace::Mode::None,
            trace_file: None,
            variant: None,
            again: "odradek run 'a&b' --seed 3".into(),
        };
        crate::sweep::line::broken(&plan, &job, &how)
    }

    #[test]
    fn a_report_needs_nothing_else_and_lets_no_text_become_markup() {
        let record = record();
        let report = Report {
            record: &record,
            intent: "<b>intent</b>",
            story: None,
            digest: "<u>digest</u>",
            lanes: None,
            why: Some("<a href=x>why</a>".into()),
            plan: "name = \"<em>\"",
            build: "1 <2>",
        };
        let page = html(&report);
        for markup in [
            "<script",
            "<i>",
            "<b>intent",
            "<u>",
            "<a ",
            "<em>",
            "<2>",
            "http://",
            "https://",
            "url(",
            "@import",
            "src=",
        ] {
            assert!(!page.contains(markup), "{markup}");
        }
        for text in ["&lt;script&gt;", "&lt;i&gt;name", "&lt;a href=x&gt;why", "a&amp;b", "ERROR", "kept no trace"] {
            assert!(page.contains(text), "{text}");
        }
    }
}
