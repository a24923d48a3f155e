//! What is wrong with a scenario: where, what, and what to write instead.

use std::fmt;

use crate::Problem;

/// One error or warning, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name, or the command-line flag at fault (`--set topic.orders.partition=6`).
    pub file: String,
    /// The line, from 1; 0 if the diagnostic concerns the whole file or a flag.
    pub line: usize,
    /// The column in characters, from 1; 0 as with `line`.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
    /// The offending line of the source; empty if there is none.
    pub source: String,
    /// How many characters are at fault.
    pub width: usize,
}

impl Diagnostic {
    /// A diagnostic that concerns the file, or the flag, as a whole.
    pub fn of_file(file: &str, message: impl Into<String>, suggestion: Option<&str>) -> Self {
        Diagnostic {
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            suggestion: suggestion.map(str::to_string),
            source: String::new(),
            width: 0,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)?;
        } else {
            let gutter = self.line.to_string();
            let blank = " ".repeat(gutter.len());
            // Tabs stay tabs, so that the caret stands under the fault however wide they are drawn.
            let indent: String = self
                .source
                .chars()
                .take(self.column.saturating_sub(1))
                .map(|c| if c == '\t' { c } else { ' ' })
                .collect();
            write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
            write!(f, "\n{gutter} | {}\n{blank} | {indent}{}", self.source, "^".repeat(self.width.max(1)))?;
        }
        match &self.suggestion {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// Why a scenario cannot be run: every error found, in file order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// The errors; never empty.
    pub diagnostics: Vec<Diagnostic>,
}

impl ScenarioError {
    pub(crate) fn single(diagnostic: Diagnostic) -> Self {
        ScenarioError { diagnostics: vec![diagnostic] }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.diagnostics.iter().map(Diagnostic::to_string).collect();
        f.write_str(&texts.join("\n\n"))
    }
}

/// An unknown `what`, with the nearest of `known`, or all of them if they are few.
pub(crate) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    let known: Vec<&str> = known.collect();
    Problem { message: format!("unknown {what} `{name}`"), help: suggest(name, &known) }
}

/// "did you mean ...?", or the choices.
pub(crate) fn suggest(name: &str, known: &[&str]) -> Option<String> {
    if let Some(nearest) = nearest(name, known) {
        return Some(format!("did you mean `{nearest}`?"));
    }
    match known {
        [] => None,
        [only] => Some(format!("there is only `{only}`")),
        few if few.len() <= 12 => Some(format!("known are {}", few.join(", "))),
        _ => None,
    }
}

/// The candidate that `name` is probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > 100 {
        return None;
    }
    let score = |candidate: &str| strsim::damerau_levenshtein(name, candidate);
    let best = known.iter().copied().min_by_key(|candidate| score(candidate))?;
    let longest = name.chars().count().max(best.chars().count());
    if score(best) * 3 <= longest {
        return Some(best);
    }
    // `insync.replicas` for `min.insync.replicas`, `partition` for `partitions`.
    let contains = |candidate: &&str| name.len() >= 4 && (candidate.contains(name) || name.contains(*candidate));
    known.iter().copied().filter(|candidate| candidate.len() >= 4).find(contains)
}
