"""Fixtures: a `redis-server` of the tests' own, and trees on it.

`scripts/python original` runs some of the tests against mutextree 1.2.3.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

import mutextree
from mutextree import LocksBackend, RedisLockBackend
from support import IS_ORIGINAL, Script, Server


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
    if IS_ORIGINAL:
        client = server.client(decode_responses=True)
        client.flushdb()
        return RedisLockBackend(client)
    return RedisLockBackend(server.client(), tree=tree)


@pytest.fixture(params=["redis"] if IS_ORIGINAL else ["memory", "redis"])
def backend(request: pytest.FixtureRequest) -> LocksBackend:
    """What holds for each kind of backend is tested on each."""
    if request.param == "memory":
        return mutextree.MemoryLockBackend()
    made: RedisLockBackend = request.getfixturevalue("redis_backend")
    return made


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
