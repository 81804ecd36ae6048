"""Many images to a directory, verified; what is there already is not fetched again."""

from __future__ import annotations

import contextlib
import logging
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive, ManifestWriter
from osc_image_v1.archive.manifest import ExportedImage, StoredData, file_name
from osc_image_v1.exceptions import (
    FileFailed,
    Forbidden,
    ImageNotFound,
    ImageV1Error,
    TransferStopped,
)
from osc_image_v1.text import printable
from osc_image_v1.transfer.deletions import is_being_deleted, record_of, settled
from osc_image_v1.transfer.digests import hash_file
from osc_image_v1.transfer.download import Download
from osc_image_v1.transfer.expected import expected_of
from osc_image_v1.transfer.files import file_errors, make_directory, shown
from osc_image_v1.transfer.many import Spool, Workers
from osc_image_v1.transfer.outage import Outage, Why, asks
from osc_image_v1.transfer.part import part_of
from osc_image_v1.transfer.progress import Advance, Overall
from osc_image_v1.transfer.shards import Shard

LOG = logging.getLogger(__name__)

# Of these there is nothing to fetch, and nothing is missing without it.
WITHOUT_DATA = frozenset(("queued", "saving", "killed", "deleted", "pending_delete"))
_GONE = frozenset(("deleted", "pending_delete"))

_ANNOUNCED_AT_ONCE = 256

# What is recorded of an image whose turn has not come.
_NOT_YET = "not exported yet"
_NO_DATA_YET = "its data is not exported yet"
_CHANGE_NOT_YET = "what has changed since is not exported yet"
_WAITING = frozenset((_NOT_YET, _NO_DATA_YET, _CHANGE_NOT_YET))

#: Returns the name of a project by its ID, None where nobody knows.
ProjectName = Callable[[str], "str | None"]


@dataclass
class Summary:
    """What an export has done, or would do.

    :ivar images: how many images there are in all
    :ivar size: bytes of the data that was, or would be, fetched
    :ivar fetched: images whose data was, or would be, fetched
    :ivar kept: images whose data was there already
    :ivar without_data: images that are recorded without data
    :ivar failed: images that could not be exported
    :ivar not_tried: images that were not tried, since it was of no use to go on
    :ivar why: why it was of no use, None where all were tried
    """

    images: int = 0
    size: int = 0
    fetched: int = 0
    kept: int = 0
    without_data: int = 0
    failed: int = 0
    not_tried: int = 0
    why: Why | None = None

    def add(self, kind: str, size: int) -> None:
        """Count an image.

        :param kind: which number counts it
        :param size: bytes of its data that were fetched
        """
        self.images += 1
        self.size += size
        setattr(self, kind, getattr(self, kind) + 1)

    def leave(self, images: int, why: Why | None) -> None:
        """Count images that were not tried.

        :param images: how many
        :param why: why not
        """
        self.images += images
        self.not_tried += images
        self.why = why if images else None


@dataclass(frozen=True)
class _Outcome:
    """What came of an image.

    :ivar kind: which number of the summary counts it
    :ivar exported: what is to be recorded, None where that is in the manifest already
    :ivar size: bytes that were fetched
    """

    kind: str
    exported: ExportedImage | None = None
    size: int = 0


@dataclass(frozen=True, order=True)
class _Entry:
    """An image that is to be exported, smallest first; its record waits in a file.

    :ivar turn: 0, or more where others come first: it has failed in an earlier run, or the service
        is deleting it just now
    """

    turn: int
    size: int
    image_id: str
    offset: int


class Export:
    """An export of many images to one directory.

    First all images are recorded in the directory's manifest as incomplete, as far as nothing is
    known of them; then each again, when its data is in place and verified. So an export that was
    interrupted, in whatever way, goes on when it is run again, and does not look whole until then.
    In memory are the IDs and sizes of the images, but not their metadata.

    :param client: the service
    :param directory: the directory; it is made if need be
    :param shard: only the images of this part
    :param parallel: how many images are fetched at a time
    :param metadata_only: whether no data is fetched
    :param project_name: returns the name of a project by its ID, None where nobody knows; several
        threads call it
    """

    def __init__(
        self,
        client: ImageClient,
        directory: Path,
        *,
        shard: Shard | None = None,
        parallel: int = 4,
        metadata_only: bool = False,
        project_name: ProjectName = lambda _id: None,
    ) -> None:
        self._client = client
        self._directory = directory
        self._shard = shard or Shard()
        self._parallel = parallel
        self._metadata_only = metadata_only
        self._project_name = project_name
        self._workers: Workers[_Entry, _Outcome] | None = None

    def interrupt(self) -> bool:
        """Let :meth:`run` come to its end before its time, with all recorded that is done.

        :returns: whether that is of use: images are being exported, and it was not told before
        """
        return self._workers is not None and self._workers.interrupt()

    def plan(self, records: Iterable[Record]) -> Summary:
        """Return what :meth:`run` would do; nothing is changed, and no directory is made.

        :param records: the images, as a detailed list has them
        :raises FileFailed: if there is not enough room
        :raises BadManifest: if a manifest in the directory is damaged
        :raises ImageV1Error: if the list fails
        """
        images = self._images(Archive(self._directory) if self._directory.exists() else None)
        summary, needed = Summary(), 0
        for record in self._chosen(records):
            image = ImageDetail.from_record(record)
            kind = images.kind(image, record)
            summary.add(kind, _size(image) if kind == "fetched" else 0)
            if kind == "fetched":
                needed += images.missing(image)
        self._check_space(needed)
        return summary

    def run(self, records: Iterable[Record]) -> Summary:
        """Export images, and go on after one that fails; each failure is logged.

        :param records: the images, as a detailed list has them
        :returns: what was done; look at ``failed``
        :raises FileFailed: if the directory cannot be written, or has not enough room
        :raises BadManifest: if a manifest in the directory is damaged
        :raises ImageV1Error: if the list fails
        """
        make_directory(self._directory)
        with (
            ManifestWriter(self._directory, self._shard) as manifest,
            Spool(self._directory) as spool,
        ):
            images = self._images(Archive(self._directory))
            entries = self._collect(records, images, spool)
            for batch in _batches(entries):
                manifest.add(images.announced(spool.read(entry.offset) for entry in batch))
            summary = Summary()
            with Overall(len(entries), sum(entry.size for entry in entries)) as overall:
                self._workers = Workers(
                    lambda entry: images.export(spool.read(entry.offset), overall.advance),
                    self._parallel,
                    images.stop,
                )
                for outcomes in self._workers.results(images.outage.until(entries)):
                    manifest.add(outcome.exported for outcome in outcomes if outcome.exported)
                    for outcome in outcomes:
                        summary.add(outcome.kind, outcome.size)
                    overall.done(len(outcomes))
        summary.leave(len(entries) - summary.images, images.outage.why)
        return summary

    def _images(self, archive: Archive | None) -> _Images:
        return _Images(
            self._client,
            self._directory,
            archive,
            self._metadata_only,
            self._project_name,
            Outage(self._parallel, [asks(self._client.http)]),
        )

    def _chosen(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records of this part, each image once."""
        seen: set[str] = set()
        for record in records:
            if record["id"] in self._shard and record["id"] not in seen:
                seen.add(record["id"])
                yield record

    def _collect(self, records: Iterable[Record], images: _Images, spool: Spool) -> list[_Entry]:
        """Put the records aside; return the images, smallest first, with the bytes to fetch."""
        entries, needed = [], 0
        for record in self._chosen(records):
            image = ImageDetail.from_record(record)
            size = 0
            if images.kind(image, record) == "fetched":
                size = _size(image)
                needed += images.missing(image)
            entries.append(_Entry(images.turn(image), size, image.id, spool.add(record)))
        self._check_space(needed)
        return sorted(entries)

    def _check_space(self, needed: int) -> None:
        place = self._directory.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        with file_errors("write to", self._directory):
            free = shutil.disk_usage(place).free
        if needed > free:
            raise FileFailed(
                f"Cannot export to {shown(self._directory)}: it needs {needed} more bytes, and "
                f"{free} are free"
            )


class _Images:
    """What is done with each image; several threads do it."""

    def __init__(
        self,
        client: ImageClient,
        directory: Path,
        archive: Archive | None,
        metadata_only: bool,
        project_name: ProjectName,
        outage: Outage,
    ) -> None:
        self.stop = threading.Event()
        self.outage = outage
        self._client = client
        self._directory = directory
        self._archive = archive
        self._metadata_only = metadata_only
        self._project_name = project_name

    def kind(self, image: ImageDetail, record: Record) -> str:
        """Return which number of the summary is to count an image."""
        if self._stored(image, record, self._known(image)) is not None:
            return "kept"
        if self._metadata_only or image.status in WITHOUT_DATA:
            return "without_data"
        return "fetched"

    def turn(self, image: ImageDetail) -> int:
        """Return in which round an image comes."""
        if is_being_deleted(image):
            return 2
        known = self._known(image)
        return int(known is not None and known.incomplete not in (None, *_WAITING))

    def missing(self, image: ImageDetail) -> int:
        """Return the bytes of an image that an earlier run has not brought."""
        return max(0, _size(image) - (_size_of(part_of(self._path(image))) or 0))

    def export(self, record: Record, advance: Advance) -> _Outcome:
        """Bring an image's data into its place, and return what is to be recorded."""
        image = ImageDetail.from_record(record)
        known = self._known(image)
        data: StoredData | None = None
        begun = time.monotonic()
        try:
            if not self._metadata_only:
                record = settled(self._client, record, self.stop)
                image = ImageDetail.from_record(record)
            kind, data = self._data(image, record, known, advance)
            members = self._members(image)
        except TransferStopped:
            raise
        except ImageV1Error as error:
            LOG.error("Cannot export image %s: %s", _shown(image), error)
            self.outage.failed(error, time.monotonic() - begun)
            return _Outcome("failed", _if_new(self._failed(record, known, data, str(error)), known))
        if kind == "fetched" or not image.is_public:
            self.outage.worked()
        exported = replace(
            self._incomplete(record, None, known),
            members=members,
            owner_name=self._owner_name(image, known),
            data=data,
        )
        size = data.size if data and kind == "fetched" else 0
        return _Outcome(kind, _if_new(exported, known), size)

    def announced(self, records: Iterable[Record]) -> Iterator[ExportedImage]:
        """Yield what is to be recorded before the images are fetched."""
        for record in records:
            image = ImageDetail.from_record(record)
            known = self._known(image)
            if known is None:
                yield self._incomplete(record, _NOT_YET)
            elif known.incomplete is None and self.kind(image, record) == "fetched":
                if known.data is None:
                    yield self._incomplete(record, _NO_DATA_YET, known)
                elif known.record != record:
                    yield _outdated(known, _CHANGE_NOT_YET)

    def _failed(
        self, record: Record, known: ExportedImage | None, data: StoredData | None, reason: str
    ) -> ExportedImage:
        """Return what is to be recorded of an image that could not be exported."""
        image = ImageDetail.from_record(record)
        name = self._owner_name(image, known)
        failed = replace(self._incomplete(record, reason, known), owner_name=name)
        if known is None:
            return replace(failed, data=data)
        if data is None and known.data and _size_of(self._path(known.image)) == known.data.size:
            # What was exported once is better than nothing.
            return _outdated(known, f"what has changed since could not be exported: {reason}")
        return replace(failed, data=data, members=known.members)

    def _incomplete(
        self, record: Record, reason: str | None, known: ExportedImage | None = None
    ) -> ExportedImage:
        return ExportedImage(
            record=record,
            members=None,
            owner_name=None,
            data=None,
            endpoint=self._client.http.shown_endpoint,
            exported_at=_now_after(known),
            incomplete=reason,
        )

    def _path(self, image: ImageDetail) -> Path:
        return self._directory / file_name(image.id)

    def _known(self, image: ImageDetail) -> ExportedImage | None:
        return self._archive.find(image.id) if self._archive is not None else None

    def _stored(
        self, image: ImageDetail, record: Record, known: ExportedImage | None
    ) -> StoredData | None:
        """Return the data in the directory, where it is this image's as it is now."""
        if known is None or known.data is None:
            return None
        data, expected = known.data, expected_of(image)
        if expected.algorithm in ("md5", "sha256"):
            digest = data.md5 if expected.algorithm == "md5" else data.sha256
            same = expected.size in (None, data.size) and expected.fits(digest)
        else:
            # Nothing but an unchanged record tells that the data is the same.
            same = record == known.record and not (data.verified and known.is_doubtful)
        return data if same and _size_of(self._path(image)) == data.size else None

    def _data(
        self,
        image: ImageDetail,
        record: Record,
        known: ExportedImage | None,
        advance: Advance,
    ) -> tuple[str, StoredData | None]:
        stored = self._stored(image, record, known)
        if stored is not None:
            return "kept", stored
        if self._metadata_only or image.status in WITHOUT_DATA:
            return "without_data", None
        adopted = self._adopt(image, advance)
        if adopted is not None:
            return "kept", adopted
        return "fetched", self._fetch(image, advance)

    def _adopt(self, image: ImageDetail, advance: Advance) -> StoredData | None:
        """Return the data in the file that a run has left which was killed before it recorded it.

        Only a checksum of the service's can tell that the file is this image's.
        """
        path, expected = self._path(image), expected_of(image)
        known = expected.checksum is not None and expected.size is not None
        if not known or _size_of(path) != expected.size:
            return None
        hashes = hash_file(path, advance, self.stop, further=expected.algorithm)
        if not expected.fits(hashes.of(expected.algorithm)):
            advance(-hashes.size)
            return None
        return StoredData(hashes.size, str(hashes.md5), hashes.sha256, verified=True)

    def _fetch(self, image: ImageDetail, advance: Advance) -> StoredData:
        download = Download(
            self._client, image, sha256=True, advance=advance, stop=self.stop, deactivated=True
        )
        got = download.to_file(self._path(image), keep_interrupted=True)
        if not got.verified:
            doubt = expected_of(image).doubt(f"image {_shown(image)}")
            LOG.warning("%s: nothing vouches for the content", doubt)
        return StoredData(got.size, got.md5, str(got.sha256), got.verified)

    def _members(self, image: ImageDetail) -> tuple[Member, ...] | None:
        """Return the members, none of a public image; None where this user may not know them."""
        if image.is_public:
            return ()
        if image.deleted or image.status in _GONE:
            return None
        try:
            members = self._client.members(image.id)
        except (Forbidden, ImageNotFound) as error:
            LOG.warning("The members of image %s are not known: %s", _shown(image), error)
            return None
        return tuple(sorted(members, key=lambda member: member.member_id))

    def _owner_name(self, image: ImageDetail, known: ExportedImage | None) -> str | None:
        if image.owner is None:
            return None
        name = self._project_name(image.owner)
        if name is None and known is not None and known.record.get("owner") == image.owner:
            return known.owner_name
        return name


def _outdated(known: ExportedImage, reason: str) -> ExportedImage:
    return replace(known, incomplete=reason, exported_at=_now_after(known))


def _now_after(known: ExportedImage | None) -> datetime:
    """Return the time of a record that is to count instead of a known one.

    A machine whose clock was ahead may have written that one.
    """
    now = datetime.now(timezone.utc)
    if known is None or known.exported_at < now:
        return now
    with contextlib.suppress(OverflowError):
        return known.exported_at + timedelta(microseconds=1)
    return known.exported_at


def _if_new(exported: ExportedImage, known: ExportedImage | None) -> ExportedImage | None:
    """Return what is to be recorded, None where that is what the manifest says already."""
    same = known is not None and replace(exported, exported_at=known.exported_at) == known
    return None if same else exported


def _batches(entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
    for start in range(0, len(entries), _ANNOUNCED_AT_ONCE):
        yield entries[start : start + _ANNOUNCED_AT_ONCE]


def named_records(client: ImageClient, names_or_ids: Iterable[str]) -> Iterator[Record]:
    """Yield the records of images by their names or IDs, as a list has them.

    :param client: the service
    :param names_or_ids: a UUID or number is looked up as an ID first
    :raises ImageNotFound: if there is no such image, or this user may not see it
    :raises AmbiguousName: if several images have the name
    :raises ImageV1Error: if the service cannot be asked
    """
    for name_or_id in names_or_ids:
        image = client.by_id(name_or_id)
        if image is None:
            yield client.record_by_name(name_or_id)
        else:
            yield record_of(client, image)


def _shown(image: ImageDetail) -> str:
    name = f" ({printable(image.name)})" if image.name else ""
    return printable(image.id) + name


def _size(image: ImageDetail) -> int:
    return max(0, image.size or 0)


def _size_of(path: Path) -> int | None:
    """Return the size of a file that is no link, None where there is none."""
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
