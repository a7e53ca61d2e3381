"""Locks for things that form a tree.

Lock ``["A", "B"]``, and nobody else can lock it, anything above it (``["A"]``) or anything below it
(``["A", "B", "D"]``); siblings (``["A", "C"]``) run side by side::

    import redis
    from mutextree import RedisLockBackend, TreeLock, tree_lock

    backend = RedisLockBackend(redis.Redis())    # processes, on one machine or many
    with TreeLock(backend, ["A", "B"], expire=10, timeout=5):
        ...                                      # waits for 5 seconds at the most

    @tree_lock(backend, ["A", "C"])
    def job():
        ...

    async with TreeLock(backend, ["A", "B"], timeout=5):
        ...

``MemoryLockBackend()`` is for the threads and tasks of one process, and needs no server. All times
are in seconds.
"""

from ._backends import LocksBackend, MemoryLockBackend, RedisLockBackend
from ._errors import MutexException, NotLockedMutexException, StoreError, TimedOut, WouldBlock
from ._locks import TreeLock, tree_lock
from ._native import HeldLock, Snapshot, WaitingLock

__all__ = [
    "HeldLock",
    "LocksBackend",
    "MemoryLockBackend",
    "MutexException",
    "NotLockedMutexException",
    "RedisLockBackend",
    "Snapshot",
    "StoreError",
    "TimedOut",
    "TreeLock",
    "WaitingLock",
    "WouldBlock",
    "tree_lock",
]
