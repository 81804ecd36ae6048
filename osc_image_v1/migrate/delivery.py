"""Data on its way into an image's record in another service, and what a failure leaves there.

Where the service's answer is lost, nobody knows what has become of the data: the service is asked,
and waited for. What may still be stored, or is whole, is never removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging

from osc_image_v1.api.models import ACTIVE, BUSY, QUEUED, WITH_DATA
from osc_image_v1.api.outcomes import Done, NotDone, Passing, Verdict, is_lost, settle
from osc_image_v1.api.records import as_md5
from osc_image_v1.exceptions import (
    ConnectionFailed,
    ContentMismatch,
    ForeignAnswer,
    HttpError,
    ImageV1Error,
    ServerError,
    TransferStopped,
    Unauthorized,
)
from osc_image_v1.migrate.drafts import Draft, TargetImage
from osc_image_v1.migrate.ours import unusable
from osc_image_v1.migrate.services import TargetService
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.patience import Patience
from osc_image_v1.transfer.sending import Sending

LOG = logging.getLogger(__name__)

# After its answer, whatever it was, a service is at its end with the data.
_AFTER_AN_ERROR = 2.0


class Delivery:
    """One image's data on its way.

    :param service: where it goes
    :param draft: the image, which has its record there
    :param sending: the data
    :param patience: how long the service is waited for
    """

    def __init__(
        self, service: TargetService, draft: Draft, sending: Sending, patience: Patience
    ) -> None:
        self._service, self._draft = service, draft
        self._sending, self._patience = sending, patience

    def carry_out(self) -> TargetImage:
        """Send the data, again where it broke off, and compare what has been stored.

        :raises ContentMismatch: if the data is damaged, here or on the way or there
        :raises ImageV1Error: for whatever else fails
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                with contextlib.closing(self._sending):
                    self._service.send(self._draft, self._sending)
                return self._compare()
            except ImageV1Error as error:
                if not _may_go_on(error) or isinstance(error, TransferStopped):
                    raise
                # The answer may be all that is missing.
                if self._is_stored(error):
                    return self._compare()
                if attempt >= self._service.attempts:
                    raise
                self._patience.before_attempt(attempt, error)

    def _is_stored(self, error: ImageV1Error) -> bool:
        """Find out whether the data is there whose upload failed; else it can be sent again.

        :raises ImageV1Error: if neither is so
        """
        seen: list[TargetImage | None] = []

        def look() -> Verdict[bool]:
            found = self._service.look(self._draft.image_id)
            seen[:] = [found]
            if found is None:
                return NotDone()
            if found.status in BUSY:
                state = f"image {printable(found.image_id)} is {printable(found.status)} there"
                if _is_answer(error):
                    return Passing(state, min(self._service.patience, _AFTER_AN_ERROR), NotDone())
                return Passing(state, self._patience.with_data(self._draft.image.size))
            # What was not sent to its end is not the image's data, whatever the service says.
            all_sent = found.status == ACTIVE and self._sending.md5 is not None
            return Done(True) if all_sent else NotDone()

        try:
            return settle(error, look, stop=self._patience.stop)
        except ImageV1Error as failure:
            found = seen[0] if seen else None
            empty = found is not None and found.status == QUEUED and not found.refused
            if failure is error and empty:
                return False
            raise

    def _compare(self) -> TargetImage:
        """Compare size and checksum of what the target has stored with what was sent."""
        sending = self._sending
        found = self._service.settled(self._draft, self._patience)
        shown = printable(self._draft.image_id)
        if found is None or found.status != ACTIVE:
            status = "gone" if found is None else printable(found.status)
            raise ContentMismatch(
                f"The target has taken the data of image {shown}, but the image is {status}"
            )
        there: str | None = as_md5(found.checksum)
        same = there == sending.md5
        if there is None and found.hash_algo:
            there = found.hash_value
            same = there == sending.digest
            if sending.digest is None:
                self._service.algorithm = _known(found.hash_algo)
                there = self._read_back()
                same = there == sending.md5
        elif there is None:
            there = self._read_back()
            same = there == sending.md5
        if found.size != sending.sent or not same:
            raise ContentMismatch(
                f"The target has stored {found.size} bytes with the checksum "
                f"{printable(there)} as image {shown}, not the {sending.sent} bytes with the "
                f"MD5 {sending.md5} that were sent"
            )
        return found

    def _read_back(self) -> str:
        """Return the MD5 of what the target hands out: it does not show one."""
        with Digests("md5") as digests:
            for piece in self._service.data(self._draft.image_id):
                digests.update(piece)
            return str(digests.of("md5"))

    def clean_up(self, error: BaseException, delete: bool) -> str:
        """Say what a failure has left, as the end of a sentence; remove an image that is damaged.

        What may become the image, or is it, stays: to delete a record costs the image its ID.

        :param error: what failed
        :param delete: whether a record is removed too that takes no data any more
        """
        shown = printable(self._draft.image_id)
        try:
            found = self._service.look(self._draft.image_id)
            if found is None:
                return ""
            status = printable(found.status)
            # After an answer the service is not at the data any more, whatever it says.
            at_it = found.status in BUSY and not (delete and _is_answer(error))
            if at_it or (found.status == QUEUED and not found.refused):
                return f"; the target's record {shown}, {status}, is left for another run"
            if _is_whole(found, self._sending):
                return f"; image {shown} has its data in the target, another run finishes it"
            if found.status not in WITH_DATA and not delete:
                new_id = self._draft.new_id
                return f"; the target's record {shown} is {status}{unusable(found, new_id)}"
            # Whoever stops it does not wait any longer, but nothing is to be left.
            Patience(self._service.attempts, 0.0).persist(
                lambda: self._service.delete(self._draft.image_id)
            )
        except ImageV1Error as failure:
            return f"; look for what is left of image {shown} in the target ({failure})"
        used_up = "" if self._draft.new_id else ", and its ID is used up: --new-ids makes another"
        return f"; what was made of it in the target is removed{used_up}"


def _is_whole(found: TargetImage, sending: Sending) -> bool:
    """Tell whether an image has all that was sent."""
    return (
        found.status == ACTIVE
        and sending.md5 is not None
        and found.size == sending.sent
        and as_md5(found.checksum) in (None, sending.md5)
        and (None in (sending.digest, found.hash_value) or found.hash_value == sending.digest)
    )


def _may_go_on(error: BaseException) -> bool:
    """Tell whether an error is one after which another try may bring it to its end."""
    kinds = (ConnectionFailed, ForeignAnswer, ServerError, TransferStopped, Unauthorized)
    return isinstance(error, kinds)


def _is_answer(error: BaseException | None) -> bool:
    """Tell whether the service itself has answered, not something in front of it."""
    return isinstance(error, HttpError) and not is_lost(error)


def _known(algorithm: str) -> str | None:
    """Return the name of a checksum if Python can compute it, to its usual length."""
    fixed = hashlib.algorithms_available - {"shake_128", "shake_256"}
    return algorithm if algorithm in fixed else None
