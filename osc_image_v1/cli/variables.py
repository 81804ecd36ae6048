"""What ``-f shell`` writes: assignments that a shell can run, whatever a service sends.

cliff puts values between double quotes and escapes nothing but these: a name of an image that
holds ``$(...)`` or a backquote is run by the shell that reads it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from cliff.formatters import base

_NOT_IN_NAMES = re.compile("[^0-9A-Za-z_]")
# All of ASCII that means nothing between double quotes, not even when it is pasted: these values
# look as cliff's own do. Single quotes are for the rest: no multi-byte encoding has a character
# that ends in the byte of one.
_PLAIN = re.compile("""[\t\n -~]*""")
_ACTIVE = re.compile(r"""[!"$`\\]""")


class ShellVariables(base.SingleFormatter):
    """Variables of a shell, each with exactly the text of the field after ``eval``."""

    def add_argument_group(self, parser: Any) -> None:
        """Add nothing: cliff's own formatter has added its options."""

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
