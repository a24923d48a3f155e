"""aiokafka: asks in old versions of the protocol."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from checks import check, equal, finish, skip

bootstrap = sys.argv[1]


async def create(topic, partitions=3):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 3)])
    finally:
        await admin.close()


async def produce(topic, count, name=None, **config):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, **config)
    await producer.start()
    values = [f"{name or topic} {n}".encode() for n in range(count)]
    try:
        sent = [await producer.send(topic, value, key=b"key-%d" % (n % 10)) for n, value in enumerate(values)]
        await asyncio.wait_for(asyncio.gather(*sent), 60)
    finally:
        await producer.stop()
    return values


def consumer(topic, group=None):
    return AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
                            enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=2000)


async def read(members, count):
    values = []

    async def one(member):
        while len(values) < count:
            for records in (await member.getmany(timeout_ms=300)).values():
                values.extend(record.value for record in records)

    await asyncio.wait_for(asyncio.gather(*map(one, members)), 60)
    return values


async def there_and_back(topic, **config):
    await create(topic)
    values = []
    if config.get("acks") == 0:
        # What is sent to a broker that does not lead yet is lost without a word.
        values += await produce(topic, 30, "before", acks="all")
    values += await produce(topic, 300, **config)
    it = consumer(topic)
    await it.start()
    try:
        equal(sorted(await read([it], len(values))), sorted(values), "what was read")
        at = TopicPartition(topic, 0)
        first, last = await it.beginning_offsets([at]), await it.end_offsets([at])
        equal((first[at], last[at] > 0), (0, True), "the first offset, and whether there are more")
    finally:
        await it.stop()


async def owned(members, shares):
    """Waits until each member owns so many partitions."""
    while [len(it.assignment()) for it in members] != shares:
        await asyncio.gather(*(it.getmany(timeout_ms=100) for it in members))


async def takeover():
    await create("aio-shared", 4)
    members = [consumer("aio-shared", "aio-sharing") for _ in range(2)]
    for it in members:
        await it.start()
    try:
        await asyncio.wait_for(owned(members, [2, 2]), 60)
        values = await produce("aio-shared", 200)
        equal(sorted(await read(members, 200)), sorted(values), "what the group read")
        await members[0].commit()
        await members[1].commit()
        await members[0].stop()
        await asyncio.wait_for(owned(members[1:], [4]), 60)
        more = await produce("aio-shared", 100, "more")
        equal(sorted(await read(members[1:], 100)), sorted(more), "what the remaining member read")
    finally:
        await members[1].stop()


for acks in (0, 1, "all"):
    check(f"300 records with acks={acks} are read again",
          lambda: asyncio.run(there_and_back(f"aio-acks-{acks}", acks=acks)))
for codec in (None, "gzip", "snappy", "lz4", "zstd"):
    check(f"300 records with codec {codec} are read again",
          lambda: asyncio.run(there_and_back(f"aio-codec-{codec}", compression_type=codec)))
check("the idempotent producer's 300 records are there once each",
      lambda: asyncio.run(there_and_back("aio-idempotent", enable_idempotence=True)))
check("a group of two reads all, and one takes over when the other leaves", lambda: asyncio.run(takeover()))
skip("transactions", "the broker has no transaction coordinator yet")
finish()
