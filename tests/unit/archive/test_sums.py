"""SHA256SUMS: what is whole, and nothing else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.archive import sums as module
from osc_image_v1.archive.export import Export
from osc_image_v1.archive.manifest import file_name
from osc_image_v1.archive.sums import SUMS, write_sums
from osc_image_v1.archive.verify import Verification
from osc_image_v1.exceptions import FileFailed
from osc_image_v1.transfer.shards import Shard
from tests.unit.store import Store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def run(client: ImageClient, store: Store, directory: Path) -> Any:
    def run_once(**options: Any) -> None:
        Export(client, directory, **options).run([dict(one) for one in store.records.values()])

    return run_once


def named(directory: Path) -> dict[str, str]:
    """Return sums by the names of files."""
    lines = [line.split("  ") for line in (directory / SUMS).read_text().splitlines()]
    return {name: digest for digest, name in lines}


def expected(store: Store, *ids: str) -> dict[str, str]:
    return {f"{one}.img": hashlib.sha256(store.data[one]).hexdigest() for one in ids}


def test_all_that_is_whole(store: Store, directory: Path, run: Any) -> None:
    whole = [store.add(1), store.add(2, checksum=None)]
    store.add(3, status="queued", size=None, checksum=None)
    damaged = store.add(4, checksum="a" * 32)
    run()
    assert named(directory) == expected(store, *whole)
    # Verify knows it, and what a killed run has left of it.
    (directory / "manifest.jsonl.osc-image-v1.part").write_bytes(b"")
    problems = {f.file: f.problem for f in Verification(directory).findings() if f.problem}
    assert problems == {f"{damaged}.img": "incomplete"}


def test_renewed_by_each_run(store: Store, directory: Path, run: Any) -> None:
    one, two = store.add(1), store.add(2)
    run()
    (directory / SUMS).unlink()
    (directory / f"{two}.img").unlink()
    store.refused[f"/images/{two}"] = 404
    run()
    assert named(directory) == expected(store, one)
    store.refused.clear()
    run()
    assert named(directory) == expected(store, one, two)
    assert sorted(path.name for path in directory.iterdir()) == sorted(
        [SUMS, f"{one}.img", f"{two}.img", "manifest.jsonl"]
    )


def test_what_is_about_to_change_is_left_out(store: Store, directory: Path, run: Any) -> None:
    """A run that is killed then leaves no sum that does not fit."""
    one, two = store.add(1), store.add(2)
    run()
    store.add(1, b"other data")
    seen = {}
    answer = store._answer

    def look(request: Any, context: Any) -> bytes:
        seen.update(named(directory))
        return answer(request, context)

    store._answer = look  # type: ignore[method-assign]
    store.mock.register_uri("GET", re.compile(".*"), content=look)
    run()
    assert seen == expected(store, two)
    assert named(directory) == expected(store, one, two)


def test_parts_of_the_images(store: Store, directory: Path, run: Any) -> None:
    ids = [store.add(number) for number in range(20)]
    for index in (1, 2, 3):
        run(shard=Shard(index, 3))
    assert named(directory) == expected(store, *ids)


def test_another_machine_is_at_its_end_at_the_same_time(
    store: Store, directory: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [store.add(number) for number in range(20)]
    lines, other = module._lines, Shard(2, 2)

    def late(archive: Any) -> Any:
        found = list(lines(archive))
        monkeypatch.setattr(module, "_lines", lines)
        run(shard=other)
        return iter(found)

    monkeypatch.setattr(module, "_lines", late)
    run(shard=Shard(1, 2))
    assert named(directory) == expected(store, *ids)


def test_nothing_that_is_whole(store: Store, directory: Path, run: Any) -> None:
    store.add(1)
    run()
    next(directory.glob("*.img")).unlink()
    run(metadata_only=True)
    assert [path.name for path in directory.iterdir()] == ["manifest.jsonl"]


def test_links_are_not_followed(store: Store, directory: Path, run: Any, tmp_path: Path) -> None:
    one = store.add(1)
    run()
    (tmp_path / "victim").write_bytes(b"victim")
    (directory / SUMS).unlink()
    (directory / SUMS).symlink_to(tmp_path / "victim")
    run()
    assert named(directory) == expected(store, one)
    (directory / "manifest.jsonl.osc-image-v1.part").symlink_to(tmp_path / "victim")
    with pytest.raises(FileFailed, match="symbolic link"):
        write_sums(directory, Shard())
    assert (tmp_path / "victim").read_bytes() == b"victim"


@given(st.text(min_size=1))
def test_no_name_needs_to_be_escaped(image_id: str) -> None:
    assert re.fullmatch(r"[0-9a-z-]{1,80}\.img", file_name(image_id), re.ASCII)
