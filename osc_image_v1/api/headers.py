"""``x-image-meta-*`` headers, in which the Image API v1 carries one image's metadata.

Header text is raw UTF-8, which Python's HTTP layer shows as Latin-1. Header names carry no case,
and ``-`` and ``_`` mean the same in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from osc_image_v1.api.records import Record, bool_or_none, int_or_none

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
    return text


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
