"""The one rule by which properties of the Image API v1 get names that the Image API v2 takes.

A property keeps its name and value, but for

- names of v2's own fields (``status``, ``tags``, ``file``...), those that it reserves
  (``location``, ``deleted``, ``is_public``..., and all that begin with ``os_glance``), and an empty
  name: these get ``v1_`` in front;
- ``kernel_id`` and ``ramdisk_id`` whose value is no UUID, which many services refuse: likewise;
- a name of more than 255 characters with that: it is cut, and ends with 16 digits of its SHA-256;
- a name that another property of the image has already: it gets one more ``v1_``;
- null, which v2 does not know: it becomes an empty text, as a service shows it that has both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from osc_image_v1.api.image_v2 import FIELDS
from osc_image_v1.api.queries import is_uuid

PREFIX = "v1_"

#: The property that an image with a new ID has: the ID that it had.
SOURCE_ID = "v1_image_id"

_RESERVED = FIELDS | frozenset(("", "deleted", "deleted_at", "is_public", "location"))
_RESERVED_BEGINNING = "os_glance"
_UUIDS = frozenset(("kernel_id", "ramdisk_id"))
_LONGEST_NAME = 255


def for_v2(
    properties: Mapping[str, str | None],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the properties as the Image API v2 takes them.

    :param properties: names and values as v1 has them
    :returns: names and values for v2; and the names that are others there: old -> new
    """
    renamed: dict[str, str] = {}
    taken = {name for name, value in properties.items() if not _is_refused(name, value)}
    for name in sorted(properties.keys() - taken):
        new = _cut(PREFIX + name)
        while new in taken:
            new = _cut(PREFIX + new)
        taken.add(new)
        renamed[name] = new
    return {
        renamed.get(name, name): "" if value is None else value
        for name, value in properties.items()
    }, renamed


def _is_refused(name: str, value: str | None) -> bool:
    if name in _UUIDS:
        return not is_uuid(value or "")
    return name in _RESERVED or name.startswith(_RESERVED_BEGINNING) or len(name) > _LONGEST_NAME


def _cut(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[: _LONGEST_NAME - 17]}_{digest}"
