//! A broker that runs: see odradek_fuzzing::BrokerCore.

#![no_main]

use std::sync::{LazyLock, Mutex};

use odradek_fuzzing::BrokerCore;

static TARGET: LazyLock<Mutex<BrokerCore>> = LazyLock::new(Mutex::default);

libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET.lock().expect("the first panic ends the process").feed(input));
