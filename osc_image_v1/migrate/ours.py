"""Whether an image of the target is the copy of an image, and what differs.

Whoever has a project in the target can make images there with any free ID, any properties and any
data, but for no other project. So an image is the copy only if it belongs to the project that the
copy would belong to, and has its data; or, while the copy is not finished, the mark of that. What
else differs then has been changed after the copy was made, and is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from osc_image_v1.exceptions import TargetOccupied
from osc_image_v1.migrate.drafts import Draft, Plan, State, TargetImage, state_of
from osc_image_v1.migrate.formats import as_stored
from osc_image_v1.migrate.notes import Note
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import expected_of, has_data

_NEW_IDS = uuid.UUID("2b7c3d0e-6f0a-5f4e-9a52-0d1f6c1b8e77")

# So many differences are told of an image, and so much of each value.
_MOST_TOLD = 5
_LONGEST_VALUE = 60

# What services add to an image by themselves.
_OF_THE_SERVICE = "os_glance"

_PREFERRED: tuple[State, ...] = ("complete", "unfinished", "busy", "empty", "dead")


@dataclass(frozen=True)
class Judgement:
    """What the target has of an image.

    :ivar state: see :data:`~osc_image_v1.migrate.drafts.State`
    :ivar differences: what of the metadata of a copy is not as it was copied, each a clause
    """

    state: State
    differences: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The differences as one note, none where there are none."""
        if not self.differences:
            return ()
        told = "differs: " + ", ".join(self.differences[:_MOST_TOLD])
        more = len(self.differences) - _MOST_TOLD
        return (Note(f"{told}, and {more} more" if more > 0 else told, "differs"),)


def judged(draft: Draft, found: TargetImage | None) -> Judgement:
    """Tell what the target has of an image.

    :param draft: the image as a copy would be
    :param found: what is there, by the ID of the copy or as one that names the image
    """
    state = state_of(draft.image, found)
    if found is None:
        return Judgement(state)
    if found.tells_owner and found.owner != draft.owner:
        return Judgement("foreign")
    if found.unfinished or state not in ("complete", "empty"):
        return Judgement(state)
    differences = tuple(_differences(as_stored(draft, found), found))
    if state == "complete" and draft.status != found.status:
        status = _difference("status", _value(draft.status), _value(found.status))
        differences = (status, *differences)
    if state == "empty" and differences:
        # A copy has its mark until it has its data. This is a record that someone else has made.
        return Judgement("other", differences)
    return Judgement(state, differences)


def best_of(draft: Draft, candidates: Iterable[TargetImage]) -> TargetImage | None:
    """Return the image that is the copy, None where there is none.

    :param draft: the image as a copy would be
    :param candidates: images that say they are copies of it
    """
    here = expected_of(draft.image)
    unknown = has_data(draft.image) and here.size is None and here.checksum is None
    found: list[tuple[tuple[int, int], TargetImage]] = []
    for one in candidates:
        judgement = judged(draft, one)
        differences = len(judgement.differences)
        # Whatever is stored, or was, without the mark is no copy; and where nothing tells what the
        # data is, the metadata must.
        stored = judgement.state in ("busy", "dead") and not one.unfinished
        if judgement.state in _PREFERRED and not stored and not (unknown and differences):
            found.append(((_PREFERRED.index(judgement.state), differences), one))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def refusal(draft: Draft, found: TargetImage, judgement: Judgement) -> str:
    """Return why an image of the target cannot become, or be, the copy; "" where it can.

    :param draft: the image as a copy would be
    :param found: what has its ID there
    :param judgement: what that is
    """
    image, shown = draft.image, printable(found.image_id)
    status = printable(found.status)
    if judgement.state == "foreign":
        return (
            f"The target has an image {shown} that is no copy: it belongs to "
            f"{_project(found.owner)}, and a copy would belong to {_expected(draft)}; it is left "
            "alone: --new-ids makes a second one"
        )
    if judgement.state == "other" and judgement.differences:
        return (
            f"The target has another image {shown}, without data, which no copy has made "
            f"({judgement.notes[0]}); it is left alone: --new-ids makes a second one"
        )
    if judgement.state == "other":
        return (
            f"The target has another image {shown}: {found.size} bytes with the MD5 "
            f"{printable(found.checksum)}, not {image.size} with "
            f"{printable(image.checksum)}: --new-ids makes a second one"
        )
    if judgement.state == "busy":
        return (
            f"Image {shown} is {status} in the target: another run may be at it, then try again "
            "later; if there is none, delete it there and use --new-ids"
        )
    if judgement.state == "dead":
        return f"Image {shown} is {status} in the target{unusable(found, draft.new_id)}"
    return ""


class NotOurs(TargetOccupied):
    """What the target has of an ID cannot become the image.

    :param text: why
    :param judgement: of what is there
    """

    def __init__(self, text: str, judgement: Judgement) -> None:
        super().__init__(text)
        self.reason = word_of(judgement)


class IsBusy(TargetOccupied):
    """Another run is at the image, there."""

    reason = "busy"


def word_of(judgement: Judgement) -> str:
    """Return the reason, as one word, why what is there cannot become the image."""
    return {"busy": "busy", "dead": "unusable"}.get(judgement.state, "id-taken")


def is_removed(draft: Draft, found: TargetImage, plan: Plan) -> bool:
    """Tell whether a record takes no data any more and goes, as the plan wants it."""
    return plan.clean_up and found.unfinished and judged(draft, found).state == "dead"


def removal(draft: Draft, found: TargetImage) -> str:
    """Return what is said of a record that is removed since it takes no data."""
    shown = printable(found.image_id)
    if draft.new_id:
        return f"the record {shown}, which took no data any more, is removed there"
    return (
        f"The target's record {shown}, which took no data any more, is removed, and its "
        "ID is used up: --new-ids makes another image"
    )


class IdUsedUp(TargetOccupied):
    """The ID that an image is to have in the target cannot be given any more.

    :param draft: the image as it was to be
    """

    reason = "id-used-up"

    def __init__(self, draft: Draft) -> None:
        super().__init__(
            f"The target had an image {printable(draft.image_id)} that was deleted, and gives no "
            "ID a second time, or has one that you may not see"
            + ("" if draft.new_id else ": --new-ids makes another")
        )


def unusable(found: TargetImage, new_id: bool) -> str:
    """Return why a record takes no data, and what to do, as the end of a sentence.

    :param found: the record
    :param new_id: whether it has another ID than the image has here
    """
    why = " and holds the checksum of data that was refused" if found.refused else ""
    another = "makes another" if new_id else "removes it, which uses up its ID"
    remedy = f"--clean-up {another}" if found.unfinished else "--new-ids makes another"
    if found.unfinished and not new_id:
        remedy += "; --new-ids makes another"
    return f"{why}: it takes no data any more; {remedy}"


def new_id_of(image_id: str, number: int = 0) -> str:
    """Return the ID that an image gets where it cannot keep its own, the same in each run.

    Anybody can foresee it; whose an image of that ID is, is another question.

    :param image_id: the ID that it has here
    :param number: how many such IDs the target has had and deleted, or are other images'
    """
    return str(uuid.uuid5(_NEW_IDS, f"{image_id} {number}"))


def _project(owner: str | None) -> str:
    return "no project" if owner is None else f"project {printable(owner)}"


def _expected(draft: Draft) -> str:
    if draft.owner is None and not draft.owned:
        return (
            "your own, of which the log-in there tells no ID (name owners with --project-map or "
            "--keep-project-ids)"
        )
    return _project(draft.owner)


def _differences(draft: Draft, found: TargetImage) -> Iterator[str]:
    image = draft.image
    for name, here, there in (
        ("name", image.name, found.name),
        ("disk_format", image.disk_format, found.disk_format),
        ("container_format", image.container_format, found.container_format),
        ("min_disk", image.min_disk or 0, found.min_disk),
        ("min_ram", image.min_ram or 0, found.min_ram),
        ("protected", bool(image.protected), found.protected),
    ):
        # Some services make null of an empty name.
        if here != there and (here or there):
            yield _difference(name, _value(here), _value(there))
    # What is shared is private until it has members.
    if _openness(draft.visibility) != _openness(found.visibility):
        yield _difference("visibility", f"'{draft.visibility}'", _value(found.visibility))
    for name in sorted(draft.properties.keys() | found.properties.keys()):
        here, there = draft.properties.get(name), found.properties.get(name)
        # v2 knows no null.
        if (here or "") != (there or "") and not name.startswith(_OF_THE_SERVICE):
            yield _difference(f"property {printable(name)}", _value(here), _value(there))


def _difference(name: str, made: str, there: str) -> str:
    return f"{name} ({made} in a copy, {there} there)"


def _openness(visibility: str | None) -> str | None:
    return "private" if visibility == "shared" else visibility


def _value(value: object) -> str:
    if value is None:
        return "none"
    text = printable(value)
    if len(text) > _LONGEST_VALUE:
        text = text[: _LONGEST_VALUE - 3] + "..."
    return f"'{text}'" if isinstance(value, str) else text
