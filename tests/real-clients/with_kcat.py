"""kcat (librdkafka 2.0.2 in Debian 12): metadata, produce and consume from the shell."""

import json
import shutil
import subprocess
import sys

from checks import check, equal, finish, skip

bootstrap = sys.argv[1]


def kcat(*arguments, given=None):
    done = subprocess.run(["kcat", "-b", bootstrap, *arguments], input=given, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"kcat {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def metadata():
    listed = json.loads(kcat("-L", "-J"))
    equal(len(listed["brokers"]), 3, "the number of brokers")
    addresses = sorted(broker["name"] for broker in listed["brokers"])
    equal(addresses, sorted(bootstrap.split(",")), "the advertised listeners")


def there_and_back(codec):
    topic = f"kcat-{codec}"
    lines = [f"key-{n}:value {n} of a text that compresses well, well, well" for n in range(200)]
    kcat("-P", "-t", topic, "-K", ":", "-z", codec, "-X", "acks=all", given="\n".join(lines) + "\n")
    read = kcat("-C", "-t", topic, "-K", ":", "-o", "beginning", "-e", "-q")
    equal(sorted(read.split("\n")[:-1]), sorted(lines), "what was read")


def by_time():
    kcat("-P", "-t", "kcat-time", given="one\n")
    equal(kcat("-Q", "-t", "kcat-time:0:1").split(), ["kcat-time", "[0]", "offset", "0"], "the offset at time 1")


def group():
    kcat("-P", "-t", "kcat-group", given="".join(f"{n}\n" for n in range(50)))
    read = kcat("-G", "kcat-readers", "-c", "50", "-X", "auto.offset.reset=earliest", "-q", "kcat-group")
    equal(sorted(map(int, read.split())), list(range(50)), "what the group read")


if not shutil.which("kcat"):
    skip("all of kcat", "kcat is not installed")
    finish()
check("kcat -L names three brokers at their addresses", metadata)
for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
    check(f"kcat writes and reads 200 records, codec {codec}, into a topic that is created by that", lambda: there_and_back(codec))
check("kcat looks an offset up by time", by_time)
check("kcat reads as a member of a group", group)
finish()
