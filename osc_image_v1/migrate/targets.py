"""One image into a service, verified, so that whatever breaks leaves nothing half-made.

::

    target = V2Target(ImageV2Client(adapter))   # from transfer.target_v2; or V1Target
    data = from_service(client, image)          # or ImageSource(size, md5, read)
    written = target.write(image, client.members(image.id), data, Plan())

The image gets its record first, seen by its owner alone and marked as unfinished; then its data,
whose last piece goes out only when size and MD5 of the whole are right; then the target's own
checksum is compared; then come members, visibility and protection, and the mark goes.
"""

from __future__ import annotations

import abc
import functools
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.outcomes import Done, NotDone, Verdict, is_lost, settle
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import (
    Conflict,
    ContentMismatch,
    ImageHasNoData,
    ImageV1Error,
    InvalidInput,
    ServerError,
    TargetOccupied,
)
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.delivery import Delivery
from osc_image_v1.migrate.drafts import (
    IMAGE_REFERENCES,
    Draft,
    Found,
    Plan,
    Visibility,
    members_of,
    owner_of,
)
from osc_image_v1.migrate.ours import best_of, judged, new_id_of, refusal
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import has_data
from osc_image_v1.transfer.patience import Patience
from osc_image_v1.transfer.progress import Advance
from osc_image_v1.transfer.sending import ImageSource, Sending

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

# How many of the IDs that a copy can get may be used up, or other images', in the target.
_MOST_TAKEN = 100
# After so many that are strangers' it gets one that nobody can foresee.
_MOST_STRANGERS = 3
#: How many properties services let an image have.
MOST_PROPERTIES = 128
_USABLE = frozenset(("active", "deactivated"))

Action = Literal["copied", "recorded", "finished", "present"]


@dataclass(frozen=True)
class Written:
    """What has become of an image.

    :ivar image_id: its ID in the target
    :ivar action: ``copied`` with its data; ``recorded``, there is no data; ``finished``, an earlier
        run had brought the data; ``present``, nothing was to be done
    :ivar notes: what is not as it was, each a clause
    :ivar verified: whether a checksum vouches for the data from end to end
    """

    image_id: str
    action: Action
    notes: tuple[str, ...] = ()
    verified: bool = True


class _Taken(Exception):
    """Another run is at the image."""

    def __init__(self, draft: Draft, error: Conflict) -> None:
        super().__init__(draft, error)
        self.draft = draft
        self.error = error


class Target(Delivery):
    """A service that images are written into.

    :param attempts: how often an upload that breaks off is begun
    :param patience: seconds to wait, at most, while the service is busy with data that has all
        been sent; with a second more for each 64 MiB, up to 15 minutes
    """

    #: What the target can have beside public and not public.
    visibilities: frozenset[str] = frozenset()

    def __init__(self, attempts: int = 3, patience: float = 60.0) -> None:
        super().__init__(attempts, patience)

    def probes(self) -> list[Callable[[], object]]:
        """Return small requests that tell whether the service is there."""
        return []

    @functools.cached_property
    def own_project(self) -> str | None:
        """ID of the user's own project there, None where the log-in does not tell it."""
        return self._own_project()

    def draft(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, strict: bool = True
    ) -> Draft:
        """Return the image as it is to be in the target; nothing is asked of anyone.

        :param image: the image here
        :param members: the projects that it is shared with
        :param plan: how images are written
        :param strict: whether it is an error where the target cannot have such an image, or the
            plan has no owner for it
        :raises InvalidInput: in these cases, and for a visibility that the target does not have
        """
        notes: list[str] = []
        owner, owned = owner_of(image, plan, notes, strict)
        if not owned:
            owner = self.own_project
        visibility = self._visibility(image, members, plan, notes)
        properties = {
            name: plan.image_ids.get(value or "", value) if name in IMAGE_REFERENCES else value
            for name, value in image.properties.items()
        }
        written = dict(self._properties(properties, notes, plan.new_ids))
        source_tag = None
        if plan.new_ids and len(written) < MOST_PROPERTIES:
            written[renames.SOURCE_ID] = image.id
        elif plan.new_ids:
            source_tag = self._source_tag(image.id, notes)
        return Draft(
            image=image,
            image_id=new_id_of(image.id) if plan.new_ids else image.id,
            new_id=plan.new_ids,
            owner=owner,
            owned=owned,
            status=image.status,
            visibility=visibility,
            members=members_of(members, visibility, plan, notes),
            accept_members=plan.accept_members,
            properties=written,
            notes=tuple(notes),
            source_tag=source_tag,
        )

    def _visibility(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, notes: list[str]
    ) -> Visibility:
        own: Visibility = "public" if image.is_public else "shared" if members else "private"
        visibility = plan.visibility or own
        if visibility not in self.visibilities:
            raise InvalidInput(f"the target has no images that are {visibility}")
        if visibility != own:
            notes.append(f"{own} here, {visibility} there")
        return visibility

    def find(self, draft: Draft) -> Found | None:
        """Return what the target has of an image.

        With its own ID that may be anybody's image; with a new ID it is the copy.

        :param draft: the image as it is to be in the target
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        if not draft.new_id:
            return self._look(draft.image_id)
        if _is_traced(draft):
            return best_of(draft, self._copies(draft.image.id, draft.owner, draft.source_tag))
        for number in range(_MOST_TAKEN):
            found = self._look(new_id_of(draft.image.id, number))
            if found is None or best_of(draft, [found]) is not None:
                return found
        return None

    def copy_of(self, image_id: str, owner: str | None) -> Found | None:
        """Return the image that is the copy, with a new ID, of one that is not here any more.

        :param image_id: the ID that it had here
        :param owner: the project that the copy belongs to
        """
        found = [
            one
            for one in self._copies(image_id, owner)
            if one.owner == owner and one.status in _USABLE and not one.unfinished
        ]
        # What it was is not known here: of several nobody can tell which is the copy.
        return found[0] if len(found) == 1 else None

    def reserve(self, draft: Draft) -> str:
        """Make the empty record of an image that another run will fill; return its ID.

        An image may then name it: an ID that is not taken yet could become anybody's.

        :param draft: the image as it is to be
        """
        try:
            return self._record(draft, None, Patience(self.attempts, self.patience)).image_id
        except _Taken as taken:
            return taken.draft.image_id

    def write(
        self,
        image: ImageDetail,
        members: Sequence[Member],
        data: ImageSource | None,
        plan: Plan,
        *,
        advance: Advance = lambda _count: None,
        stop: threading.Event | None = None,
    ) -> Written:
        """Bring an image to the target, or what is missing of it.

        An image that is there with the same data stays as it is, but for what an interrupted run
        has not finished. An empty record of its ID is filled. Where this fails for good, what it
        has made is deleted; where it only breaks off, an empty record stays for another run, since
        a service gives no ID a second time.

        :param image: the image here, with its properties as a list has them
        :param members: the projects that it is shared with
        :param data: its data, None where there is none
        :param plan: how images are written
        :param advance: is told how many more bytes have gone out
        :param stop: ends the transfer when it is set
        :raises InvalidInput: if the target cannot have such an image
        :raises ContentMismatch: if the data is damaged, here or on the way or there
        :raises TargetOccupied: if the ID is taken there
        :raises ImageV1Error: for whatever else fails
        """
        patience = Patience(self.attempts, self.patience, stop)
        draft = self.draft(image, members, plan)
        found = self.find(draft)
        judgement = judged(draft, found)
        if found is not None:
            draft = replace(draft, image_id=found.image_id)
            if judgement.state == "busy":
                # What a killed run was sending is given up by the service before long.
                found = self._settled(draft, patience)
                judgement = judged(draft, found)
        if found is not None:
            _check(draft, found)
        if has_data(image) and data is None:
            raise ImageHasNoData(f"There is no data of image {printable(image.id)} here")
        action: Action = "present"
        if judgement.state in ("missing", "empty"):
            sending = None if data is None else Sending(data, advance, stop, self._algorithm)
            action, draft = self._make(draft, found, sending, patience)
        elif found is not None and judgement.state == "unfinished":
            patience.persist(functools.partial(self._mend, draft, found))
            action = "finished"
        else:
            draft = replace(draft, notes=draft.notes + judgement.notes)
        if draft.image_id != image.id:
            plan.image_ids[image.id] = draft.image_id
        verified = data is None or data.vouched
        return Written(draft.image_id, action, draft.notes, verified)

    def _make(
        self, draft: Draft, found: Found | None, sending: Sending | None, patience: Patience
    ) -> tuple[Action, Draft]:
        """Make or fill the record, bring the data, finish."""
        if sending is not None:
            # A record that is deleted costs the image its ID: what cannot be read here gets none.
            sending.begin()
        try:
            draft = self._record(draft, found, patience)
        except _Taken as taken:
            return self._leave(taken.draft, taken.error, patience)
        if sending is None:
            patience.persist(lambda: self._finish(draft, None))
            return "recorded", draft
        try:
            filled = self._fill(draft, sending, patience)
        except Conflict as error:
            return self._leave(draft, error, patience)
        except (ImageV1Error, MemoryError) as error:
            kind = ContentMismatch if isinstance(error, ContentMismatch) else ImageV1Error
            raise kind(f"{error}{self._clean_up(draft, sending, error)}") from error
        patience.persist(lambda: self._finish(draft, filled))
        return "copied", draft

    def _record(self, draft: Draft, found: Found | None, patience: Patience) -> Draft:
        """Make the record, or make of an empty one what it is to be; return what it came to.

        :raises _Taken: if another run is at it
        :raises TargetOccupied: if it was there and has been deleted, or is someone else's
        """
        if found is not None:
            try:
                patience.persist(lambda: self._renew(draft, found))
            except Conflict as error:
                raise _Taken(draft, error) from error
            return draft
        strangers: list[str] = []
        for image_id in _ids(draft, strangers):
            draft = replace(draft, image_id=image_id)
            try:
                made = patience.persist(functools.partial(self._create_once, draft, patience))
            except Conflict as error:
                there = self._look(image_id)
                if there is None:
                    continue
                if not draft.new_id or best_of(draft, [there]) is not None:
                    raise _Taken(draft, error) from error
                strangers.append(image_id)
                continue
            notes = tuple(
                f"the ID {one} is another image's there, which is no copy" for one in strangers
            )
            return self._owned(replace(draft, notes=draft.notes + notes), made)
        raise TargetOccupied(
            f"The target had an image {printable(draft.image_id)} that was deleted, and gives no "
            "ID a second time, or has one that you may not see"
            + ("" if draft.new_id else ": --new-ids makes another")
        )

    def _owned(self, draft: Draft, made: Found) -> Draft:
        """Return the draft with the owner that the service has given the image."""
        if not draft.owned and self.own_project is None:
            self.own_project = made.owner
        if draft.owned and made.owner != draft.owner:
            owner = printable(str(made.owner))
            note = f"it belongs to project {owner} there: only an admin chooses owners"
            draft = replace(draft, notes=(*draft.notes, note))
        return replace(draft, owner=made.owner)

    def _create_once(self, draft: Draft, patience: Patience) -> Found:
        """Make the record, and take it for made where only the answer went wrong."""

        def look() -> Verdict[Found]:
            found = self._look(draft.image_id)
            # What is stored without the mark has been made by someone else.
            if found is None or not found.unfinished or judged(draft, found).state == "foreign":
                return NotDone()
            self._renew(draft, found)
            return Done(found)

        try:
            return self._create(draft)
        except ImageV1Error as error:
            if not is_lost(error) and not isinstance(error, ServerError):
                raise
            return settle(error, look, stop=patience.stop)

    def _leave(self, draft: Draft, error: Conflict, patience: Patience) -> tuple[Action, Draft]:
        """Leave an image to the other run that is at it, and see that it gets there."""
        found = self._settled(draft, patience, ("busy", "empty"))
        judgement = judged(draft, found)
        if judgement.state == "complete":
            return "present", replace(draft, notes=draft.notes + judgement.notes)
        if found is not None and judgement.state == "unfinished":
            # It may be what was sent before an answer was lost; to finish it twice does no harm.
            patience.persist(functools.partial(self._mend, draft, found))
            return "finished", draft
        if found is not None and judgement.state in ("foreign", "other"):
            raise TargetOccupied(refusal(draft, found, judgement)) from error
        raise TargetOccupied(
            f"Image {printable(draft.image_id)} is being written by someone else ({error.where}); "
            "run the command again later"
        ) from error

    def _own_project(self) -> str | None:
        """Return the ID of the user's own project there."""
        return None

    @abc.abstractmethod
    def _properties(
        self, properties: Mapping[str, str | None], notes: list[str], new_id: bool
    ) -> Mapping[str, str | None]:
        """Return the properties as the target takes them."""

    def _source_tag(self, image_id: str, notes: list[str]) -> str | None:  # noqa: ARG002
        """Return a tag that says which ID an image had, None where there are no tags."""
        notes.append(
            f"no property {renames.SOURCE_ID}: it has {MOST_PROPERTIES} properties already"
        )
        return None

    @abc.abstractmethod
    def everything(self) -> Iterator[Found]:
        """Yield all images that the target has, as far as this user may see them."""

    @abc.abstractmethod
    def found(self, record: Record) -> Found:
        """Return the image of a record.

        :param record: what :attr:`~osc_image_v1.migrate.drafts.Found.record` has
        """

    @abc.abstractmethod
    def _copies(
        self, image_id: str, owner: str | None, source_tag: str | None = None
    ) -> Iterable[Found]:
        """Yield images that say that they had this ID, at least those that belong to the owner."""

    @abc.abstractmethod
    def _create(self, draft: Draft) -> Found:
        """Make an empty record, seen by its owner alone, with the mark."""

    @abc.abstractmethod
    def _renew(self, draft: Draft, found: Found) -> None:
        """Make of an empty record what the draft says."""

    @abc.abstractmethod
    def _finish(self, draft: Draft, found: Found | None) -> None:
        """Set members, visibility and protection, and remove the mark."""

    def _mend(self, draft: Draft, found: Found) -> None:
        """Finish an image whose making was interrupted, and see to its metadata."""
        self._finish(draft, found)


def _ids(draft: Draft, strangers: Sequence[str]) -> Iterator[str]:
    """Yield the IDs that an image may get; ``strangers`` grows by those that are others'."""
    if not draft.new_id:
        yield draft.image_id
        return
    for number in range(_MOST_TAKEN):
        if _is_traced(draft) and len(strangers) >= _MOST_STRANGERS:
            break
        yield new_id_of(draft.image.id, number)
    if _is_traced(draft):
        yield str(uuid.uuid4())


def _is_traced(draft: Draft) -> bool:
    """Tell whether an image with a new ID says which it had."""
    return draft.source_tag is not None or renames.SOURCE_ID in draft.properties


def _check(draft: Draft, found: Found) -> None:
    """Refuse an image whose ID has gone to something else."""
    reason = refusal(draft, found, judged(draft, found))
    if reason:
        raise TargetOccupied(reason)
