//! `partition.metadata`: which topic a directory belongs to (KIP-516), since a name may come again after a deletion.

use std::io;

use host::Disk;
use uuid::Uuid;

use super::{CheckpointError, decode_properties};

/// The file's name in the partition's directory.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// The base64 alphabet for URLs (RFC 4648), in which Kafka writes its ids.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of an id: 128 bits, six each.
const CHARACTERS: usize = 22;

/// The file's content.
pub fn encode_topic_id(topic_id: Uuid) -> Vec<u8> {
    format!("version: 0\ntopic_id: {}", to_base64(topic_id)).into_bytes()
}

/// Reads a file's content.
///
/// # Errors
/// If the version is not 0 or the id is torn.
pub fn decode_topic_id(bytes: &[u8]) -> Result<Uuid, CheckpointError> {
    // The format is that of properties, with another separator.
    let text = String::from_utf8_lossy(bytes).replacen(": ", "=", 2);
    let values = decode_properties(text.as_bytes())?;
    if values.get("version").is_none_or(|version| version != "0") {
        return Err(CheckpointError { line: 1, problem: "version is not 0" });
    }
    let id = values.get("topic_id").and_then(|id| from_base64(id));
    id.ok_or(CheckpointError { line: 2, problem: "not a topic id" })
}

/// Reads a partition directory's topic id; none if there is no such file.
///
/// # Errors
/// Of the disk; `InvalidData` if the content is damaged.
pub fn read_topic_id(disk: &Disk, directory: &str) -> io::Result<Option<Uuid>> {
    match disk.read(&format!("{directory}/{PARTITION_METADATA}")) {
        Ok(bytes) => Ok(Some(decode_topic_id(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a partition directory's topic id, durably.
///
/// # Errors
/// Of the disk.
pub async fn write_topic_id(disk: &Disk, directory: &str, topic_id: Uuid) -> io::Result<()> {
    disk.write_atomically(&format!("{directory}/{PARTITION_METADATA}"), &encode_topic_id(topic_id)).await
}

/// The first 120 bits fill twenty characters, the last eight two more, padded with zeros at the end.
fn to_base64(id: Uuid) -> String {
    let bits = id.as_u128();
    let sextet = |n: usize| if n + 1 < CHARACTERS { bits >> (122 - 6 * n) } else { bits << 4 };
    (0..CHARACTERS).map(|n| char::from(ALPHABET[sextet(n) as usize % 64])).collect()
}

fn from_base64(text: &str) -> Option<Uuid> {
    if text.len() != CHARACTERS {
        return None;
    }
    let mut bits: u128 = 0;
    for (n, character) in text.bytes().enumerate() {
        let sextet = ALPHABET.iter().position(|known| *known == character)? as u128;
        bits = if n + 1 < CHARACTERS { bits << 6 | sextet } else { bits << 2 | sextet >> 4 };
    }
    Some(Uuid::from_u128(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_is_written_as_kafka_writes_it() {
        // Known pair: Kafka's METADATA_TOPIC_ID is the UUID 00000000-0000-0000-0000-000000000001.
        assert_eq!(to_base64(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(to_base64(Uuid::from_u128(u128::MAX)), "_____________________w");
        assert_eq!(encode_topic_id(Uuid::from_u128(1)), b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ");
    }

    #[test]
    fn a_topic_id_reads_back_as_it_was_written() {
        for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let id = Uuid::from_u128(bits);
            let bytes = encode_topic_id(id);
            assert_eq!(decode_topic_id(&bytes), Ok(id));
            assert!(decode_topic_id(&bytes[..bytes.len() - 1]).is_err());
        }
        assert!(decode_topic_id(b"").is_err());
        assert!(decode_topic_id(&[0; 40]).is_err());
    }
}
