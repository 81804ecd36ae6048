"""The record that an image gets in another service, and what is in its way there."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from osc_image_v1.api.outcomes import Done, NotDone, Verdict, is_lost, settle
from osc_image_v1.exceptions import Conflict, ImageV1Error, ServerError, TargetOccupied
from osc_image_v1.migrate.drafts import Action, Draft, TargetImage
from osc_image_v1.migrate.notes import Note
from osc_image_v1.migrate.ours import IdUsedUp, IsBusy, best_of, judged, new_id_of, refusal
from osc_image_v1.migrate.renames import SOURCE_ID
from osc_image_v1.migrate.services import TargetService
from osc_image_v1.text import printable
from osc_image_v1.transfer.patience import Patience

# How many of the IDs that a copy can get may be used up, or other images', in the target.
MOST_TAKEN = 100
# After so many that are strangers' it gets one that nobody can foresee.
_MOST_STRANGERS = 3


class Taken(Exception):
    """Another run is at the image."""

    def __init__(self, draft: Draft, error: Conflict) -> None:
        super().__init__(draft, error)
        self.draft = draft
        self.error = error


class Appeared(Exception):
    """There is an image where there was none when that was looked for: it is to be looked at."""


def make_record(
    service: TargetService,
    draft: Draft,
    found: TargetImage | None,
    patience: Patience,
    *,
    looked: bool = True,
) -> Draft:
    """Make the record, or make of an empty one what it is to be; return what it came to.

    :param looked: whether what is there has been looked for just now
    :raises Appeared: if it was not, and there is something
    :raises Taken: if another run is at it
    :raises TargetOccupied: if it was there and has been deleted, or is someone else's
    """
    if found is not None:
        try:
            patience.persist(lambda: service.renew(draft, found))
        except Conflict as error:
            raise Taken(draft, error) from error
        return draft
    strangers: list[str] = []
    for image_id in _ids_of(draft, strangers):
        draft = replace(draft, image_id=image_id)
        try:
            made, told = patience.persist(functools.partial(_create_once, service, draft, patience))
        except Conflict as error:
            there = None if draft.new_id and not looked else service.look(image_id)
            if not looked and (draft.new_id or there is not None):
                raise Appeared from error
            if there is None:
                continue
            if not draft.new_id or best_of(draft, [there]) is not None:
                raise Taken(draft, error) from error
            strangers.append(image_id)
            continue
        notes = tuple(
            Note(f"the ID {one} is another image's there, which is no copy", "id-taken")
            for one in strangers
        )
        made_as = replace(draft, image_id=made.image_id, notes=draft.notes + notes, bare=told)
        return _owned(service, made_as, made)
    raise IdUsedUp(draft)


def _owned(service: TargetService, draft: Draft, made: TargetImage) -> Draft:
    """Return the draft with the owner that the service has given the image."""
    if not draft.owned and service.own_project is None:
        service.own_project = made.owner
    if draft.owned and made.owner != draft.owner:
        owner = printable(made.owner)
        text = f"it belongs to project {owner} there: only an admin chooses owners"
        note = Note(text, "owner")
        draft = replace(draft, notes=(*draft.notes, note))
    return replace(draft, owner=made.owner)


def _create_once(
    service: TargetService, draft: Draft, patience: Patience
) -> tuple[TargetImage, bool]:
    """Make the record, and take it for made where only the answer went wrong.

    :returns: the record, and whether the service itself says that it was made just now
    """

    def look() -> Verdict[tuple[TargetImage, bool]]:
        found = service.made(draft)
        # What is stored without the mark has been made by someone else.
        if found is None or not found.unfinished or judged(draft, found).state == "foreign":
            return NotDone()
        service.renew(replace(draft, image_id=found.image_id), found)
        return Done((found, False))

    try:
        return service.create(draft), True
    except ImageV1Error as error:
        if not is_lost(error) and not isinstance(error, ServerError):
            raise
        return settle(error, look, stop=patience.stop)


def leave(
    service: TargetService, draft: Draft, error: Conflict, patience: Patience
) -> tuple[Action, Draft]:
    """Leave an image to the other run that is at it, and see that it gets there."""
    draft = replace(draft, bare=False)
    found = service.settled(draft, patience, ("busy", "empty"))
    judgement = judged(draft, found)
    if judgement.state == "complete":
        return "present", replace(draft, notes=draft.notes + judgement.notes)
    if found is not None and judgement.state == "unfinished":
        # It may be what was sent before an answer was lost; to finish it twice does no harm.
        patience.persist(functools.partial(service.mend, draft, found))
        return "finished", draft
    if found is not None and judgement.state in ("foreign", "other", "dead"):
        raise TargetOccupied(refusal(draft, found, judgement)) from error
    raise IsBusy(
        f"Image {printable(draft.image_id)} is being written by someone else ({error.where}); "
        "run the command again later"
    ) from error


def _ids_of(draft: Draft, strangers: Sequence[str]) -> Iterator[str]:
    """Yield the IDs that an image may get; ``strangers`` grows by those that are others'."""
    if not draft.new_id:
        yield draft.image_id
        return
    for number in range(MOST_TAKEN):
        if is_traced(draft) and len(strangers) >= _MOST_STRANGERS:
            break
        yield new_id_of(draft.image.id, number)
    if is_traced(draft):
        yield str(uuid.uuid4())


def is_traced(draft: Draft) -> bool:
    """Tell whether an image with a new ID says which it had."""
    return draft.source_tag is not None or SOURCE_ID in draft.properties
