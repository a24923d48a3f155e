//! The end-of-run disk scan: what really lies on every broker's disk, read by a parser that is not the broker's.

use host::World;
use oracle::{ScannedBatch, ScannedReplica};
use scenario::Plan;
use trace::{Partition, broker_name};

/// Scans every replica on every broker's disk.
pub fn scan_disks(world: &World, plan: &Plan) -> Vec<ScannedReplica> {
    let mut replicas = Vec::new();
    for id in 1..=plan.cluster.brokers {
        let node = broker_name(id as i32);
        let disk = world.disk(node.as_str());
        for topic in &plan.topics {
            let policy = topic.effective_config(&plan.cluster).text("cleanup.policy");
            let compacted = topic.is_internal() || policy.is_some_and(|policy| policy.contains("compact"));
            for index in 0..topic.partitions as i32 {
                let directory = format!("data/{}-{index}", topic.name);
                let Ok(entries) = disk.list(&directory) else { continue };
                let files: Vec<(String, Vec<u8>)> = entries
                    .into_iter()
                    .filter(|entry| !entry.directory)
                    .filter_map(|entry| {
                        Some((entry.name.clone(), disk.read(&format!("{directory}/{}", entry.name)).ok()?))
                    })
                    .collect();
                let scanned = log::scan::scan(&files, compacted);
                let batches = scanned.batches.iter().map(|batch| ScannedBatch {
                    base_offset: batch.base_offset,
                    records: u32::try_from(batch.last_offset - batch.base_offset + 1).unwrap_or(0),
                    leader_epoch: batch.leader_epoch,
                    crc: batch.crc,
                    crc_ok: batch.crc_ok,
                });
                replicas.push(ScannedReplica {
                    node,
                    partition: Partition::new(&topic.name, index),
                    batches: batches.collect(),
                    problems: scanned
                        .problems
                        .iter()
                        .map(|it| format!("{} at byte {}: {}", it.file, it.position, it.what))
                        .collect(),
                });
            }
        }
    }
    replicas
}
