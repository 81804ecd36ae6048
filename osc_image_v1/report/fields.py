"""What the services say of an image, field by field, in one form for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from osc_image_v1.api.models import V2_FIELDS, Abilities, ImageDetail, detail_of, properties_of
from osc_image_v1.api.records import (
    Record,
    as_checksum,
    format_time,
    text_or_none,
)

#: What is said of an image, field by field; a field that a side cannot know is absent.
Fields = dict[str, Any]

#: What the field of a property begins with.
PROPERTY = "property "


def seconds(moment: datetime | None) -> str | None:
    """Return a time without fractions of a second, which not all services know."""
    return None if moment is None else format_time(moment.replace(microsecond=0))


def with_properties(fields: Fields, properties: Mapping[str, Any]) -> Fields:
    """Add properties to fields; one that is null is like one that is an empty text."""
    return {**fields, **{PROPERTY + name: value for name, value in properties.items()}}


def _fields(image: ImageDetail) -> Fields:
    return {
        "name": image.name,
        "status": image.status,
        "size": image.size or 0,
        "checksum": as_checksum(image.checksum) or image.checksum,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk or 0,
        "min_ram": image.min_ram or 0,
        "owner": image.owner,
        "public": bool(image.is_public),
        "protected": bool(image.protected),
        "created_at": seconds(image.created_at),
        "updated_at": seconds(image.updated_at),
    }


def fields_of_v1(image: ImageDetail) -> Fields:
    """Return what the Image API v1 says of an image.

    :param image: the image
    """
    return with_properties(_fields(image), image.properties)


def fields_of_v2(record: Record, knows: Abilities, image: ImageDetail | None = None) -> Fields:
    """Return what the Image API v2 says of an image.

    :param record: its record
    :param knows: what the service knows of images
    :param image: the image of the record, where that was made already
    """
    fields = _fields(image or detail_of(record))
    fields["visibility"] = text_or_none(record.get("visibility"))
    if not knows.tells("owner"):
        del fields["owner"]
    algorithm = text_or_none(record.get("os_hash_algo"))
    if algorithm:
        fields[algorithm] = as_checksum(text_or_none(record.get("os_hash_value")))
    return with_properties(fields, properties_of(record))


def without_hidden(fields: Fields) -> Fields:
    """Leave out properties that v2 hides, and what reads through it: its own fields' names."""
    return {
        name: value
        for name, value in fields.items()
        if not name.startswith(PROPERTY) or name.removeprefix(PROPERTY) not in V2_FIELDS
    }
