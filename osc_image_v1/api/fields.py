"""What may be written of an image: checked values.

The service stores some values otherwise than they were sent, in silence: it strips white space,
lower-cases names of properties, makes an empty text null. What would not be stored as it is, is
refused here; an empty text is allowed and means null.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable, without_secrets

#: Formats of the Amazon kind: container and disk format must be the same one.
AMAZON_FORMATS = ("ami", "aki", "ari")

# As the service has them by default.
_LONGEST_NAME = 255
_MOST_PROPERTIES = 128
_LONGEST_LINE = 16384
_LARGEST_HEAD = 60000

_LARGEST_INT = 2**31 - 1
_LARGEST_SIZE = 2**63 - 1

# RFC 9110 allows no control character but the tab.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")
# What a header's name may hold and keep: upper case becomes lower case, a hyphen an underscore.
_PROPERTY_NAME = frozenset(string.ascii_lowercase + string.digits + "!#$%&'*+.^_`|~")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_MD5 = re.compile("[0-9a-f]{32}")


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
        if self.checksum is not None and not _MD5.fullmatch(self.checksum):
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
    chosen = next((kind for kind in (disk, container) if kind in AMAZON_FORMATS), None)
    if chosen is None:
        return disk, container
    if disk not in (None, chosen) or container not in (None, chosen):
        raise InvalidInput(
            f"disk format '{printable(str(disk))}' and container format "
            f"'{printable(str(container))}' do not go together: ami, aki and ari must be the same "
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


def _check_text(label: str, text: str | None) -> None:
    """Refuse a text that a header cannot carry."""
    if text is None:
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"the {label} '{printable(text)}' is no valid text") from None
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
