from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.export import Export
from osc_image_v1.cli import clients
from osc_image_v1.cli.copy import ImportImage
from osc_image_v1.exceptions import (
    AmbiguousName,
    BadManifest,
    ImageNotFound,
    InvalidInput,
    OwnFailures,
)
from osc_image_v1.migrate.drafts import Draft, Plan, TargetImage
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.sources import ArchiveSource, exported_projects, exported_records
from osc_image_v1.migrate.target_v1 import V1Target
from osc_image_v1.migrate.target_v2 import V2Target
from osc_image_v1.migrate.targets import Target
from osc_image_v1.transfer import many
from osc_image_v1.transfer.sending import Sending
from osc_image_v1.transfer.shards import Shard
from tests.unit.conftest import Shell, detail, image_id
from tests.unit.store import Store


class Memory(Target):
    """A target that is a dictionary."""

    visibilities = frozenset(("public", "private", "shared"))

    def __init__(self) -> None:
        self.own_project = self.is_admin = None
        self.images: dict[str, TargetImage] = {}
        self.drafts: dict[str, Draft] = {}
        self.bodies: dict[str, bytes] = {}

    def probes(self) -> list[Any]:
        return []

    def is_taken(self, image_id: str) -> bool | None:
        return False

    @staticmethod
    def _renamed(
        properties: Mapping[str, str | None], new_id: bool
    ) -> tuple[Mapping[str, str | None], Mapping[str, str]]:
        return properties, {}

    def everything(self) -> Iterator[TargetImage]:
        for found in list(self.images.values()):
            yield replace(found, record={"id": found.image_id})

    def found(self, record: Record) -> TargetImage:
        return self.images[str(record["id"])]

    def look(self, image_id: str) -> TargetImage | None:
        return self.images.get(image_id)

    def copies(
        self, image_id: str, owner: str | None, source_tag: str | None = None
    ) -> Iterable[TargetImage]:
        return [found for found in self.images.values() if found.source_id == image_id]

    def create(self, draft: Draft) -> TargetImage:
        image = draft.image
        self.images[draft.image_id] = TargetImage(
            draft.image_id,
            "queued",
            None,
            None,
            unfinished=True,
            owner=draft.owner,
            name=image.name,
            disk_format=image.disk_format,
            container_format=image.container_format,
            visibility=draft.visibility,
            protected=bool(image.protected),
            properties=draft.properties,
            source_id=draft.properties.get("v1_image_id"),
        )
        return self.images[draft.image_id]

    def renew(self, draft: Draft, found: TargetImage) -> None:
        raise AssertionError("nothing is left empty here")

    def send(self, draft: Draft, sending: Sending) -> None:
        data = b"".join(sending)
        self.bodies[draft.image_id] = data
        self.images[draft.image_id] = replace(
            self.images[draft.image_id],
            status="active",
            size=len(data),
            checksum=hashlib.md5(data).hexdigest(),
        )

    def data(self, image_id: str) -> Iterator[bytes]:
        yield self.bodies[image_id]

    def finish(self, draft: Draft, found: TargetImage | None) -> None:
        self.drafts[draft.image_id] = draft
        self.images[draft.image_id] = replace(self.images[draft.image_id], unfinished=False)

    def delete(self, image_id: str) -> None:
        del self.images[image_id]


@pytest.fixture
def directory(tmp_path: Path, store: Store, client: ImageClient) -> Path:
    """An export of four images: one is public, one shared, one has no data."""
    store.add(0, is_public=True)
    store.add(1, protected=True)
    store.members[image_id(1)] = [{"member_id": "p2", "can_share": True}]
    store.add(2, owner="p3", name="image 1")
    store.add(3, status="queued", size=None, checksum=None)
    path = tmp_path / "export"
    Export(client, path, project_name={"p1": "demo", "p3": "demo"}.get).run(store.records.values())
    return path


def brought(directory: Path, target: Target, **options: Any) -> dict[str, Outcome]:
    plan = options.pop("plan", Plan())
    archive = Archive(directory)
    job = Job(ArchiveSource(archive), target, plan, **options)
    return {outcome.image_id: outcome for outcome in job.run(exported_records(archive))}


def test_all_is_brought(directory: Path, store: Store) -> None:
    target = Memory()
    outcomes = brought(directory, target)
    assert [outcomes[image_id(n)].action for n in range(4)] == ["copied"] * 3 + ["recorded"]
    assert target.bodies == {image_id(n): b"data %d" % n for n in range(3)}
    assert dict(target.drafts[image_id(1)].members) == {"p2": True}
    assert target.drafts[image_id(0)].visibility == "public"
    assert store.downloads() == 3
    again = brought(directory, target)
    assert {outcome.action for outcome in again.values()} == {"present"}


class Forgetful(Memory):
    """A target that is no part of what is measured."""

    def finish(self, draft: Draft, found: TargetImage | None) -> None:
        super().finish(draft, found)
        self.drafts.clear()
        self.images[draft.image_id] = replace(self.images[draft.image_id], properties={})


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """800 images whose metadata takes 5 MB: what is in memory are IDs and sizes."""
    monkeypatch.setattr(many, "_MOST_WAITING", 16)

    def records() -> Iterator[Record]:
        for number in range(800):
            properties = {f"key_{n}": f"{number} {'x' * 200}" for n in range(25)}
            yield detail(number, is_public=True, status="queued", properties=properties)

    service: Any = SimpleNamespace(http=SimpleNamespace(shown_endpoint="http://image.example/v1"))
    Export(service, tmp_path / "export").run(records())
    target = Forgetful()
    tracemalloc.start()
    try:
        archive = Archive(tmp_path / "export")
        job = Job(ArchiveSource(archive), target, Plan())
        assert {one.action for one in job.run(exported_records(archive))} == {"recorded"}
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
        job = Job(ArchiveSource(archive), target, Plan())
        assert {one.action for one in job.run(exported_records(archive))} == {"present"}
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    finally:
        tracemalloc.stop()
    assert len(target.images) == 800


def test_damaged_data_is_not_taken(directory: Path) -> None:
    (directory / f"{image_id(0)}.img").write_bytes(b"datum0")
    (directory / f"{image_id(1)}.img").unlink()
    path = directory / f"{image_id(2)}.img"
    path.rename(directory / "elsewhere")
    path.symlink_to("elsewhere")
    target = Memory()
    outcomes = brought(directory, target)
    assert [outcomes[image_id(n)].action for n in range(4)] == ["failed"] * 3 + ["recorded"]
    assert "its MD5 is" in outcomes[image_id(0)].notes[0]
    assert "No such file" in outcomes[image_id(1)].notes[0]
    assert "symbolic link" in outcomes[image_id(2)].notes[0]
    assert target.bodies == {}
    assert sorted(target.images) == [image_id(0), image_id(3)]


@pytest.mark.parametrize("data", [b"", b"short", b"longer than it was"])
def test_a_file_of_another_size_gets_no_record(directory: Path, data: bytes) -> None:
    (directory / f"{image_id(0)}.img").write_bytes(data)
    target = Memory()
    outcome = brought(directory, target)[image_id(0)]
    assert (outcome.action, outcome.reasons, outcome.retryable) == ("failed", ("damaged",), False)
    assert f"has {len(data)} bytes, not 6" in outcome.notes[0]
    assert image_id(0) not in target.images


def test_a_part(directory: Path) -> None:
    targets = [Memory(), Memory()]
    for index, target in enumerate(targets, 1):
        brought(directory, target, shard=Shard(index, 2), parallel=2)
    found = [image for target in targets for image in target.images]
    assert sorted(found) == [image_id(n) for n in range(4)]


def test_members_that_are_not_known(
    tmp_path: Path, store: Store, client: ImageClient, caplog: pytest.LogCaptureFixture
) -> None:
    one = store.add(1)
    store.refused[f"/images/{one}/members"] = 403
    Export(client, tmp_path / "export").run(store.records.values())
    target = Memory()
    assert brought(tmp_path / "export", target)[one].action == "copied"
    assert "it is shared with nobody" in caplog.text
    assert target.drafts[one].visibility == "private"


def test_the_plan(directory: Path, store: Store, client: ImageClient) -> None:
    target = Memory()
    archive = Archive(directory)
    job = Job(ArchiveSource(archive), target, Plan())
    actions = {one.image_id: one.action for one in job.preview(exported_records(archive))}
    assert actions == {
        image_id(0): "copy",
        image_id(1): "copy",
        image_id(2): "copy",
        image_id(3): "record",
    }
    assert target.images == {}


def test_metadata_alone_cannot_be_brought(
    tmp_path: Path, store: Store, client: ImageClient
) -> None:
    one = store.add(1)
    Export(client, tmp_path / "export", metadata_only=True).run(store.records.values())
    archive = Archive(tmp_path / "export")
    job = Job(ArchiveSource(archive), Memory(), Plan())
    preview = list(job.preview(exported_records(archive)))
    assert [(outcome.action, outcome.notes) for outcome in preview] == [
        ("fail", ("it was exported without its data",))
    ]
    assert brought(tmp_path / "export", Memory())[one].action == "failed"


def test_an_incomplete_export_is_told(tmp_path: Path, store: Store, client: ImageClient) -> None:
    old, wrong = store.add(1), store.add(2, checksum="0" * 32)
    directory = tmp_path / "export"
    Export(client, directory).run(store.records.values())
    store.records[old].update(checksum="1" * 32)
    Export(client, directory).run(store.records.values())
    archive = Archive(directory)
    for outcomes in (
        Job(ArchiveSource(archive), Memory(), Plan()).preview(exported_records(archive)),
        brought(directory, Memory()).values(),
    ):
        found = {outcome.image_id: outcome for outcome in outcomes}
        assert found[old].action in ("copy", "copied")
        assert found[wrong].action in ("fail", "failed")
        for one in (old, wrong):
            assert found[one].notes[0].startswith("its export is incomplete: ")


def test_each_image_is_looked_up_once(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(directory)
    looked_up: list[str] = []
    find = archive.find
    monkeypatch.setattr(archive, "find", lambda one: looked_up.append(one) or find(one))
    monkeypatch.setattr(many.Spool, "add", lambda *_: pytest.fail("the archive has its records"))
    job = Job(ArchiveSource(archive), Memory(), Plan())
    assert len(list(job.run(exported_records(archive)))) == 4
    assert sorted(looked_up) == [image_id(number) for number in range(4)]


def test_what_was_not_exported(directory: Path, store: Store) -> None:
    job = Job(ArchiveSource(Archive(directory)), Memory(), Plan())
    outcomes = list(job.run([store.records[store.add(9)]]))
    assert [outcome.action for outcome in outcomes] == ["failed"]


def test_named_images(directory: Path) -> None:
    archive = Archive(directory)
    names = ["image 0", image_id(3), "image 0"]
    records = list(exported_records(archive, names))
    assert [record["id"] for record in records] == [image_id(0), image_id(3)]
    assert len(list(exported_records(archive, [image_id(1)]))) == 1
    with pytest.raises(ImageNotFound, match="'no\\\\x1bname' was exported"):
        list(exported_records(archive, ["no\x1bname"]))
    with pytest.raises(AmbiguousName, match="2 images have the name 'image 1'"):
        list(exported_records(archive, ["image 1"]))


def test_projects(directory: Path) -> None:
    assert exported_projects(Archive(directory)) == {"p1": "demo", "p2": None, "p3": "demo"}


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    target = Memory()
    monkeypatch.setattr(clients, "image_target", lambda _manager, _version: target)
    return target


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> dict[str, str]:
    """Names of projects of this cloud, by ID; the user's own one is p1."""
    projects: dict[str, str] = {}
    monkeypatch.setattr(
        "osc_image_v1.cli.projects.ProjectNames.get", lambda _self, project: projects.get(project)
    )
    ids = {"new-demo": "n1", "other": "n3"}
    monkeypatch.setattr(
        "osc_image_v1.cli.projects.project_id",
        lambda _manager, name, **_options: ids.get(name, name),
    )
    monkeypatch.setattr(shell.client_manager.session, "get_project_id", lambda: "p1")
    return projects


def test_the_command(shell: Shell, directory: Path, memory: Memory, known: Any) -> None:
    known.update(p2="two", p3="three")
    rows = json.loads(shell.run(ImportImage, "-f", "json", str(directory)))
    assert {row["ID"]: row["Action"] for row in rows} == {
        image_id(0): "copied",
        image_id(1): "copied",
        image_id(2): "copied",
        image_id(3): "recorded",
    }
    # What this cloud has by the same ID is the same project.
    assert memory.drafts[image_id(2)].owner == "p3"
    assert dict(memory.drafts[image_id(1)].members) == {"p2": True}


def test_a_dry_run_looks_at_the_files(
    shell: Shell, directory: Path, memory: Memory, known: Any
) -> None:
    (directory / f"{image_id(0)}.img").write_bytes(b"short")
    (directory / f"{image_id(1)}.img").unlink()
    with pytest.raises(OwnFailures):
        shell.run(ImportImage, "-f", "json", "--dry-run", "--keep-project-ids", str(directory))
    rows = {row["ID"]: row for row in json.loads(shell.stdout.getvalue())}
    assert rows[image_id(0)]["Action"] == rows[image_id(1)]["Action"] == "fail"
    assert "has 5 bytes, not 6" in str(rows[image_id(0)]["Notes"])
    assert "Cannot open" in str(rows[image_id(1)]["Notes"])
    assert rows[image_id(2)]["Action"] == "copy"


def test_a_dry_run(shell: Shell, directory: Path, memory: Memory, known: Any) -> None:
    out = shell.run(ImportImage, "-f", "json", "--dry-run", str(directory), "image 0")
    assert [row["Action"] for row in json.loads(out)] == ["copy"]
    assert memory.images == {}


def test_a_project_that_nobody_knows(
    shell: Shell, directory: Path, memory: Memory, known: Any
) -> None:
    with pytest.raises(OwnFailures, match="1 of 4 images could not be imported, for reasons of"):
        shell.run(ImportImage, "-f", "json", str(directory))
    assert "the project map has nothing for project p3" in shell.stdout.getvalue()
    shell.run(ImportImage, "--keep-project-ids", str(directory))
    assert memory.drafts[image_id(2)].owner == "p3"


@pytest.fixture
def project_map(tmp_path: Path) -> Any:
    def write(lines: str) -> tuple[str, str]:
        (tmp_path / "map.csv").write_text(lines)
        return "--project-map", str(tmp_path / "map.csv")

    return write


def test_a_project_map(
    shell: Shell, directory: Path, memory: Memory, known: Any, project_map: Any
) -> None:
    options = project_map("p3,other\nnot exported,x\n")
    shell.run(ImportImage, *options, str(directory))
    assert memory.drafts[image_id(2)].owner == "n3"
    assert memory.drafts[image_id(1)].owner == "p1"


@pytest.mark.usefixtures("known")
def test_a_project_map_by_name(
    shell: Shell,
    tmp_path: Path,
    store: Store,
    client: ImageClient,
    memory: Memory,
    project_map: Any,
) -> None:
    store.add(1)
    Export(client, tmp_path / "export", project_name={"p1": "demo"}.get).run(store.records.values())
    shell.run(ImportImage, *project_map("demo,new-demo\n"), str(tmp_path / "export"))
    assert memory.drafts[image_id(1)].owner == "n1"


@pytest.mark.usefixtures("memory", "known")
def test_two_projects_of_one_name(shell: Shell, directory: Path, project_map: Any) -> None:
    with pytest.raises(InvalidInput, match="Several exported projects have the name 'demo'"):
        shell.run(ImportImage, *project_map("demo,new-demo\n"), str(directory))


def test_no_export(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match="has no manifest"):
        shell.run(ImportImage, str(tmp_path))
    (tmp_path / "manifest.jsonl").touch()
    with pytest.raises(BadManifest, match="tells of no image: nothing was exported to it"):
        shell.run(ImportImage, str(tmp_path))


def test_targets(shell: Shell) -> None:
    assert isinstance(clients.image_target(shell.client_manager, "v1"), V1Target)
    assert isinstance(clients.image_target(shell.client_manager, "v2"), V2Target)
