//! The small files beside the segments, in Kafka's own text formats.

mod clean_shutdown;
mod offsets;
mod properties;
mod topic_id;

use std::fmt::Display;
use std::str::FromStr;

use thiserror::Error;

pub use clean_shutdown::{CLEAN_SHUTDOWN, is_clean_shutdown, take_clean_shutdown, write_clean_shutdown};
pub use offsets::{
    CLEANER_OFFSET_CHECKPOINT, Offsets, RECOVERY_POINT_CHECKPOINT, REPLICATION_OFFSET_CHECKPOINT, decode_offsets,
    encode_offsets, read_offsets, write_offsets,
};
pub use properties::{
    META_PROPERTIES, Properties, decode_properties, encode_properties, read_properties, write_properties,
};
pub use topic_id::{PARTITION_METADATA, decode_topic_id, encode_topic_id, read_topic_id, write_topic_id};

use crate::EpochStart;

/// A partition's leader epochs.
pub const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

/// A checkpoint file that is not what was written.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {problem}")]
pub struct CheckpointError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl From<CheckpointError> for std::io::Error {
    fn from(error: CheckpointError) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// The leader-epoch checkpoint's content.
pub fn encode_epochs(entries: &[EpochStart]) -> Vec<u8> {
    encode_lines(entries.iter().map(|entry| format!("{} {}", entry.epoch, entry.start_offset)))
}

/// Reads a leader-epoch checkpoint.
///
/// # Errors
/// If it is torn, or its epochs or offsets do not rise.
pub fn decode_epochs(bytes: &[u8]) -> Result<Vec<EpochStart>, CheckpointError> {
    let mut entries: Vec<EpochStart> = Vec::new();
    for (line, text) in decode_lines(bytes)? {
        let mut words = text.split(' ');
        let entry = EpochStart { epoch: word(line, words.next())?, start_offset: word(line, words.next())? };
        end(line, words.next())?;
        let rises = |last: &EpochStart| last.epoch < entry.epoch && last.start_offset < entry.start_offset;
        if !entries.last().is_none_or(rises) {
            return Err(CheckpointError { line, problem: "epochs and offsets must rise" });
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// Version, number of entries, then one a line.
fn encode_lines(entries: impl ExactSizeIterator<Item = impl Display>) -> Vec<u8> {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&format!("{entry}\n"));
    }
    text.into_bytes()
}

/// The entries with their line numbers. The count and the last line's end betray a torn file.
fn decode_lines(bytes: &[u8]) -> Result<Vec<(usize, &str)>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CheckpointError { line: 1, problem: "not UTF-8" })?;
    let text = text.strip_suffix('\n').ok_or(CheckpointError { line: 1, problem: "unfinished" })?;
    let mut lines = (1..).zip(text.split('\n'));
    if lines.next().is_none_or(|(_, version)| version != "0") {
        return Err(CheckpointError { line: 1, problem: "version is not 0" });
    }
    let count: usize = word(2, lines.next().map(|(_, count)| count))?;
    let entries: Vec<(usize, &str)> = lines.collect();
    if entries.len() != count {
        return Err(CheckpointError { line: 2, problem: "not as many entries as announced" });
    }
    Ok(entries)
}

fn word<T: FromStr>(line: usize, word: Option<&str>) -> Result<T, CheckpointError> {
    let word = word.ok_or(CheckpointError { line, problem: "too few words" })?;
    word.parse().map_err(|_| CheckpointError { line, problem: "not a number in range" })
}

fn end(line: usize, word: Option<&str>) -> Result<(), CheckpointError> {
    word.map_or(Ok(()), |_| Err(CheckpointError { line, problem: "too many words" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_checkpoint_is_kafkas_text() {
        let entries = [EpochStart { epoch: 0, start_offset: 0 }, EpochStart { epoch: 3, start_offset: 17 }];
        let bytes = encode_epochs(&entries);
        assert_eq!(bytes, b"0\n2\n0 0\n3 17\n");
        assert_eq!(decode_epochs(&bytes), Ok(entries.to_vec()));
        assert_eq!(decode_epochs(&encode_epochs(&[])), Ok(Vec::new()));
    }

    #[test]
    fn a_torn_epoch_checkpoint_is_no_shorter_one() {
        let whole =
            encode_epochs(&[EpochStart { epoch: 1, start_offset: 5 }, EpochStart { epoch: 12, start_offset: 170 }]);
        for length in 0..whole.len() {
            assert!(decode_epochs(&whole[..length]).is_err(), "cut at {length}");
        }
        assert!(decode_epochs(&vec![0; whole.len()]).is_err());
    }

    #[test]
    fn epochs_that_do_not_rise_are_refused() {
        for text in ["0\n2\n1 5\n1 6\n", "0\n2\n1 5\n2 5\n", "0\n1\n1 5 9\n", "0\n1\n1\n", "0\n1\n1 x\n", "1\n0\n"] {
            assert!(decode_epochs(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
