"""The same script against two servers: `zookeeper_differential.py OURS THEIRS`, each HOST:PORT,...

Every answer becomes a line without times, zxids, session ids and places; the lines must be equal. Ends with 1 and prints both sides of
each that differs."""

import struct
import sys
import time
import uuid

import jute
from jute import OPEN, acls, buffer, integer, long, strings

ROOT = f"/differential-{uuid.uuid4().hex[:12]}"
MINE = "me:n2uO7gCPjc2LrOtmYJVrrlGgYp8="
DIGEST = [(31, "digest", MINE)]
NODE = [None, "created", "deleted", "changed", "children"]


class Script:
    """One run of the script against one server."""

    def __init__(self, hosts):
        self.host = hosts.split(",")[0]
        self.lines = []
        self.main = self.session()
        self.other = self.session()
        self.main.create(ROOT)

    def session(self, **options):
        connection = jute.Connection(self.host)
        connection.open(timeout=40_000, **options)
        return connection

    def note(self, what, *answer):
        self.lines.append(f"{what}: {' '.join(str(part) for part in answer)}".replace(ROOT, ""))

    # Answers in words.

    def stat(self, body, at=0, connection=None):
        names = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner", "length", "children", "pzxid")
        stat = dict(zip(names, struct.unpack_from(">qqqqiiiqiiq", body, at)))
        owner = {0: "none", (connection or self.main).session: "me"}.get(stat["owner"], "other")
        kept = [f"{name}={stat[name]}" for name in ("version", "cversion", "aversion", "length", "children")]
        zxids = (stat["czxid"], stat["mzxid"], stat["pzxid"])
        order = [sorted(set(zxids)).index(zxid) for zxid in zxids]
        return f"{' '.join(kept)} owner={owner} order={order} times={0 < stat['ctime'] <= stat['mtime']}"

    def text(self, body, at=0):
        (length,) = struct.unpack_from(">i", body, at)
        return (None, at + 4) if length < 0 else (body[at + 4 : at + 4 + length].decode(), at + 4 + length)

    def texts(self, body):
        (count,), at, found = struct.unpack_from(">i", body), 4, []
        for _ in range(count):
            text, at = self.text(body, at)
            found.append(text)
        return sorted(found), at

    def list_of_acls(self, body):
        (count,), at, found = struct.unpack_from(">i", body), 4, []
        for _ in range(count):
            (permissions,) = struct.unpack_from(">i", body, at)
            scheme, at = self.text(body, at + 4)
            who, at = self.text(body, at)
            found.append((permissions, scheme, who))
        return sorted(found), at

    def results(self, body):
        at, found = 0, []
        while True:
            kind, done, error = struct.unpack_from(">i?i", body, at)
            at += 9
            if done:
                return found + [f"end {kind} {error}", f"rest {len(body) - at}"]
            if kind in (jute.CREATE, jute.CREATE2):
                path, at = self.text(body, at)
                found.append(f"{kind} {path}")
            if kind == -1:
                found.append(f"error {error} {struct.unpack_from('>i', body, at)[0]}")
                at += 4
            if kind in (jute.CREATE2, jute.SET_DATA):
                found.append(f"{kind} {self.stat(body, at)}")
                at += 68
            if kind in (jute.DELETE, jute.CHECK):
                found.append(str(kind))

    # Requests, each noted with its answer.

    def create(self, path, data=b"x", flags=0, entries=OPEN, operation=jute.CREATE, by=None):
        by = by or self.main
        error, body = by.ask(operation, self.at(path) + buffer(data) + acls(entries) + integer(flags))
        answer = [error]
        if not error:
            created, at = self.text(body)
            answer.append(created)
            answer += [self.stat(body, at, by)] if operation == jute.CREATE2 else [f"rest {len(body) - at}"]
        self.note(f"create{operation} {path!r} flags={flags} acl={entries}", *answer)

    def simple(self, name, operation, body, read=None, by=None):
        error, answer = (by or self.main).ask(operation, body)
        self.note(name, error, read(answer) if read and not error else f"{len(answer)} bytes")

    def at(self, path):
        """Paths are below the script's own directory, which is "."; what begins with no slash is no path, and is sent as it is."""
        return buffer(ROOT if path == "." else ROOT + path if path[:1] == "/" else path)

    def delete(self, path, version=-1, by=None):
        self.simple(f"delete {path!r} {version}", jute.DELETE, self.at(path) + integer(version), by=by)

    def set(self, path, data=b"yy", version=-1, by=None):
        self.simple(f"set {path!r} {version}", jute.SET_DATA, self.at(path) + buffer(data) + integer(version), self.stat, by)

    def check(self, path, version, by=None):
        self.multi(f"check {path!r} {version}", [(jute.CHECK, self.at(path) + integer(version))], by)

    def exists(self, path, watch=False, by=None):
        read = lambda body: self.stat(body, 0, by)
        self.simple(f"exists {path!r} {watch}", jute.EXISTS, self.at(path) + bytes([watch]), read, by)

    def get(self, path, watch=False, by=None):
        def read(body):
            (length,) = struct.unpack_from(">i", body)
            at = 4 + max(length, 0)
            return f"{body[4:at] if length >= 0 else None} {self.stat(body, at, by)}"

        self.simple(f"get {path!r} {watch}", jute.GET_DATA, self.at(path) + bytes([watch]), read, by)

    def children(self, path, watch=False, by=None):
        def with_stat(body):
            names, at = self.texts(body)
            return f"{names} {self.stat(body, at, by)}"

        body = self.at(path) + bytes([watch])
        self.simple(f"children {path!r} {watch}", jute.GET_CHILDREN, body, lambda body: self.texts(body)[0], by)
        self.simple(f"children2 {path!r}", jute.GET_CHILDREN2, self.at(path) + b"\0", with_stat, by)

    def get_acl(self, path, by=None):
        def read(body):
            entries, at = self.list_of_acls(body)
            return f"{entries} {self.stat(body, at, by)}"

        self.simple(f"getACL {path!r}", jute.GET_ACL, self.at(path), read, by)

    def set_acl(self, path, entries, version=-1, by=None):
        body = self.at(path) + acls(entries) + integer(version)
        self.simple(f"setACL {path!r} {entries} {version}", jute.SET_ACL, body, self.stat, by)

    def sync(self, path):
        self.simple(f"sync {path!r}", jute.SYNC, self.at(path), lambda body: self.text(body)[0])

    def multi(self, name, operations, by=None):
        body = b"".join(integer(kind) + b"\0" + integer(-1) + body for kind, body in operations)
        error, answer = (by or self.main).ask(jute.MULTI, body + integer(-1) + b"\1" + integer(-1))
        self.note(f"multi {name}", error, *(self.results(answer) if not error else []))

    def auth(self, scheme, credential, by=None):
        by = by or self.main
        error, body = by.ask(jute.AUTH, integer(0) + buffer(scheme) + buffer(credential), xid=-4)
        self.note(f"auth {scheme}", error, len(body))

    def events(self, what, by=None, wanted=0):
        """What watches told. A ping is answered behind every event of before."""
        by = by or self.main
        deadline = time.monotonic() + 10
        while True:
            by.ask(jute.PING, xid=-2)
            if len(by.events) >= wanted or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        self.note(f"events of {what}", *[f"{NODE[kind]} {state} {path}" for kind, state, path in by.take_events()])

    def closes(self, what, connection):
        try:
            connection.receive()
            self.note(what, "answered")
        except jute.Closed:
            self.note(what, "closed")

    # The parts.

    def basics(self):
        self.create("/a")
        self.create("/a")
        self.create("/a/b", data=b"")
        self.create("/a/none", data=None)
        self.create("/a/two", operation=jute.CREATE2)
        self.create("/x/y")
        self.create("/a/e", flags=1, operation=jute.CREATE2)
        self.create("/a/e/child")
        for path in ("/a", "/a/b", "/a/none", "/a/e", "/x"):
            self.exists(path)
            self.get(path)
            self.get(path, by=self.other)
            self.children(path)
            self.get_acl(path)
        for version in (1, 0, 0, -1, 2, -2):
            self.set("/a", version=version)
        self.set("/a", data=None)
        self.get("/a")
        self.set("/x")
        for version in (7, 0):
            self.check("/a", version)
            self.check("/a/b", version)
        self.check("/x", -1)
        self.delete("/a")
        self.delete("/a/b", 3)
        self.delete("/a/b", 0)
        self.delete("/a/b")
        self.delete("/x/y")
        self.children("/a")
        self.exists("/a")
        self.sync("/a")
        self.sync("/x")

    def paths(self):
        bad = ["a", "", "a/b", "/p/", "/p//q", "/p/.", "/p/..", "/p/./q", "/p/a\0b", "/p/\n", "/p/\x7f", "/p/\u0085", "/p/\ue000"]
        good = ["/p/a.b", "/p/...", "/p/a b", "/p/\u00e4", "/p/\u4e16", "/p/a\u00a0"]
        self.create("/p")
        for path in good + bad[3:] + ["a", "a/b", "/none/", "/none/./x"]:
            self.create(path)
            self.create(path, flags=2)
            self.set(path)
            self.check(path, 0)
            self.set_acl(path, OPEN)
            self.exists(path)
            self.get(path)
            self.children(path)
            self.get_acl(path)
            self.delete(path)
        for flags in (5, 6, 7, 8, -1, 100):
            self.create("/p/flags", flags=flags)
        for path in ("/", "/zookeeper", "/zookeeper/quota"):
            for kind, body in ((jute.DELETE, integer(-1)), (jute.CREATE, buffer(b"") + acls(OPEN) + integer(0))):
                error, _ = self.main.ask(kind, buffer(path) + body)
                self.note(f"{kind} {path}", error)

    def sequences(self):
        self.create("/s")
        for path in ("/s/n-", "/s/", "/s/n-"):
            self.create(path, flags=2)
        self.delete("/s/n-0000000000")
        self.create("/s/plain")
        self.create("/s/e-", flags=3, operation=jute.CREATE2)
        self.create("/s/n-", flags=2, operation=jute.CREATE2)
        self.create("/s/n-0000000006")
        self.create("/s/n-", flags=2)
        self.create("/s/n-", flags=2)
        self.children("/s")
        numbers = [self.main.send(jute.CREATE, self.at("/s/m-") + buffer(b"") + acls(OPEN) + integer(2)) for _ in range(50)]
        replies = [self.main.receive() for _ in numbers]
        same = [xid for xid, _, _ in replies] == numbers
        self.note("50 at once", same, *[self.text(body)[0] for _, error, body in replies if not error])

    def multis(self):
        create = lambda path, flags=0, entries=OPEN: self.at(path) + buffer(b"x") + acls(entries) + integer(flags)
        set_to = lambda path, version: self.at(path) + buffer(b"yyy") + integer(version)
        at = lambda path, version: self.at(path) + integer(version)
        self.create("/m")
        self.multi("of nothing", [])
        self.multi(
            "of all kinds",
            [
                (jute.CHECK, at("/m", 0)),
                (jute.CREATE, create("/m/a")),
                (jute.CREATE2, create("/m/b-", 2)),
                (jute.SET_DATA, set_to("/m/a", 0)),
                (jute.SET_DATA, set_to("/m", -1)),
                (jute.CREATE2, create("/m/e", 1)),
                (jute.DELETE, at("/m/a", 1)),
                (jute.CREATE2, create("/m/a")),
                (jute.DELETE, at("/m/a", -1)),
            ],
        )
        self.exists("/m")
        self.children("/m")
        wrong = {
            "a missing parent": (jute.CREATE, create("/none/x")),
            "a node that is there": (jute.CREATE, create("/m")),
            "a version": (jute.CHECK, at("/m", 7)),
            "a missing node": (jute.DELETE, at("/m/none", -1)),
            "children": (jute.DELETE, at("/m", -1)),
            "an ephemeral's child": (jute.CREATE, create("/m/e/x")),
            "a path": (jute.CREATE, create("/m/./x")),
            "no path": (jute.CREATE, buffer("x") + create("/")[4 + len(ROOT) + 1 :]),
            "no acl": (jute.CREATE, create("/m/x", 0, [])),
            "a scheme": (jute.CREATE2, create("/m/x", 0, [(31, "nobody", "knows")])),
            "flags": (jute.CREATE, create("/m/x", 9)),
            "data of nothing": (jute.SET_DATA, set_to("/m/none", -1)),
        }
        for what, operation in wrong.items():
            first, last = (jute.CREATE, create("/m/first")), (jute.SET_DATA, set_to("/m", -1))
            self.multi(f"with {what}", [first, operation, last])
            self.multi(f"with {what} alone", [operation])
            self.multi(f"with {what} behind another", [wrong["a version"], operation])
        self.exists("/m/first")
        self.exists("/m")
        self.multi("of its own node", [(jute.CREATE, create("/m/own")), (jute.CREATE, create("/m/own/child")), (jute.DELETE, at("/m/own", -1))])
        self.multi("with numbers", [(jute.CREATE, create("/m/n-", 2))] * 3)
        self.multi("refused with numbers", [(jute.CREATE, create("/m/n-", 2)), (jute.CHECK, at("/none", -1))])
        self.create("/m/n-", flags=2)
        self.exists("/m")

    def access(self):
        stranger = self.other
        for what, entries in [
            ("none", []),
            ("auth without credentials", [(31, "auth", "")]),
            ("scheme", [(31, "nobody", "knows")]),
            ("digest without colon", [(31, "digest", "me")]),
            ("digest without hash", [(31, "digest", "me:")]),
            ("digest of three", [(31, "digest", "me:a:b")]),
            ("digest without name", [(31, "digest", ":a")]),
            ("world of one", [(31, "world", "me")]),
            ("twice", OPEN + OPEN),
            ("nothing permitted", [(0, "world", "anyone")]),
            ("odd bits", [(255, "world", "anyone")]),
        ]:
            self.create(f"/acl-{what}", entries=entries)
            self.get_acl(f"/acl-{what}")
            self.set(f"/acl-{what}")
            self.create(f"/set-{what}")
            self.set_acl(f"/set-{what}", entries)
            self.get_acl(f"/set-{what}")
            self.set_acl(f"/set-{what}", OPEN)
        self.create("/mine", entries=DIGEST)
        self.tries("/mine")
        self.auth("digest", b"me:wrong")
        self.tries("/mine")
        self.auth("digest", b"me:secret")
        self.tries("/mine")
        self.tries("/mine", by=stranger)
        self.create("/by-auth", entries=[(3, "auth", ""), (1, "world", "anyone")])
        self.get_acl("/by-auth")
        self.get_acl("/by-auth", by=stranger)
        self.set_acl("/by-auth", OPEN)
        for permissions in (0, 1, 2, 4, 8, 16, 30, 15):
            path = f"/only-{permissions}"
            self.create(path, entries=DIGEST + [(permissions, "world", "anyone")])
            self.create(f"{path}/child")
            self.tries(path, by=stranger)
        self.set_acl("/mine", DIGEST, 7)
        self.set_acl("/mine", DIGEST, 0)
        self.set_acl("/mine", DIGEST, 1)
        self.set_acl("/mine", DIGEST)
        self.set_acl("/none", DIGEST)
        self.exists("/mine")
        lost = self.session()
        self.auth("kerberos", b"me", by=lost)
        self.closes("after an unknown scheme", lost)
        again = self.session(session=self.main.session, password=self.main.password)
        self.main.close()
        self.main = again
        self.get("/mine")
        self.auth("digest", b"me:secret")
        self.get("/mine")
        self.auth("digest", b"nobody")
        self.create("/named", entries=[(31, "auth", "")])
        self.get_acl("/named")

    def tries(self, path, by=None):
        self.exists(path, by=by)
        self.get(path, by=by)
        self.children(path, by=by)
        self.get_acl(path, by=by)
        self.set(path, version=9, by=by)
        self.set(path, by=by)
        self.check(path, -1, by=by)
        self.check(path, 99, by=by)
        self.create(f"{path}/new", by=by)
        self.create(f"{path}/new", by=by)
        self.create(f"{path}/.", by=by)
        self.delete(f"{path}/new", version=9, by=by)
        self.delete(f"{path}/new", by=by)
        self.delete(f"{path}/new", by=by)
        self.set_acl(path, [], by=by)
        self.set_acl(path, OPEN, version=99, by=by)
        writes = [(jute.SET_DATA, self.at("/a") + buffer(b"") + integer(-1)), (jute.SET_DATA, self.at(path) + buffer(b"") + integer(-1))]
        self.multi(f"on {path}", writes, by=by)

    def watches(self):
        self.create("/w")
        watcher, writer = self.other, self.main
        self.exists("/w/n", watch=True, by=watcher)
        self.get("/w/n", watch=True, by=watcher)
        self.children("/w", watch=True, by=watcher)
        self.create("/w/n")
        self.events("a creation", watcher, 2)
        self.create("/w/m")
        self.events("nothing watched", watcher)
        self.get("/w/n", watch=True, by=watcher)
        self.exists("/w/n", watch=True, by=watcher)
        self.children("/w/n", watch=True, by=watcher)
        self.children("/w", watch=True, by=watcher)
        self.set("/w/n")
        self.set("/w/n")
        self.events("a change", watcher, 1)
        self.get("/w/n", watch=True, by=watcher)
        self.delete("/w/n")
        self.events("a deletion", watcher, 2)
        self.children("/w/m", watch=True, by=watcher)
        self.get("/w", watch=True, by=watcher)
        self.create("/w/m/child")
        self.set_acl("/w/m", OPEN)
        self.events("a child", watcher, 1)
        self.get("/w/m", watch=True, by=writer)
        self.set("/w/m")
        self.events("the own change", writer, 1)
        self.exists("/w/t", watch=True, by=watcher)
        self.exists("/w/s", watch=True, by=watcher)
        self.children("/w", watch=True, by=watcher)
        both = [(jute.CREATE, self.at(path) + buffer(b"") + acls(OPEN) + integer(0)) for path in ("/w/s", "/w/t")]
        self.multi("two creations", both)
        self.events("a multi", watcher, 3)
        self.children("/w", watch=True, by=watcher)
        self.multi("refused", both)
        self.events("a refused multi", watcher)
        owner = self.session()
        self.create("/w/e", flags=1, by=owner)
        self.events("an ephemeral", watcher, 1)
        self.get("/w/e", watch=True, by=watcher)
        self.children("/w", watch=True, by=watcher)
        self.note("close", *owner.ask(jute.CLOSE))
        self.closes("after a close", owner)
        self.events("an ended session", watcher, 2)

    def restored(self):
        """setWatches after a reconnect."""
        self.create("/r")
        for path in ("/r/same", "/r/changed", "/r/deleted", "/r/parent", "/r/unchanged"):
            self.create(path)
        lost = self.session()
        lost.ask(jute.EXISTS, self.at("/r") + b"\0")
        seen, session, password = lost.zxid, lost.session, lost.password
        lost.close()
        self.set("/r/changed")
        self.delete("/r/deleted")
        self.create("/r/created")
        self.create("/r/parent/child")
        back = self.session(session=session, password=password, seen=seen)
        paths = lambda *names: strings([f"{ROOT}/r/{name}" for name in names])
        body = long(seen) + paths("same", "changed", "deleted") + paths("created", "later", "same") + paths("parent", "unchanged", "deleted")
        error, answer = back.ask(jute.SET_WATCHES, body, xid=-8)
        self.note("setWatches", error, len(answer))
        self.events("what was missed", back, 6)
        self.set("/r/same")
        self.set("/r/changed")
        self.create("/r/later")
        self.create("/r/unchanged/child")
        self.create("/r/parent/other")
        self.events("what stood", back, 3)
        lists = paths("same") + paths("none") + paths() + paths("parent") + paths("unchanged")
        self.note("setWatches2", *back.ask(jute.SET_WATCHES2, long(back.zxid) + lists, xid=-8))
        for _ in range(2):
            self.set("/r/parent")
            self.set("/r/unchanged")
        self.create("/r/parent/third")
        self.create("/r/unchanged/third")
        self.events("persistent ones", back, 6)

    def added(self):
        """addWatch, checkWatches and removeWatches."""
        self.create("/d")
        watcher = self.other
        add = lambda path, mode: self.simple(f"addWatch {path} {mode}", jute.ADD_WATCH, self.at(path) + integer(mode), by=watcher)
        has = lambda path, kind: self.simple(f"checkWatches {path} {kind}", jute.CHECK_WATCHES, self.at(path) + integer(kind), by=watcher)
        gone = lambda path, kind: self.simple(f"removeWatches {path} {kind}", jute.REMOVE_WATCHES, self.at(path) + integer(kind), by=watcher)
        add("/d/p", 0)
        add("/d/r", 1)
        for path in ("/d/p", "/d/r"):
            self.create(path)
            self.create(f"{path}/c")
            self.create(f"{path}/c/g")
            self.set(path)
            self.set(path)
            self.set(f"{path}/c/g")
            self.delete(f"{path}/c/g")
        self.events("added watches", watcher, 11)
        has("/d/p", 3)
        has("/d/none", 3)
        for path in ("/d/p", "/d/r"):
            gone(path, 3)
            has(path, 3)
            gone(path, 3)
            self.set(path)
        self.get("/d/p", watch=True, by=watcher)
        for kind in (1, 2, 3):
            has("/d/p", kind)
        gone("/d/p", 1)
        gone("/d/p", 2)
        self.children("/d/p", watch=True, by=watcher)
        for kind in (2, 1, 1):
            gone("/d/p", kind)
        self.set("/d/p")
        self.events("removed watches", watcher)

    def handshakes(self):
        for wanted in (-1, 0, 1, 4000, 6000, 39_999, 40_001, 2**31 - 1):
            connection = jute.Connection(self.host)
            timeout, session, password, with_byte = connection.open(timeout=wanted)
            self.note(f"timeout {wanted}", timeout, session != 0, len(password), with_byte)
            connection.close()
        old = jute.Connection(self.host)
        timeout, session, password, with_byte = old.open(read_only=b"")
        self.note("without the read-only byte", timeout, session != 0, len(password), with_byte)
        for what, options in [
            ("a wrong password", {"session": session, "password": b"x" * 16}),
            ("an empty password", {"session": session, "password": b""}),
            ("no such session", {"session": 77, "password": bytes(16)}),
            ("the future", {"seen": 2**62}),
        ]:
            connection = jute.Connection(self.host)
            try:
                timeout, known, _, _ = connection.open(**options)
                self.note(what, timeout, known)
                self.closes(f"after {what}", connection)
            except jute.Closed:
                self.note(what, "closed")
        again = self.session(session=session, password=password)
        self.note("the same session", again.session == session)
        self.closes("its older connection", old)
        ended = self.note("close", *again.ask(jute.CLOSE))
        self.closes("after close", again)
        connection = jute.Connection(self.host)
        self.note("an ended session", *connection.open(session=session, password=password)[:2], ended)

    def hostile(self):
        for data in (b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\2xx", b"GET / HTTP/1.1\r\n\r\n"):
            connection = jute.Connection(self.host)
            connection.send_raw(data)
            self.note(f"frame {data!r}", connection.receive_raw())
        bodies = {
            "an empty body": (jute.GET_DATA, b""),
            "a length over the end": (jute.GET_DATA, integer(1000) + b"/a"),
            "a write without its end": (jute.SET_DATA, buffer("/a")),
            "a multi without its end": (jute.MULTI, integer(-1)),
            "an unknown operation": (9999, b""),
        }
        for what, (operation, body) in bodies.items():
            connection = self.session()
            self.note(what, connection.ask(operation, body)[0])
            connection.close()

    def run(self):
        for part in (
            self.basics,
            self.paths,
            self.sequences,
            self.multis,
            self.access,
            self.watches,
            self.restored,
            self.added,
            self.handshakes,
            self.hostile,
        ):
            self.lines.append(f"## {part.__name__}")
            part()
        self.clean(ROOT)
        return self.lines

    def clean(self, path):
        self.main.ask(jute.SET_ACL, buffer(path) + acls(OPEN) + integer(-1))
        error, body = self.main.ask(jute.GET_CHILDREN, buffer(path) + b"\0")
        for name in self.texts(body)[0] if not error else []:
            self.clean(f"{path}/{name}")
        self.main.ask(jute.DELETE, buffer(path) + integer(-1))


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: zookeeper_differential.py OURS THEIRS")
    ours, theirs = (Script(hosts).run() for hosts in sys.argv[1:])
    differences = 0
    for place in range(max(len(ours), len(theirs))):
        one, other = (lines[place] if place < len(lines) else "(nothing)" for lines in (ours, theirs))
        if one != other:
            differences += 1
            print(f"answer {place + 1} differs\n  ours:   {one}\n  theirs: {other}")
    if differences:
        sys.exit(f"{differences} of {len(theirs)} answers differ")
    print(f"ok: {len(theirs)} answers are equal")


if __name__ == "__main__":
    main()
