"""The other side of a comparison: what it has, and what it ought to have."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import (
    HIDDEN,
    IN_COMPUTE,
    QUEUED,
    WITH_DATA,
    ComputeImage,
    ImageDetail,
    Member,
)
from osc_image_v1.api.paging import found_by_id
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.manifest import ExportedImage
from osc_image_v1.exceptions import Forbidden, ImageNotFound, ImageV1Error
from osc_image_v1.migrate.drafts import (
    IMAGE_REFERENCES,
    UNFINISHED,
    Draft,
    Plan,
    TargetImage,
    state_of,
)
from osc_image_v1.migrate.formats import CONTAINER_FORMAT, DISK_FORMAT
from osc_image_v1.migrate.job import reason_to_skip
from osc_image_v1.migrate.notes import Note
from osc_image_v1.migrate.ours import IdUsedUp
from osc_image_v1.migrate.targets import Target
from osc_image_v1.report.fields import (
    PROPERTY,
    Fields,
    fields_of_v1,
    fields_of_v2,
    seconds,
    with_properties,
    without_hidden,
)
from osc_image_v1.report.runs import PastRuns
from osc_image_v1.text import is_uuid, printable
from osc_image_v1.transfer.expected import expected_of, has_data
from osc_image_v1.transfer.shelf import Scratch, Shelf, packed, unpacked

_COPIED = WITH_DATA | {QUEUED}
_FORMATS = (("disk_format", DISK_FORMAT), ("container_format", CONTAINER_FORMAT))


@dataclass(frozen=True)
class PeerImage:
    """An image of the other side.

    :ivar image_id: the ID that it has there
    :ivar unfinished: whether it is a copy that a run has begun, and not brought to its end
    """

    image_id: str
    name: str | None
    fields: Fields
    unfinished: bool = False


class Peer(abc.ABC):
    """The other side of a comparison."""

    #: Whether it has data of its own, not that of the service here.
    has_own_data = False

    def takes(self, image: ImageDetail) -> bool:
        """Tell whether the other side can have an image, as its state is.

        :param image: the image here
        """
        return image.status not in HIDDEN

    @abc.abstractmethod
    def expected(self, image: ImageDetail, other: PeerImage) -> Fields:
        """Return what the other side ought to say of an image that it can have.

        :param image: the image here
        :param other: what the other side has of it
        """

    @abc.abstractmethod
    def all(self) -> Iterator[PeerImage]:
        """Yield all images of the other side."""

    def listed(self) -> Shelf[PeerImage]:
        """Return all images of the other side by the IDs there; they are not in memory."""
        there = Shelf[PeerImage](
            lambda one: [one.image_id, one.name, one.fields, one.unfinished],
            lambda stored: PeerImage(*stored),
        )
        for other in self.all():
            there[other.image_id] = other
        return there

    @abc.abstractmethod
    def find(self, image: ImageDetail) -> Sequence[PeerImage]:
        """Return what the other side has of an image here: nothing, an image, or several copies."""

    def take(self, image: ImageDetail, there: Shelf[PeerImage]) -> Sequence[PeerImage]:
        """Return what the other side has of an image here, and remove it from what is listed.

        :param image: the image here
        :param there: what is listed, by the IDs there
        """
        return _some(there.pop(image.id, None))

    def changes(
        self,
        image: ImageDetail,  # noqa: ARG002 (others know them)
        other: PeerImage,  # noqa: ARG002
        members: Sequence[Member],  # noqa: ARG002
    ) -> Sequence[str]:
        """Return what is another on the other side because it was to be, each a clause.

        :param image: the image here
        :param other: what the other side has of it
        :param members: whom it is shared with here, as far as that is compared
        """
        return ()

    def lacking(
        self,
        image: ImageDetail,  # noqa: ARG002 (others know them)
        other: PeerImage,  # noqa: ARG002
    ) -> Iterator[tuple[str, str, str]]:
        """Yield which images the other side's one names that are here, and not there.

        :returns: the property, its value here, and its value there
        """
        yield from ()

    def why(self, image: ImageDetail, missing: bool) -> str | None:  # noqa: ARG002
        """Return why an image is not there as it ought to be, None where nothing tells.

        :param image: the image here
        :param missing: whether it is not there at all
        """
        return None

    def members(self, other: PeerImage) -> Sequence[str] | None:  # noqa: ARG002 (others know them)
        """Return whom an image is shared with, None where that cannot be known."""
        return None

    def expected_members(self, members: Iterable[str]) -> Sequence[str]:
        """Return whom an image ought to be shared with there."""
        return sorted(members)


def _some(other: PeerImage | None) -> Sequence[PeerImage]:
    return () if other is None else (other,)


class ComputePeer(Peer):
    """The Compute service's image proxy; it knows no owner, visibility, format or checksum.

    :param client: the service
    """

    def __init__(self, client: ComputeImageClient) -> None:
        self._client = client

    def expected(self, image: ImageDetail, other: PeerImage) -> Fields:  # noqa: ARG002
        """Return what the proxy ought to say of an image."""
        fields = fields_of_v1(image)
        fields["status"] = IN_COMPUTE.get(str(image.status), "UNKNOWN")
        return without_hidden(fields)

    def all(self) -> Iterator[PeerImage]:
        """Yield all images that the proxy lists."""
        return map(_other_of_compute, self._client.images())

    def find(self, image: ImageDetail) -> Sequence[PeerImage]:
        """Return an image."""
        found = found_by_id(self._client.get, image.id)
        return () if found is None else (_other_of_compute(found),)


def _other_of_compute(image: ComputeImage) -> PeerImage:
    fields: Fields = {
        "name": image.name,
        "status": image.status,
        "size": image.size,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "created_at": seconds(image.created_at),
        "updated_at": seconds(image.updated_at),
    }
    known = {name: value for name, value in fields.items() if value is not None or name == "name"}
    return PeerImage(image.id, image.name, with_properties(known, image.metadata))


class V2Peer(Peer):
    """The Image API v2 of the same service.

    :param client: the service
    """

    def __init__(self, client: ImageV2Client) -> None:
        self._client = client

    def expected(self, image: ImageDetail, other: PeerImage) -> Fields:  # noqa: ARG002
        """Return what v2 ought to say of an image."""
        return without_hidden(fields_of_v1(image))

    def all(self) -> Iterator[PeerImage]:
        """Yield all images that v2 lists, but for community ones, which v1 does not know."""
        for page in self._client.pages():
            for record in page:
                yield _other_of_v2(record, self._client)

    def find(self, image: ImageDetail) -> Sequence[PeerImage]:
        """Return an image."""
        found = found_by_id(self._client.get, image.id)
        return () if found is None else (_other_of_v2(found, self._client),)

    def members(self, other: PeerImage) -> Sequence[str] | None:
        """Return whom an image is shared with."""
        return _members_in_v2(self._client, other)


def _other_of_v2(
    record: Record, client: ImageV2Client, image: ImageDetail | None = None
) -> PeerImage:
    fields = fields_of_v2(record, client.abilities, image)
    return PeerImage(str(record["id"]), fields["name"], fields)


def _members_in_v2(client: ImageV2Client, other: PeerImage) -> Sequence[str]:
    try:
        return sorted(client.members(other.image_id))
    except Forbidden:
        # Only an image that is shared has any.
        return []


class CloudPeer(Peer):
    """Another service, that images were copied to.

    :param target: that service, as :mod:`~osc_image_v1.migrate.job` writes to it
    :param plan: how the images were written
    :param here: the service that they were copied from, to look up kernels and ramdisks; without
        it nothing tells which image there is the copy of one
    :param runs: what the reports of the runs tell that copied them
    """

    has_own_data = True

    def __init__(
        self,
        target: Target,
        plan: Plan,
        here: ImageClient | None = None,
        runs: PastRuns | None = None,
    ) -> None:
        self._target = target
        self._client = target.client
        self._plan = replace(plan, new_ids=False, image_ids={})
        # What is copied with another ID says which it had; and so may any image of a stranger.
        self._with_new_ids = replace(plan, new_ids=True, image_ids={})
        self._here = here
        self._runs = runs
        # The IDs there: all of them, and those of each image that was copied with a new one.
        self._listed: Shelf[None] | None = None
        self._copies_of = Scratch(
            "CREATE TABLE copies (source BLOB, id BLOB)", "CREATE INDEX sources ON copies (source)"
        )
        self._known: dict[str, bool] = {}

    def takes(self, image: ImageDetail) -> bool:
        """Tell whether an image is copied in its state."""
        return image.status in _COPIED

    def expected(self, image: ImageDetail, other: PeerImage) -> Fields:
        """Return what a copy of an image ought to be."""
        new_id = other.image_id != image.id
        if new_id:
            self._learn_references(image)
        draft = self._draft(image, new_id)
        fields = fields_of_v1(replace(image, properties=draft.properties))
        del fields["created_at"], fields["updated_at"]
        data = expected_of(image)
        del fields["checksum"]
        if has_data(image) and data.algorithm is not None:
            # The Image API v2 shows another checksum than MD5 in a field of its own.
            fields["checksum" if data.md5 else data.algorithm] = data.checksum
        if not has_data(image) or data.size is None:
            del fields["size"]
        fields["owner"] = draft.owner
        if not draft.owned and (draft.owner is None or self._plan.projects):
            # Nobody can say what it ought to be.
            del fields["owner"]
        fields["public"] = draft.visibility == "public"
        if self._plan.visibility is not None:
            fields["visibility"] = draft.visibility
        fields["status"] = draft.status
        return _with_formats(fields, other.fields)

    def _draft(self, image: ImageDetail, new_id: bool) -> Draft:
        plan = self._with_new_ids if new_id else self._plan
        return self._target.draft(image, (), plan, strict=False)

    def _learn_references(self, image: ImageDetail) -> None:
        """Learn which images there are the copies of an image's kernel and ramdisk."""
        for name in IMAGE_REFERENCES:
            other = image.properties.get(name)
            if not other or other in self._with_new_ids.image_ids or self._here is None:
                continue
            try:
                found = self._target.find(self._draft(self._here.get(other), new_id=True))
            except ImageNotFound:
                # Nothing tells what it was: what belongs to the image's project is trusted.
                found = self._target.copy_of(other, self._draft(image, new_id=True).owner)
            self._with_new_ids.image_ids[other] = other if found is None else found.image_id

    def all(self) -> Iterator[PeerImage]:
        """Yield all images of the other service."""
        self._listed = Shelf()
        for found in self._target.everything():
            self._listed.add(found.image_id, None)
            if found.source_id is not None:
                names = packed(found.source_id), packed(found.image_id)
                self._copies_of.change("INSERT INTO copies VALUES (?, ?)", *names)
            yield self._other(found)

    def take(self, image: ImageDetail, there: Shelf[PeerImage]) -> Sequence[PeerImage]:
        """Return the copies of an image, by its ID, the one that it had, or a report."""
        copies_of = "SELECT id FROM copies WHERE source=? ORDER BY rowid"
        named = (unpacked(one) for (one,) in self._copies_of.rows(copies_of, packed(image.id)))
        ids = [self._told(image), image.id, *named]
        known = [there.get(one) for one in dict.fromkeys(ids) if one is not None]
        copies = self._copies(image, [one for one in known if one is not None])
        for one in copies:
            del there[one.image_id]
        return copies

    def find(self, image: ImageDetail) -> Sequence[PeerImage]:
        """Return the copies of an image, by its ID, the one that it had, or a report."""
        found = self._target.find(self._draft(image, new_id=True))
        new_id = None if found is None else found.image_id
        ids = dict.fromkeys((self._told(image), image.id, new_id))
        known = [self._get(one) for one in ids if one is not None]
        return self._copies(image, [one for one in known if one is not None])

    def _told(self, image: ImageDetail) -> str | None:
        return None if self._runs is None else self._runs.target_id(image.id)

    def _copies(self, image: ImageDetail, known: Sequence[PeerImage]) -> Sequence[PeerImage]:
        """Return those that are copies; where there is none, what has the image's place."""
        owner, told = self._draft(image, new_id=True).owner, self._told(image)
        copies = [one for one in known if one.image_id == told or _is_copy(image, owner, one)]
        return copies or [one for one in known if one.image_id == image.id]

    def changes(
        self, image: ImageDetail, other: PeerImage, members: Sequence[Member]
    ) -> Sequence[str]:
        """Return the notes that a run makes on the copy."""
        plan = self._plan if other.image_id == image.id else self._with_new_ids
        notes = list(self._target.draft(image, members, plan, strict=False).notes)
        for name, kept in _FORMATS:
            old, there = getattr(image, name), other.fields.get(name)
            if old != there and other.fields.get(PROPERTY + kept) == old:
                here, now = printable(old), printable(there)
                words = name.replace("_", " ")
                notes.append(Note(f"{words} {here} here, {now} there, as was chosen", "format"))
        return notes

    def lacking(self, image: ImageDetail, other: PeerImage) -> Iterator[tuple[str, str, str]]:
        """Yield kernel and ramdisk that are here, and deleted or not copied there."""
        for name in IMAGE_REFERENCES:
            here, there = image.properties.get(name), other.fields.get(PROPERTY + name)
            if here and there and is_uuid(here) and not self._has(there) and self._is_here(here):
                yield name, here, there

    def _has(self, image_id: str) -> bool:
        if self._listed is not None:
            return image_id in self._listed
        if image_id not in self._known:
            self._known[image_id] = self._get(image_id) is not None
        return self._known[image_id]

    def _is_here(self, image_id: str) -> bool:
        """Tell whether an image is here; what is missing on both sides is no difference."""
        return self._here is None or found_by_id(self._here.get, image_id) is not None

    def why(self, image: ImageDetail, missing: bool) -> str | None:
        """Return what a report says of it, or for what a run would not copy it."""
        notes = () if self._runs is None else self._runs.failure(image.id)
        if notes or not missing:
            return "; ".join(notes) or None
        reason = reason_to_skip(image)
        if reason is not None:
            return reason
        try:
            draft = self._target.draft(image, (), self._plan)
        except ImageV1Error as error:
            return str(error)
        return str(IdUsedUp(draft)) if self._target.is_taken(image.id) else None

    def _get(self, image_id: str) -> PeerImage | None:
        if isinstance(self._client, ImageV2Client):
            record = found_by_id(self._client.get, image_id)
            return None if record is None else self._other(self._target.found(record))
        image = found_by_id(self._client.get, image_id)
        return None if image is None else _other_of_v1(image)

    def _other(self, found: TargetImage) -> PeerImage:
        if not isinstance(self._client, ImageV2Client):
            return _other_of_v1(found.image or ImageDetail.from_record(found.record))
        other = _other_of_v2(found.record, self._client, found.image)
        return replace(other, unfinished=found.unfinished)

    def members(self, other: PeerImage) -> Sequence[str] | None:
        """Return whom an image is shared with."""
        if isinstance(self._client, ImageV2Client):
            return _members_in_v2(self._client, other)
        return sorted(member.member_id for member in self._client.members(other.image_id))

    def expected_members(self, members: Iterable[str]) -> Sequence[str]:
        """Return whom an image ought to be shared with there."""
        projects = self._plan.projects
        if self._plan.visibility not in (None, "shared"):
            return []
        return sorted(
            projects.get(member, member)
            for member in members
            if member in projects or self._plan.keep_projects
        )


def _with_formats(fields: Fields, there: Fields) -> Fields:
    """Return what a copy ought to be, with the formats that it says it got instead of its own."""
    chosen: Fields = {}
    for name, kept in _FORMATS:
        old, said = fields[name], PROPERTY + kept
        if old and said not in fields and there.get(said) == old:
            chosen |= {name: there[name], said: old}
    return {**fields, **chosen}


def _is_copy(image: ImageDetail, owner: str | None, other: PeerImage) -> bool:
    """Tell whether an image has the data and the project of a copy, which strangers cannot give."""
    fields = other.fields
    found = TargetImage(
        other.image_id, fields["status"], fields["size"], fields["checksum"], unfinished=False
    )
    is_theirs = "owner" in fields and fields["owner"] != owner
    return not is_theirs and state_of(image, found) in ("complete", "empty")


def _other_of_v1(image: ImageDetail) -> PeerImage:
    fields = fields_of_v1(image)
    if has_data(image) and expected_of(image).algorithm not in (None, "md5"):
        fields[str(expected_of(image).algorithm)] = fields.pop("checksum")
    return PeerImage(image.id, image.name, fields, UNFINISHED in image.properties)


class DirectoryPeer(Peer):
    """A directory that images were exported to; their files are not hashed.

    :param archive: the directory
    """

    has_own_data = True

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def takes(self, image: ImageDetail) -> bool:  # noqa: ARG002 (of whatever is listed)
        """Tell that all images can be in the directory."""
        return True

    def expected(self, image: ImageDetail, other: PeerImage) -> Fields:  # noqa: ARG002
        """Return what the manifest ought to say of an image."""
        fields = fields_of_v1(image)
        if not has_data(image):
            return fields
        if expected_of(image).size is None:
            del fields["size"]
        return {**fields, "data": "there"}

    def all(self) -> Iterator[PeerImage]:
        """Yield all images of the manifests."""
        return map(self._other, self._archive)

    def find(self, image: ImageDetail) -> Sequence[PeerImage]:
        """Return an image."""
        exported = self._archive.find(image.id)
        return () if exported is None else (self._other(exported),)

    def members(self, other: PeerImage) -> Sequence[str] | None:
        """Return whom an image was shared with."""
        exported = self._archive.find(other.image_id)
        if exported is None or exported.members is None:
            return None
        return sorted(member.member_id for member in exported.members)

    def _other(self, exported: ExportedImage) -> PeerImage:
        fields = fields_of_v1(exported.image)
        if has_data(exported.image):
            fields["data"] = self._data(exported)
        if exported.data is not None:
            fields["size"] = exported.data.size
            recorded = exported.data.of(expected_of(exported.image).algorithm)
            if recorded is not None:
                fields["checksum"] = recorded
        return PeerImage(exported.id, exported.name, fields)

    def _data(self, exported: ExportedImage) -> Literal["there", "not exported", "missing", "cut"]:
        if exported.data is None:
            return "not exported"
        try:
            found = (self._archive.directory / exported.file).lstat().st_size
        except OSError:
            return "missing"
        return "there" if found == exported.data.size else "cut"
