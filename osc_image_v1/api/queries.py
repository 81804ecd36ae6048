"""What a list may be asked for: checked values that become parameters and filters.

A filter that the service knows becomes a parameter, and all filters are checks of each record that
it sends: services ignore what they do not know, and databases compare without case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from osc_image_v1.api import filters
from osc_image_v1.api.filters import Check
from osc_image_v1.api.models import (
    ACTIVE,
    DEACTIVATED,
    DELETED,
    GONE,
    HIDDEN,
    KILLED,
    PENDING_DELETE,
    QUEUED,
    SAVING,
)
from osc_image_v1.api.records import check_fields, check_value, format_time
from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import is_text, is_uuid, printable

#: The most records that a service gives in one answer.
MAX_PAGE_SIZE = 1000

#: Names and values of query parameters; several values go with the name repeated.
Params = dict[str, str | list[str]]


class SortKey(str, Enum):
    """What the Image API v1 sorts by; the words of the API, ``"name"`` say, do as well."""

    NAME = "name"
    STATUS = "status"
    CONTAINER_FORMAT = "container_format"
    DISK_FORMAT = "disk_format"
    SIZE = "size"
    ID = "id"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"

    __str__ = str.__str__


class SortDirection(str, Enum):
    """In which direction a list is sorted; the words of the API do as well."""

    ASC = "asc"
    DESC = "desc"

    __str__ = str.__str__


#: The words of :class:`SortKey`.
SORT_KEYS = tuple(key.value for key in SortKey)

#: The states of an image in the Image API v1.
STATUSES = (QUEUED, SAVING, ACTIVE, KILLED, DELETED, PENDING_DELETE, DEACTIVATED)

#: The states of an image as the Compute service reports them.
COMPUTE_STATUSES = ("ACTIVE", "SAVING", "DELETED", "ERROR", "UNKNOWN")

# The most that the columns of Glance's tables hold: PostgreSQL fails on more.
_MOST = 2**31 - 1
_MOST_BYTES = 2**63 - 1
# Types of images in the Compute service's old API, of which the image service knows nothing.
_OLD_TYPES = ("ALL", "BASE", "SERVER")
# What records of a brief list have.
_BRIEF_FIELDS = frozenset(("id", "name", "size", "disk_format", "container_format", "checksum"))


def ids_like(text: str) -> list[str]:
    """Return the IDs that a text may be: as it is, then in lower case; none where it is a name.

    Some clouds have IDs in upper case, the IDs of old ones are numbers.

    :param text: a name or ID that a person wrote
    """
    check_value("the image's name or ID", text, str)
    if not (is_uuid(text) or (text.isascii() and text.isdecimal())):
        return []
    return list(dict.fromkeys((text, text.lower())))


def _check_count(name: str, value: int | None, least: int, most: int | None = None) -> None:
    if value is None:
        return
    if value < least or (most is not None and value > most):
        bounds = f"from {least} to {most}" if most is not None else f"{least} or more"
        raise InvalidInput(f"{name} is {value}, must be {bounds}")


def _check_paging(query: ImageQuery | ComputeImageQuery, reserved: Iterable[str]) -> None:
    check_fields(query)
    _check_count("limit", query.limit, 0)
    _check_count("page size", query.page_size, 1, MAX_PAGE_SIZE)
    _check_count("minimum disk", query.min_disk, 0)
    _check_count("minimum RAM", query.min_ram, 0)
    if query.changes_since is not None and query.changes_since.tzinfo is None:
        raise InvalidInput("changes_since must be an aware datetime")
    for value in (*vars(query).values(), *query.properties, *query.properties.values()):
        if isinstance(value, str) and not is_text(value):
            raise InvalidInput(f"'{printable(value)}' is no valid text")
    for name in query.extra:
        if name in reserved:
            raise InvalidInput(
                f"'{printable(name)}' is no extra parameter, the query has a field for it"
            )


@dataclass(frozen=True)
class ImageQuery:
    """A list of the Image API v1.

    :ivar name: exactly this name
    :ivar name_patterns: patterns of a shell (``*``, ``?``, ``[...]``) of which the name, in this
        case, fits one
    :ivar excluded: such patterns of which neither name nor ID fits any
    :ivar status: exactly this status, one of :data:`STATUSES`; ``killed``, ``deleted`` and
        ``pending_delete`` are listed with all changes since 1970, where the service keeps them
    :ivar container_format: exactly this container format
    :ivar disk_format: exactly this disk format
    :ivar min_size: bytes, at least
    :ivar max_size: bytes, at most
    :ivar min_disk: GB, exactly this minimum disk
    :ivar min_ram: MB, exactly this minimum RAM
    :ivar protected: only protected or only unprotected images
    :ivar visibility: ``public``, ``private`` or ``all``; None is the service's default: public
        images, one's own and those shared with one
    :ivar owner: ID of the project that owns the image
    :ivar checksum: MD5 of the data
    :ivar properties: names and values that the image must have, exactly
    :ivar changes_since: changed later than this, or in the same second where a time has no
        fraction; lists deleted and killed images too
    :ivar deleted: only deleted, or only images that are not deleted
    :ivar ids: only images with one of these IDs
    :ivar sort_key: one of :data:`SORT_KEYS`; by default the service's order, newest first
    :ivar sort_dir: ``asc``, the default with a sort key, or ``desc``
    :ivar then_by: further sort keys, each with ``asc`` or ``desc``, for what is equal by those
        before; such a list is sorted here
    :ivar marker: ID of the image after which the list begins
    :ivar limit: the most images in all
    :ivar page_size: the most images that one request asks for, up to 1000
    :ivar extra: further parameters, sent as they are; several values go with the name repeated
    :raises InvalidInput: for a value that the service would refuse or misread, or of another type

    A class made from this one may say otherwise what is sent, see :meth:`params`.

    https://docs.openstack.org/api-ref/image/v1/#list-images
    """

    name: str | None = None
    name_patterns: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    status: str | None = None
    container_format: str | None = None
    disk_format: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    protected: bool | None = None
    visibility: Literal["public", "private", "all"] | None = None
    owner: str | None = None
    checksum: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    changes_since: datetime | None = None
    deleted: bool | None = None
    ids: frozenset[str] | None = None
    sort_key: SortKey | str | None = None
    sort_dir: SortDirection | Literal["asc", "desc"] | None = None
    then_by: Sequence[tuple[SortKey | str, SortDirection | Literal["asc", "desc"]]] = ()
    marker: str | None = None
    limit: int | None = None
    page_size: int = MAX_PAGE_SIZE
    extra: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_paging(self, _IMAGE_PARAMETERS)
        _check_count("minimum size", self.min_size, 0)
        _check_count("maximum size", self.max_size, 0)
        least, most = self.min_size, self.max_size
        if least is not None and most is not None and least > most:
            raise InvalidInput(f"minimum size {least} is over maximum size {most}")
        if self.status is not None and self.status not in STATUSES:
            raise InvalidInput(
                f"status '{printable(self.status)}' is none of {', '.join(STATUSES)}"
            )
        if self.visibility not in (None, "public", "private", "all"):
            raise InvalidInput(
                f"visibility '{printable(self.visibility)}' is none of public, private, all"
            )
        self._check_order()
        if self.deleted and self.status not in (None, *GONE):
            raise InvalidInput(f"no deleted image has the status {self.status}")
        if self.marker is not None and not ids_like(self.marker):
            raise InvalidInput(f"marker '{printable(self.marker)}' is no image ID (a UUID)")

    def _check_order(self) -> None:
        keys = [key for key in (self.sort_key, *(key for key, _ in self.then_by)) if key]
        for key in keys:
            if key not in SORT_KEYS:
                raise InvalidInput(f"sort key '{printable(key)}' is none of {', '.join(SORT_KEYS)}")
            if keys.count(key) > 1:
                raise InvalidInput(f"sort key '{key}' is given twice")
        for direction in (self.sort_dir, *(direction for _, direction in self.then_by)):
            if direction not in (None, "asc", "desc"):
                raise InvalidInput(
                    f"sort direction '{printable(direction)}' is neither asc nor desc"
                )
        if self.then_by and self.sort_key is None:
            raise InvalidInput("then_by is for what is equal by sort_key, and there is none")

    @property
    def needs_detail(self) -> bool:
        """Whether filters, or the order that is made here, read fields of no brief record."""
        read = [key for key, _predicate in self.checks()] + [key for key, _ in self.then_by]
        if self.then_by:
            read.append(str(self.sort_key))
        return any(key not in _BRIEF_FIELDS for key in read)

    @property
    def has_delicate_text(self) -> bool:
        """Whether text beyond ASCII is sent, which Glance on Python 2 answers with a 500."""
        return not all(key.isascii() and text.isascii() for key, text in self._texts().items())

    def _texts(self) -> dict[str, str]:
        """Return the exact-match filters that the service can be trusted with.

        Glance reads ``in:``, ``eq:`` and the like before a colon, and fails on what it does not
        know: a value with a colon is compared here alone. So is an empty one: Glance of Havana
        finds nothing by it.
        """
        named = {
            "name": self.name,
            "status": self.status,
            "container_format": self.container_format,
            "disk_format": self.disk_format,
        }
        texts = {key: text for key, text in named.items() if text and ":" not in text}
        for key, text in self.properties.items():
            texts[f"property-{key}"] = text
        return texts

    def _changes_since(self) -> datetime | None:
        if self.changes_since is not None:
            return filters.since_before(self.changes_since)
        return filters.EPOCH if self.deleted or self.status in HIDDEN else None

    def _is_public(self) -> str | None:
        # An admin who asks for neither gets public and own images only, not those of the project
        # or the members that are asked for.
        visibility = self.visibility
        if visibility is None and (self.owner is not None or self.ids is not None):
            visibility = "all"
        return {None: None, "public": "true", "private": "false", "all": "none"}[visibility]

    def params(self, texts: bool = True) -> Params:
        """Return the service's parameters but for marker and limit.

        Meant to be overridden for a service that knows more: add to what this returns. What is
        sent does not change what the records are checked for.

        :param texts: whether to leave the comparison of text to the service
        """
        changes_since = self._changes_since()
        values: dict[str, Any] = {
            "size_min": _sent(self.min_size, _MOST_BYTES),
            "size_max": _sent(self.max_size, _MOST_BYTES),
            "min_disk": _sent(self.min_disk, _MOST),
            "min_ram": _sent(self.min_ram, _MOST),
            "protected": None if self.protected is None else str(self.protected).lower(),
            "is_public": self._is_public(),
            "changes-since": changes_since and format_time(changes_since),
            "sort_key": self.sort_key,
            "sort_dir": self.sort_dir or ("asc" if self.sort_key else None),
        }
        sent = {key: str(value) for key, value in values.items() if value is not None}
        return {**sent, **(self._texts() if texts else {}), **_listed(self.extra)}

    def checks(self) -> list[Check]:
        """Return what a record must pass, each with the name of the field that it reads."""
        checks = [
            filters.text_is(key, wanted)
            for key in ("name", "container_format", "disk_format", "owner")
            if (wanted := getattr(self, key)) is not None
        ]
        checks += [
            filters.word_is(key, wanted)
            for key in ("status", "checksum")
            if (wanted := getattr(self, key)) is not None
        ]
        checks += [
            filters.number_is(key, wanted)
            for key in ("min_disk", "min_ram")
            if (wanted := getattr(self, key)) is not None
        ]
        if self.min_size is not None or self.max_size is not None:
            checks.append(filters.number_within("size", self.min_size, self.max_size))
        if self.visibility in ("public", "private"):
            checks.append(filters.flag_is("is_public", self.visibility == "public"))
        checks += [
            filters.flag_is(key, wanted)
            for key in ("protected", "deleted")
            if (wanted := getattr(self, key)) is not None
        ]
        if self.ids is not None:
            checks.append(filters.is_among("id", self.ids))
        if self.name_patterns:
            checks.append(filters.fits_any(("name",), self.name_patterns))
        if self.excluded:
            checks.append(filters.fits_none(("name", "id"), self.excluded))
        if self.changes_since is not None:
            times = ("updated_at", "deleted_at", "created_at")
            checks.append(filters.changed_after(times, self.changes_since))
        properties = self.properties.items()
        return checks + [filters.property_is("properties", *item) for item in properties]

    def narrows_here(self, texts: bool = True) -> bool:
        """Tell whether there is a filter that no service applies, or none that is right.

        :param texts: as for :meth:`params`
        """
        here = (self.owner, self.checksum, self.deleted, self.ids)
        named = (self.name, self.status, self.container_format, self.disk_format)
        given = [text for text in named if text is not None]
        return (
            any(value is not None for value in here)
            or bool(self.name_patterns or self.excluded)
            or self.visibility in ("public", "private")
            or any(not text or ":" in text for text in given)
            or (not texts and bool(given or self.properties))
        )


@dataclass(frozen=True)
class ComputeImageQuery:
    """A list of the Compute service's image proxy.

    :ivar name: exactly this name
    :ivar status: one of :data:`COMPUTE_STATUSES`
    :ivar server: UUID or URL of the server that the image was made from
    :ivar image_type: ``snapshot`` or ``backup``, the image's ``image_type``; or a word of the old
        API: ``SERVER`` for what was made from a server, ``BASE`` for what was not, ``ALL``
    :ivar min_disk: GB, exactly this minimum disk
    :ivar min_ram: MB, exactly this minimum RAM
    :ivar properties: names and values of metadata that the image must have, exactly
    :ivar changes_since: changed at this time or later, or in the same second
    :ivar marker: ID of the image after which the list begins
    :ivar limit: the most images in all
    :ivar page_size: the most images that one request asks for, up to 1000
    :ivar extra: further parameters, sent as they are with each request; several values go with
        the name repeated
    :raises InvalidInput: for a value that the service would refuse or misread, or of another type

    A class made from this one may say otherwise what is sent, see :meth:`params`.

    https://docs.openstack.org/api-ref/compute/#list-images
    """

    name: str | None = None
    status: str | None = None
    server: str | None = None
    image_type: str | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    changes_since: datetime | None = None
    marker: str | None = None
    limit: int | None = None
    page_size: int = MAX_PAGE_SIZE
    extra: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_paging(self, _COMPUTE_PARAMETERS)
        if self.status is not None and self.status not in COMPUTE_STATUSES:
            raise InvalidInput(
                f"status '{printable(self.status)}' is none of {', '.join(COMPUTE_STATUSES)}"
            )
        if self.marker is not None and not self.marker:
            raise InvalidInput("the marker is empty, must be an image ID")

    def params(self) -> Params:
        """Return the service's parameters but for marker and limit.

        Meant to be overridden for a service that knows more: add to what this returns. What is
        sent does not change what the records are checked for.

        Nova hands status to the image service, whose words differ: only ACTIVE means the same.
        It refuses names with a colon and never matches many a ``property-``.
        """
        name = self.name if self.name and ":" not in self.name else None
        values: dict[str, Any] = {
            "name": name,
            "status": self.status if self.status == "ACTIVE" else None,
            "server": self.server,
            "type": None if self.image_type in _OLD_TYPES else self.image_type,
            "minDisk": _sent(self.min_disk, _MOST),
            "minRam": _sent(self.min_ram, _MOST),
            "changes-since": self.changes_since
            and format_time(filters.since_before(self.changes_since)),
        }
        sent = {key: str(value) for key, value in values.items() if value is not None}
        return {**sent, **_listed(self.extra)}

    def checks(self) -> list[Check]:
        """Return what a record must pass, each with the name of the field that it reads."""
        checks: list[Check] = []
        if self.name is not None:
            checks.append(filters.text_is("name", self.name))
        if self.status is not None:
            checks.append(filters.word_is("status", self.status))
        if self.server is not None:
            checks.append(filters.property_is("server", "id", last_segment(self.server)))
        if self.image_type in _OLD_TYPES:
            if self.image_type != "ALL":
                checks.append(filters.has_object("server", self.image_type == "SERVER"))
        elif self.image_type is not None:
            checks.append(filters.property_is("metadata", "image_type", self.image_type))
        if self.min_disk is not None:
            checks.append(filters.number_is("minDisk", self.min_disk))
        if self.min_ram is not None:
            checks.append(filters.number_is("minRam", self.min_ram))
        if self.changes_since is not None:
            times = ("updated", "created")
            checks.append(filters.changed_after(times, self.changes_since, or_then=True))
        return checks + [filters.property_is("metadata", *item) for item in self.properties.items()]

    def narrows_here(self) -> bool:
        """Tell whether a page may lose rows to filters that the service does not apply."""
        return (
            bool(self.properties)
            or self.image_type in ("BASE", "SERVER")
            or self.status not in (None, "ACTIVE")
            or (self.name is not None and (not self.name or ":" in self.name))
        )


def _listed(extra: Mapping[str, str | Sequence[str]]) -> Params:
    return {name: value if isinstance(value, str) else list(value) for name, value in extra.items()}


def _sent(number: int | None, most: int) -> int | None:
    """Return what is sent of a number; what is over the most is none of the service's either."""
    return None if number is None else min(number, most)


_IMAGE_PARAMETERS = frozenset(
    (
        "name status container_format disk_format size_min size_max min_disk min_ram protected "
        "is_public changes-since sort_key sort_dir marker limit"
    ).split()
)
_COMPUTE_PARAMETERS = frozenset(
    "name status server type minDisk minRam changes-since marker limit".split()
)


def last_segment(url: str) -> str:
    """Return what comes last in the path of a URL, a server's ID say."""
    return url.rstrip("/").rpartition("/")[2]
