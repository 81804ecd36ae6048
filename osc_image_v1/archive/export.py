"""Many images to a directory, verified; what is there already is not fetched again."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive, ManifestWriter
from osc_image_v1.archive.images import Images, Outcome, ProjectName, data_size
from osc_image_v1.archive.manifest import ExportedImage
from osc_image_v1.archive.sums import SUMS, write_sums
from osc_image_v1.transfer.files import (
    check_room,
    file_errors,
    flush_directory,
    make_directory,
    shown,
)
from osc_image_v1.transfer.holes import may_have_holes
from osc_image_v1.transfer.many import PARALLEL, Line, Spool, Workers
from osc_image_v1.transfer.outage import Outage, Why, asks
from osc_image_v1.transfer.progress import Overall
from osc_image_v1.transfer.rate import Rate
from osc_image_v1.transfer.shards import Shard
from osc_image_v1.transfer.shelf import Entry, Shelf, Waiting

# Records that reach the disk together.
_ANNOUNCED_AT_ONCE = 256
# Seconds for which images are gathered whose records reach the disk together. What a run that is
# killed has not recorded is hashed by the next one, and not fetched again.
_GATHERED = 0.1


@dataclass
class Summary:
    """What an export has done, or would do.

    :ivar images: how many images there are in all
    :ivar size: bytes of the data that was, or would be, fetched
    :ivar fetched: images whose data was, or would be, fetched
    :ivar kept: images whose data was there already
    :ivar without_data: images that are recorded without data
    :ivar failed: images that could not be exported
    :ivar retryable: those of them that another run may bring: they failed for no reason of their
        own
    :ivar not_tried: images that were not tried, since it was of no use to go on
    :ivar why: why it was of no use, None where all were tried
    """

    images: int = 0
    size: int = 0
    fetched: int = 0
    kept: int = 0
    without_data: int = 0
    failed: int = 0
    retryable: int = 0
    not_tried: int = 0
    why: Why | None = None

    def add(self, kind: str, size: int, retryable: bool = False) -> None:
        """Count an image.

        :param kind: which number counts it
        :param size: bytes of its data that were fetched
        :param retryable: whether it failed for no reason of its own
        """
        self.images += 1
        self.size += size
        self.retryable += retryable
        setattr(self, kind, getattr(self, kind) + 1)

    def leave(self, images: int, why: Why | None) -> None:
        """Count images that were not tried.

        :param images: how many
        :param why: why not
        """
        self.images += images
        self.not_tried += images
        self.why = why if images else None


class Export:
    """An export of many images to one directory.

    First all images are recorded in the directory's manifest as incomplete, as far as nothing is
    known of them; then each again, when its data is in place and verified. So an export that was
    interrupted, in whatever way, goes on when it is run again, and does not look whole until then.
    What is known of the images is not in memory, however many they are.

    :param client: the service
    :param directory: the directory; it is made if need be
    :param shard: only the images of this part
    :param parallel: how many images are fetched at a time
    :param metadata_only: whether no data is fetched
    :param project_name: returns the name of a project by its ID, None where nobody knows; several
        threads call it
    :param sparse: whether zeros become holes, which take no room on the disk
    :param rate: how fast data may come, None for as fast as it does
    """

    def __init__(
        self,
        client: ImageClient,
        directory: Path,
        *,
        shard: Shard | None = None,
        parallel: int = PARALLEL,
        metadata_only: bool = False,
        project_name: ProjectName = lambda _id: None,
        sparse: bool = True,
        rate: Rate | None = None,
    ) -> None:
        self._client = client
        self._directory = directory
        self._shard = shard or Shard()
        self._parallel = parallel
        self._metadata_only = metadata_only
        self._project_name = project_name
        self._sparse = sparse
        self._rate = rate
        self._workers: Workers[Entry, Outcome] | None = None
        self._interrupted = False

    def interrupt(self) -> bool:
        """Let :meth:`run` come to its end before its time, with all recorded that is done.

        :returns: whether that is of use: images are being exported, and it was not told before
        """
        self._interrupted = True
        return self._workers is not None and self._workers.interrupt()

    def plan(self, records: Iterable[Record]) -> Summary:
        """Return what :meth:`run` would do; nothing is changed, and no directory is made.

        :param records: the images, as a detailed list has them
        :raises FileFailed: if there is not enough room
        :raises BadManifest: if a manifest in the directory is damaged
        :raises ImageV1Error: if the list fails
        """
        images = self._images(Archive(self._directory) if self._directory.exists() else None)
        summary, room = Summary(), _Room(self._directory, self._sparse)
        for record in self._chosen(records):
            image = ImageDetail.from_record(record)
            kind = images.kind(image, record)
            summary.add(kind, data_size(image) if kind == "fetched" else 0)
            if kind == "fetched":
                room.add(image, images.missing(image))
        room.check()
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
            waiting, new = self._collect(records, images, spool)
            _first, entries = waiting.lines()
            if new:
                self._announce(entries, images, spool, manifest)
            summary = Summary()
            with Overall(waiting.images, waiting.size) as overall:
                self._workers = Workers(
                    lambda entry: images.export(spool.read(entry.place), overall.advance),
                    self._parallel,
                    images.stop,
                    _GATHERED,
                )
                outage, line = images.outage, Line(entries, lambda entry: entry.turn)
                small = outage.until(line.taken())
                large = outage.until(line.taken(lambda: not outage.tight))
                for outcomes in self._workers.results(small, large):
                    # What is recorded is on the disk, under its name.
                    if any(outcome.exported and outcome.exported.data for outcome in outcomes):
                        flush_directory(self._directory)
                    manifest.add(outcome.exported for outcome in outcomes if outcome.exported)
                    for outcome in outcomes:
                        summary.add(outcome.kind, outcome.size, outcome.retryable)
                    overall.done(len(outcomes))
            # Whoever interrupts it does not wait for long.
            if not self._interrupted:
                images.forget()
                if images.has_data or os.path.lexists(self._directory / SUMS):
                    write_sums(self._directory, self._shard)
        summary.leave(len(entries) - summary.images, images.outage.why)
        return summary

    def _images(self, archive: Archive | None) -> Images:
        return Images(
            self._client,
            self._directory,
            archive,
            self._metadata_only,
            self._project_name,
            Outage(self._parallel, [asks(self._client.http)]),
            self._sparse,
            self._rate,
        )

    def _announce(
        self, entries: Sequence[Entry], images: Images, spool: Spool, manifest: ManifestWriter
    ) -> None:
        """Record what is to be fetched."""
        outdated = False

        def announced(batch: Iterable[Entry]) -> Iterator[ExportedImage]:
            nonlocal outdated
            for entry in batch:
                exported = images.announced(spool.read(entry.place))
                if exported is not None:
                    outdated = outdated or exported.data is not None
                    yield exported

        for batch in _batches(entries):
            manifest.add(announced(batch))
        if outdated:
            # Files that another content takes the place of are not to be found damaged until then.
            write_sums(self._directory, self._shard)

    def _chosen(self, records: Iterable[Record]) -> Iterator[Record]:
        """Yield the records of this part, each image once."""
        seen = Shelf[None]()
        for record in records:
            if record["id"] in self._shard and seen.add(record["id"], None):
                yield record

    def _collect(
        self, records: Iterable[Record], images: Images, spool: Spool
    ) -> tuple[Waiting, bool]:
        """Put the records aside.

        :returns: the images, with the bytes to fetch, and whether any is to be announced
        """
        waiting, room, new = Waiting(), _Room(self._directory, self._sparse), False
        for record in self._chosen(records):
            image = ImageDetail.from_record(record)
            size = 0
            if images.kind(image, record) == "fetched":
                size = data_size(image)
                room.add(image, images.missing(image))
            new = new or images.announced(record) is not None
            waiting.add(Entry(images.turn(image), size, image.id, spool.add(record)))
        spool.flush()
        room.check()
        return waiting, new


class _Room:
    """What images need on the disk.

    :param directory: where they go
    :param sparse: whether their zeros take no room
    """

    def __init__(self, directory: Path, sparse: bool) -> None:
        self._directory = directory
        self._sparse = sparse
        self._needed = self._certain = 0

    def add(self, image: ImageDetail, size: int) -> None:
        """Count an image.

        :param image: the image
        :param size: bytes of its data that are not there
        """
        self._needed += size
        if not (self._sparse and may_have_holes(image.disk_format)):
            self._certain += size

    def check(self) -> None:
        """Refuse what there is no room for, and warn of what may find none.

        :raises FileFailed: if there is not enough room
        """
        place = self._directory.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        with file_errors("write to", self._directory):
            free = shutil.disk_usage(place).free
        check_room(f"export to {shown(self._directory)}", self._needed, self._certain, free)


def _batches(entries: Iterable[Entry]) -> Iterator[Sequence[Entry]]:
    source = iter(entries)
    while batch := list(itertools.islice(source, _ANNOUNCED_AT_ONCE)):
        yield batch
