"""Exported images into a service, as a copy from one service to another does it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from osc_image_v1.api.data import CHUNK_SIZE
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.manifest import ExportedImage
from osc_image_v1.exceptions import (
    AmbiguousName,
    ContentMismatch,
    ImageHasNoData,
    ImageNotFound,
)
from osc_image_v1.migrate.drafts import Plan
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.targets import Target
from osc_image_v1.text import printable
from osc_image_v1.transfer.files import file_errors, opened, shown
from osc_image_v1.transfer.progress import Advance
from osc_image_v1.transfer.sending import ImageSource
from osc_image_v1.transfer.shards import Shard

LOG = logging.getLogger(__name__)


class Import(Job):
    """An import of exported images.

    :param archive: the images
    :param target: the service that they go to
    :param plan: how they are written
    :param shard: only the images of this part
    :param parallel: how many images are imported at a time
    """

    def __init__(
        self,
        archive: Archive,
        target: Target,
        plan: Plan,
        *,
        shard: Shard | None = None,
        parallel: int = 4,
    ) -> None:
        super().__init__(target, plan, shard=shard, parallel=parallel)
        self._archive = archive

    def _image(self, image_id: str) -> ImageDetail | None:
        exported = self._archive.find(image_id)
        return None if exported is None else exported.image

    def _members(self, image: ImageDetail) -> list[Member]:
        members = self._exported(image).members
        if members is None:
            LOG.warning(
                "Who image %s was shared with is not known: it is shared with nobody",
                printable(image.id),
            )
        return list(members or ())

    def _data(self, image: ImageDetail) -> ImageSource | None:
        exported = self._exported(image)
        if exported.data is None:
            return None
        path = self._archive.directory / exported.file

        def read() -> Iterator[bytes]:
            with opened(path) as file, file_errors("read", path):
                while chunk := file.read(CHUNK_SIZE):
                    yield chunk

        return ImageSource(exported.data.size, exported.data.md5, read)

    def _doubts(self, image: ImageDetail, action: str) -> tuple[str, ...]:  # noqa: ARG002
        if self._exported(image).is_doubtful:
            return ("nothing vouched for its data when it was exported",)
        return ()

    def _copy(self, image: ImageDetail, advance: Advance) -> Outcome:
        exported = self._exported(image)
        image = _as_exported(image, exported)
        try:
            return _with_note(super()._copy(image, advance), exported)
        except ImageHasNoData as error:
            raise _no_data(exported) from error

    def _foresee(self, image: ImageDetail, advance: Advance) -> Outcome:
        exported = self._exported(image)
        outcome = super()._foresee(_as_exported(image, exported), advance)
        if outcome.action == "copy":
            if exported.data is None:
                raise _no_data(exported)
            self._check_file(exported, exported.data.size)
        return _with_note(outcome, exported)

    def _check_file(self, exported: ExportedImage, size: int) -> None:
        """Check what can be seen of an image's file without reading it."""
        path = self._archive.directory / exported.file
        with opened(path) as file, file_errors("read", path):
            found = os.fstat(file.fileno()).st_size
        if found != size:
            raise ContentMismatch(f"{shown(path)} has {found} bytes, not {size}")

    def _exported(self, image: ImageDetail) -> ExportedImage:
        exported = self._archive.find(image.id)
        if exported is None:
            raise ImageNotFound(f"No image {printable(image.id)} was exported")
        return exported


def _as_exported(image: ImageDetail, exported: ExportedImage) -> ImageDetail:
    """Return an image with the size and MD5 of the data that was exported."""
    data = exported.data
    return image if data is None else replace(image, size=data.size, checksum=data.md5)


def _no_data(exported: ExportedImage) -> ImageHasNoData:
    if exported.incomplete is None:
        return ImageHasNoData("it was exported without its data")
    return ImageHasNoData(f"its export is incomplete: {printable(exported.incomplete)}")


def _with_note(outcome: Outcome, exported: ExportedImage) -> Outcome:
    """Say so where not all of an image was exported."""
    if exported.incomplete is None:
        return outcome
    note = f"its export is incomplete: {printable(exported.incomplete)}"
    return replace(outcome, notes=(*outcome.notes, note))


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
