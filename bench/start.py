"""What the plugin adds to each start of the shell: itself, and all its commands."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points

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
    times, found = [], "0"
    for number in range(rounds + 1):
        argv = [sys.executable, "-c", _LOAD]
        said = subprocess.run(argv, capture_output=True, check=True, text=True, env=environment())
        found, seconds = said.stdout.split()
        assert int(found) == len(entry_points(group="openstack.image_v1.v1")) > 0
        if number:
            times.append(float(seconds))
    section = Section("Start", {})
    name = f"Loading all {found} commands of the plugin"
    section.figure(name, statistics.median(times) * 1000, 6, "ms")
    yield section
