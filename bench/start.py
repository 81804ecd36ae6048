"""What the plugin adds to each start of the shell: itself, and all its commands."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points

from bench import measure as measures
from bench.measure import Section, environment

# What the shell has loaded by itself before it comes to a plugin's commands.
_LOAD = """
import time
import osc_lib.cli.parseractions, osc_lib.command.command, osc_lib.shell
from stevedore import ExtensionManager
ExtensionManager("openstack.cli.base")
began = time.perf_counter()
import osc_image_v1.plugin
found = len(list(ExtensionManager("openstack.image_v1.v1")))
print(found, time.perf_counter() - began)
"""


def measure(rounds: int) -> Iterator[Section]:
    """Time the scanning and loading of all commands, in a fresh process each time."""
    pythons = [sys.executable, *([measures.before] if measures.before else [])]
    times: list[list[float]] = [[] for _ in pythons]
    found = ["0"] * len(pythons)
    for number in range(rounds + 1):
        for which, python in enumerate(pythons):
            found[which], seconds = _load(python)
            if number:
                times[which].append(seconds)
    assert int(found[0]) == len(entry_points(group="openstack.image_v1.v1")) > 0
    section = Section("Start", {})
    medians = [statistics.median(each) * 1000 for each in times]
    section.figure(f"Loading all {found[0]} commands of the plugin", medians[0], 6, "ms")
    for commands, median in zip(found[1:], medians[1:], strict=True):
        section.figure(f"all {commands} of the build before", median, unit="ms")
        section.figure("loading / build before", medians[0] / median)
    yield section


def _load(python: str) -> tuple[str, float]:
    argv = [python, "-I", "-c", _LOAD]
    said = subprocess.run(argv, capture_output=True, check=True, text=True, env=environment())
    found, seconds = said.stdout.split()
    return found, float(seconds)
