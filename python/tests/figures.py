"""Prints the figures of README.md: this package and mutextree 1.2.3 side by side, in one run.

`scripts/python figures` runs it. Each figure is taken in rounds, the two packages in turn, each in
processes of its own on one Redis server; what is printed is the median.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from support import Server

OTHERS = 20_000
PROCESSES = 4
HEAD = """
import logging, sys, time, redis
from mutextree import *
logging.disable()   # what is refused is counted
client = redis.StrictRedis(port=int(sys.argv[1]), decode_responses=True)
backend = RedisLockBackend(client)
"""
ONE_THREAD = """
def one():
    with TreeLock(backend, ["org", "team", "project", "file"], timeout=timeout): pass
one()
began = time.perf_counter()
for _ in range(count): one()
print((time.perf_counter() - began) / count * 1e6)
"""
# Each lock and its release, for so many seconds: how many were had, and how many were refused.
SIBLINGS = """
lock = TreeLock(backend, ["org", "team", "worker " + sys.argv[2]])
print("ready", flush=True)
sys.stdin.readline()
had, refused, end = 0, 0, time.perf_counter() + 1
while time.perf_counter() < end:
    try:
        lock.acquire()
    except MutexException:
        refused += 1
    else:
        lock.release()
        had += 1
print(had, refused)
"""
# A lock of 1.2.3 is one key: they are written as it writes them, as it takes minutes for so many.
OTHERS_OF_ORIGINAL = f"""
with client.pipeline() as pipeline:
    for number in range({OTHERS}):
        pipeline.set(f"lock:other;{{number}};", "x", ex=600)
    pipeline.execute()
"""
OTHERS_OF_OURS = f"""
others = [TreeLock(backend, ["other", str(number)], expire=600) for number in range({OTHERS})]
for other in others: other.acquire()
"""
IN_MEMORY = """
import threading
def rate(lock):
    began = time.perf_counter()
    for _ in range(20000):
        with lock: pass
    return (time.perf_counter() - began) / 20000 * 1e6
plain = rate(threading.Lock())
print(rate(TreeLock(MemoryLockBackend(), ["org", "team", "project", "file"])) / plain)
"""


class Package:
    """One of the two, in an interpreter that has it."""

    def __init__(self, python: str, others: str) -> None:
        self.python, self.others = python, others

    def start(self, server: Server, lines: str, *arguments: str) -> subprocess.Popen[str]:
        command = [self.python, "-W", "ignore", "-c", HEAD + lines, str(server.port), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd="/")

    def number(self, server: Server, lines: str) -> float:
        """What these lines print, on a server without locks."""
        server.client().flushall()
        process = self.start(server, lines)
        out = process.communicate()[0]
        if process.returncode:
            sys.exit("what was to be measured failed")
        return float(out)

    def siblings(self, server: Server) -> tuple[float, float]:
        """Locks a second of all processes together, and how much of what was asked was refused."""
        server.client().flushall()
        processes = [self.start(server, SIBLINGS, str(number)) for number in range(PROCESSES)]
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [process.communicate()[0].split() for process in processes]
        had, refused = (sum(int(end[part]) for end in ended) for part in (0, 1))
        return float(had), refused / (had + refused)


def main(rounds: int, original: str) -> None:
    packages = [Package(sys.executable, OTHERS_OF_OURS), Package(original, OTHERS_OF_ORIGINAL)]
    rows: dict[str, list[list[float]]] = {}

    def note(row: str, package: int, figure: float) -> None:
        rows.setdefault(row, [[], []])[package].append(figure)

    memory: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            for _ in range(rounds):
                for at, package in enumerate(packages):
                    quick = f"timeout, count = 0, 300\n{ONE_THREAD}"
                    note("one", at, package.number(server, quick))
                    waits = f"timeout, count = 10, 300\n{ONE_THREAD}"
                    note("waits", at, package.number(server, waits))
                    had, refused = package.siblings(server)
                    note("had", at, had)
                    note("refused", at, 100 * refused)
                    crowded = f"{package.others}\ntimeout, count = 0, 50\n{ONE_THREAD}"
                    note("crowded", at, package.number(server, crowded))
                memory.append(packages[0].number(server, IN_MEMORY))
        finally:
            server.stop()
    texts = [
        ("one", "one thread: lock and release, four levels deep, `timeout=0`", "{:,.0f} µs"),
        ("waits", "the same with `timeout=10`", "{:,.0f} µs"),
        ("had", f"{PROCESSES} processes on {PROCESSES} siblings: locks a second", "{:,.0f}"),
        ("refused", "of what these asked for, refused", "{:.0f} %"),
        ("crowded", f"one thread, {OTHERS:,} other locks held", "{:,.0f} µs"),
    ]
    print("| | mutextree 2 | mutextree 1.2.3 |\n|---|---:|---:|")
    for row, text, form in texts:
        ours, theirs = (form.format(statistics.median(figures)) for figures in rows[row])
        print(f"| {text} | {ours} | {theirs} |")
    print(f"\nIn memory it takes {statistics.median(memory):.0f} times a `threading.Lock`.")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
