"""What four processes exclude, and what they do not.

`scripts/python original` runs this against mutextree 1.2.3, too.
"""

from __future__ import annotations

from collections.abc import Callable

from mutextree import RedisLockBackend
from support import Script

SIBLINGS = """
sys.stdin.readline()
for _ in range({rounds}):
    with TreeLock(backend, ["A", "worker {number}"]):
        pass
say("well")
"""

ONE_NODE = """
sys.stdin.readline()
for _ in range({rounds}):
    with TreeLock(backend, ["A", "B"], timeout=20) as lock:
        assert client.set("inside", {number}, nx=True), "two are inside"
        if hasattr(lock, "fencing_token"):
            assert int(client.get("token") or 0) < lock.fencing_token
            client.set("token", lock.fencing_token)
        assert client.delete("inside") == 1
say("well")
"""


TRIES = """
sys.stdin.readline()
done = 0
while done < {rounds}:
    lock = TreeLock(backend, {path})
    try:
        lock.acquire()
    except MutexException:
        continue
    assert client.set("inside", {number}, nx=True), "two are inside"
    assert client.delete("inside") == 1
    lock.release()
    done += 1
say("well")
"""


def all_well(processes: list[Script]) -> None:
    for one in processes:
        assert one.process.stdin is not None
        one.process.stdin.write("go\n")
        one.process.stdin.flush()
    for one in processes:
        assert one.ends()[0] == "well\n"


def test_four_processes_on_four_siblings_never_fail(
    script: Callable[[str], Script], redis_backend: RedisLockBackend
) -> None:
    """With `timeout=0`: not one of their requests meets another."""
    all_well([script(SIBLINGS.format(rounds=500, number=number)) for number in range(4)])


def test_four_processes_on_one_node_never_overlap(
    script: Callable[[str], Script], redis_backend: RedisLockBackend
) -> None:
    all_well([script(ONE_NODE.format(rounds=100, number=number)) for number in range(4)])


def test_four_processes_above_and_below_each_other_never_overlap(
    script: Callable[[str], Script], redis_backend: RedisLockBackend
) -> None:
    """They ask again until they get in, as one has to where no lock is waited for."""
    paths = [["A"], ["A", "B"], ["A", "B", "C"], ["A"]]
    lines = [TRIES.format(rounds=50, number=number, path=path) for number, path in enumerate(paths)]
    all_well([script(line) for line in lines])
