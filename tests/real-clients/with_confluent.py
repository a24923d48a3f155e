"""confluent-kafka (librdkafka): the producer with each acks and codec, idempotence, groups, admin."""

import sys
import time
import uuid

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType,
)

from checks import check, equal, finish, skip, until

bootstrap = sys.argv[1]
admin = AdminClient({"bootstrap.servers": bootstrap})


def done(futures, seconds=60):
    """The results of an admin call that answers with a future for each thing."""
    return {key: future.result(seconds) for key, future in futures.items()}


def create(topic, partitions=3, **config):
    done(admin.create_topics([NewTopic(topic, partitions, 3, config=config)]))
    until(f"{topic} has leaders", lambda: leaders(topic))


def leaders(topic):
    known = admin.list_topics(topic, timeout=10).topics[topic]
    return known.partitions and all(partition.leader > 0 for partition in known.partitions.values())


def produce(topic, count, name=None, **config):
    """Sends so many records and waits for each outcome; gives their values."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **config})
    errors, values = [], [f"{name or topic} {n}" for n in range(count)]
    for n, value in enumerate(values):
        producer.produce(topic, value, key=f"key-{n % 10}", on_delivery=lambda error, _: error and errors.append(error))
        producer.poll(0)
    equal(producer.flush(60), 0, "the number of records without an outcome")
    equal(errors, [], "the errors")
    return values


def consumer(group, **config):
    own = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
           "enable.auto.commit": False, "session.timeout.ms": 6000, **config}
    return Consumer(own)


def read(consumers, wanted, seconds=60, commit=True):
    """Polls until so many records came; gives the values by consumer."""
    got = [[] for _ in consumers]
    end = time.monotonic() + seconds
    while sum(map(len, got)) < wanted:
        if time.monotonic() > end:
            raise AssertionError(f"{sum(map(len, got))} of {wanted} records came within {seconds} s")
        for place, it in enumerate(consumers):
            message = it.poll(0.1)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            got[place].append(message.value().decode())
            if commit:
                it.commit(message, asynchronous=False)
    return got


def cluster():
    described = admin.describe_cluster().result(30)
    equal(sorted(f"{node.host}:{node.port}" for node in described.nodes), sorted(bootstrap.split(",")), "the brokers")
    if described.controller is None:
        raise AssertionError("no controller is named")
    return f"cluster {described.cluster_id}, controller {described.controller.id}"


def acks(level):
    topic = f"acks-{level}"
    create(topic)
    values = []
    if level == "0":
        # What is sent to a broker that does not lead yet is lost without a word.
        values += produce(topic, 30, "before", acks="all")
    values += produce(topic, 300, acks=level)
    one = consumer(f"readers-of-{topic}")
    one.subscribe([topic])
    try:
        equal(sorted(sum(read([one], len(values), commit=False), [])), sorted(values), "what was read")
    finally:
        one.close()


def codec(name):
    topic = f"codec-{name}"
    create(topic)
    values = produce(topic, 300, **{"compression.type": name, "acks": "all"})
    one = consumer(f"readers-of-{topic}")
    one.subscribe([topic])
    try:
        equal(sorted(sum(read([one], 300, commit=False), [])), sorted(values), "what was read")
    finally:
        one.close()


def idempotent():
    create("idempotent")
    values = produce("idempotent", 1000, **{"enable.idempotence": True})
    one = consumer("readers-of-idempotent")
    one.subscribe(["idempotent"])
    try:
        equal(sorted(sum(read([one], 1000, commit=False), [])), sorted(values), "what was read, each once")
    finally:
        one.close()


def auto_creation():
    topic = f"made-by-producing-{uuid.uuid4()}"
    produce(topic, 10)
    equal(topic in admin.list_topics(timeout=10).topics, True, "whether the topic is listed")


def list_offsets():
    create("offsets", partitions=1)
    produce("offsets", 42)
    at = TopicPartition("offsets", 0)
    first = done(admin.list_offsets({at: OffsetSpec.earliest()}))[at].offset
    last = done(admin.list_offsets({at: OffsetSpec.latest()}))[at].offset
    equal((first, last), (0, 42), "the first and the next offset")


def takeover():
    create("shared", partitions=4)
    two = [consumer("sharing"), consumer("sharing")]
    for it in two:
        it.subscribe(["shared"])

    def own(members, shares):
        for it in members:
            it.poll(0.1)
        return [len(it.assignment()) for it in members] == shares

    until("each owns two partitions", lambda: own(two, [2, 2]))
    values = produce("shared", 200)
    got = read(two, 200)
    equal(sorted(got[0] + got[1]), sorted(values), "what the group read")
    two[0].close()
    until("the other owns all four", lambda: own(two[1:], [4]))
    more = produce("shared", 100, "more")
    equal(sorted(read([two[1]], 100)[0]), sorted(more), "what the remaining member read")
    two[1].close()
    described = done(admin.describe_consumer_groups(["sharing"]))["sharing"]
    return f"group state {described.state.name}"


def committed():
    create("kept", partitions=1)
    produce("kept", 30)
    one = consumer("keepers")
    one.subscribe(["kept"])
    read([one], 30)
    one.close()
    asked = [ConsumerGroupTopicPartitions("keepers", [TopicPartition("kept", 0)])]
    found = admin.list_consumer_group_offsets(asked)["keepers"].result(30).topic_partitions[0].offset
    equal(found, 30, "the committed offset")
    two = consumer("keepers")
    two.subscribe(["kept"])
    more = produce("kept", 5)
    try:
        equal(sorted(sum(read([two], 5), [])), sorted(more), "what the next member read")
    finally:
        two.close()


def topics():
    create("configured", partitions=2, **{"min.insync.replicas": "2", "retention.ms": "3600000"})
    resource = ConfigResource(ResourceType.TOPIC, "configured")
    config = done(admin.describe_configs([resource]))[resource]
    equal((config["min.insync.replicas"].value, config["retention.ms"].value), ("2", "3600000"), "the settings")
    done(admin.create_partitions([NewPartitions("configured", 5)]))
    until("five partitions", lambda: len(admin.list_topics("configured", timeout=10).topics["configured"].partitions) == 5)
    until("all have leaders", lambda: leaders("configured"))
    produce("configured", 50)
    done(admin.delete_topics(["configured"]))
    until("it is gone", lambda: "configured" not in admin.list_topics(timeout=10).topics)


def alter():
    create("altered")
    entry = ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, "altered", incremental_configs=[entry])
    done(admin.incremental_alter_configs([resource]))
    asked = ConfigResource(ResourceType.TOPIC, "altered")
    until("the setting is changed", lambda: done(admin.describe_configs([asked]))[asked]["retention.ms"].value == "7200000")


def groups():
    listed = {group.group_id for group in admin.list_consumer_groups().result(30).valid}
    equal({"sharing", "keepers"} <= listed, True, f"whether the groups are in {sorted(listed)}")
    done(admin.delete_consumer_groups(["keepers"]))
    until("it is gone", lambda: "keepers" not in {it.group_id for it in admin.list_consumer_groups().result(30).valid})


check("DescribeCluster names the brokers at their addresses", cluster)
for level in ("0", "1", "all"):
    check(f"300 records with acks={level} are read again", lambda: acks(level))
for name in ("none", "gzip", "snappy", "lz4", "zstd"):
    check(f"300 records with codec {name} are read again", lambda: codec(name))
check("1000 records of an idempotent producer are there once each", idempotent)
check("a topic is created by producing to it", auto_creation)
check("the first and the next offset are listed", list_offsets)
check("a group of two reads all, and one takes over when the other leaves", takeover)
check("committed offsets are kept, listed, and where the next member begins", committed)
check("topics: created with settings, described, given more partitions, deleted", topics)
check("a topic's settings are altered", alter)
check("groups are listed and deleted", groups)
skip("transactions", "the broker has no transaction coordinator yet")
skip("the consumer protocol of KIP-848", "not built yet")
finish()
