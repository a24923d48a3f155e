//! Collects what is wrong while a document is read, so that all of it is reported at once.

use std::ops;

use crate::plan::Place;
use crate::{Diagnostic, Problem, ScenarioError};

/// A place: bytes of the file (source 0) or a `--set` flag (source 1 and up).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) source: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn new(source: usize, range: ops::Range<usize>) -> Self {
        Span { source, start: range.start, end: range.end }
    }

    /// From the start of this to the end of `other`.
    pub(crate) fn to(self, other: Span) -> Span {
        if self.source == other.source { Span { end: other.end.max(self.end), ..self } } else { other }
    }
}

/// The errors so far.
pub(crate) struct Report {
    file: String,
    text: String,
    flags: Vec<String>,
    errors: Vec<(Span, Diagnostic)>,
}

impl Report {
    pub(crate) fn new(file: &str, text: &str, flags: &[String]) -> Self {
        let flags = flags.iter().map(|flag| format!("--set {flag}")).collect();
        Report { file: file.into(), text: text.into(), flags, errors: Vec::new() }
    }

    /// Notes an error.
    pub(crate) fn error(&mut self, span: Span, problem: Problem) {
        let diagnostic = match self.flags.get(span.source.wrapping_sub(1)) {
            Some(flag) => Diagnostic::of_file(flag, problem.message, problem.help.as_deref()),
            None => locate(&self.file, self.place(span), problem),
        };
        if !self.errors.iter().any(|(_, known)| *known == diagnostic) {
            self.errors.push((span, diagnostic));
        }
    }

    /// Notes an error of a flag that is no `--set`.
    pub(crate) fn flag_error(&mut self, flag: &str, problem: Problem) {
        let diagnostic = Diagnostic::of_file(flag, problem.message, problem.help.as_deref());
        self.errors.push((Span::new(usize::MAX, 0..0), diagnostic));
    }

    /// The value, or `None` with its problem noted.
    pub(crate) fn check<T>(&mut self, span: Span, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.error(span, problem)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All errors, in the order of the file, then of the flags.
    pub(crate) fn into_error(mut self) -> ScenarioError {
        self.errors.sort_by_key(|(span, _)| *span);
        ScenarioError { diagnostics: self.errors.into_iter().map(|(_, diagnostic)| diagnostic).collect() }
    }

    /// Line, column and source line of a place; all zero for a flag.
    pub(crate) fn place(&self, span: Span) -> Place {
        if span.source != 0 {
            return Place { line: 0, column: 0, width: 0, text: String::new() };
        }
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        Place {
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            width: self.text[start..end.min(line_end).max(start)].chars().count(),
            text: self.text[line_start..line_end].trim_end_matches('\r').to_string(),
        }
    }
}

/// A diagnostic at a place.
pub(crate) fn locate(file: &str, place: Place, problem: Problem) -> Diagnostic {
    Diagnostic {
        file: file.into(),
        line: place.line,
        column: place.column,
        message: problem.message,
        suggestion: problem.help,
        source: place.text,
        width: place.width,
    }
}

fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}
