//! The seeds, and a few thousand changed ones, through every target.

#![allow(clippy::disallowed_methods, reason = "the corpus is files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use odradek_fuzzing::{TARGETS, Target, change, seeds};

/// Feeds a target its seeds and so many changed ones.
fn feed(name: &str, changed: usize) {
    let mut target = Target::named(name).expect("there is such a target");
    let seeds: Vec<Vec<u8>> = seeds::of_target(name).into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
    for seed in &seeds {
        target.feed(seed);
    }
    let mut numbers = change::Numbers(0x0d_7a_de_c5);
    for _ in 0..changed {
        target.feed(&change::changed(&seeds, &mut numbers));
    }
}

#[test]
fn changed_kafka_frames_are_errors_at_worst() {
    feed("kafka-frames", 20_000);
}

#[test]
fn changed_record_batches_are_errors_at_worst() {
    feed("record-batches", 20_000);
}

#[test]
fn changed_jute_frames_are_errors_at_worst() {
    feed("jute-frames", 20_000);
}

#[test]
fn a_log_recovers_from_any_segment() {
    feed("log-segment", 3_000);
}

#[test]
fn a_running_broker_survives_changed_requests_and_serves_the_next_client() {
    feed("broker-core", 20_000);
}

#[test]
fn the_corpus_in_the_repository_is_what_the_generator_writes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus-seed");
    for target in TARGETS {
        let mut stored = BTreeMap::new();
        for entry in fs::read_dir(root.join(target)).expect("the corpus is there") {
            let entry = entry.expect("it can be listed");
            let name = entry.file_name().into_string().expect("names are plain");
            stored.insert(name, fs::read(entry.path()).expect("it can be read"));
        }
        let made: BTreeMap<_, _> =
            seeds::of_target(target).into_iter().map(|(name, bytes)| (name, bytes.to_vec())).collect();
        let hint = "cargo run -p odradek-fuzzing --example seed-corpus";
        assert!(stored == made, "fuzz/corpus-seed/{target} is of another day: {hint}");
    }
}
