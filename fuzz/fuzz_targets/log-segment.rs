//! A log opened on any bytes: see odradek_fuzzing::LogSegment.

#![no_main]

use std::sync::{LazyLock, Mutex};

use odradek_fuzzing::LogSegment;

static TARGET: LazyLock<Mutex<LogSegment>> = LazyLock::new(Mutex::default);

libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET.lock().expect("the first panic ends the process").feed(input));
