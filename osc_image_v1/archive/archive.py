"""A directory of exported images: files of data, and manifests that tell what they are.

The directory may come from anywhere. No symbolic link in it is followed, and no name in a manifest
is used as a path.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import BinaryIO, NamedTuple

from osc_image_v1.archive.manifest import (
    LONGEST_LINE,
    ExportedImage,
    header_line,
    image_line,
    read_line,
)
from osc_image_v1.exceptions import BadManifest, FileFailed
from osc_image_v1.transfer.files import (
    file_errors,
    flush_directory,
    lock,
    open_regular,
    opened,
    shown,
    write_all,
)
from osc_image_v1.transfer.shards import Shard
from osc_image_v1.transfer.shelf import Shelf

LOG = logging.getLogger(__name__)

_NAME = re.compile(r"manifest(?:-(\d{1,6})-of-(\d{1,6}))?\.jsonl", re.ASCII)
_READ_AT_ONCE = 2**20
_WRITTEN_AT_ONCE = 2**16
# Bytes of lines whose images stay in memory, some thousand images.
_KEPT = 2**20
# Images that are put aside together.
_PUT_AT_ONCE = 256
# Manifests that stay open; a process may not have many files open.
_MOST_OPEN = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HEADER_BEGINS = b'{"format":'

_CUT = BadManifest(
    "only its beginning is there: a run was killed, or the file was cut off; it does not count"
)

# Which of several records of an image counts: the greatest. The time is in microseconds.
_Rank = tuple[bool, int]

#: Is told the manifest, the number of the line and what is wrong with it.
_OnDamage = Callable[[Path, int, BadManifest], object]


def manifest_name(shard: Shard) -> str:
    """Return the name of the manifest of a part of the images.

    :param shard: the part
    """
    if shard.count == 1:
        return "manifest.jsonl"
    return f"manifest-{shard.index}-of-{shard.count}.jsonl"


def _part_of(name: str) -> Shard | None:
    """Return which images a manifest is for, None where its name says none that there are."""
    match = _NAME.fullmatch(name)
    index, count = (int(text or 1) for text in match.groups()) if match else (0, 0)
    return Shard(index, count) if 1 <= index <= count else None


def is_manifest(name: str) -> bool:
    """Tell whether a file's name is a manifest's."""
    return _NAME.fullmatch(name) is not None


class _Place(NamedTuple):
    """Where an image is recorded: in which manifest, and which bytes there."""

    rank: _Rank
    manifest: int
    offset: int
    length: int


class Archive:
    """The images that a directory's manifests tell of; each image once, as it was recorded last.

    A manifest that only says that an image is still to be exported gives way to another one that
    has it.

    In memory is a limited number of records; where the others are is put aside.

    :param directory: the directory
    :param on_damage: is told of each line that is damaged, which then counts as absent; without
        it, such a line raises BadManifest
    :ivar directory: the directory
    :ivar manifests: paths of the manifests
    :ivar has_data: whether a line tells of data
    :raises FileFailed: if the directory or a manifest cannot be read
    :raises BadManifest: if a manifest is damaged
    """

    def __init__(self, directory: Path, on_damage: _OnDamage | None = None) -> None:
        self.directory = directory
        self._on_damage = on_damage
        with file_errors("read", directory):
            self.manifests = sorted(
                directory / entry.name for entry in os.scandir(directory) if is_manifest(entry.name)
            )
        self.has_data = False
        self._room = _KEPT
        self._open: dict[int, BinaryIO] = {}
        self._opening = threading.Lock()
        self._kept: dict[str, tuple[_Place, ExportedImage]] = {}
        self._last: tuple[str, ExportedImage | None] | None = None
        self._places = _shelf()
        for number in range(len(self.manifests)):
            # What a manifest says last of an image counts, and then among manifests the best.
            found = _shelf() if number else self._places
            self._read(number, found)
            for image_id, place in found.items() if number else ():
                other = self._places.get(image_id)
                if other is None or other.rank <= place.rank:
                    self._places[image_id] = place

    def check_not_empty(self) -> None:
        """Refuse a directory that nothing was exported to.

        :raises BadManifest: if it has no manifest, or none tells of an image
        """
        if not self.manifests:
            raise BadManifest(
                f"{shown(self.directory)} has no manifest: nothing was exported to it"
            )
        if not self._places:
            raise BadManifest(
                f"the manifest in {shown(self.directory)} tells of no image: nothing was exported "
                "to it"
            )

    def absent_parts(self) -> list[tuple[str, str]]:
        """Return what has not been exported, where no set of parts is whole.

        :returns: the name of the first manifest that there is none of, and what else there is to
            say, for each number of parts
        """
        whole, absent = self._parts()
        return [] if whole else absent

    @property
    def parts_in_doubt(self) -> list[str]:
        """Parts that are absent, where an export without parts may have brought what is in them."""
        whole, absent = self._parts()
        return [name for name, _detail in absent] if whole == {1} else []

    def _parts(self) -> tuple[set[int], list[tuple[str, str]]]:
        """Return of how many parts all are there, and of each other number what is not."""
        there: dict[int, set[int]] = {}
        for manifest in self.manifests:
            part = _part_of(manifest.name)
            if part is not None:
                there.setdefault(part.count, set()).add(part.index)
        whole = {count for count, parts in there.items() if len(parts) == count}
        return whole, [
            (
                manifest_name(Shard(next(i for i in itertools.count(1) if i not in parts), count)),
                f"of {count} parts {count - len(parts)} were not exported, or their manifests were "
                "not brought along",
            )
            for count, parts in sorted(there.items())
            if count not in whole
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._places

    def __iter__(self) -> Iterator[ExportedImage]:
        """Yield the images, in the order of their IDs."""
        for image_id, place in self._places.in_order():
            yield self._kept_at(image_id, place) or self._at(image_id, place)

    def ids(self) -> Iterator[str]:
        """Yield the IDs of the images."""
        return iter(self._places)

    def find(self, image_id: str) -> ExportedImage | None:
        """Return an image, None where there is no record of it.

        :param image_id: the image's ID
        :raises BadManifest: if its manifest has been changed in between
        """
        last = self._last
        if last is None or last[0] != image_id:
            # An image is mostly asked for several times in a row.
            self._last = last = image_id, self._find(image_id)
        return last[1]

    def _find(self, image_id: str) -> ExportedImage | None:
        place = self._places.get(image_id)
        if place is None:
            return None
        return self._kept_at(image_id, place) or self._at(image_id, place)

    def part_of(self, image_id: str) -> Shard:
        """Return the part whose manifest has an image.

        :param image_id: the image's ID
        :raises KeyError: if there is no record of it
        """
        return _part_of(self.manifests[self._places[image_id].manifest].name) or Shard()

    def _kept_at(self, image_id: str, place: _Place) -> ExportedImage | None:
        kept = self._kept.get(image_id)
        return kept[1] if kept is not None and kept[0] == place else None

    def _at(self, image_id: str, place: _Place) -> ExportedImage:
        manifest = self.manifests[place.manifest]
        with self._opened(place.manifest) as file, file_errors("read", manifest):
            line = os.pread(file.fileno(), place.length, place.offset)
        exported = read_line(line)
        if exported is None or exported.id != image_id:
            raise BadManifest(f"{shown(manifest)} has been changed while it was read")
        return exported

    @contextlib.contextmanager
    def _opened(self, which: int) -> Iterator[BinaryIO]:
        """Give a manifest, which stays open unless too many are."""
        with self._opening:
            file = self._open.get(which)
            if file is None and len(self._open) < _MOST_OPEN:
                self._open[which] = file = opened(self.manifests[which])
                weakref.finalize(self, file.close)
        if file is not None:
            yield file
            return
        with opened(self.manifests[which]) as file:
            yield file

    def _read(self, which: int, found: Shelf[_Place]) -> None:
        """Put aside where each image of a manifest is recorded last."""
        manifest, offset = self.manifests[which], 0
        places: dict[str, _Place] = {}
        with opened(manifest) as file, file_errors("read", manifest):
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 2), b""), 1):
                try:
                    exported = read_line(line, first=number == 1)
                except BadManifest as error:
                    # A run that was killed leaves the beginning of a line.
                    if not line.endswith(b"\n") and len(line) <= LONGEST_LINE:
                        LOG.debug("%s ends within a line", shown(manifest))
                        if self._on_damage is not None:
                            self._on_damage(manifest, number, _CUT)
                        break
                    self._damaged(manifest, number, error)
                else:
                    if exported is not None:
                        self._room -= len(line)
                        self.has_data = self.has_data or exported.data is not None
                        place = _Place(_rank(exported), which, offset, len(line))
                        places[exported.id] = place
                        self._kept.pop(exported.id, None)
                        if self._room >= 0:
                            self._kept[exported.id] = place, exported
                offset += len(line)
                if len(places) == _PUT_AT_ONCE:
                    found.put(places)
                    places.clear()
        found.put(places)

    def _damaged(self, manifest: Path, number: int, error: BadManifest) -> None:
        if self._on_damage is None:
            raise BadManifest(
                f"{shown(manifest)}, line {number}: {error}; move the file away and export again: "
                "images whose files are whole are not fetched again"
            ) from None
        self._on_damage(manifest, number, error)


def _rank(exported: ExportedImage) -> _Rank:
    moment = (exported.exported_at - _EPOCH) // timedelta(microseconds=1)
    return exported.data is not None or exported.incomplete is None, moment


def _shelf() -> Shelf[_Place]:
    return Shelf(load=lambda stored: _Place((stored[0][0], stored[0][1]), *stored[1:]))


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines, as many at a time as are worth a call of the system."""
    some: list[bytes] = []
    size = 0
    for line in lines:
        some.append(line)
        size += len(line)
        if size >= _WRITTEN_AT_ONCE:
            yield b"".join(some)
            some, size = [], 0
    if some:
        yield b"".join(some)


class ManifestWriter:
    """Adds images to the manifest of a part of them, for this process alone.

    Images are recorded when their data is in place. What is recorded is on the disk; a run that is
    killed leaves at most the beginning of a line, which the next run removes.

    :param directory: the directory
    :param shard: which images the manifest is for
    """

    def __init__(self, directory: Path, shard: Shard) -> None:
        self.path = directory / manifest_name(shard)
        self._shard = shard

    def __enter__(self) -> ManifestWriter:
        fd = open_regular(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._file = open(fd, "r+b", buffering=0)  # noqa: PTH123 (closed by __exit__)
        try:
            with file_errors("write", self.path):
                lock(fd, self.path, "another run exports the same images to that directory")
                self._mend()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_raised: object) -> None:
        self._file.close()

    def add(self, images: Iterable[ExportedImage]) -> None:
        """Record images; all that is recorded is on the disk when this returns.

        :param images: the images, their data in place
        :raises FileFailed: if the disk is full, for one; the manifest is then as it was
        """
        self._append(map(image_line, images))

    def _append(self, lines: Iterable[bytes]) -> None:
        with file_errors("write", self.path):
            before = end = os.fstat(self._file.fileno()).st_size
            try:
                for some in _joined(lines):
                    write_all(self._file.write, some)
                    end += len(some)
                if end > before:
                    os.fsync(self._file.fileno())
            except BaseException:
                with contextlib.suppress(OSError):
                    self._file.truncate(before)
                raise

    def _mend(self) -> None:
        """Remove the beginning of a line that a killed run has left, and begin an empty file."""
        end, tail = self._tail()
        if tail:
            try:
                read_line(tail, first=end == 0)
            except BadManifest:
                self._check_begun(tail)
                self._file.truncate(end)
            else:
                self._append((b"\n",))
        if os.fstat(self._file.fileno()).st_size == 0:
            self._append((header_line(str(self._shard)),))
            flush_directory(self.path.parent)

    def _check_begun(self, tail: bytes) -> None:
        """Refuse to cut off what is no manifest at all."""
        self._file.seek(0)
        begin = self._file.read(len(_HEADER_BEGINS))
        if not _HEADER_BEGINS.startswith(begin) or len(tail) > LONGEST_LINE:
            raise FileFailed(f"{shown(self.path)} is no manifest, and is left as it is")

    def _tail(self) -> tuple[int, bytes]:
        """Return what follows the last end of a line, and where."""
        end = os.fstat(self._file.fileno()).st_size
        tail = b""
        while end:
            start = max(0, end - _READ_AT_ONCE)
            self._file.seek(start)
            block = self._file.read(end - start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                return start + newline + 1, block[newline + 1 :] + tail
            tail = block + tail
            if len(tail) > LONGEST_LINE:
                break
            end = start
        return 0, tail
