//! Every shipped scenario passes on its pinned plans, and its digest is the one that was reviewed.

use std::collections::BTreeSet;
use std::path::Path;

use scenario::Options;
use sim::Verdict;

use crate::support::{file, plan, run};

/// The pinned plans of each scenario.
const SEEDS: [u64; 2] = [1, 2];
/// Other orders of scheduling, under which a digest must stay the same.
const SCHEDULES: [u64; 4] = [101, 102, 103, 104];

fn passes_with_its_reviewed_digest(name: &str) {
    for seed in SEEDS {
        let outcome = run(&plan(name, seed, None, &Options::default()));
        let digest = outcome.digest.render(false);
        assert_eq!(outcome.record.verdict, Verdict::Pass, "{name}, seed {seed}: {}\n{digest}", outcome.record.reason);
        assert!(digest.lines().count() <= 40, "{name}: a digest has at most 40 lines\n{digest}");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(file("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("{}-{seed}", name.replace('/', "-")), digest));
    }
    let reviewed = run(&plan(name, SEEDS[0], None, &Options::default())).digest.render(false);
    for schedule in SCHEDULES {
        let digest = run(&plan(name, SEEDS[0], Some(schedule), &Options::default())).digest.render(false);
        assert_eq!(digest, reviewed, "{name}: the digest depends on the schedule (schedule seed {schedule})");
    }
}

fn is_clean_without_its_flaw(name: &str) {
    for seed in SEEDS {
        let options = Options { without_flaws: true, ..Options::default() };
        let outcome = run(&plan(name, seed, None, &options));
        assert!(outcome.record.violations.is_empty(), "{name}, seed {seed}: {}", outcome.record.reason);
        assert_eq!(outcome.record.verdict, Verdict::Pass, "{name}, seed {seed}: {}", outcome.record.reason);
    }
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            passes_with_its_reviewed_digest($name);
        })*

        const COVERED: &[&str] = &[$($name),*];
    };
}

scenarios! {
    mail: "mail",
    broker_outage_is_invisible: "broker-outage-is-invisible",
    broker_outage_outlasts_delivery_timeout: "broker-outage-outlasts-delivery-timeout",
    zookeeper_quorum_lost: "zookeeper-quorum-lost",
    split_brain: "split-brain",
    acks_all_loses_nothing: "acks-all-loses-nothing",
    acks_one_loses: "acks-one-loses",
    power_loss_of_all_replicas: "power-loss-of-all-replicas",
    power_loss_with_flush: "power-loss-with-flush",
    flaw_hw_truncation_loss: "flaws/hw-truncation-loss",
    flaw_fast_failover_divergence: "flaws/fast-failover-divergence",
    flaw_isr_blind_write: "flaws/isr-blind-write",
    flaw_no_dir_fsync: "flaws/no-dir-fsync",
    flaw_clean_shutdown_marker_late_delete: "flaws/clean-shutdown-marker-late-delete",
    flaw_epoch_zero_lost_in_recovery: "flaws/epoch-zero-lost-in-recovery",
    flaw_halt_on_ahead_follower: "flaws/halt-on-ahead-follower",
    flaw_no_dedup_epoch_bump: "flaws/no-dedup-epoch-bump",
    flaw_metadata_blip_resets_seq: "flaws/metadata-blip-resets-seq",
    hazard_min_insync_one: "hazards/min-insync-one",
    hazard_retries_without_idempotence: "hazards/retries-without-idempotence",
    hazard_replication_factor_one: "hazards/replication-factor-one",
    hazard_last_replica_standing: "hazards/last-replica-standing",
    hazard_stale_broker_epoch_isr: "hazards/stale-broker-epoch-isr",
    hazard_producer_id_expires: "hazards/producer-id-expires",
}

#[test]
fn hw_truncation_loss_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/hw-truncation-loss");
}

#[test]
fn fast_failover_divergence_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/fast-failover-divergence");
}

#[test]
fn isr_blind_write_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/isr-blind-write");
}

#[test]
fn no_dir_fsync_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/no-dir-fsync");
}

#[test]
fn clean_shutdown_marker_late_delete_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/clean-shutdown-marker-late-delete");
}

#[test]
fn epoch_zero_lost_in_recovery_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/epoch-zero-lost-in-recovery");
}

#[test]
fn halt_on_ahead_follower_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/halt-on-ahead-follower");
}

#[test]
fn no_dedup_epoch_bump_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/no-dedup-epoch-bump");
}

#[test]
fn metadata_blip_resets_seq_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/metadata-blip-resets-seq");
}

#[test]
fn min_insync_one_is_clean_with_its_control_settings() {
    is_clean_without_its_flaw("hazards/min-insync-one");
}

#[test]
fn retries_without_idempotence_is_clean_with_its_control_settings() {
    is_clean_without_its_flaw("hazards/retries-without-idempotence");
}

#[test]
fn replication_factor_one_is_clean_with_its_control_settings() {
    is_clean_without_its_flaw("hazards/replication-factor-one");
}

#[test]
fn last_replica_standing_is_clean_with_its_control_settings() {
    is_clean_without_its_flaw("hazards/last-replica-standing");
}

#[test]
fn stale_broker_epoch_isr_is_clean_with_its_control_settings() {
    is_clean_without_its_flaw("hazards/stale-broker-epoch-isr");
}

#[test]
fn producer_id_expires_is_clean_with_its_control_settings() {
    is_clean_without_its_flaw("hazards/producer-id-expires");
}

#[test]
fn every_shipped_scenario_is_covered_here() {
    let mut shipped = BTreeSet::new();
    collect(&file("scenarios"), "", &mut shipped);
    let covered: BTreeSet<String> = COVERED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(shipped, covered);
}

fn collect(folder: &Path, prefix: &str, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("scenarios/ can be listed") {
        let path = entry.expect("scenarios/ can be listed").path();
        let stem = path.file_stem().expect("every entry has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            // Regressions are plans, and chaos is for sweeps: both have tests of their own.
            if stem != "regressions" && stem != "chaos" {
                collect(&path, &format!("{prefix}{stem}/"), names);
            }
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            names.insert(format!("{prefix}{stem}"));
        }
    }
}

/// A few seeds of each; sweeps run thousands.
#[test]
fn every_chaos_scenario_passes_on_its_first_seeds() {
    let mut names = BTreeSet::new();
    collect(&file("scenarios/chaos"), "chaos/", &mut names);
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        for seed in [0, 1] {
            let outcome = run(&plan(&name, seed, None, &Options::default()));
            assert_eq!(outcome.record.verdict, Verdict::Pass, "{name}, seed {seed}: {}", outcome.record.reason);
        }
    }
}

#[test]
fn every_regression_plan_passes() {
    let folder = file("scenarios/regressions");
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    for path in entries.map(|entry| entry.expect("the folder can be listed").path()) {
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a plan can be read");
        let plan = scenario::Plan::parse(&path.display().to_string(), &text).unwrap_or_else(|error| panic!("{error}"));
        let outcome = run(&plan);
        assert_eq!(outcome.record.verdict, Verdict::Pass, "{}: {}", path.display(), outcome.record.reason);
    }
}
