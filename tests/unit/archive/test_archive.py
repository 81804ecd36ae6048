from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.archive import archive as module
from osc_image_v1.archive.archive import Archive, ManifestWriter, is_manifest, manifest_name
from osc_image_v1.archive.manifest import ExportedImage, StoredData, header_line, image_line
from osc_image_v1.exceptions import BadManifest, FileFailed
from osc_image_v1.transfer.shards import Shard
from tests.unit.conftest import detail

MOMENT = datetime(2026, 11, 24, tzinfo=timezone.utc)


def exported(number: int, minutes: int = 0, **fields: Any) -> ExportedImage:
    return ExportedImage(
        record=detail(number, **fields),
        members=(),
        owner_name=None,
        data=StoredData(number, "5" * 32, "a" * 64, verified=True),
        endpoint="http://image.example/v1",
        exported_at=MOMENT + timedelta(minutes=minutes),
    )


def write(directory: Path, *images: ExportedImage, shard: Shard | None = None) -> Path:
    with ManifestWriter(directory, shard or Shard()) as writer:
        writer.add(images)
    return writer.path


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 0)


@pytest.fixture(params=[2**20, 1200, 0], ids=["all kept", "one kept", "nothing kept"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", request.param)


def names(directory: Path) -> list[str | None]:
    return [image.image.name for image in Archive(directory)]


@pytest.mark.usefixtures("kept")
def test_written_and_read(tmp_path: Path) -> None:
    images = [exported(2), exported(1)]
    write(tmp_path, *images)
    archive = Archive(tmp_path)
    assert list(archive) == sorted(images, key=lambda image: image.id)
    assert len(archive) == 2
    assert images[0].id in archive
    assert set(archive.ids()) == {image.id for image in images}
    assert archive.find(images[0].id) == images[0]
    assert archive.find("another") is None
    assert archive.manifests == [tmp_path / "manifest.jsonl"]


def test_nothing_to_add(tmp_path: Path) -> None:
    path = write(tmp_path)
    size = path.stat().st_size
    write(tmp_path)
    assert path.stat().st_size == size
    assert names(tmp_path) == []


@pytest.mark.usefixtures("kept")
def test_a_later_record_replaces_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, exported(1, name="old"), exported(2))
    # Also where the clock went back.
    write(tmp_path, exported(1, -5, name="new"))
    assert names(tmp_path) == ["new", "image 2"]


@pytest.mark.usefixtures("kept")
def test_parts_are_read_together(tmp_path: Path) -> None:
    write(tmp_path, exported(1, 5, name="late"), exported(2), shard=Shard(1, 2))
    write(tmp_path, exported(1, 4, name="early"), exported(3), shard=Shard(2, 2))
    write(tmp_path, exported(2, 9, name="latest"))
    assert names(tmp_path) == ["late", "latest", "image 3"]
    assert [path.name for path in Archive(tmp_path).manifests] == [
        "manifest-1-of-2.jsonl",
        "manifest-2-of-2.jsonl",
        "manifest.jsonl",
    ]


def test_names_of_manifests() -> None:
    assert manifest_name(Shard()) == "manifest.jsonl"
    assert manifest_name(Shard(3, 8)) == "manifest-3-of-8.jsonl"
    assert is_manifest("manifest-3-of-8.jsonl")
    assert not is_manifest("manifest.jsonl.bak")
    assert not is_manifest("manifest-x-of-8.jsonl")


LINES = header_line("1/1") + b"".join(image_line(exported(n)) for n in range(3))
ENDS = [i + 1 for i, byte in enumerate(LINES) if byte == 10]


@given(st.integers(0, len(LINES)))
def test_a_run_that_was_killed_while_it_wrote(tmp_path_factory: Any, length: int) -> None:
    directory = tmp_path_factory.mktemp("export")
    (directory / "manifest.jsonl").write_bytes(LINES[:length])
    # A line without its end is whole, too.
    whole = sum(length >= end - 1 for end in ENDS[1:])
    assert len(Archive(directory)) == whole
    write(directory, exported(7))
    archive = Archive(directory)
    assert len(archive) == whole + 1
    assert archive.find(exported(7).id) == exported(7)
    text = (directory / "manifest.jsonl").read_bytes()
    assert text.endswith(b"\n")
    assert text.count(b"\n") == whole + 2


def test_a_long_beginning_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_READ_AT_ONCE", 100)
    path = write(tmp_path, exported(1))
    with path.open("ab") as file:
        file.write(image_line(exported(2))[:500])
    write(tmp_path, exported(3))
    assert names(tmp_path) == ["image 1", "image 3"]


@pytest.mark.parametrize("text", [b"hello", b'[{"a": 1}', b"\0\0\0", b"x" * 300])
def test_what_is_no_manifest_is_left_as_it_is(
    tmp_path: Path, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 200)
    (tmp_path / "manifest.jsonl").write_bytes(text)
    with pytest.raises(FileFailed, match="is no manifest"):
        write(tmp_path, exported(1))
    assert (tmp_path / "manifest.jsonl").read_bytes() == text


@pytest.mark.parametrize("text", [b"hello\n", b"\n", image_line(exported(1))])
def test_what_is_no_manifest_is_not_read(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(text)
    with pytest.raises(BadManifest, match=r"manifest.jsonl', line 1: .*move the file away"):
        Archive(tmp_path)


@pytest.mark.usefixtures("kept")
def test_a_damaged_line(tmp_path: Path) -> None:
    path = write(tmp_path, exported(1), exported(2), exported(3))
    path.write_bytes(path.read_bytes().replace(b"image 2", b"image 5"))
    with pytest.raises(BadManifest, match=r"line 3: the line has been altered"):
        Archive(tmp_path)
    damages: list[Any] = []
    archive = Archive(tmp_path, lambda *damage: damages.append(damage))
    assert [image.image.name for image in archive] == ["image 1", "image 3"]
    assert [(manifest.name, number) for manifest, number, _ in damages] == [("manifest.jsonl", 3)]


@pytest.mark.usefixtures("nothing_kept")
def test_a_manifest_that_is_changed_while_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, exported(1), exported(2))
    archive = Archive(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2] + lines[1])
    with pytest.raises(BadManifest, match="changed while it was read"):
        list(archive)


def test_records_are_kept_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 2 * len(image_line(exported(1))))
    write(tmp_path, *map(exported, range(1, 4)))
    archive = Archive(tmp_path)
    first = [archive.find(exported(number).id) for number in (1, 2, 3)]
    again = [archive.find(exported(number).id) for number in (1, 2, 3)]
    assert first == again == [exported(1), exported(2), exported(3)]
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True, False]


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = write(outside, exported(1))
    directory = tmp_path / "export"
    directory.mkdir()
    (directory / "manifest.jsonl").symlink_to(target)
    with pytest.raises(FileFailed, match="symbolic link, which is not followed"):
        Archive(directory)
    before = target.read_bytes()
    with pytest.raises(FileFailed, match="symbolic link, which is not followed"):
        write(directory, exported(2))
    assert target.read_bytes() == before


def test_odd_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.jsonl")
    with pytest.raises(FileFailed, match="no regular file"):
        Archive(tmp_path)
    (tmp_path / "manifest.jsonl").unlink()
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(FileFailed):
        Archive(tmp_path)
    with pytest.raises(FileFailed, match="Cannot read"):
        Archive(tmp_path / "nowhere")


def test_two_runs_on_one_part(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from osc_image_v1.archive.archive import ManifestWriter, Shard\n"
        "with ManifestWriter(Path(sys.argv[1]), Shard()):\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=-1, stdout=-1
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(FileFailed, match="in use: another run exports the same images"):
            write(tmp_path, exported(1))
        write(tmp_path, exported(1), shard=Shard(1, 2))
        process.communicate(b"")
    write(tmp_path, exported(1))


def test_a_full_disk_leaves_the_manifest_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, exported(1))
    before = path.read_bytes()

    def full(_write: Any, lines: bytes) -> None:
        with path.open("ab") as file:
            file.write(lines[:50])
        raise OSError(28, "No space left on device")

    with ManifestWriter(tmp_path, Shard()) as writer:
        monkeypatch.setattr(module, "write_all", full)
        with pytest.raises(FileFailed, match="No space left"):
            writer.add([exported(2)])
        monkeypatch.undo()
        assert path.read_bytes() == before
        writer.add([exported(3)])
    assert names(tmp_path) == ["image 1", "image 3"]
