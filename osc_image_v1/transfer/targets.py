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
import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from osc_image_v1.api.data import as_md5
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.exceptions import (
    Conflict,
    ConnectionFailed,
    ContentMismatch,
    GatewayError,
    HttpError,
    ImageHasNoData,
    ImageV1Error,
    InvalidInput,
    ServerError,
    TargetOccupied,
    TransferStopped,
    Unauthorized,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer import renames
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.drafts import (
    IMAGE_REFERENCES,
    Draft,
    Found,
    Plan,
    State,
    Visibility,
    has_data,
    members_of,
    owner_of,
    state_of,
)
from osc_image_v1.transfer.progress import Advance
from osc_image_v1.transfer.sending import ImageSource, Sending

LOG = logging.getLogger(__name__)

_FIRST_POLL, _LONGEST_POLL = 0.25, 10.0
_AFTER_AN_ERROR = 2.0
_NEW_IDS = uuid.UUID("2b7c3d0e-6f0a-5f4e-9a52-0d1f6c1b8e77")
# How often a copy with a new ID may have been deleted in the target.
_MOST_DELETED = 100
_EMPTY = frozenset(("queued",))
_BUSY = frozenset(("saving", "uploading", "importing"))
_UNUSABLE = frozenset(("killed", "deleted", "pending_delete"))
_PASSING: tuple[State, ...] = ("busy",)

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


class Target(abc.ABC):
    """A service that images are written into.

    :param attempts: how often an upload that breaks off is begun
    :param patience: seconds to wait, at most, while the service is busy with data that has all
        been sent; with a second more for each MiB
    """

    #: What the target can have beside public and not public.
    visibilities: frozenset[str] = frozenset()

    def __init__(self, attempts: int = 3, patience: float = 60.0) -> None:
        self.attempts = attempts
        self.patience = patience
        # The checksum that the service shows where it shows no MD5.
        self._algorithm: str | None = None

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
        visibility = self._visibility(image, members, plan, notes)
        properties = {
            name: plan.image_ids.get(value or "", value) if name in IMAGE_REFERENCES else value
            for name, value in image.properties.items()
        }
        written = dict(self._properties(properties, notes))
        if plan.new_ids:
            written[renames.SOURCE_ID] = image.id
        return Draft(
            image=image,
            image_id=new_id_of(image.id) if plan.new_ids else image.id,
            owner=owner,
            owned=owned,
            visibility=visibility,
            members=members_of(members, visibility, plan, notes),
            accept_members=plan.accept_members,
            properties=written,
            notes=tuple(notes),
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

    def find(self, image: ImageDetail, plan: Plan) -> Found | None:
        """Return what the target has of an image.

        :param image: the image here
        :param plan: how images are written
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        if not plan.new_ids:
            return self._look(image.id)
        found = [one for one in self._copies(image.id) if state_of(image, one) != "dead"]
        found.sort(key=lambda one: _PREFERRED.index(state_of(image, one)))
        return found[0] if found else None

    def copy_of(self, image_id: str) -> Found | None:
        """Return the image that is a copy, with a new ID, of an image.

        :param image_id: the ID of that image here
        """
        usable = (one for one in self._copies(image_id) if one.status not in _UNUSABLE)
        return next(usable, None)

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
        draft = self.draft(image, members, plan)
        found = self.find(image, plan)
        state = state_of(image, found)
        if found is not None:
            draft = replace(draft, image_id=found.image_id)
            if state == "busy":
                # What a killed run was sending is given up by the service before long.
                found = self._settled(draft)
                state = state_of(image, found)
        if found is not None:
            _check_state(image, found, state)
        if has_data(image) and data is None:
            raise ImageHasNoData(f"There is no data of image {printable(image.id)} here")
        action: Action = "present"
        if state in ("missing", "empty"):
            sending = None if data is None else Sending(data, advance, stop, self._algorithm)
            action, draft = self._make(draft, found, sending, plan.new_ids)
        elif state == "unfinished":
            self._persist(functools.partial(self._finish, draft, found))
            action = "finished"
        if draft.image_id != image.id:
            plan.image_ids[image.id] = draft.image_id
        verified = data is None or data.vouched
        return Written(draft.image_id, action, draft.notes, verified)

    def _make(
        self, draft: Draft, found: Found | None, sending: Sending | None, new_id: bool
    ) -> tuple[Action, Draft]:
        """Make or fill the record, bring the data, finish."""
        if sending is not None:
            # A record that is deleted costs the image its ID: what cannot be read here gets none.
            sending.begin()
        try:
            draft = self._record(draft, found, new_id)
        except _Taken as taken:
            return self._leave(taken.draft, taken.error), taken.draft
        if sending is None:
            self._persist(lambda: self._finish(draft, None))
            return "recorded", draft
        try:
            filled = self._fill(draft, sending)
        except Conflict as error:
            return self._leave(draft, error), draft
        except (ImageV1Error, MemoryError) as error:
            left: frozenset[str] = frozenset()
            if not new_id and _may_go_on(error):
                # After an answer the service is not at the data any more, whatever it says.
                left = _EMPTY if _is_answer(error) else _EMPTY | _BUSY
            raise _with_rest(error, self._clean_up(draft.image_id, left)) from error
        self._persist(lambda: self._finish(draft, filled))
        return "copied", draft

    def _record(self, draft: Draft, found: Found | None, new_id: bool) -> Draft:
        """Make the record, or make of an empty one what it is to be; return what it came to.

        :raises _Taken: if another run is at it
        :raises TargetOccupied: if it was there and has been deleted
        """
        if found is not None:
            try:
                self._persist(lambda: self._renew(draft, found))
            except Conflict as error:
                raise _Taken(draft, error) from error
            return draft
        for number in range(_MOST_DELETED if new_id else 1):
            if new_id:
                draft = replace(draft, image_id=new_id_of(draft.image.id, number))
            try:
                self._persist(functools.partial(self._create_once, draft))
                return draft
            except Conflict as error:
                if self._look(draft.image_id) is not None:
                    raise _Taken(draft, error) from error
        raise TargetOccupied(
            f"The target had an image {printable(draft.image_id)} that was deleted, and gives no "
            "ID a second time" + ("" if new_id else ": --new-ids makes another")
        )

    def _create_once(self, draft: Draft) -> None:
        """Make the record, and take it for made where only the answer went wrong."""
        try:
            self._create(draft)
        except (ConnectionFailed, ServerError):
            found = self._look(draft.image_id)
            if found is None:
                raise
            self._renew(draft, found)

    def _persist(self, once: Callable[[], None]) -> None:
        """Do what may be done twice, and again where the service fails at it."""
        for attempt in range(1, self.attempts + 1):
            try:
                once()
                return
            except (ConnectionFailed, ServerError) as error:
                if attempt == self.attempts:
                    raise
                LOG.debug("%s; trying again", error)
                time.sleep(_FIRST_POLL * 2**attempt)

    def _leave(self, draft: Draft, error: Conflict) -> Action:
        """Leave an image to the other run that is at it, and see that it gets there."""
        found = self._settled(draft, ("busy", "empty"))
        state = state_of(draft.image, found)
        if state in ("complete", "unfinished"):
            return "present"
        raise TargetOccupied(
            f"Image {printable(draft.image_id)} is being written by someone else ({error.where}); "
            "run the command again later"
        ) from error

    def _settled(
        self,
        draft: Draft,
        waited_for: Collection[State] = _PASSING,
        error: ImageV1Error | None = None,
    ) -> Found | None:
        """Wait while an image is in a passing state; return what comes of it."""
        patience = self.patience + (draft.image.size or 0) / 2**20
        if _is_answer(error):
            # The service has answered: it is not at the data any more.
            patience = min(patience, _AFTER_AN_ERROR)
        end = time.monotonic() + patience
        pause = _FIRST_POLL
        while True:
            found = self._look(draft.image_id)
            if state_of(draft.image, found) not in waited_for or time.monotonic() > end:
                return found
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL)

    def _fill(self, draft: Draft, sending: Sending) -> Found:
        """Send the data, again where it broke off, and compare what has been stored."""
        attempt = 0
        while True:
            attempt += 1
            try:
                self._send(draft, sending)
            except ImageV1Error as error:
                if not _may_go_on(error) or isinstance(error, TransferStopped):
                    raise
                # The answer may be all that is missing.
                found = self._settled(draft, error=error)
                if sending.md5 is None or found is None or found.status != "active":
                    if attempt >= self.attempts or found is None or found.status != "queued":
                        raise
                    LOG.debug("%s; sending the data again", error)
                    time.sleep(_FIRST_POLL * 2**attempt)
                    continue
            return self._compare(draft, sending)

    def _compare(self, draft: Draft, sending: Sending) -> Found:
        """Compare size and checksum of what the target has stored with what was sent."""
        found = self._settled(draft)
        shown = printable(draft.image_id)
        if found is None or found.status != "active":
            status = "gone" if found is None else printable(str(found.status))
            raise ContentMismatch(
                f"The target has taken the data of image {shown}, but the image is {status}"
            )
        there: str | None = as_md5(found.checksum)
        same = there == sending.md5
        if there is None and found.hash_algo:
            there = found.hash_value
            same = there == sending.digest
            if sending.digest is None:
                self._algorithm = _known(found.hash_algo)
                there = self._read_back(draft.image_id)
                same = there == sending.md5
        elif there is None:
            there = self._read_back(draft.image_id)
            same = there == sending.md5
        if found.size != sending.sent or not same:
            raise ContentMismatch(
                f"The target has stored {found.size} bytes with the checksum "
                f"{printable(str(there))} as image {shown}, not the {sending.sent} bytes with the "
                f"MD5 {sending.md5} that were sent"
            )
        return found

    def _read_back(self, image_id: str) -> str:
        """Return the MD5 of what the target hands out: it does not show one."""
        with Digests() as digests:
            for piece in self._data(image_id):
                digests.update(piece)
            return digests.results()[0]

    def _clean_up(self, image_id: str, left: frozenset[str]) -> str:
        """Remove what a failure has left; say what is left then, as the end of a sentence.

        :param left: statuses of what another run can go on with: to delete that would cost the
            image its ID
        """
        shown = printable(image_id)
        try:
            found = self._look(image_id)
            if found is None:
                return ""
            if found.status in left:
                status = printable(str(found.status))
                return f"; the target's record {shown}, {status}, is left for another run"
            self._persist(lambda: self._delete(image_id))
        except ImageV1Error as error:
            return f"; look for what is left of image {shown} in the target ({error})"
        return "; what was made of it in the target is removed"

    @abc.abstractmethod
    def _properties(
        self, properties: Mapping[str, str | None], notes: list[str]
    ) -> Mapping[str, str | None]:
        """Return the properties as the target takes them."""

    @abc.abstractmethod
    def everything(self) -> Iterator[Found]:
        """Yield all images that the target has, as far as this user may see them."""

    @abc.abstractmethod
    def _look(self, image_id: str) -> Found | None:
        """Return an image by its ID."""

    @abc.abstractmethod
    def _copies(self, image_id: str) -> Iterable[Found]:
        """Yield the images whose property says that they had this ID."""

    @abc.abstractmethod
    def _create(self, draft: Draft) -> None:
        """Make an empty record, seen by its owner alone, with the mark."""

    @abc.abstractmethod
    def _renew(self, draft: Draft, found: Found) -> None:
        """Make of an empty record what the draft says."""

    @abc.abstractmethod
    def _send(self, draft: Draft, sending: Sending) -> None:
        """Upload the data."""

    @abc.abstractmethod
    def _data(self, image_id: str) -> Iterator[bytes]:
        """Yield the data of an image."""

    @abc.abstractmethod
    def _finish(self, draft: Draft, found: Found | None) -> None:
        """Set members, visibility and protection, and remove the mark."""

    @abc.abstractmethod
    def _delete(self, image_id: str) -> None:
        """Delete an image."""


def new_id_of(image_id: str, number: int = 0) -> str:
    """Return the ID that an image gets where it cannot keep its own, the same in each run.

    :param image_id: the ID that it has here
    :param number: how many such IDs the target has had and deleted
    """
    return str(uuid.uuid5(_NEW_IDS, f"{image_id} {number}"))


_PREFERRED: tuple[State, ...] = ("complete", "unfinished", "busy", "empty", "other", "dead")


def _check_state(image: ImageDetail, found: Found, state: State) -> None:
    """Refuse an image whose ID has gone to something else."""
    shown = printable(found.image_id)
    status = printable(str(found.status))
    if state == "other":
        raise TargetOccupied(
            f"The target has another image {shown}: {found.size} bytes with the MD5 "
            f"{printable(str(found.checksum))}, not {image.size} with "
            f"{printable(str(image.checksum))}: --new-ids makes a second one"
        )
    if state == "busy":
        raise TargetOccupied(
            f"Image {shown} is {status} in the target: another run may be at it, then try again "
            "later; if there is none, delete it there and use --new-ids"
        )
    if state == "dead":
        raise TargetOccupied(f"Image {shown} is {status} in the target: --new-ids makes another")


def _may_go_on(error: BaseException) -> bool:
    """Tell whether an error is one after which another try may bring it to its end."""
    return isinstance(error, (ConnectionFailed, ServerError, TransferStopped, Unauthorized))


def _is_answer(error: BaseException | None) -> bool:
    """Tell whether the service itself has answered, not something in front of it."""
    return isinstance(error, HttpError) and not isinstance(error, GatewayError)


def _with_rest(error: BaseException, rest: str) -> ImageV1Error:
    kind = ContentMismatch if isinstance(error, ContentMismatch) else ImageV1Error
    return kind(f"{error}{rest}")


def _known(algorithm: str) -> str | None:
    """Return the name of a checksum if Python can compute it, to its usual length."""
    fixed = hashlib.algorithms_available - {"shake_128", "shake_256"}
    return algorithm if algorithm in fixed else None
