"""One image into a service, verified, so that whatever breaks leaves nothing half-made.

::

    target = V2Target(ImageV2Client(adapter))   # from migrate.target_v2; or V1Target
    data = from_service(client, image)          # or ImageSource(size, md5, read)
    written = target.write(image, client.members(image.id), data, Plan())

The image gets its record first, seen by its owner alone and marked as unfinished; then its data,
whose last piece goes out only when size and MD5 of the whole are right; then the target's own
checksum is compared; then come members, visibility and protection, and the mark goes.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from osc_image_v1.api.models import WITH_DATA, ImageDetail, Member
from osc_image_v1.exceptions import (
    Conflict,
    ContentMismatch,
    ImageHasNoData,
    ImageV1Error,
    InvalidInput,
)
from osc_image_v1.migrate import formats
from osc_image_v1.migrate.delivery import Delivery
from osc_image_v1.migrate.drafts import (
    IMAGE_REFERENCES,
    MOST_PROPERTIES,
    TO_BE_WRITTEN,
    Action,
    Draft,
    Plan,
    TargetImage,
    Visibility,
    members_of,
    owner_of,
)
from osc_image_v1.migrate.foresight import checked
from osc_image_v1.migrate.notes import Note
from osc_image_v1.migrate.ours import (
    NotOurs,
    best_of,
    is_removed,
    judged,
    new_id_of,
    refusal,
    removal,
)
from osc_image_v1.migrate.records import (
    MOST_TAKEN,
    Appeared,
    Taken,
    is_traced,
    leave,
    make_record,
)
from osc_image_v1.migrate.renames import SOURCE_ID
from osc_image_v1.migrate.services import TargetService
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import has_data
from osc_image_v1.transfer.formats import is_looked_at
from osc_image_v1.transfer.patience import Patience
from osc_image_v1.transfer.progress import Advance
from osc_image_v1.transfer.sending import ImageSource, Sending

LOG = logging.getLogger(__name__)


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


class Target(TargetService):
    """A service that images are written into.

    :param client: the service
    """

    def draft(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, strict: bool = True
    ) -> Draft:
        """Return the image as it is to be in the target; nothing is asked of anyone.

        :param image: the image here
        :param members: the projects that it is shared with
        :param plan: how images are written
        :param strict: whether it is an error where the target would not take such an image, or the
            plan has no owner for it, see :mod:`~osc_image_v1.migrate.foresight`
        :raises InvalidInput: in these cases, and for a visibility that the target does not have
        """
        notes: list[str] = []
        owner, owned = self._owner(image, plan, notes, strict)
        visibility = self._visibility(image, members, plan, notes)
        properties = {
            name: plan.image_ids.get(value or "", value) if name in IMAGE_REFERENCES else value
            for name, value in image.properties.items()
        }
        written = dict(self.properties(properties, notes, plan.new_ids))
        source_tag = None
        if plan.new_ids and len(written) < MOST_PROPERTIES:
            written[SOURCE_ID] = image.id
        elif plan.new_ids:
            source_tag = self.source_tag(image.id, notes)
        draft = Draft(
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
        draft = formats.as_asked(draft, plan.formats)
        return self.check(draft, plan) if strict else draft

    def check(self, draft: Draft, plan: Plan) -> Draft:
        """Return the draft of an image that is to be written, with notes on what may be refused.

        :param draft: the image as it is to be
        :param plan: how images are written
        :raises InvalidInput: if the target would not take it, or the plan has no owner for it
        """
        owner_of(draft.image, plan, [])
        return checked(draft, self.rights, plan.allowed)

    def looked_at(self, draft: Draft, data: ImageSource | Sending, plan: Plan) -> Draft:
        """Return the draft of an image with the format that the target takes its data for.

        :param draft: the image as it would be
        :param data: its data, of which the beginning is read
        :param plan: how images are written
        :raises FormatRefused: if the target would refuse it
        :raises ImageV1Error: if it cannot be read
        """
        if not (self.looks and plan.look and is_looked_at(draft.image.container_format)):
            return draft
        return formats.as_seen(draft, data.look(), plan.format_from_data)

    def _owner(
        self, image: ImageDetail, plan: Plan, notes: list[str], strict: bool
    ) -> tuple[str | None, bool]:
        owner, owned = owner_of(image, plan, notes, strict)
        if not owned:
            return self.own_project, False
        if self.makes_user_owner and self.rights.admin is False and owner != self.own_project:
            shown = "no project" if owner is None else f"project {printable(owner)}"
            text = f"{shown} was to own it, your own does: only an admin chooses owners"
            notes.append(Note(text, "owner"))
            return self.own_project, False
        return owner, True

    def _visibility(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, notes: list[str]
    ) -> Visibility:
        own: Visibility = "public" if image.is_public else "shared" if members else "private"
        visibility = plan.visibility or own
        if visibility not in self.visibilities:
            raise InvalidInput(f"the target has no images that are {visibility}")
        if visibility != own:
            notes.append(Note(f"{own} here, {visibility} there", "visibility"))
        return visibility

    def find(self, draft: Draft) -> TargetImage | None:
        """Return what the target has of an image.

        With its own ID that may be anybody's image; with a new ID it is the copy.

        :param draft: the image as it is to be in the target
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        if not draft.new_id:
            return self.look(draft.image_id)
        if is_traced(draft):
            return best_of(draft, self.copies(draft.image.id, draft.owner, draft.source_tag))
        for number in range(MOST_TAKEN):
            found = self.look(new_id_of(draft.image.id, number))
            if found is None or best_of(draft, [found]) is not None:
                return found
        return None

    def copy_of(self, image_id: str, owner: str | None) -> TargetImage | None:
        """Return the image that is the copy, with a new ID, of one that is not here any more.

        :param image_id: the ID that it had here
        :param owner: the project that the copy belongs to
        """
        found = [
            one
            for one in self.copies(image_id, owner)
            if one.owner == owner and one.status in WITH_DATA and not one.unfinished
        ]
        # What it was is not known here: of several nobody can tell which is the copy.
        return found[0] if len(found) == 1 else None

    def reserve(self, draft: Draft) -> str:
        """Make the empty record of an image that another run will fill; return its ID.

        An image may then name it: an ID that is not taken yet could become anybody's.

        :param draft: the image as it is to be
        """
        try:
            return make_record(self, draft, None, Patience(self.attempts, self.patience)).image_id
        except Taken as taken:
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
        missing: bool = False,
    ) -> Written:
        """Bring an image to the target, or what is missing of it.

        An image that is there with the same data stays as it is, but for what an interrupted run
        has not finished. An empty record of its ID is filled. Where this fails, the record stays
        for another run, since a service gives no ID a second time; what is deleted is an image
        that has got damaged data, and with the plan's ``clean_up`` what takes no data any more.

        :param image: the image here, with its properties as a list has them
        :param members: the projects that it is shared with
        :param data: its data, None where there is none
        :param plan: how images are written
        :param advance: is told how many more bytes have gone out
        :param stop: ends the transfer when it is set
        :param missing: whether a list of the target has told that nothing is there of it; then
            that is looked for only where its record cannot be made
        :raises InvalidInput: if the target cannot have such an image
        :raises ContentMismatch: if the data is damaged, here or on the way or there
        :raises TargetOccupied: if the ID is taken there
        :raises ImageV1Error: for whatever else fails
        """
        patience = Patience(self.attempts, self.patience, stop)
        draft = self.draft(image, members, plan, strict=False)
        sending = None if data is None else Sending(data, advance, stop, self.algorithm)
        written = None
        if missing and self.takes_ids:
            with contextlib.suppress(Appeared):
                written = self._write(draft, None, sending, plan, patience, looked=False)
        if written is None:
            draft, found = self._find_settled(draft, plan, patience)
            written = self._write(draft, found, sending, plan, patience)
        action, draft = written
        if draft.image_id != image.id:
            plan.image_ids[image.id] = draft.image_id
        return Written(draft.image_id, action, draft.notes, data is None or data.vouched)

    def _write(
        self,
        draft: Draft,
        found: TargetImage | None,
        sending: Sending | None,
        plan: Plan,
        patience: Patience,
        looked: bool = True,
    ) -> tuple[Action, Draft]:
        """Bring what is missing of an image.

        :raises Appeared: if nothing was looked for, and there is something
        """
        judgement = judged(draft, found)
        if has_data(draft.image) and sending is None:
            raise ImageHasNoData(f"There is no data of image {printable(draft.image.id)} here")
        if judgement.state in TO_BE_WRITTEN:
            draft = self.check(draft, plan)
        if judgement.state in ("missing", "empty"):
            if sending is not None:
                # What cannot be read here, or is refused there, gets no record: to delete one
                # costs the image its ID.
                sending.begin()
                draft = self.looked_at(draft, sending, plan)
            return self._make(draft, found, sending, patience, plan.clean_up, looked)
        if found is not None and judgement.state == "unfinished":
            draft = formats.as_stored(draft, found)
            patience.persist(functools.partial(self.mend, draft, found))
            return "finished", draft
        return "present", replace(draft, notes=draft.notes + judgement.notes)

    def _find_settled(
        self, draft: Draft, plan: Plan, patience: Patience
    ) -> tuple[Draft, TargetImage | None]:
        """Return what the target has of an image when nobody is at it, and the draft with its ID.

        :raises TargetOccupied: if that cannot become the image
        """
        found = self.find(draft)
        if found is None:
            return draft, None
        draft = replace(draft, image_id=found.image_id)
        if judged(draft, found).state == "busy":
            # What a killed run was sending is given up by the service before long.
            found = self.settled(draft, patience)
        if found is None:
            return draft, None
        if is_removed(draft, found, plan):
            return self._removed(draft, found, patience), None
        _check(draft, found)
        return draft, found

    def _removed(self, draft: Draft, found: TargetImage, patience: Patience) -> Draft:
        """Remove a record that takes no data; return the draft of another one."""
        patience.persist(lambda: self.delete(found.image_id))
        text = removal(draft, found)
        if not draft.new_id:
            raise NotOurs(text, judged(draft, found))
        note = Note(text, "unusable")
        return replace(draft, image_id=new_id_of(draft.image.id), notes=(*draft.notes, note))

    def _make(
        self,
        draft: Draft,
        found: TargetImage | None,
        sending: Sending | None,
        patience: Patience,
        clean_up: bool,
        looked: bool,
    ) -> tuple[Action, Draft]:
        """Make or fill the record, bring the data, finish."""
        room = self.quota.take(draft, self.rights, new=found is None)
        try:
            return self._bring(draft, found, sending, patience, clean_up, looked)
        except BaseException:
            self.quota.give_back(room)
            raise

    def _bring(
        self,
        draft: Draft,
        found: TargetImage | None,
        sending: Sending | None,
        patience: Patience,
        clean_up: bool,
        looked: bool,
    ) -> tuple[Action, Draft]:
        try:
            draft = make_record(self, draft, found, patience, looked=looked)
        except Taken as taken:
            return leave(self, taken.draft, taken.error, patience)
        if sending is None:
            self._end(draft, None, patience)
            return "recorded", draft
        delivery = Delivery(self, draft, sending, patience)
        try:
            filled = delivery.carry_out()
        except Conflict as error:
            return leave(self, draft, error, patience)
        except (ImageV1Error, MemoryError) as error:
            kind = ContentMismatch if isinstance(error, ContentMismatch) else ImageV1Error
            raise kind(f"{error}{delivery.clean_up(error, clean_up)}") from error
        self._end(draft, filled, patience)
        return "copied", draft

    def _end(self, draft: Draft, found: TargetImage | None, patience: Patience) -> None:
        """Finish an image; once that was tried, it may have members."""
        drafts = itertools.chain((draft,), itertools.repeat(replace(draft, bare=False)))
        patience.persist(lambda: self.finish(next(drafts), found))


def _check(draft: Draft, found: TargetImage) -> None:
    """Refuse an image whose ID has gone to something else."""
    judgement = judged(draft, found)
    reason = refusal(draft, found, judgement)
    if reason:
        raise NotOurs(reason, judgement)
