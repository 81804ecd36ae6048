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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.contenders import SHELL, shell_of

#: The interpreter of an environment with another build of this project, or None.
before: str | None = None
_BEFORE = ", before"
_START = "start"


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
    #: What the unmeasured run is instead, where something else tells whether it does its job.
    trial: Sequence[str] | None = None


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
    """All runs of a contender.

    :ivar left_out: why there are none
    """

    runs: list[Run] = field(default_factory=list)
    left_out: str | None = None

    def median(self, figure: str) -> float:
        return float(statistics.median(getattr(run, figure) for run in self.runs))

    def fastest(self, figure: str = "wall") -> float:
        """Return the least wall clock: what else the machine does only ever adds to it."""
        return float(min(getattr(run, figure) for run in self.runs))


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
    #: Of what was counted, with its header.
    table: Sequence[Sequence[str]] = ()

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

    def compare_builds(self) -> None:
        """Add the ratios of this build to the one before, beyond the start where that was measured.

        A contender whose name begins with "start" is the start of those that come after it.
        """
        start = None
        for name in self.samples:
            if name + _BEFORE not in self.samples or self.samples[name + _BEFORE].left_out:
                continue
            if name.startswith(_START):
                self._ratios(name, name, None)
                start = name
            else:
                self._ratios(name, f"{name} beyond the start" if start else name, start)

    def _ratios(self, name: str, title: str, start: str | None) -> None:
        for figure, word in (("wall", ""), ("cpu", ", CPU")):
            new, old = (
                self.samples[name + build].fastest(figure)
                - (self.samples[start + build].fastest(figure) if start else 0)
                for build in ("", _BEFORE)
            )
            # Where nothing is left beyond the start, there is nothing to compare.
            if old > 0:
                self.figure(f"{title} / build before{word}", max(0, new) / old)

    def as_data(self) -> dict[str, Any]:
        """Return all of it as what JSON has."""
        return {
            "title": self.title,
            "runs": {name: [asdict(run) for run in s.runs] for name, s in self.samples.items()},
            "left out": {name: s.left_out for name, s in self.samples.items() if s.left_out},
            "figures": [asdict(figure) for figure in self.figures],
            "table": self.table,
        }

    def __str__(self) -> str:
        rows = [("contender", "wall s", "fastest", "CPU s", "peak MiB")]
        left_out = []
        for name, sample in self.samples.items():
            if sample.left_out:
                left_out.append(f"{name}: left out: {sample.left_out}")
                continue
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
        if self.table:
            parts += ["", *_table(self.table)]
        if left_out:
            parts += ["", *left_out]
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
    # What is measured is not lost where the whole comes to no end.
    print(f"{contender.name}: {wall:.2f} s", file=sys.stderr, flush=True)
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def compare(contenders: Sequence[Contender], rounds: int) -> dict[str, Sample]:
    """Run all contenders in turn, once unmeasured and then ``rounds`` times; with 0 just once.

    Each command of this project is run by the build before, too, where there is one: just before
    this build's, so that what is left in files is what this build has written.
    """
    contenders = [build for one in contenders for build in builds_of(one)]
    samples = {contender.name: Sample() for contender in contenders}
    for contender in contenders:
        try:
            run = _try(contender)
        except (SystemExit, AssertionError) as error:
            reason = error.code if isinstance(error, SystemExit) else error
            if not contender.name.endswith(_BEFORE) or isinstance(reason, int):
                raise
            samples[contender.name].left_out = str(reason).strip().rpartition("\n")[2]
        else:
            samples[contender.name].runs += [] if rounds else [run]
    for _ in range(rounds):
        for contender in contenders:
            if samples[contender.name].left_out is None:
                samples[contender.name].runs.append(run_once(contender))
    return samples


def builds_of(contender: Contender) -> list[Contender]:
    """Return a contender, after the same of the build before where it is a command of ours."""
    if before is None or (begun := _shell_in(contender.argv)) is None:
        return [contender]
    ended = begun + len(SHELL)

    def swapped(argv: Sequence[str]) -> list[str]:
        return [*argv[:begun], *shell_of(str(before)), *argv[ended:]]

    name, trial = contender.name + _BEFORE, contender.trial and swapped(contender.trial)
    return [replace(contender, name=name, argv=swapped(contender.argv), trial=trial), contender]


def _shell_in(argv: Sequence[str]) -> int | None:
    starts = (begun for begun, word in enumerate(argv) if word == SHELL[0])
    return next((begun for begun in starts if list(argv[begun:])[: len(SHELL)] == SHELL), None)


def _try(contender: Contender) -> Run:
    """Run a contender for the first time; exit where it does not do its job."""
    run = run_once(replace(contender, argv=contender.trial or contender.argv))
    if contender.check:
        contender.check()
    return run
