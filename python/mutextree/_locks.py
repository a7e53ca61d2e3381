"""`TreeLock` and `tree_lock`: what users call."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Callable, Iterable
from functools import partial, wraps
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, TypeVar, overload

from . import _native, _tasks
from ._backends import LocksBackend, held
from ._errors import MutexException, NotLockedMutexException

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Names = str | PurePosixPath | Iterable[str]


class TreeLock:
    """A lock on one node of a tree, with all that is below it.

    Nobody else can lock the node, what is above it or what is below it, until it is released.
    Siblings never touch each other. Making one takes no lock, and asks no server.

        with TreeLock(backend, ["A", "B"], expire=10, timeout=5):
            ...

    An object that is acquired again while it is held blocks, or fails, as `threading.Lock` does.
    Any thread may release it. One that is collected releases its lock.

    Args:
        locks_backend: a `RedisLockBackend` or a `MemoryLockBackend`.
        nodes_names: the names of the nodes from the root to the one to lock: `["A", "B", "D"]`.
            A name may hold any character. Or the same as a path: `"A/B/D"`, a `PurePosixPath`;
            `"/"` is the root, which covers everything. At most 128 names of at most 255 bytes in
            UTF-8, none empty.
        expire: the seconds after which the lock is released, unless it is refreshed; it is not
            renewed by itself. None: it is held until it is released. Over Redis that is renewed in
            the background, and ends 30 seconds after the process died.
        holder_id: who holds it, for people: `snapshot()` and the errors of others show it. Drawn at
            random by `acquire` if it is None. It plays no part in what conflicts.
        timeout: the seconds that `acquire()` and `with` wait. 0 does not wait; None, or -1, waits
            for as long as it takes.
        id: the same as holder_id.
        shared: other shared locks may be held at the same time, but no exclusive one: for readers.
        node_only: covers the node alone; locks below it are no conflict.
        renew: the lease of `expire` seconds renews itself while the process lives and the lock is
            held. In memory there is then no lease, as the lock cannot outlive its process. Over
            Redis each length in use has connections of its own.

    Raises:
        ValueError: no backend, no names, a name that cannot be one, a time below zero.
        TypeError: an argument of another kind.

    Attributes may be set between two uses: `expire`, `timeout`, `holder_id`, `shared`, `node_only`,
    `renew`.
    """

    def __init__(
        self,
        locks_backend: LocksBackend,
        nodes_names: _Names,
        expire: float | None = 30,
        holder_id: object = None,
        timeout: float | None = 0,
        *,
        id: object = None,
        shared: bool = False,
        node_only: bool = False,
        renew: bool = False,
    ) -> None:
        if not locks_backend:
            raise ValueError("locks_backend is mandatory")
        if not isinstance(locks_backend, LocksBackend):
            kind = type(locks_backend).__qualname__
            raise TypeError(
                f"locks_backend must be a RedisLockBackend or a MemoryLockBackend, not a {kind}"
            )
        if holder_id is not None and id is not None:
            raise TypeError("holder_id and id are the same: give one of them")
        self._path = _path(nodes_names)
        self.locks_backend = locks_backend
        self.nodes_names = nodes_names
        self.expire = expire
        self.holder_id = id if holder_id is None else holder_id
        self.timeout = timeout
        self.shared = shared
        self.node_only = node_only
        self.renew = renew
        _lease(expire)
        _patience(timeout)
        # More than one only if it is shared, and acquired several times.
        self._held: list[_native.Held] = []

    @overload
    def acquire(self, blocking: None = None) -> TreeLock: ...
    @overload
    def acquire(self, blocking: bool, timeout: float | None = -1) -> bool: ...
    @overload
    def acquire(self, blocking: None = None, *, timeout: float | None) -> bool: ...
    def acquire(self, blocking: bool | None = None, timeout: float | None = -1) -> TreeLock | bool:
        """Takes the lock.

        Without arguments it waits for `self.timeout` seconds, and returns the lock itself, or
        raises `WouldBlock` or `TimedOut`, which are `MutexException`.

        With arguments it is as that of `threading.Lock`: it returns True, or False if another lock
        was in the way.

        A wait does not hold the interpreter lock. Ctrl-C ends it, and then nothing is left of it.
        Whoever waits keeps the place in the queue.

        Args:
            blocking: whether to wait if another lock is in the way.
            timeout: the seconds to wait at the most; -1 or None is for as long as it takes.

        Raises:
            WouldBlock, TimedOut: another lock was in the way (only without arguments).
            StoreError: the store failed.
            ValueError: a timeout for what does not block, or below zero.
        """
        patience, asks = self._asked(blocking, timeout)
        try:
            self._took(self._mutex().acquire(patience))
        except MutexException:
            if asks:
                return False
            raise
        return True if asks else self

    @overload
    async def acquire_async(self, blocking: None = None) -> TreeLock: ...
    @overload
    async def acquire_async(self, blocking: bool, timeout: float | None = -1) -> bool: ...
    @overload
    async def acquire_async(self, blocking: None = None, *, timeout: float | None) -> bool: ...
    async def acquire_async(
        self, blocking: bool | None = None, timeout: float | None = -1
    ) -> TreeLock | bool:
        """Takes the lock as `acquire` does, and lets the asyncio task wait, not the thread.

        Tasks and threads wait in one queue. A wait that is cancelled leaves nothing behind. Use
        `async with`, or `release_async`. Needs an event loop that watches sockets, as all do on
        POSIX.
        """
        patience, asks = self._asked(blocking, timeout)
        backend, loop = self.locks_backend, asyncio.get_running_loop()
        try:
            if not backend._is_open(self._renewed()):
                await loop.run_in_executor(None, backend._store, self._renewed())
            mutex = self._mutex()
            if patience is None or patience > 0:
                taken = await _tasks.acquire(mutex, patience)
            elif backend._asks_a_server:
                # One question to the server. If the task is cancelled the answer is collected.
                taken = await loop.run_in_executor(None, mutex.acquire, 0.0)
            else:
                taken = mutex.acquire(0.0)
            self._took(taken)
        except MutexException:
            if asks:
                return False
            raise
        return True if asks else self

    def release(self) -> None:
        """Releases the lock. When it returns anybody can have it.

        Raises:
            NotLockedMutexException: it was not acquired, or its lease had ended before.
            StoreError: the store failed. It is then released later, at the end of its lease at the
                latest.
        """
        self._let_go().release()

    async def release_async(self) -> None:
        """Releases the lock without blocking the event loop.

        Over Redis it is released a moment after this returns; this backend already treats it as
        free. Raises `NotLockedMutexException` if this process knows that it was not held any more.
        """
        taken = self._let_go()
        if taken.of_task or not self.locks_backend._asks_a_server:
            taken.hand_back()
        else:
            await asyncio.get_running_loop().run_in_executor(None, taken.release)

    def refresh(self, expire: float | None = None) -> None:
        """Sets the time until the lock expires to exactly `expire` seconds from now, which may also
        be less than was left; to the lock's own `expire` if None.

        With `renew` and no argument it goes on renewing itself; with one, it does not any more.

        Raises:
            NotLockedMutexException: it was not acquired, or its lease had ended before.
            StoreError: the store failed.
        """
        lease = _lease(expire)
        if not lease and not self.renew:
            lease = _lease(self.expire)
        self._latest().refresh(lease)

    def locked(self) -> bool:
        """Whether an exclusive lock of this node could not be had right now, whoever is in the way.

        Over Redis it asks the server. The answer can be stale by the time it is there.
        """
        return self._mutex().is_locked()

    def is_held(self) -> bool:
        """Whether this object holds the lock: it was acquired, and its lease has not ended. Asks no
        server: a loss is known here by the end of the lease at the latest."""
        return bool(self._held) and self._held[-1].is_held()

    @property
    def fencing_token(self) -> int:
        """A number greater than that of each conflicting lock held before; never 0.

        It is for what the lock protects: refuse a write whose token is below the greatest one seen.
        Raises `NotLockedMutexException` if the lock was not acquired.
        """
        token = self._latest().fencing_token
        if token is None:
            raise self._not_acquired()
        return token

    def __enter__(self) -> TreeLock:
        """Waits for `self.timeout` seconds, as `acquire()` does."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    async def __aenter__(self) -> TreeLock:
        await self.acquire_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.release_async()

    def __repr__(self) -> str:
        kind = "shared " if self.shared else ""
        kind += "node-only " if self.node_only else ""
        state = "held" if self.is_held() else "not held"
        return f"<{type(self).__name__}: {kind}{self._path}, {state}>"

    def _asked(self, blocking: bool | None, timeout: float | None) -> tuple[float | None, bool]:
        """For how long to wait, and whether the answer is True or False."""
        if blocking is None and timeout == -1:
            return _patience(self.timeout), False
        if blocking is None or blocking:
            return _patience(timeout), True
        if timeout not in (-1, None):
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0.0, True

    def _renewed(self) -> float | None:
        """The length of a lease that the store itself renews."""
        return _lease(self.expire) if self.renew else None

    def _mutex(self) -> _native.Mutex:
        if self.holder_id is None:
            self.holder_id = str(uuid.uuid4())
        lease = _lease(self.expire)
        store = self.locks_backend._store(lease if self.renew else None)
        lease = None if self.renew else lease
        return store.mutex(
            self._path, bool(self.shared), bool(self.node_only), lease, str(self.holder_id)
        )

    def _took(self, taken: _native.Held) -> None:
        if not self.shared:
            self._held.clear()  # an earlier one has been lost: this one was in its way
        self._held.append(taken)
        if self.locks_backend._asks_a_server:
            held.add(taken)

    def _latest(self) -> _native.Held:
        try:
            return self._held[-1]
        except IndexError:
            raise self._not_acquired() from None

    def _let_go(self) -> _native.Held:
        try:
            return self._held.pop()
        except IndexError:
            raise self._not_acquired() from None

    def _not_acquired(self) -> NotLockedMutexException:
        error = NotLockedMutexException(f"`{self._path}` is not held: it was not acquired")
        error.path = str(self._path)
        return error


def tree_lock(
    locks_backend: LocksBackend,
    nodes_names: _Names,
    expire: float | None = 30,
    holder_id: object = None,
    timeout: float | None = 0,
    *,
    id: object = None,
    shared: bool = False,
    node_only: bool = False,
    renew: bool = False,
) -> Callable[[_Function], _Function]:
    """Makes a function run under a `TreeLock`, which has the same arguments.

        @tree_lock(backend, ["A", "B"], expire=10, timeout=5)
        def job(name):
            ...

    The lock is taken before each call, and released after it, also if the function raises. Calls
    are as independent of each other as different locks are. The function keeps its signature. One
    that is `async def` lets its task wait. A generator holds the lock from its first value on until
    it ends or is closed.

    Raises what `TreeLock` raises, at once. Each call raises what `acquire()` and `release()` do.
    """
    if nodes_names and not isinstance(nodes_names, (str, PurePosixPath)):
        nodes_names = list(nodes_names)  # an iterator would be used up by the first call
    make = partial(
        TreeLock,
        locks_backend,
        nodes_names,
        expire,
        holder_id,
        timeout,
        id=id,
        shared=shared,
        node_only=node_only,
        renew=renew,
    )
    make()  # what is wrong with the arguments is told here

    def decorate(function: _Function) -> _Function:
        wrapper: Any
        if inspect.isasyncgenfunction(function):
            raise TypeError("an asynchronous generator takes its lock itself: use `async with`")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                async with make():
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with make():
                    return (yield from function(*args, **kwargs))

        else:

            @wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with make():
                    return function(*args, **kwargs)

        try:
            wrapper.__signature__ = inspect.signature(function)
        except ValueError:
            pass  # some functions in C have none
        return wrapper  # type: ignore[no-any-return]

    return decorate


def _path(nodes_names: _Names) -> _native.Path:
    if isinstance(nodes_names, (str, PurePosixPath)):
        if not nodes_names:
            raise ValueError("nodes_names cannot be empty")
        return _native.Path(str(nodes_names))
    names = list(nodes_names) if nodes_names else []
    if not names:
        raise ValueError("nodes_names cannot be empty")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"nodes_names must be strings, and one of them is {name!r}")
    return _native.Path(names)


def _lease(expire: float | None) -> float | None:
    """Seconds, or None for no lease; zero is none, as it was in mutextree 1."""
    if expire is None:
        return None
    if not expire >= 0:
        raise ValueError(f"expire must not be below zero: {expire!r}")
    return float(expire) or None


def _patience(timeout: float | None) -> float | None:
    """Seconds to wait, or None for ever."""
    if timeout is None or timeout == -1:
        return None
    if not timeout >= 0:
        raise ValueError(f"timeout must not be below zero, but for -1: {timeout!r}")
    return float(timeout)
