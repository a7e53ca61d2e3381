"""The exceptions, and how the native layer makes them."""

from __future__ import annotations

import sys
from typing import Any


class MutexException(Exception):
    """The lock could not be had, or is not held: the base of the others, but for `StoreError`.

    Its text says what happened and names the paths. It also has them as attributes.
    """

    path: str | None = None
    """What was to be locked, or had been, as text."""
    blocking_path: str | None = None
    """Where the lock, or the earlier waiter, is that was in the way."""
    owner: str | None = None
    """The `holder_id` of who was in the way."""


class WouldBlock(MutexException):
    """Another lock was in the way, and the request was not to wait."""


class TimedOut(MutexException, TimeoutError):
    """Another lock was in the way until the time given was over. Also a `TimeoutError`."""


class NotLockedMutexException(MutexException):
    """The lock is not held: it was never acquired, was released before, its lease has ended, or an
    operator broke it."""


class StoreError(ConnectionError):
    """The store failed: the Redis server is away, refuses the password, is too old.

    It is no `MutexException`, as it does not say that the lock is taken. In a program that has
    imported redis-py it is a `redis.exceptions.ConnectionError`, too.
    """


def make(
    kind: str, text: str, path: str | None, blocking_path: str | None, owner: str | None
) -> Exception:
    """The exception of this name. Called by the native layer."""
    if kind == "StoreError":
        return _store_error(sys.modules.get("redis.exceptions"))(text)
    error: MutexException = globals()[kind](text)
    error.path, error.blocking_path, error.owner = path, blocking_path, owner
    return error


_made: dict[object, type[StoreError]] = {None: StoreError}


def _store_error(redis_exceptions: object) -> type[StoreError]:
    """What programs expect that were written for redis-py: an error of its own hierarchy."""
    base: Any = getattr(redis_exceptions, "ConnectionError", None)
    if base not in _made:

        def __init__(self: StoreError, text: str) -> None:
            # That of `OSError`, which comes first, does not call the next one.
            base.__init__(self, text)

        about = {"__module__": "mutextree", "__doc__": StoreError.__doc__}
        methods = {"__init__": __init__, "__repr__": OSError.__repr__}
        _made[base] = type("StoreError", (StoreError, base), {**about, **methods})
    return _made[base]


for _error in (MutexException, WouldBlock, TimedOut, NotLockedMutexException, StoreError):
    _error.__module__ = "mutextree"  # where users know it from
