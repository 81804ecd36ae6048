"""What there is of an image on the service where making it did not come to its end."""

from __future__ import annotations

from osc_image_v1.api.fields import ImageFields
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ACTIVE, PASSING, QUEUED, SAVING, ImageDetail
from osc_image_v1.api.outcomes import is_lost
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ContentMismatch,
    HttpError,
    ImageNotFound,
    ImageV1Error,
    NotStored,
    OtherIdGiven,
    UnknownOutcome,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer.sending import Sending, is_as_sent

# A service that failed inside may have done a part.
_INTERNAL_ERROR = 500


class Leftovers:
    """What is left of an image; the service is asked once.

    :param client: the service
    :param image_id: the ID that was asked for
    :param fields: what the image was to have
    :param data: the image's data, None where there was none to send
    :param error: what ended the making, an interruption too
    :param recorded: whether the service is known to have made the record
    :ivar image: the image, None where there is none, or none to be seen
    """

    def __init__(
        self,
        client: ImageClient,
        image_id: str,
        fields: ImageFields,
        data: Sending | None,
        error: BaseException,
        recorded: bool,
    ) -> None:
        self._client, self._fields, self._data, self._error = client, fields, data, error
        self._recorded = recorded
        self._other = isinstance(error, OtherIdGiven)
        self._id = error.image_id if isinstance(error, OtherIdGiven) else image_id
        self.image: ImageDetail | None = None
        self._failure: ImageV1Error | None = None
        try:
            self.image = client.get(self._id)
        except ImageNotFound:
            pass
        except ImageV1Error as failure:
            self._failure = failure

    @property
    def is_whole(self) -> bool:
        """Whether the image is active, and has the data that was sent."""
        image, data = self.image, self._data
        return image is not None and data is not None and is_as_sent(image, data)

    def failed(self, clean_up: bool) -> ImageV1Error:
        """Return the error with what is left of the image in its text.

        :param clean_up: remove it, unless it may be what it was to be
        """
        error = self._error
        if isinstance(error, UnknownOutcome) and self._failure is None:
            # By now it is known.
            error = error.__cause__ or error
        kind = ContentMismatch if isinstance(error, ContentMismatch) else ImageV1Error
        return kind(f"{error}{self.rest(clean_up)}")

    def rest(self, clean_up: bool) -> str:
        """Say, as the end of a sentence, what is left, and remove it if wanted.

        :param clean_up: remove it, unless it may be what it was to be
        """
        if self._failure is not None:
            return self._not_known()
        image = self.image
        if image is None:
            told = self._recorded or self._other or isinstance(self._error, UnknownOutcome)
            return "" if told else "; no image was made"
        shown, status = printable(image.id), printable(image.status)
        if self._may_be_stored(image):
            return (
                f"; image {shown} may still get its data, it is {status}: look with "
                f"'openstack image v1 show {shown}'"
            )
        fill = ""
        if image.status == QUEUED:
            fill = f"give it its data with 'openstack image v1 set --file <file> {shown}', or "
        left = (
            f"image {shown} is left, {status}: {fill}remove it with 'openstack image v1 delete "
            f"{shown}'"
        )
        if not clean_up or not self._may_be_removed(image):
            return f"; {left}"
        try:
            if image.protected:
                self._client.update(image.id, ImageFields(protected=False))
            self._client.delete(image.id)
        except ImageV1Error as error:
            return f"; {left} (that failed just now: {error})"
        return f"; what was left of it, image {shown}, is removed"

    def _not_known(self) -> str:
        look = f"look with 'openstack image v1 show {printable(self._id)}'"
        if self._recorded or self._other:
            return f"; what is left of image {printable(self._id)} could not be seen, {look}"
        if isinstance(self._error, UnknownOutcome) or self._is_refusal:
            return ""
        return f"; whether image {printable(self._id)} was made is not known, {look}"

    @property
    def _is_refusal(self) -> bool:
        """Whether the service has answered that it does not do it."""
        error = self._error
        if is_lost(error) or isinstance(error, (NotStored, OtherIdGiven)):
            return False
        if isinstance(error, HttpError):
            return error.status != _INTERNAL_ERROR
        return isinstance(error, (ApiNotAvailable, BadAnswer))

    def _may_be_stored(self, image: ImageDetail) -> bool:
        """Tell whether the service may still be at the data."""
        if isinstance(self._error, HttpError) and not is_lost(self._error):
            return False
        if self._data is not None:
            # What was not sent to its end never becomes the image.
            # Whoever interrupts the waiting has not seen whether it begins to be stored.
            passing = (SAVING,) if isinstance(self._error, ImageV1Error) else PASSING
            return self._data.md5 is not None and image.status in passing
        return self._fields.copy_from is not None and image.status in PASSING

    def _may_be_removed(self, image: ImageDetail) -> bool:
        """Tell whether the image is certain not to be what it was to be."""
        if self._other:
            # It goes by another name than was asked for: whether it is ours, a person must see.
            return False
        if self.is_whole:
            return False
        answered = isinstance(self._error, ImageV1Error) and not is_lost(self._error)
        return answered or self._data is not None or image.status != ACTIVE
