"""Starts a cluster and runs one of the scripts of this folder against it: `against_cluster.py SCRIPT [kafka|zookeeper]`."""

import subprocess
import sys

from cluster import Cluster

script, port = sys.argv[1], sys.argv[2]
# Kafka waits for three seconds before a group's first assignment, so that more may join: the scripts have no use for that.
with Cluster(settings=["group.initial.rebalance.delay.ms=100"]) as cluster:
    address = cluster.zookeeper if port == "zookeeper" else cluster.bootstrap
    status = subprocess.run([sys.executable, script, address], timeout=600).returncode
    if status != 0:
        print(f"serve said:\n{cluster.log()}", flush=True)
sys.exit(status)
