"""What has become of a request that changes something, where its answer is lost.

Such a request is never sent a second time by itself: it may have done its work. So where no answer
of the service came, the service is asked what there is now, and the caller goes by that::

    carry_out(
        lambda: client.create(record),
        lambda: made(client.get(image_id)),    # Done(record), NotDone() or Passing("... is saving")
        unknown="look with 'openstack image show <id>'",
    )
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar, Union

import requests
import urllib3

from osc_image_v1.api.fields import doubts_of
from osc_image_v1.api.http import ServiceClient
from osc_image_v1.api.models import DELETED, PENDING_DELETE
from osc_image_v1.exceptions import (
    ConnectionFailed,
    ForeignAnswer,
    GatewayError,
    ImageNotFound,
    ImageV1Error,
    NotFound,
    ServerError,
    TransferStopped,
    UnknownOutcome,
    causes,
    timed_out,
)
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

#: Seconds to wait, at most, while a service is still at it. A store that removes or keeps a large
#: image behind a front end with a time-out takes minutes.
PATIENCE = 300.0
#: Seconds to wait, at most, for what may not have been begun yet, or be at its very end.
SHORT_PATIENCE = 10.0
_FIRST_POLL, _LONGEST_POLL = 0.5, 10.0

# The beginning of a body that should not be there.
_PEEK = 4096
# What a service answers that has nothing at a path.
_NO_PATH = re.compile("resource could not be found|404 Not Found", re.IGNORECASE)
_GONE_IN_PART = "its data may be gone in part now: delete it again"
# Of these it is certain that nothing was sent.
_NEVER_SENT = (
    requests.exceptions.ConnectTimeout,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)


@dataclass(frozen=True)
class Done(Generic[_T]):
    """The request has done its work.

    :ivar value: what is returned instead of what the answer would have told
    """

    value: _T


@dataclass(frozen=True)
class NotDone:
    """The request has not done its work.

    :ivar error: what is wrong, where the look at the service has told; else the lack of an answer
        is the error
    """

    error: ImageV1Error | None = None


@dataclass(frozen=True)
class Passing:
    """The service is still at it, or may be.

    :ivar state: what there is, as a clause: "image 1 is saving"
    :ivar patience: seconds to wait at most
    :ivar otherwise: what it counts as after that; None where nobody can tell
    """

    state: str
    patience: float | None = None
    otherwise: NotDone | None = None


#: What a look at the service tells.
Verdict = Union[Done[_T], NotDone, Passing]  # noqa: UP007 (subscripted when it is imported)


def carry_out(
    send: Callable[[], _T],
    look: Callable[[], Verdict[_T]],
    *,
    unknown: str = "",
    stop: threading.Event | None = None,
) -> _T:
    """Send a request that changes something; where its answer is lost, go by a look.

    :param send: sends the request, once, and returns what its answer tells
    :param look: asks the service what there is now, and tells what has become of the request
    :param unknown: what to do where nobody can tell, as the end of a sentence
    :param stop: ends the waiting when it is set
    :returns: what ``send`` returns, or the value of :class:`Done`
    :raises ImageV1Error: what ``send`` raises where the service has answered, where nothing was
        sent, or where the look shows that it is not done; what the look shows to be wrong
    :raises UnknownOutcome: if nobody can tell
    :raises TransferStopped: if ``stop`` was set
    """
    try:
        return send()
    except ImageV1Error as error:
        if not is_lost(error):
            raise
        if _may_be_under_way(error):
            look = _patient(look, error, unknown)
        return settle(error, look, unknown=unknown, stop=stop)


def settle(
    error: ImageV1Error,
    look: Callable[[], Verdict[_T]],
    *,
    unknown: str = "",
    stop: threading.Event | None = None,
) -> _T:
    """Find out what has become of a request whose answer is lost; see :func:`carry_out`.

    :param error: what came instead of the answer
    :param look: asks the service what there is now, and tells what has become of the request
    :param unknown: what to do where nobody can tell, as the end of a sentence
    :param stop: ends the waiting when it is set
    """
    passing: Passing | None = None
    verdict: Verdict[_T]
    for late in polls(stop):
        try:
            verdict = look()
        except ImageV1Error as failure:
            # While the service is known to be at it, it may be out of reach for a moment.
            if passing is None or not isinstance(failure, ConnectionFailed):
                raise _unknown(error, "", unknown, failure) from error
            verdict = passing
        if isinstance(verdict, Done):
            return verdict.value
        if isinstance(verdict, NotDone):
            raise (verdict.error or error) from None
        patience = PATIENCE if verdict.patience is None else verdict.patience
        if late(patience):
            if verdict.otherwise is not None:
                raise (verdict.otherwise.error or error) from None
            state = f"{verdict.state} after {patience:g} seconds"
            raise _unknown(error, state, unknown) from error
        if passing is None or passing.state != verdict.state:
            LOG.warning(
                "%s; %s: waiting for that, %g seconds at most", error, verdict.state, patience
            )
        passing = verdict
    state = passing.state if passing else ""
    raise TransferStopped(f"{error}; {state}, and the waiting for that was stopped")


def polls(
    stop: threading.Event | None, interval: float = _FIRST_POLL
) -> Iterator[Callable[[float], bool]]:
    """Yield at each time to look, to the end of time or until it is to stop.

    :param stop: ends the waiting when it is set
    :param interval: seconds to the second look; from one to the next it grows
    :returns: what is yielded tells whether so many seconds are over
    """
    waited = 0.0
    begin = time.monotonic()
    while True:

        def late(patience: float) -> bool:
            return max(waited, time.monotonic() - begin) >= patience  # noqa: B023

        yield late
        if pause(interval, stop):
            return
        waited += interval
        interval = min(interval * 1.5, _LONGEST_POLL)


def pause(seconds: float, stop: threading.Event | None) -> bool:
    """Wait; tell whether to stop.

    :param seconds: how long
    :param stop: ends the waiting when it is set
    """
    if stop is not None:
        return stop.wait(seconds)
    time.sleep(seconds)
    return False


def _may_be_under_way(error: ImageV1Error) -> bool:
    """Tell whether a request may not have come to the service yet: nobody waited for its end."""
    if isinstance(error, GatewayError):
        return error.status == HTTPStatus.GATEWAY_TIMEOUT
    return timed_out(error)


def _patient(
    look: Callable[[], Verdict[_T]], error: ImageV1Error, unknown: str
) -> Callable[[], Verdict[_T]]:
    """Return a look that does not take for refused what may only be late."""
    later = f"it was not done {SHORT_PATIENCE:g} seconds later, and may be done yet"
    words = "; ".join(filter(None, (str(error), later, unknown)))
    late = Passing("it is not done yet", SHORT_PATIENCE, NotDone(UnknownOutcome(words)))

    def look_again() -> Verdict[_T]:
        verdict = look()
        return late if verdict == NotDone() else verdict

    return look_again


def _unknown(
    error: ImageV1Error, state: str, unknown: str, failure: ImageV1Error | None = None
) -> UnknownOutcome:
    parts = [str(error), state]
    if not state:
        parts.append("whether it was done is not known")
    if unknown:
        parts.append(unknown)
    # That there is no answer to the look either need not be said.
    said = "" if failure is None or isinstance(failure, ConnectionFailed) else f" ({failure})"
    return UnknownOutcome("; ".join(filter(None, parts)) + said)


def is_lost(error: BaseException | None) -> bool:
    """Tell whether a request that met an error may have done its work all the same.

    :param error: what came instead of the service's answer
    """
    if not isinstance(error, (ConnectionFailed, ForeignAnswer)):
        return False
    return not any(isinstance(cause, _NEVER_SENT) for cause in causes(error))


@contextlib.contextmanager
def explained(
    properties: Mapping[str, str | None], there: Callable[[], Iterable[str] | None] = lambda: None
) -> Iterator[None]:
    """Let the error of a service that fails at properties say what its database may refuse of them.

    :param properties: what is written
    :param there: returns the names of those that the image has, None where it is new
    :raises ServerError: what is raised within, with more in its text
    """
    try:
        yield
    except ServerError as error:
        if properties and error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            names: Iterable[str] | None = None
            with contextlib.suppress(ImageV1Error):
                names = there()
            error.args = ("; ".join((str(error), *doubts_of(properties, names))),)
        raise


def may_be_no_path(error: NotFound) -> bool:
    """Tell whether a service may not have the path that was asked for; of an image it says more.

    :param error: its answer
    """
    return not error.explanation or bool(_NO_PATH.search(error.explanation))


def no_image(image_id: str, error: NotFound) -> ImageNotFound:
    """Return the error for an image that is not there.

    :param image_id: the ID that was asked for
    :param error: what the service has answered
    """
    return ImageNotFound(f"No image has the ID {printable(image_id)} ({error.where})")


def take_empty(http: ServiceClient, response: requests.Response, action: str) -> None:
    """Read the answer to a request that is answered without a body, and close it.

    :param http: the service
    :param response: its answer, with a status that says that all went well
    :param action: what was being done, as the beginning of an error's sentence
    :raises ConnectionFailed: if the answer ends early
    :raises ForeignAnswer: if it is a page of something in front of the service
    """
    with response:
        beginning = next(http.iter_body(response, action, _PEEK), b"")
    if _has_request_id(response):
        return
    if beginning.strip():
        raise _foreign_answer(response, action)
    raise ForeignAnswer(
        f"{action}: the answer has no request ID, so it may not be the service's (HTTP "
        f"{response.status_code})"
    )


def take_json(
    http: ServiceClient,
    response: requests.Response,
    action: str,
    find: Callable[[Any], _T | None],
    lacking: str,
    no_json: str = "",
) -> _T:
    """Read the JSON that answers a request which changes something, and close the answer.

    :param http: the service
    :param response: its answer, with a status that says that all went well
    :param action: what was being done, as the beginning of an error's sentence
    :param find: returns what is wanted of the document, None where it does not have it
    :param lacking: what is said of a document that does not have it, or of what is no JSON
    :param no_json: what is said of what is no JSON instead
    :raises ConnectionFailed: if the answer ends early
    :raises ForeignAnswer: if it does not have what is wanted: the request may have done its work
    """
    with response:
        body = http.read(response, action)
    try:
        found = find(json.loads(body))
    except (ValueError, RecursionError):
        found, lacking = None, no_json or lacking
    if found is not None:
        return found
    if not _is_own(response):
        raise _foreign_answer(response, action)
    raise ForeignAnswer(f"{action}: {lacking}")


def _is_own(response: requests.Response) -> bool:
    """Tell whether an answer is the service's own by its headers: JSON, or with a request ID."""
    return _has_request_id(response) or "json" in response.headers.get("Content-Type", "")


def _has_request_id(response: requests.Response) -> bool:
    """Tell whether an answer has the service's ID of the request, which no front end gives."""
    headers = response.headers
    return "X-Openstack-Request-Id" in headers or "X-Compute-Request-Id" in headers


def _foreign_answer(response: requests.Response, action: str) -> ForeignAnswer:
    """Return the error for an answer that is none of the API, whatever its status says."""
    kind = printable(response.headers.get("Content-Type", "no type"))[:100]
    return ForeignAnswer(
        f"{action}: the answer is not the service's but a page of something in front of it (HTTP "
        f"{response.status_code}, {kind})"
    )


class Deletion:
    """A look at what has become of the deletion of an image.

    An image is marked as deleted first, then its data is removed, which can take long, and where
    that fails it is put back: only an image that is gone for good has been deleted.

    :param image_id: the image's ID
    :param look: returns the image's status, and whether it is deleted for good; None where the
        service does not tell that
    :param linger: whether the service shows the image as before while its data is removed
    """

    def __init__(
        self,
        image_id: str,
        look: Callable[[], tuple[str | None, bool | None]],
        linger: bool = False,
    ) -> None:
        self._shown = printable(image_id)
        self._look = look
        self._linger = linger
        self._begun = False

    def __call__(self) -> Verdict[None]:
        """Return what a look tells."""
        try:
            status, deleted = self._look()
        except (ImageNotFound, NotFound):
            return Done(None)
        if deleted or status == PENDING_DELETE:
            return Done(None)
        state = f"image {self._shown} is {printable(status)}"
        if status == DELETED:
            self._begun = True
            return Passing(f"image {self._shown} is being deleted")
        if self._begun:
            return NotDone(
                ImageV1Error(
                    f"Cannot delete image {self._shown}: the service has put it back, it is "
                    f"{printable(status)} again; {_GONE_IN_PART}"
                )
            )
        if self._linger:
            return Passing(f"{state} still", SHORT_PATIENCE, NotDone())
        return NotDone()


def delete(send: Callable[[], None], look: Deletion, *, unknown: str = "") -> None:
    """Delete an image; where the answer is lost, go by a look.

    :param send: sends the request
    :param look: what has become of it
    :param unknown: what to do where nobody can tell, as the end of a sentence
    :raises ImageV1Error: see :func:`carry_out`; a service that failed at it may have removed a part
        of the data
    """
    try:
        carry_out(send, look, unknown=unknown)
    except ServerError as error:
        if not isinstance(error, GatewayError) and error.status == 500:
            error.args = (f"{error}; {_GONE_IN_PART}",)
        raise
