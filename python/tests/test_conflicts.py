"""Which locks exclude each other, and which names are the same.

`scripts/python original` runs this against mutextree 1.2.3, too.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from mutextree import LocksBackend, MutexException, TreeLock

A, AB, AC, ABC, ABD, B = ["A"], ["A", "B"], ["A", "C"], ["A", "B", "C"], ["A", "B", "D"], ["B"]


@pytest.mark.parametrize(
    "one, other",
    [(A, A), (A, AB), (AB, A), (ABC, A), (ABC, AB), (A, ABC), (AB, ABC), (ABC, ABC)],
)
def test_a_lock_keeps_out_what_is_above_and_below(
    backend: LocksBackend, one: list[str], other: list[str]
) -> None:
    with TreeLock(backend, one, expire=60):
        with pytest.raises(MutexException):
            TreeLock(backend, other).acquire()
    with TreeLock(backend, other):
        pass


@pytest.mark.parametrize(
    "one, other", [(A, B), (AB, AC), (AB, B), (ABC, AC), (ABC, ABD), (ABC, B), (AC, ABD)]
)
def test_a_lock_leaves_alone_what_is_beside_it(
    backend: LocksBackend, one: list[str], other: list[str]
) -> None:
    with TreeLock(backend, one, expire=60), TreeLock(backend, other):
        pass


@pytest.mark.parametrize(
    "one, other",
    [
        (["A;B"], ["A", "B"]),
        (["A", "B;C"], ["A", "B", "C"]),
        (["A;"], ["A"]),
        (["*"], ["A"]),
        (["A", "*"], ["A", "B"]),
        (["A", "?"], ["A", "B"]),
        (["[A]"], ["A"]),
        (["A/B"], ["A", "B"]),
        (["A", "é"], ["A", "e\u0301"]),
        (["lock:A"], ["A"]),
        ([" "], ["  "]),
        (["."], [".."]),
        (["A\0"], ["A"]),
    ],
)
def test_names_that_look_alike_are_different_nodes(
    backend: LocksBackend, one: list[str], other: list[str]
) -> None:
    for first, second in [(one, other), (other, one)]:
        with TreeLock(backend, first, expire=60), TreeLock(backend, second):
            for names in (first, second):
                with pytest.raises(MutexException):
                    TreeLock(backend, names).acquire()


@pytest.mark.parametrize(
    "node", ["A/B", "/A/B/", PurePosixPath("A/B"), ("A", "B"), {"A": 1, "B": 2}]
)
def test_a_path_names_a_node_too(backend: LocksBackend, node: object) -> None:
    with TreeLock(backend, node):  # type: ignore[arg-type]
        with pytest.raises(MutexException) as caught:
            TreeLock(backend, AB).acquire()
    assert caught.value.blocking_path == "A/B"


def test_the_root_covers_everything(backend: LocksBackend) -> None:
    with TreeLock(backend, "/"):
        with pytest.raises(MutexException):
            TreeLock(backend, ABC).acquire()


@pytest.mark.parametrize("node_only", [False, True])
def test_readers_share_and_keep_writers_out(backend: LocksBackend, node_only: bool) -> None:
    with TreeLock(backend, A, shared=True), TreeLock(backend, A, shared=True):
        with TreeLock(backend, AB, shared=True, node_only=node_only):
            for names in (A, AB):
                with pytest.raises(MutexException):
                    TreeLock(backend, names).acquire()


def test_a_lock_of_the_node_alone_leaves_out_what_is_below(backend: LocksBackend) -> None:
    with TreeLock(backend, A, node_only=True), TreeLock(backend, AB):
        with pytest.raises(MutexException):
            TreeLock(backend, A, node_only=True).acquire()


@pytest.mark.parametrize(
    "names, says",
    [
        ([""], "component 1"),
        (["A", ""], "component 2"),
        (["A"] * 129, "129"),
        (["é" * 128], "256"),
        ("A//B", "component 2"),
        ("A/../B", "root down"),
    ],
)
def test_what_cannot_be_a_name_is_told(
    backend: LocksBackend, names: str | list[str], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        TreeLock(backend, names)
