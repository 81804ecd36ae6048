"""What ``sha256sum -c`` reads beside the manifests: for it no tool of this project is needed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from osc_image_v1.archive.archive import Archive, is_manifest, manifest_name
from osc_image_v1.transfer.files import (
    file_errors,
    flush_directory,
    open_regular,
    regular_size,
    write_all,
)
from osc_image_v1.transfer.part import PART, part_of
from osc_image_v1.transfer.shards import Shard

#: The name of the file.
SUMS = "SHA256SUMS"

_LINES_AT_ONCE = 1000


def is_of_sums(name: str) -> bool:
    """Tell whether a file has sums, or the beginning of them that a killed run has left."""
    return name == SUMS or (name.endswith(PART) and is_manifest(name.removesuffix(PART)))


def write_sums(directory: Path, shard: Shard) -> None:
    """Write the SHA-256 of all files of an export that are whole, as its manifests tell.

    Other machines, each with a part of the images, may do so at the same time: whoever comes last
    has seen all that was recorded before the others were at their end.

    :param directory: the directory
    :param shard: the part whose manifest is open for writing: no one else has the same one
    :raises FileFailed: if that fails; what was there stays
    :raises BadManifest: if a manifest is damaged
    """
    path, unfinished = directory / SUMS, part_of(directory / manifest_name(shard))
    while True:
        before = _state(path)
        lines = _lines(Archive(directory))
        fd = open_regular(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with open(fd, "wb", buffering=0) as file, file_errors("write", path):  # noqa: PTH123
            while some := b"".join(itertools.islice(lines, _LINES_AT_ONCE)):
                write_all(file.write, some)
            os.fsync(fd)
            empty = not file.tell()
        with file_errors("write", path):
            if _state(path) != before:
                continue
            unfinished.replace(path)
            if empty:
                # sha256sum takes a file without lines for an error.
                path.unlink()
            flush_directory(directory)
        return


def _state(path: Path) -> tuple[int, int] | None:
    """Return what tells whether another machine has put its file in the place of this one."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _lines(archive: Archive) -> Iterator[bytes]:
    for exported in archive:
        data = exported.data
        if data is None or exported.incomplete is not None:
            continue
        if regular_size(archive.directory / exported.file) == data.size:
            yield f"{data.sha256}  {exported.file}\n".encode()
