"""When it is no use any more to try the rest of many images."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeVar

from osc_image_v1.api.errors import IN_FRONT
from osc_image_v1.api.http import ServiceClient
from osc_image_v1.exceptions import (
    ConnectionFailed,
    ContentMismatch,
    FileFailed,
    FileInTheWay,
    ForeignAnswer,
    FormatRefused,
    HttpError,
    ImageHasNoData,
    ImageNotFound,
    ImageV1Error,
    InvalidInput,
    NotLoggedIn,
    NotStored,
    ServerError,
    TargetOccupied,
    TooLarge,
    Unauthorized,
    causes,
)
from osc_image_v1.transfer.download import AnswerBrokeOff
from osc_image_v1.transfer.many import at_large_end

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

# So many images in a row fail for the service's sake before the others are not tried.
_LEAST_IN_A_ROW = 10
# The same where a token is refused, and where there is no room for images that are not among the
# largest: no image is to blame for that.
_FEW = 3
# Seconds that each of many failures takes on average where it is not worth while to go on.
_SLOW = 5.0
_NO_ROOM = frozenset((errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)))
_GATEWAY_ERRORS = frozenset((502, 503, 504))

# What is wrong with an image, its data or its place. Errors of no such kind may pass.
_OWN = (
    NotStored,
    ContentMismatch,
    FileInTheWay,
    FormatRefused,
    ImageHasNoData,
    ImageNotFound,
    InvalidInput,
    TargetOccupied,
)
# It took too long, or there were too many requests.
_LATER = frozenset((408, 425, 429))

#: Why the others are not tried: a service does not answer; it takes the token no more; it answers,
#: and fails slowly at one image after the other; the target has no room or quota left; it, or what
#: is in front of it, has taken nothing of such a size in the whole run.
Why = Literal["gone", "unknown", "failing", "full", "limited"]

_Kind = Literal["gone", "unknown", "nobody", "failing", "full", "limited", "broken off", "own"]
# What a Glance says to an image that is larger than it takes of any (its image_size_cap).
_OVER_CAP = ("incoming image is too large", "upload image larger than")


def asks(http: ServiceClient) -> Callable[[], object]:
    """Return a small request to a service: a list of one image.

    :param http: the service, with the Image API v1 or v2
    """
    return lambda: http.get_json("/images", "Cannot list images", {"limit": "1"})


class Outage:
    """Notices that it is no use to go on, so that not each of many images fails for itself.

    A service is gone where image after image gets no answer, or that of a proxy in its place, and
    then a small request does not either. Whatever it does answer, and an answer that begins, shows
    that it is there: then the images are to blame, and all have their turn, unless each of them
    takes long to fail. Workers may call it at the same time.

    :param parallel: how many images are worked on at a time, which one short silence may hit
    :param probes: small requests, one for each service; a service that is there answers without
        a :class:`~osc_image_v1.exceptions.ConnectionFailed` or a 5xx
    :ivar why: why the others are not to be tried, None as long as they are
    :ivar tight: whether there was no room for an image: there may be for smaller ones
    """

    def __init__(self, parallel: int, probes: Iterable[Callable[[], object]] = ()) -> None:
        self.why: Why | None = None
        self.tight = False
        self._took = False
        self._probes = tuple(probes)
        self._most = max(_LEAST_IN_A_ROW, 2 * parallel)
        # The largest may be refused all at once.
        self._most_full = _FEW + at_large_end(parallel)
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._gone = self._unknown = self._nobody = self._failing = self._full = 0
        self._limited = 0
        self._lost = 0.0

    @property
    def certain(self) -> bool:
        """Whether it is no use to go on."""
        return self.why is not None

    def until(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield items as long as they are to be tried."""
        source = iter(items)
        while not self.certain:
            try:
                item = next(source)
            except StopIteration:
                return
            yield item

    def worked(self) -> None:
        """Learn that the services have done what they were asked to."""
        with self._lock:
            self._took = True
            self._forget()

    def found(self) -> None:
        """Learn that an image was there before: so there are such as the target takes."""
        self._took = True

    def failed(self, error: BaseException, seconds: float = 0.0) -> None:
        """Learn of an image's failure.

        :param error: what failed
        :param seconds: how long that took
        """
        kind = _kind_of(error)
        with self._lock:
            if self.certain:
                return
            if kind == "nobody":
                self._nobody += 1
            if kind not in ("gone", "unknown"):
                self._gone = self._unknown = 0
            if kind == "unknown":
                self._unknown += 1
            elif kind in ("full", "limited"):
                self._full += kind == "full"
                # Where images have gone through, those that do not are to blame themselves.
                self._limited += kind == "limited" and not self._took
                self.tight = True
            elif kind not in ("own", "nobody"):
                self._gone += kind == "gone"
                self._failing += 1
                self._lost += seconds
            self.why = self._judged()

    def _judged(self) -> Why | None:
        if self._full >= self._most_full:
            return "full"
        if self._limited >= self._most_full:
            return "limited"
        # Nothing small is asked then: such a service lets everybody read.
        if self._nobody >= _FEW:
            return "unknown"
        if self._failing >= self._most and self._lost >= _SLOW * self._failing:
            return "failing"
        if self._gone + self._unknown >= self._most or self._unknown >= _FEW:
            return self._asked()
        return None

    def _asked(self) -> Why | None:
        """Ask the services for something small, and judge by that."""
        likely: Why = "unknown" if self._unknown else "gone"
        for probe in self._probes:
            try:
                probe()
            except ImageV1Error as error:
                LOG.debug("Looking whether the service is there: %s", error)
                kind = _kind_of(error)
                if kind == "unknown":
                    return "unknown"
                if kind in ("gone", "failing"):
                    return "gone"
        if not self._probes:
            return likely
        self._gone = self._unknown = 0
        return None


def may_pass(error: BaseException) -> bool:
    """Tell whether what an image met may be over when it is tried again.

    It is not, where the image itself is to blame, its data, or what the target has in its place:
    the next run would meet the same. Where that is not certain, it may.

    :param error: what failed
    """
    for cause in causes(error):
        if isinstance(cause, (ConnectionFailed, ForeignAnswer, Unauthorized)):
            return True
        if isinstance(cause, HttpError):
            return cause.status in _LATER or _kind_of_answer(cause) not in ("own", "limited")
        if isinstance(cause, _OWN):
            return False
        if isinstance(cause, FileFailed):
            # A file that should be there is not.
            return not isinstance(cause.__cause__, FileNotFoundError)
    return True


def _kind_of(error: BaseException | None) -> _Kind:
    while error is not None:
        if isinstance(error, AnswerBrokeOff):
            return "broken off"
        if isinstance(error, NotLoggedIn):
            return "nobody"
        if isinstance(error, Unauthorized):
            return "unknown"
        if isinstance(error, HttpError):
            return _kind_of_answer(error)
        if isinstance(error, ConnectionFailed):
            return "gone"
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return "full"
        error = error.__cause__
    return "own"


def _kind_of_answer(error: HttpError) -> _Kind:
    if error.status in _GATEWAY_ERRORS:
        return "gone"
    if isinstance(error, ServerError):
        return "failing"
    # An image may have more properties, tags or members than the target takes, too.
    metadata = any(word in error.explanation for word in ("propert", "tags", "members"))
    if not isinstance(error, TooLarge) or metadata:
        return "own"
    # A front end knows no quotas, but a size that no body may have, and so does a cap.
    size = any(words in error.explanation for words in (IN_FRONT, *_OVER_CAP))
    return "limited" if size and error.retry_after is None else "full"
