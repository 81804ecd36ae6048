"""Images and members as the two services report them.

Every ``from_record`` takes what a service sent and never fails: a field that is missing or of
another type is None, an unknown one is kept in ``extra``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from osc_image_v1.api.records import (
    Record,
    bool_or_none,
    int_or_none,
    mapping,
    parse_server_time,
    text_or_none,
)

# The states of an image in the Image API v1.
QUEUED = "queued"
SAVING = "saving"
ACTIVE = "active"
KILLED = "killed"
DELETED = "deleted"
PENDING_DELETE = "pending_delete"
DEACTIVATED = "deactivated"

#: States of images that are gone, or about to go.
GONE = frozenset((DELETED, PENDING_DELETE))
#: States of images that lists leave out unless they are asked for.
HIDDEN = GONE | {KILLED}
#: States of images whose data is still to come.
PASSING = frozenset((QUEUED, SAVING))
#: States of images that have no data: there is nothing to fetch, and nothing is missing.
WITHOUT_DATA = HIDDEN | PASSING
#: States of images that have their data.
WITH_DATA = frozenset((ACTIVE, DEACTIVATED))
#: States in which a service is at work on an image's data; the last two are of the Image API v2.
BUSY = frozenset((SAVING, "uploading", "importing"))
#: What the Compute service makes of a state; of any other one, UNKNOWN.
IN_COMPUTE = {
    ACTIVE: "ACTIVE",
    QUEUED: "SAVING",
    SAVING: "SAVING",
    KILLED: "ERROR",
    DELETED: "DELETED",
    PENDING_DELETE: "DELETED",
}


@dataclass(frozen=True)
class Image:
    """An image as brief lists of the Image API v1 have it.

    :ivar id: the image's ID
    :ivar name: its name, need not be unique
    :ivar disk_format: ``raw``, ``qcow2``...
    :ivar container_format: ``bare``, ``ovf``...
    :ivar size: bytes of data
    :ivar checksum: MD5 of the data, None before there is data or where the service never saw it
    :ivar extra: fields that this class does not know

    https://docs.openstack.org/api-ref/image/v1/#list-images
    """

    id: str
    name: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None
    checksum: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Record) -> Image:
        """Return the image of a brief record."""
        return cls(**_brief(record), extra=_unknown(record, _BRIEF_FIELDS))


@dataclass(frozen=True)
class ImageDetail(Image):
    """An image of the Image API v1 with all its metadata.

    :ivar status: ``queued``, ``saving``, ``active``, ``killed``, ``deleted``...
    :ivar created_at: aware, UTC
    :ivar updated_at: aware, UTC
    :ivar deleted: whether it is deleted
    :ivar deleted_at: aware, UTC
    :ivar is_public: whether all projects may use it
    :ivar protected: whether it is kept from being deleted
    :ivar min_disk: GB that a server needs
    :ivar min_ram: MB that a server needs
    :ivar owner: ID of the project that owns it
    :ivar properties: further metadata; a null value is None, but see
        :meth:`~osc_image_v1.api.image_v1.ImageClient.get`
    :ivar virtual_size: bytes of the disk in the image, where the service knows

    https://docs.openstack.org/api-ref/image/v1/#list-images-with-details
    """

    status: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted: bool | None = None
    deleted_at: datetime | None = None
    is_public: bool | None = None
    protected: bool | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    owner: str | None = None
    properties: Mapping[str, str | None] = field(default_factory=dict)
    virtual_size: int | None = None

    @classmethod
    def from_record(cls, record: Record) -> ImageDetail:
        """Return the image of a detailed record."""
        return cls(
            **_brief(record),
            status=text_or_none(record.get("status")),
            created_at=parse_server_time(record.get("created_at")),
            updated_at=parse_server_time(record.get("updated_at")),
            deleted=bool_or_none(record.get("deleted")),
            deleted_at=parse_server_time(record.get("deleted_at")),
            is_public=bool_or_none(record.get("is_public")),
            protected=bool_or_none(record.get("protected")),
            min_disk=int_or_none(record.get("min_disk")),
            min_ram=int_or_none(record.get("min_ram")),
            owner=text_or_none(record.get("owner")),
            properties={
                key: text_or_none(value) for key, value in mapping(record.get("properties")).items()
            },
            virtual_size=int_or_none(record.get("virtual_size")),
            extra=_unknown(record, _DETAIL_FIELDS),
        )


@dataclass(frozen=True)
class Member:
    """A project that an image is shared with.

    :ivar member_id: ID of the project
    :ivar can_share: whether the project may share the image in turn

    https://docs.openstack.org/api-ref/image/v1/#list-image-members
    """

    member_id: str
    can_share: bool = False


ImageT = TypeVar("ImageT")


class ImagePage(list[Record], Generic[ImageT]):
    """A page of a list: its records as the service sent them, and the images that they are.

    :param records: what the filters have left of what the service sent
    :param kind: makes an image of a record
    """

    def __init__(self, records: Iterable[Record], kind: Callable[[Record], ImageT]) -> None:
        super().__init__(records)
        self._kind = kind

    @property
    def images(self) -> list[ImageT]:
        """The images of the page."""
        return list(map(self._kind, self))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on the page, so that the list is at its end."""
        return not self

    @property
    def next_marker(self) -> str | None:
        """The marker with which a list goes on after this page, None where it is at its end."""
        return str(self[-1]["id"]) if self else None


@dataclass(frozen=True)
class ComputeImage:
    """An image as the Compute service reports it.

    :ivar id: the image's ID, not always a UUID
    :ivar name: its name, need not be unique
    :ivar status: ``ACTIVE``, ``SAVING``, ``ERROR``, ``DELETED`` or ``UNKNOWN``
    :ivar progress: percent
    :ivar size: bytes of data, where the service tells
    :ivar min_disk: GB that a server needs
    :ivar min_ram: MB that a server needs
    :ivar created_at: aware, UTC
    :ivar updated_at: aware, UTC
    :ivar metadata: the image's properties; mostly text, but lists and objects occur
    :ivar server_id: ID of the server that it is a snapshot or backup of
    :ivar disk_config: ``AUTO`` or ``MANUAL``, where the service tells
    :ivar extra: fields that this class does not know

    https://docs.openstack.org/api-ref/compute/#list-images-with-details
    """

    id: str
    name: str | None = None
    status: str | None = None
    progress: int | None = None
    size: int | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    server_id: str | None = None
    disk_config: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: Record) -> ComputeImage:
        """Return the image of a record of the image proxy."""
        return cls(
            id=str(record.get("id")),
            name=text_or_none(record.get("name")),
            status=text_or_none(record.get("status")),
            progress=int_or_none(record.get("progress")),
            size=int_or_none(record.get("OS-EXT-IMG-SIZE:size")),
            min_disk=int_or_none(record.get("minDisk")),
            min_ram=int_or_none(record.get("minRam")),
            created_at=parse_server_time(record.get("created")),
            updated_at=parse_server_time(record.get("updated")),
            metadata=dict(mapping(record.get("metadata"))),
            server_id=text_or_none(mapping(record.get("server")).get("id")),
            disk_config=text_or_none(record.get("OS-DCF:diskConfig")),
            extra=_unknown(record, _COMPUTE_FIELDS),
        )


def _brief(record: Record) -> dict[str, Any]:
    return {
        "id": str(record.get("id")),
        "name": text_or_none(record.get("name")),
        "disk_format": text_or_none(record.get("disk_format")),
        "container_format": text_or_none(record.get("container_format")),
        "size": int_or_none(record.get("size")),
        "checksum": text_or_none(record.get("checksum")),
    }


def _unknown(record: Record, known: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in known}


_BRIEF_FIELDS = frozenset(Image.__dataclass_fields__) - {"extra"}
_DETAIL_FIELDS = frozenset(ImageDetail.__dataclass_fields__) - {"extra"}
_COMPUTE_FIELDS = frozenset(
    "id name status progress OS-EXT-IMG-SIZE:size minDisk minRam created updated metadata server "
    "OS-DCF:diskConfig links".split()
)


# The Image API v2

#: What the Image API v2 takes for an image's own fields; of anything else it makes a property.
V2_FIELDS = frozenset(
    "id name owner status visibility protected tags size virtual_size checksum disk_format "
    "container_format min_disk min_ram created_at updated_at os_hidden os_hash_algo os_hash_value "
    "direct_url self file schema locations stores".split()
)

_ALL_VISIBILITIES = frozenset(("public", "private", "shared", "community"))


@dataclass(frozen=True)
class Abilities:
    """What a service with the Image API v2 knows of images, which not all releases do.

    :ivar fields: the fields that an image has, None where the service does not tell
    :ivar visibilities: what an image can be; before Ocata (v2.5) ``public`` or ``private``, and
        what is private may have members
    :ivar deactivates: whether images can be deactivated, from Kilo (v2.3) on
    :ivar takes_ids: whether whoever makes an image may choose its ID, from Juno on
    :ivar takes_owners: whether an admin who makes an image may choose its owner, from Mitaka on
    :ivar disk_formats: those that it takes, None where it does not tell
    :ivar container_formats: those that it takes, None where it does not tell
    """

    fields: frozenset[str] | None = None
    visibilities: frozenset[str] = _ALL_VISIBILITIES
    deactivates: bool = True
    takes_ids: bool = True
    takes_owners: bool = True
    disk_formats: frozenset[str] | None = None
    container_formats: frozenset[str] | None = None

    @classmethod
    def of_schema(cls, schema: object) -> Abilities:
        """Return what a service's own schema of an image tells.

        :param schema: the decoded answer
        """
        properties = mapping(mapping(schema).get("properties"))
        if not properties:
            return cls()

        def words(name: str) -> frozenset[str] | None:
            enum = mapping(properties.get(name)).get("enum")
            listed = enum if isinstance(enum, list) else []
            return frozenset(word for word in listed if isinstance(word, str)) or None

        visibilities = words("visibility") or _ALL_VISIBILITIES
        statuses = words("status") or {DEACTIVATED}
        return cls(
            fields=frozenset(properties),
            visibilities=visibilities,
            deactivates=DEACTIVATED in statuses,
            # What came in between, no schema of an image tells.
            takes_ids=DEACTIVATED in statuses,
            takes_owners="shared" in visibilities,
            disk_formats=words("disk_format"),
            container_formats=words("container_format"),
        )

    def tells(self, field: str) -> bool:
        """Tell whether the service's images have a field.

        :param field: its name
        """
        return self.fields is None or field in self.fields


def properties_of(record: Record) -> dict[str, Any]:
    """Return the properties of a record, which are beside its fields.

    :param record: an image's record
    """
    return {name: value for name, value in record.items() if name not in V2_FIELDS}


def detail_of(record: Record) -> ImageDetail:
    """Return the image of a record, with the fields that the Image API v1 has.

    :param record: an image's record
    """
    public = record.get("visibility") == "public"
    properties = properties_of(record)
    return ImageDetail.from_record({**record, "is_public": public, "properties": properties})
