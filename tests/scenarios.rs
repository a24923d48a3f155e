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

fn the_control_run_is_clean(name: &str) {
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

        const PLAIN: &[&str] = &[$($name),*];
    };
}

/// Scenarios that pass because something goes wrong: what it is, and that nothing does in the control run.
macro_rules! caught {
    ($($module:ident: $name:literal,)*) => {
        $(mod $module {
            #[test]
            fn is_caught_as_reviewed() {
                super::passes_with_its_reviewed_digest($name);
            }

            #[test]
            fn the_control_run_is_clean() {
                super::the_control_run_is_clean($name);
            }
        })*

        const CAUGHT: &[&str] = &[$($name),*];
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
    queue: "queue",
    broadcast: "broadcast",
    multicast: "multicast",
    direct_call: "direct-call",
    offset_jumped_back: "offset-jumped-back",
    rebalance_storm: "rebalance-storm",
    compaction: "compaction",
}

caught! {
    hw_truncation_loss: "flaws/hw-truncation-loss",
    fast_failover_divergence: "flaws/fast-failover-divergence",
    hw_truncation_divergence: "flaws/hw-truncation-divergence",
    same_leader_skip_truncate: "flaws/same-leader-skip-truncate",
    epoch_not_cached_on_election: "flaws/epoch-not-cached-on-election",
    unfenced_fetch: "flaws/unfenced-fetch",
    stale_epoch_response: "flaws/stale-epoch-response",
    isr_join_before_epoch_start: "flaws/isr-join-before-epoch-start",
    hw_backward_listoffsets: "flaws/hw-backward-listoffsets",
    hw_before_truncate: "flaws/hw-before-truncate",
    diverging_fetch_counts: "flaws/diverging-fetch-counts",
    isr_blind_write: "flaws/isr-blind-write",
    no_dir_fsync: "flaws/no-dir-fsync",
    ack_after_term_change: "flaws/ack-after-term-change",
    zombie_controller_zk_write: "flaws/zombie-controller-zk-write",
    stale_leaderandisr: "flaws/stale-leaderandisr",
    bounced_broker_control_request: "flaws/bounced-broker-control-request",
    future_epoch_reject: "flaws/future-epoch-reject",
    ephemeral_conflict: "flaws/ephemeral-conflict",
    optimistic_isr_hw: "flaws/optimistic-isr-hw",
    hw_advances_under_min_isr: "flaws/hw-advances-under-min-isr",
    clean_shutdown_marker_late_delete: "flaws/clean-shutdown-marker-late-delete",
    epoch_zero_lost_in_recovery: "flaws/epoch-zero-lost-in-recovery",
    halt_on_ahead_follower: "flaws/halt-on-ahead-follower",
    no_dedup_epoch_bump: "flaws/no-dedup-epoch-bump",
    metadata_blip_resets_seq: "flaws/metadata-blip-resets-seq",
    load_stale_cache: "flaws/load-stale-cache",
    offsets_expire_while_live: "flaws/offsets-expire-while-live",
    static_duplicate_instance: "flaws/static-duplicate-instance",
    static_rejoin_not_persisted: "flaws/static-rejoin-not-persisted",
    static_join_during_completing: "flaws/static-join-during-completing",
    sticky_double_ownership: "flaws/sticky-double-ownership",
    sync_never_arrives: "flaws/sync-never-arrives",
    fetch_during_revocation_commit: "flaws/fetch-during-revocation-commit",
    store_offset_after_revoke: "flaws/store-offset-after-revoke",
    reset_on_transient_error: "flaws/reset-on-transient-error",
    topic_recreated_same_name: "flaws/topic-recreated-same-name",
    min_insync_one: "hazards/min-insync-one",
    retries_without_idempotence: "hazards/retries-without-idempotence",
    replication_factor_one: "hazards/replication-factor-one",
    last_replica_standing: "hazards/last-replica-standing",
    stale_broker_epoch_isr: "hazards/stale-broker-epoch-isr",
    producer_id_expires: "hazards/producer-id-expires",
    auto_commit: "hazards/auto-commit",
    slow_poll: "hazards/slow-poll",
    offsets_expire: "hazards/offsets-expire",
}

#[test]
fn every_shipped_scenario_is_covered_here() {
    let mut shipped = BTreeSet::new();
    collect(&file("scenarios"), "", &mut shipped);
    let covered: BTreeSet<String> = PLAIN.iter().chain(CAUGHT).map(|name| (*name).to_owned()).collect();
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
