"""Data from a file or a stream to the service, and images made so that nothing is left unknown."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
import uuid
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from osc_image_v1.api.fields import ImageFields, amazon_pair, check_formats
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import (
    Conflict,
    ConnectionFailed,
    ContentMismatch,
    FileFailed,
    ImageNotFound,
    ImageV1Error,
    InvalidInput,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.progress import Advance, progress

LOG = logging.getLogger(__name__)

# Bytes; larger pieces are no faster.
_CHUNK = 256 * 2**10

_FIRST_POLL, _LONGEST_POLL = 0.5, 10.0
_WAITED_FOR = frozenset(("queued", "saving"))


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
        self._sending: Generator[bytes, None, None] | None = None
        # How requests learns the Content-Length. Nothing at all goes chunked: that there is a body
        # is what makes the service take it for data.
        if self.size:
            self.len = self.size

    def __iter__(self) -> Iterator[bytes]:
        self.stop()
        self._sending = self._send()
        return self._sending

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
        while piece := self._read():
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


def create_image(
    client: ImageClient,
    fields: ImageFields,
    image_id: str | None = None,
    data: Upload | None = None,
    clean_up: bool = False,
    wait: float | None = None,
) -> ImageDetail:
    """Make an image, with or without data.

    Without data this is one request. With data the record comes first, so that the service has
    accepted all metadata before a byte is sent. Where that fails, the error says what is left of
    the image, and how to remove it.

    :param client: the service
    :param fields: what the image is to have
    :param image_id: the image's ID, by default one that is chosen here
    :param data: the image's data; size and MD5 of what the service has stored must be the same
    :param clean_up: remove what is left of an image that could not be made
    :param wait: seconds to wait, at most, until the service has copied the data (``copy_from``)
    :raises InvalidInput: if the ID is taken, or data has no formats or several sources
    :raises ContentMismatch: if the service has stored other data
    :raises ImageV1Error: what made it fail, with what is left in its text
    """
    if data is not None:
        if fields.has_source:
            raise InvalidInput("an image has one source: data, copy_from or location")
        check_formats(fields.disk_format, fields.container_format)
    if image_id is not None:
        _check_free(client, image_id)
    chosen, image_id = image_id, image_id or str(uuid.uuid4())
    try:
        return _create(client, fields, image_id, data, wait)
    except Conflict as error:
        # Between the look and the request someone else may have taken an ID that was chosen.
        raise _with_rest(error, client, image_id, clean_up and chosen is None) from error
    except InvalidInput:
        raise
    except ImageV1Error as error:
        raise _with_rest(error, client, image_id, clean_up) from error
    except (KeyboardInterrupt, SystemExit):
        LOG.error("The image is not complete%s", _rest(client, image_id, clean_up))
        raise


def _check_free(client: ImageClient, image_id: str) -> None:
    """Refuse an ID that is taken: what is left of a failed create could be another image."""
    with contextlib.suppress(ImageNotFound):
        found = client.get(image_id)
        raise InvalidInput(
            f"The ID {printable(image_id)} is taken by image '{printable(str(found.name))}' "
            f"({found.status})"
        )


def _create(
    client: ImageClient,
    fields: ImageFields,
    image_id: str,
    data: Upload | None,
    wait: float | None,
) -> ImageDetail:
    if data is None:
        image = client.create(fields, image_id)
    else:
        # A size without a body would make an image of no data at once active.
        client.create(replace(fields, size=None, checksum=None), image_id)
        sent_with = ImageFields(checksum=fields.checksum, store=fields.store)
        image = upload_data(client, image_id, data, sent_with)
    if wait is not None:
        image = wait_until_active(client, image_id, wait)
    return image


def upload_data(
    client: ImageClient, image_id: str, data: Upload, fields: ImageFields | None = None
) -> ImageDetail:
    """Give a queued image its data, and compare what the service has stored.

    :param client: the service
    :param image_id: the image's ID
    :param data: the data
    :param fields: what is to change besides
    :raises ContentMismatch: if the service has stored other data
    :raises ImageV1Error: if it does not come to that; the image may be killed then
    """
    fields = fields or ImageFields()
    if data.size:
        fields = replace(fields, size=data.size)
    try:
        image = client.upload(image_id, data, fields)
    except ConnectionFailed as error:
        image = _after_silence(client, image_id, data, error)
    finally:
        data.stop()
    _compare(image, data)
    return image


def _after_silence(
    client: ImageClient, image_id: str, data: Upload, error: ConnectionFailed
) -> ImageDetail:
    """Return the image if all went well but for the service's answer."""
    try:
        image = client.get(image_id)
    except ImageV1Error:
        raise error from None
    if data.checksum is None or image.status != "active" or image.checksum != data.checksum:
        raise error
    return image


def _compare(image: ImageDetail, data: Upload) -> None:
    if image.status != "active":
        raise ContentMismatch(
            f"The service has the data of image {printable(image.id)}, but the image is "
            f"{printable(str(image.status))}, not active"
        )
    if image.checksum is None and image.size == data.sent:
        LOG.warning(
            "The service has computed no MD5 of image %s: nothing vouches for the data",
            printable(image.id),
        )
    elif (image.size, (image.checksum or "").lower()) != (data.sent, data.checksum):
        raise ContentMismatch(
            f"The service has stored {image.size} bytes with the MD5 "
            f"{printable(str(image.checksum))} as image {printable(image.id)}, not the "
            f"{data.sent} bytes with the MD5 {data.checksum} that were sent"
        )


def wait_until_active(client: ImageClient, image_id: str, timeout: float) -> ImageDetail:
    """Wait until the service has copied an image's data.

    :param client: the service
    :param image_id: the image's ID
    :param timeout: seconds to wait at most
    :raises ImageV1Error: if the service gives up, or does not get ready in time
    """
    end = time.monotonic() + timeout
    pause = _FIRST_POLL
    while True:
        image = client.get(image_id)
        if image.status == "active":
            return image
        status = printable(str(image.status))
        if image.status not in _WAITED_FOR:
            raise ImageV1Error(
                f"The service could not copy the data of image {printable(image_id)}: it is "
                f"{status}"
            )
        left = end - time.monotonic()
        if left <= 0:
            raise ImageV1Error(
                f"Image {printable(image_id)} is still {status} after {timeout:g} seconds"
            )
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_POLL)


def fill_image(
    client: ImageClient,
    image: ImageDetail,
    fields: ImageFields,
    data: Upload | None = None,
    purge_properties: bool = False,
    wait: float | None = None,
) -> ImageDetail:
    """Give a queued image data, or have the service fetch it, and change other fields with that.

    :param client: the service
    :param image: the image
    :param fields: what is to change besides; ``copy_from`` or ``location`` where there is no data
    :param data: the data
    :param purge_properties: remove all properties that are not among the fields
    :param wait: seconds to wait, at most, until the service has copied the data
    :raises InvalidInput: if the image is not queued, or a format is missing
    :raises ContentMismatch: if the service has stored other data
    :raises ImageV1Error: what made it fail, with what has become of the image in its text
    """
    if image.status != "queued":
        raise InvalidInput(
            f"Image {printable(image.id)} is {printable(str(image.status))}: only a queued image "
            "takes data; nothing was changed"
        )
    check_formats(
        fields.disk_format or image.disk_format, fields.container_format or image.container_format
    )
    store = fields.store if data is not None else None
    fields = replace(fields, store=None) if store else fields
    try:
        if fields != ImageFields() or purge_properties:
            image = client.update(image.id, fields, purge_properties)
        if data is not None:
            image = upload_data(client, image.id, data, ImageFields(store=store))
        if wait is not None:
            image = wait_until_active(client, image.id, wait)
    except ImageV1Error as error:
        raise ImageV1Error(f"{error}{_state(client, image.id)}") from error
    return image


def check_pair(image: ImageDetail, fields: ImageFields) -> None:
    """Refuse a change of formats after which they would not go together.

    :param image: the image
    :param fields: what is to change
    :raises InvalidInput: if one is ``ami``, ``aki`` or ``ari`` and the other is not
    """
    if fields.disk_format is not None or fields.container_format is not None:
        amazon_pair(
            fields.disk_format or image.disk_format,
            fields.container_format or image.container_format,
        )


def _with_rest(
    error: ImageV1Error, client: ImageClient, image_id: str, clean_up: bool
) -> ImageV1Error:
    """Return the error with what is left of the image in its text."""
    complete = ImageV1Error(f"{error}{_rest(client, image_id, clean_up)}")
    if isinstance(error, ContentMismatch):
        complete = ContentMismatch(str(complete))
    return complete


def _state(client: ImageClient, image_id: str) -> str:
    """Say, as the end of a sentence, what has become of an image that was to get data."""
    try:
        status = printable(str(client.get(image_id).status))
    except ImageV1Error:
        return ""
    if status == "killed":
        return (
            f"; image {image_id} is killed now and takes no more data: remove it with "
            f"'openstack image v1 delete {image_id}' and create it anew"
        )
    return f"; image {image_id} is {status} now"


def _rest(client: ImageClient, image_id: str, clean_up: bool) -> str:
    """Say, as the end of a sentence, what a failed create has left, and remove it if wanted."""
    try:
        image = client.get(image_id)
    except ImageNotFound:
        return "; no image was made"
    except ImageV1Error:
        return (
            f"; whether image {image_id} was made is not known, look with "
            f"'openstack image v1 show {image_id}'"
        )
    fill = ""
    if image.status == "queued":
        fill = f"give it its data with 'openstack image v1 set --file <file> {image_id}', or "
    left = (
        f"image {image_id} is left, {printable(str(image.status))}: {fill}remove it with "
        f"'openstack image v1 delete {image_id}'"
    )
    if not clean_up:
        return f"; {left}"
    try:
        if image.protected:
            client.update(image_id, ImageFields(protected=False))
        client.delete(image_id)
    except ImageV1Error as error:
        return f"; {left} (that failed just now: {error})"
    return f"; what was left of it, image {image_id}, is removed"
