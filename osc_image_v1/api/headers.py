"""``x-image-meta-*`` headers, in which the Image API v1 carries one image's metadata.

Header text is raw UTF-8, which Python's HTTP layer shows as Latin-1. Header names carry no case,
and ``-`` and ``_`` mean the same in them; only hyphens are sent, since some front ends drop names
with underscores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from osc_image_v1.api.fields import ImageFields
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.records import Record, bool_or_none, int_or_none, text_or_none
from osc_image_v1.exceptions import NotStored
from osc_image_v1.text import printable

_PREFIX = "x-image-meta-"
_PROPERTY = "property-"
_NUMBERS = frozenset(("size", "min_disk", "min_ram", "virtual_size"))
_BOOLEANS = frozenset(("is_public", "protected", "deleted"))


def _decode(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return int_or_none(text)
    if name in _BOOLEANS:
        return bool_or_none(text)
    # Some services send an empty header for a null; an image's name may be empty.
    return text if text or name == "name" else None


def record_from_headers(headers: Iterable[tuple[str, str]]) -> Record:
    """Return the record of an image from an answer's headers.

    :param headers: name and value of each header line, as Python's HTTP layer shows them
    :returns: a record as a detailed list has it. Null fields and null properties are absent, the
        service does not send them, and property names are in lower case
    """
    record: Record = {}
    properties: dict[str, str] = {}
    for name, text in headers:
        field = _decode(name).lower()
        if not field.startswith(_PREFIX):
            continue
        field = field[len(_PREFIX) :]
        if field.startswith(_PROPERTY):
            properties[field[len(_PROPERTY) :]] = _decode(text)
        else:
            field = field.replace("-", "_")
            record[field] = _value(field, _decode(text))
    return {**record, "properties": properties}


def headers_from_fields(fields: ImageFields) -> dict[str, str]:
    """Return the headers that carry fields to be written.

    :param fields: what is to be written; they are checked already
    :returns: headers as Python's HTTP layer takes them
    """
    headers = {
        _PREFIX + name.replace("_", "-"): _encode(value)
        for name in _WRITTEN
        if (value := getattr(fields, name)) is not None
    }
    if fields.copy_from is not None:
        headers["x-glance-api-copy-from"] = _encode(fields.copy_from)
    for name, text in fields.properties.items():
        headers[_PREFIX + _PROPERTY + name.replace("_", "-")] = _encode(text or "")
    return headers


def _read(name: str, value: Any) -> Any:
    """Return a field of a record as a model has it; an empty text is what null is."""
    if name in _NUMBERS:
        return int_or_none(value)
    if name in _BOOLEANS:
        return bool_or_none(value)
    text = text_or_none(value) or None
    return text.lower() if text and name == "checksum" else text


def not_stored(fields: ImageFields, record: Record) -> list[str]:
    """Return what a service has not stored as it was asked to.

    :param fields: what was to be written
    :param record: the service's record after that; fields that it does not have are not looked at
    """
    wrong = [
        name
        for name in _STORED
        if (asked := getattr(fields, name)) is not None
        and name in record
        and _read(name, record[name]) != _read(name, asked)
    ]
    stored = record.get("properties")
    if isinstance(stored, dict):
        wrong += [
            f"property {name}"
            for name, asked in fields.properties.items()
            if text_or_none(stored.get(name)) != (asked or None)
        ]
    return wrong


def stored_image(fields: ImageFields, record: Record, action: str) -> ImageDetail:
    """Return the image of an answer, if it has what it was to get.

    :param fields: what was to be written
    :param record: the service's record after that
    :param action: what was being done, as the beginning of an error's sentence
    :raises NotStored: if the service has stored something else
    """
    wrong = not_stored(fields, record)
    if wrong:
        hint = " (only an admin chooses the owner)" if "owner" in wrong else ""
        raise NotStored(
            f"{action} as asked: the service has not stored {printable(', '.join(wrong))}{hint}"
        )
    return ImageDetail.from_record(record)


_STORED = (
    "name",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "size",
    "checksum",
    "owner",
    "is_public",
    "protected",
)
_WRITTEN = (*_STORED, "store", "location")


def _encode(value: str | int | bool) -> str:
    return str(value).encode().decode("latin-1")
