//! One offset per partition: high watermarks and recovery points of all logs of a broker.

use std::collections::BTreeMap;
use std::io;

use host::Disk;
use trace::Partition;

use super::{CheckpointError, decode_lines, encode_lines, end, word};

/// High watermarks.
pub const REPLICATION_OFFSET_CHECKPOINT: &str = "replication-offset-checkpoint";
/// Recovery points.
pub const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";

/// First offsets that the cleaner has not cleaned.
pub const CLEANER_OFFSET_CHECKPOINT: &str = "cleaner-offset-checkpoint";

/// An offset for each partition.
pub type Offsets = BTreeMap<Partition, i64>;

/// The file's content.
pub fn encode_offsets(offsets: &Offsets) -> Vec<u8> {
    encode_lines(offsets.iter().map(|(partition, offset)| format!("{} {} {offset}", partition.topic, partition.index)))
}

/// Reads a file's content.
///
/// # Errors
/// If it is torn, names a partition twice, or holds a negative offset.
pub fn decode_offsets(bytes: &[u8]) -> Result<Offsets, CheckpointError> {
    let mut offsets = Offsets::new();
    for (line, text) in decode_lines(bytes)? {
        let mut words = text.split(' ');
        let topic = words.next().filter(|topic| !topic.is_empty());
        let topic = topic.ok_or(CheckpointError { line, problem: "no topic" })?;
        let (index, offset): (i32, i64) = (word(line, words.next())?, word(line, words.next())?);
        end(line, words.next())?;
        if index < 0 || offset < 0 {
            return Err(CheckpointError { line, problem: "negative" });
        }
        if offsets.insert(Partition::new(topic, index), offset).is_some() {
            return Err(CheckpointError { line, problem: "partition named twice" });
        }
    }
    Ok(offsets)
}

/// Reads the file at `path`; no file means no offsets.
///
/// # Errors
/// Of the disk; `InvalidData` if the content is damaged.
pub fn read_offsets(disk: &Disk, path: &str) -> io::Result<Offsets> {
    match disk.read(path) {
        Ok(bytes) => Ok(decode_offsets(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Offsets::new()),
        Err(error) => Err(error),
    }
}

/// Replaces the file at `path`, durably.
///
/// # Errors
/// Of the disk.
pub async fn write_offsets(disk: &Disk, path: &str, offsets: &Offsets) -> io::Result<()> {
    disk.write_atomically(path, &encode_offsets(offsets)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_checkpoint_is_kafkas_text() {
        let offsets = Offsets::from([(Partition::new("orders", 1), 7), (Partition::new("email", 0), 1234)]);
        let bytes = encode_offsets(&offsets);
        assert_eq!(bytes, b"0\n2\nemail 0 1234\norders 1 7\n");
        assert_eq!(decode_offsets(&bytes), Ok(offsets));
    }

    #[test]
    fn a_damaged_offset_checkpoint_is_an_error_that_names_the_line() {
        for (text, line) in [
            ("", 1),
            ("0\n1\nemail 0 12", 1),
            ("0\n2\nemail 0 12\n", 2),
            ("0\n1\nemail 0\n", 3),
            ("0\n1\nemail 0 -1\n", 3),
            ("0\n2\nemail 0 1\nemail 0 2\n", 4),
            ("0\n18446744073709551616\n", 2),
        ] {
            assert_eq!(decode_offsets(text.as_bytes()).unwrap_err().line, line, "{text:?}");
        }
    }
}
