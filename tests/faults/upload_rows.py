"""What goes wrong while an image is made or filled, and what comes of it, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from osc_image_v1.api.errors import NOT_ACCEPTED
from tests.faults import server
from tests.faults.rows import DATA
from tests.faults.server import (
    IMAGE_ID,
    Fault,
    Undone,
    front_end,
    instead,
    lost,
    midway,
    status_is,
)

ACTIVE = "the image, active"
NONE = "nothing"

_DELETE = "remove it with 'openstack image v1 delete <image>'"
_FILL = "give it its data with 'openstack image v1 set --file <file> <image>', or "
IN_FRONT = (
    "something in front of the service answered, not the service itself (no request ID): busy; it "
    "waits less long than the service takes: look at its settings, as nginx's proxy_read_timeout, "
    "haproxy's timeout server, apache's ProxyTimeout"
)
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
_GATEWAY = f"{_UPLOAD}: {IN_FRONT} (HTTP 504)"
_SAVING = (
    "; image <image> may still get its data, it is saving: look with 'openstack image v1 show "
    "<image>'"
)
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
    :ivar asked: what the service was asked, nothing where that is not looked at
    :ivar waited: the image's status that is waited for; where it fails, a line before says so
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
    waited: str = ""


def _answered(**fields: object) -> Fault:
    """The service says that it has stored something else."""
    return server.document(lambda whole: {"image": {**whole["image"], **fields}})


def _mended(name: str, faults: Mapping[str, Sequence[Fault | None]], *asked: str) -> UploadRow:
    return UploadRow(name, "", 0, ACTIVE, faults, asked)


def _fails(name: str, reason: str, fault: Fault, status: str = "killed", **more: Any) -> UploadRow:
    """A row of an upload that fails."""
    on_service = ACTIVE if status == "active" else f"the image, {status}"
    says = f"{reason}{left(status)}"
    return UploadRow(name, says, 1, on_service, {"upload": [fault]}, **more)


def _none(name: str, reason: str, fault: Fault, *asked: str) -> UploadRow:
    return UploadRow(name, reason + _NO_IMAGE, 1, NONE, {"create": [fault]}, asked)


def _waits(name: str, faults: Mapping[str, Sequence[Fault | None]], reason: str = "") -> UploadRow:
    """A row of an upload that the service stores for longer."""
    waiting = (
        f"{reason or _GATEWAY}; image <image> is saving: waiting for that, 300 seconds at most"
    )
    asked = ("create", "upload", "head", "head", "head")
    return UploadRow(name, waiting, 0, ACTIVE, faults, asked, waited="saving")


def _renamed(answer: server.Answer, service: server.Service) -> server.Answer:
    """The service has given the image an ID of its own."""
    (image,) = service.images.values()
    service.images = {IMAGE_ID: replace(image, id=IMAGE_ID)}
    return server.as_json({"image": service.images[IMAGE_ID].record()}, 201)


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
    _fails("The connection ends in the middle", f"{_UPLOAD}: {_HUNG_UP}", midway(lost()), asked=()),
    _fails(
        "No more is read for longer than ``--os-image-v1-timeout``",
        f"{_UPLOAD}: {_TOO_LONG}",
        midway(lost("stall")),
        asked=(),
    ),
    _fails(
        "The connection ends, and the service has not noticed the data",
        f"{_UPLOAD}: {_HUNG_UP}",
        Undone(lost()),
        "queued",
        asked=(),
        waited="queued",
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
        f"{_CREATE}: {_HUNG_UP}; whether it was done is not known; look with 'openstack image v1 "
        "show <image>' (Cannot show image <image> (HTTP 500, request req-1))",
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
    _mended(
        "The answer to the data is lost, and it can be looked up at the second attempt",
        {"upload": [lost()], "head": [instead(500)]},
        *("create", "upload", "head", "head"),
    ),
    UploadRow(
        "The answer to the data is lost, and it cannot be looked up",
        f"{_UPLOAD}: {_HUNG_UP}; whether it was done is not known (Cannot show image <image> (HTTP "
        "500, request req-1)); what is left of image <image> could not be seen, look with "
        "'openstack image v1 show <image>'",
        1,
        ACTIVE,
        {"upload": [lost()], "head": [instead(500)] * 2},
        ("create", "upload", "head", "head"),
    ),
    *(
        _mended(
            f"{code} of a front end, though the service has the data: looked up",
            {"upload": [front_end(code)]},
            *("create", "upload", "head"),
        )
        for code in (502, 503, 504)
    ),
    _mended(
        "504 of a front end to the record, though the service has made it: looked up",
        {"create": [front_end(504)]},
        *("create", "head", "list", "upload"),
    ),
    _waits(
        "504 of a front end, and the service stores for longer: waited for",
        {"upload": [front_end(504)], "head": [status_is("saving")] * 2},
    ),
    _waits(
        "The answer to the data takes too long, and the service stores for longer: waited for",
        {"upload": [lost("stall")], "head": [status_is("saving")] * 2},
        reason=f"{_UPLOAD}: {_TOO_LONG}",
    ),
    UploadRow(
        "504 of a front end, and the service stores for ever",
        f"{_UPLOAD}: {IN_FRONT} (HTTP 504){_SAVING}",
        1,
        "the image, saving",
        {"upload": [Undone(front_end(504), status="saving")]},
        (),
        waited="saving",
    ),
    _fails(
        "504 of a front end, and the service has not begun",
        f"{_UPLOAD}: {IN_FRONT} (HTTP 504)",
        Undone(front_end(504)),
        "queued",
        asked=(),
        waited="queued",
    ),
    _fails(
        "504 of a front end, and the service has given up",
        f"{_UPLOAD}: {IN_FRONT} (HTTP 504)",
        Undone(front_end(504), status="killed"),
        asked=("create", "upload", "head", "head"),
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
        "The service has the data of image <image>, but the image is killed, not active",
        _answered(status="killed"),
        "active",
    ),
    _mended(
        "The service has taken the data and stores it yet: looked up",
        {"upload": [_answered(status="saving")]},
        *("create", "upload", "head"),
    ),
    _mended(
        "The answer to the data is a page of something else, though it is stored: looked up",
        {"upload": [front_end(200)]},
        *("create", "upload", "head"),
    ),
    _none(
        "The answer to the request for a record is a page of something else",
        f"{_CREATE}: the answer is not the service's but a page of something in front of it (HTTP "
        "200, text/html)",
        Undone(front_end(200)),
        *("create", "head", "head"),
    ),
    UploadRow(
        "The service gives the image another ID than was asked for",
        f"{_CREATE}: the service made the image <image> instead{left('queued')}",
        1,
        "the image, queued",
        {"create": [_renamed]},
        ("create", "head"),
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
    replace(
        _mended(
            "``--clean-up``, and 504 of a front end though the service has the data: looked up, "
            "and nothing is removed",
            {"upload": [front_end(504)]},
            *("create", "upload", "head"),
        ),
        command=(*CREATE, "--clean-up"),
    ),
    UploadRow(
        "``--clean-up``, and 504 of a front end though the service stores for ever: nothing is "
        "removed",
        f"{_UPLOAD}: {IN_FRONT} (HTTP 504){_SAVING}",
        1,
        "the image, saving",
        {"upload": [Undone(front_end(504), status="saving")]},
        (),
        (*CREATE, "--clean-up"),
        waited="saving",
    ),
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
    kinds = ("head", "change", "upload", *asked) if asked else ()
    return UploadRow(name, says, int(bool(says)), on_service, {"upload": [fault]}, kinds, SET)


_SETS = (
    _set("set: the answer to the data is lost: looked up", "", lost(), ACTIVE, "head"),
    _set("set: 504 of a front end: looked up", "", front_end(504), ACTIVE, "head"),
    _set(
        "set: the connection ends in the middle",
        f"{_UPLOAD}: {_HUNG_UP}",
        midway(lost()),
        "the image, killed",
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
    _mended("``--stdin``, and a body without a length is none to the service: sent again", {}),
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
