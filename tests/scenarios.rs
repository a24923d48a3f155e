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

/// A scenario's variants, or the scenario itself if it has none.
fn variants(name: &str) -> Vec<Option<String>> {
    let text = std::fs::read_to_string(file(&format!("scenarios/{name}.toml"))).expect("it can be read");
    let scenario = scenario::Scenario::parse(name, &text).unwrap_or_else(|error| panic!("{error}"));
    let variants: Vec<_> = scenario.variants.into_iter().map(|variant| Some(variant.name)).collect();
    if variants.is_empty() { vec![None] } else { variants }
}

fn passes_with_its_reviewed_digest(name: &str) {
    variants(name).into_iter().for_each(|variant| passes_as_reviewed(name, variant));
}

fn passes_as_reviewed(name: &str, variant: Option<String>) {
    let run = |seed, schedule| {
        let plan = plan(name, seed, schedule, &Options { variant: variant.clone(), ..Options::default() });
        let options = sim::RunOptions { variant: variant.clone(), ..sim::RunOptions::default() };
        sim::run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}"))
    };
    let name = variant.as_ref().map_or(name.to_owned(), |variant| format!("{name}/{variant}"));
    for seed in SEEDS {
        let outcome = run(seed, None);
        let digest = outcome.digest.render(false);
        assert_eq!(outcome.record.verdict, Verdict::Pass, "{name}, seed {seed}: {}\n{digest}", outcome.record.reason);
        assert!(digest.lines().count() <= 40, "{name}: a digest has at most 40 lines\n{digest}");
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(file("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(format!("{}-{seed}", name.replace('/', "-")), digest));
    }
    let reviewed = run(SEEDS[0], None).digest.render(false);
    for schedule in SCHEDULES {
        let digest = run(SEEDS[0], Some(schedule)).digest.render(false);
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
    acks_compared: "acks-compared",
    power_loss_of_all_replicas: "power-loss-of-all-replicas",
    power_loss_with_flush: "power-loss-with-flush",
    flaw_hw_truncation_loss: "flaws/hw-truncation-loss",
    flaw_fast_failover_divergence: "flaws/fast-failover-divergence",
    flaw_hw_truncation_divergence: "flaws/hw-truncation-divergence",
    flaw_same_leader_skip_truncate: "flaws/same-leader-skip-truncate",
    flaw_epoch_not_cached_on_election: "flaws/epoch-not-cached-on-election",
    flaw_unfenced_fetch: "flaws/unfenced-fetch",
    flaw_stale_epoch_response: "flaws/stale-epoch-response",
    flaw_isr_join_before_epoch_start: "flaws/isr-join-before-epoch-start",
    flaw_hw_backward_listoffsets: "flaws/hw-backward-listoffsets",
    flaw_hw_before_truncate: "flaws/hw-before-truncate",
    flaw_diverging_fetch_counts: "flaws/diverging-fetch-counts",
    flaw_isr_blind_write: "flaws/isr-blind-write",
    flaw_no_dir_fsync: "flaws/no-dir-fsync",
    flaw_ack_after_term_change: "flaws/ack-after-term-change",
    flaw_zombie_controller_zk_write: "flaws/zombie-controller-zk-write",
    flaw_stale_leaderandisr: "flaws/stale-leaderandisr",
    flaw_bounced_broker_control_request: "flaws/bounced-broker-control-request",
    flaw_future_epoch_reject: "flaws/future-epoch-reject",
    flaw_ephemeral_conflict: "flaws/ephemeral-conflict",
    flaw_optimistic_isr_hw: "flaws/optimistic-isr-hw",
    flaw_hw_advances_under_min_isr: "flaws/hw-advances-under-min-isr",
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
fn hw_truncation_divergence_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/hw-truncation-divergence");
}

#[test]
fn same_leader_skip_truncate_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/same-leader-skip-truncate");
}

#[test]
fn epoch_not_cached_on_election_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/epoch-not-cached-on-election");
}

#[test]
fn unfenced_fetch_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/unfenced-fetch");
}

#[test]
fn stale_epoch_response_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/stale-epoch-response");
}

#[test]
fn isr_join_before_epoch_start_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/isr-join-before-epoch-start");
}

#[test]
fn hw_backward_listoffsets_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/hw-backward-listoffsets");
}

#[test]
fn hw_before_truncate_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/hw-before-truncate");
}

#[test]
fn diverging_fetch_counts_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/diverging-fetch-counts");
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
fn ack_after_term_change_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/ack-after-term-change");
}

#[test]
fn zombie_controller_zk_write_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/zombie-controller-zk-write");
}

#[test]
fn stale_leaderandisr_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/stale-leaderandisr");
}

#[test]
fn bounced_broker_control_request_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/bounced-broker-control-request");
}

#[test]
fn future_epoch_reject_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/future-epoch-reject");
}

#[test]
fn ephemeral_conflict_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/ephemeral-conflict");
}

#[test]
fn optimistic_isr_hw_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/optimistic-isr-hw");
}

#[test]
fn hw_advances_under_min_isr_is_clean_without_its_flaw() {
    is_clean_without_its_flaw("flaws/hw-advances-under-min-isr");
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
