"""Whole processes, timed: wall clock, CPU time and peak memory, as the kernel accounts for them."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Contender:
    """One way to do a job."""

    name: str
    argv: Sequence[str]
    #: Where its output goes; None throws it away.
    output: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What one run took."""

    #: Seconds.
    wall: float
    #: Seconds, user and system.
    cpu: float
    #: MiB, of the largest process.
    memory: float


@dataclass
class Sample:
    """All runs of a contender."""

    runs: list[Run] = field(default_factory=list)

    def median(self, figure: str) -> float:
        return statistics.median(getattr(run, figure) for run in self.runs)


def run_once(contender: Contender) -> Run:
    """Run a contender; it must succeed."""
    target = contender.output or Path(os.devnull)
    with target.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            contender.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            env={**os.environ, **contender.env},
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{contender.name} failed: {said.decode(errors='replace')[-2000:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(contenders: Sequence[Contender], rounds: int) -> dict[str, Sample]:
    """Run all contenders in turn, once unmeasured and then ``rounds`` times."""
    samples = {contender.name: Sample() for contender in contenders}
    for number in range(rounds + 1):
        for contender in contenders:
            run = run_once(contender)
            if number:
                samples[contender.name].runs.append(run)
    return samples


def table(title: str, samples: Mapping[str, Sample], base: str) -> str:
    """Return the medians as a table of reStructuredText, ratios against ``base``."""
    reference = samples[base].median("wall")
    rows = [("contender", "wall s", f"/ {base}", "CPU s", "peak MiB")]
    for name, sample in samples.items():
        wall = sample.median("wall")
        rows.append(
            (
                name,
                f"{wall:.2f}",
                f"{wall / reference:.2f}",
                f"{sample.median('cpu'):.2f}",
                f"{sample.median('memory'):.0f}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([title, "", rule, lines[0], rule, *lines[1:], rule, ""])
