"""A bare ZooKeeper client of one connection, for what kazoo does not send: frames by hand, nothing automatic."""

import socket
import struct

CREATE, DELETE, EXISTS, GET_DATA, SET_DATA, GET_ACL, SET_ACL, GET_CHILDREN, SYNC = range(1, 10)
PING, GET_CHILDREN2, CHECK, MULTI, CREATE2, RECONFIG, CHECK_WATCHES, REMOVE_WATCHES = range(11, 19)
AUTH, SET_WATCHES, SET_WATCHES2, ADD_WATCH, CLOSE = 100, 101, 105, 106, -11
OPEN = [(31, "world", "anyone")]


def integer(value):
    return struct.pack(">i", value)


def long(value):
    return struct.pack(">q", value)


def buffer(value):
    if value is None:
        return integer(-1)
    value = value.encode() if isinstance(value, str) else value
    return integer(len(value)) + value


def strings(values):
    return integer(len(values)) + b"".join(buffer(value) for value in values)


def acls(entries):
    packed = [integer(permissions) + buffer(scheme) + buffer(who) for permissions, scheme, who in entries]
    return integer(len(entries)) + b"".join(packed)


class Closed(Exception):
    """The server closed the connection."""


class Connection:
    """A connection without a session, until `open` gives it one."""

    def __init__(self, address, timeout=20):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout)
        self.events = []
        self.xid = 0
        self.zxid = 0

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive_raw(self):
        """All bytes until the server closes."""
        data = b""
        try:
            while piece := self.socket.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data

    def _exactly(self, length):
        data = b""
        while len(data) < length:
            try:
                piece = self.socket.recv(length - len(data))
            except ConnectionResetError as error:
                raise Closed() from error
            if not piece:
                raise Closed()
            data += piece
        return data

    def frame(self):
        (length,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(length)

    def open(self, timeout=6000, session=0, password=bytes(16), seen=0, read_only=b"\0"):
        """Begins or resumes a session: (timeout, session, password, whether the read-only byte came)."""
        body = integer(0) + long(seen) + integer(timeout) + long(session) + buffer(password) + read_only
        self.send_raw(buffer(body))
        answer = self.frame()
        _, timeout, session, length = struct.unpack_from(">iiqi", answer)
        self.session, self.password = session, answer[20 : 20 + length]
        return timeout, session, self.password, len(answer) > 20 + length

    def send(self, operation, body=b"", xid=None):
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.send_raw(buffer(integer(xid) + integer(operation) + body))
        return xid

    def receive(self):
        """The next reply that is no event: (xid, error, body). Events on the way are kept."""
        while True:
            frame = self.frame()
            xid, zxid, error = struct.unpack_from(">iqi", frame)
            if xid != -1:
                self.zxid = max(self.zxid, zxid)
                return xid, error, frame[16:]
            kind, state, length = struct.unpack_from(">iii", frame, 16)
            self.events.append((kind, state, frame[28 : 28 + length].decode()))

    def ask(self, operation, body=b"", xid=None):
        """One request and its answer: (error, body)."""
        sent = self.send(operation, body, xid)
        answered, error, body = self.receive()
        assert answered == sent, f"request {sent} was answered as {answered}"
        return error, body

    def create(self, path, data=b"", flags=0, entries=OPEN):
        return self.ask(CREATE, buffer(path) + buffer(data) + acls(entries) + integer(flags))

    def take_events(self):
        taken, self.events = self.events, []
        return taken

    def close(self):
        self.socket.close()
