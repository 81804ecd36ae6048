"""``image v1 save`` with full disks, signals and pipes: the rows that need more than a service."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import pty
import random
import re
import resource
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.faults.conftest import Result
from tests.faults.rows import DATA, MIDDLE, PIECE, Row, alone
from tests.faults.server import IMAGE_ID, FakeImage, Service, altered, cut, dripping
from tests.faults.test_save import contents, said

_SAVE = ("image", "v1", "save", IMAGE_ID)
_UNKNOWN_SIZE = FakeImage(data=DATA, more={"size": None})
Start = Callable[..., "subprocess.Popen[bytes]"]
Shell = Callable[..., Result]


def check(row: Row, result: Result, service: Service, directory: Path) -> None:
    """Check what a person read, and the exit status."""
    text = re.sub(r"\b\d{5,}\b", "<n>", said(result, service, directory))
    assert (text, result.status) == (row.says, row.status)
    assert result.err.count("\n") == bool(row.says)


def ended(process: subprocess.Popen[bytes]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out or b"", (err or b"").decode())


def ended_by(number: int, process: subprocess.Popen[bytes], service: Service) -> Result:
    """End a command when the service has come to its fault."""
    assert service.reached.wait(60)
    time.sleep(0.3)
    process.send_signal(number)
    return ended(process)


def test_part_in_use(shell: Shell, tmp_path: Path) -> None:
    part = tmp_path / "x.osc-image-v1.part"
    with part.open("wb") as other, Service([FakeImage(data=DATA)]) as service:
        other.write(b"theirs")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        result = shell(service, *_SAVE, "--file", str(tmp_path / "x"))
    check(alone("Another run saves to the same path"), result, service, tmp_path)
    assert contents(tmp_path) == {"x.osc-image-v1.part": b"theirs"}
    assert service.kinds == ["head"]


def test_two_at_once(start: Start, tmp_path: Path) -> None:
    faults = {"data": [dripping(20, 0.05)] * 2}
    with Service([FakeImage(data=DATA)], faults) as service:
        command = (*_SAVE, "--file", str(tmp_path / "x"))
        results = [ended(process) for process in [start(service, *command) for _ in range(2)]]
    row = alone("Another run saves to the same path")
    for result in results:
        if result.status:
            check(row, result, service, tmp_path)
    assert sorted(result.status for result in results)[0] == 0
    assert contents(tmp_path) == {"x": DATA}


def test_no_room(shell: Shell, tmp_path: Path) -> None:
    image = FakeImage(data=DATA, size=2**60, more={"disk_format": "qcow2"})
    with Service([image]) as service:
        result = shell(service, *_SAVE, "--file", str(tmp_path / "x"))
    check(alone("The disk has no room for the image"), result, service, tmp_path)
    assert contents(tmp_path) == {}
    assert service.kinds == ["head"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_full(shell: Shell, small_disk: Path) -> None:
    with Service([_UNKNOWN_SIZE]) as service:
        result = shell(service, *_SAVE, "--file", str(small_disk / "x"))
    check(alone("The disk fills up"), result, service, small_disk)
    assert contents(small_disk) == {}


def test_file_too_large(shell: Shell, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Service([FakeImage(data=DATA)]) as service:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        try:
            result = shell(service, *_SAVE, "--file", str(tmp_path / "x"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    check(alone("The file grows beyond a limit (``ulimit -f``)"), result, service, tmp_path)
    assert contents(tmp_path) == {}


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Root may write everywhere: be someone else for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_directory_not_writable(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the shell looks up in its environment, which someone else may not be able to read.
    monkeypatch.setattr(metadata, "version", functools.cache(metadata.version))
    with Service([FakeImage(data=DATA)]) as service:
        # All that is imported late, before it may be out of reach.
        shell(service, *_SAVE, "--file", str(tmp_path / "x"))
        service.asked.clear()
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            directory.chmod(0o555)
            with nobody():
                result = shell(service, *_SAVE, "--file", str(directory / "x"))
            assert contents(directory) == {}
    check(alone("The directory cannot be written to"), result, service, directory)
    assert service.kinds == ["head"]


@pytest.mark.parametrize(
    ("name", "number"),
    [("Control-C", signal.SIGINT), ("SIGTERM", signal.SIGTERM), ("SIGHUP", signal.SIGHUP)],
)
def test_signal(name: str, number: int, start: Start, tmp_path: Path) -> None:
    with Service([FakeImage(data=DATA)], {"data": [cut(MIDDLE, "stall")]}) as service:
        process = start(service, *_SAVE, "--file", str(tmp_path / "x"))
        result = ended_by(number, process, service)
    check(alone(name), result, service, tmp_path)
    assert contents(tmp_path) == {}


def test_signal_keeps_part(start: Start, tmp_path: Path) -> None:
    with Service([FakeImage(data=DATA)], {"data": [cut(MIDDLE, "stall")]}) as service:
        process = start(service, *_SAVE, "--keep-partial", "--file", str(tmp_path / "x"))
        result = ended_by(signal.SIGTERM, process, service)
    assert result.status == 143
    assert f"What came so far is kept in '{tmp_path}/x.osc-image-v1.part'\n" in result.err
    part = (tmp_path / "x.osc-image-v1.part").read_bytes()
    assert PIECE <= len(part) <= MIDDLE
    assert DATA.startswith(part)
    assert not (tmp_path / "x").exists()


def test_kill(start: Start, tmp_path: Path) -> None:
    """Killed at random moments, and then let through."""
    moments = random.Random(3)
    row = alone("SIGKILL, power loss")
    for _ in range(4):
        faults = {"data": [dripping(20, 0.02)], "rest": [dripping(20, 0.02)]}
        with Service([FakeImage(data=DATA)], faults) as service:
            process = start(service, *_SAVE, "--file", str(tmp_path / "x"))
            assert service.reached.wait(60)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 0.4))
            process.kill()
            result = ended(process)
        left = contents(tmp_path)
        if result.status == 0:
            break
        assert result.status == row.status
        assert set(left) <= {"x.osc-image-v1.part"}
        part = left.get("x.osc-image-v1.part", b"")
        assert isinstance(part, bytes)
        assert DATA.startswith(part)
    with Service([FakeImage(data=DATA)]) as service:
        result = ended(start(service, *_SAVE, "--file", str(tmp_path / "x")))
    assert (result.status, result.err) == (0, "")
    assert contents(tmp_path) == {"x": DATA}


def test_stdout_mended(shell: Shell, tmp_path: Path) -> None:
    with Service([FakeImage(data=DATA)], {"data": [cut(MIDDLE)]}) as service:
        result = shell(service, *_SAVE)
    check(alone("To standard output: the data ends in the middle"), result, service, tmp_path)
    assert result.out == DATA
    assert [kind.split()[0] for kind in service.kinds] == ["head", "data", "rest"]


def test_stdout_damaged(shell: Shell, tmp_path: Path) -> None:
    with Service([FakeImage(data=DATA)], {"data": [altered]}) as service:
        result = shell(service, *_SAVE)
    row = alone("To standard output: one byte is another (wrong MD5)")
    check(row, result, service, tmp_path)
    assert len(result.out) == len(DATA)
    assert result.out != DATA


def test_stdout_closed(start: Start, tmp_path: Path) -> None:
    with Service([FakeImage(data=DATA)]) as service:
        process = start(service, *_SAVE)
        assert process.stdout
        assert process.stdout.read(1) == DATA[:1]
        process.stdout.close()
        process.stdout = None
        result = ended(process)
    row = alone("To standard output: the reader has enough (closed pipe)")
    check(row, result, service, tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_stdout_full(start: Start, tmp_path: Path) -> None:
    with Service([FakeImage(data=DATA)]) as service, Path("/dev/full").open("wb") as full:
        result = ended(start(service, *_SAVE, stdout=full))
    check(alone("To standard output: the disk behind it is full"), result, service, tmp_path)


def test_stdout_terminal(start: Start, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with Service([FakeImage(data=DATA)]) as service:
        result = ended(start(service, *_SAVE, stdout=theirs))
    os.close(theirs)
    os.close(ours)
    check(alone("To standard output, which is a terminal"), result, service, tmp_path)
    assert service.kinds == []


def test_progress_on_a_terminal(start: Start, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    with Service([FakeImage(data=DATA, name="an \x1b[31mimage")]) as service:
        process = start(service, *_SAVE, "--file", str(tmp_path / "x"), stderr=theirs)
        assert ended(process).status == 0
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "\\x1b[31mimage: 100%" in shown
