//! Writes the seeds to `fuzz/corpus-seed`, one file an input, one folder a target.

#![allow(clippy::disallowed_methods, reason = "it writes files")]

use std::fs;
use std::io;
use std::path::Path;

use odradek_fuzzing::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus-seed");
    for target in TARGETS {
        let folder = root.join(target);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for (name, bytes) in seeds::of_target(target) {
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
