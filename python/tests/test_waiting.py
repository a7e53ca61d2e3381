"""Waits of threads: who gets in, what goes on meanwhile, and what ends them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from mutextree import LocksBackend, RedisLockBackend, StoreError, TimedOut, TreeLock
from support import AT_MOST, Script, Server, wait_until


class Thread(threading.Thread):
    """A thread whose outcome is looked at."""

    def __init__(self, job: Callable[[], Any]) -> None:
        super().__init__(target=self._go, daemon=True)
        self._job, self._outcome = job, None
        self._error: BaseException | None = None
        self.start()

    def _go(self) -> None:
        try:
            self._outcome = self._job()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join(AT_MOST)
        assert not self.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
        return self._outcome


def waiters(backend: LocksBackend) -> list[str]:
    return [waiter.owner or "" for waiter in backend.snapshot().waiters]


def test_a_waiter_gets_in_when_the_holder_leaves(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A", "B"])
    lock.acquire()
    thread = Thread(TreeLock(backend, ["A"], timeout=None).acquire)
    wait_until(lambda: waiters(backend))
    began = time.monotonic()
    lock.release()
    assert thread.result().is_held()
    assert time.monotonic() - began < 1  # woken, and not by a look now and then


def test_the_main_thread_gets_in_as_others_do(backend: LocksBackend) -> None:
    lock = TreeLock(backend, ["A", "B"])
    lock.acquire()

    def release_once_waited_for() -> None:
        wait_until(lambda: waiters(backend))
        lock.release()

    thread = Thread(release_once_waited_for)
    with TreeLock(backend, ["A"], timeout=10) as waited:
        thread.result()
        waited.refresh()
        assert waited.is_held()


def test_other_threads_run_while_one_waits(backend: LocksBackend) -> None:
    """If a wait held the interpreter lock, nobody could release."""
    count = 0

    def work() -> None:
        nonlocal count
        for _ in range(50):
            with TreeLock(backend, ["A"], timeout=None):
                before = count
                time.sleep(0)
                count = before + 1

    threads = [Thread(work) for _ in range(4)]
    work()
    for thread in threads:
        thread.result()
    assert count == 250


def test_a_collected_lock_does_not_stop_other_threads(
    backend: LocksBackend, redis_backend: RedisLockBackend
) -> None:
    """Dropping a guard may ask a server, and may wait for a thread that wants the interpreter."""

    def work() -> None:
        for _ in range(100):
            TreeLock(backend, ["A"], timeout=None).acquire()  # collected at once

    threads = [Thread(work) for _ in range(3)]
    work()
    for thread in threads:
        thread.result()
    assert backend.snapshot().holders == []


def test_a_server_that_hangs_stops_only_who_asks_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = Server(tmp_path_factory.mktemp("hangs"))
    try:
        backend = RedisLockBackend(server.client(), timeout=1.0)
        lock = TreeLock(backend, ["A"], expire=60)
        lock.acquire()
        collected = [TreeLock(backend, ["C"], expire=60).acquire()]
        server.process.send_signal(signal.SIGSTOP)
        ticks, done = 0, threading.Event()

        def tick() -> None:
            nonlocal ticks
            while not done.is_set():
                ticks += 1
                time.sleep(0.01)

        ticker = Thread(tick)
        for ask in (lock.refresh, lock.release, TreeLock(backend, ["B"]).acquire):
            began, before = time.monotonic(), ticks
            with pytest.raises(StoreError):
                ask()
            assert 0.5 < time.monotonic() - began < 5
            assert ticks - before > 10
        before = ticks
        collected.clear()
        assert ticks - before > 10
        done.set()
        ticker.result()
    finally:
        server.stop()


INTERRUPTED = """
def ctrl_c():
    while not backend.snapshot().waiters:
        time.sleep(0.002)
    time.sleep(0.2)   # several looks for signals
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

sent = []
holder = TreeLock(backend, ["A"]).acquire()
for timeout in (None, 60):
    thread = threading.Thread(target=ctrl_c)
    thread.start()
    try:
        TreeLock(backend, ["A", "B"], timeout=timeout).acquire()
    except KeyboardInterrupt:
        took = time.monotonic() - sent.pop()
    thread.join()
    assert took < 0.1, took
    assert backend.snapshot().waiters == []
    assert len(backend.snapshot().holders) == 1
holder.release()
TreeLock(backend, ["A", "B"]).acquire()
say("well")
"""


@pytest.mark.parametrize("memory", [True, False])
def test_ctrl_c_ends_a_wait_at_once_and_leaves_nothing(
    script: Callable[[str], Script], memory: bool
) -> None:
    lines = ("backend = MemoryLockBackend()\n" if memory else "") + INTERRUPTED
    assert script(lines).ends()[0] == "well\n"


def test_a_signal_that_does_not_raise_leaves_the_place_in_the_queue(
    script: Callable[[str], Script],
) -> None:
    """The main thread came first, is interrupted again and again, and is served first."""
    lines = """
        order, seen = [], []
        signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
        holder = TreeLock(backend, ["A"]).acquire()

        def second():
            while not backend.snapshot().waiters:
                time.sleep(0.002)
            threading.Thread(target=interrupt).start()
            with TreeLock(backend, ["A"], timeout=None, holder_id="second"):
                order.append("second")

        def interrupt():
            while len(backend.snapshot().waiters) < 2:
                time.sleep(0.002)
            for count in range(1, 4):
                os.kill(os.getpid(), signal.SIGUSR1)
                while len(seen) < count:
                    time.sleep(0.002)
            say([waiter.owner for waiter in backend.snapshot().waiters])
            holder.release()

        thread = threading.Thread(target=second)
        thread.start()
        with TreeLock(backend, ["A"], timeout=None, holder_id="first"):
            order.append("first")
        thread.join()
        say(order)
        """
    assert script(lines).ends()[0] == "['first', 'second']\n['first', 'second']\n"


def test_a_wait_sits_out_a_server_that_hangs_and_heeds_its_own_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = Server(tmp_path_factory.mktemp("hangs"))
    try:
        backend = RedisLockBackend(server.client())
        TreeLock(backend, ["B"], expire=60, holder_id="kept").acquire().release()
        holder = TreeLock(backend, ["A"], expire=60)
        holder.acquire()

        def hang() -> None:
            wait_until(lambda: waiters(backend))
            server.process.send_signal(signal.SIGSTOP)

        thread = Thread(hang)
        began = time.monotonic()
        with pytest.raises(TimedOut, match="`A`"):
            TreeLock(backend, ["A"], timeout=0.5).acquire()
        assert time.monotonic() - began < 2
        thread.result()
        server.process.send_signal(signal.SIGCONT)
        holder.release()
    finally:
        server.stop()
