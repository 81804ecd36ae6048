"""Whether all that was exported to a directory is there, and as it was."""

from __future__ import annotations

import itertools
import os
import stat
import threading
import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import WITHOUT_DATA
from osc_image_v1.archive.archive import Archive, is_manifest
from osc_image_v1.archive.manifest import ExportedImage, StoredData, file_name
from osc_image_v1.archive.sums import is_of_sums
from osc_image_v1.exceptions import (
    BadManifest,
    ContentMismatch,
    FileFailed,
    ImageV1Error,
    TransferStopped,
)
from osc_image_v1.transfer.digests import hash_file
from osc_image_v1.transfer.download import Download
from osc_image_v1.transfer.expected import expected_of
from osc_image_v1.transfer.files import file_errors
from osc_image_v1.transfer.formats import inspect_file, is_looked_at
from osc_image_v1.transfer.many import Workers
from osc_image_v1.transfer.outage import Outage, asks, may_pass
from osc_image_v1.transfer.part import PART
from osc_image_v1.transfer.progress import Advance, Overall, tell_finished
from osc_image_v1.transfer.shelf import Shelf

_REFUSED = "format"
# Bytes and images that one worker takes at a time.
_BATCH_SIZE = 2**20
_BATCH_LENGTH = 16


@dataclass(frozen=True)
class Finding:
    """A file, and what is wrong with it.

    :ivar file: its name in the directory
    :ivar problem: ``missing``, ``short``, ``altered``, ``unreadable``, ``unknown``,
        ``incomplete`` (the export of the image is, or what has come of it so far); ``format``
        for a file that is as it was and that today's Glance refuses; None for one that is as it was
    :ivar detail: more about that
    :ivar image_id: the image whose data it is
    :ivar name: that image's name
    :ivar repaired: whether the file has been fetched again and is whole now
    """

    file: str
    problem: str | None
    detail: str = ""
    image_id: str | None = None
    name: str | None = None
    repaired: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether it is not as it was exported."""
        return self.problem not in (None, _REFUSED) and not self.repaired


class Verification:
    """The check of a directory; nothing is asked of a service, unless files are repaired.

    :param directory: the directory
    :param parallel: how many files are hashed at a time, by default one for each processor
    :param client: the service that broken files are fetched from again, None for none
    :param look: whether it is looked whether today's Glance takes the data
    :ivar whole: files that are as they were
    :ivar size: their bytes
    :ivar doubtful: those of them that no checksum of the service's has ever vouched for
    :ivar without_data: images that were exported without data, since there was none
    :ivar active_without_data: images that have data which was not exported
    :ivar refused: whole files that today's Glance refuses
    :ivar retryable: whether a file was not repaired for a reason that may be over in another run
    :ivar parts_in_doubt: names of manifests that there are none of; an export without parts, which
        is there, may have brought their images
    """

    def __init__(
        self,
        directory: Path,
        *,
        parallel: int | None = None,
        client: ImageClient | None = None,
        look: bool = True,
    ) -> None:
        self.whole = self.size = self.without_data = self.active_without_data = 0
        self.doubtful = 0
        self.retryable = False
        self.parts_in_doubt: list[str] = []
        self._directory = directory
        self._parallel = parallel or os.cpu_count() or 1
        self._client = client
        self._look = look
        self.refused = 0
        self._stop = threading.Event()
        self._outage = Outage(self._parallel, [asks(client.http)] if client else ())

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each file and each damaged line of a manifest.

        :raises FileFailed: if the directory cannot be read
        :raises BadManifest: if it has no manifest, or there is nothing in it
        """
        damages: list[Finding] = []

        def damaged(manifest: Path, number: int, error: BadManifest) -> None:
            damages.append(Finding(manifest.name, "altered", f"line {number}: {error}"))

        archive = Archive(self._directory, damaged)
        unknown, size = self._look_around(archive)
        if not (archive.manifests and (damages or unknown)):
            archive.check_not_empty()
        self.parts_in_doubt = archive.parts_in_doubt
        absent = (Finding(name, "missing", detail) for name, detail in archive.absent_parts())
        yield from (*absent, *damages, *unknown)
        with Overall(len(archive), size) as overall:
            workers: Workers[list[ExportedImage], list[tuple[ExportedImage, Finding | None]]]
            workers = Workers(
                lambda batch: [(one, self._check(one, overall.advance)) for one in batch],
                self._parallel,
                self._stop,
            )
            for batches in workers.results(_batches(archive)):
                for exported, finding in itertools.chain.from_iterable(batches):
                    self._count(exported, finding)
                    if finding is not None:
                        yield finding
                overall.done(sum(map(len, batches)))

    def _count(self, exported: ExportedImage, finding: Finding | None) -> None:
        if exported.data is None:
            self.without_data += exported.incomplete is None
            if exported.incomplete is None:
                self.active_without_data += exported.image.status not in WITHOUT_DATA
        elif finding is not None and not finding.is_broken:
            self.refused += finding.problem == _REFUSED
            self.whole += 1
            self.size += exported.data.size
            self.doubtful += exported.is_doubtful

    def _look_around(self, archive: Archive) -> tuple[list[Finding], int]:
        """Return the files that no manifest tells of, and the bytes of the others."""
        expected = Shelf[None]()
        for image_id in archive.ids():
            expected.add(file_name(image_id), None)
        unknown, size = [], 0
        with file_errors("read", self._directory):
            for entry in os.scandir(self._directory):
                if entry.name in expected:
                    size += entry.stat(follow_symlinks=False).st_size
                elif not is_manifest(entry.name) and not is_of_sums(entry.name):
                    unknown.append(_stranger(entry.name, expected))
        return sorted(unknown, key=lambda finding: finding.file), size

    def _check(self, exported: ExportedImage, advance: Advance) -> Finding | None:
        """Return what is found of an image, None where it has no data and no file."""
        if exported.data is None:
            return self._stray(exported) if exported.incomplete is None else _incomplete(exported)
        begun = time.monotonic()
        problem, detail = self._problem(exported, exported.data, advance)
        tell_finished(problem or "verified", exported.image, exported.data.size, begun)
        repaired = False
        if problem is not None and self._client is not None:
            failed = self._try_to_repair(self._client, exported, exported.data)
            repaired = failed is None
            if failed is not None:
                detail += f"; not repaired: {failed}"
        if exported.incomplete is not None and (problem is None or repaired):
            return _incomplete(exported)
        if problem is None and self._look and is_looked_at(exported.image.container_format):
            seen = inspect_file(self._directory / exported.file)
            refused = seen and seen.problem(exported.image.disk_format)
            problem, detail = (_REFUSED, refused) if refused else (None, "")
        return Finding(exported.file, problem, detail, exported.id, exported.name, repaired)

    def _stray(self, exported: ExportedImage) -> Finding | None:
        if not os.path.lexists(self._directory / exported.file):
            return None
        detail = "its image is recorded without data; an export takes it over or replaces it"
        return Finding(exported.file, "unknown", detail, exported.id, exported.name)

    def _problem(
        self, exported: ExportedImage, data: StoredData, advance: Advance
    ) -> tuple[str | None, str]:
        path = self._directory / exported.file
        try:
            status = path.lstat()
        except FileNotFoundError:
            return "missing", "there is no such file"
        except OSError as error:
            return "unreadable", str(error.strerror)
        if not stat.S_ISREG(status.st_mode):
            return "altered", "no regular file"
        if status.st_size != data.size:
            problem = "short" if status.st_size < data.size else "altered"
            return problem, f"{status.st_size} bytes, not {data.size}"
        expected = expected_of(exported.image)
        recorded = data.of(expected.algorithm)
        if recorded is not None and not expected.fits(recorded):
            name = "MD5" if expected.algorithm == "md5" else "SHA-256"
            return "altered", f"the manifest's {name} is not the image's checksum"
        try:
            # MD5 takes three times as long as SHA-256 where the processor knows the latter.
            further = () if expected.md5 else ("md5", expected.algorithm)
            hashes = hash_file(path, ("sha256", *further), advance, self._stop)
        except FileFailed as error:
            return "unreadable", str(error)
        if hashes.of("sha256") != data.sha256:
            return "altered", "other content: the SHA-256 is another"
        if recorded is None and not expected.fits(hashes.of(expected.algorithm)):
            return "altered", "its checksum is not the image's"
        if hashes.of("md5") not in (None, data.md5):
            return "altered", "the manifest's MD5 and SHA-256 are not of the same data"
        return None, ""

    def _try_to_repair(
        self, client: ImageClient, exported: ExportedImage, data: StoredData
    ) -> str | None:
        """Repair a file, unless the service is gone; return why that failed."""
        if self._outage.certain:
            self.retryable = True
            gone = self._outage.why in ("gone", "unknown")
            return "the service does not answer any more" if gone else "as were those before it"
        if exported.replaces is not None:
            return "its data was put in by hand: put it in again"
        begun = time.monotonic()
        try:
            self._repair(client, exported, data)
        except TransferStopped:
            raise
        except ImageV1Error as error:
            self._outage.failed(error, time.monotonic() - begun)
            self.retryable = self.retryable or may_pass(error)
            return str(error)
        self._outage.worked()
        return None

    def _repair(self, client: ImageClient, exported: ExportedImage, data: StoredData) -> None:
        """Fetch the data of an image again, as it was when it was exported."""
        download = Download(client, exported.image, sha256=True, stop=self._stop)
        got = download.to_file(self._directory / exported.file, keep_interrupted=True)
        if got.sha256 != data.sha256:
            raise ContentMismatch(
                f"the service has other data by now (SHA-256 {got.sha256}): export the image again"
            )


def _batches(archive: Iterable[ExportedImage]) -> Iterator[list[ExportedImage]]:
    """Yield images, small ones together: to hand one over takes as long as to hash it."""
    batch: list[ExportedImage] = []
    size = 0
    for exported in archive:
        batch.append(exported)
        size += exported.data.size if exported.data else 0
        if size >= _BATCH_SIZE or len(batch) == _BATCH_LENGTH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _incomplete(exported: ExportedImage) -> Finding:
    detail = f"{exported.incomplete}; export it again"
    return Finding(exported.file, "incomplete", detail, exported.id, exported.name)


def _stranger(name: str, expected: Container[str]) -> Finding:
    """Return what is found of a file that no manifest tells of."""
    if name.removesuffix(PART) in expected:
        detail = "what has come of an image so far: an export is at it, or goes on with it"
        return Finding(name, "incomplete", detail)
    return Finding(name, "unknown", "no manifest tells of it")
