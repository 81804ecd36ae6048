"""What an image is to be in another service, and what that service has of it; no requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from osc_image_v1.api.models import BUSY, QUEUED, WITH_DATA, ImageDetail, Member
from osc_image_v1.api.records import Record, as_checksum, checksum_algorithm
from osc_image_v1.migrate.notes import Foreseen, Note
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import expected_of, has_data

#: The mark of an image that is not finished: a tag in v2, a property in v1.
UNFINISHED = "osc_image_v1_unfinished"

#: How many properties services let an image have.
MOST_PROPERTIES = 128

#: Properties whose values are IDs of other images.
IMAGE_REFERENCES = ("kernel_id", "ramdisk_id")

Visibility = Literal["public", "private", "shared", "community"]


@dataclass(frozen=True)
class Plan:
    """How images are written; one plan for all of them.

    :ivar new_ids: let the target choose IDs; each image gets a property ``v1_image_id`` with the ID
        that it had, by which another run finds it
    :ivar visibility: for all images, instead of their own
    :ivar accept_members: accept the image for the projects that it is shared with (v2, admin)
    :ivar projects: IDs of projects, here -> in the target; owners and members
    :ivar keep_projects: whether projects that are not in the map have the same ID in the target;
        else an owner is the user's own project where there is no map, and an error where there is
        one, and members are left out
    :ivar allowed: what is tried although services refuse it unless they are set up otherwise, see
        :data:`~osc_image_v1.migrate.foresight.ALLOWED`
    :ivar image_ids: IDs of images, here -> in the target, for ``kernel_id`` and ``ramdisk_id``;
        :meth:`Target.write` adds what it writes
    :ivar clean_up: whether records of earlier runs that take no data any more are deleted, which
        uses up their IDs
    :ivar look: whether data is looked at before it is sent to a service that refuses what is not
        of the format that it is said to be
    :ivar formats: IDs of images, or disk formats here -> disk format there, or disk and container
        format with a slash between them
    :ivar format_from_data: whether images get the disk format that their data has
    """

    new_ids: bool = False
    visibility: Visibility | None = None
    accept_members: bool = False
    projects: Mapping[str, str] = field(default_factory=dict)
    keep_projects: bool = True
    allowed: frozenset[str] = frozenset()
    image_ids: dict[str, str] = field(default_factory=dict)
    clean_up: bool = False
    look: bool = True
    formats: Mapping[str, str] = field(default_factory=dict)
    format_from_data: bool = False


@dataclass(frozen=True)
class Draft:
    """An image as it is to be in the target.

    :ivar image_id: the ID that it gets, unless it is there under another
    :ivar new_id: whether that is another one than it has here
    :ivar owner: ID of its project there, None where it has none or nobody knows the user's own
    :ivar owned: whether an owner is chosen at all; else it is the user's own project
    :ivar status: what it is to be in the end
    :ivar members: IDs of projects there -> whether they may share it on
    :ivar accept_members: whether the image is accepted for them
    :ivar source_tag: the tag with the ID that it has here, where that is no property
    :ivar bare: whether this very run has just made its record there, which has no members yet
    """

    image: ImageDetail
    image_id: str
    new_id: bool
    owner: str | None
    owned: bool
    status: str | None
    visibility: Visibility
    members: Mapping[str, bool]
    accept_members: bool
    properties: Mapping[str, str | None]
    notes: tuple[str, ...]
    source_tag: str | None = None
    bare: bool = False


@dataclass(frozen=True)
class TargetImage:
    """An image that the target has.

    :ivar owner: ID of the project that it belongs to
    :ivar tells_owner: whether the service tells that at all
    :ivar source_id: the ID that it had where it was copied from, as it says itself
    :ivar unfinished: whether it has the mark of an image whose making was interrupted
    :ivar refused: whether it is empty, but has the checksum of data that the service refused: it
        takes no data any more
    :ivar properties: without the mark
    :ivar image: the image as a record says it, None where there is no record
    """

    image_id: str
    status: str | None
    size: int | None
    checksum: str | None
    unfinished: bool
    owner: str | None = None
    name: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    visibility: str | None = None
    protected: bool = False
    properties: Mapping[str, str | None] = field(default_factory=dict)
    source_id: str | None = None
    hash_algo: str | None = None
    hash_value: str | None = None
    refused: bool = False
    tells_owner: bool = True
    record: Record = field(default_factory=dict)
    image: ImageDetail | None = None

    @classmethod
    def of(cls, image: ImageDetail, **more: Any) -> TargetImage:
        """Return an image with the fields that the target says of it.

        :param image: the image
        :param more: further fields
        """
        return cls(
            image_id=image.id,
            status=image.status,
            size=image.size,
            checksum=image.checksum,
            owner=image.owner,
            name=image.name,
            disk_format=image.disk_format,
            container_format=image.container_format,
            min_disk=image.min_disk or 0,
            min_ram=image.min_ram or 0,
            protected=bool(image.protected),
            image=image,
            **more,
        )


#: What the target has of an image: nothing; an empty record; all but the last touches; all of it;
#: data that is being written just now; another image; what can be neither used nor filled; an
#: image of a project that the copy would not belong to.
State = Literal["missing", "empty", "unfinished", "complete", "busy", "other", "dead", "foreign"]

#: In these states something is still to be done, or all.
TO_BE_WRITTEN: tuple[State, ...] = ("missing", "empty", "unfinished")

#: What is done with an image of a job: see :class:`~osc_image_v1.migrate.targets.Written`.
Action = Literal["copied", "recorded", "finished", "present"]


def state_of(image: ImageDetail, found: TargetImage | None) -> State:
    """Tell what a target has of an image, going by its data and mark alone.

    Whether it is the copy at all, :mod:`osc_image_v1.migrate.ours` tells.

    :param image: the image here
    :param found: what is there
    """
    if found is None:
        return "missing"
    done: State = "unfinished" if found.unfinished else "complete"
    if found.status in WITH_DATA:
        return done if not has_data(image) or _same_data(image, found) else "other"
    if found.status == QUEUED:
        return done if not has_data(image) else "dead" if found.refused else "empty"
    return "busy" if found.status in BUSY else "dead"


def _same_data(image: ImageDetail, found: TargetImage) -> bool:
    here = expected_of(image)
    there = as_checksum(found.checksum)
    if here.size not in (None, found.size):
        return False
    if here.algorithm is not None and here.algorithm == found.hash_algo:
        return here.fits(found.hash_value)
    return here.algorithm != checksum_algorithm(there) or here.fits(there)


def owner_of(
    image: ImageDetail, plan: Plan, notes: list[str], strict: bool = True
) -> tuple[str | None, bool]:
    """Return the owner in the target, and whether one is chosen; notes get what changes."""
    if image.owner is None:
        if plan.keep_projects or plan.projects:
            return None, True
        notes.append(Note("no project here, your own there", "owner"))
        return None, False
    if image.owner in plan.projects:
        return plan.projects[image.owner], True
    if plan.keep_projects:
        return image.owner, True
    shown = printable(image.owner)
    if plan.projects and strict:
        unmapped = f"the project map has nothing for project {shown}, which owns the image"
        raise Foreseen([Note(unmapped, "owner")])
    notes.append(Note(f"project {shown} here, your own there", "owner"))
    return None, False


def members_of(
    members: Sequence[Member], visibility: Visibility, plan: Plan, notes: list[str]
) -> dict[str, bool]:
    """Return who an image is shared with in the target; notes get who is left out."""
    if members and visibility != "shared":
        text = f"not shared with {len(members)} projects: it is {visibility} there"
        notes.append(Note(text, "members"))
        return {}
    kept: dict[str, bool] = {}
    for member in members:
        if member.member_id in plan.projects or plan.keep_projects:
            kept[plan.projects.get(member.member_id, member.member_id)] = member.can_share
        else:
            text = f"not shared with project {printable(member.member_id)}"
            notes.append(Note(text, "members"))
    return kept
