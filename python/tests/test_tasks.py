"""Locks in asyncio: who gets in, and what a cancelled wait leaves, which is nothing."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from collections.abc import Callable

import pytest
import redis

from mutextree import (
    LocksBackend,
    MemoryLockBackend,
    NotLockedMutexException,
    RedisLockBackend,
    StoreError,
    TimedOut,
    TreeLock,
    WouldBlock,
)
from support import AT_MOST, Script, wait_until


async def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + AT_MOST
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        await asyncio.sleep(0.002)


def is_empty(backend: LocksBackend) -> bool:
    snapshot = backend.snapshot()
    return not snapshot.holders and not snapshot.waiters


def test_tasks_exclude_each_other(backend: LocksBackend) -> None:
    count = inside = 0

    async def work() -> None:
        nonlocal count, inside
        for _ in range(20):
            async with TreeLock(backend, ["A"], timeout=None) as lock:
                assert inside == 0 and lock.is_held() and lock.fencing_token
                inside += 1
                await asyncio.sleep(0)
                inside -= 1
                count += 1

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(10)))

    asyncio.run(main())
    assert count == 200
    wait_until(lambda: is_empty(backend))


def test_tasks_and_threads_wait_in_one_queue(backend: LocksBackend) -> None:
    order: list[str] = []

    def thread() -> None:
        with TreeLock(backend, ["A"], timeout=None):
            order.append("thread")

    async def task() -> None:
        async with TreeLock(backend, ["A"], timeout=None):
            order.append("task")

    async def main() -> None:
        holder = TreeLock(backend, ["A", "B"])
        await holder.acquire_async()
        waiting = asyncio.create_task(task())
        await until(lambda: backend.snapshot().waiters)
        other = threading.Thread(target=thread)
        other.start()
        await until(lambda: len(backend.snapshot().waiters) == 2)
        await holder.release_async()
        await waiting
        await asyncio.to_thread(other.join)

    asyncio.run(main())
    assert order == ["task", "thread"]


def test_a_task_waits_for_its_timeout(backend: LocksBackend) -> None:
    async def main() -> None:
        with TreeLock(backend, ["A"], holder_id="somebody"):
            with pytest.raises(WouldBlock, match="somebody"):
                await TreeLock(backend, ["A"]).acquire_async()
            with pytest.raises(TimedOut, match="somebody"):
                await TreeLock(backend, ["A"], timeout=0.1).acquire_async()
            lock = TreeLock(backend, ["A"])
            assert await lock.acquire_async(blocking=False) is False
            assert await lock.acquire_async(timeout=0.05) is False
            with pytest.raises(NotLockedMutexException):
                await lock.release_async()
            with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                await asyncio.wait_for(lock.acquire_async(True), 0.05)
        assert await lock.acquire_async(True) is True
        await lock.release_async()
        assert await lock.acquire_async(blocking=False) is True
        await lock.release_async()
        async with TreeLock(backend, ["A"], timeout=1) as same:
            same.refresh()
        async with same:  # timeout=1: a release on its way is waited for
            pass

    asyncio.run(main())
    wait_until(lambda: is_empty(backend))


def test_the_loop_runs_while_a_task_waits(backend: LocksBackend) -> None:
    async def main() -> None:
        with TreeLock(backend, ["A"]):
            waiting = asyncio.create_task(TreeLock(backend, ["A"], timeout=0.5).acquire_async())
            ticks = 0
            while not waiting.done():
                await asyncio.sleep(0.01)
                ticks += 1
            assert ticks > 10
            assert isinstance(waiting.exception(), TimedOut)

    asyncio.run(main())


@pytest.mark.parametrize("rounds, seed", [(2000, 1)])
def test_a_wait_cancelled_at_any_point_leaves_nothing_in_memory(rounds: int, seed: int) -> None:
    cancelled_everywhere(MemoryLockBackend(), rounds, seed)


def test_a_wait_cancelled_at_any_point_leaves_nothing_in_redis(
    redis_backend: RedisLockBackend,
) -> None:
    cancelled_everywhere(redis_backend, 300, 3)


def cancelled_everywhere(backend: LocksBackend, rounds: int, seed: int) -> None:
    """Tasks are cancelled before, while and after they are granted, and one thread meddles."""
    dice = random.Random(seed)
    done = threading.Event()

    def meddle() -> None:
        while not done.is_set():
            with TreeLock(backend, ["A", "B"], timeout=None):
                time.sleep(0.0001)
            time.sleep(0.0001)

    async def hold(lock: TreeLock) -> None:
        async with lock:
            await asyncio.sleep(0)

    async def main() -> None:
        outcomes: set[str] = set()
        for _ in range(rounds):
            tasks = [
                asyncio.create_task(hold(TreeLock(backend, names, timeout=None)))
                for names in (["A"], ["A", "B"], ["A"])
            ]
            for _turn in range(dice.randrange(12)):
                await asyncio.sleep(dice.choice([0, 0, 0.0002]))
            dice.choice(tasks).cancel()
            dice.choice(tasks).cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            outcomes.update(type(end).__name__ for end in ended)
        assert outcomes == {"NoneType", "CancelledError"}

    thread = threading.Thread(target=meddle)
    thread.start()
    try:
        asyncio.run(asyncio.wait_for(main(), 60))
    finally:
        done.set()
        thread.join()
    wait_until(lambda: is_empty(backend))


def test_a_cancelled_wait_is_over_though_its_exception_is_kept(backend: LocksBackend) -> None:
    """As error reporters keep it, with the frames of the wait."""
    kept: list[asyncio.CancelledError] = []

    async def wait() -> None:
        try:
            await TreeLock(backend, ["A"]).acquire_async(True)
        except asyncio.CancelledError as error:
            kept.append(error)

    async def main() -> None:
        task = asyncio.create_task(wait())
        await until(lambda: backend.snapshot().waiters)
        task.cancel()
        await task
        await until(lambda: not backend.snapshot().waiters)

    with TreeLock(backend, ["A"]):
        asyncio.run(main())
    assert kept


def test_a_loop_that_is_closed_leaves_nothing(backend: LocksBackend) -> None:
    """Of a task that nobody waits for, and of one that is left when its loop is closed."""
    holder = TreeLock(backend, ["A"])
    holder.acquire()
    loop = asyncio.new_event_loop()
    task = loop.create_task(TreeLock(backend, ["A"], timeout=None).acquire_async())
    loop.run_until_complete(asyncio.sleep(0.05))
    wait_until(lambda: backend.snapshot().waiters)
    # What its wake-up meets is a loop that is closed.
    loop.close()
    holder.release()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task
    gc.collect()
    wait_until(lambda: is_empty(backend))

    async def again() -> None:
        async with TreeLock(backend, ["A"], timeout=5):
            pass

    asyncio.run(again())
    asyncio.run(again())


def test_a_server_that_is_away_is_told_to_the_task() -> None:
    async def main() -> None:
        backend = RedisLockBackend(redis.Redis(port=1))
        for timeout in (0, 1):
            with pytest.raises(StoreError, match="localhost:1"):
                async with TreeLock(backend, ["A"], timeout=timeout):
                    pass

    asyncio.run(main())


def test_what_a_task_released_is_free_when_the_process_has_ended(
    script: Callable[[str], Script], redis_backend: RedisLockBackend
) -> None:
    script(
        """
        async def main():
            async with TreeLock(backend, ["A"], expire=3600, timeout=5):
                pass
        asyncio.run(main())
        """
    ).ends()
    TreeLock(redis_backend, ["A"]).acquire()
