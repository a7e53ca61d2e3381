"""What the tests share: a `redis-server` of their own, and trees on it."""

from __future__ import annotations

import itertools
import random
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from mutextree import LocksBackend, MemoryLockBackend, RedisLockBackend

AT_MOST = 20.0
"""Far more than any single step of a test takes, in seconds."""


def free_port() -> int:
    """Below those that the system gives to connections by itself."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Server:
    """A `redis-server` on a free port and a socket."""

    def __init__(self, folder: Path, *options: str) -> None:
        if shutil.which("redis-server") is None:
            pytest.fail("these tests start a Redis server of their own, and there is no redis-server")
        self.port = free_port()
        self.socket = str(folder / "socket")
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]
        command += ["--unixsocket", self.socket, "--dir", str(folder), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: Path(self.socket).exists() and self._listens())

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, **options: object) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=self.port, **options)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def wait_until(condition: Callable[[], object]) -> None:
    """Looks again and again, until it is so."""
    end = time.monotonic() + AT_MOST
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


_trees = (f"tree {number}" for number in itertools.count())


@pytest.fixture
def tree() -> str:
    return next(_trees)


@pytest.fixture
def redis_backend(server: Server, tree: str) -> RedisLockBackend:
    return RedisLockBackend(server.client(), tree=tree)


@pytest.fixture(params=["memory", "redis"])
def backend(request: pytest.FixtureRequest) -> LocksBackend:
    """What holds for each kind of backend is tested on each."""
    if request.param == "memory":
        return MemoryLockBackend()
    made: RedisLockBackend = request.getfixturevalue("redis_backend")
    return made


class Script:
    """A Python process that runs some lines, with `backend` connected to a tree."""

    def __init__(self, server: Server, tree: str, lines: str) -> None:
        head = f"""
            import asyncio, os, signal, sys, threading, time
            import redis
            from mutextree import *
            backend = RedisLockBackend(redis.Redis(port={server.port}), tree={tree!r})
            def say(*words):
                print(*words, flush=True)
            """
        text = textwrap.dedent(head) + textwrap.dedent(lines)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hears(self, line: str) -> None:
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == line, self.errors()

    def errors(self) -> str:
        """Ends it, and says what it had to say."""
        self.process.kill()
        return self.process.communicate(timeout=AT_MOST)[1]

    def ends(self) -> tuple[str, str]:
        """What it said, and its errors, once it has ended well."""
        out, err = self.process.communicate(timeout=AT_MOST)
        assert self.process.returncode == 0, out + err
        return out, err


@pytest.fixture
def script(server: Server, tree: str) -> Iterator[Callable[[str], Script]]:
    """Runs lines of Python in a process of their own, on the tree of `redis_backend`."""
    running: list[Script] = []

    def run(lines: str) -> Script:
        running.append(Script(server, tree, lines))
        return running[-1]

    yield run
    for one in running:
        one.process.kill()
        one.process.communicate()
