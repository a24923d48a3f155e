"""A cluster of one process a node: brokers that end, and brokers that are killed, under load."""

import threading

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from checks import check, equal, finish, until
from cluster import Cluster, wait_for_port

LOAD = 20_000


def create(cluster, topic, partitions=3):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    config = {"min.insync.replicas": "2"}
    for future in admin.create_topics([NewTopic(topic, partitions, 3, config=config)]).values():
        future.result(60)


def ready(cluster):
    """Waits until three brokers are in the metadata."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})

    def three():
        try:
            return len(admin.list_topics(timeout=5).brokers) == 3
        except Exception:  # nobody answers yet
            return False

    until("three brokers", three, 90)


def whole(cluster, topic, partitions=3):
    """Waits until every partition has three replicas in its ISR."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    of = lambda: admin.list_topics(topic, timeout=10).topics[topic].partitions.values()
    until("every ISR is whole", lambda: [len(it.isrs) for it in of()] == [3] * partitions, 90)


def contents(cluster, topic, partitions=3):
    """All values of a topic, partition by partition."""
    it = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "none", "enable.auto.commit": False})
    values = []
    for place in range(partitions):
        _, end = it.get_watermark_offsets(TopicPartition(topic, place), timeout=30)
        it.assign([TopicPartition(topic, place, 0)])
        while end > 0:
            message = it.poll(30)
            if message is None or message.error():
                raise AssertionError(f"{topic}/{place}: nothing comes before offset {end}: {message and message.error()}")
            values.append(message.value().decode())
            if message.offset() + 1 >= end:
                break
    it.close()
    return values


def killed(cluster):
    create(cluster, "load")
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5,
                         "request.timeout.ms": 10000, "delivery.timeout.ms": 120000})
    acked, failed = set(), []
    half, victim = threading.Event(), "broker-2"

    def told(error, message):
        failed.append(error) if error else acked.add(message.value().decode())
        if len(acked) > LOAD // 4:
            half.set()

    def strike():
        half.wait(60)
        cluster.kill(victim)

    killer = threading.Thread(target=strike)
    killer.start()
    for n in range(LOAD):
        # The queue is bounded: so the load outlasts the blow.
        while len(producer) > 2000:
            producer.poll(0.05)
        producer.produce("load", f"value {n}", key=str(n), on_delivery=told)
        producer.poll(0)
    equal(producer.flush(150), 0, "the number of records without an outcome")
    killer.join()
    equal(victim in cluster.processes, False, "whether the broker is there")
    cluster.start(victim)
    ready(cluster)
    whole(cluster, "load")
    found = contents(cluster, "load")
    equal(len(found), len(set(found)), "the number of different records")
    equal(len(acked - set(found)), 0, "the number of acknowledged records that are lost")
    return f"{len(acked)} acknowledged, {len(failed)} failed, {len(found)} there"


def offsets_kept(cluster):
    create(cluster, "kept", 1)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for n in range(20):
        producer.produce("kept", str(n))
    producer.flush(30)
    group = {"bootstrap.servers": cluster.bootstrap, "group.id": "keepers", "auto.offset.reset": "earliest",
             "enable.auto.commit": False, "session.timeout.ms": 6000}

    def read(count):
        it = Consumer(group)
        it.subscribe(["kept"])
        values = []

        def one():
            message = it.poll(1)
            if message is not None and not message.error():
                values.append(int(message.value()))
                it.commit(message, asynchronous=False)
            return len(values) == count

        until(f"{count} records", one, 60)
        it.close()
        return values

    equal(read(12), list(range(12)), "what was read before")
    for node in ("broker-1", "broker-2", "broker-3"):
        equal(cluster.stop(node), 0, f"the exit status of {node}")
        cluster.start(node)
        ready(cluster)
        whole(cluster, "kept", 1)
    equal(read(8), list(range(12, 20)), "what was read after every broker was restarted")


if __name__ == "__main__":
    with Cluster(apart=True) as cluster:
        for place in range(3):
            wait_for_port(cluster.port + place)
        check("three processes become a cluster", lambda: ready(cluster))
        check(f"kill -9 of a broker in the middle of {LOAD} records loses nothing that was acknowledged", lambda: killed(cluster))
        check("a group goes on where it was after each broker was restarted", lambda: offsets_kept(cluster))
    finish()
