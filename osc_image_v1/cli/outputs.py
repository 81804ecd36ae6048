"""How output is written: JSON, csv and YAML, tables, variables of a shell, and where it goes.

Lists leave row by row while they come in. cliff streams csv and value; it collects json, encodes it
slowly, and copies each row of csv. Of a table it keeps several copies. The bytes that come out here
are the same, but for tables on a terminal, which do not break what is copied out of them, and for
``-f shell``, which a shell can run whatever a service sends.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import logging
import os
import re
import select
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import prettytable
from cliff.formatters import base, commaseparated
from cliff.formatters import table as cliff_table

from osc_image_v1.cli.columns import IDS
from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)

# As many as a page of a list has, mostly.
_BLOCK = 1000
_BUFFER = 64 * 2**10

_NOT_IN_NAMES = re.compile("[^0-9A-Za-z_]")
# All of ASCII that means nothing between double quotes, not even when it is pasted: these values
# look as cliff's own do. Single quotes are for the rest: no multi-byte encoding has a character
# that ends in the byte of one.
_PLAIN = re.compile("""[\t\n -~]*""")
_ACTIVE = re.compile(r"""[!"$`\\]""")

#: No text column is made narrower.
_LEAST = 8
# Before names are made shorter, columns that may be left out are.
_LEAST_NAME = 12


class _NoOptions:
    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""


def _blocks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield rows by the thousand, and before an error those that came until then."""
    block = []
    try:
        for row in rows:
            block.append(row)
            if len(block) == _BLOCK:
                yield block
                block = []
    except (Exception, KeyboardInterrupt):
        if block:
            yield block
        raise
    if block:
        yield block


class StreamedJson(_NoOptions, base.ListFormatter):
    """JSON as cliff writes it, a row at a time."""

    def emit_list(
        self, column_names: Sequence[str], data: Iterable[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write rows as a list of objects."""
        indent = not parsed_args.noindent
        lead, comma, end = ("\n  {\n    ", ",\n    ", "\n  }") if indent else ("{", ", ", "}")
        names = [json.dumps(name).replace("%", "%%") for name in column_names]
        fill = (lead + comma.join(f"{name}: %s" for name in names) + end).__mod__
        between = "," if indent else ", "
        stdout.write("[")
        separator = ""
        try:
            for block in _blocks(data):
                cells = iter(_encoded([cell for row in block for cell in row], indent))
                filled = map(fill, zip(*[cells] * len(names), strict=True))
                stdout.write(separator + between.join(filled))
                separator = between
        finally:
            # After an error too: what came until then can be read.
            stdout.write(("\n" if indent and separator else "") + "]\n")


_NESTED = frozenset((dict, list, tuple))


def _encoded(cells: list[Any], indent: bool) -> list[str]:
    """Return cells as JSON."""
    nested = {i: _nested(cell, indent) for i, cell in enumerate(cells) if type(cell) in _NESTED}
    for i in nested:
        cells[i] = None
    # One call of the encoder in C for all of them; what it makes of a text has no line break.
    encoded = json.JSONEncoder(separators=("\n", ":")).encode(cells)[1:-1].split("\n")
    for i, text in nested.items():
        encoded[i] = text
    return encoded


def _nested(value: Any, indent: bool) -> str:
    return json.dumps(value, indent=2).replace("\n", "\n    ") if indent else json.dumps(value)


class StreamedCsv(_NoOptions, base.ListFormatter):
    """csv as cliff writes it, without a copy of each row."""

    def emit_list(
        self, column_names: Sequence[str], data: Iterable[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write a header and rows."""
        writer = csv.writer(
            stdout,
            quoting=commaseparated.CSVLister.QUOTE_MODES[parsed_args.quote_mode],
            lineterminator=os.linesep,
            escapechar="\\",
        )
        writer.writerow(column_names)
        writer.writerows(data)


class StreamedYaml(_NoOptions, base.ListFormatter):
    """YAML as cliff writes it, without all rows in memory."""

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Any],
        stdout: Any,
        parsed_args: Any,  # noqa: ARG002
    ) -> None:
        """Write rows as a list of mappings."""
        import yaml

        empty = True
        try:
            for block in _blocks(data):
                empty = False
                rows = [dict(zip(column_names, row, strict=True)) for row in block]
                yaml.safe_dump(rows, stdout, default_flow_style=False)
        finally:
            if empty:
                stdout.write("[]\n")


class FittingTable(_NoOptions, cliff_table.TableFormatter):
    """cliff's table, but on a terminal that is too narrow for it.

    cliff breaks the widest columns then, which are IDs. Here columns are left out that nobody has
    asked for, names beside an ID are shortened, and other columns are broken; where that is not
    enough, nothing is, and the terminal breaks the lines.

    :ivar expendable: titles of columns that may be left out, the first of them first
    """

    expendable: Sequence[str] = ()

    def emit_list(
        self, column_names: Sequence[str], data: Iterable[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write rows as a table."""
        columns = _terminal_width(stdout)
        if columns is None or int(parsed_args.max_width) > 0:
            super().emit_list(column_names, data, stdout, parsed_args)
            return
        rows = list(data)
        made = self._made(column_names, rows, parsed_args)
        text: str = made.get_string()
        widths = _widths(text, column_names)
        left_out: list[str] = []
        if sum(widths.values()) + _between(widths) > columns:
            left_out, fits = _with_less(widths, columns, self.expendable)
            if "Name" in fits and not IDS.isdisjoint(column_names):
                rows = _with_short_names(column_names, rows, fits["Name"], stdout)
                made = self._made(column_names, rows, parsed_args)
            made.max_width.update(fits)
            text = made.get_string(fields=[name for name in column_names if name not in left_out])
        stdout.write(text + "\n")
        if left_out:
            stdout.flush()
            LOG.warning(
                _("No room for %s: -c shows columns, and a wider window shows all"),
                ", ".join(left_out),
            )

    def _made(
        self, column_names: Sequence[str], rows: Sequence[Any], parsed_args: Any
    ) -> prettytable.PrettyTable:
        made = prettytable.PrettyTable(column_names, print_empty=parsed_args.print_empty)
        self.add_rows(made, column_names, rows)
        return made


def _with_less(
    widths: Mapping[str, int], columns: int, expendable: Sequence[str]
) -> tuple[list[str], dict[str, int]]:
    """Return which columns to leave out, and how wide the others are to be.

    :param widths: the width of each column's content
    :param columns: of the terminal
    :param expendable: titles of columns that may be left out, the first of them first
    """
    left_out: list[str] = []
    kept: dict[str, int] = {}
    for gone in ("", *expendable):
        if gone in widths:
            left_out.append(gone)
        kept = {title: width for title, width in widths.items() if title not in left_out}
        name = kept.get("Name", 0)
        room = columns - _between(kept) - sum(kept.values()) + name
        if room >= name:
            return left_out, {}
        if expendable and room >= _LEAST_NAME:
            return left_out, {"Name": room}
    return left_out, fitted(kept, columns)


def _with_short_names(
    titles: Sequence[str], rows: Sequence[Any], width: int, stdout: Any
) -> list[list[Any]]:
    place = titles.index("Name")
    short = [list(row) for row in rows]
    for row in short:
        if isinstance(row[place], str):
            row[place] = shortened(row[place], width, stdout.encoding)
    return short


def shortened(text: str, width: int, encoding: str | None = "utf-8") -> str:
    """Return a text without its middle where it is too wide.

    :param text: a text of one line
    :param width: places on a terminal
    :param encoding: of the terminal, which may have no ellipsis
    """
    if _width_of(text) <= width:
        return text
    try:
        gap = "\u2026"
        gap.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        gap = "..."
    room = max(width - len(gap), 0)
    begin, end = (room + 1) // 2, room // 2
    while _width_of(text[:begin]) > (room + 1) // 2:
        begin -= 1
    while end and _width_of(text[-end:]) > room // 2:
        end -= 1
    return text[:begin] + gap + (text[-end:] if end else "")


def _terminal_width(stdout: Any) -> int | None:
    """Return the width of the terminal that an output is, None if it is none."""
    try:
        return os.get_terminal_size(stdout.fileno()).columns if stdout.isatty() else None
    except (OSError, ValueError, AttributeError):
        return None


def _widths(text: str, titles: Sequence[str]) -> dict[str, int]:
    """Return the width of each column's content, as the line above a table shows it."""
    parts = text.partition("\n")[0].split("+")[1:-1]
    return {title: len(part) - 2 for title, part in zip(titles, parts, strict=False)}


def _between(widths: Mapping[str, int]) -> int:
    """Return how many places of a line go to what stands between and around columns."""
    return 1 + 3 * len(widths)


def fitted(widths: Mapping[str, int], columns: int) -> dict[str, int]:
    """Return the widths that make a table as wide as a terminal; none if it cannot be.

    :param widths: the width of each column's content
    :param columns: of the terminal
    """
    broken = {
        title: width for title, width in widths.items() if title not in IDS and width > _LEAST
    }
    room = columns - _between(widths) - sum(widths.values()) + sum(broken.values())
    fits: dict[str, int] = {}
    for title in sorted(broken, key=lambda title: broken[title]):
        fits[title] = min(broken[title], room // (len(broken) - len(fits)))
        if fits[title] < max(_LEAST, len(title)):
            # A title is not broken, and takes from what the others share.
            fits[title] = max(_LEAST, len(title))
        room -= fits[title]
    return fits if room >= 0 else {}


class StreamedTable(_NoOptions, base.ListFormatter):
    """A table as cliff writes it, kept as nothing but text until all widths are known.

    A hundred thousand images take 8 MiB so, and a sixth of the time; cliff's takes 91 MiB. Cells
    are numbers, booleans, null, and text of one line.

    :ivar expendable: as a :class:`FittingTable` has it
    """

    expendable: Sequence[str] = ()

    def emit_list(
        self, column_names: Sequence[str], data: Iterable[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write a header and rows."""
        rows = iter(data)
        first = next(rows, None)
        if first is None or parsed_args.max_width > 0 or parsed_args.fit_width or _on_terminal():
            # Cells that are to be wrapped, or no row.
            kept = () if first is None else itertools.chain((first,), rows)
            fitting = FittingTable()
            fitting.expendable = self.expendable
            fitting.emit_list(column_names, kept, stdout, parsed_args)
            return
        columns = [_Column(name, cell) for name, cell in zip(column_names, first, strict=True)]
        for block in _blocks(itertools.chain((first,), rows)):
            for column, cells in zip(columns, zip(*block, strict=True), strict=True):
                column.keep(cells)
        rule, header = _frame(columns)
        stdout.write(f"{rule}\n{header}\n{rule}\n")
        for padded in zip(*columns, strict=True):
            lines = map(" | ".join, zip(*padded, strict=True))
            stdout.write("| " + " |\n| ".join(lines) + " |\n")
        stdout.write(rule + "\n")


# Text for a table has no control characters.
_END = "\n"


def _on_terminal() -> bool:
    return sys.stdout.isatty()


class _Column:
    """The cells of a column: one text for each block of rows.

    :ivar name: the header
    :ivar width: places on a terminal that the widest cell takes
    :ivar right: whether cells stand to the right
    """

    def __init__(self, name: str, first: Any) -> None:
        self.name = name
        self.width = _width_of(name)
        # As cliff does it: by the type in the first row.
        self.right = type(first) in (int, float)
        self._blocks: list[str] = []

    def keep(self, cells: Iterable[Any]) -> None:
        """Take the cells of the next block of rows."""
        texts = list(map(str, cells))
        block = _END.join(texts)
        widths = map(len if block.isascii() else _width_of, texts)
        self.width = max(self.width, *widths)
        self._blocks.append(block)

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the padded cells of each block."""
        for block in self._blocks:
            texts = block.split(_END)
            if not block.isascii():
                yield [self._padded(text) for text in texts]
            elif self.right:
                yield [text.rjust(self.width) for text in texts]
            else:
                yield [text.ljust(self.width) for text in texts]

    def _padded(self, text: str) -> str:
        space = " " * (self.width - _width_of(text))
        return space + text if self.right else text + space


def _width_of(text: str) -> int:
    """Return how many places a text takes on a terminal."""
    if text.isascii():
        return len(text)
    import wcwidth

    return wcwidth.wcswidth(text)


def _frame(columns: Sequence[_Column]) -> tuple[str, str]:
    """Return the rule and the header of a table."""
    frame = prettytable.PrettyTable([column.name for column in columns])
    for column in columns:
        frame.align[column.name] = "r" if column.right else "l"
    frame.add_row(["-" * column.width for column in columns])
    rule, header, *_ = frame.get_string().splitlines()
    return rule, header


class ShellVariables(_NoOptions, base.SingleFormatter):
    """Variables of a shell, each with exactly the text of the field after ``eval``.

    cliff puts values between double quotes and escapes nothing but these: a name of an image that
    holds ``$(...)`` or a backquote is run by the shell that reads it.
    """

    def emit_one(
        self, column_names: Sequence[str], data: Sequence[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write an assignment for each field; of two with one name the first."""
        wanted = parsed_args.variables
        written: set[str] = set()
        for column, value in zip(column_names, data, strict=True):
            name = variable_name(column, parsed_args.prefix)
            chosen = not wanted or column.lower().replace(" ", "_") in wanted
            if chosen and name not in written:
                written.add(name)
                stdout.write(f"{name}={quoted(str(value))}\n")


def variable_name(column: str, prefix: str = "") -> str:
    """Return the variable that a column becomes.

    :param column: a title, or the name of a field as the service has it
    :param prefix: what the person wants before it
    """
    name = _NOT_IN_NAMES.sub("_", prefix + column.lower())
    return f"_{name}" if not name or name[0].isdigit() else name


def quoted(text: str) -> str:
    r"""Return a text as one word of a shell.

    :param text: any text; a NUL, which no variable can hold, is shown as ``\x00``
    """
    text = text.replace("\0", r"\x00")
    if _PLAIN.fullmatch(text) and not _ACTIVE.search(text):
        return f'"{text}"'
    return shlex.quote(text)


#: What writes a list, by the name of cliff's formatter.
FORMATTERS: dict[str, type[base.ListFormatter]] = {
    "csv": StreamedCsv,
    "json": StreamedJson,
    "table": StreamedTable,
    "yaml": StreamedYaml,
}


class WaitingOutput(io.RawIOBase):
    """A file that is written to as if it blocked.

    Whoever reads an output can make it so that it does not block, say another program's event loop.
    Python gives up at once where that is full, and what it had not written is lost.

    :param fd: an open file descriptor, which stays open
    """

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return os.isatty(self._fd)

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write as much as goes at once, after a wait where that is nothing.

        :returns: how many bytes were written
        :raises BrokenPipeError: if nobody reads it
        """
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll()


@contextlib.contextmanager
def waiting(app: Any) -> Iterator[None]:
    """Let an app's standard output wait until it can be written to.

    :param app: has the attribute ``stdout``, a text stream
    """
    stdout = app.stdout
    if not isinstance(stdout, io.TextIOWrapper) or not _gives_up(stdout):
        yield
        return
    stdout.flush()
    app.stdout = io.TextIOWrapper(
        io.BufferedWriter(WaitingOutput(stdout.fileno()), _BUFFER),
        encoding=stdout.encoding,
        errors=stdout.errors,
        newline="",
    )
    try:
        yield
    finally:
        app.stdout = stdout


def _gives_up(stdout: io.TextIOWrapper) -> bool:
    try:
        return not os.get_blocking(stdout.fileno())
    except (OSError, ValueError):
        return False
