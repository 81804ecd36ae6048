"""Images of the Image API v1 against what another service, or a directory, has of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import HIDDEN, ImageDetail
from osc_image_v1.api.records import Record, is_json_of
from osc_image_v1.report.fields import PROPERTY, Fields
from osc_image_v1.report.peers import Peer, PeerImage
from osc_image_v1.transfer.expected import expected_of, has_data

_NULLS = (None, "")


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same.

    :ivar image_id: ID of the image, here if it is here
    :ivar difference: ``missing`` (there), ``extra`` (there), or the field
    :ivar here: the value here
    :ivar there: the value there
    """

    image_id: str
    name: str | None
    difference: str
    here: Any = None
    there: Any = None


class Comparison:
    """Goes through images, and through what the other side has of them.

    :param client: the service here
    :param peer: the other side
    :param members: whether members are compared, which takes two requests an image
    :ivar images: how many images were compared
    :ivar doubtful: how many of them have data that nothing vouches for, so that nothing tells
        whether the other side's is the same
    :ivar left_out: how many were not, since the other side has no images in their state: they are
        still being stored, say
    :ivar untold: fields that were not compared, since the other side does not tell them
    """

    def __init__(self, client: ImageClient, peer: Peer, members: bool = False) -> None:
        self._client = client
        self._peer = peer
        self._members = members
        self.images = self.left_out = self.doubtful = 0
        self.untold: set[str] = set()

    def differences(
        self, records: Iterable[Record], *, listed: bool = True, extra: bool = True
    ) -> Iterator[Difference]:
        """Yield what is not the same, image by image.

        :param records: the images here, as a detailed list has them
        :param listed: whether the other side is listed; else it is asked for each image
        :param extra: whether images that only the other side has are differences
        :raises ImageV1Error: if a side cannot be asked
        """
        there = {other.image_id: other for other in self._peer.all()} if listed else None
        seen: set[str] = set()
        for record in records:
            image = ImageDetail.from_record(record)
            if image.id in seen:
                continue
            seen.add(image.id)
            other = None if there is None else self._peer.take(image, there)
            if self._peer.expected(image) is None:
                self.left_out += image.status not in HIDDEN
                continue
            if there is None:
                other = self._peer.find(image)
            yield from self._one(image, self._peer.expected(image, other) or {}, other)
        for other in (there or {}).values() if extra else ():
            yield Difference(other.image_id, other.name, "extra", None, other.fields.get("status"))

    def _one(
        self, image: ImageDetail, expected: Fields, other: PeerImage | None
    ) -> Iterator[Difference]:
        self.images += 1
        if other is None:
            yield Difference(image.id, image.name, "missing", image.status)
            return
        if self._peer.has_own_data and has_data(image):
            self.doubtful += expected_of(image).lack() is not None
        names = [name for name in expected if name in other.fields or name.startswith(PROPERTY)]
        self.untold |= {name for name in expected if not name.startswith(PROPERTY)} - set(names)
        names += [
            name for name in other.fields if name.startswith(PROPERTY) and name not in expected
        ]
        for name in names:
            here, there = expected.get(name), other.fields.get(name)
            if not _same(here, there):
                yield Difference(image.id, image.name, name, here, there)
        yield from self._compare_members(image, other)

    def _compare_members(self, image: ImageDetail, other: PeerImage) -> Iterator[Difference]:
        if not self._members or image.is_public or image.status in HIDDEN:
            return
        there = self._peer.members(other)
        if there is None:
            return
        here = self._peer.expected_members(m.member_id for m in self._client.members(image.id))
        if list(here) != list(there):
            yield Difference(image.id, image.name, "members", list(here), list(there))


def _same(here: Any, there: Any) -> bool:
    if here == there:
        return True
    if isinstance(there, (list, dict)):
        return is_json_of(here, there)
    # Neither the Image API v2 nor the Compute service knows null.
    return here in _NULLS and there in _NULLS
