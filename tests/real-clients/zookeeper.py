"""kazoo against an ensemble: `zookeeper.py HOST:PORT,...`. Prints a line for each check; ends with 1 at the first that fails."""

import logging
import sys
import threading
import time
import traceback
import uuid

from kazoo import exceptions
from kazoo.client import KazooClient
from kazoo.protocol.states import EventType, KazooState
from kazoo.recipe.cache import TreeCache
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl, make_digest_acl_credential

import jute

PATIENCE = 30
ROOT = f"/kazoo-{uuid.uuid4().hex[:12]}"
CHECKS = []


class Failed(Exception):
    """A check found something else than it expected."""


def check(description):
    def register(function):
        CHECKS.append((description, function))
        return function

    return register


def same(what, got, expected):
    if got != expected:
        raise Failed(f"{what}: expected {expected!r}, got {got!r}")


def fails(what, error, call, *arguments, **keywords):
    try:
        got = call(*arguments, **keywords)
    except error:
        return
    except exceptions.KazooException as other:
        raise Failed(f"{what}: expected {error.__name__}, got {type(other).__name__}") from other
    raise Failed(f"{what}: expected {error.__name__}, got {got!r}")


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not so within {PATIENCE} s")
        time.sleep(0.02)


class Context:
    """A started client with a directory of its own, and more clients on demand. All are stopped at the end of the check."""

    def __init__(self, hosts, name):
        self.hosts, self.clients = hosts, []
        self.zk = self.client()
        self.root = f"{ROOT}/{name}"
        self.zk.ensure_path(self.root)

    def client(self, **options):
        client = KazooClient(hosts=self.hosts, timeout=6.0, **options)
        self.clients.append(client)
        client.start(PATIENCE)
        return client

    def first(self):
        return self.hosts.split(",")[0]

    def stop(self):
        for client in self.clients:
            client.stop()
            client.close()


@check("four-letter words ruok, stat, srvr, mntr, envi")
def words(context):
    for host in context.hosts.split(","):
        def word(text, host=host):
            connection = jute.Connection(host)
            connection.send_raw(text.encode())
            return connection.receive_raw().decode()

        same("ruok", word("ruok"), "imok")
        for text in ("stat", "srvr"):
            lines = dict(line.split(":", 1) for line in word(text).splitlines() if ": " in line)
            same(f"{text}: is there a mode", lines.get("Mode", "").strip() in ("leader", "follower", "standalone"), True)
        metrics = dict(line.split("\t", 1) for line in word("mntr").splitlines())
        same("mntr: are znodes counted", int(metrics["zk_znode_count"]) > 3, True)
    same("the first two numbers of the version", context.zk.server_version()[:2], (3, 8))
    same("kazoo's own command", context.zk.command(b"ruok"), "imok")


@check("create, get, set, exists, delete, and their errors")
def basics(context):
    zk, root = context.zk, context.root
    path = f"{root}/node"
    same("the created path", zk.create(path, b"one"), path)
    data, stat = zk.get(path)
    same("data", data, b"one")
    same("stat", (stat.version, stat.cversion, stat.aversion, stat.dataLength, stat.numChildren), (0, 0, 0, 3, 0))
    same("czxid, mzxid and pzxid are equal", stat.czxid == stat.mzxid == stat.pzxid, True)
    same("a time near now", abs(stat.created - time.time()) < 600, True)
    after = zk.set(path, b"four", version=0)
    same("stat after set", (after.version, after.dataLength, after.czxid), (1, 4, stat.czxid))
    same("mzxid grows", after.mzxid > stat.mzxid, True)
    same("exists", zk.exists(path).version, 1)
    same("what is not there", zk.exists(f"{root}/none"), None)
    created, stat = zk.create(f"{path}/child", b"x", include_data=True)
    same("create2", (created, stat.version, stat.dataLength), (f"{path}/child", 0, 1))
    same("the parent's cversion", zk.exists(path).cversion, 1)
    same("no data", (zk.create(f"{root}/null", None), zk.get(f"{root}/null")[0]), (f"{root}/null", None))
    fails("a second create", exceptions.NodeExistsError, zk.create, path)
    fails("an old version", exceptions.BadVersionError, zk.set, path, b"", version=0)
    fails("set of nothing", exceptions.NoNodeError, zk.set, f"{root}/none", b"")
    fails("get of nothing", exceptions.NoNodeError, zk.get, f"{root}/none")
    fails("no parent", exceptions.NoNodeError, zk.create, f"{root}/none/child")
    fails("delete with children", exceptions.NotEmptyError, zk.delete, path)
    fails("delete of an old version", exceptions.BadVersionError, zk.delete, f"{path}/child", version=7)
    zk.create(f"{root}/ephemeral", ephemeral=True)
    fails("an ephemeral's child", exceptions.NoChildrenForEphemeralsError, zk.create, f"{root}/ephemeral/child")
    zk.delete(path, recursive=True)
    same("after a recursive delete", zk.exists(path), None)


@check("getChildren with and without stat, makepath, chroot")
def children(context):
    zk, root = context.zk, context.root
    zk.create(f"{root}/a/b/c", makepath=True)
    zk.create(f"{root}/a/d")
    same("children", sorted(zk.get_children(f"{root}/a")), ["b", "d"])
    names, stat = zk.get_children(f"{root}/a", include_data=True)
    same("children with stat", (sorted(names), stat.numChildren, stat.cversion), (["b", "d"], 2, 2))
    zk.delete(f"{root}/a/d")
    same("cversion counts deletions", zk.exists(f"{root}/a").cversion, 3)
    inside = KazooClient(hosts=f"{context.hosts}{root}/a", timeout=6.0)
    context.clients.append(inside)
    inside.start(PATIENCE)
    same("children of a chroot", inside.get_children("/"), ["b"])


@check("sequential znodes with ten digits")
def sequences(context):
    zk, root = context.zk, context.root
    same("first", zk.create(f"{root}/n-", sequence=True), f"{root}/n-0000000000")
    same("without a name", zk.create(f"{root}/", sequence=True, ephemeral=True), f"{root}/0000000001")
    zk.delete(f"{root}/n-0000000000")
    path, _ = zk.create(f"{root}/n-", sequence=True, include_data=True)
    same("numbers are not used again", path, f"{root}/n-0000000002")
    pending = [zk.create_async(f"{root}/many-", sequence=True) for _ in range(300)]
    numbers = [int(one.get(PATIENCE)[-10:]) for one in pending]
    same("300 under way at once are in order", numbers, list(range(3, 303)))


@check("sync, and reads at every member after it")
def syncs(context):
    zk, root = context.zk, context.root
    readers = []
    for host in context.hosts.split(","):
        reader = KazooClient(hosts=host, timeout=6.0)
        context.clients.append(reader)
        reader.start(PATIENCE)
        readers.append(reader)
    zk.create(f"{root}/n", b"")
    for value in range(20):
        zk.set(f"{root}/n", str(value).encode())
        for reader in readers:
            same("what sync answers", reader.sync(f"{root}/n"), f"{root}/n")
            same("what is read after it", reader.get(f"{root}/n")[0], str(value).encode())


@check("one-shot watches of data, existence and children")
def watches(context):
    zk, root = context.zk, context.root
    other = context.client()
    seen = []
    note = lambda event: seen.append((event.type, event.path))
    path = f"{root}/n"
    same("not there yet", zk.exists(path, watch=note), None)
    zk.get_children(root, watch=note)
    other.create(path)
    until("two events", lambda: len(seen) == 2)
    same("of the creation", sorted(seen), [(EventType.CHILD, root), (EventType.CREATED, path)])
    seen.clear()
    zk.sync(root)
    zk.get(path, watch=note)
    other.set(path, b"1")
    other.set(path, b"2")
    until("an event", lambda: seen)
    zk.sync(root)
    same("one event of two changes", seen, [(EventType.CHANGED, path)])
    seen.clear()
    zk.get(path, watch=note)
    other.delete(path)
    until("an event", lambda: seen)
    same("of the deletion", seen, [(EventType.DELETED, path)])


@check("DataWatch and ChildrenWatch, also after a lost connection")
def watchers(context):
    zk, root = context.zk, context.root
    other = context.client()
    data, names = [], []
    zk.create(f"{root}/n", b"0")
    zk.DataWatch(f"{root}/n", lambda value, _: data.append(value) and None)
    zk.ChildrenWatch(root, lambda value: names.append(sorted(value)) and None)
    other.set(f"{root}/n", b"1")
    until("the first change", lambda: data[-1:] == [b"1"])
    session = zk.client_id[0]
    zk._connection._socket.shutdown(2)
    other.set(f"{root}/n", b"2")
    other.create(f"{root}/m")
    until("a change during the loss", lambda: data[-1:] == [b"2"] and names[-1:] == [["m", "n"]])
    same("the session stays", zk.client_id[0], session)


@check("transactions: all or nothing, each operation with its result")
def transactions(context):
    zk, root = context.zk, context.root
    zk.create(f"{root}/n", b"")
    with_all = zk.transaction()
    with_all.check(f"{root}/n", 0)
    with_all.create(f"{root}/a", b"x")
    with_all.create(f"{root}/s-", sequence=True)
    with_all.set_data(f"{root}/n", b"y")
    with_all.delete(f"{root}/a")
    checked, created, numbered, stat, deleted = with_all.commit()
    same("results", (checked, created, numbered, deleted), (True, f"{root}/a", f"{root}/s-0000000002", True))
    same("the stat", (stat.version, stat.dataLength), (1, 1))
    refused = zk.transaction()
    refused.create(f"{root}/b")
    refused.check(f"{root}/n", 0)
    refused.create(f"{root}/c")
    results = [type(result) for result in refused.commit()]
    expected = [exceptions.RolledBackError, exceptions.BadVersionError, exceptions.RuntimeInconsistency]
    same("results of a refused one", results, expected)
    same("nothing is left", zk.exists(f"{root}/b"), None)


@check("ACLs: digest and auth, permissions of every operation, reconnection with credentials")
def acls(context):
    zk, root = context.zk, context.root
    path = f"{root}/mine"
    mine = [make_digest_acl("me", "secret", all=True)]
    same("open by default", zk.create(f"{root}/open") and zk.get_acls(f"{root}/open")[0], OPEN_ACL_UNSAFE)
    zk.create(path, b"private", acl=mine)
    same("exists needs no permission", zk.exists(path).dataLength, 7)
    for what, call in [
        ("get", lambda: zk.get(path)),
        ("set", lambda: zk.set(path, b"")),
        ("children", lambda: zk.get_children(path)),
        ("create", lambda: zk.create(f"{path}/child")),
        ("get_acls", lambda: zk.get_acls(path)),
        ("set_acls", lambda: zk.set_acls(path, OPEN_ACL_UNSAFE)),
    ]:
        fails(f"{what} by a stranger", exceptions.NoAuthError, call)
    for scheme, who in [("auth", ""), ("kerberos", "me"), ("digest", "me"), ("world", "me")]:
        bad = [make_acl(scheme, who, all=True)]
        fails(f"a list with {scheme}:{who}", exceptions.InvalidACLError, zk.create, f"{root}/bad", acl=bad)
    zk.add_auth("digest", "me:wrong")
    fails("a wrong password", exceptions.NoAuthError, zk.get, path)
    zk.add_auth("digest", "me:secret")
    same("with the password", zk.get(path)[0], b"private")
    same("the list", zk.get_acls(path)[0], mine)
    fails("delete by a stranger", exceptions.NoAuthError, context.client().delete, zk.create(f"{path}/child"))
    reading = [make_acl("world", "anyone", read=True), make_acl("auth", "", all=True)]
    stat = zk.set_acls(path, reading, version=0)
    same("the list's version", stat.aversion, 1)
    fails("an old list version", exceptions.BadVersionError, zk.set_acls, path, reading, version=0)
    stranger = context.client()
    same("read by a stranger", stranger.get(path)[0], b"private")
    fails("write by a stranger", exceptions.NoAuthError, stranger.set, path, b"")
    ids = {entry.id.id for entry in stranger.get_acls(path)[0]}
    same("digests are hidden from strangers", ids, {"anyone", "me:x"})
    refused = stranger.transaction()
    refused.create(f"{root}/with")
    refused.set_data(path, b"")
    results = [type(result) for result in refused.commit()]
    same("a transaction of a stranger", results, [exceptions.RolledBackError, exceptions.NoAuthError])
    known = context.client(auth_data=[("digest", "me:secret")], default_acl=mine)
    same("credentials at the start", known.set(path, b"mine").version, 1)
    known._connection._socket.shutdown(2)
    until("credentials again after a lost connection", lambda: known.retry(known.set, path, b"mine").version > 1)
    known.create(f"{root}/default")
    same("a default list", known.get_acls(f"{root}/default")[0], mine)
    fails("an unknown scheme", exceptions.AuthFailedError, context.client().add_auth, "kerberos", "me")
    digest = make_digest_acl_credential("me", "secret")
    same("kazoo's digest and ours", mine[0].id.id, digest)


@check("sessions: negotiated timeout, password, re-attachment, close")
def sessions(context):
    zk, root = context.zk, context.root
    for wanted, given in [(1, 4000), (6000, 6000), (10_000_000, 40_000)]:
        timeout, session, _, with_byte = jute.Connection(context.first()).open(timeout=wanted)
        same(f"timeout for {wanted}", (timeout, session != 0, with_byte), (given, True, True))
    owner = jute.Connection(context.first())
    _, session, password, _ = owner.open()
    same("an ephemeral", owner.create(f"{root}/e", flags=1)[0], 0)
    owner.close()
    refused = jute.Connection(context.first())
    same("a wrong password", refused.open(session=session, password=b"x" * 16)[:2], (0, 0))
    same("and the end", refused.receive_raw(), b"")
    same("a session that never was", jute.Connection(context.first()).open(session=77)[:2], (0, 0))
    again = context.client(client_id=(session, password))
    same("the same session", again.client_id[0], session)
    same("its ephemeral", again.get(f"{root}/e")[1].ephemeralOwner, session)
    again.stop()
    until("the ephemeral goes with its session", lambda: zk.exists(f"{root}/e") is None)


@check("ephemerals go when their session expires, and not before")
def expiry(context):
    zk, root = context.zk, context.root
    silent = jute.Connection(context.first())
    timeout, _, _, _ = silent.open(timeout=4000)
    silent.create(f"{root}/e", flags=1)
    zk.sync(root)
    gone = threading.Event()
    same("it is there", zk.exists(f"{root}/e", watch=lambda _: gone.set()) is not None, True)
    began = time.monotonic()
    same("the watch fires", gone.wait(PATIENCE), True)
    same("after the timeout", time.monotonic() - began > timeout / 1000 - 0.5, True)
    same("it is gone", zk.exists(f"{root}/e"), None)
    victim = context.client()
    states = []
    victim.add_listener(lambda state: states.append(state) and None)
    victim.create(f"{root}/v", ephemeral=True)
    thief = jute.Connection(context.first())
    thief.open(session=victim.client_id[0], password=victim.client_id[1])
    same("close", thief.ask(jute.CLOSE)[0], 0)
    until("kazoo hears that its session is lost", lambda: KazooState.LOST in states)
    until("kazoo has a new one", lambda: victim.connected)
    until("its ephemeral is gone", lambda: zk.exists(f"{root}/v") is None)


def together(context, count, work):
    """Runs `work(client, number)` in as many threads, and passes on what they raise."""
    errors = []

    def run(client, number):
        try:
            work(client, number)
        except BaseException as error:
            errors.append(error)

    clients = [context.client() for _ in range(count)]
    threads = [threading.Thread(target=run, args=(client, number), daemon=True) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        same("a thread ends", thread.is_alive(), False)
    if errors:
        raise errors[0]


@check("recipes Lock, ReadLock, WriteLock, Semaphore")
def locks(context):
    root, inside, most = context.root, [], []

    def work(client, number):
        for _ in range(5):
            with client.Lock(f"{root}/lock", str(number)):
                inside.append(number)
                most.append(len(inside))
                time.sleep(0.005)
                inside.remove(number)

    together(context, 4, work)
    same("how many held the lock at once", (max(most), len(most)), (1, 20))
    zk, other = context.zk, context.client()
    read, write = zk.ReadLock(f"{root}/rw"), other.WriteLock(f"{root}/rw")
    second = other.ReadLock(f"{root}/rw")
    same("two readers", (read.acquire(), second.acquire(timeout=PATIENCE)), (True, True))
    same("no writer with them", write.acquire(blocking=False), False)
    read.release(), second.release()
    same("a writer alone", write.acquire(timeout=PATIENCE), True)
    write.release()
    first, next_one = zk.Semaphore(f"{root}/s", max_leases=1), other.Semaphore(f"{root}/s", max_leases=1)
    same("a lease", first.acquire(), True)
    same("no second one", next_one.acquire(blocking=False), False)
    first.release()
    same("the lease again", next_one.acquire(timeout=PATIENCE), True)


@check("recipe Election: one leader after the other")
def elections(context):
    led = []

    def work(client, number):
        client.Election(f"{context.root}/election", str(number)).run(lambda: led.append(number))

    together(context, 3, work)
    same("all led once", sorted(led), [0, 1, 2])


@check("recipes Barrier, DoubleBarrier")
def barriers(context):
    zk, root, passed = context.zk, context.root, []
    barrier = zk.Barrier(f"{root}/barrier")
    barrier.create()
    waiter = context.client()
    thread = threading.Thread(target=lambda: passed.append(waiter.Barrier(f"{root}/barrier").wait(PATIENCE)), daemon=True)
    thread.start()
    time.sleep(0.2)
    same("it waits", passed, [])
    barrier.remove()
    thread.join(PATIENCE)
    same("it has passed", passed, [True])
    entered, left = [], []

    def work(client, number):
        double = client.DoubleBarrier(f"{root}/double", 3)
        double.enter()
        entered.append(number)
        double.leave()
        left.append(len(entered))

    together(context, 3, work)
    same("none left before all had entered", left, [3, 3, 3])


@check("recipes Queue, LockingQueue")
def queues(context):
    zk, root = context.zk, context.root
    queue = zk.Queue(f"{root}/queue")
    for value in (b"one", b"two", b"three"):
        queue.put(value)
    queue.put(b"first", priority=1)
    same("how many", len(queue), 4)
    same("in order", [queue.get() for _ in range(5)], [b"first", b"one", b"two", b"three", None])
    locking = zk.LockingQueue(f"{root}/locking")
    locking.put_all([b"a", b"b"])
    taken = []

    def work(client, _):
        own = client.LockingQueue(f"{root}/locking")
        taken.append(own.get(PATIENCE))
        own.consume()

    together(context, 2, work)
    same("each once", sorted(taken), [b"a", b"b"])


@check("recipes Party, ShallowParty, Counter, NonBlockingLease, TreeCache")
def others(context):
    from datetime import timedelta

    zk, root = context.zk, context.root
    for kind in ("Party", "ShallowParty"):
        guests = [getattr(client, kind)(f"{root}/{kind}", name) for client, name in ((zk, "ann"), (context.client(), "bob"))]
        for guest in guests:
            guest.join()
        same(f"{kind}: who is there", (len(guests[0]), sorted(guests[0])), (2, ["ann", "bob"]))
        guests[1].leave()
        same(f"{kind}: who stays", list(guests[0]), ["ann"])

    def work(client, _):
        counter = client.Counter(f"{root}/counter")
        for _ in range(10):
            counter += 1

    together(context, 3, work)
    same("the counter", zk.Counter(f"{root}/counter").value, 30)
    lease, other = (client.NonBlockingLease(f"{root}/lease", timedelta(hours=1), name) for client, name in ((zk, "ann"), (context.client(), "bob")))
    same("one lease", (bool(lease), bool(other)), (True, False))
    cache = TreeCache(zk, f"{root}/tree")
    cache.start()
    zk.create(f"{root}/tree/a/b", b"cached", makepath=True)
    until("the cache has it", lambda: getattr(cache.get_data(f"{root}/tree/a/b"), "data", None) == b"cached")
    zk.delete(f"{root}/tree/a/b")
    until("the cache forgets it", lambda: cache.get_data(f"{root}/tree/a/b") is None)
    cache.close()


@check("hostile frames close their connection and harm no other")
def hostile(context):
    frames = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x02xx", b"GET / HTTP/1.1\r\n\r\n", bytes(64)]
    for frame in frames:
        connection = jute.Connection(context.first())
        connection.send_raw(frame)
        same(f"the answer to {frame[:8]!r}", connection.receive_raw(), b"")
    for what, operation, body, error in [("an unknown operation", 9999, b"", -6), ("a body cut short", jute.GET_DATA, b"\0\0", -5)]:
        connection = jute.Connection(context.first())
        connection.open()
        same(what, connection.ask(operation, body)[0], error)
    same("another client", context.zk.exists(context.root) is not None, True)


def main():
    logging.basicConfig(level=logging.CRITICAL)
    if len(sys.argv) != 2:
        sys.exit("usage: zookeeper.py HOST:PORT,...")
    for description, function in CHECKS:
        context = None
        try:
            context = Context(sys.argv[1], function.__name__)
            function(context)
        except Exception as error:
            if not isinstance(error, Failed):
                traceback.print_exc()
            print(f"failed: {description}: {type(error).__name__}: {error}", file=sys.stderr)
            sys.exit(1)
        finally:
            if context:
                context.stop()
        print(f"ok: {description}", flush=True)
    cleaner = KazooClient(hosts=sys.argv[1])
    cleaner.start(PATIENCE)
    cleaner.add_auth("digest", "me:secret")
    cleaner.delete(ROOT, recursive=True)
    cleaner.stop()


if __name__ == "__main__":
    main()
