"""What the target will say of an image, told from what is known before anything is sent.

A record that is made and deleted again costs the image its ID, and services refuse much only after
they have taken all of the data. So a plan and a run ask here first, both of them: what is refused
here gets no record, and what is only noted is noted by both.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from osc_image_v1.api.fields import doubts_of
from osc_image_v1.api.records import int_or_none, mapping
from osc_image_v1.migrate.drafts import MOST_PROPERTIES, Draft
from osc_image_v1.migrate.notes import Foreseen, Note
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import has_data

#: How many members services let an image have unless they are set up otherwise.
MOST_MEMBERS = 128
#: What fits into the columns of databases.
LARGEST_NUMBER = 2**31 - 1
#: Bytes of an image that services take unless they are set up otherwise.
LARGEST_IMAGE = 2**40
_MIB = 2**20

#: What a service can be set up to let pass, so that a person may have it tried.
ALLOWED = ("accept", "members", "owner", "properties", "size", "visibility")


@dataclass(frozen=True)
class Rights:
    """What the target lets the user do.

    :ivar admin: whether the user is an admin there, None where the log-in does not tell
    :ivar project: ID of the user's own project there, None where the log-in does not tell it
    """

    admin: bool | None = None
    project: str | None = None


def checked(draft: Draft, rights: Rights, allowed: Collection[str] = ()) -> Draft:
    """Return an image with notes on what may be refused.

    :param draft: the image as it is to be
    :param rights: what this user may do
    :param allowed: what of :data:`ALLOWED` is tried all the same
    :raises Foreseen: if the target would refuse the image, now or when all its data is there
    """
    notes: list[str] = list(draft.notes)
    refusals: list[Note] = []
    for note in _refusals(draft, rights):
        if note.reason in allowed:
            notes.append(note)
        elif note.reason in ALLOWED:
            refusals.append(Note(f"{note} (--allow {note.reason} tries it)", note.reason))
        else:
            refusals.append(note)
    if refusals:
        raise Foreseen(refusals)
    return replace(draft, notes=(*notes, *_risks(draft)))


def _refusals(draft: Draft, rights: Rights) -> Iterator[Note]:
    image = draft.image
    for what, number, most in (
        ("properties", len(draft.properties), MOST_PROPERTIES),
        ("members", len(draft.members), MOST_MEMBERS),
    ):
        if number > most:
            yield Note(f"it would have {number} {what} there, where {most} are the most", what)
    for name, number in (("min_disk", image.min_disk or 0), ("min_ram", image.min_ram or 0)):
        if not 0 <= number <= LARGEST_NUMBER:
            yield Note(f"its {name} is {number}, {LARGEST_NUMBER} is the most there", name)
    if has_data(image) and (image.size or 0) > LARGEST_IMAGE:
        yield Note(f"it has {image.size} bytes, {LARGEST_IMAGE} are the most there", "size")
    if rights.admin is False:
        yield from _not_for_members(draft, rights)


def _not_for_members(draft: Draft, rights: Rights) -> Iterator[Note]:
    """Yield what only an admin may do."""
    if draft.visibility == "public":
        yield Note(
            "only an admin may make it public there, which you are not: --visibility private makes "
            "it private",
            "visibility",
        )
    if draft.owned and rights.project is not None and draft.owner != rights.project:
        whose = "of no project" if draft.owner is None else f"of project {printable(draft.owner)}"
        yield Note(
            f"only an admin may make images {whose} there, which you are not: let --project-map "
            "name your own",
            "owner",
        )
    if draft.accept_members and set(draft.members) - {rights.project}:
        yield Note(
            "only an admin may accept it for other projects there, which you are not: leave "
            "--accept-members out",
            "accept",
        )


def _risks(draft: Draft) -> Iterator[Note]:
    """Yield what some databases do not take; which one the target has, nobody tells."""
    for doubt in doubts_of(draft.properties):
        yield Note(f"the target may answer 500: {doubt}", "database")


class Quota:
    """What the target's quota leaves for the images of a job, each counted when it is its turn.

    :param usage: what the service says of limits and of what is used: ``{"image_size_total":
        {"limit": 1000, "usage": 4}, ...}`` in MiB, ``image_count_total`` in images

    https://docs.openstack.org/api-ref/image/v2/#quota-usage
    """

    def __init__(self, usage: object = None) -> None:
        self._size, self._used_size = _limit(usage, "image_size_total", _MIB)
        self._count, self._used_count = _limit(usage, "image_count_total", 1)
        self._before = self._used_size, self._used_count
        self._lock = threading.Lock()

    def holds(self, size: int, images: int) -> bool:
        """Tell whether there was room for so much before the first image of the job.

        :param size: bytes
        :param images: how many they are in
        """
        used_size, used_count = self._before
        return (self._size is None or used_size + size <= self._size) and (
            self._count is None or used_count + images <= self._count
        )

    def take(self, draft: Draft, rights: Rights, *, new: bool) -> int:
        """Count an image, if there is room for it; return its bytes, for :meth:`give_back`.

        :param draft: the image as it is to be
        :param rights: whose quota it is
        :param new: whether it has no record yet
        :raises Foreseen: if there is no room
        """
        brings = has_data(draft.image)
        size = draft.image.size or 0 if brings else 0
        # Services ask for the quota of whoever does it, and count what belongs to that project.
        counts = not draft.owned or rights.project in (None, draft.owner)
        with self._lock:
            if new and self._count is not None and self._used_count + 1 > self._count:
                raise Foreseen([Note(f"the quota is {self._count} images there", "quota")])
            used, limit = self._used_size, self._size
            # The service counts whole MiB.
            if brings and limit is not None and used // _MIB + size // _MIB > limit // _MIB:
                left = max(0, limit - used)
                told = f"it has {size} bytes, and the quota leaves {left} of {limit} there"
                raise Foreseen([Note(told, "quota")])
            if not counts:
                return 0
            self._used_count += new
            self._used_size += size
        return size

    def give_back(self, size: int) -> None:
        """Count bytes no more that did not come.

        :param size: how many
        """
        with self._lock:
            self._used_size -= size


def _limit(usage: object, name: str, unit: int) -> tuple[int | None, int]:
    """Return a limit, None where there is none, and what is used of it."""
    found = mapping(mapping(usage).get(name))
    limit, used = int_or_none(found.get("limit")), int_or_none(found.get("usage"))
    if limit is None or used is None or limit < 0:
        return None, 0
    return limit * unit, used * unit
