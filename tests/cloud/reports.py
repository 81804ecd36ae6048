"""What the cloud tells the person who waits for it, and how it says that it cannot go on."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

_STARTED = time.monotonic()


class CloudError(Exception):
    """The cloud cannot do what it was asked to; the text says why, and what would help."""


def say(line: str) -> None:
    """One short line of progress, on standard error: standard output is for answers."""
    print(f"cloud {time.monotonic() - _STARTED:4.0f}s  {line}", file=sys.stderr, flush=True)


def tail(log: Path, lines: int = 25) -> str:
    """The end of a log, for an error's text."""
    try:
        last = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join([f"The end of {log}:", *("  | " + line for line in last or ["(nothing)"])])


def one_of(names: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
