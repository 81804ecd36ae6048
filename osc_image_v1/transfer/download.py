"""An image's data to a file or a stream, verified."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from osc_image_v1.api import models
from osc_image_v1.api.bodies import ImageData
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ConnectionFailed,
    ContentMismatch,
    Forbidden,
    HttpError,
    ImageHasNoData,
    TransferStopped,
    causes,
    timed_out,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.expected import expected_of
from osc_image_v1.transfer.files import file_errors, write_all
from osc_image_v1.transfer.holes import may_have_holes
from osc_image_v1.transfer.part import PartFile, check_target
from osc_image_v1.transfer.progress import Advance
from osc_image_v1.transfer.rate import Rate

LOG = logging.getLogger(__name__)

# An interruption after so many new bytes is a first one again.
_PROGRESS = 2**20
# Data that has ended so often at the same byte, and never beyond it, ends there.
_ENDS = 3

_NO_DATA = {
    models.QUEUED: "it has no data yet",
    models.SAVING: "its data is still being stored, try again later",
    models.KILLED: "storing its data failed",
    models.DELETED: "its data is gone",
    models.PENDING_DELETE: "its data is about to go",
    models.DEACTIVATED: "its data is not handed out until an administrator reactivates it",
}


@dataclass(frozen=True)
class Downloaded:
    """What a download brought.

    :ivar path: the file, None for a stream
    :ivar size: bytes
    :ivar md5: of the data, hexadecimal
    :ivar sha256: of the data, None where it was not computed
    :ivar verified: whether the service's own checksum vouches for the data
    :ivar doubt: why nothing does, as the beginning of a sentence on "this image"; "" where it does
    """

    path: Path | None
    size: int
    md5: str
    sha256: str | None
    verified: bool
    doubt: str = ""


class AnswerBrokeOff(ConnectionFailed):
    """The service has begun to answer, and not all of the answer came."""


class EndsEarly(ContentMismatch):
    """The data ends before its end, at the same byte each time."""


class Download:
    """The download of one image; interruptions are mended on the way.

    What breaks off goes on where it stopped, with ``Range`` from the Image API v2 of the same
    service where that and its store can do it; else all of it is sent again and what is there is
    left out. The client's :class:`~osc_image_v1.api.RetryPolicy` says how often and after how
    long; an interruption after another MiB of data counts as the first. Data that ends at the
    same byte three times is damaged in the service. The data of a deactivated image is asked for
    through the Image API v2 of the same service, where an admin gets it.

    :param client: the service
    :param image: the image's record; its size and checksum decide
    :param sha256: whether SHA-256 is computed too; it always is where the service has no checksum
    :param advance: is told how many more bytes are there, less than 0 where some are dropped
    :param stop: ends the download when it is set
    :param rate: how fast data may come, None for as fast as it does
    """

    def __init__(
        self,
        client: ImageClient,
        image: ImageDetail,
        *,
        sha256: bool = False,
        advance: Advance = lambda _count: None,
        stop: threading.Event | None = None,
        rate: Rate | None = None,
    ) -> None:
        self._client = client
        self._image = image
        self._expected = expected_of(image)
        self._sha256 = sha256 or self._expected.checksum is None
        self._advance = advance
        self._stop = stop or threading.Event()
        self._rate = rate
        self._name = printable(image.id)
        self._by_v2 = image.status == models.DEACTIVATED

    def to_file(
        self,
        target: Path,
        *,
        keep_partial: bool = False,
        clobber: bool = True,
        keep_interrupted: bool = False,
        sparse: bool = True,
        flush_name: bool = True,
    ) -> Downloaded:
        """Save the data to a file, which appears under its name only when size and MD5 hold.

        An unfinished file that an earlier run left is gone on with, where the service has a
        checksum that proves in the end that it was this image's.

        :param target: the file's path; a symbolic link is replaced, not followed
        :param keep_partial: whether ``<name>.osc-image-v1.part`` stays when the download fails
        :param clobber: whether an existing file is replaced
        :param keep_interrupted: whether it stays when the download was stopped or broke off, but
            not when the data is wrong
        :param sparse: whether zeros become holes, which take no room on the disk
        :param flush_name: whether the file's name reaches the disk, too; who has many files does
            that for several at a time
        :raises FileFailed: if the file cannot be written
        :raises ImageHasNoData: if the image is not active
        :raises ContentMismatch: if the data has not the size or MD5 of the image's record
        :raises ConnectionFailed: if the data still broke off after as many attempts as allowed
        :raises HttpError: for an error status
        :raises BadAnswer: if an answer is not this image
        :raises TransferStopped: if ``stop`` was set
        """
        check_target(target, clobber)
        self._check_status()
        with PartFile(target, keep_partial, sparse) as part:
            if self._expected.size is not None:
                holes = sparse and may_have_holes(self._image.disk_format)
                part.check_space(self._expected.size, holes)
            strict = not keep_partial
            try:
                result = self._go_on(part, strict) if part.size else None
                if result is None:
                    result = self._receive(part.write, strict=strict)
            except (ConnectionFailed, TransferStopped):
                if keep_interrupted:
                    part.keep()
                raise
            part.commit(clobber, flush_name)
        return replace(result, path=target)

    def to_stream(self, write: Callable[[memoryview], int | None]) -> Downloaded:
        """Write the data to a stream; what fails there, fails after bytes went out.

        :param write: a raw file's ``write``, which may write a part
        :raises ImageV1Error: as :meth:`to_file` does
        :raises BrokenPipeError: if nobody reads any more
        """
        self._check_status()
        output = Path("standard output")

        def write_chunk(chunk: bytes) -> None:
            with file_errors("write to", output):
                write_all(write, chunk)

        return self._receive(write_chunk)

    def chunks(self) -> Iterator[bytes]:
        """Yield the data; interruptions are mended, but nothing is verified.

        Whoever reads it counts the bytes and computes their checksum.

        :raises ImageV1Error: as :meth:`to_file` does
        """
        self._check_status()
        return self._chunks(0, strict=True)

    def _check_status(self) -> None:
        if self._image.status in _NO_DATA and not self._by_v2:
            raise self._no_data()

    def _no_data(self) -> ImageHasNoData:
        status = str(self._image.status)
        return ImageHasNoData(f"Image {self._name} is {status}: {_NO_DATA[status]}")

    def _go_on(self, part: PartFile, strict: bool) -> Downloaded | None:
        """Go on with what an earlier run left, or clear it where it was not this image's."""
        kept = part.size
        size = self._expected.size
        if self._expected.checksum is not None and size is not None and kept <= size:
            LOG.debug("Going on with the %d bytes that an earlier run left", kept)
            try:
                return self._receive(part.write, part.read(), strict)
            except EndsEarly:
                raise
            except ContentMismatch as error:
                LOG.debug("%s; what an earlier run left was not of this image", error)
                self._advance(-part.size)
        part.clear()
        return None

    def _receive(
        self, write: Callable[[bytes], None], kept: Iterable[bytes] = (), strict: bool = True
    ) -> Downloaded:
        """Hash what there is, write and hash what comes, and check the whole."""
        size, expected = 0, self._expected
        algorithms = ("md5", "sha256" if self._sha256 else None, expected.algorithm)
        with Digests(*algorithms) as digests:
            for chunk in kept:
                size += len(chunk)
                digests.update(chunk)
                self._advance(len(chunk))
            for chunk in self._chunks(size, strict):
                size += len(chunk)
                if expected.size is not None and size > expected.size:
                    raise self._mismatch(f"the service sends more than {expected.size} bytes")
                digests.update(chunk)
                write(chunk)
                self._advance(len(chunk))
            md5, sha256 = str(digests.of("md5")), digests.of("sha256")
            digest = digests.of(expected.algorithm)
        if expected.size not in (None, size):
            raise self._mismatch(f"{size} bytes came, but its size is {expected.size}")
        if not expected.fits(digest):
            name = str(expected.algorithm).upper()
            raise self._mismatch(
                f"the data's {name} is {digest}, but its checksum is {expected.checksum}"
            )
        if expected.vouches_for(size):
            return Downloaded(None, size, md5, sha256, True)
        return Downloaded(None, size, md5, sha256, False, expected.doubt("this image"))

    def _mismatch(self, what: str) -> ContentMismatch:
        return ContentMismatch(
            f"Image {self._name} is damaged, in the service or on the way: {what}"
        )

    def _chunks(self, received: int, strict: bool) -> Iterator[bytes]:
        """Yield the data from a byte on, over as many requests as it takes."""
        policy = self._client.http.retry
        attempt, mark = 0, received
        ends = _Ends()
        while self._expected.size is None or received < self._expected.size:
            data = self._open(received, strict)
            try:
                with data:
                    for chunk in _after(self._paced(data), received - data.start):
                        self._check_stop()
                        received += len(chunk)
                        yield chunk
                return
            except ConnectionFailed as error:
                if received - mark >= _PROGRESS:
                    attempt, mark = 0, received
                attempt += 1
                ends.add(max(received, data.start + _sent(error)), timed_out(error))
                self._check_ends(ends, policy.attempts)
                if not policy.allows("GET", attempt, error):
                    raise AnswerBrokeOff(str(error)) from error
                LOG.debug("%s; going on at byte %d", error, received)
                self._stop.wait(policy.wait(attempt, error))
                self._check_stop()

    def _paced(self, data: ImageData) -> Iterator[bytes]:
        chunks = data.chunks()
        return chunks if self._rate is None else self._rate.paced(chunks, self._stop)

    def _check_ends(self, ends: _Ends, attempts: int) -> None:
        """See whether the data has ended at the same byte in each attempt.

        At the very first byte whatever hands it out may be what fails.
        """
        if ends.times >= max(2, min(_ENDS, attempts)) and ends.furthest > 0:
            of = "" if self._expected.size is None else f" of {self._expected.size}"
            raise EndsEarly(
                f"Image {self._name} is damaged in the service: its data ends after "
                f"{ends.furthest}{of} bytes, each time"
            )

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise TransferStopped(f"The download of image {self._name} was stopped")

    def _open(self, received: int, strict: bool) -> ImageData:
        """Ask for the rest of the data where the service sends parts, else for all of it."""
        data = None
        if received:
            try:
                data = self._client.rest_of_data(self._image, received)
            except (ApiNotAvailable, BadAnswer, HttpError) as error:
                LOG.debug("%s; asking for all of it again", error)
        if data is None:
            data = self._all_by_v2() if self._by_v2 else self._client.data(self._image.id)
        size = self._expected.size
        if strict and None not in (data.size, size) and data.size != size:
            data.close()
            raise self._mismatch(f"the service sends {data.size} bytes, but its size is {size}")
        return data

    def _all_by_v2(self) -> ImageData:
        """Ask for all data of a deactivated image, which v2 hands out to an admin alone."""
        try:
            return self._client.rest_of_data(self._image, 0)
        except (ApiNotAvailable, Forbidden) as error:
            raise ImageHasNoData(f"{self._no_data()} ({error})") from error


class _Ends:
    """Where data has ended.

    :ivar furthest: the last byte that was seen, counted from 1
    :ivar times: how often the data ended there
    """

    def __init__(self) -> None:
        self.furthest = self.times = 0

    def add(self, end: int, waiting: bool) -> None:
        """Take one more end; where nothing came for too long, there may be more."""
        if end > self.furthest:
            self.furthest, self.times = end, 0
        self.times += end == self.furthest and not waiting


def _sent(error: BaseException) -> int:
    """Return how many bytes of the answer came, where urllib3 tells: it drops the last of them."""
    counts = (getattr(cause, "partial", None) for cause in causes(error))
    return next((count for count in counts if isinstance(count, int)), 0)


def _after(chunks: Iterable[bytes], surplus: int) -> Iterator[bytes]:
    """Yield data without what is there already."""
    for chunk in chunks:
        if len(chunk) > surplus:
            yield chunk[surplus:] if surplus else chunk
        surplus = max(0, surplus - len(chunk))
