"""Data from a file or a stream that is sent to the service, and what the service has of it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import FileFailed, InvalidInput
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.progress import Advance, progress

# Bytes; larger pieces are no faster.
_CHUNK = 256 * 2**10


class Upload:
    """Data that is sent to the service piece by piece, and its size and MD5.

    Iterating sends it. A file can be sent again from its start, a pipe cannot.

    :param stream: a binary stream
    :param size: the bytes that it must have, by default what a file has; None where nobody knows
    :param label: what it is, for a progress bar
    :ivar size: bytes in all, None where nobody knows before the end
    :ivar sent: bytes that were sent
    :ivar checksum: MD5 of all of it, None before its end
    """

    def __init__(self, stream: BinaryIO, size: int | None = None, label: str = "data") -> None:
        self._stream = stream
        self._start, found = _extent(stream)
        if size is not None and found is not None and size != found:
            raise InvalidInput(f"{label} has {found} bytes, not {size}")
        self.size = found if size is None else size
        self.label = label
        self.sent = 0
        self.checksum: str | None = None
        # What was read to learn whether there is anything.
        self._first: bytes | None = None
        self._sending: Generator[bytes, None, None] | None = None
        # How requests learns the Content-Length. Nothing at all goes chunked: that there is a body
        # is what makes the service take it for data.
        if self.size:
            self.len = self.size

    def __iter__(self) -> Iterator[bytes]:
        self.stop()
        self._sending = self._send()
        return self._sending

    def is_empty(self) -> bool:
        """Tell whether there is no data at all; of a pipe the first piece is waited for.

        :raises FileFailed: if it cannot be read
        """
        if self._start is not None:
            return self.size == 0
        if self._first is None:
            self._first = self._read()
        return not self._first

    def stop(self) -> None:
        """End the bar and the thread of a sending that was broken off."""
        if self._sending is not None:
            self._sending.close()

    def _send(self) -> Generator[bytes, None, None]:
        self._rewind()
        with progress(self.size, self.label) as advance, Digests() as digests:
            yield from self._pieces(digests, advance)
            self.checksum = digests.results()[0]

    def _pieces(self, digests: Digests, advance: Advance) -> Iterator[bytes]:
        while piece := self._next():
            digests.update(piece)
            self.sent += len(piece)
            if self.size is not None and self.sent > self.size:
                raise FileFailed(f"{self.label} has more than the {self.size} bytes expected")
            yield piece
            advance(len(piece))
        if self.size is not None and self.sent < self.size:
            raise FileFailed(
                f"{self.label} ended after {self.sent} of the {self.size} bytes expected"
            )

    def _next(self) -> bytes:
        if self._first is None:
            return self._read()
        first, self._first = self._first, None
        return first

    def _read(self) -> bytes:
        # What a pipe has goes on its way, without waiting for more.
        read = getattr(self._stream, "read1", self._stream.read)
        try:
            piece: bytes = read(_CHUNK)
        except OSError as error:
            raise FileFailed(f"Cannot read {self.label}: {error.strerror or error}") from error
        return piece

    def _rewind(self) -> None:
        if self.sent and self._start is None:
            raise FileFailed(
                f"The service wants a new token in the middle, and {self.label} cannot be sent a "
                "second time: run the command again"
            )
        if self._start is not None:
            self._stream.seek(self._start)
        self.sent = 0
        self.checksum = None


def _extent(stream: BinaryIO) -> tuple[int | None, int | None]:
    """Return where a file stands and the bytes from there on; None for what is no file."""
    try:
        found = os.fstat(stream.fileno())
        start = stream.tell()
    except (OSError, ValueError):
        return None, None
    if not stat.S_ISREG(found.st_mode):
        return None, None
    return start, max(found.st_size - start, 0)


@contextlib.contextmanager
def open_file(path: str, size: int | None = None) -> Iterator[Upload]:
    """Open a file to be sent.

    :param path: the file; a pipe or a device will do
    :param size: the bytes that it must have
    :raises InvalidInput: if it cannot be read, or has another size
    """
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 (closed below, whatever comes)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"Cannot read '{printable(path)}': {reason}") from error
    with stream:
        yield Upload(stream, size, f"'{printable(path)}'")


def is_as_sent(image: ImageDetail, data: Upload) -> bool:
    """Tell whether an image is active and has the data that was sent, as far as its service tells.

    :param image: the image
    :param data: what was sent
    """
    if image.status != "active" or data.checksum is None or image.size != data.sent:
        return False
    return image.checksum is None or image.checksum.lower() == data.checksum
