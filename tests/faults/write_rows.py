"""What goes wrong while an image is changed, shared or deleted, and what comes of it, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.faults.server import (
    IMAGE_ID,
    Fault,
    Undone,
    front_end,
    instead,
    lost,
    status_is,
)
from tests.faults.upload_rows import IN_FRONT

PROJECT = "9" * 32
OTHER = "8" * 32

#: A command of each kind of change, and the request that makes it.
WRITES = (
    (f"image v1 create --id {IMAGE_ID} new", "create"),
    (f"image v1 set --name other --property q=w {IMAGE_ID}", "change"),
    (f"image v1 set --purge-properties {IMAGE_ID}", "change"),
    (f"image v1 unset --property p {IMAGE_ID}", "change"),
    (f"image v1 delete {IMAGE_ID}", "delete"),
    (f"image v1 add project --can-share {IMAGE_ID} {PROJECT}", "share"),
    (f"image v1 remove project {IMAGE_ID} {OTHER}", "share"),
    (f"image v1 member set {IMAGE_ID} {PROJECT}", "share"),
    (f"compute image set --property q=w {IMAGE_ID}", "nova_change"),
    (f"compute image unset --property p {IMAGE_ID}", "nova_change"),
    (f"compute image delete {IMAGE_ID}", "nova_change"),
)

DELETE = f"image v1 delete {IMAGE_ID}"
_COMPUTE_DELETE = f"compute image delete {IMAGE_ID}"
_RENAME = f"image v1 set --name other {IMAGE_ID}"
_COMPUTE_SET = f"compute image set --property q=w {IMAGE_ID}"
_CANNOT = "Cannot delete image <image>"
_PAGE = (
    "the answer is not the service's but a page of something in front of it (HTTP 200, text/html)"
)
_IN_PART = "; its data may be gone in part now: delete it again"
_SHOW = "look with 'openstack image v1 show <image>'"
_GONE = (
    f"{_CANNOT}: {IN_FRONT} (HTTP 504); image <image> is being deleted: waiting for that, 300 "
    "seconds at most"
)


@dataclass(frozen=True)
class WriteRow:
    """A fault of a change.

    :ivar name: what happens
    :ivar command: what is run
    :ivar faults: see :class:`tests.faults.server.Service`
    :ivar says: the line on standard error that tells of it, "" for none
    :ivar status: the exit status
    :ivar done: whether the service has done it
    """

    name: str
    command: str
    faults: Mapping[str, Sequence[Fault]]
    says: str = ""
    status: int = 0
    done: bool = True


#: What the command's answer may be lost by, though its work is done.
LOSSES: Mapping[str, Fault] = {
    "hang up": lost(),
    "reset": lost("reset"),
    "too late": lost("stall"),
    "502": front_end(502),
    "503": front_end(503),
    "504": front_end(504),
    "page": front_end(200),
}

CHANGES = (
    WriteRow(
        "504 of a front end, though the name was changed: looked up",
        _RENAME,
        {"change": [front_end(504)]},
    ),
    WriteRow(
        "504 of a front end, and nothing was changed, some seconds later either",
        _RENAME,
        {"change": [Undone(front_end(504))]},
        f"Cannot change image <image>: {IN_FRONT} (HTTP 504); it was not done 10 seconds "
        f"later, and may be done yet; {_SHOW}",
        1,
        False,
    ),
    WriteRow(
        "504 of a front end, and the image cannot be looked at",
        _RENAME,
        {"change": [front_end(504)], "head": [lambda answer, service: answer, instead(403, "No")]},
        f"Cannot change image <image>: {IN_FRONT} (HTTP 504); whether it was done is not known; "
        f"{_SHOW} (Cannot show image <image> (HTTP 403, request req-1))",
        1,
    ),
    WriteRow(
        "403: a refusal, no more is asked",
        _RENAME,
        {"change": [Undone(instead(403, "You may not"))]},
        "Cannot change image <image>: You may not (HTTP 403, request req-1)",
        1,
        False,
    ),
    WriteRow(
        "504 of a front end, though the image was deleted: looked up",
        DELETE,
        {"delete": [front_end(504)]},
    ),
    WriteRow(
        "504 of a front end, and the data is being removed yet: waited for",
        DELETE,
        {"delete": [front_end(504)], "head": [status_is("deleted")] * 2},
        _GONE,
    ),
    WriteRow(
        "504 of a front end, and the service puts the image back",
        DELETE,
        {"delete": [Undone(front_end(504))], "head": [status_is("deleted")]},
        f"{_CANNOT}: the service has put it back, it is active again{_IN_PART}",
        1,
        False,
    ),
    WriteRow(
        "500: the service could not remove the data",
        DELETE,
        {"delete": [Undone(instead(500, "Oops"))]},
        f"{_CANNOT}: Oops (HTTP 500, request req-1){_IN_PART}",
        1,
        False,
    ),
    WriteRow(
        "The answer to a delete is a page of something else",
        DELETE,
        {"delete": [Undone(front_end(200))]},
        f"{_CANNOT}: {_PAGE}",
        1,
        False,
    ),
    WriteRow(
        "The answer to a delete is lost, and then comes another failure",
        DELETE,
        {"delete": [Undone(lost())], "head": [instead(403, "No")] * 2},
        f"{_CANNOT}: no answer from <service>: Remote end closed connection without response; "
        f"whether it was done is not known; {_SHOW} (Cannot show image <image> (HTTP 403, request "
        "req-1))",
        1,
        False,
    ),
    WriteRow(
        "compute: the answer to a delete is a page of something else",
        _COMPUTE_DELETE,
        {"nova_change": [Undone(front_end(200))]},
        f"Cannot delete image <image> of the Compute service: {_PAGE}; image <image> is ACTIVE "
        "still: waiting for that, 10 seconds at most",
        1,
        False,
    ),
    WriteRow(
        "compute: the service has no path for properties",
        _COMPUTE_SET,
        {"nova_change": [Undone(instead(404, "The resource could not be found."))]},
        "Cannot change the properties of image <image>: the image is there, but the Compute "
        "service has no API for writing the properties of an image (HTTP 404, request req-1): use "
        "'openstack image v1' or 'openstack image'",
        1,
        False,
    ),
)
