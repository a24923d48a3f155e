#!/bin/bash
# A long sweep as a Slurm job array: each task runs one shard, and shards share nothing but the folder of results.
#
#     sbatch --array=0-31 deploy/slurm-array.sh
#
# The same command again goes on where a killed task ended. When all tasks are done:
#
#     odradek merge runs/shards/* --junit runs/sweep.xml
#
#SBATCH --job-name=odradek-sweep
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=1G
#SBATCH --time=04:00:00
#SBATCH --output=runs/slurm-%A-%a.log
set -euo pipefail

odradek=${ODRADEK:-target/release/odradek}   # built once, before: cargo build --release
seeds=${SEEDS:-0..1000000}
shard=${SLURM_ARRAY_TASK_ID:?start this with sbatch --array=0-N}
shards=$((SLURM_ARRAY_TASK_MAX + 1))

# Shards are counted from 0, and so must the array be. The budget ends before the time limit does.
exec "$odradek" sweep scenarios/chaos/*.toml --seeds "$seeds" \
  --shard "$shard/$shards" --jobs "${SLURM_CPUS_PER_TASK:-1}" --budget 220m \
  --out "runs/shards/$shard" --ledger "runs/shards/$shard/ledger.jsonl"
