"""How properties of an image are removed, and all others stay.

The Image API v1 can only replace all properties, and cannot carry every one. So they are removed
through the Image API v2 of the same service; where it has none, through v1 if that can carry all
the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any

from osc_image_v1.api.fields import ImageFields, check_properties
from osc_image_v1.api.image_v2 import FIELDS, ImageV2Client
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.outcomes import Done, Verdict, carry_out
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    Conflict,
    HttpError,
    ImageV1Error,
    InvalidInput,
    NotFound,
)
from osc_image_v1.text import printable

# Of properties with these names, which v1 can make, v2 shows and removes nothing.
_HIDDEN_IN_V2 = FIELDS - {"stores"} | {"deleted", "deleted_at", "is_public", "location"}


def v2_shows(names: Collection[str]) -> bool:
    """Tell whether the Image API v2 takes all these names for properties.

    :param names: names of properties in the Image API v1
    """
    return _HIDDEN_IN_V2.isdisjoint(names)


def remove_by_v2(client: ImageV2Client, image_id: str, names: Collection[str]) -> bool:
    """Remove properties through the Image API v2; tell whether it was done.

    :param client: the same service's Image API v2
    :param image_id: the image's ID
    :param names: the names of the properties
    :returns: False where the service has no such API, or the image not all these properties
    :raises HttpError: for another error status
    :raises ConnectionFailed: if there is no answer
    """
    try:
        client.remove_properties(image_id, names)
    except (ApiNotAvailable, NotFound, Conflict):
        # Conflict: one of the names is missing, which is said better after a look.
        return False
    except HttpError as error:
        if error.status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
            return False
        raise
    return True


def remove_by_v1(
    image: ImageDetail,
    names: Collection[str],
    put: Callable[[str, str, ImageFields, bool], Record],
    changed: Callable[[str, ImageFields, bool], Verdict[ImageDetail]],
    unknown: str,
) -> None:
    """Remove properties through the Image API v1, which writes all the others anew.

    :param image: the image as a list has it
    :param names: the names of the properties
    :param put: changes an image and returns its record: ID, what is being done, fields, whether
        properties that are not among these go
    :param changed: looks what has become of a change: ID, fields, whether properties went
    :param unknown: what to do where nobody can tell, as the end of a sentence
    :raises InvalidInput: if the image does not have one of them
    :raises ImageV1Error: if v1 would lose another one
    :raises BadAnswer: if other properties are there now than were to stay
    """
    _check_there(image, names)
    action = f"Cannot remove properties of image {printable(image.id)}"
    kept = _kept(image, names, action)
    fields = ImageFields(properties=kept)

    def look() -> Verdict[Any]:
        verdict = changed(image.id, fields, True)
        return Done(kept) if isinstance(verdict, Done) else verdict

    stored = carry_out(
        lambda: put(image.id, action, fields, True).get("properties"), look, unknown=unknown
    )
    if stored != kept:
        raise BadAnswer(
            f"{action}: the service's properties are not the ones that were to stay, compare with "
            f"'openstack image v1 show {printable(image.id)}'"
        )


def _kept(image: ImageDetail, names: Collection[str], action: str) -> dict[str, str | None]:
    """Return the other properties, which the Image API v1 has to write anew."""
    others = {name: text for name, text in image.properties.items() if name not in names}
    try:
        check_properties(others)
        for name, text in others.items():
            if text == "":
                raise InvalidInput(f"the empty text of property '{printable(name)}'")
    except InvalidInput as error:
        raise ImageV1Error(
            f"{action}: the Image API v1 can only write all the others anew and would lose one "
            f"({error}); the service has no Image API v2 that can"
        ) from None
    return others


def _check_there(image: ImageDetail, names: Collection[str]) -> None:
    missing = sorted(set(names) - set(image.properties))
    if not missing:
        return
    alike = sorted(
        name
        for name in image.properties
        if any(_folded(name) == _folded(wanted) for wanted in missing)
    )
    hint = f"; it has {_named(alike)}" if alike else ""
    raise InvalidInput(
        f"Image {printable(image.id)} has no property {_named(missing)}{hint}; nothing was removed"
    )


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"'{printable(name)}'" for name in names)
