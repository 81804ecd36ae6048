"""What may be written of an image: checked values, and the headers that carry them.

The service stores some values otherwise than they were sent, in silence: it strips white space,
lower-cases names of properties, makes an empty text null. What would not be stored as it is, is
refused here; an empty text is allowed and means null.

In the Image API v1 one image's metadata are ``x-image-meta-*`` headers. Header text is raw UTF-8,
which Python's HTTP layer shows as Latin-1. Header names carry no case, and ``-`` and ``_`` mean the
same in them; only hyphens are sent, since some front ends drop names with underscores.
"""

from __future__ import annotations

import json
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.records import (
    Record,
    as_md5,
    bool_or_none,
    check_fields,
    int_or_none,
    text_or_none,
)
from osc_image_v1.exceptions import InvalidInput, NotStored
from osc_image_v1.text import is_text, printable, without_secrets

#: Formats of the Amazon kind: container and disk format must be the same one.
_AMAZON_FORMATS = ("ami", "aki", "ari")

# As the service has them by default.
_LONGEST_NAME = 255
_MOST_PROPERTIES = 128
_LONGEST_LINE = 16384
_LARGEST_HEAD = 60000
# Bytes of a text in a database like MySQL.
_LARGEST_VALUE = 2**16 - 1

_LARGEST_INT = 2**31 - 1
_LARGEST_SIZE = 2**63 - 1

# RFC 9110 allows no control character but the tab.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")
# What a header's name may hold and keep: upper case becomes lower case, a hyphen an underscore.
_PROPERTY_NAME = frozenset(string.ascii_lowercase + string.digits + "!#$%&'*+.^_`|~")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


@dataclass(frozen=True)
class ImageFields:
    """Fields of an image to be written; what is None stays as it is, or gets the default.

    An empty text becomes null in the service, for a property too.

    :ivar name: up to 255 characters
    :ivar disk_format: ``raw``, ``qcow2``...
    :ivar container_format: ``bare``, ``ovf``...; one of ``ami``, ``aki`` and ``ari`` goes for both
        formats
    :ivar min_disk: GB that a server needs
    :ivar min_ram: MB that a server needs
    :ivar size: bytes of the data
    :ivar checksum: MD5 of the data
    :ivar owner: ID of the project that owns the image; only an admin may choose
    :ivar is_public: whether all projects may use it
    :ivar protected: whether it is kept from being deleted
    :ivar properties: further metadata; names in lower case, without hyphens
    :ivar store: the service's store that takes the data
    :ivar copy_from: URL that the service copies the data from, in the background
    :ivar location: URL where the data stays
    :raises InvalidInput: for a value that the service would refuse, or store otherwise

    https://docs.openstack.org/api-ref/image/v1/#create-image
    """

    name: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    size: int | None = None
    checksum: str | None = None
    owner: str | None = None
    is_public: bool | None = None
    protected: bool | None = None
    properties: Mapping[str, str | None] = field(default_factory=dict)
    store: str | None = None
    copy_from: str | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for label, text in (
            ("name", self.name),
            ("disk format", self.disk_format),
            ("container format", self.container_format),
            ("owner", self.owner),
            ("store", self.store),
        ):
            _check_text(label, text)
            if text is not None and len(text) > _LONGEST_NAME:
                raise InvalidInput(
                    f"the {label} has {len(text)} characters, {_LONGEST_NAME} is the most"
                )
        _check_number("min_disk", self.min_disk, _LARGEST_INT)
        _check_number("min_ram", self.min_ram, _LARGEST_INT)
        _check_number("size", self.size, _LARGEST_SIZE)
        if self.checksum is not None and as_md5(self.checksum) != self.checksum:
            raise InvalidInput(
                f"the checksum '{printable(self.checksum)}' is no MD5 (32 hexadecimal digits)"
            )
        self._check_sources()
        check_properties(self.properties)
        disk, container = amazon_pair(self.disk_format, self.container_format)
        object.__setattr__(self, "disk_format", disk)
        object.__setattr__(self, "container_format", container)

    def _check_sources(self) -> None:
        if self.copy_from is not None and self.location is not None:
            raise InvalidInput("an image has one source, not both copy_from and location")
        for label, url in (("copy_from", self.copy_from), ("location", self.location)):
            _check_text(label, url)
            if url is not None and not _URL.fullmatch(url):
                shown = printable(without_secrets(url))
                raise InvalidInput(f"the {label} '{shown}' is no URL")

    @property
    def has_source(self) -> bool:
        """Whether the service is to get the data from a URL."""
        return self.copy_from is not None or self.location is not None


def amazon_pair(disk: str | None, container: str | None) -> tuple[str | None, str | None]:
    """Return disk and container format, both the same where one is ``ami``, ``aki`` or ``ari``.

    :param disk: the disk format
    :param container: the container format
    :raises InvalidInput: if they do not go together
    """
    chosen = next((kind for kind in (disk, container) if kind in _AMAZON_FORMATS), None)
    if chosen is None:
        return disk, container
    if disk not in (None, chosen) or container not in (None, chosen):
        raise InvalidInput(
            f"disk format '{printable(disk)}' and container format "
            f"'{printable(container)}' do not go together: ami, aki and ari must be the same "
            "in both"
        )
    return chosen, chosen


def check_formats(disk: str | None, container: str | None) -> None:
    """Refuse formats with which the service takes no data.

    :param disk: the disk format
    :param container: the container format
    :raises InvalidInput: if one is missing, or they do not go together
    """
    amazon_pair(disk, container)
    missing = [label for label, kind in (("disk", disk), ("container", container)) if not kind]
    if missing:
        raise InvalidInput(f"data needs a {' and a '.join(missing)} format (say raw and bare)")


def check_properties(properties: Mapping[str, str | None]) -> None:
    """Refuse properties that headers cannot carry as they are.

    :param properties: names and values; None and an empty text are null
    :raises InvalidInput: if there are too many, or one would be lost or changed
    """
    if len(properties) > _MOST_PROPERTIES:
        raise InvalidInput(
            f"an image has {_MOST_PROPERTIES} properties at most, not {len(properties)}"
        )
    total = 0
    for name, value in properties.items():
        total += _check_property(name, value)
    if total > _LARGEST_HEAD:
        raise InvalidInput(
            f"the properties have {total} bytes in all, the service takes no more than "
            f"{_LARGEST_HEAD} in one request"
        )


def _check_property(name: str, value: str | None) -> int:
    """Return the bytes that a property takes."""
    shown = printable(name)
    if not name:
        raise InvalidInput("the name of a property is empty")
    if len(name) > _LONGEST_NAME:
        raise InvalidInput(
            f"the property name '{shown[:40]}...' has {len(name)} characters, {_LONGEST_NAME} is "
            "the most"
        )
    stored = name.lower().replace("-", "_")
    if stored != name and not set(stored) - _PROPERTY_NAME:
        raise InvalidInput(
            f"the Image API v1 would store the property '{shown}' as '{printable(stored)}': use "
            "that name"
        )
    wrong = sorted(set(name) - _PROPERTY_NAME)
    if wrong:
        raise InvalidInput(
            f"the property name '{shown}' has '{printable(wrong[0])}', which the Image API v1 "
            "cannot carry: use lower case letters, digits, '_' and '.'"
        )
    label = f"value of property '{shown}'"
    _check_text(label, value)
    # Each line has the prefix, a colon, a space and a line end.
    line = len("x-image-meta-property-") + len(name) + len((value or "").encode()) + 4
    if line > _LONGEST_LINE:
        raise InvalidInput(
            f"the {label} is too long: the service takes lines of {_LONGEST_LINE} bytes"
        )
    return line


# What a database does with properties


def folding(names: Iterable[str]) -> list[list[str]]:
    """Return the names of properties that a database like MySQL takes for the same, in groups.

    It compares without case, accents and blanks at the end, and an image cannot have two names of
    a group: services answer 500 to that.

    :param names: names of properties; those of one that was removed from the image count too
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_collated(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _collated(name: str) -> str:
    plain = unicodedata.normalize("NFD", name.rstrip(" "))
    return "".join(char for char in plain if not unicodedata.combining(char)).upper()


def too_long(properties: Mapping[str, str | None]) -> list[str]:
    """Return the names of properties whose values are over the 65,535 bytes that MySQL stores.

    :param properties: names and values
    """
    return [
        name
        for name, value in properties.items()
        if len((value or "").encode(errors="replace")) > _LARGEST_VALUE
    ]


def doubts_of(
    properties: Mapping[str, str | None], there: Iterable[str] | None = None
) -> list[str]:
    """Return what a database like MySQL may have against properties that a service fails to write.

    :param properties: what is written
    :param there: the names of those that the image has, None where it has had none before
    :returns: clauses
    """
    known = set(there or ())
    doubts = [
        f"a database like MySQL takes {_named(group)} for the same name, which an image can have "
        "once"
        for group in folding((*known, *properties))
        if not known.issuperset(group)
    ]
    if long := too_long(properties):
        doubts.append(
            f"a database like MySQL stores {_LARGEST_VALUE} bytes of a value, and that of "
            f"{_named(long)} is longer"
        )
    if not doubts and there is not None and properties.keys() - known:
        doubts.append(
            "a database like MySQL takes no property whose name differs from another one's in "
            "case, accents or blanks at its end alone, even if that was removed from the image"
        )
    return doubts


def _named(names: Iterable[str]) -> str:
    return " and ".join(f"'{printable(name)}'" for name in names)


def _check_text(label: str, text: str | None) -> None:
    """Refuse a text that a header cannot carry."""
    if text is None:
        return
    if not is_text(text):
        raise InvalidInput(f"the {label} '{printable(text)}' is no valid text")
    if control := _CONTROL.search(text):
        what = {"\n": "a line break", "\r": "a line break"}.get(
            control[0], f"the control character {printable(control[0])}"
        )
        raise InvalidInput(f"the {label} has {what}, which the Image API v1 cannot carry")
    if wide := _FOUR_BYTES.search(text):
        raise InvalidInput(
            f"the {label} has '{printable(wide[0])}' (U+{ord(wide[0]):X}): the service takes "
            "no characters above U+FFFF"
        )
    if text != text.strip(" \t"):
        raise InvalidInput(
            f"the {label} '{printable(text)}' begins or ends with white space, which the Image "
            "API v1 would cut off"
        )


def _check_number(label: str, number: int | None, most: int) -> None:
    if number is not None and not 0 <= number <= most:
        raise InvalidInput(f"{label} is {number}, must be from 0 to {most}")


# Headers of the Image API v1

_PREFIX = "x-image-meta-"
_PROPERTY = "property-"
_NUMBERS = frozenset(("size", "min_disk", "min_ram", "virtual_size"))
_BOOLEANS = frozenset(("is_public", "protected", "deleted"))


def _decode(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _value(name: str, text: str) -> Any:
    if name in _NUMBERS:
        return int_or_none(text)
    if name in _BOOLEANS:
        return bool_or_none(text)
    # Some services send an empty header for a null; an image's name may be empty.
    return text if text or name == "name" else None


def record_from_headers(headers: Iterable[tuple[str, str]]) -> Record:
    """Return the record of an image from an answer's headers.

    :param headers: name and value of each header line, as Python's HTTP layer shows them
    :returns: a record as a detailed list has it. Null fields and null properties are absent, the
        service does not send them, and property names are in lower case
    """
    record: Record = {}
    properties: dict[str, str] = {}
    for name, text in headers:
        field = _decode(name).lower()
        if not field.startswith(_PREFIX):
            continue
        field = field[len(_PREFIX) :]
        if field.startswith(_PROPERTY):
            properties[field[len(_PROPERTY) :]] = _decode(text)
        else:
            field = field.replace("-", "_")
            record[field] = _value(field, _decode(text))
    return {**record, "properties": properties}


def headers_from_fields(fields: ImageFields) -> dict[str, str]:
    """Return the headers that carry fields to be written.

    :param fields: what is to be written; they are checked already
    :returns: headers as Python's HTTP layer takes them
    """
    headers = {
        _PREFIX + name.replace("_", "-"): _encode(value)
        for name in _WRITTEN
        if (value := getattr(fields, name)) is not None
    }
    if fields.copy_from is not None:
        headers["x-glance-api-copy-from"] = _encode(fields.copy_from)
    for name, text in fields.properties.items():
        headers[_PREFIX + _PROPERTY + name.replace("_", "-")] = _encode(text or "")
    return headers


def _read(name: str, value: Any) -> Any:
    """Return a field of a record as a model has it; an empty text is what null is."""
    if name in _NUMBERS:
        return int_or_none(value)
    if name in _BOOLEANS:
        return bool_or_none(value)
    text = text_or_none(value) or None
    return text.lower() if text and name == "checksum" else text


def not_stored(fields: ImageFields, record: Record) -> list[str]:
    """Return what a service has not stored as it was asked to.

    :param fields: what was to be written
    :param record: the service's record after that; fields that it does not have are not looked at
    """
    wrong = [
        name
        for name in _STORED
        if (asked := getattr(fields, name)) is not None
        and name in record
        and _read(name, record[name]) != _read(name, asked)
    ]
    stored = record.get("properties")
    if isinstance(stored, dict):
        wrong += [
            f"property {name}"
            for name, asked in fields.properties.items()
            if text_or_none(stored.get(name)) != (asked or None)
        ]
    return wrong


def stored_image(fields: ImageFields, record: Record, action: str) -> ImageDetail:
    """Return the image of an answer, if it has what it was to get.

    :param fields: what was to be written
    :param record: the service's record after that
    :param action: what was being done, as the beginning of an error's sentence
    :raises NotStored: if the service has stored something else
    """
    wrong = not_stored(fields, record)
    if wrong:
        hint = " (only an admin chooses the owner)" if "owner" in wrong else ""
        raise NotStored(
            f"{action} as asked: the service has not stored {printable(', '.join(wrong))}{hint}"
        )
    return ImageDetail.from_record(record)


_STORED = (
    "name",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "size",
    "checksum",
    "owner",
    "is_public",
    "protected",
)
_WRITTEN = (*_STORED, "store", "location")


def _encode(value: str | int | bool) -> str:
    return str(value).encode().decode("latin-1")


# Metadata through the Compute service's proxy

_KEY = re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}", re.ASCII)
_LONGEST_VALUE = 255
_MOST_KEYS = 128

# Nova hands metadata to the image service as fields of the image. Those that it sets itself win,
# without a word (seen with Nova 34).
_DROPPED = frozenset(
    "id image_id name owner visibility checksum container_format disk_format min_disk min_ram "
    "remove_props".split()
)
# These the image service refuses: Nova answers 403 or 500, for location only after it has changed
# the image.
_REFUSED = frozenset(
    "status size virtual_size location locations created_at updated_at deleted deleted_at "
    "protected tags file self schema direct_url".split()
)
# Nova leaves these as they are when they are to be one of these values.
_BOOT_IMAGES = frozenset(("kernel_id", "ramdisk_id"))
_NO_BOOT_IMAGE = frozenset(("", "none"))
# These it decodes each time that it reads the image, and fails with all else than JSON.
_JSON = frozenset(("block_device_mapping", "mappings"))


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse metadata that the Compute service would refuse, or drop in silence.

    :param metadata: keys and values
    :raises InvalidInput: if there is too much, or a key or value cannot be written
    """
    if len(metadata) > _MOST_KEYS:
        raise InvalidInput(f"an image has {_MOST_KEYS} properties at most, not {len(metadata)}")
    for key, value in metadata.items():
        _check_key(key)
        _check_value(key, value)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        _refuse(
            key, "is no key of metadata: use 1 to 255 of a-z, A-Z, 0-9, '-', '_', ':', '.', ' '"
        )
    if key != key.strip():
        _refuse(key, "begins or ends with a blank, which would be cut off")
    if key in (".", ".."):
        _refuse(key, "could never be removed again: no URL can name it")
    if key in _DROPPED:
        _refuse(
            key,
            "is a field of the image, and the Compute service would drop it without a word: use "
            "'openstack image set' or 'openstack image v1 set'",
        )
    if key in _REFUSED:
        _refuse(key, "is a field of the image, which the Compute service cannot change")


def _check_value(key: str, value: str) -> None:
    if len(value) > _LONGEST_VALUE:
        _refuse(key, f"has {len(value)} characters, {_LONGEST_VALUE} is the most here")
    if not is_text(value):
        _refuse(key, "is no valid text")
    if "\0" in value or _FOUR_BYTES.search(value):
        _refuse(key, "has a character that the image service does not take: NUL or above U+FFFF")
    if key in _JSON and not _is_json(value):
        _refuse(key, "must be JSON, else the Compute service can no longer read the image")
    if key in _BOOT_IMAGES and value.strip().lower() in _NO_BOOT_IMAGE:
        _refuse(
            key,
            f"cannot be '{printable(value)}', which the Compute service would drop without a "
            "word: remove it with 'openstack compute image unset'",
        )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(key: str, why: str) -> NoReturn:
    shown = printable(key) if len(key) <= _LONGEST_VALUE else printable(key[:40]) + "..."
    raise InvalidInput(f"property '{shown}' {why}")
