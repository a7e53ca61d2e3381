"""Several processes: what they exclude, what a forked child is, what an exit leaves."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from mutextree import (
    LocksBackend,
    MutexException,
    NotLockedMutexException,
    RedisLockBackend,
    TreeLock,
)
from support import AT_MOST, Script, Server


def test_a_lock_of_a_killed_process_comes_free_with_its_lease(
    script: Callable[[str], Script], redis_backend: RedisLockBackend
) -> None:
    holder = script(
        "lock = TreeLock(backend, ['A'], expire=1).acquire(); say('held'); time.sleep(60)"
    )
    holder.hears("held")
    holder.process.send_signal(signal.SIGKILL)
    with pytest.raises(MutexException):
        TreeLock(redis_backend, ["A"]).acquire()
    TreeLock(redis_backend, ["A"], timeout=10).acquire()


def test_a_lock_released_here_is_free_there(
    script: Callable[[str], Script], redis_backend: RedisLockBackend
) -> None:
    """Also one that the main thread had to wait for: when `release` returns anybody can have it."""
    other = script(
        """
        for line in sys.stdin:
            with TreeLock(backend, ["A"]):
                pass
            say("had it")
        """
    )
    assert other.process.stdin is not None
    for _ in range(30):
        holder = TreeLock(redis_backend, ["A"], expire=0.02)
        holder.acquire()
        waited = TreeLock(redis_backend, ["A"], timeout=5)
        waited.acquire()
        waited.release()
        other.process.stdin.write("try\n")
        other.process.stdin.flush()
        other.hears("had it")


@pytest.mark.parametrize(
    "exit",
    [
        "",
        "sys.exit(0)",
        # Nothing collects it.
        "import ctypes; ctypes.pythonapi.Py_IncRef(ctypes.py_object(held[0]))",
    ],
)
def test_a_process_that_exits_gives_back_what_it_holds(
    script: Callable[[str], Script], redis_backend: RedisLockBackend, exit: str
) -> None:
    lines = f"""
        held = [TreeLock(backend, ["A"], expire=3600).acquire()]
        held.append(held)
        {exit}
        """
    assert script(lines).ends()[1] == ""
    TreeLock(redis_backend, ["A"]).acquire()


def test_a_process_that_exits_gives_back_what_it_keeps(
    script: Callable[[str], Script], redis_backend: RedisLockBackend, tree: str
) -> None:
    one = script(
        f"""
        keeps = RedisLockBackend(client, tree={tree!r}, keep=600)
        with TreeLock(keeps, ["A"], expire=None):
            pass
        say("kept")
        sys.stdin.readline()
        """
    )
    one.hears("kept")
    assert [held.may_be_kept for held in redis_backend.snapshot().holders] == [True]
    one.ends()
    assert redis_backend.snapshot().holders == []


def test_a_server_that_hangs_does_not_keep_a_process_from_exiting(
    script: Callable[[str], Script], tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = Server(tmp_path_factory.mktemp("hangs"))
    try:
        one = script(
            f"""
            hangs = RedisLockBackend(redis.Redis(port={server.port}))
            sys.held = TreeLock(hangs, ["A"], expire=3600).acquire()
            say("held")
            sys.stdin.readline()
            """
        )
        one.hears("held")
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        one.ends()
        assert time.monotonic() - began < 3
    finally:
        server.stop()


def child_of(job: Callable[[], None]) -> None:
    """Runs the job in a forked child, and waits for it to end well."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            job()
            status = 0
        except BaseException as error:
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(status)
    end = time.monotonic() + AT_MOST
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pytest.fail("the child hangs")
        time.sleep(0.005)


# Python warns of what may be locked for ever in a child of a process with threads. These tests are
# about just that.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("renew", [False, True])
def test_a_forked_child_is_a_client_of_its_own(
    redis_backend: RedisLockBackend, renew: bool
) -> None:
    parents = TreeLock(redis_backend, ["A"], expire=2, renew=renew).acquire()
    old = TreeLock(redis_backend, ["B"], expire=2, renew=renew).acquire()

    def child() -> None:
        assert not parents.is_held()
        for act in (parents.refresh, parents.release):
            with pytest.raises(NotLockedMutexException):
                act()
        with pytest.raises(MutexException):
            TreeLock(redis_backend, ["A"]).acquire()
        with TreeLock(redis_backend, ["C"]) as own:
            assert own.is_held() and len(redis_backend.snapshot().holders) == 3
            clients = {held.client for held in redis_backend.snapshot().holders}
            assert len(clients) == 2
        old._held.clear()  # collected in the child, which is nothing to the parent

    child_of(child)
    for lock in (parents, old):
        assert lock.is_held()
        lock.release()
    assert redis_backend.snapshot().holders == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_exits_leaves_the_parents_locks(redis_backend: RedisLockBackend) -> None:
    with TreeLock(redis_backend, ["A"]) as lock:
        child_of(atexit._run_exitfuncs)
        assert lock.is_held()


def hold_in_turn(backend: RedisLockBackend, rounds: int) -> None:
    for _ in range(rounds):
        with TreeLock(backend, ["A"], timeout=20):
            pass


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_multiprocessing_by_fork(redis_backend: RedisLockBackend) -> None:
    hold_in_turn(redis_backend, 1)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=hold_in_turn, args=(redis_backend, 20)) for _ in range(3)]
    with TreeLock(redis_backend, ["A"]):
        for child in children:
            child.start()
    for child in children:
        child.join(AT_MOST)
        assert child.exitcode == 0
    TreeLock(redis_backend, ["A"]).acquire()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_other_threads_lock(backend: LocksBackend) -> None:
    """What they are in the middle of is no matter to the child."""
    done = threading.Event()

    def work(number: int) -> None:
        while not done.is_set():
            with TreeLock(backend, [f"thread {number}"], timeout=None):
                pass

    def in_child() -> None:
        # In memory the child has a copy, in which these threads may be in the middle of something.
        if isinstance(backend, RedisLockBackend):
            TreeLock(backend, ["child"], timeout=5).acquire().release()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            child_of(in_child)
    finally:
        done.set()
        for thread in threads:
            thread.join()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_is_not_lent_what_the_parent_keeps(
    server: Server, redis_backend: RedisLockBackend, tree: str
) -> None:
    lock = TreeLock(RedisLockBackend(server.client(), tree=tree, keep=600), ["A"], expire=None)
    with lock:
        token = lock.fencing_token

    def child() -> None:
        with lock:  # the parent is asked for it, and gives it back
            assert lock.fencing_token > token + 1
            assert len(redis_backend.snapshot().holders) == 1

        atexit._run_exitfuncs()

    child_of(child)
    with lock:
        assert lock.fencing_token > token + 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("keep", [0, 600])
def test_a_child_of_multiprocessing_gives_back_what_it_has(
    server: Server, redis_backend: RedisLockBackend, tree: str, keep: float
) -> None:
    lock = TreeLock(RedisLockBackend(server.client(), tree=tree, keep=keep), ["A"], expire=None)

    def child() -> None:
        lock.acquire()
        if keep:
            lock.release()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(AT_MOST)
    assert process.exitcode == 0
    with TreeLock(redis_backend, ["A"]):
        pass
