//! Record batches: see odradek_fuzzing::record_batches.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| odradek_fuzzing::record_batches(input));
