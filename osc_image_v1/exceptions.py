"""What can go wrong, one tree rooted in osc-lib's CommandError.

::

    CommandError (osc_lib)
      ImageV1Error              everything below; its text is one line for a person
        InvalidInput            refused here, before anything was sent (also a ValueError)
          WrongUsage            a command line that is wrong: the shell ends with 2
        OwnFailures             many images, all of them tried, and some failed for reasons of their
                                own: the shell ends with 3
        ApiNotAvailable         the service has no such API, or the catalog no such service
        ConnectionFailed        no answer, or half an answer: refused, reset, timed out
          TlsFailed             the service's certificate, or TLS itself
          UnknownOutcome        the answer to a change is lost, nobody can tell what it did
        BadAnswer               an answer that does not have the API's form
          ForeignAnswer         an answer of something in front of the service
          NotStored             the service has done something else than it was asked to
          OtherIdGiven          a new image that was given another ID than was asked for
          MarkerIgnored         a list that begins anew instead of going on
        ImageNotFound           no image of that ID or name
        AmbiguousName           several images of that name
        ImageHasNoData          queued, killed, deleted...: there is nothing to download
        ContentMismatch         data that is not what the service's record says: size or MD5
        TargetOccupied          what an image is to become is there already, and is another one
        FileFailed              a file here: disk full, no permission, in use
          FileInTheWay          what is in its place is no file
        BadManifest             a manifest of an export that is damaged, or none
        TransferStopped         whoever started a transfer has stopped it
        HttpError               an error status
          BadRequest            400
          Unauthorized          401
          Forbidden             403
            NotLoggedIn         403 from a service that takes the user for nobody (also an
                                Unauthorized)
          NotFound              404
          Conflict              409
          TooLarge              413
          ServerError           500 and above
            GatewayError        502, 503 or 504 from something in front of the service, whose own
                                answer is lost (also a ConnectionFailed)
"""

from collections.abc import Iterator, Sequence

from osc_lib import exceptions

from osc_image_v1.text import printable


class ImageV1Error(exceptions.CommandError):  # type: ignore[misc]
    """Base of all errors of this package."""


class InvalidInput(ImageV1Error, ValueError):
    """A value that was refused before the first request."""


class WrongUsage(InvalidInput):
    """Options of a command that do not go together, or a value that it cannot have.

    :cvar exit_status: of the command
    """

    exit_status = 2


class OwnFailures(ImageV1Error):
    """All images were tried to their end, and some failed for reasons that no other run mends.

    :cvar exit_status: of the command
    """

    exit_status = 3


class ApiNotAvailable(ImageV1Error):
    """The service does not offer the API, or the catalog does not have the service."""


class ConnectionFailed(ImageV1Error):
    """The service gave no answer, or not all of one."""


class TlsFailed(ConnectionFailed):
    """The service's certificate is not trusted, or it does not speak TLS."""


class UnknownOutcome(ConnectionFailed):
    """The answer to a request that changes something is lost, and nobody can tell what it did."""


class BadAnswer(ImageV1Error):
    """The service's answer does not have the form that the API promises."""


class ForeignAnswer(BadAnswer):
    """The answer is none of the API: it comes from something in front of the service.

    What was asked may have been done, or not.
    """


class NotStored(BadAnswer):
    """The service says that it has done what it was asked to, and has not, or not all of it."""


class OtherIdGiven(BadAnswer):
    """The service has made an image with another ID than it was asked for.

    :ivar image_id: the ID that the image has
    """

    def __init__(self, message: str, image_id: str) -> None:
        super().__init__(message)
        self.image_id = image_id


class MarkerIgnored(BadAnswer):
    """The service gives the same page wherever a list is to go on."""


class ImageNotFound(ImageV1Error):
    """There is no image of that ID or name, or this user may not see it."""


class AmbiguousName(ImageV1Error):
    """Several images have the name.

    :ivar candidates: the IDs of the images, as far as they were looked up
    """

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class ImageHasNoData(ImageV1Error):
    """The image is in a state in which there is nothing to download."""


class ContentMismatch(ImageV1Error):
    """The data does not have the size or the MD5 of the service's record."""


class FormatRefused(ImageV1Error):
    """The target would refuse the data for what it is; nothing was sent."""


class TargetOccupied(ImageV1Error):
    """The target has something else where an image is to go."""


class FileFailed(ImageV1Error):
    """A file on this machine cannot be made, written or put into its place."""


class FileInTheWay(FileFailed):
    """What is in the place of a file is none, or is another's; it stays until somebody moves it."""


class BadManifest(ImageV1Error):
    """The manifest of an export is damaged, has been altered, or is none."""


class TransferStopped(ImageV1Error):
    """Whoever started the transfer has stopped it."""


class HttpError(ImageV1Error):
    """The service answered with an error status.

    :ivar status: the HTTP status code
    :ivar explanation: what the service said, in one line, or ""
    :ivar request_id: the service's ID of the request, or None
    :ivar where: status and request ID, as an error's sentence ends with them
    :ivar retry_after: when the service wants to be asked again, as it said it, or None
    """

    def __init__(
        self, action: str, status: int, explanation: str = "", request_id: str | None = None
    ) -> None:
        self.action = action
        self.status = status
        self.explanation = explanation
        self.retry_after: str | None = None
        self.request_id = printable(request_id) if request_id else None
        self.where = f"HTTP {status}" + (f", request {self.request_id}" if self.request_id else "")
        said = f": {explanation}" if explanation else ""
        super().__init__(f"{action}{said} ({self.where})")


class BadRequest(HttpError):
    """400: the service refused a value."""


class Unauthorized(HttpError):
    """401: the token is missing, wrong or expired."""


class Forbidden(HttpError):
    """403: this user may not do that."""


class NotLoggedIn(Forbidden, Unauthorized):
    """403 from a service that takes the user for nobody, whom it lets read alone.

    Services that decide late about tokens do so where one has run out.
    """


class NotFound(HttpError):
    """404: there is no such thing, or this user may not see it."""


class Conflict(HttpError):
    """409: the state of the image does not allow it."""


class TooLarge(HttpError):
    """413: over a limit or quota of the service."""


class ServerError(HttpError):
    """500 and above: the service failed."""


class GatewayError(ServerError, ConnectionFailed):
    """502, 503 or 504 from something in front of the service.

    The service may have done what it was asked to, or may still be at it: its answer is lost, as
    where a connection breaks.
    """


# Glance's words for who has no token, or one that has run out.
_READ_ONLY = "Read-only access"
_GATEWAY = frozenset((502, 503, 504))

_BY_STATUS: dict[int, type[HttpError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}


def http_error(
    action: str, status: int, explanation: str = "", request_id: str | None = None
) -> HttpError:
    """Return the error that stands for an HTTP status.

    :param action: what was being done, as the beginning of a sentence
    :param status: the HTTP status code
    :param explanation: what the service said
    :param request_id: the service's ID of the request, None where the answer has none
    """
    kind = ServerError if status >= 500 else _BY_STATUS.get(status, HttpError)
    # A service's own answers have its request ID, a front end's have none.
    if status in _GATEWAY and request_id is None:
        kind = GatewayError
    if status == 403 and explanation == _READ_ONLY:
        kind = NotLoggedIn
        explanation += (
            ": the service takes you for nobody, since there is no token, or it has run out or is "
            "another cloud's; log in anew"
        )
    return kind(action, status, explanation, request_id)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it came of, from the outside in.

    :param error: what was raised
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def timed_out(error: BaseException) -> bool:
    """Tell whether an error came of waiting for too long.

    :param error: what was raised
    """
    return any(isinstance(cause, TimeoutError) for cause in causes(error))
