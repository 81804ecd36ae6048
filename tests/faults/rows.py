"""What goes wrong, and what comes of it: the table of doc/source/reference/faults.rst as data.

``python -m tests.faults`` prints the tables. Rows that have no faults of the service are played by
a test of their own, which names them.
"""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from osc_image_v1.api.errors import NOT_ACCEPTED
from osc_image_v1.transfer.part import part_of
from tests.faults import server
from tests.faults.server import Answer, FakeImage, Fault, Service, cut

DATA = random.Random(1).randbytes(2**20 + 12345)
# What is read at once; of a piece that is waited for in vain nothing is kept.
PIECE = 256 * 2**10
MIDDLE = 500_000
OTHER = random.Random(2).randbytes(len(DATA))

IMAGE = "the image"
NOTHING = "nothing"
PART = "what came, as ``<part>``"
BEFORE = "the file that was there"
UNTOUCHED = "what was there"

_DAMAGED = "Image <image> is damaged, in the service or on the way"
_BROKEN = "Cannot download image <image>: the answer broke off"
_DAMAGED_THERE = "Image <image> is damaged in the service"
_AGAIN = 9


@dataclass(frozen=True)
class Row:
    """A fault.

    :ivar name: what happens
    :ivar says: the line on standard error, "" for none
    :ivar status: the exit status
    :ivar disk: what is on disk afterwards
    :ivar faults: see :class:`tests.faults.server.Service`
    :ivar asked: what the service was asked
    :ivar image: the image that is saved
    :ivar options: of the command
    :ivar before: makes what is in the directory before
    :ivar service: further settings of the service
    :ivar waits: the pauses before requests that are sent again
    """

    name: str
    says: str = ""
    status: int = 1
    disk: str = NOTHING
    faults: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    asked: Sequence[str] = ("head", "data")
    image: FakeImage = field(default_factory=lambda: FakeImage(data=DATA))
    options: Sequence[str] = ()
    before: Callable[[Path], object] = lambda directory: None
    service: Mapping[str, bool] = field(default_factory=dict)
    waits: Sequence[float] | None = None


def _rest(start: int) -> str:
    return f"rest bytes={start}-"


def _ignores_range(answer: Answer, service: Service) -> Answer:
    return Answer(body=DATA)


def _no_content(answer: Answer, service: Service) -> Answer:
    return Answer(204)


def _part(content: bytes) -> Callable[[Path], object]:
    return lambda directory: part_of(directory / "x").write_bytes(content)


def _target(content: bytes) -> Callable[[Path], object]:
    return lambda directory: (directory / "x").write_bytes(content)


def _mended(name: str, faults: Mapping[str, Sequence[Fault]], *asked: str, **more: object) -> Row:
    """A row of a fault that the person does not notice."""
    return replace(Row(name, "", 0, IMAGE, faults, ("head", *asked)), **more)  # type: ignore[arg-type]


_SAVE_BREAKS = (
    _mended("The data ends after the first byte", {"data": [cut(1)]}, "data", _rest(1)),
    _mended("The data ends in the middle", {"data": [cut(MIDDLE)]}, "data", _rest(MIDDLE)),
    _mended(
        "The data ends before the last byte", {"data": [cut(-1)]}, "data", _rest(len(DATA) - 1)
    ),
    Row(
        "The data ends before the first byte, each time",
        f"{_BROKEN}: it ended early, try again",
        faults={"data": [cut(0)] * _AGAIN},
        asked=("head", *["data"] * 4),
    ),
    Row(
        "The same, with ``--keep-partial``, each time in the middle",
        f"{_DAMAGED_THERE}: its data ends after {MIDDLE} of {len(DATA)} bytes, each time",
        disk=PART,
        faults={"data": [cut(MIDDLE)], "rest": [cut(0)] * _AGAIN},
        asked=("head", "data", *[_rest(MIDDLE)] * 2),
        options=("--keep-partial",),
    ),
    _mended(
        "The data ends in the middle, the service has no v2",
        {"data": [cut(MIDDLE)]},
        *("data", _rest(MIDDLE), "data"),
        service={"v2": False},
    ),
    _mended(
        "The data ends in the middle, v2 sends all of it again",
        {"data": [cut(MIDDLE)], "rest": [_ignores_range]},
        *("data", _rest(MIDDLE)),
    ),
    _mended(
        "The data ends in the middle, v2 sends another part",
        {
            "data": [cut(MIDDLE)],
            "rest": [server.header("Content-Range", f"bytes 0-{len(DATA) - 1}/{len(DATA)}")],
        },
        *("data", _rest(MIDDLE), "data"),
    ),
    _mended(
        "The data ends in the middle, v2 does not say which part it sends",
        {"data": [cut(MIDDLE)], "rest": [server.header("Content-Range", "lines 1-2")]},
        *("data", _rest(MIDDLE), "data"),
    ),
    _mended(
        "The data ends in the middle, v2 sends a part of other data",
        {"data": [cut(MIDDLE)], "rest": [server.header("Content-MD5", "0" * 32)]},
        *("data", _rest(MIDDLE), "data"),
    ),
    _mended(
        "The data ends in the middle, v2 has no data",
        {"data": [cut(MIDDLE)], "rest": [_no_content]},
        *("data", _rest(MIDDLE), "data"),
    ),
    _mended(
        "The data comes in chunks without a length, and breaks off",
        {"data": [server.chunked(cut(MIDDLE))]},
        *("data", _rest(PIECE)),
    ),
    _mended("The connection is reset", {"data": [cut(1, "reset")]}, "data", "data"),
    Row(
        "The connection is reset, each time",
        f"{_BROKEN}: Connection reset by peer",
        faults={"data": [cut(0, "reset")] * _AGAIN},
        asked=("head", *["data"] * 4),
    ),
    _mended(
        "Nothing comes for longer than ``--os-image-v1-timeout``",
        {"data": [cut(MIDDLE, "stall")]},
        *("data", _rest(PIECE)),
    ),
    Row(
        "Nothing comes for that long, each time",
        f"{_BROKEN}: it took too long, try again or raise --os-image-v1-timeout",
        faults={"data": [cut(0, "stall")] * _AGAIN},
        asked=("head", *["data"] * 4),
    ),
)

_SAVE_WRONG = (
    Row(
        "More data comes than the image has",
        f"{_DAMAGED}: the service sends more than {len(DATA)} bytes",
        faults={"data": [server.longer]},
    ),
    Row(
        "The service announces more data than the image has",
        f"{_DAMAGED}: the service sends {len(DATA) + 4} bytes, but its size is {len(DATA)}",
        faults={"data": [server.longer_by_length]},
    ),
    Row(
        "The service's stored file is cut short",
        f"{_DAMAGED}: the service sends {len(DATA) // 2} bytes, but its size is {len(DATA)}",
        faults={"data": [server.shorter_by_length]},
    ),
    Row(
        "The same, with ``--keep-partial``",
        f"{_DAMAGED}: {len(DATA) // 2} bytes came, but its size is {len(DATA)}",
        disk=PART,
        faults={"data": [server.shorter_by_length]},
        options=("--keep-partial",),
    ),
    Row(
        "One byte is another (wrong MD5)",
        f"{_DAMAGED}: the data's MD5 is <md5>, but its checksum is <md5>",
        faults={"data": [server.altered]},
    ),
    Row(
        "The same, and the file exists",
        f"{_DAMAGED}: the data's MD5 is <md5>, but its checksum is <md5>",
        disk=BEFORE,
        faults={"data": [server.altered]},
        before=_target(b"before"),
    ),
    Row(
        "Content-Length is too large",
        f"{_DAMAGED}: the service sends {len(DATA) + 5} bytes, but its size is {len(DATA)}",
        faults={"data": [server.length_says(5)]},
    ),
    Row(
        "Content-Length is too small",
        f"{_DAMAGED}: the service sends {len(DATA) - 5} bytes, but its size is {len(DATA)}",
        faults={"data": [server.length_says(-5)]},
    ),
    Row(
        "The image has no checksum",
        "The service has no checksum of this image: nothing vouches for the content "
        "(SHA-256 <sha256>)",
        0,
        IMAGE,
        image=FakeImage(data=DATA, has_checksum=False),
    ),
    Row(
        "The image is not active",
        "Image <image> is queued: it has no data yet",
        image=FakeImage(status="queued"),
        asked=("head",),
    ),
    Row(
        "There is no such image",
        "No image has the name or ID '<image>'",
        image=FakeImage(id="11111111-2222-4333-8444-555555555555"),
        asked=("head", "list"),
    ),
    Row(
        "The service's stored file is missing",
        "Cannot download image <image>: Image file /srv/images/1 not found "
        "(HTTP 404, request req-1)",
        faults={"data": [server.instead(404, "Image file /srv/images/1 not found")]},
    ),
    Row(
        "A page of something else comes instead of the image",
        "Cannot download image <image>: the service's answer is not that image",
        faults={"data": [server.body(b"<html>Please log in</html>", "text/html")]},
    ),
)

_NO_HEADERS = [server.front_end(502)] * 9

_SAVE_ANSWERS = (
    Row(
        "500",
        "Cannot download image <image>: Oops (HTTP 500, request req-1)",
        faults={"data": [server.instead(500, "Oops")]},
    ),
    _mended("502, once", {"data": [server.instead(502)]}, "data", "data"),
    _mended(
        "A front end answers 502 for the image's headers: a list and the Image API v2 have all",
        {"head": _NO_HEADERS, "data": _NO_HEADERS},
        *("show2", *["head"] * 4, "list", "data", "rest"),
    ),
    Row(
        "The same, and there is no Image API v2",
        "Cannot download image <image>: something in front of the service answered, not the "
        "service itself (no request ID): busy; the service does not answer it or, where it is this "
        "image alone, sends more metadata than its buffers for headers take: look at its settings, "
        "as nginx's proxy_buffer_size and proxy_buffers, haproxy's tune.bufsize and "
        "tune.http.maxhdr, apache's responsefieldsize (HTTP 502)",
        faults={"head": _NO_HEADERS, "data": _NO_HEADERS},
        asked=("head", "show2", *["head"] * 4, "list", "data", "rest", *["data"] * 4),
        service={"v2": False},
    ),
    _mended("503, once", {"data": [server.instead(503)]}, "data", "data"),
    Row(
        "503, each time",
        "Cannot download image <image>: Come back (HTTP 503, request req-1)",
        faults={"data": [server.instead(503, "Come back")] * _AGAIN},
        asked=("head", *["data"] * 4),
    ),
    _mended(
        "503 with ``Retry-After: 7``",
        {"data": [server.instead(503, "", ("Retry-After", "7"))]},
        *("data", "data"),
        waits=(7.0,),
    ),
    _mended(
        "503 with a Retry-After of a day: waits half a minute",
        {"data": [server.instead(503, "", ("Retry-After", "86400"))]},
        *("data", "data"),
        waits=(30.0,),
    ),
    _mended(
        "503 with a Retry-After in the past",
        {
            "data": [
                server.instead(503, "", ("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")),
            ]
        },
        *("data", "data"),
        waits=(0.0,),
    ),
    _mended(
        "503 in the middle",
        {"data": [cut(MIDDLE)], "rest": [server.instead(503)]},
        *("data", _rest(MIDDLE), _rest(MIDDLE)),
    ),
    _mended(
        "The token expires in the middle",
        {"data": [server.expires(cut(MIDDLE))]},
        *("data", _rest(MIDDLE), _rest(MIDDLE)),
        service={"keystone": True},
    ),
    Row(
        "No token is taken any more from the middle on",
        f"Cannot download image <image>: go; {NOT_ACCEPTED} (HTTP 401, request req-1)",
        faults={
            "data": [cut(MIDDLE), *[server.instead(401, "go")] * _AGAIN],
            "rest": [server.instead(401, "go")] * _AGAIN,
        },
        asked=("head", "data", _rest(MIDDLE), _rest(MIDDLE), "data", "data"),
        service={"keystone": True},
    ),
    Row(
        "The image is deleted in the middle",
        "Cannot download image <image>: Image with identifier <image> not found "
        "(HTTP 404, request req-1)",
        faults={"data": [server.deletes(cut(MIDDLE))]},
        asked=("head", "data", _rest(MIDDLE), "data"),
    ),
    Row(
        "A redirect to another host: no token goes there, nothing is asked there",
        "Cannot download image <image>: the service redirects to http://192.0.2.1/x, which is not "
        "followed; if that is the service, give its URL with --os-image-v1-endpoint-override or in "
        "clouds.yaml",
        faults={"data": [server.instead(302, "", ("Location", "http://192.0.2.1/x"))]},
    ),
)

_SAVE_DISK = (
    _mended(
        "An earlier run was killed, or kept what came",
        {},
        _rest(MIDDLE),
        before=_part(DATA[:MIDDLE]),
    ),
    _mended("An earlier run was killed just before its end", {}, before=_part(DATA)),
    _mended(
        "``<part>`` is of another image",
        {},
        *(_rest(MIDDLE), "data"),
        before=_part(OTHER[:MIDDLE]),
    ),
    _mended("``<part>`` is larger", {}, "data", before=_part(OTHER + b"more")),
    Row(
        "``<part>`` is there, the image has no checksum: from the start",
        "The service has no checksum of this image: nothing vouches for the content "
        "(SHA-256 <sha256>)",
        0,
        IMAGE,
        image=FakeImage(data=DATA, has_checksum=False),
        before=_part(OTHER[:MIDDLE]),
    ),
    Row(
        "A file ``<path>.part`` is there, which is not of this command",
        "",
        0,
        "the image, and that file",
        asked=("head", "data"),
        before=lambda directory: (directory / "x.part").write_bytes(b"theirs"),
    ),
    _mended("The file exists", {}, "data", before=_target(b"before")),
    Row(
        "The file exists, ``--no-clobber``",
        "'<directory>/x' exists and is left as it is (--no-clobber)",
        disk=BEFORE,
        before=_target(b"before"),
        options=("--no-clobber",),
        asked=(),
    ),
    Row(
        "The path is a directory",
        "'<directory>/x' is a directory: move it away, or give the name of a file",
        disk=UNTOUCHED,
        before=lambda directory: (directory / "x").mkdir(),
        asked=(),
    ),
    Row(
        "The path is a device, a pipe or a socket",
        "'<directory>/x' is no regular file and is not replaced: move it away, or write to "
        "standard output",
        disk=UNTOUCHED,
        before=lambda directory: os.mkfifo(directory / "x"),
        asked=(),
    ),
    Row(
        "There is no such directory",
        "There is no directory '<directory>/x'",
        options=("--file", "<directory>/x/y"),
        asked=(),
    ),
    Row(
        "``<part>`` is a symbolic link",
        "'<part>' is a symbolic link: move it away, or save under another name",
        disk=UNTOUCHED,
        before=lambda directory: part_of(directory / "x").symlink_to(directory / "y"),
        asked=("head",),
    ),
    Row(
        "``<part>`` is no regular file",
        "'<part>' is no regular file: move it away, or save under another name",
        disk=UNTOUCHED,
        before=lambda directory: os.mkfifo(part_of(directory / "x")),
        asked=("head",),
    ),
)

SAVE = _SAVE_BREAKS + _SAVE_WRONG + _SAVE_ANSWERS + _SAVE_DISK

#: Each played by a test of its own.
SAVE_ALONE = (
    Row(
        "Another run saves to the same path",
        "'<part>' is in use: another run saves to '<directory>/x'",
        disk=UNTOUCHED,
    ),
    Row(
        "The disk has no room for the image",
        "Cannot write '<part>': it needs <n> more bytes, and <n> are free",
    ),
    Row("The disk fills up", "Cannot write '<part>': No space left on device"),
    Row(
        "The file grows beyond a limit (``ulimit -f``)",
        "Cannot write '<part>': File too large",
    ),
    Row("The directory cannot be written to", "Cannot write '<part>': Permission denied"),
    Row("Control-C", "Interrupted: the image is not saved", 130),
    Row("SIGTERM", "Interrupted: the image is not saved", 143),
    Row("SIGHUP", "Interrupted: the image is not saved", 129),
    Row(
        "SIGKILL, power loss",
        "",
        -9,
        "what came, as ``<part>``, and no file under its name; the next run goes on with it",
    ),
    Row("To standard output: the data ends in the middle", "", 0, "the image, on standard output"),
    Row(
        "To standard output: one byte is another (wrong MD5)",
        f"{_DAMAGED}: the data's MD5 is <md5>, but its checksum is <md5>",
        1,
        "the damaged data, on standard output",
    ),
    Row("To standard output: the reader has enough (closed pipe)", "", 141, NOTHING),
    Row(
        "To standard output: the disk behind it is full",
        "Cannot write to 'standard output': No space left on device",
        1,
        NOTHING,
    ),
    Row(
        "To standard output, which is a terminal",
        "Image data does not go to a terminal: use --file <path>, or redirect it",
        2,
        NOTHING,
    ),
)


def alone(name: str) -> Row:
    """The row of this name that a test of its own plays."""
    return next(row for row in SAVE_ALONE if row.name == name)


_LISTING = "Cannot list images"
_NOVA = "Cannot list images of the Compute service"
_IDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(5)]
_LIST = ("image", "v1", "list", "-f", "value", "-c", "ID")
_LIST_LONG = ("image", "v1", "list", "--long", "-f", "json")
_LIST_NOVA = ("compute", "image", "list", "-f", "value", "-c", "ID")
_SHOW = ("image", "v1", "show", "-f", "json", _IDS[0])


@dataclass(frozen=True)
class ListRow:
    """A fault of a list, of five images and two a page.

    :ivar name: what happens
    :ivar says: the line on standard error, "" for none
    :ivar status: the exit status
    :ivar shown: how many rows are shown before that; less than 0 for images that are made up
    :ivar faults: see :class:`tests.faults.server.Service`
    :ivar asked: what the service was asked
    :ivar command: what is run
    :ivar page: the most images of a page
    """

    name: str
    says: str = ""
    status: int = 1
    shown: int = 0
    faults: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    asked: Sequence[str] = ("list",)
    command: Sequence[str] = _LIST
    page: int = 2


LIST_IMAGES = [FakeImage(id=number, name=f"image {number[-1]}") for number in _IDS]
# With five images and two a page the third page is the last: it is shorter.
_ALL = ("list",) * 3


def _page(*numbers: int) -> Fault:
    """A page of these images instead."""
    records = [LIST_IMAGES[number].record() for number in numbers]
    return lambda answer, service: server.as_json({"images": records})


def _page_of_nova(*numbers: int, following: str = "") -> Fault:
    def fault(answer: Answer, service: Service) -> Answer:
        records = [{"id": _IDS[number], "name": "n"} for number in numbers]
        links = [{"rel": "next", "href": following}] if following else []
        return server.as_json({"images": records, "images_links": links})

    return fault


def _empty_page_of_nova(number: int) -> Fault:
    return _page_of_nova(following=f"?marker={number}")


def _page_without_end(answer: Answer, service: Service) -> Answer:
    """Two more images, each time."""
    count = len(service.asked)
    records = [{"id": f"{count}-{number}", "name": "n"} for number in range(2)]
    return server.as_json({"images": records})


def _records(change: Callable[[dict[str, object]], object]) -> Fault:
    """Each record is changed."""

    def changed(document: dict[str, list[dict[str, object]]]) -> object:
        return {"images": [change(record) for record in document["images"]]}

    return server.document(changed)


def _without_id(record: dict[str, object]) -> object:
    return {key: value for key, value in record.items() if key != "id"}


_REPEATED = (
    "the service repeats a page instead of going on, so the list is not complete: it ignores the "
    "marker, and gives 2 images whatever comes after them; a list with --limit up to 2 works"
)


def _repeats(name: str, faults: Mapping[str, Sequence[Fault]], shown: int, *asked: str) -> ListRow:
    return ListRow(
        name,
        f"{_LISTING}: the service repeats a page instead of going on, so the list is not complete",
        1,
        shown,
        faults,
        asked,
    )


def _refused(name: str, reason: str, fault: Fault) -> ListRow:
    return ListRow(name, f"{_LISTING}: {reason}", faults={"list": [fault]})


def _whole(name: str, *faults: Fault, asked: Sequence[str] = _ALL, **more: object) -> ListRow:
    row = ListRow(name, "", 0, 5, {"list": faults}, asked)
    return replace(row, **more)  # type: ignore[arg-type]


def _gzipped(answer: Answer, service: Service) -> Answer:
    """A page as a front end hands it on that compresses everything."""
    headers = [*answer.headers, ("Content-Encoding", "gzip")]
    return replace(answer, body=gzip.compress(answer.body), headers=headers, length=-1)


_NO_JSON = "the service's answer is no JSON"
_STRANGE = {
    "name": 5,
    "size": "big",
    "checksum": ["x"],
    "properties": [1],
    "is_public": "maybe",
    "created_at": 10**30,
    "updated_at": "9999-99-99T99:99:99",
    "min_disk": 10**300,
    "protected": None,
    "owner": {"id": 1},
}

LISTS = (
    _repeats(
        "The pages lead in a circle", {"list": [_page(0, 1), _page(2, 3), _page(0, 1)]}, 4, *_ALL
    ),
    ListRow(
        "The marker is ignored, the same page comes again",
        f"{_LISTING}: {_REPEATED}",
        1,
        2,
        {"list": [_page(0, 1)] * 9},
        ("list", "list"),
    ),
    ListRow(
        "``--marker``, and the first page still has that image",
        f"{_LISTING}: the service ignores the marker, its page begins elsewhere than after image "
        f"{_IDS[0]}: list without a marker",
        faults={"list": [_page(0, 1)]},
        command=(*_LIST, "--marker", _IDS[0]),
    ),
    ListRow(
        "``show <name>``: the marker is ignored, and the name is on the first page",
        "The service ignores the marker: only its first 2 images were looked at",
        0,
        1,
        {"list": [_page(0, 1)] * 9},
        ("list", "list"),
        ("image", "v1", "show", "-f", "json", "image 0"),
    ),
    ListRow(
        "``show <name>``: the marker is ignored, and the name is not on the first page",
        "Cannot look up image 'image 4': it is none of the 2 images that the service gives, which "
        "ignores the marker and so hides the others: use an ID",
        faults={"list": [_page(0, 1)] * 9},
        asked=("list", "list"),
        command=("image", "v1", "show", "-f", "json", "image 4"),
    ),
    ListRow(
        "A filter is ignored (``--status killed``), and no image is in that state",
        status=0,
        asked=_ALL,
        command=(*_LIST, "--status", "killed"),
    ),
    ListRow(
        "Records do not have the field that is filtered by (``--min-ram 0``)",
        "The service does not tell min_ram of each image: those without it are left out",
        0,
        asked=_ALL,
        command=(*_LIST, "--min-ram", "0"),
    ),
    _whole(
        "``--limit 5``, and the service caps its pages at two", command=(*_LIST, "--limit", "5")
    ),
    _whole(
        "An image is on two pages, since one was made in between: shown once",
        *(_page(0, 1), _page(1, 2), _page(3, 4)),
        asked=("list",) * 4,
    ),
    _whole(
        "The last image of a page is deleted before the next page is asked for",
        *(_page(0, 1), server.instead(400, "Invalid marker")),
        asked=("list",) * 5,
    ),
    ListRow(
        "A list without end: ends at ``--limit``, and with the pipe that reads it",
        "",
        0,
        -1100,
        {"list": [_page_without_end] * 2000},
        ("list",) * 550,
        (*_LIST, "--limit", "1100"),
    ),
    _whole("A page ends in the middle", cut(20), asked=("list",) * 4),
    ListRow(
        "A page ends in the middle, each time",
        f"{_LISTING}: the answer broke off: it ended early, try again",
        shown=2,
        faults={"list": [_page(0, 1), *[cut(20)] * _AGAIN]},
        asked=("list",) * 5,
    ),
    _whole("A page comes in chunks and breaks off", server.chunked(cut(20)), asked=("list",) * 4),
    _whole("The connection is reset while a page comes", cut(5, "reset"), asked=("list",) * 4),
    _whole("Nothing comes for too long, once", cut(5, "stall"), asked=("list",) * 4),
    ListRow(
        "Nothing comes for too long, each time",
        f"{_LISTING}: the answer broke off: it took too long, try again or raise "
        "--os-image-v1-timeout",
        faults={"list": [cut(5, "stall")] * _AGAIN},
        asked=("list",) * 4,
    ),
    _whole("502, once", server.instead(502), asked=("list",) * 4),
    _whole(
        "503 with ``Retry-After: 1``, once",
        server.instead(503, "", ("Retry-After", "1")),
        asked=("list",) * 4,
    ),
    _refused("500", "Oops (HTTP 500, request req-1)", server.instead(500, "Oops")),
    _refused(
        "An error that is a page of HTML with scripts and escapes",
        "Sorry \\x1b[31m all <b>gone</b> (HTTP 500, request req-1)",
        server.html(
            500,
            "<html><title>500</title><script>alert(1)</script><p>Sorry \x1b[31m"
            "<i>all</i> &lt;b&gt;gone&lt;/b&gt;</p></html>",
        ),
    ),
    _refused(
        "401, and no way to another token",
        f"go; {NOT_ACCEPTED} (HTTP 401, request req-1)",
        server.instead(401, "go"),
    ),
    ListRow(
        "An error after the first page",
        f"{_LISTING}: Oops (HTTP 500, request req-1)",
        shown=2,
        faults={"list": [_page(0, 1), server.instead(500, "Oops")]},
        asked=("list", "list"),
    ),
    ListRow(
        "An error after the first page, with ``-f json``: what came is a whole document",
        f"{_LISTING}: Oops (HTTP 500, request req-1)",
        shown=2,
        faults={"list": [_page(0, 1), server.instead(500, "Oops")]},
        asked=("list", "list"),
        command=("image", "v1", "list", "-f", "json"),
    ),
    _refused("A page is no JSON", _NO_JSON, server.body(b"<html></html>")),
    _refused("A page is empty", _NO_JSON, server.body(b"")),
    _refused("A page is no UTF-8", _NO_JSON, server.body(b'{"images": [{"id": "\xff"}]}')),
    _refused("A page is nested 100,000 deep", _NO_JSON, server.body(b"[" * 100_000)),
    _refused(
        "A page has a number of 10,000 digits",
        _NO_JSON,
        server.body(b'{"images": [{"id": "x", "size": ' + b"9" * 10_000 + b"}]}"),
    ),
    _refused(
        "A page is JSON of another form",
        "the service's answer has no list of images",
        server.body(b'["images"]'),
    ),
    _refused(
        "A record has no ID",
        "the service's answer has an image without an ID",
        _records(_without_id),
    ),
    ListRow(
        "The IDs of images are numbers",
        "",
        0,
        -2,
        {"list": [_records(lambda record: {**record, "id": _IDS.index(record["id"])})]},
        ("list",),
        (*_LIST, "--limit", "2"),
    ),
    _refused(
        "A record's ID is neither text nor a number",
        "the service's answer has an image without an ID",
        _records(lambda record: {**record, "id": [5]}),
    ),
    _refused(
        "A record is a text",
        "the service's answer has an image without an ID",
        _records(lambda record: "image"),
    ),
    _whole(
        "Fields have other types, absurd numbers and dates: read as what they should be, else null",
        *[_records(lambda record: {**record, **_STRANGE})] * 3,
        command=_LIST_LONG,
    ),
    ListRow("A page of 100 MB on one line", "", 0, 0, {"list": [server.one_line(100 * 10**6)]}),
    _refused(
        "A page of 300 MB on one line",
        "the service's answer is over 256 MiB, ask for smaller pages",
        server.one_line(300 * 10**6),
    ),
    ListRow(
        "An image with 200 header lines, names in odd case",
        "",
        0,
        1,
        {"head": [server.odd_headers]},
        ("head",),
        _SHOW,
    ),
    ListRow(
        "An image whose name is no UTF-8",
        "",
        0,
        1,
        {"head": [server.header("X-Image-Meta-Name", "caf\xe9")]},
        ("head",),
        _SHOW,
    ),
    ListRow(
        "An answer with 5,000 header lines",
        f"Cannot show image {_IDS[0]}: no answer from <service>: got more than 1000 headers",
        faults={"head": [server.many_headers(5000)] * _AGAIN},
        asked=("head",) * 4,
        command=_SHOW,
    ),
    ListRow(
        "A redirect to another host: no token goes there, nothing is asked there",
        f"{_LISTING}: the service redirects to http://192.0.2.1/v1/images, which is not followed; "
        "if that is the service, give its URL with --os-image-v1-endpoint-override or in "
        "clouds.yaml",
        faults={
            "list": [server.instead(302, "", ("Location", "http://192.0.2.1/v1/images"))],
        },
    ),
    ListRow(
        "A redirect that one reader of URLs takes for the service, and another for another host",
        f"{_LISTING}: the service redirects to http://***@127.0.0.1/v1/images, which is not "
        "followed; if that is the service, give its URL with --os-image-v1-endpoint-override or in "
        "clouds.yaml",
        faults={
            "list": [
                server.instead(302, "", ("Location", "http://192.0.2.1\\@127.0.0.1/v1/images"))
            ],
        },
    ),
    ListRow(
        "An error that tells the key of a store",
        f"{_LISTING}: cannot read swift+http://***@swift.example/v1/c/o (HTTP 500, request req-1)",
        faults={
            "list": [
                server.instead(500, "cannot read swift+http://user:k/ey@swift.example/v1/c/o")
            ],
        },
    ),
    _whole(
        "A redirect within the service",
        server.instead(301, "", ("Location", "/v1/images?limit=1000")),
        asked=("list",) * 4,
    ),
    ListRow(
        "Redirects in a circle",
        f"{_LISTING}: the service redirects in circles",
        faults={"list": [server.instead(302, "", ("Location", "/v1/images"))] * _AGAIN},
        asked=("list",) * 4,
    ),
    ListRow(
        "The service has no Image API v1",
        "The service at <service>/v1 has no API v1, it offers v2.5: use 'openstack image' for the "
        "Image API v2",
        faults={"list": [server.versions("v2.5")]},
    ),
    ListRow(
        "compute: a rate limit, 413 with ``Retry-After``: waited for",
        "",
        0,
        5,
        {"compute": [server.instead(413, "limited", ("Retry-After", "0"))]},
        ("compute",) * 4,
        _LIST_NOVA,
    ),
    ListRow(
        "compute: 413 without ``Retry-After``",
        f"{_NOVA}: limited (HTTP 413, request req-1)",
        faults={"compute": [server.instead(413, "limited")]},
        asked=("compute",),
        command=_LIST_NOVA,
    ),
    ListRow(
        "A front end's own page",
        f"{_LISTING}: something in front of the service answered, not the service itself "
        "(nginx/1.22.1, no request ID); it does not let this request through (HTTP 403)",
        faults={"list": [server.front_end(403, "<hr><center>nginx/1.22.1</center>")]},
    ),
    _whole("A front end compresses what was not asked for", _gzipped),
    ListRow(
        "compute: the link to the next page leads to another host or scheme: its query counts",
        "",
        0,
        4,
        {
            "compute": [
                _page_of_nova(0, 1, following=f"ftp://192.0.2.1/x?marker={_IDS[1]}"),
                _page_of_nova(2, 3),
            ]
        },
        ("compute",) * 2,
        _LIST_NOVA,
    ),
    ListRow(
        "compute: the link to the next page has no marker",
        f"{_NOVA}: the service's link to the next page has no marker",
        shown=2,
        faults={"compute": [_page_of_nova(0, 1, following="http://192.0.2.1/")]},
        asked=("compute",),
        command=_LIST_NOVA,
    ),
    ListRow(
        "compute: page after page without an image",
        f"{_NOVA}: the service sends page after page without an image",
        faults={"compute": [_empty_page_of_nova(number) for number in range(200)]},
        asked=("compute",) * 101,
        command=_LIST_NOVA,
    ),
    ListRow(
        "compute: full pages have no link to the next",
        "",
        0,
        5,
        {"compute": [_page_of_nova(0, 1), _page_of_nova(2, 3), _page_of_nova(4)]},
        ("compute",) * 3,
        (*_LIST_NOVA, "--page-size", "2"),
    ),
    ListRow(
        "compute: full pages have no link to the next, and the marker is ignored",
        "The Compute service ignores the marker: of its images the first 2 are listed",
        0,
        2,
        {"compute": [_page_of_nova(0, 1)] * 9},
        ("compute",) * 2,
        (*_LIST_NOVA, "--page-size", "2"),
    ),
    ListRow(
        "compute: ``--marker``, and the first page still has that image",
        f"{_NOVA}: the service ignores the marker, its page begins elsewhere than after image "
        f"{_IDS[0]}: list without a marker",
        faults={"compute": [_page_of_nova(0, 1)]},
        asked=("compute",),
        command=(*_LIST_NOVA, "--marker", _IDS[0]),
    ),
    ListRow(
        "compute: a filter is ignored (``--type backup``), and no image has that type",
        status=0,
        asked=("compute",) * 3,
        command=(*_LIST_NOVA, "--type", "backup"),
    ),
    ListRow(
        "compute: the link to the next page leads to the same page",
        f"{_NOVA}: {_REPEATED}",
        shown=2,
        faults={"compute": [_page_of_nova(0, 1, following=f"?marker={_IDS[1]}")] * 9},
        asked=("compute",) * 2,
        command=_LIST_NOVA,
    ),
)
