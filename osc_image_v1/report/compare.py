"""Images of the Image API v1 against what another service, or a directory, has of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import HIDDEN, ImageDetail, Member
from osc_image_v1.api.records import Record, is_json_of
from osc_image_v1.migrate.notes import Note
from osc_image_v1.report.fields import PROPERTY
from osc_image_v1.report.peers import Peer, PeerImage
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import expected_of, has_data
from osc_image_v1.transfer.many import PARALLEL, each_in_order
from osc_image_v1.transfer.shelf import Shelf

_NULLS = (None, "")


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same.

    :ivar image_id: ID of the image, here if it is here
    :ivar difference: ``missing`` (there), ``extra`` (there), ``not copied`` (its state does not
        allow it), ``unfinished`` (a run has begun it there), ``kernel_id`` or ``ramdisk_id`` (the
        image of that ID is missing there), the field, or what a note on the copy is about
    :ivar here: the value here, for another cloud as a copy has it
    :ivar there: the value there
    :ivar explained: whether it is so because the image was to be copied so
    :ivar why: why it is so, where that is known
    """

    image_id: str
    name: str | None
    difference: str
    here: Any = None
    there: Any = None
    explained: bool = False
    why: str | None = None


class _Shared(NamedTuple):
    """Whom an image is shared with.

    :ivar here: its members here
    :ivar there: those of its copies, as far as they are known, by the IDs there
    """

    here: Sequence[Member] = ()
    there: Mapping[str, Sequence[str] | None] = MappingProxyType({})


class Comparison:
    """Goes through images, and through what the other side has of them.

    :param client: the service here
    :param peer: the other side
    :param members: whether members are compared, which takes two requests an image; those of
        several images are asked for at a time
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
        there = self._peer.listed() if listed else None
        for image, others, shared in self._shared(self._found(records, there)):
            yield from self._of(image, others, shared)
        for other in there.values() if there is not None and extra else ():
            yield Difference(other.image_id, other.name, "extra", None, other.fields.get("status"))

    def _found(
        self, records: Iterable[Record], there: Shelf[PeerImage] | None
    ) -> Iterator[tuple[ImageDetail, Sequence[PeerImage] | None]]:
        """Yield each image with what there is of it; None where there can be nothing."""
        seen = Shelf[None]()
        for record in records:
            image = ImageDetail.from_record(record)
            if not seen.add(image.id, None):
                continue
            taken = () if there is None else self._peer.take(image, there)
            if not self._peer.takes(image):
                yield image, None
            else:
                yield image, self._peer.find(image) if there is None else taken

    def _shared(
        self, found: Iterable[tuple[ImageDetail, Sequence[PeerImage] | None]]
    ) -> Iterator[tuple[ImageDetail, Sequence[PeerImage] | None, _Shared]]:
        """Yield each image, what there is of it, and whom both are shared with."""
        if not self._members:
            yield from ((image, others, _Shared()) for image, others in found)
            return
        for (image, others), shared in each_in_order(self._ask, found, PARALLEL):
            yield image, others, shared

    def _ask(self, found: tuple[ImageDetail, Sequence[PeerImage] | None]) -> _Shared:
        image, others = found
        finished = [other for other in others or () if not other.unfinished]
        if not finished or image.is_public or image.status in HIDDEN:
            return _Shared()
        here = self._client.members(image.id)
        return _Shared(here, {other.image_id: self._peer.members(other) for other in finished})

    def _of(
        self, image: ImageDetail, others: Sequence[PeerImage] | None, shared: _Shared
    ) -> Iterator[Difference]:
        if others is None:
            if image.status not in HIDDEN:
                yield self._left_out(image)
            return
        self.images += 1
        if self._peer.has_own_data and has_data(image) and others:
            self.doubtful += expected_of(image).lack() is not None
        if not others:
            why = self._peer.why(image, True)
            yield Difference(image.id, image.name, "missing", image.status, why=why)
        for other in others:
            yield from self._told(image, other, shared, several=len(others) > 1)

    def _left_out(self, image: ImageDetail) -> Difference:
        self.left_out += 1
        why = self._peer.why(image, True)
        return Difference(image.id, image.name, "not copied", image.status, None, True, why)

    def _told(
        self, image: ImageDetail, other: PeerImage, shared: _Shared, several: bool
    ) -> Iterator[Difference]:
        """Yield what is not the same, and why, as far as that is known."""
        which = f"in the copy {printable(other.image_id)}" if several else None
        failed: str | None = None
        for one in self._one(image, other, shared):
            failed = failed or self._peer.why(image, False) or ""
            why = "; ".join(filter(None, (one.why, which, failed)))
            yield replace(one, why=why or None)
        for note in () if other.unfinished else self._peer.changes(image, other, shared.here):
            about = note.reason if isinstance(note, Note) else "note"
            why = "; ".join(filter(None, (note, which)))
            yield Difference(image.id, image.name, about, None, None, True, why)

    def _one(self, image: ImageDetail, other: PeerImage, shared: _Shared) -> Iterator[Difference]:
        if other.unfinished:
            there = other.fields.get("status")
            why = "a run has begun to copy it, and not come to its end"
            yield Difference(image.id, image.name, "unfinished", image.status, there, why=why)
            return
        expected = self._peer.expected(image, other)
        names = [name for name in expected if name in other.fields or name.startswith(PROPERTY)]
        self.untold |= {name for name in expected if not name.startswith(PROPERTY)} - set(names)
        names += [
            name for name in other.fields if name.startswith(PROPERTY) and name not in expected
        ]
        for name in names:
            here, there = expected.get(name), other.fields.get(name)
            if not _same(here, there):
                yield Difference(image.id, image.name, name, here, there)
        for name, value, named in self._peer.lacking(image, other):
            why = "there is no such image there"
            yield Difference(image.id, image.name, name, value, named, why=why)
        yield from self._compare_members(image, other, shared)

    def _compare_members(
        self, image: ImageDetail, other: PeerImage, shared: _Shared
    ) -> Iterator[Difference]:
        there = shared.there.get(other.image_id)
        if there is None:
            return
        here = self._peer.expected_members(member.member_id for member in shared.here)
        if list(here) != list(there):
            yield Difference(image.id, image.name, "members", list(here), list(there))


def _same(here: Any, there: Any) -> bool:
    if here == there:
        return True
    if isinstance(there, (list, dict)):
        return is_json_of(here, there)
    # Neither the Image API v2 nor the Compute service knows null.
    return here in _NULLS and there in _NULLS
