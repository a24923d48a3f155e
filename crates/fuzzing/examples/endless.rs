//! Feeds a target with changed seeds for some seconds: `endless TARGET SECONDS [SEED]`. Where cargo-fuzz cannot be had.

#![allow(clippy::disallowed_types, reason = "it measures real time")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use odradek_fuzzing::{TARGETS, Target, change, seeds};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("", String::as_str);
    let number = |place: usize| arguments.get(place).and_then(|text| text.parse::<u64>().ok());
    let (Some(mut target), Some(seconds)) = (Target::named(name), number(1)) else {
        eprintln!("usage: endless TARGET SECONDS [SEED], where TARGET is one of {}", TARGETS.join(", "));
        return ExitCode::from(2);
    };
    let seeds: Vec<Vec<u8>> = seeds::of_target(name).into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
    let mut numbers = change::Numbers(number(2).unwrap_or(1));
    let (begun, mut told, mut inputs) = (Instant::now(), Instant::now(), 0u64);
    while begun.elapsed() < Duration::from_secs(seconds) {
        target.feed(&change::changed(&seeds, &mut numbers));
        inputs += 1;
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            eprintln!("{name}: {inputs} inputs in {} s", begun.elapsed().as_secs());
        }
    }
    println!("{name}: {inputs} inputs in {} s, nothing found", begun.elapsed().as_secs());
    ExitCode::SUCCESS
}
