//! How fast a whole cluster runs: RF 3, acks=all, batches of 10 records, all oracles on. docs/performance.md says what was reached.
//!
//! A run is one simulated cluster from boot to verdict; the throughput that criterion prints is acknowledged records a second of
//! one core. Events a second and the cost of full tracing stand beside it on standard error.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use odradek_sim::{RunOptions, run_plan};
use scenario::{Plan, Scenario};
use trace::Mode;

/// As much as the simulated cluster takes without falling behind; batch.size holds 10 records of 100 bytes.
fn plan(producers: u32) -> Plan {
    let rate = if producers == 1 { 12_000 } else { 40_000 / producers };
    let text = format!(
        r#"
schema = 1
name = "pipeline"
intent = "Throughput."
[cluster]
brokers = 3
zookeepers = 1
[[topic]]
name = "load"
partitions = 8
replication = 3
config = {{ min.insync.replicas = 2 }}
[[producer]]
name = "load-service"
count = {producers}
topic = "load"
rate = "{rate}/s"
keys = 64
value = "100B"
config = {{ acks = "all", enable.idempotence = true, batch.size = 1500, linger.ms = "5ms" }}
[[consumer]]
name = "reader"
topics = ["load"]
process = "0ms"
config = {{ auto.offset.reset = "earliest", max.poll.records = 5000 }}
[phases]
warmup = "5s"
chaos = "5s"
settle = "10s"
"#
    );
    let scenario = Scenario::parse("pipeline.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    scenario.resolve(1, None).unwrap_or_else(|error| panic!("{error}"))
}

fn pipeline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rf3-acks-all-10-records-a-batch");
    group.sample_size(10);
    for producers in [1, 8] {
        let plan = plan(producers);
        for (name, mode) in [("untraced", Mode::None), ("full-trace", Mode::Full)] {
            let options = RunOptions { trace: mode, ..RunOptions::default() };
            let record = run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}")).record;
            eprintln!(
                "{producers} producers, {name}: {} records acknowledged, {} events, {}",
                record.records.acked, record.events, record.reason
            );
            group.throughput(Throughput::Elements(record.records.acked));
            group.bench_function(format!("{producers}-producers/{name}"), |bencher| {
                bencher.iter(|| black_box(run_plan(&plan, &options)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
