"""Images by name or ID, with the records that lists have of them: no other ones are whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.records import Record, format_time
from osc_image_v1.exceptions import ImageNotFound


def named_records(client: ImageClient, names_or_ids: Iterable[str]) -> Iterator[Record]:
    """Yield the records of images by their names or IDs, as a list has them.

    :param client: the service
    :param names_or_ids: a UUID or number is looked up as an ID first
    :raises ImageNotFound: if there is no such image, or this user may not see it
    :raises AmbiguousName: if several images have the name
    :raises ImageV1Error: if the service cannot be asked
    """
    for name_or_id in names_or_ids:
        image = client.by_id(name_or_id)
        if image is None:
            yield client.record_by_name(name_or_id)
        else:
            yield record_of(client, image)


def record_of(client: ImageClient, image: ImageDetail) -> Record:
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
