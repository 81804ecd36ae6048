"""Tables that fit a terminal without breaking what is copied out of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cliff.formatters import table

#: Columns of IDs: in two lines they cannot be copied.
_WHOLE = frozenset(("ID", "Server", "Project"))

#: No text column is made narrower.
_LEAST = 8


class FittingTable(table.TableFormatter):
    """cliff's table, but on a terminal that is too narrow for it.

    cliff breaks the widest columns then, which are IDs. Here other columns are broken; where that
    is not enough, nothing is, and the terminal breaks the lines.
    """

    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""

    def emit_list(
        self, column_names: Sequence[str], data: Iterable[Any], stdout: Any, parsed_args: Any
    ) -> None:
        """Write rows as a table."""
        columns = _terminal_width(stdout)
        if columns is None or int(parsed_args.max_width) > 0:
            super().emit_list(column_names, data, stdout, parsed_args)
            return
        import prettytable

        made = prettytable.PrettyTable(column_names, print_empty=parsed_args.print_empty)
        self.add_rows(made, column_names, data)
        text: str = made.get_string()
        widths = _widths(text, column_names)
        if sum(widths.values()) + _frame(widths) > columns:
            made.max_width.update(fitted(widths, columns))
            text = made.get_string()
        stdout.write(text + "\n")


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


def _frame(widths: Mapping[str, int]) -> int:
    """Return how many places of a line go to what stands between and around columns."""
    return 1 + 3 * len(widths)


def fitted(widths: Mapping[str, int], columns: int) -> dict[str, int]:
    """Return the widths that make a table as wide as a terminal; none if it cannot be.

    :param widths: the width of each column's content
    :param columns: of the terminal
    """
    broken = {
        title: width for title, width in widths.items() if title not in _WHOLE and width > _LEAST
    }
    room = columns - _frame(widths) - sum(widths.values()) + sum(broken.values())
    fits: dict[str, int] = {}
    for title in sorted(broken, key=lambda title: broken[title]):
        fits[title] = min(broken[title], room // (len(broken) - len(fits)))
        if fits[title] < max(_LEAST, len(title)):
            # A title is not broken, and takes from what the others share.
            fits[title] = max(_LEAST, len(title))
        room -= fits[title]
    return fits if room >= 0 else {}
