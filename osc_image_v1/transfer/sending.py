"""Data on its way into a service, verified before its end."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from osc_image_v1.api.models import ACTIVE, ImageDetail
from osc_image_v1.api.records import as_checksum, checksum_algorithm
from osc_image_v1.exceptions import ContentMismatch, FileFailed, InvalidInput, TransferStopped
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.files import temporary_file
from osc_image_v1.transfer.formats import Seen, inspect
from osc_image_v1.transfer.progress import Advance, progress

# Bytes; larger pieces are no faster.
_CHUNK = 256 * 2**10
# So many bytes after the start a service that stores them says so.
_TELLING = 8 * 2**20


def _same(source: ImageSource) -> ImageSource:
    return source


@dataclass(frozen=True)
class ImageSource:
    """The data of an image, which can be read again from its start.

    :ivar size: bytes that it must have, None where nobody knows
    :ivar md5: what its MD5 must be, None where nobody knows
    :ivar read: begins anew and yields pieces; it need not verify them
    :ivar checksum: what its checksum by another algorithm must be, None where nobody knows
    :ivar held: whether the last piece waits until all is known to be right
    :ivar end: returns so many bytes of its end, None where these cannot be had alone
    :ivar paced: returns another source that is read no faster than this one
    """

    size: int | None
    md5: str | None
    read: Callable[[], Iterable[bytes]]
    checksum: str | None = None
    held: bool = True
    end: Callable[[int], bytes] | None = None
    paced: Callable[[ImageSource], ImageSource] = _same

    def look(self) -> Seen | None:
        """Look at the beginning of the data, and no further; return what it is.

        :returns: None where oslo.utils has no inspectors
        """
        pieces = iter(self.read())
        try:
            return inspect(pieces, self.size, self.end)
        finally:
            if isinstance(pieces, Generator):
                pieces.close()

    @property
    def vouched(self) -> bool:
        """Whether a checksum vouches for the data."""
        return self.md5 is not None or self.checksum is not None


class StreamSource(ImageSource):
    """The data of a file, which can be read again from where it stood, or of a pipe, which cannot.

    Its pieces go on their way as they come, and a bar shows that.

    :param stream: a binary stream
    :param size: the bytes that it must have, by default what a file has; None where nobody knows
    :param label: what it is, for errors and the bar
    :raises InvalidInput: if it is a file of another size
    """

    def __init__(self, stream: BinaryIO, size: int | None = None, label: str = "data") -> None:
        self._stream = stream
        self._start, found = _extent(stream)
        if size is not None and found is not None and size != found:
            raise InvalidInput(f"{label} has {found} bytes, not {size}")
        self.label = label
        self._sent = 0
        # What was read to learn whether there is anything.
        self._first: bytes | None = None
        super().__init__(found if size is None else size, None, self._begin, held=False)

    def is_empty(self) -> bool:
        """Tell whether there is no data at all; of a pipe the first piece is waited for.

        :raises FileFailed: if it cannot be read
        """
        if self._start is not None:
            return self.size == 0
        if self._first is None:
            self._first = self._read()
        return not self._first

    def _begin(self) -> Iterator[bytes]:
        if self._sent and self._start is None:
            raise FileFailed(
                f"The service wants a new token in the middle, and {self.label} cannot be sent a "
                "second time: run the command again"
            )
        if self._start is not None:
            self._stream.seek(self._start)
        self._sent = 0
        return self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        with progress(self.size, self.label) as advance:
            while piece := self._next():
                self._sent += len(piece)
                if self.size is not None and self._sent > self.size:
                    raise FileFailed(f"{self.label} has more than the {self.size} bytes expected")
                yield piece
                advance(len(piece))
            if self.size is not None and self._sent < self.size:
                raise FileFailed(
                    f"{self.label} ended after {self._sent} of the {self.size} bytes expected"
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
def open_file(path: str, size: int | None = None) -> Iterator[StreamSource]:
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
        yield StreamSource(stream, size, f"'{printable(path)}'")


class Sending:
    """Data on its way: iterating reads it anew, and lets out the last piece only if all is right.

    What stops it there breaks the request off, and the service takes nothing for whole. The last
    piece of a stream, of which nothing is known that could be wrong, goes as it comes.

    :param source: the data
    :param advance: is told how many more bytes have gone out, less than 0 where it begins anew
    :param stop: ends it when it is set
    :param algorithm: the name of a further checksum that the service will show
    :ivar size: bytes that it must have, None where nobody knows
    :ivar expected: what its MD5 must be, None where nobody knows
    :ivar sent: bytes
    :ivar md5: of all of it, None before its end
    :ivar digest: the further checksum
    :ivar paced: returns another source that is read no faster than this data
    :ivar keep: is given each piece before it goes
    """

    def __init__(
        self,
        source: ImageSource,
        advance: Advance = lambda _count: None,
        stop: threading.Event | None = None,
        algorithm: str | None = None,
    ) -> None:
        self.size = source.size
        self.expected = source.md5
        self.paced = source.paced
        self._checksum = as_checksum(source.checksum)
        self._source = source
        self._advance = advance
        self._stop = stop or threading.Event()
        self._algorithm = algorithm
        self._out = 0
        self.sent = 0
        self.md5: str | None = None
        self.digest: str | None = None
        self.keep: Callable[[bytes], object] = lambda _piece: None
        self._begun: tuple[list[bytes], Iterator[bytes]] | None = None
        self._going: Generator[bytes, None, None] | None = None
        # How requests learns the Content-Length. Nothing at all goes chunked: that there is a
        # body is what makes the service take it for data.
        if source.size:
            self.len = source.size

    def __iter__(self) -> Iterator[bytes]:
        self.close()
        self._going = self._send()
        return self._going

    def close(self) -> None:
        """End the thread, and the bar, of a sending that was broken off."""
        if self._going is not None:
            self._going.close()

    def _send(self) -> Generator[bytes, None, None]:
        begun, self._begun = self._begun, None
        first, pieces = begun or ([], iter(self._source.read()))
        # What cannot be sent a second time stays as it was sent before.
        self._advance(-self._out)
        self._out, self.sent, self.md5, self.digest = 0, 0, None, None
        held = b""
        algorithm = checksum_algorithm(self._checksum)
        with Digests("md5", algorithm, self._algorithm) as digests:
            for piece in self._sized(itertools.chain(first, pieces)):
                digests.update(piece)
                ready, held = (held, piece) if self._source.held else (piece, b"")
                if ready:
                    yield self._let_out(ready)
            md5, checksum = digests.of("md5"), digests.of(algorithm)
            digest = digests.of(self._algorithm)
        self._check("MD5", md5, self.expected)
        self._check(str(algorithm).upper(), checksum, self._checksum)
        self.md5, self.digest = md5, digest
        if held:
            yield self._let_out(held)

    def begin(self) -> None:
        """Read the first piece, to see whether there is any."""
        pieces = iter(self._source.read())
        self._begun = [next(pieces, b"")], pieces

    def look(self) -> Seen | None:
        """Look at what has been begun, and read on where that does not tell what it is.

        :returns: None where oslo.utils has no inspectors
        """
        if self._begun is None:
            self.begin()
        return inspect(self._peek(), self.size, self._source.end)

    def _peek(self) -> Iterator[bytes]:
        """Yield the data from its start, and keep what is read for when it is sent."""
        kept, pieces = self._begun or ([], iter(()))
        yield from tuple(kept)
        for piece in pieces:
            kept.append(piece)
            yield piece

    def _sized(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._stop.is_set():
                raise TransferStopped("The transfer was stopped")
            self.sent += len(piece)
            if self.size is not None and self.sent > self.size:
                raise ContentMismatch(
                    f"The data is damaged here: it has more than {self.size} bytes"
                )
            if piece:
                yield piece

    def _let_out(self, piece: bytes) -> bytes:
        self.keep(piece)
        self._out += len(piece)
        self._advance(len(piece))
        return piece

    def _check(self, algorithm: str, digest: str | None, expected: str | None) -> None:
        if self.size not in (None, self.sent):
            raise ContentMismatch(
                f"The data is damaged here: {self.sent} bytes came, not {self.size}"
            )
        if expected not in (None, digest):
            raise ContentMismatch(
                f"The data is damaged here: its {algorithm} is {digest}, not {expected}"
            )


class Kept:
    """What is sent without its size, in a temporary file until it is known that the service has it.

    Some services take a body without a length for none, and say so in the end. So it is kept as far
    as half of the room goes that there is for it.

    :param arrives: tells whether the service has begun to store what comes
    """

    def __init__(self, arrives: Callable[[], bool]) -> None:
        self._arrives = arrives
        self._size = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Kept:
        with contextlib.suppress(OSError, FileFailed):
            self._file = temporary_file()
        return self

    def __exit__(self, *error: object) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def add(self, piece: bytes) -> None:
        """Keep a piece, unless no more are needed or there is no room for it."""
        if self._file is None:
            return
        before, self._size = self._size, self._size + len(piece)
        try:
            self._file.write(piece)
            room = os.statvfs(self._file.fileno())
            needless = before < _TELLING <= self._size and self._arrives()
            if needless or room.f_bavail * room.f_frsize < self._size:
                self._drop()
        except OSError:
            self._drop()

    def again(self, sent: Sending) -> Sending | None:
        """Return what was sent, with its size; None where not all of it is here.

        :param sent: what was sent to its end
        """
        if self._file is None or sent.md5 is None or sent.sent != self._size:
            return None
        return Sending(sent.paced(ImageSource(sent.sent, sent.md5, self._read)))

    def _read(self) -> Iterator[bytes]:
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(_CHUNK):
                yield piece


def is_as_sent(image: ImageDetail, data: Sending) -> bool:
    """Tell whether an image is active and has the data that was sent, as far as its service tells.

    :param image: the image
    :param data: what was sent
    """
    if image.status != ACTIVE or data.md5 is None or image.size != data.sent:
        return False
    return image.checksum is None or image.checksum.lower() == data.md5
