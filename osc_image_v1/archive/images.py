"""One image on its way into the directory of an export, and what is recorded of it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import GONE, WITHOUT_DATA, ImageDetail, Member
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.manifest import ExportedImage, StoredData, file_name
from osc_image_v1.exceptions import Forbidden, ImageNotFound, ImageV1Error, TransferStopped
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import hash_file
from osc_image_v1.transfer.download import Download
from osc_image_v1.transfer.expected import expected_of
from osc_image_v1.transfer.files import regular_size
from osc_image_v1.transfer.listed import is_being_deleted, settled
from osc_image_v1.transfer.outage import Outage, may_pass
from osc_image_v1.transfer.part import part_of
from osc_image_v1.transfer.progress import Advance, tell_finished
from osc_image_v1.transfer.rate import Rate

LOG = logging.getLogger(__name__)

# What is recorded of an image whose turn has not come.
_NOT_YET = "not exported yet"
_NO_DATA_YET = "its data is not exported yet"
_CHANGE_NOT_YET = "what has changed since is not exported yet"
_WAITING = frozenset((_NOT_YET, _NO_DATA_YET, _CHANGE_NOT_YET))

_FINISHED = {
    "fetched": "exported",
    "kept": "kept as it was exported",
    "without_data": "exported without data",
}

#: Returns the name of a project by its ID, None where nobody knows.
ProjectName = Callable[[str], "str | None"]


@dataclass(frozen=True)
class Outcome:
    """What came of an image.

    :ivar kind: which number of the summary counts it
    :ivar exported: what is to be recorded, None where that is in the manifest already
    :ivar size: bytes that were fetched
    :ivar retryable: whether it failed for no reason of its own, so that another run may bring it
    """

    kind: str
    exported: ExportedImage | None = None
    size: int = 0
    retryable: bool = False


class Images:
    """What is done with each image; several threads do it.

    :param client: the service
    :param directory: where the data goes
    :param archive: what is exported already, None where there is no directory yet
    :param metadata_only: whether no data is fetched
    :param project_name: returns the name of a project by its ID
    :param outage: notices that the service is gone
    :param sparse: whether zeros become holes
    :param rate: how fast data may come
    :ivar stop: ends what is being done when it is set
    :ivar has_data: whether a manifest tells of data, or will
    """

    def __init__(
        self,
        client: ImageClient,
        directory: Path,
        archive: Archive | None,
        metadata_only: bool,
        project_name: ProjectName,
        outage: Outage,
        sparse: bool = True,
        rate: Rate | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.outage = outage
        self.has_data = archive is not None and archive.has_data
        self._client = client
        self._directory = directory
        self._archive = archive
        self._metadata_only = metadata_only
        self._project_name = project_name
        self._sparse = sparse
        self._rate = rate

    def forget(self) -> None:
        """Leave the memory that what is exported already takes; nothing more is to be done."""
        self._archive = None

    def kind(self, image: ImageDetail, record: Record) -> str:
        """Return which number of the summary is to count an image."""
        if self._stored(image, record, self._known(image.id)) is not None:
            return "kept"
        if self._metadata_only or image.status in WITHOUT_DATA:
            return "without_data"
        return "fetched"

    def turn(self, image: ImageDetail) -> int:
        """Return in which round an image comes."""
        if is_being_deleted(image):
            return 2
        known = self._known(image.id)
        return int(known is not None and known.incomplete not in (None, *_WAITING))

    def missing(self, image: ImageDetail) -> int:
        """Return the bytes of an image that an earlier run has not brought."""
        return max(0, data_size(image) - (regular_size(part_of(self._path(image))) or 0))

    def export(self, record: Record, advance: Advance) -> Outcome:
        """Bring an image's data into its place, and return what is to be recorded."""
        image = ImageDetail.from_record(record)
        known = self._known(image.id)
        data: StoredData | None = None
        begun = time.monotonic()
        try:
            if not self._metadata_only and is_being_deleted(image):
                record = settled(self._client, record, self.stop)
                image = ImageDetail.from_record(record)
            kind, data = self._data(image, record, known, advance)
            self.has_data = self.has_data or data is not None
            members = self._members(image)
        except TransferStopped:
            raise
        except ImageV1Error as error:
            LOG.error("Cannot export image %s: %s", _shown(image), error)
            self.outage.failed(error, time.monotonic() - begun)
            failed = _if_new(self._failed(record, known, data, str(error)), known)
            return Outcome("failed", failed, retryable=may_pass(error))
        if kind == "fetched" or not image.is_public:
            self.outage.worked()
        exported = replace(
            self._incomplete(record, None, known),
            members=members,
            owner_name=self._owner_name(image, known),
            **_stored_as(data, known),
        )
        size = data.size if data and kind == "fetched" else 0
        tell_finished(_FINISHED[kind], image, data.size if data else None, begun)
        return Outcome(kind, _if_new(exported, known), size)

    def announced(self, record: Record) -> ExportedImage | None:
        """Return what is to be recorded before an image is fetched, None for nothing."""
        known = self._known(str(record["id"]))
        if known is None:
            return self._incomplete(record, _NOT_YET)
        same = known.data is not None and known.record == record
        if self._metadata_only or known.incomplete is not None or same:
            return None
        if self.kind(ImageDetail.from_record(record), record) != "fetched":
            return None
        if known.data is None:
            return self._incomplete(record, _NO_DATA_YET, known)
        return _outdated(known, _CHANGE_NOT_YET)

    def _failed(
        self, record: Record, known: ExportedImage | None, data: StoredData | None, reason: str
    ) -> ExportedImage:
        """Return what is to be recorded of an image that could not be exported."""
        image = ImageDetail.from_record(record)
        name = self._owner_name(image, known)
        failed = replace(self._incomplete(record, reason, known), owner_name=name)
        failed = replace(failed, **_stored_as(data, known))
        if known is None:
            return failed
        if data is None and known.data and regular_size(self._path(known.image)) == known.data.size:
            # What was exported once is better than nothing.
            return _outdated(known, f"what has changed since could not be exported: {reason}")
        return replace(failed, members=known.members)

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

    def _known(self, image_id: str) -> ExportedImage | None:
        return self._archive.find(image_id) if self._archive is not None else None

    def _stored(
        self, image: ImageDetail, record: Record, known: ExportedImage | None
    ) -> StoredData | None:
        """Return the data in the directory, where it is this image's as it is now."""
        if known is None or known.data is None:
            return None
        # What was put in its place by hand stays as long as the service has what it was made of.
        data, expected = known.data, expected_of(image)
        ours = known.replaces or data
        if expected.algorithm in ("md5", "sha256"):
            same = expected.size in (None, ours.size) and expected.fits(ours.of(expected.algorithm))
        else:
            # Nothing but an unchanged record tells that the data is the same.
            same = record == known.record and not (ours.verified and known.is_doubtful)
        return data if same and regular_size(self._path(image)) == data.size else None

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
        if not known or regular_size(path) != expected.size:
            return None
        algorithms = ("md5", "sha256", expected.algorithm)
        hashes = hash_file(path, algorithms, advance, self.stop)
        if not expected.fits(hashes.of(expected.algorithm)):
            advance(-hashes.size)
            return None
        md5, sha256 = str(hashes.of("md5")), str(hashes.of("sha256"))
        return StoredData(hashes.size, md5, sha256, verified=True)

    def _fetch(self, image: ImageDetail, advance: Advance) -> StoredData:
        download = Download(
            self._client, image, sha256=True, advance=advance, stop=self.stop, rate=self._rate
        )
        got = download.to_file(
            self._path(image), keep_interrupted=True, sparse=self._sparse, flush_name=False
        )
        if not got.verified:
            doubt = expected_of(image).doubt(f"image {_shown(image)}")
            LOG.warning("%s: nothing vouches for the content", doubt)
        return StoredData(got.size, got.md5, str(got.sha256), got.verified)

    def _members(self, image: ImageDetail) -> tuple[Member, ...] | None:
        """Return the members, none of a public image; None where this user may not know them.

        No list of v2 tells which others have none: before Ocata ``private`` is all that is not
        public; since then v1 makes all such images ``shared``, and adds members to what v2 calls
        ``private`` without a change of that.
        """
        if image.is_public:
            return ()
        if image.deleted or image.status in GONE:
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


def _stored_as(data: StoredData | None, known: ExportedImage | None) -> dict[str, Any]:
    """Return the fields of data; what was put in by hand stays what it is."""
    if known is None or data is None or data is not known.data:
        return {"data": data}
    return {"data": data, "replaces": known.replaces, "disk_format": known.disk_format}


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


def _shown(image: ImageDetail) -> str:
    name = f" ({printable(image.name)})" if image.name else ""
    return printable(image.id) + name


def data_size(image: ImageDetail) -> int:
    """Return the bytes of an image's data, 0 where nobody knows."""
    return max(0, image.size or 0)
