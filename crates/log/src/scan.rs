//! A second reader of a partition's files, to check at the end of a run what the log and its events claim.
//!
//! It shares no code with the rest of the crate nor with `wire`, not even the CRC: what both get wrong in the same way nobody
//! would notice. It repairs nothing and stops at nothing that it can step over.

/// A batch as it lies on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScannedBatch {
    /// Base offset of its segment.
    pub segment: i64,
    /// The byte in the segment's file where it begins.
    pub position: u64,
    /// Its length in bytes.
    pub length: u32,
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// How many records it says it holds.
    pub records: i32,
    /// Its leader epoch.
    pub leader_epoch: i32,
    /// The CRC in its header.
    pub crc: u32,
    /// Whether that is the CRC of its bytes.
    pub crc_ok: bool,
    /// Its producer's id, or -1.
    pub producer_id: i64,
    /// Its producer's epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of its first record, or -1.
    pub sequence: i32,
    /// Its largest timestamp, in ms.
    pub max_timestamp: i64,
}

/// Something that should not be in a partition's files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The byte in it.
    pub position: u64,
    /// What is wrong.
    pub what: String,
}

/// A partition's files, read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScannedLog {
    /// Where the log starts: what the highest `.start` file is called, or 0.
    pub log_start: i64,
    /// The offset after the last batch.
    pub log_end: i64,
    /// All batches in order.
    pub batches: Vec<ScannedBatch>,
    /// What is wrong. Torn bytes at the end are normal after a power loss until the log has been opened again.
    pub problems: Vec<Problem>,
}

/// Reads the files of one partition's directory: names without the directory, and contents. A `compacted` one may lack offsets,
/// records and whole batches inside a segment; still each segment begins where the one before ends.
pub fn scan(files: &[(String, Vec<u8>)], compacted: bool) -> ScannedLog {
    // Files below the log start wait for their deletion.
    let log_start = files.iter().filter_map(|(name, _)| numbered(name, "start")).max().unwrap_or(0);
    let mut segments: Vec<(i64, &str, &[u8])> = files
        .iter()
        .filter_map(|(name, content)| Some((numbered(name, "log")?, name.as_str(), content.as_slice())))
        .filter(|(base, ..)| *base >= log_start)
        .collect();
    segments.sort_unstable();
    let mut scanned = ScannedLog { log_start, log_end: log_start, ..ScannedLog::default() };
    for (base, name, content) in segments {
        if base != scanned.log_end {
            scanned.report(name, 0, format!("segment begins at {base}, the log so far ends at {}", scanned.log_end));
        }
        scan_segment(&mut scanned, base, name, content, compacted);
    }
    scanned
}

/// The offset in a name such as `00000000000000000031.log`.
fn numbered(name: &str, wanted: &str) -> Option<i64> {
    let (digits, suffix) = name.split_once('.')?;
    if suffix != wanted || digits.len() != 20 {
        return None;
    }
    digits.parse().ok()
}

fn scan_segment(scanned: &mut ScannedLog, base: i64, name: &str, content: &[u8], compacted: bool) {
    let mut position = 0;
    while position < content.len() {
        let at = position as u64;
        let rest = &content[position..];
        let Some((batch, length)) = read_batch(rest, base, at) else {
            let zeros = rest.iter().all(|byte| *byte == 0);
            let what = if zeros { "zeros" } else { "no whole batch" };
            scanned.report(name, at, format!("{what} in the last {} bytes", rest.len()));
            return;
        };
        scanned.judge(name, at, &batch, compacted);
        scanned.log_end = scanned.log_end.max(batch.last_offset.saturating_add(1));
        scanned.batches.push(batch);
        position += length;
    }
}

impl ScannedLog {
    fn judge(&mut self, name: &str, at: u64, batch: &ScannedBatch, compacted: bool) {
        if !batch.crc_ok {
            self.report(name, at, format!("CRC of the batch at offset {} is wrong", batch.base_offset));
        }
        let follows = batch.base_offset == self.log_end || (compacted && batch.base_offset > self.log_end);
        if !follows {
            self.report(name, at, format!("offset {} where {} should follow", batch.base_offset, self.log_end));
        }
        let latest = self.batches.last().map_or(0, |last| last.leader_epoch);
        if batch.leader_epoch < latest {
            self.report(name, at, format!("leader epoch {} after {latest}", batch.leader_epoch));
        }
        let offsets = batch.last_offset.saturating_sub(batch.base_offset).saturating_add(1);
        let least = i32::from(!compacted);
        if batch.records < least || i64::from(batch.records) > offsets {
            self.report(name, at, format!("{} records at {offsets} offsets", batch.records));
        }
    }

    fn report(&mut self, file: &str, position: u64, what: String) {
        self.problems.push(Problem { file: file.to_owned(), position, what });
    }
}

/// The batch that `bytes` begin with, and its length; none if there is no whole one of format 2.
fn read_batch(bytes: &[u8], segment: i64, position: u64) -> Option<(ScannedBatch, usize)> {
    let mut cursor = bytes;
    let base_offset = i64::from_be_bytes(next(&mut cursor)?);
    let length = usize::try_from(i32::from_be_bytes(next(&mut cursor)?)).ok()?;
    let body = cursor.get(..length)?;
    let mut cursor = body;
    let leader_epoch = i32::from_be_bytes(next(&mut cursor)?);
    let [format] = next(&mut cursor)?;
    if format != 2 {
        return None;
    }
    let crc = u32::from_be_bytes(next(&mut cursor)?);
    let crc_ok = crc == castagnoli(cursor);
    let [_, _] = next(&mut cursor)?;
    let delta = i32::from_be_bytes(next(&mut cursor)?);
    let [_first_timestamp, max_timestamp, producer_id] = [next(&mut cursor)?, next(&mut cursor)?, next(&mut cursor)?];
    let batch = ScannedBatch {
        segment,
        position,
        length: u32::try_from(length).ok()?.checked_add(12)?,
        base_offset,
        last_offset: base_offset.saturating_add(i64::from(delta)),
        leader_epoch,
        crc,
        crc_ok,
        max_timestamp: i64::from_be_bytes(max_timestamp),
        producer_id: i64::from_be_bytes(producer_id),
        producer_epoch: i16::from_be_bytes(next(&mut cursor)?),
        sequence: i32::from_be_bytes(next(&mut cursor)?),
        records: i32::from_be_bytes(next(&mut cursor)?),
    };
    Some((batch, length + 12))
}

fn next<const N: usize>(cursor: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = cursor.split_first_chunk()?;
    *cursor = tail;
    Some(*head)
}

/// CRC-32C, reflected, a byte at a time.
fn castagnoli(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| CASTAGNOLI[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

static CASTAGNOLI: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0x82f6_3b78 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::batch::BatchBuilder;

    use super::*;

    fn batch(base_offset: i64, leader_epoch: i32) -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        builder.producer(5, 1, 40);
        builder.append(7, Some(b"key"), Some(b"value"), &[]);
        builder.append(9, None, Some(b"value"), &[]);
        builder.build(base_offset, leader_epoch).to_vec()
    }

    fn file(base: i64, batches: &[Vec<u8>]) -> (String, Vec<u8>) {
        (format!("{base:020}.log"), batches.concat())
    }

    fn problems(files: &[(String, Vec<u8>)]) -> Vec<String> {
        scan(files, false).problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_sound_log_scans_without_problems_and_with_all_its_facts() {
        let files = [
            file(14, &[batch(14, 3)]),
            file(6, &[batch(6, 0)]),
            (format!("{:020}.start", 10), Vec::new()),
            (format!("{:020}.start", 8), Vec::new()),
            ("leader-epoch-checkpoint".to_owned(), b"0\n0\n".to_vec()),
            file(10, &[batch(10, 2), batch(12, 3)]),
        ];
        let scanned = scan(&files, false);
        assert_eq!(scanned.problems, []);
        assert_eq!((scanned.log_start, scanned.log_end), (10, 16));
        let facts: Vec<_> = scanned.batches.iter().map(|b| (b.segment, b.base_offset, b.last_offset)).collect();
        assert_eq!(facts, [(10, 10, 11), (10, 12, 13), (14, 14, 15)]);
        let one = scanned.batches[1];
        assert!(one.crc_ok);
        assert_eq!((one.leader_epoch, one.records, one.max_timestamp), (3, 2, 9));
        assert_eq!((one.producer_id, one.producer_epoch, one.sequence), (5, 1, 40));
        assert_eq!((one.position, one.length as usize), (batch(0, 0).len() as u64, batch(0, 0).len()));
    }

    #[test]
    fn its_crc_is_the_castagnoli_one() {
        assert_eq!(castagnoli(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn every_kind_of_damage_is_told() {
        let mut rotten = batch(2, 0);
        *rotten.last_mut().expect("not empty") ^= 4;
        for (files, expected) in [
            (vec![file(0, &[batch(0, 0), rotten])], "CRC of the batch at offset 2 is wrong"),
            (vec![file(0, &[batch(0, 0), batch(4, 0)])], "offset 4 where 2 should follow"),
            (vec![file(0, &[batch(0, 0), batch(0, 0)])], "offset 0 where 2 should follow"),
            (vec![file(0, &[batch(0, 5), batch(2, 4)])], "leader epoch 4 after 5"),
            (vec![file(0, &[batch(0, 0), vec![0; 512]])], "zeros in the last 512 bytes"),
            (vec![file(0, &[batch(0, 0), batch(2, 0)[..30].to_vec()])], "no whole batch in the last 30 bytes"),
        ] {
            assert_eq!(problems(&files), [expected]);
        }
        let gap = [file(0, &[batch(0, 0)]), file(8, &[batch(8, 0)])];
        assert_eq!(problems(&gap), ["segment begins at 8, the log so far ends at 2", "offset 8 where 2 should follow"]);
    }

    #[test]
    fn a_compacted_log_may_lack_offsets_inside_a_segment_but_no_segment() {
        let compacted = |files: &[(String, Vec<u8>)]| scan(files, true).problems.len();
        assert_eq!(compacted(&[file(0, &[batch(2, 0), batch(8, 0)]), file(10, &[batch(12, 0)])]), 0);
        assert_eq!(compacted(&[file(0, &[batch(2, 0)]), file(10, &[batch(12, 0)])]), 1);
        assert_eq!(compacted(&[file(0, &[batch(2, 0), batch(2, 0)])]), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_scanned(content in prop::collection::vec(any::<u8>(), 0..200)) {
            let scanned = scan(&[(format!("{:020}.log", 0), content.clone())], false);
            prop_assert_eq!(scanned.problems.is_empty(), content.is_empty());
        }

        #[test]
        fn no_changed_byte_goes_unnoticed(at in 0usize..200, change in 1u8..) {
            let mut content = [batch(0, 1), batch(2, 1)].concat();
            let at = at % content.len();
            let before = scan(&[file(0, &[content.clone()])], false);
            content[at] ^= change;
            let after = scan(&[file(0, &[content])], false);
            prop_assert!(!after.problems.is_empty() || after.batches != before.batches);
        }
    }
}
