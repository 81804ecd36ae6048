"""Tables on a terminal: IDs stay whole."""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import uuid

import pytest

from osc_image_v1.cli import outputs

IDS = [str(uuid.UUID(int=number + 2**127)) for number in range(2)]

PROGRAM = """
import argparse, sys
from osc_image_v1.cli.outputs import FORMATTERS
given = argparse.Namespace(max_width=int(sys.argv[1]), fit_width=False, print_empty=False)
names = ("ID", "Name", "Disk Format", "Container Format", "Size", "Checksum")
ids = sys.argv[2:]
rows = [(id, "a name of four words", "qcow2", "bare", 1024, "0123456789abcdef" * 2) for id in ids]
FORMATTERS["table"]().emit_list(names, rows, sys.stdout, given)
"""


def on_a_terminal(columns: int, *argv: str) -> list[str]:
    """Run the program on a terminal of some width, and return the lines that it writes."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *argv], stdin=inner, stdout=inner, stderr=inner
    ) as process:
        os.close(inner)
        written = b""
        try:
            while part := os.read(outer, 65536):
                written += part
        except OSError:
            pass  # how Linux says that the other end is closed
        assert process.wait() == 0, written
    os.close(outer)
    return written.decode().splitlines()


def test_a_table_that_fits_is_left_alone() -> None:
    lines = on_a_terminal(200, "0", *IDS)
    assert len(lines) == 6
    assert "0123456789abcdef0123456789abcdef" in lines[3]


def test_other_columns_are_broken_so_that_ids_are_not() -> None:
    lines = on_a_terminal(120, "0", *IDS)
    assert {len(line) for line in lines} == {120}
    for image_id in IDS:
        assert [line for line in lines if line.startswith(f"| {image_id} |")]
    assert "0123456789abcdef0123456789abcdef" not in "".join(lines)


def test_where_ids_alone_are_too_much_nothing_is_broken() -> None:
    lines = on_a_terminal(80, "0", *IDS)
    assert len(lines) == 6
    assert len(lines[0]) > 80


def test_a_width_that_is_asked_for_is_kept_as_cliff_keeps_it() -> None:
    lines = on_a_terminal(200, "110", *IDS)
    assert len(lines) > 6
    assert max(map(len, lines)) <= 110


class Terminal(io.StringIO):
    """An output that is a terminal."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1


def written(columns: int | None, monkeypatch: pytest.MonkeyPatch) -> str:
    def size(descriptor: int) -> os.terminal_size:
        if columns is None:
            raise OSError
        return os.terminal_size((columns, 50))

    monkeypatch.setattr(outputs.os, "get_terminal_size", size)
    terminal = Terminal()
    given = argparse.Namespace(max_width=0, fit_width=False, print_empty=False)
    rows = [(image_id, "a name of four words") for image_id in IDS]
    outputs.FittingTable().emit_list(("ID", "Name"), rows, terminal, given)
    return terminal.getvalue()


def test_what_is_written_depends_on_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = written(200, monkeypatch)
    assert written(40, monkeypatch) == written(None, monkeypatch) == whole
    narrow = written(60, monkeypatch)
    assert IDS[0] in narrow
    assert max(map(len, narrow.splitlines())) <= 60 < max(map(len, whole.splitlines()))


def test_no_row_is_no_table() -> None:
    assert on_a_terminal(80, "0") == [""]


@pytest.mark.parametrize(
    ("widths", "columns", "wanted"),
    [
        ({"ID": 36, "Name": 50}, 80, {"Name": 37}),
        ({"ID": 36, "Name": 10, "Notes": 90}, 80, {"Name": 10, "Notes": 24}),
        ({"ID": 36, "Name": 30, "Notes": 90}, 80, {"Name": 17, "Notes": 17}),
        (
            {"ID": 36, "Container Format": 16, "Notes": 60},
            80,
            {"Container Format": 16, "Notes": 18},
        ),
        ({"ID": 36, "Name": 30, "Server": 36}, 80, {}),
        ({"ID": 36, "Name": 30}, 20, {}),
    ],
)
def test_the_room_is_shared(widths: dict[str, int], columns: int, wanted: dict[str, int]) -> None:
    found = outputs.fitted(widths, columns)
    assert found == wanted
    if found:
        assert sum({**widths, **found}.values()) + 1 + 3 * len(widths) <= columns
