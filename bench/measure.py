"""Whole processes, timed: wall clock, CPU time and peak memory, as the kernel accounts for them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Contender:
    """One way to do a job."""

    name: str
    argv: Sequence[str]
    #: Where its output goes; None throws it away.
    output: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    #: Is called before each run, while no clock runs.
    prepare: Callable[[], None] | None = None
    #: Is called after the unmeasured run; exits where that did not do its job.
    check: Callable[[], None] | None = None


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
        return float(statistics.median(getattr(run, figure) for run in self.runs))

    def fastest(self) -> float:
        """Return the least wall clock: what else the machine does only ever adds to it."""
        return min(run.wall for run in self.runs)


@dataclass(frozen=True)
class Figure:
    """A figure that is made of others, and what it should be at most."""

    name: str
    value: float
    target: float | None = None
    unit: str = ""


@dataclass
class Section:
    """A job, and what each contender took for it."""

    title: str
    samples: Mapping[str, Sample]
    figures: list[Figure] = field(default_factory=list)

    def fastest(self, name: str, start: str | None = None) -> float:
        """Return the wall clock of a contender's fastest run, less that of its start's."""
        return self.samples[name].fastest() - (self.fastest(start) if start else 0)

    def median(self, name: str) -> float:
        """Return the median wall clock of a contender."""
        return self.samples[name].median("wall")

    def memory(self, name: str) -> float:
        """Return the median peak memory of a contender."""
        return self.samples[name].median("memory")

    def figure(self, name: str, value: float, target: float | None = None, unit: str = "") -> None:
        """Add a figure."""
        self.figures.append(Figure(name, value, target, unit))

    def as_data(self) -> dict[str, Any]:
        """Return all of it as what JSON has."""
        return {
            "title": self.title,
            "runs": {name: [asdict(run) for run in s.runs] for name, s in self.samples.items()},
            "figures": [asdict(figure) for figure in self.figures],
        }

    def __str__(self) -> str:
        rows = [("contender", "wall s", "fastest", "CPU s", "peak MiB")]
        for name, sample in self.samples.items():
            rows.append(
                (
                    name,
                    f"{sample.median('wall'):.2f}",
                    f"{sample.fastest():.2f}",
                    f"{sample.median('cpu'):.2f}",
                    f"{sample.median('memory'):.0f}",
                )
            )
        parts = [self.title, "-" * len(self.title)]
        if self.samples:
            parts += ["", *_table(rows)]
        if self.figures:
            parts += ["", *_table([("figure", "measured", "at most"), *map(_row, self.figures)])]
        return "\n".join([*parts, ""])


def _row(figure: Figure) -> tuple[str, str, str]:
    unit = f" {figure.unit}" if figure.unit else ""
    target = "" if figure.target is None else f"{figure.target:g}{unit}"
    if figure.target is not None and round(figure.value, 2) > figure.target:
        target += ", missed"
    return figure.name, f"{figure.value:.2f}{unit}", target


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Yield the lines of a table of reStructuredText."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [rule, lines[0], rule, *lines[1:], rule]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of what is measured.

    No cloud of the user's is in it, and installed programs have their bytecode.
    """
    kept = {
        name: text
        for name, text in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("OS_")
    }
    return {**kept, **(more or {})}


def apart(check: Callable[..., None], *arguments: Any) -> None:
    """Check something in a process of its own.

    What this process has in memory would count as its children's peak.
    """
    checking = multiprocessing.get_context("fork").Process(target=check, args=arguments)
    checking.start()
    checking.join()
    if checking.exitcode:
        sys.exit(f"{check.__name__} failed")


def run_once(contender: Contender) -> Run:
    """Run a contender; it must succeed."""
    if contender.prepare:
        contender.prepare()
    # What others have left to be written is not this one's.
    os.sync()
    target = contender.output or Path(os.devnull)
    with target.open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            contender.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            env=environment(contender.env),
            start_new_session=True,
        )
        assert process.stderr is not None
        try:
            with process.stderr:
                said = process.stderr.read()
            _pid, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            # It may be a shell, whose commands would go on.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
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
            elif contender.check:
                contender.check()
    return samples
