"""The one rule by which properties of the Image API v1 get names that the Image API v2 takes.

A property keeps its name and value, but for

- names of v2's own fields (``status``, ``tags``, ``file``...), those that it reserves
  (``location``, ``deleted``, ``is_public``..., and all that begin with ``os_glance``), and an empty
  name: these get ``v1_`` in front;
- ``kernel_id`` and ``ramdisk_id`` whose value is no UUID, which many services refuse: likewise;
- a name of more than 255 characters with that: it is cut, and ends with 16 digits of its SHA-256;
- a name that another property of the image has already: it gets one more ``v1_``;
- ``v1_image_id`` where the image gets a new ID, and with it a property of that name: likewise;
- null, which v2 does not know: it becomes an empty text, as a service shows it that has both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from osc_image_v1.api.models import V2_FIELDS
from osc_image_v1.text import is_uuid

_PREFIX = "v1_"

#: The property that an image with a new ID has: the ID that it had.
SOURCE_ID = "v1_image_id"

_RESERVED = V2_FIELDS | frozenset(("", "deleted", "deleted_at", "is_public", "location"))
_RESERVED_BEGINNING = "os_glance"
_UUIDS = frozenset(("kernel_id", "ramdisk_id"))
_LONGEST_NAME = 255


def source_tag(image_id: str) -> str:
    """Return the tag that says which ID an image had, where it has as many properties as can be.

    :param image_id: the ID that it had
    """
    return f"{SOURCE_ID}={image_id}"


def source_id_of(properties: Mapping[str, str | None], tags: Collection[str] = ()) -> str | None:
    """Return the ID that an image says it had.

    :param properties: the image's properties
    :param tags: its tags
    """
    tagged = (tag.removeprefix(source_tag("")) for tag in tags if tag.startswith(source_tag("")))
    return properties.get(SOURCE_ID) or next(tagged, None)


def for_v1(
    properties: Mapping[str, str | None], new_id: bool
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Return the properties as the Image API v1 takes them.

    :param properties: names and values as they are here
    :param new_id: whether the image gets a new ID
    :returns: names and values there; and the names that are others there: old -> new
    """
    renamed = _renamed(properties, {SOURCE_ID} & properties.keys() if new_id else set())
    return {renamed.get(name, name): value for name, value in properties.items()}, renamed


def for_v2(
    properties: Mapping[str, str | None], new_id: bool = False
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the properties as the Image API v2 takes them.

    :param properties: names and values as v1 has them
    :param new_id: whether the image gets a new ID
    :returns: names and values for v2; and the names that are others there: old -> new
    """
    refused = {name for name, value in properties.items() if _is_refused(name, value)}
    if new_id:
        refused |= {SOURCE_ID} & properties.keys()
    renamed = _renamed(properties, refused)
    return {
        renamed.get(name, name): "" if value is None else value
        for name, value in properties.items()
    }, renamed


def _renamed(properties: Mapping[str, str | None], refused: Collection[str]) -> dict[str, str]:
    """Return names that are not taken for those that are refused: old -> new."""
    renamed: dict[str, str] = {}
    taken = properties.keys() - set(refused)
    for name in sorted(refused):
        new = _cut(_PREFIX + name)
        while new in taken:
            new = _cut(_PREFIX + new)
        taken.add(new)
        renamed[name] = new
    return renamed


def _is_refused(name: str, value: str | None) -> bool:
    if name in _UUIDS:
        return not is_uuid(value or "")
    return name in _RESERVED or name.startswith(_RESERVED_BEGINNING) or len(name) > _LONGEST_NAME


def _cut(name: str) -> str:
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name[: _LONGEST_NAME - 17]}_{digest}"
