"""How many images there are, how much they take, and what is wrong with them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import HIDDEN, KILLED, PASSING, WITH_DATA, ImageDetail
from osc_image_v1.api.records import (
    Record,
    as_checksum,
    bool_or_none,
    int_or_none,
    mapping,
    parse_server_time,
    text_or_none,
)
from osc_image_v1.exceptions import ImageHasNoData, ImageV1Error
from osc_image_v1.migrate.drafts import IMAGE_REFERENCES
from osc_image_v1.migrate.sources import from_service
from osc_image_v1.transfer.expected import expected_of, is_in_a_volume
from osc_image_v1.transfer.formats import is_looked_at
from osc_image_v1.transfer.many import PARALLEL, each_in_order
from osc_image_v1.transfer.outage import Outage, asks
from osc_image_v1.transfer.shards import Shard, index_of
from osc_image_v1.transfer.shelf import Scratch, packed, unpacked

# How long an image may wait for its data.
_PATIENCE = timedelta(days=1)
_NOT_PROVEN = "its size is 0, and no checksum proves that there is no data"


def _text(name: str) -> Callable[[Record], str | None]:
    return lambda record: text_or_none(record.get(name))


def _visibility(record: Record) -> str | None:
    public = bool_or_none(record.get("is_public"))
    return None if public is None else "public" if public else "private"


def _year(record: Record) -> str | None:
    moment = parse_server_time(record.get("created_at"))
    return None if moment is None else str(moment.year)


#: What images can be counted by, and what of a record says it.
GROUPS: Mapping[str, Callable[[Record], str | None]] = {
    "project": _text("owner"),
    "status": _text("status"),
    "disk-format": _text("disk_format"),
    "container-format": _text("container_format"),
    "visibility": _visibility,
    "year": _year,
}


@dataclass
class Group:
    """Images that have something in common.

    :ivar key: what that is, None where they lack it
    :ivar images: how many there are
    :ivar size: their bytes
    :ivar unsized: how many of them have data that nobody knows the size of
    """

    key: str | None
    images: int = 0
    size: int = 0
    unsized: int = 0

    def add(self, record: Record, *, stored: bool = False) -> None:
        """Count an image.

        :param record: the image, as a detailed list has it
        :param stored: whether bytes count of images alone that have data
        """
        has_data = text_or_none(record.get("status")) in WITH_DATA
        size = _size(record)
        self.images += 1
        self.size += size if has_data or not stored else 0
        self.unsized += has_data and size == 0 and _is_unsized(record)


def count(records: Iterable[Record], by: str) -> list[Group]:
    """Return the groups of images, the largest first; in memory are only the groups.

    :param records: the images, as a detailed list has them
    :param by: one of :data:`GROUPS`
    """
    key_of = GROUPS[by]
    groups: dict[str | None, Group] = {}
    for record in records:
        key = key_of(record)
        groups.setdefault(key, Group(key)).add(record)
    if by == "year":
        return sorted(groups.values(), key=lambda group: group.key or "")
    return sorted(groups.values(), key=lambda group: (-group.size, -group.images, group.key or ""))


def count_parts(records: Iterable[Record], parts: int) -> list[Group]:
    """Return the parts that an export or a copy can be divided into, the largest first.

    All are there, also those that no image is in. Counted are the bytes of images that have data:
    of the others an export has the metadata alone. In memory are only the parts.

    :param records: the images, as a detailed list has them
    :param parts: how many there are
    """
    groups = [Group(str(Shard(index, parts))) for index in range(1, parts + 1)]
    for record in records:
        groups[index_of(record["id"], parts) - 1].add(record, stored=True)
    return sorted(groups, key=lambda group: (-group.size, -group.images))


def _is_unsized(record: Record) -> bool:
    expected = expected_of(ImageDetail.from_record(record))
    return (expected.size is None or expected.size < 0) and not expected.in_a_volume


def share(part: int, whole: int) -> float:
    """Return a part as percent of the whole, with one decimal.

    :param part: bytes, or images
    :param whole: of all groups
    """
    return round(100 * part / whole, 1) if whole else 0.0


def _size(record: Record) -> int:
    return max(0, int_or_none(record.get("size")) or 0)


@dataclass(frozen=True)
class Problem:
    """Something that is, or may be, wrong with an image.

    :ivar kind: what it is
    :ivar detail: more of it
    """

    kind: str
    image_id: str
    name: str | None
    project: str | None
    detail: str


@dataclass
class _Brief:
    """As much of an image as problems that only show in the end need."""

    image_id: str
    name: str | None
    project: str | None


# All of those that have something in common, by the first one that has it.
_SHARING = (
    "SELECT images.id, images.name, images.project, shared.number, shared.{what}, first.id "
    "FROM (SELECT {what}, count(*) AS number, min(rowid) AS first FROM images "
    "WHERE {what} IS NOT NULL GROUP BY {what} HAVING count(*) >= ?) AS shared "
    "JOIN images ON images.{what} = shared.{what} "
    "JOIN images AS first ON first.rowid = shared.first "
    "ORDER BY shared.first, images.rowid"
)


class _Seen:
    """What was seen of all images, which is not in memory."""

    def __init__(self) -> None:
        self._rows = Scratch(
            "CREATE TABLE images (id BLOB NOT NULL UNIQUE, name BLOB, project BLOB, title BLOB, "
            "data BLOB, gone BLOB)",
            "CREATE TABLE named (image INTEGER, property TEXT, other BLOB)",
        )

    def add(self, brief: _Brief, record: Record, projects: Collection[str] | None) -> bool:
        """Remember an image; return whether it was not seen before."""
        row: list[bytes | None] = [packed(brief.image_id), None, None, None, None, None]
        is_there = text_or_none(record.get("status")) not in HIDDEN
        if is_there:
            checksum, size = as_checksum(text_or_none(record.get("checksum"))), _size(record)
            title = json.dumps([brief.project, brief.name]) if brief.name else None
            data = f"{checksum} {size}" if checksum is not None and size else None
            is_gone = projects is not None and brief.project not in projects
            texts = (brief.name, brief.project, title, data, brief.project if is_gone else None)
            row[1:] = [None if text is None else packed(text) for text in texts]
        if not self._rows.change("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?, ?)", *row):
            return False
        for reference in IMAGE_REFERENCES if is_there else ():
            other = mapping(record.get("properties")).get(reference)
            if isinstance(other, str) and other:
                self._rows.change(
                    "INSERT INTO named VALUES ((SELECT max(rowid) FROM images), ?, ?)",
                    reference,
                    packed(other),
                )
        return True

    def sharing(self, what: str, least: int = 2) -> Iterator[tuple[_Brief, int, str, str]]:
        """Yield the images that have something in common, those of one kind together.

        :param what: the column that has it
        :param least: how many are to have it
        :returns: the image, how many have the same, what that is, and the ID of the first one
        """
        for *image, number, same, first in self._rows.rows(_SHARING.format(what=what), least):
            yield _brief(*image), number, unpacked(same), unpacked(first)

    def named(self) -> Iterator[tuple[_Brief, str, str]]:
        """Yield the images that name others which were not seen: how, and which."""
        for *image, reference, other in self._rows.rows(
            "SELECT images.id, images.name, images.project, property, other FROM named "
            "JOIN images ON images.rowid = image WHERE other NOT IN (SELECT id FROM images)"
        ):
            yield _brief(*image), reference, unpacked(other)


def _brief(image_id: bytes, name: bytes | None, project: bytes | None) -> _Brief:
    texts = (None if stored is None else unpacked(stored) for stored in (name, project))
    return _Brief(unpacked(image_id), *texts)


def problems(
    records: Iterable[Record],
    projects: Collection[str] | None = None,
    exists: Callable[[str], bool] = lambda _id: False,
    now: datetime | None = None,
    look: Looks | None = None,
) -> Iterator[Problem]:
    """Yield what is wrong with images.

    :param records: the images, as a detailed list has them
    :param projects: IDs of all projects that there are, None where nobody may know
    :param exists: tells whether there is an image that was not among the records
    :param now: by default the present
    :param look: looks at their data, None where nobody does
    """
    now = now or datetime.now(timezone.utc)
    seen = _Seen()
    for record, found in look.all(records) if look else ((record, ()) for record in records):
        brief = _Brief(
            str(record["id"]), text_or_none(record.get("name")), text_or_none(record.get("owner"))
        )
        if seen.add(brief, record, projects):
            for kind, detail in (*_own_problems(record, now), *found):
                yield _problem(kind, brief, detail)
    yield from _shared_problems(seen, exists)


class Looks:
    """Looks at a few KiB of each image's data, as today's Glance does when it takes it.

    :param client: the service
    :param parallel: how many images are looked at at a time
    """

    def __init__(self, client: ImageClient, parallel: int = PARALLEL) -> None:
        self._client = client
        self._parallel = parallel
        self._outage = Outage(parallel, [asks(client.http)])

    def all(self, records: Iterable[Record]) -> Iterator[tuple[Record, list[tuple[str, str]]]]:
        """Return each record with what is wrong with its data."""
        return each_in_order(self._look, records, self._parallel)

    def _look(self, record: Record) -> list[tuple[str, str]]:
        image = ImageDetail.from_record(record)
        data = from_service(self._client, image)
        if data is None or self._outage.certain or not is_looked_at(image.container_format):
            return []
        begun = time.monotonic()
        try:
            seen = data.look()
        except ImageHasNoData:
            # A deactivated one, say, which this user does not get.
            return []
        except ImageV1Error as error:
            self._outage.failed(error, time.monotonic() - begun)
            return [("unreadable data", str(error))]
        self._outage.worked()
        problem = seen and seen.problem(image.disk_format)
        if not problem:
            return []
        return [("wrong disk format", f"today's Glance refuses its data: {problem}")]


def _problem(kind: str, brief: _Brief, detail: str) -> Problem:
    return Problem(kind, brief.image_id, brief.name, brief.project, detail)


def _own_problems(record: Record, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what one record alone shows."""
    status = text_or_none(record.get("status"))
    changed = parse_server_time(record.get("updated_at")) or parse_server_time(
        record.get("created_at")
    )
    if status in PASSING and changed is not None and now - changed > _PATIENCE:
        days = (now - changed).days
        yield f"{status} for over a day", f"for {days} {'day' if days == 1 else 'days'}"
    if status == KILLED:
        yield "killed", "storing its data failed"
    if status not in WITH_DATA:
        return
    if _size(record) == 0:
        # A snapshot of a server that boots from a volume has its data in another volume.
        if is_in_a_volume(0, mapping(record.get("properties"))):
            return
        proven = expected_of(ImageDetail.from_record(record)).size == 0
        yield "active without data", "its size is 0" if proven else _NOT_PROVEN
        return
    checksum = text_or_none(record.get("checksum"))
    if not checksum:
        yield "no checksum", "nothing vouches for its data"
    elif as_checksum(checksum) is None:
        yield "unknown checksum", "it is of no algorithm that can be checked here"


def _shared_problems(seen: _Seen, exists: Callable[[str], bool]) -> Iterator[Problem]:
    """Yield what only all the records together show."""
    for brief, number, _title, _first in seen.sharing("title"):
        yield _problem("duplicate name", brief, f"{number} images of the project have it")
    for brief, _number, data, first in seen.sharing("data"):
        if brief.image_id != first:
            yield _problem("duplicate data", brief, f"{data.split()[-1]} bytes as in {first}")
    known: dict[str, bool] = {}
    for brief, reference, other in seen.named():
        if other not in known:
            known[other] = exists(other)
        if not known[other]:
            yield _problem(f"missing {reference.removesuffix('_id')}", brief, other)
    for brief, _number, project, _first in seen.sharing("gone", least=1):
        yield _problem("owner is gone", brief, f"there is no project {project}")
