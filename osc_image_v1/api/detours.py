"""Ways around what the Image API v1 cannot do, mostly through the Image API v2 of the same service.

An image's metadata may not fit into the headers that a front end lets through: lists have it in
their bodies, and v2 has the data without it.

Properties cannot be removed: v1 replaces all of them, and cannot carry every one. So v2 removes
them; where the service has none, v1 does if it can carry all the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any, TypeVar

from osc_image_v1.api.bodies import ImageData
from osc_image_v1.api.fields import ImageFields, check_properties
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import HIDDEN, V2_FIELDS, ImageDetail
from osc_image_v1.api.outcomes import Done, Verdict, carry_out
from osc_image_v1.api.queries import MAX_PAGE_SIZE, ImageQuery
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    Conflict,
    ConnectionFailed,
    GatewayError,
    HttpError,
    ImageV1Error,
    InvalidInput,
    NotFound,
)
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

# What a front end says where an image's metadata does not fit into the headers that it takes.
_TOO_MUCH = (HTTPStatus.BAD_GATEWAY,)
# Of properties with these names, which v1 can make, v2 shows and removes nothing.
_HIDDEN_IN_V2 = V2_FIELDS - {"stores"} | {"deleted", "deleted_at", "is_public", "location"}


def past_headers(
    ask: Callable[[Collection[int]], _T],
    around: Callable[[], _T | None],
    last: Callable[[], _T | None] = lambda: None,
) -> _T:
    """Ask for what comes with an image's metadata in headers, and go around them if they do not.

    :param ask: sends the request; it is told which statuses of a front end end it at once
    :param around: returns the same without headers, None where it cannot
    :param last: the same, at a higher price
    :raises ImageV1Error: what ``ask`` raises
    :raises ConnectionFailed: if there is no answer to ``around`` either
    """
    try:
        return ask(_TOO_MUCH)
    except GatewayError as error:
        if error.status not in _TOO_MUCH:
            raise
    found = around()
    if found is not None:
        return found
    try:
        return ask(())
    except GatewayError as error:
        found = last() if error.status in _TOO_MUCH else None
        if found is None:
            raise
        return found


def query_for(image: ImageDetail) -> ImageQuery:
    """Return what to ask a list for that is to have an image, and few others.

    :param image: the image, of which name, status and size are looked at
    """
    return ImageQuery(
        name=image.name or None,
        status=image.status if image.status in HIDDEN else None,
        min_size=image.size,
        max_size=image.size,
        visibility="all",
        limit=MAX_PAGE_SIZE,
    )


def record_by_v2(
    client: ImageV2Client, image_id: str, exact: Callable[[ImageDetail], Record]
) -> Record | None:
    """Return the record of an image that v2 finds for v1; None where it does not.

    :param client: the same service's Image API v2
    :param image_id: the image's ID
    :param exact: returns the record that v1's lists have of an image of that ID, name and size
    :raises ConnectionFailed: if there is no answer
    """
    try:
        found = client.get(image_id)
        known = {name: found.get(name) for name in ("id", "name", "size", "status")}
        return exact(ImageDetail.from_record(known))
    except ConnectionFailed:
        raise
    except ImageV1Error as error:
        LOG.debug("%s; looking for it elsewhere", error)
        return None


def data_by_v2(client: ImageV2Client, image_id: str) -> ImageData | None:
    """Return the data of an image, still to be read; None where v2 does not hand it out.

    :param client: the same service's Image API v2
    :param image_id: the image's ID
    :raises ConnectionFailed: if there is no answer
    """
    try:
        return client.data(image_id)
    except ConnectionFailed:
        raise
    except ImageV1Error as error:
        LOG.debug("%s; asking for it again without v2", error)
        return None


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
