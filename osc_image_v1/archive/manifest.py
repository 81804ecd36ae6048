"""The lines of a manifest: what is known of exported images, one image a line.

A manifest is untrusted when it is read: it may come from anywhere. Whatever is in it, reading ends
in records whose types and sizes are checked, or in :class:`~osc_image_v1.exceptions.BadManifest`.
No path is taken from it: the name of an image's file follows from the image's ID alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any, NoReturn

from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.records import Record, format_time, parse_server_time, text_or_none
from osc_image_v1.exceptions import BadManifest
from osc_image_v1.transfer.expected import expected_of

#: What the first line of each manifest says that it is.
FORMAT = "osc-image-v1 manifest"
#: The version of the format that is written, and the newest that is read.
VERSION = 1

#: Bytes of a line at most. An image may have 128 properties of 64 KiB, each byte escaped.
LONGEST_LINE = 64 * 2**20
_LARGEST_SIZE = 2**63 - 1
_LONGEST_ID = 1024

_PLAIN_ID = re.compile(r"[0-9a-f][0-9a-f-]{0,63}", re.ASCII)
_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEAL = re.compile(rb',"digest":"([0-9a-f]{64})"\}')
_SEAL_LENGTH = len(',"digest":""}') + 64


def file_name(image_id: str) -> str:
    """Return the name of the file that has an image's data.

    An ID of hexadecimal digits and hyphens, as UUIDs are, names its file. Any other one could be a
    path, a device, a hidden file or, in another case, another image's: its file is named by a hash.

    :param image_id: the image's ID
    """
    if _PLAIN_ID.fullmatch(image_id):
        return f"{image_id}.img"
    return f"id-{hashlib.sha256(image_id.encode('utf-8', 'surrogatepass')).hexdigest()}.img"


@dataclass(frozen=True)
class StoredData:
    """An image's data in a directory.

    :ivar size: bytes
    :ivar md5: hexadecimal
    :ivar sha256: hexadecimal
    :ivar verified: whether the service's own checksum vouched for it; what old releases wrote of
        an empty file is not to be trusted, see :attr:`ExportedImage.is_doubtful`
    """

    size: int
    md5: str
    sha256: str
    verified: bool

    def of(self, algorithm: str | None) -> str | None:
        """Return the checksum by an algorithm, None where none by that is recorded."""
        return {"md5": self.md5, "sha256": self.sha256}.get(algorithm or "")


@dataclass(frozen=True)
class ExportedImage:
    """An image as it was exported.

    :ivar record: the image's metadata exactly as the service listed it
    :ivar members: projects that it is shared with; None where that is not known
    :ivar owner_name: name of the project that owns it, where it is known
    :ivar data: its data in the directory, None where there is none
    :ivar endpoint: URL of the service that it comes from
    :ivar exported_at: aware, UTC
    :ivar incomplete: why not all of it was exported, None where all was
    :ivar replaces: the data that was exported, where other data was put in its place by hand;
        ``data`` is that
    :ivar disk_format: the disk format of that other data
    """

    record: Record
    members: tuple[Member, ...] | None
    owner_name: str | None
    data: StoredData | None
    endpoint: str
    exported_at: datetime
    incomplete: str | None = None
    replaces: StoredData | None = None
    disk_format: str | None = None

    @property
    def id(self) -> str:
        """The image's ID."""
        return str(self.record["id"])

    @property
    def name(self) -> str | None:
        """The image's name."""
        return text_or_none(self.record.get("name"))

    @property
    def file(self) -> str:
        """The name of the file that has the image's data, if there is data."""
        return file_name(self.id)

    @property
    def is_doubtful(self) -> bool:
        """Whether nothing vouches for the data.

        Earlier releases took a size of 0 for a proof that there is no data.
        """
        data = self.data
        if data is None:
            return False
        return not (data.verified and expected_of(self.image).vouches_for(data.size))

    @cached_property
    def image(self) -> ImageDetail:
        """The image's metadata; of data that was put in by hand, the format and checksum too."""
        image = ImageDetail.from_record(self.record)
        data = self.data
        if self.replaces is None or data is None:
            return image
        return replace(
            image,
            size=data.size,
            checksum=data.md5,
            disk_format=self.disk_format or image.disk_format,
        )


def header_line(part: str) -> bytes:
    """Return the first line of a manifest.

    :param part: which images the manifest is for, ``1/1`` for all
    """
    return _sealed(
        {
            "format": FORMAT,
            "version": VERSION,
            "part": part,
            "created_at": format_time(datetime.now(timezone.utc)),
        }
    )


def image_line(exported: ExportedImage) -> bytes:
    """Return the line of an image.

    :param exported: the image
    """
    data = exported.data
    return _sealed(
        {
            "image": exported.record,
            "members": None
            if exported.members is None
            else [
                {"member_id": member.member_id, "can_share": member.can_share}
                for member in exported.members
            ],
            "owner_name": exported.owner_name,
            "data": data and _entry(exported.file, data),
            **_replacing(exported),
            "incomplete": exported.incomplete,
            "source": exported.endpoint,
            "exported_at": format_time(exported.exported_at),
        }
    )


def _replacing(exported: ExportedImage) -> dict[str, Any]:
    """Return what only the line of an image has whose data was put in by hand."""
    if exported.replaces is None:
        return {}
    replaces = _entry(exported.file, exported.replaces)
    return {"replaces": replaces, "disk_format": exported.disk_format}


def _entry(file: str, data: StoredData) -> dict[str, Any]:
    return {
        "file": file,
        "size": data.size,
        "md5": data.md5,
        "sha256": data.sha256,
        "verified": data.verified,
    }


def _sealed(document: Mapping[str, Any]) -> bytes:
    """Return a document as a line that ends with the SHA-256 of all of it."""
    text = json.dumps(document, separators=(",", ":")).encode()
    return b'%b,"digest":"%b"}\n' % (text[:-1], hashlib.sha256(text).hexdigest().encode())


def read_line(line: bytes, first: bool = False) -> ExportedImage | None:
    """Return the image of a line, None for a header.

    :param line: the line, with or without its end
    :param first: whether it must be a header
    :raises BadManifest: if it is neither, or has been altered
    """
    document = _unsealed(line.rstrip(b"\r\n"))
    if "format" in document:
        _check_header(document)
        return None
    if first:
        _bad("the first line says nothing of the format: this is no manifest")
    return _exported(document)


def _bad(what: str) -> NoReturn:
    raise BadManifest(what)


def _unsealed(line: bytes) -> Mapping[str, Any]:
    """Return the document of a line whose digest holds."""
    seal = _SEAL.fullmatch(line[-_SEAL_LENGTH:])
    if len(line) > LONGEST_LINE:
        _bad(f"a line of over {LONGEST_LINE // 2**20} MiB")
    if seal is None:
        _bad("no line of a manifest, or only the beginning of one")
    text = line[:-_SEAL_LENGTH] + b"}"
    if hashlib.sha256(text).hexdigest().encode() != seal[1]:
        _bad("the line has been altered: its digest is another")
    try:
        # JSON that ends with a brace is an object.
        document: Mapping[str, Any] = _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        _bad("no JSON")
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _check_header(document: Mapping[str, Any]) -> None:
    if document["format"] != FORMAT:
        _bad("another format than a manifest's")
    version = document.get("version")
    if type(version) is not int or version < 1:
        _bad("a version that is no whole number")
    if version > VERSION:
        _bad(
            f"version {str(version)[:20]} of the format, this release knows version {VERSION}: "
            "use a newer release"
        )


def _exported(document: Mapping[str, Any]) -> ExportedImage:
    record = document.get("image")
    if not isinstance(record, dict):
        _bad("no image")
    image_id = record.get("id")
    if not isinstance(image_id, str) or not 0 < len(image_id) <= _LONGEST_ID:
        _bad("an image without an ID")
    if not isinstance(record.get("properties", {}), dict):
        _bad("properties that are no object")
    moment = parse_server_time(document.get("exported_at"))
    if moment is None:
        _bad("no time of the export")
    return ExportedImage(
        record=record,
        members=_members(document.get("members")),
        owner_name=_text(document, "owner_name"),
        data=_data(document.get("data"), image_id),
        endpoint=_text(document, "source") or "",
        exported_at=moment,
        incomplete=_text(document, "incomplete"),
        replaces=_data(document.get("replaces"), image_id),
        disk_format=_text(document, "disk_format"),
    )


def _text(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        _bad(f"a {key} that is no text")
    return value


def _members(entries: object) -> tuple[Member, ...] | None:
    if entries is None:
        return None
    if not isinstance(entries, list):
        _bad("members that are no list")
    members = []
    for entry in entries:
        member_id = entry.get("member_id") if isinstance(entry, dict) else None
        if not isinstance(member_id, str) or not isinstance(entry.get("can_share"), bool):
            _bad("a member without an ID, or without can_share")
        members.append(Member(member_id, entry["can_share"]))
    return tuple(members)


def _data(entry: object, image_id: str) -> StoredData | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        _bad("data that is no object")
    if entry.get("file") != file_name(image_id):
        _bad("a file name that does not follow from the image's ID")
    size, verified = entry.get("size"), entry.get("verified")
    if type(size) is not int or not 0 <= size <= _LARGEST_SIZE:
        _bad("a size that is no number of bytes")
    if not isinstance(verified, bool):
        _bad("data that is neither verified nor not")
    return StoredData(size, _hex(entry, "md5", _MD5), _hex(entry, "sha256", _SHA256), verified)


def _hex(entry: Mapping[str, Any], key: str, form: re.Pattern[str]) -> str:
    text = entry.get(key)
    if not isinstance(text, str) or not form.fullmatch(text):
        _bad(f"a {key} that is none")
    return text
