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
        time.sleep(0.1)


def processes_with(words: set[str]) -> list[Path]:
    """The processes, below /proc, that have something in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            env = (path / "environ").read_bytes().decode(errors="replace").split("\0")
            if words <= set(env):
                found.append(path)
    return found


def process_with(words: set[str]) -> int:
    """The process of the one command that has something in its environment."""
    found = [
        path
        for path in processes_with(words)
        if b"export" in (path / "cmdline").read_bytes().split(b"\0")
    ]
    # What waits for it has the same arguments, or the line as one.
    parents = {parent_of(int(path.name)) for path in found}
    (pid,) = {int(path.name) for path in found} - parents
    return pid


def parent_of(pid: int) -> int:
    # The program's name, in parentheses, may hold anything.
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
