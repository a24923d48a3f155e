//! ZooKeeper's frames: see odradek_fuzzing::jute_frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| odradek_fuzzing::jute_frames(input));
