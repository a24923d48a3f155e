//! A summary in Markdown, for the page of a CI job. GitHub shows what is appended to the file that `GITHUB_STEP_SUMMARY` names.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

use super::ledger::{self, Known};
use super::summary::Summary;
use crate::table;

/// Appends the summary where a CI job wants one. That it cannot be written fails no sweep.
pub fn append(summary: &Summary, known: &Known) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(text(summary, known).as_bytes()));
    if let Err(error) = written {
        eprintln!("warning: the job summary {} cannot be written: {error}", path.to_string_lossy());
    }
}

fn text(summary: &Summary, known: &Known) -> String {
    let mut text = format!("## odradek sweep: {}\n\n", summary.word());
    let Summary { runs, total, passed, failed, errors, rechecked, fingerprint_mismatches, .. } = summary;
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes all");
    line(format!("{runs} of {total} runs: {passed} passed, {failed} failed, {errors} broke."));
    line(format!("{rechecked} ran twice, {fingerprint_mismatches} of them with another fingerprint."));
    if !summary.mismatches.is_empty() || !summary.unreached_marks.is_empty() {
        line(String::new());
    }
    for seed in &summary.mismatches {
        line(format!("- **not deterministic**: {}", cell(seed)));
    }
    for mark in &summary.unreached_marks {
        line(format!("- **never reached**: {}", cell(mark)));
    }
    if !summary.signatures.is_empty() {
        line("\n| failure | runs | | first seed | fastest example | again |".into());
        line("|---|---:|---|---:|---|---|".into());
    }
    for it in &summary.signatures {
        line(format!(
            "| `{}` | {} | {} | {} | {}: {} | `{}` |",
            cell(&it.signature),
            it.count,
            cell(&ledger::age(known, &it.signature)),
            it.first_seed,
            cell(&it.scenario),
            cell(&it.summary),
            cell(&format!("odradek {}", it.again)),
        ));
    }
    if !summary.variants.is_empty() {
        line(format!("\n```\n{}```", table::many_seeds(&summary.variants, "odradek")));
    }
    text.push('\n');
    text
}

/// Text that stays within a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('`', "'").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_leave_its_table() {
        assert_eq!(cell("a | b\n`c` <d>"), "a \\| b 'c' &lt;d>");
    }
}
