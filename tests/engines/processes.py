"""Processes of the commands that an engine has begun."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 180


def until(there: Callable[[], object], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + _PATIENCE
    while not there():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {_PATIENCE} s: {what}")
        time.sleep(0.05)


def process_with(words: set[str]) -> int:
    """The process of the command that has something in its environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            env = (path / "environ").read_bytes().decode(errors="replace").split("\0")
            if words <= set(env) and b"export" in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(path)
    # What waits for it has the same arguments, or the line as one.
    parents = {int((path / "stat").read_text().rpartition(")")[2].split()[1]) for path in found}
    (pid,) = {int(path.name) for path in found} - parents
    return pid
