"""However many images there are: what goes through all of them keeps none of them in memory."""

from __future__ import annotations

import gc
import logging
import os
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.stand_in import detailed, image_id, of_v2
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import Abilities, Member
from osc_image_v1.archive import archive, export
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.export import Export
from osc_image_v1.migrate.drafts import Plan
from osc_image_v1.migrate.job import Job
from osc_image_v1.migrate.sources import ServiceSource
from osc_image_v1.migrate.target_v2 import V2Target
from osc_image_v1.report.compare import Comparison
from osc_image_v1.report.peers import CloudPeer, DirectoryPeer
from osc_image_v1.report.usage import count, problems
from osc_image_v1.transfer import many, shelf

FEW, MANY = 200, 700
# An image's ID in a set alone takes more.
_ROOM = (MANY - FEW) * 100
_PLAN = Plan(keep_projects=True)


def _in_memory() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class Images:
    """A service with any number of images, and what is in memory when all of them are seen.

    :ivar asked: how often it was asked for members
    :ivar most: bytes
    """

    def __init__(self, number: int) -> None:
        self.http = SimpleNamespace(shown_endpoint="http://image.example/v1")
        self.number = number
        self.asked = self.most = 0
        self._among_work: list[int] = []

    def records(self) -> Iterator[dict[str, Any]]:
        yield from map(detailed, range(self.number))
        self.weigh()

    def members(self, _image_id: str) -> list[Member]:
        self.asked += 1
        # Every other image is private. What several workers have in hand at a moment varies, and
        # goes; what is kept is there at each.
        if self.asked > self.number // 4 and self.asked % 10 == 0:
            self._among_work.append(_in_memory())
        return []

    def weigh(self) -> None:
        self.most = max(self.most, _in_memory(), min(self._among_work, default=0))


class Target(ImageV2Client):
    """A service that has the same images."""

    abilities = Abilities()

    def __init__(self, number: int) -> None:
        auth = SimpleNamespace(auth=SimpleNamespace())
        self.http: Any = SimpleNamespace(project_id=None, adapter=auth)
        self._number = number

    def pages(self, filters: Mapping[str, str] | None = None) -> Iterator[list[dict[str, Any]]]:
        number = 0 if "visibility" in (filters or {}) else self._number
        for first in range(0, number, 100):
            yield [of_v2(one) for one in range(first, min(number, first + 100))]


def _export(images: Any, directory: Path) -> Iterable[Any]:
    Export(images, directory, metadata_only=True).run(images.records())
    return Archive(directory)


def _with_directory(images: Any, directory: Path) -> Iterable[Any]:
    peer = DirectoryPeer(Archive(directory))
    return Comparison(images, peer).differences(images.records())


def _with_cloud(images: Any, _directory: Path) -> Iterable[Any]:
    # Of each image a note tells that nobody may say whose the copy is.
    peer = CloudPeer(V2Target(Target(images.number)), Plan(visibility="private"))
    return Comparison(images, peer).differences(images.records())


def _preview(images: Any, _directory: Path) -> Iterable[Any]:
    # What each worker has in hand at the moment of a look differs, and is not looked for.
    job = Job(ServiceSource(images), V2Target(Target(images.number)), _PLAN, parallel=2)
    return job.preview(images.records())


JOBS: dict[str, Callable[[Any, Path], Iterable[Any]]] = {
    "usage": lambda images, _at: count(images.records(), "project"),
    "usage --problems": lambda images, _at: problems(images.records(), projects=()),
    "export": _export,
    "export again, compare with a directory": _with_directory,
    "compare with a cloud": _with_cloud,
    "copy --dry-run": _preview,
}


def noting(noted: list[Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what does the same, and notes with what."""

    def note(first: Any, /, *args: Any, **options: Any) -> Any:
        noted.append(first)
        return call(first, *args, **options)

    return note


@pytest.mark.parametrize("job", JOBS)
def test_memory_does_not_grow(
    job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # It would keep what is logged.
    caplog.set_level(logging.CRITICAL)
    # What may stay in memory is full with few images.
    monkeypatch.setattr(many, "_MOST_WAITING", 16)
    monkeypatch.setattr(shelf, "_ROWS_AT_ONCE", 16)
    monkeypatch.setattr(shelf, "_FEW", 16)
    monkeypatch.setattr(archive, "_KEPT", 2**10)
    # What reaches the disk takes time, and no memory.
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    monkeypatch.setattr(export, "_GATHERED", 0.0)

    def weighed(number: int) -> int:
        images, directory = Images(number), tmp_path / str(number)
        if "directory" in job:
            _export(images, directory)
            images.most = 0
        tracemalloc.start()
        try:
            lines = sum(
                images.weigh() or 1 if line == number else 1
                for line, _one in enumerate(JOBS[job](images, directory), 1)
            )
        finally:
            tracemalloc.stop()
        assert lines >= min(50, number)
        assert images.most
        return images.most

    weighed(FEW // 2)  # what is loaded once
    assert weighed(MANY) - weighed(FEW) < _ROOM


def test_what_an_export_of_metadata_asks_and_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, written = list[int](), list[Any]()
    monkeypatch.setattr(os, "fsync", flushed.append)
    monkeypatch.setattr(archive, "write_all", noting(written, archive.write_all))
    images: Any = Images(1000)
    first = Export(images, tmp_path, metadata_only=True)
    assert first.run(images.records()).without_data == 1000
    # Every other one is private.
    assert images.asked == 500
    # Up to 256 images at a time are announced, and what is ready is recorded together.
    assert len(flushed) < 500
    assert len(written) < 500
    manifest = tmp_path / "manifest.jsonl"
    before = manifest.read_bytes()
    assert before.count(b"\n") == 1 + 2 * 1000

    del flushed[:]
    read, opened = list[bytes](), list[Any]()
    monkeypatch.setattr(archive, "_KEPT", 0)
    monkeypatch.setattr(archive, "read_line", noting(read, archive.read_line))
    monkeypatch.setattr(archive, "opened", noting(opened, archive.opened))
    assert Export(images, tmp_path, metadata_only=True).run(images.records()).without_data == 1000
    assert manifest.read_bytes() == before
    assert len(flushed) < 5
    # What was recorded is read whole, then of each image when it is planned and when it is its
    # turn; nothing is to be announced, and without data there are no sums.
    assert len(read) <= 1 + 2 * 1000 + 2 * 1000
    assert len(opened) == 2
    assert list(Archive(tmp_path).ids()) == [image_id(number) for number in range(1000)]
