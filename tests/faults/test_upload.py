"""``image v1 create`` and ``set`` with data, to a service that breaks on purpose."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from tests.faults import server
from tests.faults.conftest import Result
from tests.faults.rows import DATA
from tests.faults.server import Answer, FakeImage, Service, Undone, lost, midway
from tests.faults.test_save import said
from tests.faults.test_save_alone import Shell, Start, ended, nobody
from tests.faults.upload_rows import ACTIVE, CREATE, NONE, UPLOADS, UploadRow, alone

_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_STDIN = ("create", "--stdin", *CREATE[3:])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def check(row: UploadRow, result: Result, service: Service, directory: Path) -> None:
    """Check what a person read, the exit status, and what is left on the service."""
    text = re.sub(r"\b\d{5,}\b", "<n>", _UUID.sub("<image>", said(result, service, directory)))
    says = re.sub(r"\b\d{5,}\b", "<n>", row.says)
    lines = text.split("\n")[bool(row.waited and row.status) :]
    # Of two lines the first says what is left.
    assert (lines[0], result.status) == (says, row.status)
    left = list(service.images.values())
    if row.on_service == NONE:
        assert left == []
    elif row.on_service == ACTIVE:
        assert [(image.status, image.data == DATA) for image in left] == [("active", True)]
    elif "other" not in row.on_service:
        assert [f"the image, {image.status}" for image in left] == [row.on_service]


def command_of(row_command: Sequence[str], directory: Path) -> list[str]:
    words = [word.replace("<directory>", str(directory)) for word in row_command]
    # What is shown of the new image is not looked at here.
    return ["image", "v1", *words, *(["-f", "value", "-c", "id"] if "create" in words else [])]


@pytest.mark.parametrize("row", UPLOADS, ids=lambda row: row.name)
def test_upload(row: UploadRow, shell: Shell, tmp_path: Path, source: Path) -> None:
    images = [FakeImage(status="queued", has_checksum=False)] if "set" in row.command else []
    with Service(images, row.faults, keystone=row.keystone) as service:
        command = command_of(row.command, tmp_path)
        result = shell(service, "--os-image-v1-timeout", "0.5", *command)
    check(row, result, service, tmp_path)
    if row.waited:
        (waiting, *_) = result.err.split("\n")
        assert f"is {row.waited}: waiting for that, " in waiting
    else:
        assert result.err.count("\n") == bool(row.says)
    if row.asked:
        assert service.kinds == list(row.asked)


def _changes_size(source: Path, size: int) -> server.Fault:
    """The file gets another size when its record is made."""

    def fault(answer: server.Answer, service: Service) -> server.Answer:
        os.truncate(source, size)
        return answer

    return fault


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("The file gets shorter while it is read", len(DATA) - 100_000),
        ("The file gets longer while it is read", len(DATA) + 100_000),
    ],
)
def test_source_changes(name: str, size: int, shell: Shell, tmp_path: Path, source: Path) -> None:
    with Service([], {"create": [_changes_size(source, size)]}) as service:
        result = shell(service, *command_of(CREATE, tmp_path))
        _settle(service)
    check(alone(name), result, service, tmp_path)


def _settle(service: Service, status: str = "killed") -> None:
    """Wait until the service has noticed that nothing more comes."""
    for _ in range(200):
        if all(image.status == status for image in service.images.values()):
            return
        threading.Event().wait(0.02)


def test_no_source(shell: Shell, tmp_path: Path) -> None:
    with Service() as service:
        result = shell(service, *command_of(CREATE, tmp_path))
        check(alone("The file is not there"), result, service, tmp_path)
        (tmp_path / "source").mkdir()
        result = shell(service, *command_of(CREATE, tmp_path))
        check(alone("The file is a directory"), result, service, tmp_path)
    assert service.kinds == []
    assert result.err.count("\n") == 1


def test_source_not_readable(
    shell: Shell, tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the shell looks up in its environment, which someone else may not be able to read.
    monkeypatch.setattr(metadata, "version", functools.cache(metadata.version))
    with Service() as service:
        # What the command loads can only be read by whoever runs the tests.
        shell(service, *command_of(CREATE, tmp_path))
        service.images.clear()
        service.asked.clear()
        source.chmod(0)
        with nobody():
            result = shell(service, *command_of(CREATE, tmp_path))
    check(alone("The file may not be read"), result, service, tmp_path)
    assert service.kinds == []


def test_other_size(shell: Shell, tmp_path: Path, source: Path) -> None:
    with Service() as service:
        result = shell(service, *command_of(CREATE, tmp_path), "--size", "5")
    check(alone("The file has not the size that ``--size`` says"), result, service, tmp_path)
    assert service.kinds == []


def _fed(process: subprocess.Popen[bytes], data: bytes) -> Result:
    """What comes of a command that gets data by a pipe."""
    with contextlib.suppress(BrokenPipeError):
        out, err = process.communicate(data, timeout=60)
    return Result(process.returncode, out, err.decode())


def test_pipe_ends_early(start: Start, tmp_path: Path) -> None:
    with Service() as service:
        command = command_of(_STDIN, tmp_path)
        process = start(service, *command, "--size", str(len(DATA) + 5), stdin=subprocess.PIPE)
        result = _fed(process, DATA)
        _settle(service)
    row = alone("``--stdin``, and the pipe has fewer bytes than ``--size`` says")
    check(row, result, service, tmp_path)


def test_pipe_that_is_none_to_the_service(start: Start, tmp_path: Path) -> None:
    def queued(_answer: Answer, service: Service) -> Answer:
        (image,) = service.images.values()
        return server.as_json({"image": image.record()})

    with Service([], {"upload": [Undone(queued)]}) as service:
        process = start(service, *command_of(_STDIN, tmp_path), stdin=subprocess.PIPE)
        result = _fed(process, DATA)
        _settle(service)
        assert service.kinds == ["create", "upload", "upload"]
        assert "content-length" in service.asked[-1].headers
    row = alone("``--stdin``, and a body without a length is none to the service: sent again")
    check(row, result, service, tmp_path)


def test_pipe_and_no_token(start: Start, tmp_path: Path) -> None:
    faults = {"create": [server.expires(lambda answer, service: answer)]}
    with Service([], faults, keystone=True) as service:
        process = start(service, *command_of(_STDIN, tmp_path), stdin=subprocess.PIPE)
        result = _fed(process, DATA)
        _settle(service)
    row = alone("``--stdin``, and the token expires before the data")
    check(row, result, service, tmp_path)


@pytest.mark.parametrize(
    ("name", "number"),
    [("Control-C", signal.SIGINT), ("SIGTERM", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)],
)
def test_signal(name: str, number: int, start: Start, tmp_path: Path, source: Path) -> None:
    with Service([], {"upload": [midway(lost("stall"))]}) as service:
        process = start(service, *command_of(CREATE, tmp_path))
        assert service.reached.wait(60)
        _settle(service)
        process.send_signal(number)
        result = ended(process)
    check(alone(name), result, service, tmp_path)
