//! Kafka's frames: see odradek_fuzzing::kafka_frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| odradek_fuzzing::kafka_frames(input));
