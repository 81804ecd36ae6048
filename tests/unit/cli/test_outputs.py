"""Outputs that do not block: all bytes come out."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from osc_image_v1.cli import data, outputs
from tests.unit.cli.test_base import Number, Numbers
from tests.unit.conftest import Shell, Terminal


class Pipe:
    """A pipe that does not block, and a reader that is slow to begin."""

    def __init__(self) -> None:
        self.reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # Full: nothing can be written until the reader begins.
        self.filled = 0
        with io.FileIO(writing, "w", closefd=False) as raw:
            while written := raw.write(b" " * 2**16):
                self.filled += written
        self.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(writing, "w")), "utf-8")
        self.content = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with io.FileIO(self.reading) as source:
            self.content = source.readall()[self.filled :]

    def close(self) -> bytes:
        self.stdout.close()
        self._thread.join()
        return self.content


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
@pytest.mark.parametrize("fmt", ["json", "csv", "yaml", "table", "value"])
def test_a_long_list(fmt: str, shell: Shell, pipe: Pipe) -> None:
    class Many(Numbers):
        """A list of more than a pipe holds."""

        rows = tuple((number, "é" * 100) for number in range(5000))

    wanted = shell.run(Many, "-f", fmt)
    shell.stdout = pipe.stdout  # type: ignore[assignment]
    command = Many(shell, None)  # type: ignore[no-untyped-call]
    assert command.run(command.get_parser("x").parse_args(["-f", fmt])) == 0
    assert shell.stdout is pipe.stdout
    assert pipe.close().decode() == wanted


def test_one_thing(shell: Shell, pipe: Pipe) -> None:
    shell.stdout = pipe.stdout  # type: ignore[assignment]
    command = Number(shell, None)  # type: ignore[no-untyped-call]
    assert command.run(command.get_parser("x").parse_args(["-f", "json"])) == 0
    assert json.loads(pipe.close()) == {"N": 1, "T": "\ud800"}


def test_data(pipe: Pipe) -> None:
    from osc_image_v1.transfer.files import write_all

    content = os.urandom(3 * 2**20)
    write_all(data._raw(pipe.stdout), content)
    assert pipe.close() == content


def test_nobody_reads(shell: Shell) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        outputs.WaitingOutput(writing).write(b"x")
    os.close(writing)


def test_other_outputs_are_left_alone() -> None:
    class App:
        stdout: Any = io.StringIO()

    for stdout in (io.StringIO(), io.TextIOWrapper(io.BytesIO())):
        App.stdout = stdout
        with outputs.waiting(App):
            assert App.stdout is stdout


def test_a_bar_of_more_than_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    from osc_image_v1.transfer.progress import progress

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress(10**19, "x") as advance:
        advance(5 * 10**18)
        advance(5 * 10**18)
    assert "0 B of 8.7 EiB" in shown.getvalue()
    assert " 8.7 EiB of 8.7 EiB" in shown.getvalue().splitlines()[-1]
