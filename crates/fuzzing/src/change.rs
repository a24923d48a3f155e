//! Changes to inputs, drawn from a seed: the same ones at every run.

/// A small generator of numbers (SplitMix64): its stream is fixed by the seed, and no library's next version changes it.
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_number() % bound as u64) as usize
    }
}

/// Numbers that attackers write over lengths, counts, versions and epochs.
const ODD: &[&[u8]] = &[
    &[0],
    &[0xff],
    &[0x7f, 0xff],
    &[0x80, 0x00],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// A seed with up to eight changes, or two seeds spliced. Length prefixes are mended most of the time.
pub fn changed(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
    for _ in 0..=numbers.below(8) {
        change(&mut bytes, seeds, numbers);
    }
    bytes.truncate(1 << 16);
    if numbers.below(8) > 0 {
        mend_prefix(&mut bytes);
    }
    if numbers.below(4) == 0 {
        // A conversation: what comes after a strange request.
        bytes.extend_from_slice(&seeds[numbers.below(seeds.len())]);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    if bytes.is_empty() {
        bytes.push(numbers.next_number() as u8);
        return;
    }
    let at = numbers.below(bytes.len());
    match numbers.below(8) {
        0 => bytes[at] ^= 1 << numbers.below(8),
        1 => bytes[at] = numbers.next_number() as u8,
        2 | 3 => {
            let odd = ODD[numbers.below(ODD.len())];
            let end = bytes.len().min(at + odd.len());
            bytes[at..end].copy_from_slice(&odd[..end - at]);
        }
        4 => bytes.truncate(at),
        5 => {
            let end = bytes.len().min(at + 1 + numbers.below(16));
            bytes.drain(at..end);
        }
        6 => {
            let end = bytes.len().min(at + 1 + numbers.below(16));
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => {
            let other = &seeds[numbers.below(seeds.len())];
            if !other.is_empty() {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[numbers.below(other.len())..]);
            }
        }
    }
}

fn mend_prefix(bytes: &mut [u8]) {
    let length = bytes.len().saturating_sub(4) as u32;
    if let Some(prefix) = bytes.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
}
