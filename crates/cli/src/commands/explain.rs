//! `odradek explain`: any word of the grammar.

use std::io::Write;

use crate::Status;
use crate::arguments::Explain;
use crate::failure::Failure;

/// Explains one word, or lists all.
pub fn explain(arguments: &Explain) -> Result<Status, Failure> {
    let mut out = std::io::stdout().lock();
    match &arguments.word {
        None => write!(out, "{}", scenario::explain_index())?,
        Some(word) => match scenario::explain(word) {
            Some(text) => writeln!(out, "{}", text.trim_end())?,
            None => {
                return Err(Failure::input(format!(
                    "error: nothing is known about `{word}`; `odradek explain` lists all words"
                )));
            }
        },
    }
    Ok(Status::Good)
}
