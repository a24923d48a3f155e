"""Measures a load of confluent-kafka on a cluster of one process a node: `load.py [RECORDS]`, acks=all, replication 3, 100 bytes.

Says how long it took to be acknowledged, and checks that every record is there once.
"""

import os
import sys
import time

from confluent_kafka import Producer

from checks import check, equal, finish
from cluster import Cluster
from restarts import contents, create, ready

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
FILL = "x" * 90


def load(cluster):
    create(cluster, "load", 6)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5,
                         "queue.buffering.max.messages": 100_000})
    errors = []
    told = lambda error, _: errors.append(error) if error else None
    began = time.monotonic()
    for n in range(COUNT):
        while True:
            try:
                producer.produce("load", f"{n:010}{FILL}", on_delivery=told)
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
    equal(producer.flush(600), 0, "the number of records without an outcome")
    took = time.monotonic() - began
    equal(errors[:3], [], "the errors")
    began = time.monotonic()
    found = contents(cluster, "load", 6)
    read = time.monotonic() - began
    equal((len(found), len(set(found))), (COUNT, COUNT), "the records there, and the different ones")
    return f"{COUNT} acknowledged in {took:.1f} s ({COUNT / took:.0f}/s), read in {read:.1f} s, {os.cpu_count()} cores"


if __name__ == "__main__":
    with Cluster() as cluster:
        check("three brokers", lambda: ready(cluster))
        check(f"a load of {COUNT} records loses nothing", lambda: load(cluster))
    finish()
