"""How long a service is waited for, and whether somebody wants that to end."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from osc_image_v1.api.outcomes import is_lost, pause, polls
from osc_image_v1.exceptions import ImageV1Error, ServerError, TransferStopped

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

_FIRST_POLL = 0.25
_STOPPED = "The transfer was stopped"
# What a service may take for data, in bytes a second, and in seconds for the largest.
_RATE = 64 * 2**20
_LONGEST_WAIT = 900.0


class Patience:
    """The patience with a service while one image is written.

    :param attempts: how often a request is sent that may be sent twice
    :param seconds: how long the service may be busy, and longer with much data
    :param stop: ends all waiting when it is set
    """

    def __init__(self, attempts: int, seconds: float, stop: threading.Event | None = None) -> None:
        self.attempts = attempts
        self.stop = stop
        self._seconds = seconds

    def with_data(self, size: int | None) -> float:
        """Return how many seconds the service may be busy with data.

        :param size: bytes
        """
        most = max(self._seconds, _LONGEST_WAIT)
        return min(self._seconds + (size or 0) // _RATE, most)

    def persist(self, once: Callable[[], _T]) -> _T:
        """Do what may be done twice, and again where the service fails at it.

        :param once: does it
        :raises ImageV1Error: what ``once`` raises, at last
        :raises TransferStopped: if that is wanted meanwhile
        """
        for attempt in itertools.count(1):
            try:
                return once()
            except ImageV1Error as error:
                again = is_lost(error) or isinstance(error, ServerError)
                if not again or attempt >= self.attempts:
                    raise
                self.before_attempt(attempt, error)
        raise AssertionError("the last attempt returns or raises")

    def before_attempt(self, attempt: int, error: ImageV1Error) -> None:
        """Wait before something is tried again.

        :param attempt: how often it was tried
        :param error: what came of it
        """
        LOG.debug("%s; trying again", error)
        if pause(_FIRST_POLL * 2**attempt, self.stop):
            raise TransferStopped(_STOPPED)

    def wait_while(
        self, look: Callable[[], _T], state: Callable[[_T], str | None], seconds: float
    ) -> _T:
        """Wait while something is passing; return what comes of it, or what it is after that.

        :param look: asks the service
        :param state: tells from that what is waited for, as a clause, None where nothing is
        :param seconds: how long to wait, at most
        :raises TransferStopped: if that is wanted meanwhile
        """
        told: str | None = None
        for late in polls(self.stop, _FIRST_POLL):
            found = look()
            passing = state(found)
            if passing is None or late(seconds):
                return found
            if passing != told:
                LOG.warning("%s: waiting for that, %g seconds at most", passing, seconds)
            told = passing
        raise TransferStopped(_STOPPED)
