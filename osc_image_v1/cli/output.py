"""Lists that leave row by row while they come in.

cliff streams csv and value; it collects json, encodes it slowly, and copies each row of csv. The
bytes that come out here are the same.
"""

from __future__ import annotations

import csv
import gc
import io
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from cliff.formatters import base, commaseparated
from osc_lib.command import command

_T = TypeVar("_T")


def started(items: Iterator[_T]) -> Iterator[_T]:
    """Return the same items, the first of them made: an error at once comes before any output.

    :param items: an iterator, say over the rows of a list
    """
    for first in items:
        return itertools.chain((first,), items)
    return iter(())


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
        # The encoder in C knows no indentation: flat rows get theirs by way of its separator.
        flat = json.JSONEncoder(separators=(comma, ": ")).encode
        names = tuple(column_names)
        between = "," if indent else ", "
        stdout.write("[")
        separator = ""
        for row in data:
            if _NESTED.isdisjoint(map(type, row)):
                pairs = flat(dict(zip(names, row, strict=True)))[1:-1]
            else:
                pairs = comma.join(
                    f"{json.dumps(name)}: {_nested(cell, indent)}"
                    for name, cell in zip(names, row, strict=True)
                )
            stdout.write(separator + lead + pairs + end)
            separator = between
        stdout.write(("\n" if indent and separator else "") + "]\n")


_NESTED = frozenset((dict, list, tuple))


def _nested(value: Any, indent: bool) -> str:
    if type(value) not in _NESTED:
        return json.dumps(value)
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


_STREAMED: dict[str, type[base.ListFormatter]] = {"csv": StreamedCsv, "json": StreamedJson}


class Lister(command.Lister):
    """A list command whose rows leave while they come in."""

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the list."""
        streamed = _STREAMED.get(parsed_args.formatter)
        if streamed is not None:
            self.formatter = streamed()
        if parsed_args.sort_columns:
            # What cannot be sorted is listed unsorted: an iterator would be used up by then.
            data = list(data)
        survive_surrogates(self.app.stdout)
        # Rows make no cycles: what the collector would search again and again is alive.
        gc.freeze()
        collecting = gc.isenabled()
        gc.disable()
        try:
            return super().produce_output(parsed_args, column_names, data)
        finally:
            if collecting:
                gc.enable()


class ShowOne(command.ShowOne):
    """A command that shows one thing."""

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the thing."""
        survive_surrogates(self.app.stdout)
        return super().produce_output(parsed_args, column_names, data)


def survive_surrogates(stdout: Any) -> None:
    """Let an output show what it cannot encode as an escape instead of failing.

    :param stdout: a text stream
    """
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(errors="backslashreplace")
