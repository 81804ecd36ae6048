"""Lists that leave row by row while they come in.

cliff streams csv and value; it collects json, encodes it slowly, and copies each row of csv. Of a
table it keeps several copies. The bytes that come out here are the same.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import prettytable
import wcwidth
from cliff.formatters import base, commaseparated

from osc_image_v1.cli import tables

# As many as a page of a list has, mostly.
_BLOCK = 1000


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


class StreamedJson(base.ListFormatter):
    """JSON as cliff writes it, a row at a time."""

    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""

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


class StreamedCsv(base.ListFormatter):
    """csv as cliff writes it, without a copy of each row."""

    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""

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


class StreamedYaml(base.ListFormatter):
    """YAML as cliff writes it, without all rows in memory."""

    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""

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


class StreamedTable(base.ListFormatter):
    """A table as cliff writes it, kept as nothing but text until all widths are known.

    Cells are numbers, booleans, null, and text of one line.
    """

    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""

    def emit_list(
        self, column_names: Sequence[str], data: Iterable[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write a header and rows."""
        rows = iter(data)
        first = next(rows, None)
        if first is None or parsed_args.max_width > 0 or parsed_args.fit_width or _on_terminal():
            # Cells that are to be wrapped, or no row.
            kept = () if first is None else itertools.chain((first,), rows)
            tables.FittingTable().emit_list(column_names, kept, stdout, parsed_args)
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
        self.width = width_of(name)
        # As cliff does it: by the type in the first row.
        self.right = type(first) in (int, float)
        self._blocks: list[str] = []

    def keep(self, cells: Iterable[Any]) -> None:
        """Take the cells of the next block of rows."""
        texts = list(map(str, cells))
        block = _END.join(texts)
        widths = map(len if block.isascii() else width_of, texts)
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
        space = " " * (self.width - width_of(text))
        return space + text if self.right else text + space


def width_of(text: str) -> int:
    """Return how many places a text takes on a terminal."""
    return len(text) if text.isascii() else wcwidth.wcswidth(text)


def _frame(columns: Sequence[_Column]) -> tuple[str, str]:
    """Return the rule and the header of a table."""
    frame = prettytable.PrettyTable([column.name for column in columns])
    for column in columns:
        frame.align[column.name] = "r" if column.right else "l"
    frame.add_row(["-" * column.width for column in columns])
    rule, header, *_ = frame.get_string().splitlines()
    return rule, header


#: What writes a list, by the name of cliff's formatter.
FORMATTERS: dict[str, type[base.ListFormatter]] = {
    "csv": StreamedCsv,
    "json": StreamedJson,
    "table": StreamedTable,
    "yaml": StreamedYaml,
}
