"""An image's data to a file or a stream, verified."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from osc_image_v1.api.data import ImageData, as_md5
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ConnectionFailed,
    ContentMismatch,
    HttpError,
    ImageHasNoData,
    TransferStopped,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.part import PartFile, check_target, file_errors, write_all
from osc_image_v1.transfer.progress import Advance

LOG = logging.getLogger(__name__)

# An interruption after so many new bytes is a first one again.
_PROGRESS = 2**20

_NO_DATA = {
    "queued": "it has no data yet",
    "saving": "its data is still being stored, try again later",
    "killed": "storing its data failed",
    "deleted": "its data is gone",
    "pending_delete": "its data is about to go",
    "deactivated": "its data is not handed out until an administrator reactivates it",
}


@dataclass(frozen=True)
class Downloaded:
    """What a download brought.

    :ivar path: the file, None for a stream
    :ivar size: bytes
    :ivar md5: of the data, hexadecimal
    :ivar sha256: of the data, None where it was not computed
    :ivar verified: whether the service's own checksum vouches for the data
    """

    path: Path | None
    size: int
    md5: str
    sha256: str | None
    verified: bool


class Download:
    """The download of one image; interruptions are mended on the way.

    What breaks off goes on where it stopped, with ``Range`` from the Image API v2 of the same
    service where it has one; else all of it is sent again and what is there is left out. The
    client's :class:`~osc_image_v1.api.RetryPolicy` says how often and after how long; an
    interruption after another MiB of data counts as the first.

    :param client: the service
    :param image: the image's record; its size and checksum decide
    :param sha256: whether SHA-256 is computed too; it always is where the service has no checksum
    :param advance: is told how many more bytes are there, less than 0 where some are dropped
    :param stop: ends the download when it is set
    :param deactivated: whether the data of a deactivated image is asked for through the Image API
        v2 of the same service, where an admin gets it
    """

    def __init__(
        self,
        client: ImageClient,
        image: ImageDetail,
        *,
        sha256: bool = False,
        advance: Advance = lambda _count: None,
        stop: threading.Event | None = None,
        deactivated: bool = False,
    ) -> None:
        self._client = client
        self._image = image
        self._checksum = as_md5(image.checksum)
        self._sha256 = sha256 or self._checksum is None
        self._advance = advance
        self._stop = stop or threading.Event()
        self._name = printable(image.id)
        self._by_v2 = deactivated and image.status == "deactivated"

    def to_file(
        self,
        target: Path,
        *,
        keep_partial: bool = False,
        clobber: bool = True,
        keep_interrupted: bool = False,
    ) -> Downloaded:
        """Save the data to a file, which appears under its name only when size and MD5 hold.

        An unfinished file that an earlier run left is gone on with, where the service has a
        checksum that proves in the end that it was this image's.

        :param target: the file's path; a symbolic link is replaced, not followed
        :param keep_partial: whether ``<name>.osc-image-v1.part`` stays when the download fails
        :param clobber: whether an existing file is replaced
        :param keep_interrupted: whether it stays when the download was stopped or broke off, but
            not when the data is wrong
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
        with PartFile(target, keep_partial) as part:
            if self._image.size is not None:
                part.check_space(self._image.size)
            strict = not keep_partial
            try:
                result = self._go_on(part, strict) if part.size else None
                if result is None:
                    result = self._receive(part.write, strict=strict)
            except (ConnectionFailed, TransferStopped):
                if keep_interrupted:
                    part.keep()
                raise
            part.commit(clobber)
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
        size = self._image.size
        if self._checksum is not None and size is not None and kept <= size:
            LOG.debug("Going on with the %d bytes that an earlier run left", kept)
            try:
                return self._receive(part.write, part.read(), strict)
            except ContentMismatch as error:
                LOG.debug("%s; what an earlier run left was not of this image", error)
                self._advance(-part.size)
        part.clear()
        return None

    def _receive(
        self, write: Callable[[bytes], None], kept: Iterable[bytes] = (), strict: bool = True
    ) -> Downloaded:
        """Hash what there is, write and hash what comes, and check the whole."""
        size = 0
        with Digests(self._sha256) as digests:
            for chunk in kept:
                size += len(chunk)
                digests.update(chunk)
                self._advance(len(chunk))
            for chunk in self._chunks(size, strict):
                size += len(chunk)
                if self._image.size is not None and size > self._image.size:
                    raise self._mismatch(f"the service sends more than {self._image.size} bytes")
                digests.update(chunk)
                write(chunk)
                self._advance(len(chunk))
            md5, sha256 = digests.results()
        if self._image.size not in (None, size):
            raise self._mismatch(f"{size} bytes came, but its size is {self._image.size}")
        if self._checksum not in (None, md5):
            raise self._mismatch(f"the data's MD5 is {md5}, but its checksum is {self._checksum}")
        empty = self._image.size == 0
        return Downloaded(None, size, md5, sha256, verified=empty or self._checksum is not None)

    def _mismatch(self, what: str) -> ContentMismatch:
        return ContentMismatch(
            f"Image {self._name} is damaged, in the service or on the way: {what}"
        )

    def _chunks(self, received: int, strict: bool) -> Iterator[bytes]:
        """Yield the data from a byte on, over as many requests as it takes."""
        policy = self._client.http.retry
        attempt, mark = 0, received
        while self._image.size is None or received < self._image.size:
            data = self._open(received, strict)
            try:
                with data:
                    for chunk in _after(data, received):
                        self._check_stop()
                        received += len(chunk)
                        yield chunk
                return
            except ConnectionFailed as error:
                if received - mark >= _PROGRESS:
                    attempt, mark = 0, received
                attempt += 1
                if not policy.allows("GET", attempt, error):
                    raise
                LOG.debug("%s; going on at byte %d", error, received)
                self._stop.wait(policy.wait(attempt, error))
                self._check_stop()

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise TransferStopped(f"The download of image {self._name} was stopped")

    def _open(self, received: int, strict: bool) -> ImageData:
        """Ask for the rest of the data where the service sends parts, else for all of it."""
        data = None
        if received or self._by_v2:
            try:
                data = self._client.rest_of_data(self._image, received)
            except (ApiNotAvailable, BadAnswer, HttpError) as error:
                if self._by_v2:
                    raise self._no_data() from error
                LOG.debug("%s; asking for all of it again", error)
        if data is None:
            data = self._client.data(self._image.id)
        if strict and None not in (data.size, self._image.size) and data.size != self._image.size:
            data.close()
            raise self._mismatch(
                f"the service sends {data.size} bytes, but its size is {self._image.size}"
            )
        return data


def _after(data: ImageData, received: int) -> Iterator[bytes]:
    """Yield the data without what is there already."""
    surplus = received - data.start
    for chunk in data.chunks():
        if len(chunk) > surplus:
            yield chunk[surplus:] if surplus else chunk
        surplus = max(0, surplus - len(chunk))
