from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.archive.archive import Archive, ManifestWriter
from osc_image_v1.archive.export import Export
from osc_image_v1.archive.manifest import StoredData
from osc_image_v1.archive.verify import Finding, Verification
from osc_image_v1.cli.export import VerifyExport
from osc_image_v1.cli.values import parse_shard
from osc_image_v1.exceptions import (
    BadManifest,
    FileFailed,
    OwnFailures,
    TransferStopped,
)
from osc_image_v1.transfer.shards import Shard
from tests.unit import disks
from tests.unit.conftest import Shell, image_id
from tests.unit.store import Store


@pytest.fixture
def directory(tmp_path: Path, store: Store, client: ImageClient) -> Path:
    """An export of four images: three with data, one without."""
    for number in range(3):
        store.add(number)
    store.add(3, status="queued", size=None, checksum=None)
    path = tmp_path / "export"
    Export(client, path).run(list(store.records.values()))
    return path


def broken(directory: Path, client: ImageClient | None = None) -> list[Finding]:
    found = Verification(directory, client=client).findings()
    return sorted(
        (finding for finding in found if finding.problem), key=lambda finding: finding.file
    )


def file(directory: Path, number: int) -> Path:
    return directory / f"{image_id(number)}.img"


def test_all_is_whole(directory: Path) -> None:
    verification = Verification(directory, parallel=2)
    findings = list(verification.findings())
    assert sorted(finding.image_id or "" for finding in findings) == [
        image_id(number) for number in range(3)
    ]
    assert all(finding.problem is None for finding in findings)
    assert (verification.whole, verification.size) == (3, 18)
    assert (verification.without_data, verification.active_without_data) == (1, 0)


def test_a_line_for_each_file(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "osc_image_v1")
    file(directory, 1).unlink()
    list(Verification(directory).findings())
    told = sorted(m.split(": ")[0] for m in caplog.messages if m.startswith("Image "))
    words = ("verified", "missing", "verified")
    assert told == [f"Image {image_id(number)} {word}" for number, word in enumerate(words)]


def test_more_images_than_a_worker_takes_at_a_time(
    tmp_path: Path, store: Store, client: ImageClient
) -> None:
    for number in range(50):
        store.add(number, b"x" * 2**20 if number % 7 == 0 else b"small")
    path = tmp_path / "export"
    Export(client, path).run(list(store.records.values()))
    file(path, 3).unlink()
    _flipped(file(path, 49))
    verification = Verification(path, parallel=3)
    found = {finding.image_id: finding.problem for finding in verification.findings()}
    assert found == {
        image_id(number): {3: "missing", 49: "altered"}.get(number) for number in range(50)
    }
    assert (verification.whole, verification.size) == (48, 7 * 2**20 + 41 * 5)


def _short(path: Path) -> None:
    path.write_bytes(b"data")


def _long(path: Path) -> None:
    path.write_bytes(b"data 1 and more")


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("change", "problem", "detail"),
    [
        (Path.unlink, "missing", "there is no such file"),
        (_short, "short", "4 bytes, not 6"),
        (_long, "altered", "15 bytes, not 6"),
        (_flipped, "altered", "other content: the SHA-256 is another"),
        (_link, "altered", "no regular file"),
    ],
)
def test_broken_files(
    directory: Path, client: ImageClient, change: Any, problem: str, detail: str
) -> None:
    path = file(directory, 1)
    change(path)
    found = [finding for finding in broken(directory) if finding.file == path.name]
    assert found == [Finding(path.name, problem, detail, image_id(1), "image 1")]
    repaired = [finding for finding in broken(directory, client) if finding.file == path.name]
    assert repaired == [Finding(path.name, problem, detail, image_id(1), "image 1", True)]
    assert path.read_bytes() == b"data 1"
    assert not path.is_symlink()
    assert [finding.problem for finding in broken(directory)] in ([], ["unknown"])


def test_a_pipe_is_left_alone(directory: Path, client: ImageClient) -> None:
    file(directory, 1).unlink()
    os.mkfifo(file(directory, 1))
    found = broken(directory, client)
    assert [(finding.problem, finding.repaired) for finding in found] == [("altered", False)]
    assert file(directory, 1).is_fifo()


def test_what_cannot_be_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise FileFailed("Cannot read it: Input/output error")

    monkeypatch.setattr("osc_image_v1.archive.verify.hash_file", refused)
    assert [finding.problem for finding in broken(directory)] == ["unreadable"] * 3


def test_what_cannot_be_looked_at(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lstat = Path.lstat

    def refused(path: Path) -> Any:
        if path.suffix == ".img":
            raise PermissionError(13, "Permission denied")
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", refused)
    found = broken(directory)
    assert {(finding.problem, finding.detail) for finding in found} == {
        ("unreadable", "Permission denied")
    }


def test_unknown_files(directory: Path) -> None:
    (directory / "notes.txt").touch()
    (directory / ".hidden").mkdir()
    (directory / f"{image_id(1)}.img.osc-image-v1.part").touch()
    (directory / f"{image_id(9)}.img").touch()
    found = {finding.file: finding for finding in broken(directory)}
    # As a running export has them.
    part = found.pop(f"{image_id(1)}.img.osc-image-v1.part")
    assert part.problem == "incomplete"
    assert "an export is at it, or goes on with it" in part.detail
    assert {finding.problem for finding in found.values()} == {"unknown"}
    assert len(found) == 3
    assert "no manifest" in found["notes.txt"].detail


def test_a_damaged_line(directory: Path) -> None:
    manifest = directory / "manifest.jsonl"
    begin, name, end = manifest.read_bytes().rpartition(b"image 1")
    assert name
    manifest.write_bytes(begin + b"image 7" + end)
    found = broken(directory)
    assert [(finding.file, finding.problem) for finding in found] == [
        # It says again what was said before the data came.
        (f"{image_id(1)}.img", "incomplete"),
        ("manifest.jsonl", "altered"),
    ]
    assert "has been altered" in found[1].detail


def test_what_could_not_be_exported_is_told(
    tmp_path: Path, store: Store, client: ImageClient
) -> None:
    whole, wrong = store.add(1), store.add(2, checksum="0" * 32)
    assert Export(client, tmp_path).run(store.records.values()).failed == 1
    verification = Verification(tmp_path)
    found = [finding for finding in verification.findings() if finding.problem]
    assert [(finding.image_id, finding.problem) for finding in found] == [(wrong, "incomplete")]
    assert "is damaged, in the service or on the way" in found[0].detail
    assert found[0].detail.endswith("; export it again")
    assert (verification.whole, verification.without_data) == (1, 0)
    del store.records[wrong]
    store.records[whole].update(checksum="1" * 32)
    Export(client, tmp_path).run(store.records.values())
    # Its file is as it was, but it is not what the service has now.
    found = [finding for finding in Verification(tmp_path).findings() if finding.problem]
    assert {finding.image_id: finding.problem for finding in found} == {
        whole: "incomplete",
        wrong: "incomplete",
    }
    (tmp_path / f"{whole}.img").unlink()
    found = [finding for finding in Verification(tmp_path).findings() if finding.image_id == whole]
    assert [finding.problem for finding in found] == ["missing"]


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (StoredData(6, "0" * 32, "0" * 64, True), "the manifest's MD5 is not the image's checksum"),
        (None, "the manifest's MD5 and SHA-256 are not of the same data"),
    ],
)
def test_a_manifest_that_lies(
    directory: Path, store: Store, client: ImageClient, data: StoredData | None, detail: str
) -> None:
    from dataclasses import replace

    exported = Archive(directory).find(image_id(1))
    assert exported is not None
    assert exported.data is not None
    record = exported.record
    if data is None:
        data = replace(exported.data, md5="0" * 32)
        record = {**record, "checksum": None}
    with ManifestWriter(directory, Shard()) as writer:
        writer.add([replace(exported, data=data, record=record)])
    assert [finding.detail for finding in broken(directory)] == [detail]


def test_parts_are_read_together(tmp_path: Path, store: Store, client: ImageClient) -> None:
    for number in range(20):
        store.add(number)
    for index in (1, 2):
        Export(client, tmp_path / str(index), shard=Shard(index, 2)).run(store.records.values())
    for path in (tmp_path / "2").iterdir():
        path.rename(tmp_path / "1" / path.name)
    verification = Verification(tmp_path / "1")
    assert [finding.problem for finding in verification.findings()] == [None] * 20
    assert verification.whole == 20


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["1/3"], [("manifest-2-of-3.jsonl", "2")]),
        (["2/3", "3/3", "4/5"], [("manifest-1-of-3.jsonl", "1"), ("manifest-1-of-5.jsonl", "4")]),
        (["1/2", "1/3", "2/3", "3/3"], []),
        (["1/2", "1/1"], []),
    ],
)
def test_parts_that_are_not_there(
    tmp_path: Path, store: Store, client: ImageClient, parts: list[str], expected: list[Any]
) -> None:
    for number in range(20):
        store.add(number)
    for part in parts:
        Export(client, tmp_path, shard=parse_shard(part)).run(list(store.records.values()))
    absent = [finding for finding in broken(tmp_path) if "manifest" in finding.file]
    assert [(finding.file, finding.problem) for finding in absent] == [
        (file, "missing") for file, _number in expected
    ]
    for finding, (_file, number) in zip(absent, expected, strict=True):
        assert f"parts {number} were not exported" in finding.detail


@pytest.mark.parametrize(
    ("parts", "doubted"),
    [(["1/2"], []), (["1/2", "1/1"], ["manifest-2-of-2.jsonl"]), (["1/2", "2/2", "1/1"], [])],
)
def test_parts_that_an_export_without_parts_may_have_brought(
    tmp_path: Path,
    store: Store,
    client: ImageClient,
    shell: Shell,
    caplog: pytest.LogCaptureFixture,
    parts: list[str],
    doubted: list[str],
) -> None:
    for number in range(20):
        store.add(number)
    for part in parts:
        Export(client, tmp_path, shard=parse_shard(part)).run(list(store.records.values()))
    assert Archive(tmp_path).parts_in_doubt == doubted
    if parts != ["1/2"]:
        shell.run(VerifyExport, str(tmp_path))
        assert ["manifest-2-of-2.jsonl, the manifest of a part" in caplog.text] == [bool(doubted)]


def test_a_manifest_of_no_part(directory: Path) -> None:
    (directory / "manifest.jsonl").rename(directory / "manifest-3-of-2.jsonl")
    assert broken(directory) == []


def test_a_manifest_that_is_cut_off(directory: Path) -> None:
    manifest = directory / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-7])
    (found,) = (finding for finding in broken(directory) if finding.file == "manifest.jsonl")
    assert found.problem == "altered"
    assert "only its beginning is there" in found.detail


def test_metadata_alone_is_told(tmp_path: Path, store: Store, client: ImageClient) -> None:
    store.add(1)
    Export(client, tmp_path / "export", metadata_only=True).run(store.records.values())
    verification = Verification(tmp_path / "export")
    assert list(verification.findings()) == []
    assert (verification.without_data, verification.active_without_data) == (1, 1)


def test_a_file_of_an_image_that_is_recorded_without_data(directory: Path) -> None:
    file(directory, 3).touch()
    found = broken(directory)
    assert [(finding.file, finding.problem) for finding in found] == [
        (f"{image_id(3)}.img", "unknown")
    ]
    assert "recorded without data" in found[0].detail


def test_no_export_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="has no manifest"):
        list(Verification(tmp_path).findings())
    with pytest.raises(FileFailed):
        list(Verification(tmp_path / "nowhere").findings())


@pytest.mark.parametrize("begun", [True, False])
def test_an_export_that_brought_nothing(tmp_path: Path, begun: bool) -> None:
    if begun:
        with ManifestWriter(tmp_path, Shard()):
            pass
    else:
        (tmp_path / "manifest.jsonl").touch()
    with pytest.raises(BadManifest, match="tells of no image"):
        list(Verification(tmp_path).findings())
    (tmp_path / "stray.img").touch()
    assert [finding.problem for finding in Verification(tmp_path).findings()] == ["unknown"]


def test_repair_of_what_the_service_has_no_more(
    directory: Path, store: Store, client: ImageClient
) -> None:
    file(directory, 1).unlink()
    store.data[image_id(1)] = b"other!"
    found = broken(directory, client)
    assert not found[0].repaired
    assert "not repaired: Image" in found[0].detail


def test_repair_ends_where_the_service_is_gone(
    tmp_path: Path, store: Store, client: ImageClient
) -> None:
    for number in range(30):
        store.add(number, is_public=True)
    Export(client, tmp_path).run(store.records.values())
    for one in store.records:
        (tmp_path / f"{one}.img").unlink()
        store.refused[f"/images/{one}"] = 503
    store.refused["/images"] = 503
    found = list(Verification(tmp_path, parallel=1, client=client).findings())
    assert [finding.repaired for finding in found] == [False] * 30
    gone = [finding for finding in found if "does not answer any more" in finding.detail]
    assert len(gone) == 20


def test_repair_of_data_that_nothing_vouches_for(
    tmp_path: Path, store: Store, client: ImageClient
) -> None:
    store.add(1, checksum=None)
    Export(client, tmp_path / "export").run(store.records.values())
    file(tmp_path / "export", 1).unlink()
    store.data[image_id(1)] = b"other!"
    found = broken(tmp_path / "export", client)
    assert not found[0].repaired
    assert "the service has other data by now" in found[0].detail


def test_stopping(directory: Path, client: ImageClient) -> None:
    verification = Verification(directory)
    verification._stop = threading.Event()
    verification._stop.set()
    exported = Archive(directory).find(image_id(1))
    assert exported is not None
    with pytest.raises(TransferStopped):
        verification._check(exported, lambda _count: None)
    file(directory, 1).unlink()
    verification = Verification(directory, client=client)
    verification._stop.set()
    with pytest.raises(TransferStopped):
        verification._check(exported, lambda _count: None)


def test_the_command(shell: Shell, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert shell.run(VerifyExport, "-f", "json", str(directory)) == "[]\n"
    assert "Whole files: 3 (18 B); images without data: 1" in caplog.text
    rows = json.loads(shell.run(VerifyExport, "-f", "json", "--all", str(directory)))
    assert [row["Problem"] for row in rows] == [None] * 3
    assert [row["ID"] for row in rows] == [image_id(number) for number in range(3)]


def test_the_command_fails_after_its_list(shell: Shell, directory: Path) -> None:
    file(directory, 1).unlink()
    with pytest.raises(OwnFailures, match="Not as it was exported, problems: 1"):
        shell.run(VerifyExport, "-f", "json", str(directory))
    rows = json.loads(shell.stdout.getvalue())
    assert rows == [
        {
            "Problem": "missing",
            "File": f"{image_id(1)}.img",
            "ID": image_id(1),
            "Name": "image 1",
            "Detail": "there is no such file",
            "Repaired": False,
        }
    ]


def test_the_command_repairs(shell: Shell, directory: Path) -> None:
    file(directory, 1).unlink()
    prepared: list[Any] = []
    app: Any = shell
    app.prepare_to_run_command = prepared.append
    rows = json.loads(shell.run(VerifyExport, "-f", "json", "--repair", str(directory)))
    assert [row["Repaired"] for row in rows] == [True]
    # The shell has authenticated.
    assert [command.auth_required for command in prepared] == [True]
    assert VerifyExport.auth_required is False


def test_the_command_tells_of_metadata_alone(
    shell: Shell, tmp_path: Path, store: Store, client: ImageClient, caplog: Any
) -> None:
    store.add(1)
    Export(client, tmp_path / "export", metadata_only=True).run(store.records.values())
    shell.run(VerifyExport, str(tmp_path / "export"))
    assert "images without data: 1; of these the service has data: 1" in caplog.text


def test_nothing_is_asked_of_a_service(directory: Path) -> None:
    command = VerifyExport(SimpleNamespace(stdout=None), None)
    assert command.auth_required is False


def test_what_todays_glance_refuses_is_told_and_is_not_broken(
    shell: Shell,
    store: Store,
    client: ImageClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.add(0, disks.qcow2(), disk_format="vmdk")
    store.add(1, disks.qcow2(), disk_format="vmdk", container_format="ovf")
    store.add(2, b"", disk_format="qcow2")
    data = bytearray(disks.vmdk("streamOptimized", footer=True))
    store.add(3, bytes(data), disk_format="vmdk")
    data[-1] = 1
    store.add(4, bytes(data), disk_format="vmdk")
    Export(client, tmp_path).run(list(store.records.values()))
    rows = json.loads(shell.run(VerifyExport, "-f", "json", str(tmp_path)))
    assert {row["ID"]: (row["Problem"], row["Detail"].partition(";")[0]) for row in rows} == {
        image_id(0): ("format", "it is said to be vmdk and is qcow2"),
        image_id(2): ("format", "it is said to be qcow2 and is empty"),
        image_id(4): (
            "format",
            "Glance does not take such a vmdk: End-of-stream marker is invalid",
        ),
    }
    assert rows[1]["Detail"].endswith("it is copied as raw")
    assert "Whole files: 5" in caplog.messages[-1]
    assert caplog.messages[-1].endswith("; whole files that today's Glance refuses: 3")
    assert shell.run(VerifyExport, "-f", "json", "--no-look", str(tmp_path)) == "[]\n"
