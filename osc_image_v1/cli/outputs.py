"""Outputs that do not block: whoever reads them makes them so, say another program's event loop."""

from __future__ import annotations

import contextlib
import io
import os
import select
from collections.abc import Iterator
from typing import Any

_BUFFER = 64 * 2**10


class WaitingOutput(io.RawIOBase):
    """A file that is written to as if it blocked.

    Python gives up at once where an output that does not block is full, and what it had not written
    is lost.

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
