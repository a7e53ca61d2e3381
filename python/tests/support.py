"""What the tests share: a `redis-server` of their own, and processes that lock on it."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

import mutextree

#: mutextree 1.2.3 has one backend, and one tree in a database.
IS_ORIGINAL = not hasattr(mutextree, "MemoryLockBackend")

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
            pytest.fail(
                "these tests start a Redis server of their own, and there is no redis-server"
            )
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


class Script:
    """A Python process that runs some lines, with `backend` connected to a tree."""

    def __init__(self, server: Server, tree: str, lines: str) -> None:
        options = "" if IS_ORIGINAL else f", tree={tree!r}"
        head = f"""
            import asyncio, os, signal, sys, threading, time
            import redis
            from mutextree import *
            # A job in the background ignores it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            client = redis.Redis(port={server.port}, decode_responses=True)
            backend = RedisLockBackend(client{options})
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
            cwd="/",  # not where the package's sources are
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
