"""Where images come from that go into a service: another service, or an archive."""

from __future__ import annotations

import abc
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from osc_image_v1.api.bodies import CHUNK_SIZE
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.paging import found_by_id
from osc_image_v1.api.records import Record, text_or_none
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.manifest import ExportedImage
from osc_image_v1.exceptions import AmbiguousName, ContentMismatch, ImageHasNoData, ImageNotFound
from osc_image_v1.migrate.drafts import MOST_PROPERTIES
from osc_image_v1.migrate.formats import DISK_FORMAT
from osc_image_v1.migrate.notes import Note
from osc_image_v1.text import printable
from osc_image_v1.transfer.download import Download
from osc_image_v1.transfer.expected import expected_of, has_data
from osc_image_v1.transfer.files import file_errors, opened, shown
from osc_image_v1.transfer.holes import pieces
from osc_image_v1.transfer.listed import settled
from osc_image_v1.transfer.many import Spool
from osc_image_v1.transfer.outage import asks
from osc_image_v1.transfer.sending import ImageSource

LOG = logging.getLogger(__name__)


class Original(abc.ABC):
    """An image as its source has it.

    :ivar listed: the image, as its record has it
    :ivar image: the image, with the size and checksum of the data that the source has
    :ivar notes: what is not all of the image, each a clause
    :ivar lack: why there is no data where there should be, None where that is not known
    """

    notes: tuple[str, ...] = ()
    lack: str | None = None

    def __init__(self, listed: ImageDetail, image: ImageDetail) -> None:
        self.listed = listed
        self.image = image

    @abc.abstractmethod
    def members(self) -> list[Member]:
        """Return the projects that it is shared with."""

    @abc.abstractmethod
    def data(self, stop: threading.Event) -> ImageSource | None:
        """Return its data, None where there is none.

        :param stop: ends the reading when it is set
        """

    @abc.abstractmethod
    def doubts(self, action: str) -> tuple[str, ...]:
        """Return the note on data that nothing vouches for.

        :param action: what has come of the image, see :class:`~osc_image_v1.migrate.job.Outcome`
        """

    def settled(self, stop: threading.Event) -> Original:  # noqa: ARG002
        """Return it when it is known what becomes of it.

        :param stop: ends the waiting when it is set
        """
        return self

    def check(self) -> None:  # noqa: B027
        """Check what can be seen of its data without reading that.

        :raises ImageV1Error: if it cannot be brought
        """


class Source(abc.ABC):
    """Where images come from."""

    def probes(self) -> list[Callable[[], object]]:
        """Return small requests that tell whether it is there."""
        return []

    @abc.abstractmethod
    def put_aside(self, record: Record, spool: Spool) -> int:
        """Put the record of an image aside, and return where it is.

        :param record: the image, as a detailed list has it
        :param spool: takes what is stored nowhere else
        """

    @abc.abstractmethod
    def take(self, image_id: str, spool: Spool, place: int) -> Original:
        """Return an image that was put aside; several threads may ask.

        :param image_id: its ID
        :param spool: what :meth:`put_aside` was given
        :param place: where it is
        :raises ImageV1Error: if it is not there any more
        """

    @abc.abstractmethod
    def image(self, image_id: str) -> ImageDetail | None:
        """Return an image that another one names, None where there is none."""


class ServiceSource(Source):
    """A service with the Image API v1.

    :param client: the service
    """

    def __init__(self, client: ImageClient) -> None:
        self._client = client

    def probes(self) -> list[Callable[[], object]]:
        """Return a small request to the service."""
        return [asks(self._client.http)]

    def put_aside(self, record: Record, spool: Spool) -> int:
        """Put a record aside: what a list has told is not asked for again."""
        return spool.add(record)

    def take(self, image_id: str, spool: Spool, place: int) -> Original:  # noqa: ARG002
        """Return an image that was put aside."""
        return _InService(self._client, spool.read(place))

    def image(self, image_id: str) -> ImageDetail | None:
        """Return an image of the service."""
        return found_by_id(self._client.get, image_id)


class _InService(Original):
    def __init__(self, client: ImageClient, record: Record) -> None:
        image = ImageDetail.from_record(record)
        super().__init__(image, image)
        self._client = client
        self._record = record

    def settled(self, stop: threading.Event) -> Original:
        return _InService(self._client, settled(self._client, self._record, stop))

    def members(self) -> list[Member]:
        return [] if self.image.is_public else self._client.members(self.image.id)

    def data(self, stop: threading.Event) -> ImageSource | None:
        return from_service(self._client, self.image, stop)

    def doubts(self, action: str) -> tuple[str, ...]:
        lack = expected_of(self.image).lack() if has_data(self.image) else None
        if lack is None:
            return ()
        if action == "copied":
            text = f"{lack}: nothing vouches for what the service has sent"
        else:
            text = f"{lack}: nothing tells whether the data is the same"
        return (Note(text, "no-checksum"),)


def from_service(
    client: ImageClient, image: ImageDetail, stop: threading.Event | None = None
) -> ImageSource | None:
    """Return the data of an image of the Image API v1, None where it has none.

    Interruptions are mended while it is read. What a deactivated image has, an admin gets through
    the Image API v2 of the same service.

    :param client: the service
    :param image: the image
    :param stop: ends the reading when it is set
    """
    if not has_data(image):
        return None

    def read() -> Iterator[bytes]:
        return Download(client, image, stop=stop).chunks()

    expected = expected_of(image)
    other = None if expected.md5 else expected.checksum
    return ImageSource(expected.size, expected.md5, read, other)


class ArchiveSource(Source):
    """An archive of exported images.

    :param archive: the images
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def put_aside(self, record: Record, spool: Spool) -> int:  # noqa: ARG002
        """Put nothing aside: the archive has its records in a file already."""
        return 0

    def take(self, image_id: str, spool: Spool, place: int) -> Original:  # noqa: ARG002
        """Return an image of the archive."""
        exported = self._archive.find(image_id)
        if exported is None:
            raise ImageNotFound(f"No image {printable(image_id)} was exported")
        return _Exported(self._archive, exported)

    def image(self, image_id: str) -> ImageDetail | None:
        """Return an exported image."""
        exported = self._archive.find(image_id)
        return None if exported is None else exported.image


class _Exported(Original):
    def __init__(self, archive: Archive, exported: ExportedImage) -> None:
        listed, data = exported.image, exported.data
        image = listed if data is None else replace(listed, size=data.size, checksum=data.md5)
        was = text_or_none(exported.record.get("disk_format"))
        if was != image.disk_format and len(image.properties) < MOST_PROPERTIES:
            # The copy keeps the format that the image had before its data was converted.
            image = replace(image, properties={DISK_FORMAT: was, **image.properties})
        super().__init__(listed, image)
        self._exported = exported
        self._directory = archive.directory
        if exported.incomplete is not None:
            text = f"its export is incomplete: {printable(exported.incomplete)}"
            self.notes = (Note(text, "incomplete"),)
        if data is None:
            self.lack = next(iter(self.notes), "it was exported without its data")

    def members(self) -> list[Member]:
        members = self._exported.members
        if members is None:
            LOG.warning(
                "Who image %s was shared with is not known: it is shared with nobody",
                printable(self.image.id),
            )
        return list(members or ())

    def data(self, stop: threading.Event) -> ImageSource | None:  # noqa: ARG002
        data = self._exported.data
        if data is None:
            return None
        return ImageSource(data.size, data.md5, self._read, end=self._end)

    @property
    def _path(self) -> Path:
        return self._directory / self._exported.file

    def _read(self) -> Iterator[bytes]:
        with self._file() as file:
            yield from pieces(file.fileno(), CHUNK_SIZE)

    @contextlib.contextmanager
    def _file(self) -> Iterator[BinaryIO]:
        """Open the data, of which there must be as much as was exported."""
        size = self._exported.data.size if self._exported.data is not None else 0
        with opened(self._path) as file, file_errors("read", self._path):
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise ContentMismatch(f"{shown(self._path)} has {found} bytes, not {size}")
            yield file

    def _end(self, size: int) -> bytes:
        with opened(self._path) as file, file_errors("read", self._path):
            file.seek(-min(size, os.fstat(file.fileno()).st_size), os.SEEK_END)
            return file.read()

    def doubts(self, action: str) -> tuple[str, ...]:  # noqa: ARG002
        if self._exported.replaces is not None:
            md5 = self._exported.replaces.md5
            return (f"its data was put in by hand in the place of what had the MD5 {md5}",)
        if self._exported.is_doubtful:
            return (Note("nothing vouched for its data when it was exported", "no-checksum"),)
        return ()

    def check(self) -> None:
        if self._exported.data is None:
            raise ImageHasNoData(self.lack)
        with self._file():
            pass


def exported_records(archive: Archive, names_or_ids: Iterable[str] = ()) -> Iterator[Record]:
    """Yield the records of exported images.

    :param archive: the images
    :param names_or_ids: which of them, by default all
    :raises ImageNotFound: if no such image was exported
    :raises AmbiguousName: if several of that name were
    """
    wanted = list(dict.fromkeys(names_or_ids))
    if not wanted:
        for exported in archive:
            yield exported.record
        return
    by_name = _ids_by_name(archive, {name for name in wanted if name not in archive})
    for name_or_id in wanted:
        ids = [name_or_id] if name_or_id in archive else by_name.get(name_or_id, [])
        shown = printable(name_or_id)
        if not ids:
            raise ImageNotFound(f"No image of the name or ID '{shown}' was exported")
        if len(ids) > 1:
            raise AmbiguousName(
                f"{len(ids)} images have the name '{shown}', use an ID instead: "
                + ", ".join(map(printable, ids)),
                ids,
            )
        found = archive.find(ids[0])
        if found is not None:
            yield found.record


def _ids_by_name(archive: Archive, names: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for exported in archive if names else ():
        name = exported.name
        if name in names:
            found.setdefault(name, []).append(exported.id)
    return found


def exported_projects(archive: Archive) -> dict[str, str | None]:
    """Return the projects that own exported images, or that they are shared with.

    :param archive: the images
    :returns: IDs -> names, None where the name is not known
    """
    projects: dict[str, str | None] = {}
    for exported in archive:
        for member in exported.members or ():
            projects.setdefault(member.member_id, None)
        owner = exported.image.owner
        if owner is not None:
            projects[owner] = exported.owner_name or projects.get(owner)
    return projects
