"""Images made or filled so that nothing is left unknown."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from dataclasses import replace

from osc_image_v1.api.fields import ImageFields, amazon_pair, check_formats
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ACTIVE, KILLED, PASSING, QUEUED, SAVING, ImageDetail
from osc_image_v1.api.outcomes import (
    PATIENCE,
    SHORT_PATIENCE,
    Done,
    NotDone,
    Passing,
    Verdict,
    is_lost,
    settle,
)
from osc_image_v1.exceptions import (
    Conflict,
    ContentMismatch,
    ImageNotFound,
    ImageV1Error,
    InvalidInput,
    UnknownOutcome,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer.leftovers import Leftovers
from osc_image_v1.transfer.sending import Kept, Sending, is_as_sent

LOG = logging.getLogger(__name__)

_FIRST_POLL, _LONGEST_POLL = 0.5, 10.0
# Bytes that even a slow store takes in a second, and the seconds that it gets at most.
_STORED_A_SECOND = 10 * 2**20
_LONGEST_PATIENCE = 7200.0


def create_image(
    client: ImageClient,
    fields: ImageFields,
    image_id: str | None = None,
    data: Sending | None = None,
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
    making = _Making(client, fields, image_id or str(uuid.uuid4()), data)
    try:
        return making.carry_out(wait)
    except Conflict as error:
        # Between the look and the request someone else may have taken an ID that was chosen.
        raise making.left(error).failed(clean_up and image_id is None) from error
    except InvalidInput:
        raise
    except ImageV1Error as error:
        left = making.left(error)
        if data is not None and is_lost(error) and left.is_whole and left.image is not None:
            _compare(left.image, data)
            return left.image
        raise left.failed(clean_up) from error
    except (KeyboardInterrupt, SystemExit) as error:
        making.tell(error, clean_up)
        raise


def _check_free(client: ImageClient, image_id: str) -> None:
    """Refuse an ID that is taken: what is left of a failed create could be another image."""
    with contextlib.suppress(ImageNotFound):
        found = client.get(image_id)
        raise InvalidInput(
            f"The ID {printable(image_id)} is taken by image '{printable(found.name)}' "
            f"({found.status})"
        )


class _Making:
    """An image that is being made.

    :ivar image_id: the ID that it is to have
    """

    def __init__(
        self, client: ImageClient, fields: ImageFields, image_id: str, data: Sending | None
    ) -> None:
        self.image_id = image_id
        if data is not None and data.size == 0:
            # Front ends that buffer let no empty body through, and none is needed.
            fields = _of_nothing(fields, data)
        self._client, self._fields, self._data = client, fields, data
        self._recorded = False

    def carry_out(self, wait: float | None) -> ImageDetail:
        """Make the record, send the data, wait for what the service fetches."""
        client, fields, data = self._client, self._fields, self._data
        if data is None or data.size == 0:
            image = client.create(fields, self.image_id)
            self._recorded = True
        else:
            image = client.create(replace(fields, size=None, checksum=None), self.image_id)
            self._recorded = True
            sent_with = ImageFields(checksum=fields.checksum, store=fields.store)
            image = upload_data(client, self.image_id, data, sent_with)
        if wait is not None:
            image = wait_until_active(client, self.image_id, wait)
        return image

    def tell(self, interruption: BaseException, clean_up: bool) -> None:
        """Tell what is left where a signal has ended it; another one ends the look, too."""
        shown = printable(self.image_id)
        try:
            left = self.left(interruption)
            if left.is_whole:
                LOG.error("Image %s is complete", shown)
            else:
                LOG.error("The image is not complete%s", left.rest(clean_up))
        except (KeyboardInterrupt, SystemExit):
            look = f"look with 'openstack image v1 show {shown}'"
            LOG.error("The image may be there and is not complete: %s", look)

    def left(self, error: BaseException) -> Leftovers:
        """Look what there is of the image after an error."""
        return Leftovers(
            self._client, self.image_id, self._fields, self._data, error, self._recorded
        )


def _of_nothing(fields: ImageFields, data: Sending) -> ImageFields:
    """Return the fields that make an image of no data at once active."""
    for _piece in data:
        raise AssertionError("a piece of no data")
    if fields.checksum not in (None, data.md5):
        raise InvalidInput(f"no data at all has the MD5 {data.md5}, not {fields.checksum}")
    return replace(fields, size=0, checksum=data.md5)


def upload_data(
    client: ImageClient, image_id: str, data: Sending, fields: ImageFields | None = None
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
    if data.size is not None:
        fields = replace(fields, size=data.size or None)
        image = _uploaded(client, image_id, data, fields)
    else:
        with Kept(lambda: _has_begun(client, image_id)) as kept:
            data.keep = kept.add
            image = _uploaded(client, image_id, data, fields)
            again = kept.again(data) if image.status == QUEUED else None
            if again is not None:
                LOG.debug("The service has taken nothing: sending it again, with its size")
                image = _uploaded(client, image_id, again, replace(fields, size=again.size))
    _compare(image, data)
    return image


def _has_begun(client: ImageClient, image_id: str) -> bool:
    """Tell whether the service is known to store an image's data while that comes."""
    try:
        return client.get(image_id).status != QUEUED
    except ImageV1Error:
        return False


def _uploaded(
    client: ImageClient, image_id: str, data: Sending, fields: ImageFields
) -> ImageDetail:
    """Send data, and return the image when the service is at its end with it."""
    try:
        image = client.upload(image_id, data, fields)
    except ImageV1Error as error:
        # What was not sent to its end never becomes the image.
        if data.md5 is None or not is_lost(error):
            raise
        image = settle(error, lambda: _stored(client, image_id, data))
    finally:
        data.close()
    if image.status == SAVING:
        taken = ImageV1Error(f"The service has taken the data of image {printable(image_id)}")
        image = settle(taken, lambda: _stored(client, image_id, data))
    return image


def _stored(client: ImageClient, image_id: str, data: Sending) -> Verdict[ImageDetail]:
    """Look what has become of data that was all sent."""
    try:
        image = client.get(image_id)
    except ImageNotFound as error:
        return NotDone(error)
    state = f"image {printable(image_id)} is {printable(image.status)}"
    if image.status == QUEUED:
        return Passing(state, SHORT_PATIENCE, NotDone())
    if image.status == SAVING:
        return Passing(state, min(PATIENCE + data.sent // _STORED_A_SECOND, _LONGEST_PATIENCE))
    return Done(image) if image.status == ACTIVE else NotDone()


def _compare(image: ImageDetail, data: Sending) -> None:
    if image.status == QUEUED:
        hint = "give the size with --size, or the data as a file"
        raise ContentMismatch(
            f"The service has taken nothing of the data of image {printable(image.id)}"
            + ("" if data.size else f": it wants to know the size before; {hint}")
        )
    if image.status != ACTIVE:
        raise ContentMismatch(
            f"The service has the data of image {printable(image.id)}, but the image is "
            f"{printable(image.status)}, not active"
        )
    if not is_as_sent(image, data):
        raise ContentMismatch(
            f"The service has stored {image.size} bytes with the MD5 "
            f"{printable(image.checksum)} as image {printable(image.id)}, not the "
            f"{data.sent} bytes with the MD5 {data.md5} that were sent"
        )
    if image.checksum is None:
        LOG.warning(
            "The service has computed no MD5 of image %s: nothing vouches for the data",
            printable(image.id),
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
        if image.status == ACTIVE:
            return image
        status = printable(image.status)
        if image.status not in PASSING:
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
    data: Sending | None = None,
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
    if image.status != QUEUED:
        raise InvalidInput(
            f"Image {printable(image.id)} is {printable(image.status)}: only a queued image "
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
        return _after_all(client, image, data, error)
    return image


def _after_all(
    client: ImageClient, image: ImageDetail, data: Sending | None, error: ImageV1Error
) -> ImageDetail:
    """Return an image whose data is there in spite of an error; else raise that, with its state."""
    try:
        found = client.get(image.id)
    except ImageV1Error:
        raise ImageV1Error(str(error)) from error
    if data is not None and is_lost(error) and is_as_sent(found, data):
        _compare(found, data)
        return found
    # By now it is known.
    known = error.__cause__ if isinstance(error, UnknownOutcome) else error
    raise ImageV1Error(f"{known}{_state(found)}") from error


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


def _state(image: ImageDetail) -> str:
    """Say, as the end of a sentence, what has become of an image that was to get data."""
    shown, status = printable(image.id), printable(image.status)
    if status == KILLED:
        return (
            f"; image {shown} is killed now and takes no more data: remove it with "
            f"'openstack image v1 delete {shown}' and create it anew"
        )
    return f"; image {shown} is {status} now"
