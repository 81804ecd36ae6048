"""What goes wrong while an image is made or filled, and what comes of it, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from osc_image_v1.api.failures import NOT_ACCEPTED
from tests.faults import server
from tests.faults.rows import DATA
from tests.faults.server import IMAGE_ID, Fault, Undone, instead, lost, midway

ACTIVE = "the image, active"
NONE = "nothing"

_DELETE = "remove it with 'openstack image v1 delete <image>'"
_FILL = "give it its data with 'openstack image v1 set --file <file> <image>', or "
_UPLOAD = "Cannot upload the data of image <image>"
_CREATE = "Cannot create image <image>"
_NO_IMAGE = "; no image was made"
_STATE_KILLED = (
    "; image <image> is killed now and takes no more data: remove it with 'openstack image v1 "
    "delete <image>' and create it anew"
)
_STATE_QUEUED = "; image <image> is queued now"
_ELSEWHERE = (
    "the service redirects to http://192.0.2.1/, which is not followed; if that is the service, "
    "give its URL with --os-image-v1-endpoint-override or in clouds.yaml"
)
_HUNG_UP = "no answer from <service>: Remote end closed connection without response"
_TOO_LONG = "no answer from <service>: it took too long, try again or raise --os-image-v1-timeout"
_FORMATS = ("--disk-format", "raw", "--container-format", "bare")
CREATE = ("create", "--file", "<directory>/source", *_FORMATS, "--property", "a=b", "new")
SET = ("set", "--file", "<directory>/source", *_FORMATS, IMAGE_ID)


def left(status: str) -> str:
    """The end of a message on what is left of an image."""
    return f"; image <image> is left, {status}: {_FILL if status == 'queued' else ''}{_DELETE}"


@dataclass(frozen=True)
class UploadRow:
    """A fault of a create or of a set with data.

    :ivar name: what happens
    :ivar says: the line on standard error, "" for none
    :ivar status: the exit status
    :ivar on_service: the image's status there afterwards
    :ivar faults: see :class:`tests.faults.server.Service`
    :ivar asked: what the service was asked
    :ivar command: what is run
    :ivar before: what is done with the directory before
    :ivar keystone: whether the service wants tokens
    """

    name: str
    says: str = ""
    status: int = 1
    on_service: str = ACTIVE
    faults: Mapping[str, Sequence[Fault | None]] = field(default_factory=dict)
    asked: Sequence[str] = ("create", "upload", "head")
    command: Sequence[str] = CREATE
    before: Callable[[Path], object] = lambda directory: None
    keystone: bool = False


def _answered(**fields: object) -> Fault:
    """The service says that it has stored something else."""
    return server.document(lambda whole: {"image": {**whole["image"], **fields}})


def _mended(name: str, faults: Mapping[str, Sequence[Fault | None]], *asked: str) -> UploadRow:
    return UploadRow(name, "", 0, ACTIVE, faults, asked)


def _fails(name: str, reason: str, fault: Fault, status: str = "killed") -> UploadRow:
    """A row of an upload that fails."""
    on_service = ACTIVE if status == "active" else f"the image, {status}"
    says = f"{reason}{left(status)}"
    return UploadRow(name, says, 1, on_service, {"upload": [fault]})


def _looked_up(row: UploadRow) -> UploadRow:
    """The image is looked at to learn whether all went well, and again for the message."""
    return replace(row, asked=(*row.asked, "head"))


def _none(name: str, reason: str, fault: Fault, *asked: str) -> UploadRow:
    return UploadRow(name, reason + _NO_IMAGE, 1, NONE, {"create": [fault]}, asked)


_BREAKS = (
    _fails(
        "The service takes no more of the data (413)",
        f"{_UPLOAD}: Over your quota (HTTP 413, request req-1)",
        midway(instead(413, "Over your quota")),
    ),
    _fails(
        "500 in the middle",
        f"{_UPLOAD}: Oops (HTTP 500, request req-1)",
        midway(instead(500, "Oops")),
    ),
    _looked_up(
        _fails("The connection ends in the middle", f"{_UPLOAD}: {_HUNG_UP}", midway(lost()))
    ),
    _looked_up(
        _fails(
            "No more is read for longer than ``--os-image-v1-timeout``",
            f"{_UPLOAD}: {_TOO_LONG}",
            midway(lost("stall")),
        )
    ),
    _looked_up(
        _fails(
            "The connection ends, and the service has not noticed the data",
            f"{_UPLOAD}: {_HUNG_UP}",
            midway(lost(), status=None),
            "queued",
        )
    ),
    *(
        _fails(
            f"{code}: not sent again",
            f"{_UPLOAD}: Busy (HTTP {code}, request req-1)",
            Undone(instead(code, "Busy", *more)),
            "queued",
        )
        for code, more in ((502, ()), (503, (("Retry-After", "1"),)))
    ),
    _fails(
        "A redirect to another host: no token goes there, no data either",
        f"{_UPLOAD}: {_ELSEWHERE}",
        Undone(instead(307, "", ("Location", "http://192.0.2.1/"))),
        "queued",
    ),
)

_LOST = (
    _mended(
        "The record's answer is lost: looked up, not sent again",
        {"create": [lost()]},
        *("create", "head", "list", "upload"),
    ),
    _none(
        "The request for a record is lost",
        f"{_CREATE}: {_HUNG_UP}",
        Undone(lost()),
        *("create", "head", "head"),
    ),
    UploadRow(
        "The record's answer is lost, and it cannot be looked up",
        f"{_CREATE}: {_HUNG_UP}; whether image <image> was made is not known, look with "
        "'openstack image v1 show <image>'",
        1,
        "the image, queued",
        {"create": [lost()], "head": [instead(500)] * 2},
        ("create", "head", "head"),
    ),
    _none(
        "The record is refused (403)",
        f"{_CREATE}: You may not (HTTP 403, request req-1)",
        Undone(instead(403, "You may not")),
        *("create", "head"),
    ),
    _mended(
        "The answer to the data is lost: looked up, not sent again",
        {"upload": [lost()]},
        *("create", "upload", "head"),
    ),
    _mended(
        "The answer to the data takes too long: looked up",
        {"upload": [lost("stall")]},
        *("create", "upload", "head"),
    ),
    _looked_up(
        replace(
            _fails(
                "The answer to the data is lost, and it cannot be looked up",
                f"{_UPLOAD}: {_HUNG_UP}",
                lost(),
                "active",
            ),
            faults={"upload": [lost()], "head": [instead(500)]},
        )
    ),
)

_ANSWERS = (
    _fails(
        "The service has stored other data (another MD5)",
        f"The service has stored {len(DATA)} bytes with the MD5 <md5> as image <image>, not the "
        f"{len(DATA)} bytes with the MD5 <md5> that were sent",
        _answered(checksum="0" * 32),
        "active",
    ),
    _fails(
        "The service has stored another size",
        f"{_UPLOAD} as asked: the service has not stored size",
        _answered(size=5),
        "active",
    ),
    _fails(
        "The service has the data, but the image is not active",
        "The service has the data of image <image>, but the image is saving, not active",
        _answered(status="saving"),
        "active",
    ),
    _fails(
        "The service's answer is a page of something else",
        f"{_UPLOAD}: the service says that it has, but its answer has no image metadata",
        server.body(b"<html>Please log in</html>", "text/html"),
        "active",
    ),
    UploadRow(
        "The service stores the record otherwise: no data is sent",
        f"{_CREATE} as asked: the service has not stored property a{left('queued')}",
        1,
        "the image, queued",
        {"create": [_answered(properties={})]},
        ("create", "head"),
    ),
    UploadRow(
        "The token expires before the data: one new token, and once more from the start",
        "",
        0,
        ACTIVE,
        {"create": [server.expires(lambda answer, service: answer)]},
        ("create", "upload", "upload"),
        keystone=True,
    ),
    UploadRow(
        "No token is taken for the data",
        f"{_UPLOAD}: go; {NOT_ACCEPTED} (HTTP 401, request req-1){left('queued')}",
        1,
        "the image, queued",
        {"upload": [Undone(instead(401, "go"))] * 9},
        ("create", "upload", "upload", "head"),
        keystone=True,
    ),
)

_CLEAN_UP = (
    UploadRow(
        "``--clean-up``, and the data is refused",
        f"{_UPLOAD}: Over your quota (HTTP 413, request req-1); what was left of it, image "
        "<image>, is removed",
        1,
        NONE,
        {"upload": [midway(instead(413, "Over your quota"))]},
        ("create", "upload", "head", "delete"),
        (*CREATE, "--clean-up"),
    ),
    UploadRow(
        "``--clean-up``, and that fails",
        f"{_UPLOAD}: Oops (HTTP 500, request req-1){left('killed')} (that failed just now: Cannot "
        "delete image <image>: No (HTTP 403, request req-1))",
        1,
        "the image, killed",
        {"upload": [midway(instead(500, "Oops"))], "delete": [Undone(instead(403, "No"))]},
        ("create", "upload", "head", "delete"),
        (*CREATE, "--clean-up"),
    ),
)


def _set(
    name: str, reason: str, fault: Fault | None, on_service: str, *asked: str, tail: str = ""
) -> UploadRow:
    says = f"{reason}{tail}" if reason else ""
    kinds = ("head", "change", "upload", *asked)
    return UploadRow(name, says, int(bool(says)), on_service, {"upload": [fault]}, kinds, SET)


_SETS = (
    _set("set: the answer to the data is lost: looked up", "", lost(), ACTIVE, "head"),
    _set(
        "set: the connection ends in the middle",
        f"{_UPLOAD}: {_HUNG_UP}",
        midway(lost()),
        "the image, killed",
        *("head", "head"),
        tail=_STATE_KILLED,
    ),
    _set(
        "set: 503, not sent again",
        f"{_UPLOAD}: Busy (HTTP 503, request req-1)",
        Undone(instead(503, "Busy")),
        "the image, queued",
        "head",
        tail=_STATE_QUEUED,
    ),
    _set(
        "set: someone else has given it data meanwhile",
        f"{_UPLOAD}: Not in that state (HTTP 409, request req-1)",
        Undone(instead(409, "Not in that state"), None, "active"),
        "the image, as the other has left it",
        "head",
        tail="; image <image> is active now",
    ),
)

UPLOADS = _BREAKS + _LOST + _ANSWERS + _CLEAN_UP + _SETS

#: Each played by a test of its own.
UPLOADS_ALONE = (
    UploadRow(
        "The file gets shorter while it is read",
        f"'<directory>/source' ended after <n> of the <n> bytes expected{left('killed')}",
        1,
        "the image, killed",
    ),
    UploadRow(
        "The file gets longer while it is read",
        f"'<directory>/source' has more than the <n> bytes expected{left('killed')}",
        1,
        "the image, killed",
    ),
    UploadRow(
        "The file is not there",
        "Cannot read '<directory>/source': No such file or directory",
        1,
        NONE,
    ),
    UploadRow(
        "The file may not be read", "Cannot read '<directory>/source': Permission denied", 1, NONE
    ),
    UploadRow(
        "The file is a directory", "Cannot read '<directory>/source': Is a directory", 1, NONE
    ),
    UploadRow(
        "The file has not the size that ``--size`` says",
        "'<directory>/source' has <n> bytes, not 5",
        1,
        NONE,
    ),
    UploadRow(
        "``--stdin``, and the pipe has fewer bytes than ``--size`` says",
        f"standard input ended after <n> of the <n> bytes expected{left('killed')}",
        1,
        "the image, killed",
    ),
    UploadRow(
        "``--stdin``, and the token expires before the data",
        "The service wants a new token in the middle, and standard input cannot be sent a second "
        f"time: run the command again{left('killed')}",
        1,
        "the image, killed",
    ),
    UploadRow("Control-C", f"The image is not complete{left('killed')}", 130, "the image, killed"),
    UploadRow("SIGTERM", f"The image is not complete{left('killed')}", 143, "the image, killed"),
    UploadRow("SIGKILL", "", -9, "the image, killed"),
)


def alone(name: str) -> UploadRow:
    """The row of this name that a test of its own plays."""
    return next(row for row in UPLOADS_ALONE if row.name == name)
