"""SIGTERM in whatever a command is at: a process of its own, and services that are silent."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import termios
import time
import uuid
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Result
from tests.faults.end_rows import ENDS, ENDS_ALONE, EndRow
from tests.faults.server import FakeImage, Service
from tests.faults.test_many import clouds, directory, plain

__all__ = ["directory"]
Start = Callable[..., "subprocess.Popen[bytes]"]
# A silent service is so for longer.
_HANGS = 45


def alone(name: str) -> EndRow:
    return next(row for row in ENDS_ALONE if row.name == name)


def ended(process: subprocess.Popen[bytes]) -> Result:
    """What came of a process, its status as a shell has it."""
    try:
        out, err = process.communicate(timeout=_HANGS)
    finally:
        process.kill()
    status = process.returncode
    return Result(status if status >= 0 else 128 - status, out or b"", (err or b"").decode())


@pytest.mark.parametrize("row", ENDS, ids=lambda row: row.name)
def test_it_ends(
    row: EndRow, start: Start, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "source").write_bytes(b"x" * 1000)
    with (
        Service([FakeImage(data=b"x" * 3000)], row.faults, keystone=row.keystone) as service,
        Service([], row.target_faults) as target,
    ):
        clouds(monkeypatch, directory / "clouds.yaml", target)
        command = [word.replace("<directory>", str(directory)) for word in row.command]
        process = start(service, "--os-image-v1-timeout", "600", *command)
        assert (target if row.target_faults else service).reached.wait(60)
        process.send_signal(signal.SIGTERM)
        result = ended(process)
    lines = [plain(line, service, directory) for line in result.err.splitlines()]
    assert (lines, result.status) == (list(row.says), 143)


IMAGES = [FakeImage(id=str(uuid.UUID(int=n)), name="x" * 200, data=b"") for n in range(500)]


def _full(process: subprocess.Popen[bytes]) -> None:
    """Wait until a pipe has no room for what is to come."""
    assert process.stdout
    size = fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    waiting = array("i", [0])
    while waiting[0] * 2 < size and process.poll() is None:
        time.sleep(0.02)
        fcntl.ioctl(process.stdout, termios.FIONREAD, waiting)


def _unread(process: subprocess.Popen[bytes]) -> Result:
    """End a process when nobody takes what it writes."""
    _full(process)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_HANGS)
    finally:
        process.kill()
    return ended(process)


def test_a_list_that_nobody_reads(start: Start) -> None:
    with Service(IMAGES) as service:
        result = _unread(start(service, "image", "v1", "list", "-f", "csv"))
    assert (alone("a list, and nobody reads its output (a pipe that is full)").says, 143) == (
        tuple(result.err.splitlines()),
        result.status,
    )


def test_a_copy_that_nobody_reads(
    start: Start, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = alone("a copy, and nobody reads its rows (a pipe that is full); its report is whole")
    report = directory / "report"
    with Service(IMAGES) as service, Service() as target:
        clouds(monkeypatch, directory / "clouds.yaml", target)
        copy = ("image", "v1", "copy", "--to-cloud", "there", "--dry-run", "-f", "csv")
        result = _unread(start(service, *copy, "--report", str(report)))
    assert (result.err.splitlines(), result.status) == (list(row.says), 143)
    *_lines, last = map(json.loads, report.read_text().splitlines())
    assert (last["kind"], last["interrupted"]) == ("summary", True)
