"""The disk format that an image gets in another service: its own, another, or what its data is.

A property of the copy keeps the format that the image has here, by which another run knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from osc_image_v1.exceptions import FormatRefused
from osc_image_v1.migrate.drafts import MOST_PROPERTIES, Draft, TargetImage
from osc_image_v1.migrate.notes import Note
from osc_image_v1.text import printable
from osc_image_v1.transfer.formats import Seen, is_looked_at

#: The properties that keep the formats that an image had.
DISK_FORMAT, CONTAINER_FORMAT = "v1_disk_format", "v1_container_format"


def as_asked(draft: Draft, formats: Mapping[str, str]) -> Draft:
    """Return a draft with the formats that were asked for.

    :param draft: the image as it would be with its own
    :param formats: the image's ID or its disk format -> disk format, or disk and container format
        with a slash between them
    """
    image = draft.image
    asked = formats.get(image.id) or formats.get(image.disk_format or "")
    if asked is None:
        return draft
    disk, _slash, container = asked.partition("/")
    return _stored_as(draft, disk, container or image.container_format, "as it was asked for")


def as_seen(draft: Draft, seen: Seen | None, from_data: bool) -> Draft:
    """Return a draft with the format as which Glance takes the data.

    :param draft: the image as it would be
    :param seen: what its data is, None where nothing looked at it
    :param from_data: whether it gets the format that was found
    :raises FormatRefused: if Glance takes the data for nothing that it may be called
    """
    image = draft.image
    if seen is None or not is_looked_at(image.container_format):
        return draft
    declared, better = image.disk_format, seen.better
    reason = seen.refusal(declared)
    if reason and seen.empty:
        return _stored_as(draft, "raw", image.container_format, "it is empty")
    if from_data and better not in (None, declared) and (reason or better == seen.kind != "raw"):
        return _stored_as(draft, str(better), image.container_format, f"its data is {seen}")
    if reason:
        raise FormatRefused(
            f"The target refuses its data after it has taken all of it (415): {reason}; "
            f"{seen.remedy(declared)}; --no-format-check sends it all the same"
        )
    if seen.doubt:
        note = Note(f"whether the target takes its data is not known: {seen.doubt}", "format")
        return replace(draft, notes=(*draft.notes, note))
    return draft


def as_stored(draft: Draft, found: TargetImage) -> Draft:
    """Return a draft with the formats that an earlier run has chosen.

    :param draft: the image as a copy would be
    :param found: what the target has
    """
    image, properties = draft.image, dict(draft.properties)
    for name, here in (
        (DISK_FORMAT, image.disk_format),
        (CONTAINER_FORMAT, image.container_format),
    ):
        if name not in properties and here and found.properties.get(name) == here:
            properties[name] = here
    if DISK_FORMAT in properties.keys() - draft.properties.keys():
        image = replace(image, disk_format=found.disk_format)
    if CONTAINER_FORMAT in properties.keys() - draft.properties.keys():
        image = replace(image, container_format=found.container_format)
    return replace(draft, image=image, properties=properties)


def _stored_as(draft: Draft, disk: str, container: str | None, why: str) -> Draft:
    image, properties, notes = draft.image, dict(draft.properties), list(draft.notes)
    for title, name, here, there in (
        ("disk format", DISK_FORMAT, image.disk_format, disk),
        ("container format", CONTAINER_FORMAT, image.container_format, container),
    ):
        if here == there:
            continue
        text = f"{title} {printable(here)} here, {printable(there)} there: {why}"
        notes.append(Note(text, "format"))
        if here and name not in properties and len(properties) < MOST_PROPERTIES:
            properties[name] = here
    image = replace(image, disk_format=disk, container_format=container)
    return replace(draft, image=image, properties=properties, notes=tuple(notes))
