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
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.cli import outputs
from osc_image_v1.text import printable

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
    return command_on_a_terminal(columns, [sys.executable, "-c", PROGRAM, *argv])


def command_on_a_terminal(columns: int, command: list[str]) -> list[str]:
    """Run a command on a terminal of some width, and return the lines that it writes."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner) as process:
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

    encoding = "utf-8"

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


TITLES = ("ID", "Name", "Disk Format", "Container Format", "Size", "Checksum", "Status")
EXPENDABLE = ("Checksum", "Container Format", "Disk Format")
WHOLE = (
    IDS[0],
    "the image of autumn 2026, second try",
    "qcow2",
    "bare",
    2**34,
    "0f" * 16,
    "active",
)


def first_list(
    columns: int, monkeypatch: pytest.MonkeyPatch, name: str = WHOLE[1]
) -> tuple[list[str], list[str]]:
    """The titles and the lines that a list has on a terminal of some width."""
    size = os.terminal_size((columns, 50))
    monkeypatch.setattr(outputs.os, "get_terminal_size", lambda _descriptor: size)
    monkeypatch.setattr(outputs, "_on_terminal", lambda: True)
    terminal, table = Terminal(), outputs.StreamedTable()
    table.expendable = EXPENDABLE
    given = argparse.Namespace(max_width=0, fit_width=False, print_empty=False)
    rows = [(WHOLE[0], name, *WHOLE[2:]), (IDS[1], None, *WHOLE[2:])]
    table.emit_list(TITLES, iter(rows), terminal, given)
    lines = terminal.getvalue().splitlines()
    return [title.strip() for title in lines[1].strip("|").split("|")], lines


@pytest.mark.parametrize(
    ("columns", "left_out"),
    [(200, 0), (170, 0), (150, 0), (115, 1), (98, 2), (80, 3), (78, 3)],
)
def test_a_narrow_terminal_does_without_some_columns(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, columns: int, left_out: int
) -> None:
    titles, lines = first_list(columns, monkeypatch)
    assert titles == [title for title in TITLES if title not in EXPENDABLE[:left_out]]
    assert {outputs._width_of(line) for line in lines} == {outputs._width_of(lines[0])}
    assert outputs._width_of(lines[0]) <= columns
    assert len(lines) == 6
    assert IDS[0] in lines[3]
    assert str(2**34) in lines[3]
    told = [f"No room for {', '.join(EXPENDABLE[:left_out])}: -c shows columns, and a wider window"]
    assert [message.removesuffix(" shows all") for message in caplog.messages] == told[
        : left_out > 0
    ]


def test_names_are_shortened_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    _titles, lines = first_list(80, monkeypatch)
    assert "| the ima\u2026nd try |" in lines[3]
    assert "| None " in lines[4]
    _titles, lines = first_list(80, monkeypatch, "\u6771" * 40)
    assert f"| {chr(0x6771) * 3}\u2026{chr(0x6771) * 3} " in lines[3]
    _titles, lines = first_list(150, monkeypatch)
    assert "\u2026" in lines[3]
    _titles, lines = first_list(200, monkeypatch)
    assert WHOLE[1] in lines[3]


@given(st.text(), st.integers(1, 40), st.sampled_from(["utf-8", "ascii", None, "no-such"]))
def test_what_is_shortened_fits(text: str, width: int, encoding: str | None) -> None:
    text = printable(text)
    short = outputs.shortened(text, width, encoding)
    assert short == text or outputs._width_of(short) <= max(width, 3)
    assert short == text or outputs._width_of(text) > width


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
