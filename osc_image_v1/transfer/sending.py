"""Data on its way into a service, verified before its end."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from osc_image_v1.api.records import as_checksum, checksum_algorithm
from osc_image_v1.exceptions import ContentMismatch, TransferStopped
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.progress import Advance


@dataclass(frozen=True)
class ImageSource:
    """The data of an image, which can be read again from its start.

    :ivar size: bytes that it must have, None where nobody knows
    :ivar md5: what its MD5 must be, None where nobody knows
    :ivar read: begins anew and yields pieces; it need not verify them
    :ivar checksum: what its checksum by another algorithm must be, None where nobody knows
    """

    size: int | None
    md5: str | None
    read: Callable[[], Iterable[bytes]]
    checksum: str | None = None

    @property
    def vouched(self) -> bool:
        """Whether a checksum vouches for the data."""
        return self.md5 is not None or self.checksum is not None


class Sending:
    """Data on its way: iterating reads it anew, and lets out the last piece only if all is right.

    What stops it there breaks the request off, and the target takes nothing for whole.

    :param source: the data
    :param advance: is told how many more bytes have gone out, less than 0 where it begins anew
    :param stop: ends it when it is set
    :param algorithm: the name of a further checksum that the target will show
    :ivar size: bytes that it must have, None where nobody knows
    :ivar expected: what its MD5 must be, None where nobody knows
    :ivar sent: bytes
    :ivar md5: of all of it, None before its end
    :ivar digest: the further checksum
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
        self._checksum = as_checksum(source.checksum)
        self._source = source
        self._advance = advance
        self._stop = stop or threading.Event()
        self._algorithm = algorithm
        self._out = 0
        self.sent = 0
        self.md5: str | None = None
        self.digest: str | None = None
        self._begun: tuple[bytes, Iterator[bytes]] | None = None
        # How requests learns the Content-Length. Nothing at all goes chunked, so that there is a
        # body.
        if source.size:
            self.len = source.size

    def __iter__(self) -> Iterator[bytes]:
        self._advance(-self._out)
        self._out, self.sent, self.md5, self.digest = 0, 0, None, None
        other = None if self._algorithm is None else hashlib.new(self._algorithm)
        held = b""
        algorithm = checksum_algorithm(self._checksum)
        with Digests(further=algorithm) as digests:
            for piece in self._pieces():
                digests.update(piece)
                if other is not None:
                    other.update(piece)
                if held:
                    yield self._let_out(held)
                held = piece
            md5, _sha256 = digests.results()
            checksum = digests.of(algorithm)
        self._check("MD5", md5, self.expected)
        self._check(str(algorithm).upper(), checksum, self._checksum)
        self.md5, self.digest = md5, None if other is None else other.hexdigest()
        if held:
            yield self._let_out(held)

    def begin(self) -> None:
        """Read the first piece, to see whether there is any."""
        pieces = iter(self._source.read())
        self._begun = next(pieces, b""), pieces

    def _raw(self) -> Iterator[bytes]:
        begun, self._begun = self._begun, None
        if begun is None:
            yield from self._source.read()
        else:
            yield begun[0]
            yield from begun[1]

    def _pieces(self) -> Iterator[bytes]:
        for piece in self._raw():
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
