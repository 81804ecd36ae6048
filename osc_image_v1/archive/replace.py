"""The data of an exported image replaced by hand: converted, or unpacked."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from osc_image_v1.archive.archive import Archive, ManifestWriter
from osc_image_v1.archive.manifest import ExportedImage, StoredData
from osc_image_v1.archive.sums import write_sums
from osc_image_v1.exceptions import ImageNotFound, InvalidInput
from osc_image_v1.text import printable
from osc_image_v1.transfer.digests import hash_file
from osc_image_v1.transfer.files import file_errors, shown
from osc_image_v1.transfer.formats import INSTALL, inspect_file
from osc_image_v1.transfer.holes import pieces
from osc_image_v1.transfer.part import PartFile

_READ_SIZE = 2**20


def replace_data(
    directory: Path,
    image_id: str,
    file: Path,
    disk_format: str | None = None,
    *,
    dry_run: bool = False,
) -> ExportedImage:
    """Put other data in the place of an exported image's, and record that.

    What the service vouched for stays recorded beside it.

    :param directory: where it was exported to
    :param image_id: the image's ID
    :param file: the data; it stays where it is
    :param disk_format: what it is, by default what is found in it
    :param dry_run: change nothing, and return what would be recorded
    :returns: the image as it is recorded now
    :raises InvalidInput: if it has no data, is of no format, or of another one
    :raises ImageNotFound: if the image has no data there
    :raises FileFailed: if a file cannot be read or written
    """
    archive = Archive(directory)
    known = archive.find(image_id)
    if known is None or known.data is None or known.incomplete is not None:
        raise ImageNotFound(f"Image {printable(image_id)} was not exported, or not all of it")
    disk_format = _format_of(file, disk_format)
    new = dataclasses.replace(known, replaces=known.replaces or known.data, disk_format=disk_format)
    if dry_run:
        return dataclasses.replace(new, data=_hashed(file.resolve()))
    shard = archive.part_of(image_id)
    with ManifestWriter(directory, shard) as manifest:
        exported = dataclasses.replace(new, data=_put(file, directory / known.file))
        manifest.add([exported])
        write_sums(directory, shard)
    return exported


def _format_of(file: Path, disk_format: str | None) -> str:
    """Return the format that data is to be called, which Glance takes it for."""
    with file_errors("read", file):
        # A link is the person's own here.
        seen = inspect_file(file.resolve(strict=True))
        size = file.stat().st_size
    if not size:
        # What was to convert or unpack it has failed.
        raise InvalidInput(f"{shown(file)} has no data at all: nothing was replaced")
    if seen is None and disk_format is None:
        raise InvalidInput(f"Nothing tells what {shown(file)} is: name its format, or {INSTALL}")
    chosen = disk_format or (None if seen is None else seen.better)
    reason = None if seen is None else seen.refusal(chosen or "raw")
    if chosen is None or reason:
        raise InvalidInput(f"{shown(file)} cannot be put in: {reason or f'it is {seen}'}")
    return chosen


def _put(file: Path, target: Path) -> StoredData:
    """Copy a file to its place, where it is not there already, and hash what is there."""
    with file_errors("read", file):
        in_place = target.exists() and file.samefile(target)
    if not in_place:
        with PartFile(target) as part, file.open("rb") as source:
            part.clear()
            part.check_space(os.fstat(source.fileno()).st_size)
            with file_errors("read", file):
                for piece in pieces(source.fileno(), _READ_SIZE):
                    part.write(piece)
            part.commit()
    return _hashed(target)


def _hashed(path: Path) -> StoredData:
    """Return what is recorded of data that nothing vouches for."""
    hashes = hash_file(path, ("md5", "sha256"))
    md5, sha256 = str(hashes.of("md5")), str(hashes.of("sha256"))
    return StoredData(hashes.size, md5, sha256, verified=False)
