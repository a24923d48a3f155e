//! The commands, one file each.

pub mod bench;
pub mod check;
pub mod completions;
pub mod diff;
pub mod explain;
pub mod export;
pub mod flaws;
pub mod likelihood;
pub mod new;
pub mod plan;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenarios;
pub mod serve;
pub mod serve_scenario;
pub mod show;
pub mod shrink;
pub mod sweep;
pub mod view;

use std::path::Path;

use crate::arguments::Changes;

/// How a person on this terminal calls this program, so that printed commands work as printed.
pub fn program() -> String {
    if std::env::var_os("CARGO").is_some() {
        let release = if cfg!(debug_assertions) { "" } else { " --release" };
        return format!("cargo run{release} --");
    }
    std::env::args().next().unwrap_or_else(|| "odradek".into())
}

/// The words after the program's name that run this scenario under this seed.
pub fn again(path: &Path, changes: &Changes, variant: Option<&str>, seed: u64, schedule_seed: Option<u64>) -> String {
    let mut words = vec!["run".to_owned(), quoted(&path.display().to_string()), "--seed".into(), seed.to_string()];
    if let Some(variant) = variant {
        words.extend(["--variant".into(), quoted(variant)]);
    }
    if let Some(schedule_seed) = schedule_seed {
        words.extend(["--schedule-seed".into(), schedule_seed.to_string()]);
    }
    for set in &changes.set {
        words.extend(["--set".into(), quoted(set)]);
    }
    if changes.without_flaws {
        words.push("--without-flaws".into());
    }
    words.join(" ")
}

/// An argument as a shell takes it.
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn arguments_survive_a_shell() {
        assert_eq!(quoted("scenarios/mail.toml"), "scenarios/mail.toml");
        assert_eq!(quoted("topic.email.config={a = 1}"), "'topic.email.config={a = 1}'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
