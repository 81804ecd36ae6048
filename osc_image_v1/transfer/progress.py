"""A progress bar for a person at a terminal, and nothing for a script."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from osc_image_v1.text import printable

#: Is told how many more bytes have gone through.
Advance = Callable[[int], object]


@contextlib.contextmanager
def progress(total: int | None, label: str) -> Iterator[Advance]:
    """Show a bar on standard error while bytes flow, if that is a terminal.

    :param total: bytes in all, None where nobody knows
    :param label: what is on its way; may be a server's text
    :returns: a context that gives the function to call with the number of bytes of each piece
    """
    # Standard error may be closed.
    if sys.stderr is None or not sys.stderr.isatty():
        yield _nothing
        return
    import tqdm

    with tqdm.tqdm(
        total=total,
        desc=printable(label),
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        file=sys.stderr,
        **bar_shape(),
    ) as bar:
        yield bar.update


def bar_shape() -> dict[str, Any]:
    """Return how wide a bar is; on a terminal that does not know its size it would not show."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    if columns and lines > 1:
        return {"dynamic_ncols": True}
    return {"ncols": 80, "nrows": 24}


def _nothing(_count: int) -> None:
    return None
