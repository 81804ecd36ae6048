"""Data on its way into an image's record in another service, and what a failure leaves there.

Where the service's answer is lost, nobody knows what has become of the data: the service is asked,
and waited for. What may still be stored, or is whole, is never removed.
"""

from __future__ import annotations

import abc
import contextlib
import hashlib
import logging
from collections.abc import Collection, Iterator

from osc_image_v1.api.data import as_md5
from osc_image_v1.api.outcomes import Done, NotDone, Passing, Verdict, is_lost, settle
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
from osc_image_v1.migrate.drafts import Draft, Found, State
from osc_image_v1.migrate.ours import judged
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.patience import Patience
from osc_image_v1.transfer.sending import Sending

LOG = logging.getLogger(__name__)

# After its answer, whatever it was, a service is at its end with the data.
_AFTER_AN_ERROR = 2.0
_BUSY = frozenset(("saving", "uploading", "importing"))
_PASSING: tuple[State, ...] = ("busy",)


class Delivery(abc.ABC):
    """A service that data is brought to.

    :param attempts: how often an upload that breaks off is begun
    :param patience: seconds to wait, at most, while the service is busy with data that has all
        been sent; with a second more for each 64 MiB, up to 15 minutes
    """

    def __init__(self, attempts: int, patience: float) -> None:
        self.attempts = attempts
        self.patience = patience
        # The checksum that the service shows where it shows no MD5.
        self._algorithm: str | None = None

    @abc.abstractmethod
    def _look(self, image_id: str) -> Found | None:
        """Return an image by its ID."""

    @abc.abstractmethod
    def _send(self, draft: Draft, sending: Sending) -> None:
        """Upload the data."""

    @abc.abstractmethod
    def _data(self, image_id: str) -> Iterator[bytes]:
        """Yield the data of an image."""

    @abc.abstractmethod
    def _delete(self, image_id: str) -> None:
        """Delete an image."""

    def _settled(
        self, draft: Draft, patience: Patience, waited_for: Collection[State] = _PASSING
    ) -> Found | None:
        """Wait while an image is in a passing state; return what comes of it."""

        def state(found: Found | None) -> str | None:
            if found is None or judged(draft, found).state not in waited_for:
                return None
            return f"Image {printable(found.image_id)} is {printable(str(found.status))} there"

        return patience.wait_while(
            lambda: self._look(draft.image_id), state, patience.with_data(draft.image.size)
        )

    def _fill(self, draft: Draft, sending: Sending, patience: Patience) -> Found:
        """Send the data, again where it broke off, and compare what has been stored."""
        attempt = 0
        while True:
            attempt += 1
            try:
                with contextlib.closing(sending):
                    self._send(draft, sending)
                return self._compare(draft, sending, patience)
            except ImageV1Error as error:
                if not may_go_on(error) or isinstance(error, TransferStopped):
                    raise
                # The answer may be all that is missing.
                if self._is_stored(draft, sending, error, patience):
                    return self._compare(draft, sending, patience)
                if attempt >= self.attempts:
                    raise
                patience.before_attempt(attempt, error)

    def _is_stored(
        self, draft: Draft, sending: Sending, error: ImageV1Error, patience: Patience
    ) -> bool:
        """Find out whether the data is there whose upload failed; else it can be sent again.

        :raises ImageV1Error: if neither is so
        """
        seen: list[Found | None] = []

        def look() -> Verdict[bool]:
            found = self._look(draft.image_id)
            seen[:] = [found]
            if found is None:
                return NotDone()
            if found.status in _BUSY:
                state = f"image {printable(found.image_id)} is {printable(str(found.status))} there"
                if is_answer(error):
                    return Passing(state, min(self.patience, _AFTER_AN_ERROR), NotDone())
                return Passing(state, patience.with_data(draft.image.size))
            # What was not sent to its end is not the image's data, whatever the service says.
            all_sent = found.status == "active" and sending.md5 is not None
            return Done(True) if all_sent else NotDone()

        try:
            return settle(error, look, stop=patience.stop)
        except ImageV1Error as failure:
            if failure is error and seen and seen[0] is not None and seen[0].status == "queued":
                return False
            raise

    def _compare(self, draft: Draft, sending: Sending, patience: Patience) -> Found:
        """Compare size and checksum of what the target has stored with what was sent."""
        found = self._settled(draft, patience)
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

    def _clean_up(self, draft: Draft, sending: Sending, error: BaseException) -> str:
        """Remove what a failure has left; say what is left then, as the end of a sentence.

        What may become the image, or is it, stays: to delete a record costs the image its ID.
        """
        shown = printable(draft.image_id)
        try:
            found = self._look(draft.image_id)
            if found is None:
                return ""
            status = printable(str(found.status))
            # After an answer the service is not at the data any more, whatever it says; and data
            # that is damaged here never becomes the image.
            all_sent = sending.md5 is not None
            at_it = found.status in _BUSY and not is_answer(error)
            if at_it and (all_sent or may_go_on(error)):
                return f"; the target's record {shown}, {status}, is left for another run"
            if found.status == "queued" and not draft.new_id and may_go_on(error):
                return f"; the target's record {shown}, {status}, is left for another run"
            if _is_whole(found, sending):
                return f"; image {shown} has its data in the target, another run finishes it"
            # Whoever stops it does not wait any longer, but nothing is to be left.
            Patience(self.attempts, 0.0).persist(lambda: self._delete(draft.image_id))
        except ImageV1Error as failure:
            return f"; look for what is left of image {shown} in the target ({failure})"
        return "; what was made of it in the target is removed"


def _is_whole(found: Found, sending: Sending) -> bool:
    """Tell whether an image has all that was sent."""
    return (
        found.status == "active"
        and sending.md5 is not None
        and found.size == sending.sent
        and as_md5(found.checksum) in (None, sending.md5)
        and (None in (sending.digest, found.hash_value) or found.hash_value == sending.digest)
    )


def may_go_on(error: BaseException) -> bool:
    """Tell whether an error is one after which another try may bring it to its end.

    :param error: what failed
    """
    kinds = (ConnectionFailed, ForeignAnswer, ServerError, TransferStopped, Unauthorized)
    return isinstance(error, kinds)


def is_answer(error: BaseException | None) -> bool:
    """Tell whether the service itself has answered, not something in front of it.

    :param error: what failed
    """
    return isinstance(error, HttpError) and not is_lost(error)


def _known(algorithm: str) -> str | None:
    """Return the name of a checksum if Python can compute it, to its usual length."""
    fixed = hashlib.algorithms_available - {"shake_128", "shake_256"}
    return algorithm if algorithm in fixed else None
