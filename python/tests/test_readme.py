"""What README.md shows is run."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import redis

import mutextree
from support import Server

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_a_program_of_the_readme(
    program: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = server.client()
    client.flushdb()
    monkeypatch.setattr(redis, "StrictRedis", lambda **_: client)
    names = {"redis": redis, "asyncio": asyncio, **vars(mutextree)}
    exec(compile(program, "README.md", "exec"), names)
