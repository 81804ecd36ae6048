"""Images with the records that lists have of them, no other ones are whole; some may vanish yet."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import GONE, ImageDetail
from osc_image_v1.api.records import Record, format_time
from osc_image_v1.exceptions import ImageHasNoData, ImageNotFound, TransferStopped
from osc_image_v1.text import printable
from osc_image_v1.transfer.many import PARALLEL, in_order


def named_records(client: ImageClient, names_or_ids: Iterable[str]) -> Iterator[Record]:
    """Yield the records of images by their names or IDs, as a list has them, in that order.

    Each takes a request or two, so several are looked up at a time; the first one alone, which
    learns what there is to learn of the service.

    :param client: the service
    :param names_or_ids: a UUID or number is looked up as an ID first
    :raises ImageNotFound: if there is no such image, or this user may not see it
    :raises AmbiguousName: if several images have the name
    :raises ImageV1Error: if the service cannot be asked
    """
    names = list(dict.fromkeys(names_or_ids))
    if names:
        yield _named(client, names[0])
    yield from in_order(lambda name: _named(client, name), names[1:], PARALLEL)


def _named(client: ImageClient, name_or_id: str) -> Record:
    image = client.by_id(name_or_id)
    return client.record_by_name(name_or_id) if image is None else _record_of(client, image)


def _record_of(client: ImageClient, image: ImageDetail) -> Record:
    """Return the record of an image, as a list has it unless none has it (community images)."""
    try:
        return client.exact_record(image)
    except ImageNotFound:
        fields = {name: getattr(image, name) for name in image.__dataclass_fields__}
        extra = fields.pop("extra")
        record: Record = {**fields, **extra}
        for name, value in record.items():
            if isinstance(value, datetime):
                record[name] = format_time(value)
        return {**record, "properties": dict(image.properties)}


# Images that their service is deleting just now: Glance says ``deleted`` of an image first, then
# removes its data, and takes the status back where that fails. Until then nobody knows whether
# there will be data.

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
                return _record_of(client, image)
        except ImageNotFound:
            return record
        if stop.wait(pause):
            raise TransferStopped(f"Waiting for image {printable(image.id)} was stopped")
    raise ImageHasNoData(
        f"Image {printable(image.id)} is being deleted just now, and its data may stay: run the "
        "same command again later"
    )
