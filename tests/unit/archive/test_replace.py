"""Data that was converted, in the place of what was exported."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.export import Export
from osc_image_v1.archive.replace import replace_data
from osc_image_v1.archive.verify import Verification
from osc_image_v1.cli.export import ExportImage
from osc_image_v1.exceptions import FileFailed, ImageNotFound, InvalidInput, WrongUsage
from osc_image_v1.migrate.drafts import Plan
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.sources import ArchiveSource, exported_records
from osc_image_v1.transfer.shards import Shard
from tests.unit import disks
from tests.unit.conftest import Shell, image_id
from tests.unit.glance_v2 import GlanceV2
from tests.unit.store import Store

ID = image_id(0)
OLD, NEW = disks.qcow2(backing=512), disks.vdi()


@pytest.fixture
def directory(tmp_path: Path, store: Store, client: ImageClient) -> Path:
    """An export of an image that no service takes today, and of another one."""
    store.add(0, OLD, disk_format="qcow2", name="old")
    store.add(1)
    path = tmp_path / "export"
    Export(client, path).run(list(store.records.values()))
    return path


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    path = tmp_path / "new.vdi"
    path.write_bytes(NEW)
    return path


def imported(directory: Path, glance: GlanceV2) -> dict[str, Outcome]:
    archive = Archive(directory)
    job = Job(ArchiveSource(archive), glance.target(), Plan())
    return {one.image_id: one for one in job.run(exported_records(archive))}


def test_it_is_recorded_beside_what_it_replaces(directory: Path, converted: Path) -> None:
    done = replace_data(directory, ID, converted)
    assert done == Archive(directory).find(ID)
    assert (directory / done.file).read_bytes() == converted.read_bytes() == NEW
    md5 = hashlib.md5(OLD, usedforsecurity=False).hexdigest()
    assert done.replaces is not None
    assert (done.replaces.md5, done.replaces.verified) == (md5, True)
    # What the service vouched for is still there, and nothing vouches for the new data.
    assert (done.record["checksum"], done.record["disk_format"]) == (md5, "qcow2")
    assert (done.image.disk_format, done.image.size, done.is_doubtful) == ("vdi", len(NEW), True)
    assert hashlib.sha256(NEW).hexdigest() in (directory / "SHA256SUMS").read_text()
    # A second time it still is the export that it replaces.
    converted.write_bytes(disks.vmdk())
    again = replace_data(directory, ID, converted)
    assert (again.replaces, again.disk_format) == (done.replaces, "vmdk")


def test_verify_takes_it_for_whole_and_doubtful(directory: Path, converted: Path) -> None:
    replace_data(directory, ID, converted)
    verification = Verification(directory)
    assert [one.problem for one in verification.findings()] == [None, None]
    assert (verification.whole, verification.doubtful, verification.refused) == (2, 1, 0)


def test_nobody_repairs_it(directory: Path, converted: Path, client: ImageClient) -> None:
    replace_data(directory, ID, converted)
    (directory / f"{ID}.img").write_bytes(b"short")
    found = {one.image_id: one for one in Verification(directory, client=client).findings()}
    assert found[ID].problem == "short"
    assert found[ID].detail.endswith("its data was put in by hand: put it in again")


def test_another_export_leaves_it(
    directory: Path, converted: Path, store: Store, client: ImageClient
) -> None:
    replace_data(directory, ID, converted)
    downloads = store.downloads()
    store.records[ID]["name"] = "renamed"
    assert Export(client, directory).run(list(store.records.values())).kept == 2
    assert store.downloads() == downloads
    found = Archive(directory).find(ID)
    assert found is not None
    assert (found.name, found.disk_format, found.image.size) == ("renamed", "vdi", len(NEW))
    assert found.replaces is not None
    # But not where the service has other data by now.
    store.add(0, b"other data")
    assert Export(client, directory).run(list(store.records.values())).fetched == 1
    found = Archive(directory).find(ID)
    assert found is not None
    assert (found.replaces, found.image.disk_format) == (None, "raw")


def test_import_brings_it(
    directory: Path, converted: Path, requests_mock: rm.Mocker, store: Store
) -> None:
    glance = GlanceV2(requests_mock)
    assert imported(directory, glance)[ID].failed
    replace_data(directory, ID, converted)
    outcome = imported(directory, glance)[ID]
    md5 = hashlib.md5(OLD, usedforsecurity=False).hexdigest()
    assert (outcome.action, outcome.notes) == (
        "copied",
        (f"its data was put in by hand in the place of what had the MD5 {md5}",),
    )
    record = glance.records[ID]
    assert (record["disk_format"], record["v1_disk_format"]) == ("vdi", "qcow2")
    assert glance.data[ID] == NEW
    assert imported(directory, glance)[ID].action == "present"


def test_a_file_that_was_converted_in_its_place(directory: Path) -> None:
    path = directory / f"{ID}.img"
    path.write_bytes(NEW)
    assert replace_data(directory, ID, path).disk_format == "vdi"
    assert path.read_bytes() == NEW
    assert [one.problem for one in Verification(directory).findings()] == [None, None]


def test_the_manifest_of_a_part_stays_one(
    tmp_path: Path, store: Store, client: ImageClient, converted: Path
) -> None:
    for number in range(4):
        store.add(number)
    for index in (1, 2):
        export = Export(client, tmp_path / "parts", shard=Shard(index, 2))
        export.run(list(store.records.values()))
    before = {path.name for path in (tmp_path / "parts").iterdir()}
    replace_data(tmp_path / "parts", ID, converted)
    assert {path.name for path in (tmp_path / "parts").iterdir()} == before


@pytest.mark.parametrize(
    ("data", "disk_format", "match"),
    [
        (gzip.compress(NEW), None, "cannot be put in: it is packed with gzip"),
        (OLD, None, "cannot be put in: Glance does not take such a qcow2: .* a backing file"),
        (NEW, "qcow2", "cannot be put in: it is said to be qcow2 and is vdi"),
        (b"", None, "has no data at all: nothing was replaced"),
        (b"", "raw", "has no data at all: nothing was replaced"),
    ],
)
def test_what_is_refused_again_is_not_put_in(
    directory: Path, converted: Path, data: bytes, disk_format: str | None, match: str
) -> None:
    converted.write_bytes(data)
    with pytest.raises(InvalidInput, match=match):
        replace_data(directory, ID, converted, disk_format)
    assert (directory / f"{ID}.img").read_bytes() == OLD


def test_without_inspectors_the_format_is_named(
    directory: Path, converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osc_image_v1.transfer.formats.inspectors", lambda: None)
    with pytest.raises(InvalidInput, match="name its format, or pip install"):
        replace_data(directory, ID, converted)
    assert replace_data(directory, ID, converted, "vdi").disk_format == "vdi"


def test_what_is_not_there(directory: Path, converted: Path) -> None:
    with pytest.raises(ImageNotFound, match="was not exported"):
        replace_data(directory, image_id(9), converted)
    with pytest.raises(FileFailed, match="No such file"):
        replace_data(directory, ID, converted.with_name("none"))


def test_the_command(shell: Shell, directory: Path, converted: Path, store: Store) -> None:
    asked = store.asked.total()
    argv = ("--replace-data", str(converted), "-f", "json", str(directory), "old")
    done: dict[str, Any] = json.loads(shell.run(ExportImage, *argv))
    assert (done["id"], done["disk_format"], done["size"]) == (ID, "vdi", len(NEW))
    assert store.asked.total() == asked
    for wrong in ((*argv, "another"), (str(directory), "--replace-format", "raw")):
        with pytest.raises(WrongUsage, match="needs the one image"):
            shell.run(ExportImage, *wrong)
    for more in ("--shard=1/2", "--max-rate=1M", "--no-sparse", "--metadata-only", "--deleted"):
        with pytest.raises(WrongUsage, match="--replace-data fetches nothing"):
            shell.run(ExportImage, *argv, more)


def test_dry_run_changes_nothing(shell: Shell, directory: Path, converted: Path) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    (link := converted.with_name("link")).symlink_to(converted)
    argv = ("--replace-data", str(link), "-f", "json", str(directory), "old")
    planned = json.loads(shell.run(ExportImage, "--dry-run", *argv))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert planned == json.loads(shell.run(ExportImage, *argv))


def test_a_line_of_a_manifest_says_it(directory: Path, converted: Path) -> None:
    done = replace_data(directory, ID, converted)
    line = json.loads((directory / "manifest.jsonl").read_bytes().splitlines()[-1])
    assert (line["disk_format"], line["data"]["size"]) == ("vdi", len(NEW))
    assert line["replaces"]["size"] == len(OLD)
    assert "replaces" not in json.loads((directory / "manifest.jsonl").read_bytes().splitlines()[1])
    assert replace(done, replaces=None).image.disk_format == "qcow2"
