"""What goes wrong among many images, and what comes of it, as data.

Three images, one at a time, and the fault meets the second; the others always come through. Each
row is played twice: the second run meets no fault any more, and must bring what the first has not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults import server
from tests.faults.server import FakeImage, Fault, Undone, cut, instead, lost, midway

IDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(3)]
_RANDOM = random.Random(5)
IMAGES = [
    FakeImage(id=image_id, name=f"image {number}", data=_RANDOM.randbytes(300_000 + number))
    for number, image_id in enumerate(IDS)
]

ALL = "all images"
OTHERS = "the other images"
NO_IMAGE = "no image"

_TRY_AGAIN = ": run the same command again to try them again"
_OWN = ", for reasons of their own, which another run meets again"
_EXPORT = "1 of 3 images could not be exported"
_REMOVED = (
    "; what was made of it in the target is removed, and its ID is used up: --new-ids makes another"
)
_LEFT = "; the target's record <image>, queued, is left for another run"


@dataclass(frozen=True)
class ManyRow:
    """A fault among many images.

    :ivar name: what happens
    :ivar says: the lines on standard error
    :ivar status: the exit status
    :ivar left: what is whole afterwards
    :ivar faults: of the service that the images come from
    :ivar target_faults: of the service that they go to
    :ivar before: what is done with the directory before
    :ivar mend: what a person does before the second run
    :ivar options: of the command
    :ivar keystone: whether the service wants tokens
    """

    name: str
    says: Sequence[str] = ()
    status: int = 1
    left: str = OTHERS
    faults: Mapping[str, Sequence[Fault | None]] = field(default_factory=dict)
    target_faults: Mapping[str, Sequence[Fault | None]] = field(default_factory=dict)
    before: Callable[[Path], object] = lambda directory: None
    mend: Callable[[Path], object] = lambda directory: None
    options: Sequence[str] = ()
    keystone: bool = False


def file_of(number: int) -> str:
    """The name of an exported image's file."""
    return f"{IDS[number]}.img"


def _mended(name: str, **more: object) -> ManyRow:
    return replace(ManyRow(name, (), 0, ALL), **more)  # type: ignore[arg-type]


def _one_fails(
    name: str, reason: str, *faults: Fault, kind: str = "data", status: int = 1
) -> ManyRow:
    last = _EXPORT + (_OWN if status == 3 else _TRY_AGAIN)
    said = (f"Cannot export image <image> (image 1): {reason}", last)
    return ManyRow(name, said, status, faults={kind: [None, *faults]})


def _damage_manifest(directory: Path) -> None:
    """An earlier export, and one letter of its manifest is another."""
    manifest = directory / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes().replace(b'"name"', b'"nane"', 1))


def _link(name: str) -> Callable[[Path], object]:
    """A link to a file elsewhere, by somebody who may write to the directory."""

    def make(directory: Path) -> None:
        victim = directory.parent / "victim"
        victim.write_bytes(b"theirs")
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(victim)

    return make


def _remove(name: str) -> Callable[[Path], object]:
    return lambda directory: (directory / name).unlink()


_PART = f"{file_of(1)}.osc-image-v1.part"

EXPORTS = (
    _mended("An image's data ends in the middle", faults={"data": [None, cut(1000)]}),
    _mended(
        "The token expires in the middle",
        faults={"data": [None, server.expires(cut(1000))]},
        keystone=True,
    ),
    _one_fails(
        "An image is damaged (wrong MD5)",
        "Image <image> is damaged, in the service or on the way: the data's MD5 is <md5>, but its "
        "checksum is <md5>",
        server.altered,
        status=3,
    ),
    _one_fails(
        "An image's stored file is missing",
        "Cannot download image <image>: Image file not found (HTTP 404, request req-1)",
        instead(404, "Image file not found"),
        status=3,
    ),
    _one_fails(
        "An image's data breaks off, each time",
        "Cannot download image <image>: the answer broke off: it ended early, try again",
        *[cut(0)] * 4,
    ),
    _one_fails(
        "503 for one image, each time",
        "Cannot download image <image>: Busy (HTTP 503, request req-1)",
        *[instead(503, "Busy")] * 4,
    ),
    replace(
        _one_fails(
            "The members of an image are not told",
            "Cannot list members of image <image>: Oops (HTTP 500, request req-1)",
            instead(500, "Oops"),
            kind="members",
        ),
        left="the other images, and the data of this one",
    ),
    ManyRow(
        "The list of images breaks off",
        ("Cannot list images: Oops (HTTP 500, request req-1)",),
        left=NO_IMAGE,
        faults={"list": [None, instead(500, "Oops")]},
    ),
    ManyRow(
        "The manifest is damaged",
        (
            "'<directory>/manifest.jsonl', line 2: the line has been altered: its digest is "
            "another; move the file away and export again: images whose files are whole are not "
            "fetched again",
        ),
        left="what was there",
        before=_damage_manifest,
        mend=_remove("manifest.jsonl"),
    ),
    ManyRow(
        "The manifest is a symbolic link",
        ("'<directory>/manifest.jsonl' is a symbolic link, which is not followed",),
        left="what was there",
        before=_link("manifest.jsonl"),
        mend=_remove("manifest.jsonl"),
    ),
    _mended("An image's file is a symbolic link: replaced, not followed", before=_link(file_of(1))),
    ManyRow(
        "An image's unfinished file is a symbolic link",
        (
            f"Cannot export image <image> (image 1): '<directory>/{_PART}' is a symbolic link: "
            "move it away, or save under another name",
            _EXPORT + _OWN,
        ),
        3,
        before=_link(_PART),
        mend=_remove(_PART),
    ),
    ManyRow(
        "The directory is a file",
        ("Cannot make '<directory>': File exists",),
        left="what was there",
        before=lambda directory: (directory.rmdir(), directory.write_bytes(b"theirs")),
        mend=lambda directory: directory.unlink(),
    ),
)

_COPIES_OF_SOURCE = (
    _mended("An image's data ends in the middle", faults={"data": [None, cut(1000)]}),
    ManyRow(
        "An image is damaged (wrong MD5)",
        (f"The data is damaged here: its MD5 is <md5>, not <md5>{_LEFT}",),
        3,
        faults={"data": [None, server.altered]},
    ),
    ManyRow(
        "An image's stored file is missing",
        ("Cannot download image <image>: Image file not found (HTTP 404, request req-1)",),
        3,
        faults={"data": [None, instead(404, "Image file not found")]},
    ),
    ManyRow(
        "The members of an image are not told",
        ("Cannot list members of image <image>: Oops (HTTP 500, request req-1)",),
        faults={"members": [None, instead(500, "Oops")]},
    ),
)

#: The same for a copy and for an import.
TARGETS = (
    _mended(
        "Target: the answer to a record is lost: looked up",
        target_faults={"create2": [None, lost()]},
    ),
    _mended(
        "Target: the request for a record is lost: looked up, then sent again",
        target_faults={"create2": [None, Undone(lost())]},
    ),
    _mended(
        "Target: the answer to the data is lost: looked up",
        target_faults={"upload2": [None, lost()]},
    ),
    _mended(
        "Target: an upload breaks off, and leaves an empty record: sent again",
        target_faults={"upload2": [None, midway(lost(), 2**17)]},
    ),
    _mended(
        "Target: 503 at the last touch: sent again",
        target_faults={"change2": [None, Undone(instead(503))]},
    ),
    ManyRow(
        "Target: no room for the data (413): an empty record is left, which the next run fills",
        (
            "Cannot upload the data of image <image>: Over your quota (HTTP 413, request req-1); "
            "the target's record <image>, queued, is left for another run",
        ),
        target_faults={"upload2": [None, midway(instead(413, "Over your quota"), 2**17)]},
    ),
    ManyRow(
        "Target: a front end takes no body of such a size (413), while others go through",
        (
            "Cannot upload the data of image <image>: something in front of the service answered, "
            "not the service itself (nginx/1.22.1, no request ID); it takes no body of that size: "
            "look at client_max_body_size there (HTTP 413); the target's record <image>, queued, "
            "is left for another run",
        ),
        3,
        target_faults={
            "upload2": [
                None,
                midway(server.front_end(413, "<hr><center>nginx/1.22.1</center>"), 2**17),
            ]
        },
    ),
    ManyRow(
        "Target: 500 each time: an empty record is left, which the next run fills",
        (
            "Cannot upload the data of image <image>: Oops (HTTP 500, request req-1); the "
            "target's record <image>, queued, is left for another run",
        ),
        target_faults={"upload2": [None, *[Undone(instead(500, "Oops"))] * 3]},
    ),
    ManyRow(
        "Target: other data is stored (another checksum)",
        (
            "The target has stored <n> bytes with the checksum <md5> as image <image>, not the <n> "
            f"bytes with the MD5 <md5> that were sent{_REMOVED}",
        ),
        3,
        target_faults={"upload2": [None, server.stores(checksum="0" * 32)]},
    ),
    ManyRow(
        "Target: a record is refused (403)",
        ("Cannot create image <image>: You may not (HTTP 403, request req-1)",),
        3,
        target_faults={"create2": [None, Undone(instead(403, "You may not"))]},
    ),
    ManyRow(
        "Target: a redirect elsewhere: no token and no data goes there, an empty record is left",
        (
            "Cannot upload the data of image <image>: the service redirects to "
            "http://192.0.2.1/, which is not followed; if that is the service, give its URL with "
            "image_endpoint_override in clouds.yaml; the target's record <image>, queued, is left "
            "for another run",
        ),
        1,
        target_faults={
            "upload2": [None, Undone(instead(307, "", ("Location", "http://192.0.2.1/")))]
        },
    ),
)

COPIES = _COPIES_OF_SOURCE + TARGETS


def _changed_file(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """The file of the second image is another, and is put right again later."""
    return lambda directory: change(directory / file_of(1))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _restore(directory: Path) -> None:
    (directory / file_of(1)).unlink(missing_ok=True)
    (directory / file_of(1)).write_bytes(IMAGES[1].data)


IMPORTS = (
    *TARGETS,
    ManyRow(
        "A file is missing",
        (f"Cannot open '<directory>/{file_of(1)}': No such file or directory",),
        3,
        before=_changed_file(Path.unlink),
        mend=_restore,
    ),
    ManyRow(
        "A file is cut short",
        (f"'<directory>/{file_of(1)}' has <n> bytes, not <n>",),
        3,
        before=_changed_file(lambda path: path.write_bytes(IMAGES[1].data[:200_000])),
        mend=_restore,
    ),
    ManyRow(
        "One byte of a file is another",
        (f"The data is damaged here: its MD5 is <md5>, not <md5>{_LEFT}",),
        3,
        before=_changed_file(_flip),
        mend=_restore,
    ),
    ManyRow(
        "A file is a symbolic link",
        (f"'<directory>/{file_of(1)}' is a symbolic link, which is not followed",),
        3,
        before=_link(file_of(1)),
        mend=_restore,
    ),
)


@dataclass(frozen=True)
class OtherRow:
    """What a test of its own plays.

    :ivar command: export, copy or import
    :ivar name: what happens
    :ivar says: the line on standard error
    :ivar status: the exit status
    :ivar left: what is left
    """

    command: str
    name: str
    says: str
    status: int
    left: str


_AGAIN = "Interrupted: run the same command again, and it goes on"
_WHOLE = "what was whole; the next run goes on with the rest"
_THERE = "what is whole on the target, and an empty record; the next run goes on"

_GOES_ON = "run the same command again, and it goes on"
_DAMAGED = (
    "Image <image> is damaged in the service: its data ends after 1000 of 3000 bytes, each time"
)

_NO_FOLDER = (
    "There is no folder for temporary files, which the records of images are put aside in: neither "
    "TMPDIR, /tmp, /var/tmp nor the current folder can be written to, or they are full; set TMPDIR "
    "to one that can, or mount one at /tmp"
)

#: 35 images, of which 24 meet the fault, or all.
CROWDS = (
    OtherRow(
        "export",
        "The data of 24 images ends at the same byte each time (a lost segment)",
        f"Cannot export image <image> (image 0): {_DAMAGED}",
        3,
        "the 11 other images",
    ),
    OtherRow(
        "export",
        "A front end answers 502 for the headers of many images: v2 has their data",
        "",
        0,
        "all images",
    ),
    OtherRow(
        "export",
        "A front end answers 502 for the headers of 24 images, and there is no Image API v2",
        f"24 of 35 images could not be exported{_TRY_AGAIN}",
        1,
        "the 11 other images",
    ),
    OtherRow(
        "export",
        "The store is down: 500 for each image's data, after half a minute",
        "10 of 35 images could not be exported, and 25 more were not tried, since one after the "
        f"other fails, and each takes long: when that is mended, {_GOES_ON}",
        1,
        "what was whole before; those that had no turn come first in the next run",
    ),
    OtherRow(
        "export",
        "The service does not answer any more",
        "10 of 35 images could not be exported, and 25 more were not tried, since a service does "
        f"not answer any more: when it is back, {_GOES_ON}",
        1,
        "what was whole before; those that had no turn come first in the next run",
    ),
    OtherRow(
        "export",
        "The token is not accepted any more, and cannot be renewed",
        "3 of 35 images could not be exported, and 32 more were not tried, since the token is not "
        f"accepted any more: when you have a new one, {_GOES_ON}",
        1,
        "what was whole before; those that had no turn come first in the next run",
    ),
    OtherRow(
        "copy",
        "The data of 24 images ends at the same byte each time (a lost segment)",
        f"24 of 35 images could not be copied{_OWN}",
        3,
        "the 11 other images",
    ),
    OtherRow(
        "copy",
        "Target: no room or no quota for any image's data (413)",
        "3 of 35 images could not be copied, and 32 more were not tried, since the target has no "
        f"room or no quota left: when there is more, {_GOES_ON}",
        1,
        "what was there before",
    ),
)

#: Each played by a test of its own.
ALONE = (
    *CROWDS,
    OtherRow(
        "export",
        "The disk has no room for all images",
        "Cannot export to '<directory>': it needs <n> more bytes, and <n> are free",
        1,
        "what was there",
    ),
    OtherRow(
        "export",
        "The disk fills up: the others go on",
        "Cannot export image <image> (image 0): Cannot write '<directory>/<image>.img.osc-image-v1."
        "part': No space left on device",
        1,
        "what was whole",
    ),
    OtherRow(
        "export",
        "The disk has no room for three images in a row, which are not known to be no zeros",
        "3 of 5 images could not be exported, and 2 more were not tried, since the target has no "
        f"room or no quota left: when there is more, {_GOES_ON}",
        1,
        "what was there before",
    ),
    OtherRow(
        "export",
        "The directory cannot be written to",
        "Cannot open '<directory>/manifest.jsonl': Permission denied",
        1,
        "what was there",
    ),
    OtherRow(
        "export",
        "Another run exports to the same directory",
        "'<directory>/manifest.jsonl' is in use: another run exports the same images to that "
        "directory",
        1,
        "what the other run makes of it",
    ),
    OtherRow("export", "Control-C", _AGAIN, 130, _WHOLE),
    OtherRow("export", "SIGTERM", _AGAIN, 143, _WHOLE),
    OtherRow("export", "SIGKILL, power loss", "", -9, _WHOLE),
    OtherRow("export", "Nobody reads the summary (closed pipe)", "", 141, "all images"),
    OtherRow(
        "copy",
        "Two runs at once into the same cloud: each image comes once, the later run waits for it",
        "",
        0,
        "all images, each once",
    ),
    OtherRow(
        "copy",
        "There is no folder for temporary files (a read-only root)",
        _NO_FOLDER,
        1,
        "what was there; no image is asked for",
    ),
    OtherRow(
        "copy",
        "The folder for temporary files is full",
        "Cannot write in '<directory>': File too large; set TMPDIR to a folder that has room",
        1,
        "what was there",
    ),
    OtherRow("copy", "Control-C", _AGAIN, 130, _THERE),
    OtherRow(
        "copy",
        "Control-C, and the table goes to a file: the rows so far are in it",
        _AGAIN,
        130,
        _THERE,
    ),
    OtherRow("copy", "SIGTERM", _AGAIN, 143, _THERE),
    OtherRow("copy", "SIGKILL, power loss", "", -9, _THERE),
    OtherRow("copy", "Nobody reads the rows (closed pipe)", "", 141, _THERE),
    OtherRow(
        "import",
        "Two runs at once into the same cloud: each image comes once, the later run waits for it",
        "",
        0,
        "all images, each once",
    ),
    OtherRow(
        "import",
        "The manifest is damaged",
        "'<directory>/manifest.jsonl', line 2: the line has been altered: its digest is another; "
        "move the file away and export again: images whose files are whole are not fetched again",
        1,
        "nothing",
    ),
    OtherRow(
        "import",
        "The manifest is none",
        "'<directory>/manifest.jsonl', line 1: no line of a manifest, or only the beginning of "
        "one; move the file away and export again: images whose files are whole are not fetched "
        "again",
        1,
        "nothing",
    ),
    OtherRow(
        "import",
        "The directory is not there",
        "Cannot read '<directory>': No such file or directory",
        1,
        "nothing",
    ),
)


def alone(command: str, name: str) -> OtherRow:
    """The row of this name that a test of its own plays."""
    return next(row for row in ALONE if (row.command, row.name) == (command, name))
