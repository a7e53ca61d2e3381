"""Where the locks are: in the memory of this process, or in a Redis server."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import _native
from ._redis_url import server_of

if TYPE_CHECKING:
    import redis


class LocksBackend:
    """Where locks are: the base of `MemoryLockBackend` and `RedisLockBackend`.

    It cannot be subclassed to keep locks elsewhere. A backend that is asked lock by lock, as that
    of mutextree 1 was, cannot tell two related locks apart in one step.
    """

    _asks_a_server = False

    def _is_open(self, renewed: float | None) -> bool:
        """Whether `_store` does no I/O."""
        return True

    def _store(self, renewed: float | None) -> _native.Store:
        """The store whose own leases are of this length, or of any."""
        kind = type(self).__qualname__
        raise TypeError(f"use a MemoryLockBackend or a RedisLockBackend: {kind} keeps no locks")

    def snapshot(self) -> _native.Snapshot:
        """Who holds and who waits, in the whole tree: `print()` it, or look at `holders` and
        `waiters`.

        Raises `StoreError` if the store fails. Over Redis it takes one call a thousand locks.
        """
        return self._store(None).snapshot()


class MemoryLockBackend(LocksBackend):
    """Locks for the threads and tasks of this process. Each one is a tree of its own.

    A forked child has a copy, which is its own. Nothing here can fail or do I/O.
    """

    def __init__(self) -> None:
        self._memory = _native.Store.memory()

    def _store(self, renewed: float | None) -> _native.Store:
        return self._memory


class RedisLockBackend(LocksBackend):
    """Locks in a Redis server (7.0 or later), for processes on one machine or many.

    Of `redis_client`, a `redis.Redis`, it takes what is needed to connect: host and port, or the
    path of the socket; database, user, password, TLS, `socket_timeout` and `client_name`. It opens
    connections of its own, with the first lock, and sends nothing over the client's. So
    `decode_responses` does not matter.

    Args:
        redis_client: whose server it is. `MemoryLockBackend` is for programs without one.
        tree: the name of the tree. Backends with one name on one database share their locks. All
            keys start with this name in braces.
        timeout: the seconds that the server may take for one command; the client's
            `socket_timeout` if it has one, else 5. A call to a server that does not answer raises
            `StoreError` after that.
        keep: for how many seconds a lock that was released stays with this process, until somebody
            else wants it. To take it again then asks no server. 0 keeps nothing. Only a lock that
            renews itself is kept (`expire=None` or `renew=True`), and only for the same node, way
            of locking and `holder_id`: so give one, or use one `TreeLock` again. What a killed
            process kept is in the way of others until its lease ends.

    Raises:
        TypeError: it is no `redis.Redis` of one server.
        ValueError: the client has a setting that cannot be used here, which the text names.

    That the server is away, too old or of another password is told by the first lock. A forked
    child is a client of its own, with its own connections: what the parent holds is not held in the
    child.
    """

    _asks_a_server = True

    def __init__(
        self,
        redis_client: redis.Redis,
        *,
        tree: str = "mutextree",
        timeout: float | None = None,
        keep: float = 0,
    ) -> None:
        self.redis_client = redis_client
        self._server = server_of(redis_client)
        self._tree = tree
        given = self._server.timeout if timeout is None else timeout
        self._timeout = 5.0 if given is None else float(given)
        if not tree or "{" in tree or "}" in tree:
            raise ValueError(f"tree must not be empty or hold a brace: {tree!r}")
        if not self._timeout > 0:
            raise ValueError(f"timeout must be above zero: {given!r}")
        if not keep >= 0:
            raise ValueError(f"keep must not be below zero: {keep!r}")
        self._keep = float(keep)
        self._stores: dict[tuple[int, float], _native.Store] = {}

    def _key(self, renewed: float | None) -> tuple[int, float]:
        # What to trust is only told when a store connects, so a child has to do it itself.
        process = 0 if self._server.ca_file is None else os.getpid()
        return process, 30.0 if renewed is None else renewed

    def _is_open(self, renewed: float | None) -> bool:
        return self._key(renewed) in self._stores

    def _store(self, renewed: float | None) -> _native.Store:
        _give_back_at_the_end_of_a_child()
        key = self._key(renewed)
        store = self._stores.get(key)
        if store is None:
            # No lock is held while it connects, as a fork would leave it locked in the child. Of
            # two threads that connect the first one's store stays.
            store = self._stores.setdefault(key, self._connect(key[1]))
            _stores.add(store)
        return store

    def _connect(self, lease: float) -> _native.Store:
        server = self._server
        with _trusting(server.ca_file):
            return _native.Store.redis(
                server.url, self._tree, lease, self._timeout, self._keep, server.client_name
            )

    def __repr__(self) -> str:
        return f"<RedisLockBackend: tree {self._tree!r}>"


_trust = threading.Lock()
os.register_at_fork(after_in_child=_trust._at_fork_reinit)  # type: ignore[attr-defined]


@contextmanager
def _trusting(ca_file: str | None) -> Iterator[None]:
    """While the native layer reads which certificates to trust, which it does once a store."""
    if ca_file is None:
        yield
        return
    with _trust:
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = ca_file
        try:
            yield
        finally:
            if before is None:
                del os.environ["SSL_CERT_FILE"]
            else:
                os.environ["SSL_CERT_FILE"] = before


_stores: weakref.WeakSet[_native.Store] = weakref.WeakSet()
held: weakref.WeakSet[_native.Held] = weakref.WeakSet()
"""What this process holds in a server."""


@atexit.register
def _give_back() -> None:
    """Other processes should not have to wait for the end of a lease when this one exits.

    In a forked child what the parent holds is not held, and nothing comes of giving it back.
    """
    if _stores:
        _native.give_back(list(held), list(_stores), 1.0)


_child = 0
"""The forked child of `multiprocessing` that has been seen to, by its process id."""


def _give_back_at_the_end_of_a_child() -> None:
    """A forked child of `multiprocessing` exits without what `atexit` has."""
    global _child
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is None or multiprocessing.parent_process() is None or _child == os.getpid():
        return
    from multiprocessing.util import Finalize

    _child = os.getpid()
    Finalize(None, _give_back, exitpriority=0)
