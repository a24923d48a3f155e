"""kafka-python: pure Python, strict about what versions a broker says it speaks."""

import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from checks import check, equal, finish, skip, until

bootstrap = sys.argv[1].split(",")


def create(topic, partitions=3):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=3)])
    admin.close()


def produce(topic, count, name=None, **config):
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, **config)
    values = [f"{name or topic} {n}".encode() for n in range(count)]
    sent = [producer.send(topic, value, key=b"key-%d" % (n % 10)) for n, value in enumerate(values)]
    producer.flush(60)
    for it in sent:
        it.get(60)
    producer.close()
    return values


def read(topic, count, group=None, **config):
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                             enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=2000, **config)
    values, end = [], time.monotonic() + 60
    while len(values) < count and time.monotonic() < end:
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    if group:
        consumer.commit()
    consumer.close()
    return values


def there_and_back(topic, **config):
    create(topic)
    values = []
    if config.get("acks") == 0:
        # What is sent to a broker that does not lead yet is lost without a word.
        values += produce(topic, 30, "before", acks="all")
    values += produce(topic, 300, **config)
    equal(sorted(read(topic, len(values))), sorted(values), "what was read")


def committed():
    create("python-kept", 1)
    values = produce("python-kept", 20)
    equal(sorted(read("python-kept", 20, "python-keepers")), sorted(values), "what the first member read")
    more = produce("python-kept", 7)
    equal(sorted(read("python-kept", 7, "python-keepers")), sorted(more), "what the second member read")


def offsets():
    at = TopicPartition("python-kept", 0)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    first, last = consumer.beginning_offsets([at])[at], consumer.end_offsets([at])[at]
    found = consumer.offsets_for_times({at: 1})[at]
    consumer.close()
    equal((first, last), (0, 27), "the first and the next offset")
    equal(found and found.offset, 0, "the offset at time 1")


def admin_calls():
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    equal("python-kept" in admin.list_topics(), True, "whether the topic is listed")
    until("the group is listed", lambda: "python-keepers" in str(admin.list_groups()))
    admin.delete_topics(["python-kept"])
    until("it is gone", lambda: "python-kept" not in admin.list_topics())
    admin.close()


for acks in (0, 1, "all"):
    check(f"300 records with acks={acks} are read again", lambda: there_and_back(f"python-acks-{acks}", acks=acks))
for codec in (None, "gzip", "snappy", "lz4", "zstd"):
    check(f"300 records with codec {codec} are read again",
          lambda: there_and_back(f"python-codec-{codec}", compression_type=codec))
check("the idempotent producer's 300 records are there once each",
      lambda: there_and_back("python-idempotent", enable_idempotence=True))
check("a group goes on behind what it committed", committed)
check("offsets: the first, the next, by time", offsets)
check("admin: topics and groups are listed, a topic is deleted", admin_calls)
skip("transactions", "the broker has no transaction coordinator yet")
finish()
