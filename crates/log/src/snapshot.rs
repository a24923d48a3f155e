//! Producer snapshots: the producers' state before a segment, which outlives the segments that brought it about
//! (KAFKA-7190). A CRC guards it: a torn snapshot counts as none (KAFKA-9892).

use crate::ProducerStates;
use crate::producers::{ProducerState, SequencedBatch};

const VERSION: u16 = 0;
const HEADER: usize = 6;

/// Version, CRC-32C of the rest, then the producers by id.
pub(crate) fn encode(producers: &ProducerStates) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&(producers.iter().len() as u32).to_be_bytes());
    for (id, state) in producers.iter() {
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&state.epoch.to_be_bytes());
        bytes.extend_from_slice(&state.last_timestamp.to_be_bytes());
        bytes.push(state.batches().len() as u8);
        for batch in state.batches() {
            bytes.extend_from_slice(&batch.first_sequence.to_be_bytes());
            bytes.extend_from_slice(&batch.last_sequence.to_be_bytes());
            bytes.extend_from_slice(&batch.base_offset.to_be_bytes());
            bytes.extend_from_slice(&batch.last_offset.to_be_bytes());
            bytes.extend_from_slice(&batch.timestamp.to_be_bytes());
        }
    }
    let crc = crc32c::crc32c(&bytes[HEADER..]);
    bytes[2..HEADER].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// None if the bytes are not a whole, undamaged snapshot.
pub(crate) fn decode(bytes: &[u8]) -> Option<ProducerStates> {
    let mut reader = Reader(bytes);
    let version = u16::from_be_bytes(reader.take()?);
    let crc = u32::from_be_bytes(reader.take()?);
    if version != VERSION || crc != crc32c::crc32c(reader.0) {
        return None;
    }
    let mut producers = ProducerStates::default();
    for _ in 0..u32::from_be_bytes(reader.take()?) {
        let id = i64::from_be_bytes(reader.take()?);
        let epoch = i16::from_be_bytes(reader.take()?);
        let mut state = ProducerState::new(epoch, i64::from_be_bytes(reader.take()?));
        for _ in 0..u8::from_be_bytes(reader.take()?) {
            state.remember(SequencedBatch {
                first_sequence: i32::from_be_bytes(reader.take()?),
                last_sequence: i32::from_be_bytes(reader.take()?),
                base_offset: i64::from_be_bytes(reader.take()?),
                last_offset: i64::from_be_bytes(reader.take()?),
                timestamp: i64::from_be_bytes(reader.take()?),
            });
        }
        producers.insert(id, state);
    }
    reader.0.is_empty().then_some(producers)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_producers() -> ProducerStates {
        let mut producers = ProducerStates::default();
        for id in 0..3 {
            let mut state = ProducerState::new(id as i16, 1000 + id);
            for n in 0..=id {
                let (sequence, offset) = (n as i32 * 10, n * 100);
                state.remember(SequencedBatch {
                    first_sequence: sequence,
                    last_sequence: sequence + 9,
                    base_offset: offset,
                    last_offset: offset + 9,
                    timestamp: 5,
                });
            }
            producers.insert(id, state);
        }
        producers
    }

    #[test]
    fn a_snapshot_reads_back_as_it_was_written() {
        assert_eq!(decode(&encode(&some_producers())), Some(some_producers()));
        assert_eq!(decode(&encode(&ProducerStates::default())), Some(ProducerStates::default()));
    }

    #[test]
    fn a_torn_or_rotten_snapshot_counts_as_none() {
        let whole = encode(&some_producers());
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "cut at {length}");
            let mut zeroed = whole.clone();
            zeroed[length..].fill(0);
            if zeroed != whole {
                assert_eq!(decode(&zeroed), None, "zeros from {length}");
            }
            let mut flipped = whole.clone();
            flipped[length] ^= 1;
            assert_eq!(decode(&flipped), None, "bit flipped at {length}");
        }
    }
}
