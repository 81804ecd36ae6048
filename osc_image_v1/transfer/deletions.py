"""Images that their service is deleting just now.

Glance says ``deleted`` of an image first, then removes its data, and takes the status back where
that fails. Until then nobody knows whether there will be data.
"""

from __future__ import annotations

import threading

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import GONE, ImageDetail
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import ImageHasNoData, ImageNotFound, TransferStopped
from osc_image_v1.text import printable
from osc_image_v1.transfer.listed import record_of

# Seconds between looks at what becomes of an image.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


def is_being_deleted(image: ImageDetail) -> bool:
    """Tell whether an image's status says that it is deleted, and it is not."""
    return image.status in GONE and image.deleted is False


def settled(client: ImageClient, record: Record, stop: threading.Event) -> Record:
    """Return an image's record when it is known what becomes of it.

    :param client: the service
    :param record: the image, as a list had it
    :param stop: ends the waiting when it is set
    :raises ImageHasNoData: if it is still being deleted after some seconds
    :raises TransferStopped: if ``stop`` was set
    :raises ImageV1Error: if the service cannot be asked
    """
    image = ImageDetail.from_record(record)
    if not is_being_deleted(image):
        return record
    for pause in _PAUSES:
        try:
            image = client.get(image.id)
            if not is_being_deleted(image):
                return record_of(client, image)
        except ImageNotFound:
            return record
        if stop.wait(pause):
            raise TransferStopped(f"Waiting for image {printable(image.id)} was stopped")
    raise ImageHasNoData(
        f"Image {printable(image.id)} is being deleted just now, and its data may stay: run the "
        "same command again later"
    )
