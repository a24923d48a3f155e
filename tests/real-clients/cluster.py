"""Starts `odradek serve`, as one process or as one a node, and stops it."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time

ODRADEK = os.environ.get("ODRADEK", "target/release/odradek")
# One more port each is used for every further node.
SPAN = 30


def free_ports():
    """A first port with SPAN free ones behind it. Another process may take one in between: then serve says so."""
    for first in range(21000, 32000, SPAN):
        sockets = []
        try:
            for port in range(first, first + SPAN):
                it = socket.socket()
                sockets.append(it)
                it.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for it in sockets:
                it.close()
    raise RuntimeError("no free ports")


class Cluster:
    """Three brokers and three ZooKeeper members; `apart` gives each its own process."""

    def __init__(self, apart=False, settings=()):
        self.folder = tempfile.TemporaryDirectory(prefix="odradek-real-clients-")
        self.port = free_ports()
        self.zookeeper_port = self.port + 10
        self.bootstrap = ",".join(f"127.0.0.1:{self.port + place}" for place in range(3))
        self.zookeeper = ",".join(f"127.0.0.1:{self.zookeeper_port + place}" for place in range(3))
        self.settings = [flag for setting in settings for flag in ("--set", setting)]
        self.processes = {}
        nodes = [f"{kind}-{place}" for kind in ("zk", "broker") for place in (1, 2, 3)] if apart else [None]
        for node in nodes:
            self.start(node)
        if not apart:
            self.wait_until_ready(None)

    def start(self, node):
        """Starts a node's process, or that of all."""
        command = [ODRADEK, "serve", "--brokers", "3", "--zookeepers", "3", "--json"]
        command += ["--port", str(self.port), "--zookeeper-port", str(self.zookeeper_port)]
        command += ["--data", os.path.join(self.folder.name, "data"), *self.settings]
        command += ["--node", node] if node else []
        log = open(os.path.join(self.folder.name, f"{node or 'all'}.log"), "ab")
        self.processes[node] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)

    def wait_until_ready(self, node):
        """Waits for the line that says so, and gives what it says."""
        line = self.processes[node].stdout.readline()
        if not line:
            raise RuntimeError(f"serve ended before it was ready:\n{self.log(node)}")
        return json.loads(line)

    def log(self, node=None):
        """What a process said."""
        with open(os.path.join(self.folder.name, f"{node or 'all'}.log"), encoding="utf-8") as file:
            return file.read()[-5000:]

    def kill(self, node):
        """kill -9."""
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def stop(self, node, seconds=60):
        """A clean end of one process; gives its exit status."""
        process = self.processes.pop(node)
        process.send_signal(signal.SIGTERM)
        return process.wait(seconds)

    def close(self):
        """Ends all, brokers first, and removes their data."""
        for node in sorted(self.processes, key=lambda node: node or ""):
            try:
                self.stop(node, 30)
            except subprocess.TimeoutExpired as error:
                print(f"serve did not end: {error}", flush=True)
        for process in self.processes.values():
            process.kill()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_for_port(port, seconds=60):
    """Waits until something listens."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
