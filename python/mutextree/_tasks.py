"""The wait of an asyncio task.

The native future notes whose turn it is, and rings a bell: a socket that the event loop watches.
No thread of a store calls into Python, and a loop that is closed misses nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import weakref

from . import _native

_numbers = itertools.count()


class _Doorbell:
    """The bell of one event loop, and who waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.bell = _native.Bell()
        self.waiters: dict[int, asyncio.Future[None]] = {}
        loop.add_reader(self.bell.fileno(), self.rings)

    def rings(self) -> None:
        for number in self.bell.take():
            self.wake(number)

    def wake(self, number: int) -> None:
        waiter = self.waiters.get(number)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


_doorbells: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Doorbell] = (
    weakref.WeakKeyDictionary()
)


async def acquire(mutex: _native.Mutex, timeout: float | None) -> _native.Held:
    """Takes the lock, or raises. `timeout`: seconds, above zero; None is for ever."""
    loop = asyncio.get_running_loop()
    doorbell = _doorbells.get(loop)
    if doorbell is None:
        doorbell = _doorbells[loop] = _Doorbell(loop)
    number = next(_numbers)
    waiting = mutex.waiting()
    deadline = None if timeout is None else loop.time() + timeout
    alarm: asyncio.TimerHandle | None = None
    try:
        while True:
            # Before the poll, as the bell may ring during it.
            waiter = doorbell.waiters[number] = loop.create_future()
            held = waiting.poll(doorbell.bell, number)
            if held is not None:
                return held
            if deadline is not None:
                if deadline <= loop.time():
                    break
                if alarm is None:
                    alarm = loop.call_at(deadline, doorbell.wake, number)
            await waiter
    finally:
        # Also when the task is cancelled, and before it has ended: a lock that came at that moment
        # is given back.
        waiting.cancel()
        del doorbell.waiters[number]
        if alarm is not None:
            alarm.cancel()
    raise mutex.timed_out()
