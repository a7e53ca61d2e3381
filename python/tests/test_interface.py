"""The interface of mutextree 1.2.3, and what it did not have."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time
from collections.abc import Generator
from typing import Any

import pytest

import mutextree
from mutextree import (
    LocksBackend,
    MutexException,
    NotLockedMutexException,
    TimedOut,
    TreeLock,
    WouldBlock,
    tree_lock,
)
from support import wait_until


def is_free(backend: LocksBackend, names: list[str]) -> bool:
    lock = TreeLock(backend, names)
    if lock.acquire(blocking=False):
        lock.release()
        return True
    return False


def test_acquire_returns_the_lock_and_release_frees_it(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A"], 30, "me", 0)
    assert lock.acquire() is lock
    assert not is_free(backend, ["A"])
    lock.release()
    assert is_free(backend, ["A"])


def test_the_context_manager_gives_the_lock_and_releases_it(backend: LocksBackend) -> None:
    with pytest.raises(ZeroDivisionError):
        with TreeLock(backend, ["A"], expire=30) as lock:
            assert lock.is_held()
            1 / 0
    assert not lock.is_held()
    assert is_free(backend, ["A"])


def test_a_timeout_of_zero_does_not_wait(backend: LocksBackend) -> None:
    with TreeLock(backend, ["A"], holder_id="somebody"):
        began = time.monotonic()
        with pytest.raises(WouldBlock) as caught:
            TreeLock(backend, ["A", "B"]).acquire()
        assert time.monotonic() - began < 1
    error = caught.value
    assert (error.path, error.blocking_path, error.owner) == ("A/B", "A", "somebody")
    assert str(error) == "`A/B` is blocked by a lock on `A`, held by somebody"


@pytest.mark.parametrize("where", ["main thread", "other thread"])
def test_a_timeout_is_waited_for_and_no_longer(backend: LocksBackend, where: str) -> None:
    caught: list[TimedOut] = []

    def wait() -> None:
        with pytest.raises(TimedOut) as info:
            TreeLock(backend, ["A"], timeout=0.2).acquire()
        caught.append(info.value)

    with TreeLock(backend, ["A", "B"], holder_id="somebody"):
        began = time.monotonic()
        if where == "main thread":
            wait()
        else:
            thread = threading.Thread(target=wait)
            thread.start()
            thread.join()
        assert 0.19 < time.monotonic() - began < 2
    assert isinstance(caught[0], MutexException) and isinstance(caught[0], TimeoutError)
    assert (caught[0].path, caught[0].blocking_path, caught[0].owner) == ("A", "A/B", "somebody")
    assert is_free(backend, ["A"])


def test_expire_is_a_lease_that_does_not_renew_itself(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A"], expire=0.2)
    lock.acquire()
    with TreeLock(backend, ["A"], timeout=5):
        assert not lock.is_held()
        with pytest.raises(NotLockedMutexException):
            lock.refresh()
        with pytest.raises(NotLockedMutexException):
            lock.release()
    for _ in range(3):
        with TreeLock(backend, ["A"], timeout=5):
            pass
        lock.acquire(timeout=5)
        assert len(lock._held) == 1  # what was lost is not kept
        lock.refresh(0.01)


def test_refresh_sets_what_is_left_to_exactly_that(backend: LocksBackend) -> None:
    with TreeLock(backend, ["A"], expire=60) as lock:
        lock.refresh(20)
        assert 15 < (backend.snapshot().holders[0].remaining or 0) <= 20
        lock.refresh()
        assert 55 < (backend.snapshot().holders[0].remaining or 0) <= 60
        lock.refresh(expire=0.2)
        with TreeLock(backend, ["A"], timeout=5):
            assert not lock.is_held()
        lock._held.clear()
        lock.acquire()


def test_without_expire_it_is_held_until_it_is_released(backend: LocksBackend) -> None:
    with TreeLock(backend, ["A"], expire=None) as lock:
        lock.refresh()
        assert lock.is_held()


def test_a_lease_that_is_to_renew_itself_does(backend: LocksBackend) -> None:
    with TreeLock(backend, ["A"], expire=0.4, renew=True) as lock:
        with pytest.raises(TimedOut):
            TreeLock(backend, ["A"], timeout=1.2).acquire()
        assert lock.is_held()
        lock.refresh()
    assert is_free(backend, ["A"])


@pytest.mark.parametrize("act", ["release", "refresh", "fencing_token"])
def test_what_is_not_held_is_told(backend: LocksBackend, act: str) -> None:
    lock = TreeLock(backend, ["A"])

    def try_it() -> None:
        with pytest.raises(NotLockedMutexException) as caught:
            getattr(lock, act) if act == "fencing_token" else getattr(lock, act)()
        assert isinstance(caught.value, MutexException)
        assert caught.value.path == "A"

    try_it()
    with lock:
        pass
    try_it()


def test_what_makes_no_lock_is_told(backend: LocksBackend) -> None:
    for no_backend in (None, 0, ""):
        with pytest.raises(ValueError, match="locks_backend"):
            TreeLock(no_backend, ["A"])  # type: ignore[arg-type]
    nothing: list[Any] = [[], (), "", None]
    for no_names in nothing:
        with pytest.raises(ValueError, match="nodes_names"):
            TreeLock(backend, no_names)
    with pytest.raises(ValueError):
        TreeLock(LocksBackend(), [])
    with pytest.raises(TypeError, match="7"):
        TreeLock(backend, ["A", 7])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="RedisLockBackend"):
        TreeLock(object(), ["A"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expire"):
        TreeLock(backend, ["A"], expire=-1)
    for never in (-2, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            TreeLock(backend, ["A"], timeout=never)
    with pytest.raises(TypeError, match="holder_id"):
        TreeLock(backend, ["A"], holder_id=1, id=2)


def test_times_without_end_do_no_harm(backend: LocksBackend) -> None:
    for time_ in (float("inf"), 1e300, 10**12):
        with TreeLock(backend, ["A"], expire=time_, timeout=time_) as lock:
            lock.refresh(time_)


def test_the_holder_is_named(backend: LocksBackend) -> None:
    for lock in (TreeLock(backend, ["A"], holder_id=1), TreeLock(backend, ["A"], id=1)):
        with lock:
            assert backend.snapshot().holders[0].owner == "1"
    with TreeLock(backend, ["A"]) as lock:
        assert lock.holder_id and backend.snapshot().holders[0].owner == lock.holder_id


def test_acquire_with_arguments_is_that_of_a_threading_lock(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A"])
    assert lock.acquire(True) is True
    assert lock.acquire(False) is False
    assert lock.acquire(blocking=False) is False
    assert lock.acquire(timeout=0.01) is False
    assert lock.acquire(True, 0.01) is False
    lock.release()
    assert lock.acquire(True, -1) is True
    for arguments in ((False, 1), (True, -2)):
        with pytest.raises(ValueError):
            lock.acquire(*arguments)
        with pytest.raises(ValueError):
            threading.Lock().acquire(*arguments)
    threading.Thread(target=lock.release).start()  # any thread may
    assert lock.acquire(blocking=True) is True


def test_locked_is_held_and_tokens(backend: LocksBackend) -> None:
    lock, below = TreeLock(backend, ["A"]), TreeLock(backend, ["A", "B"])
    assert not lock.locked() and not lock.is_held()
    with lock:
        assert lock.locked() and below.locked() and not below.is_held() and lock.is_held()
        first = lock.fencing_token
        assert first == lock.fencing_token > 0
    with below:
        assert below.fencing_token > first


def test_one_object_may_be_shared_by_readers(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A"], shared=True)
    with lock, lock:
        pass
    assert not lock.is_held() and is_free(backend, ["A"])


def test_a_snapshot_says_who_holds_and_who_waits(backend: LocksBackend) -> None:
    with TreeLock(backend, ["A", "a/b"], holder_id="worker", shared=True) as lock:
        waiter = TreeLock(backend, ["A"], holder_id="boss", timeout=10)
        thread = threading.Thread(target=waiter.acquire)
        thread.start()
        wait_until(lambda: backend.snapshot().waiters)
        snapshot = backend.snapshot()
        [held], [waiting] = snapshot.holders, snapshot.waiters
        assert (held.path, held.nodes_names) == ('A/"a/b"', ["A", "a/b"])
        assert (held.owner, held.shared, held.node_only) == ("worker", True, False)
        assert held.fencing_token == lock.fencing_token
        assert (waiting.path, waiting.owner, waiting.behind) == ("A", "boss", 'A/"a/b"')
        assert (held.may_be_kept, waiting.set, waiting.upgrades) == (False, None, False)
        assert "worker" in str(snapshot) and "boss" in str(snapshot)
        assert snapshot.to_dot().startswith("digraph")
    thread.join()
    assert waiter.is_held()


def test_what_is_collected_releases(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A"], expire=60).acquire()
    assert not is_free(backend, ["A"])
    del lock
    assert is_free(backend, ["A"])
    in_a_circle: list[Any] = [TreeLock(backend, ["A"], expire=60).acquire()]
    in_a_circle.append(in_a_circle)
    del in_a_circle
    gc.collect()
    assert is_free(backend, ["A"])


def test_the_decorator_locks_each_call(backend: LocksBackend) -> None:
    @tree_lock(backend, ["A"], expire=30)
    def job(one: int, *, other: str = "x") -> tuple[int, str]:
        "Does it."
        assert not is_free(backend, ["A"])
        if one == 0:
            raise ZeroDivisionError
        return one, other

    assert job(1) == (1, "x") and job(one=2, other="y") == (2, "y")
    with pytest.raises(ZeroDivisionError):
        job(0)
    assert is_free(backend, ["A"])
    with TreeLock(backend, ["A"]), pytest.raises(MutexException):
        job(1)


def test_the_decorator_keeps_the_signature(backend: LocksBackend) -> None:
    def job(one: int, /, two: str = "x", *rest: int, key: bool, **more: float) -> None:
        "Does it."

    locked = tree_lock(backend, ["A"])(job)
    assert inspect.signature(locked) == inspect.signature(job)
    spec = inspect.getfullargspec(locked)
    assert spec.args == ["one", "two"] and spec.kwonlyargs == ["key"]
    assert (locked.__name__, locked.__doc__) == ("job", "Does it.")
    with pytest.raises(ValueError):
        tree_lock(backend, [])


def test_the_decorator_of_methods_coroutines_and_generators(backend: LocksBackend) -> None:
    class Worker:
        @tree_lock(backend, ["A"])
        def held(self) -> bool:
            return not is_free(backend, ["A"])

    @tree_lock(backend, ["A"], timeout=1)
    async def task() -> bool:
        await asyncio.sleep(0)
        return not is_free(backend, ["A"])

    @tree_lock(backend, ["A"])
    def values() -> Generator[bool, None, None]:
        yield not is_free(backend, ["A"])

    assert Worker().held() and asyncio.run(task())
    assert list(values()) == [True]
    assert is_free(backend, ["A"])
    half = values()
    next(half)
    half.close()
    assert is_free(backend, ["A"])

    async def stream() -> Any:
        yield 1

    with pytest.raises(TypeError, match="async with"):
        tree_lock(backend, ["A"])(stream)


def test_all_that_is_public_is_documented() -> None:
    for name in mutextree.__all__:
        thing = getattr(mutextree, name)
        assert inspect.getdoc(thing), name
        assert thing.__module__.startswith("mutextree"), name
        for part, method in vars(thing).items() if inspect.isclass(thing) else ():
            if not part.startswith("_") and not isinstance(method, (str, type(None))):
                assert inspect.getdoc(method), f"{name}.{part}"
