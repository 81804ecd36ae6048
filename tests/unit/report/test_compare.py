"""Images against what another side has of them."""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.records import Record
from osc_image_v1.archive.archive import Archive, ManifestWriter
from osc_image_v1.archive.export import Export
from osc_image_v1.archive.manifest import ExportedImage, StoredData
from osc_image_v1.cli.compare import CompareImage
from osc_image_v1.exceptions import ImageV1Error, WrongUsage
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.job import Job
from osc_image_v1.migrate.ours import new_id_of
from osc_image_v1.migrate.sources import ServiceSource
from osc_image_v1.migrate.target_v1 import V1Target
from osc_image_v1.report.compare import Comparison, Difference
from osc_image_v1.report.peers import CloudPeer, ComputePeer, DirectoryPeer, Peer, V2Peer
from osc_image_v1.report.runs import PastRuns, Reports, head_of
from osc_image_v1.transfer.shards import Shard
from tests.unit import captures
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, Shell, adapter_at, image_id
from tests.unit.glance_v2 import TARGET_URL, GlanceV2
from tests.unit.old_glance_v2 import OldGlanceV2
from tests.unit.store import Store


def found(
    client: ImageClient, store: Store, peer: Peer, members: bool = False, **options: Any
) -> set[tuple[str, Any, Any]]:
    comparison = Comparison(client, peer, members)
    differences = comparison.differences(list(store.records.values()), **options)
    return {
        (one.difference, _shown(one.here), _shown(one.there))
        for one in differences
        if not one.explained
    }


def _shown(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def a_copy(glance: GlanceV2, store: Store, number: int = 0, **fields: Any) -> dict[str, Any]:
    """Put into v2 what v1 has."""
    record = store.records[image_id(number)]
    same = {
        name: record[name]
        for name in ("name", "disk_format", "container_format", "min_disk", "min_ram", "owner")
    }
    times = {"created_at": "2026-11-22T13:32:06Z", "updated_at": "2026-11-22T13:32:07Z"}
    return glance.add(image_id(number), store.data[image_id(number)], **{**same, **times, **fields})


# v2 of the same service


def test_v2_is_the_same(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0, properties={"a": "b", "null": None, "status": "hidden in v2"})
    store.add(1, b"", status="deleted")
    a_copy(glance, store, a="b", null="")
    peer = V2Peer(glance.client())
    assert found(client, store, peer) == set()
    assert found(client, store, peer, listed=False) == set()
    assert found(client, store, peer, members=True) == set()


def test_v2_is_different(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0, properties={"a": "b", "gone": "x"})
    store.add(1)
    record = a_copy(glance, store, a="c", more="y", visibility="public", protected=True, size=7)
    glance.add(image_id(9), name="extra")
    peer = V2Peer(glance.client())
    expected = {
        ("property a", "b", "c"),
        ("property gone", "x", None),
        ("property more", None, "y"),
        ("public", False, True),
        ("protected", False, True),
        ("size", 6, 7),
        ("missing", "active", None),
    }
    assert found(client, store, peer) == expected | {("extra", None, "queued")}
    assert found(client, store, peer, extra=False) == expected
    assert found(client, store, peer, listed=False) == expected
    record.update(visibility="shared")
    glance.members[image_id(0)] = {"p2": "pending"}
    store.members[image_id(0)] = [{"member_id": "p1"}]
    assert ("members", ("p1",), ("p2",)) in found(client, store, peer, members=True)


@pytest.mark.parametrize("release", ["havana", "icehouse", "kilo"])
def test_a_field_that_v2_does_not_tell_is_not_compared(
    client: ImageClient, store: Store, requests_mock: rm.Mocker, release: str
) -> None:
    """Havana tells no owners; a null that Icehouse leaves out is a null."""
    glance = OldGlanceV2(requests_mock, release)
    store.add(0)
    a_copy(glance, store, visibility="private", container_format=None)
    comparison = Comparison(client, V2Peer(glance.client()))
    (difference,) = comparison.differences(list(store.records.values()))
    assert (difference.difference, difference.there) == ("container_format", None)
    assert comparison.untold == ({"owner"} if release == "havana" else set())


def test_an_image_that_is_listed_twice(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    comparison = Comparison(client, V2Peer(glance.client()))
    records = list(store.records.values()) * 2
    assert len(list(comparison.differences(records))) == 1
    assert comparison.images == 1


# Compute


def test_compute(
    client: ImageClient, store: Store, compute_client: ComputeImageClient, requests_mock: rm.Mocker
) -> None:
    devices = json.dumps([{"a": 1}])
    store.add(0, properties={"bdm": devices, "broken": "{", "null": None, "name": "hidden"})
    store.add(1, status="queued", name=None, size=None)
    store.add(2, status="killed")
    metadata = {"bdm": [{"a": 1}], "broken": [], "null": ""}
    times = {"created": "2026-11-22T13:32:06Z", "updated": "2026-11-22T13:32:07Z"}
    shown = {"minDisk": 0, "minRam": 0, **times}
    records = [
        {
            "id": image_id(0),
            "name": "image 0",
            "status": "ACTIVE",
            "metadata": metadata,
            "OS-EXT-IMG-SIZE:size": 6,
            **shown,
        },
        {"id": image_id(1), "name": None, "status": "SAVING", "metadata": {}, **shown},
    ]
    requests_mock.get(f"{COMPUTE_URL}/images/detail", json={"images": records})
    requests_mock.get(f"{COMPUTE_URL}/images/{image_id(0)}", json={"image": records[0]})
    requests_mock.get(f"{COMPUTE_URL}/images/{image_id(1)}", status_code=404)
    peer = ComputePeer(compute_client)
    broken = ("property broken", "{", ())
    assert found(client, store, peer, members=True) == {broken}
    missing = ("missing", "queued", None)
    assert found(client, store, peer, listed=False) == {broken, missing}


# Another cloud


def cloud(glance: GlanceV2, own_project: str | None = None, **plan: Any) -> CloudPeer:
    target = glance.target()
    target.own_project = own_project
    here = ImageClient(adapter_at(IMAGE_URL))
    return CloudPeer(target, Plan(**plan), here)


def test_a_cloud_has_it_as_the_copy_made_it(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    kernel, machine = image_id(0), image_id(1)
    store.add(0, checksum=None)
    store.add(1, is_public=True, properties={"tags": "x", "kernel_id": kernel})
    store.add(2, b"", status="queued", checksum=None)
    store.add(3, status="saving")
    a_copy(glance, store, 0, owner="p2", created_at="2020-01-01T00:00:00Z")
    a_copy(glance, store, 1, owner="p2", visibility="public", v1_tags="x", kernel_id=kernel)
    a_copy(glance, store, 2, owner="p2", status="queued", size=None)
    plan = {"projects": {"p1": "p2"}}
    assert found(client, store, cloud(glance, **plan)) == set()
    # With new IDs the kernel has one, too.
    for old in (kernel, machine):
        record = glance.records.pop(old)
        new = {"id": new_id_of(old), renames.SOURCE_ID: old}
        glance.records[new_id_of(old)] = {**record, **new}
    glance.records[new_id_of(machine)]["kernel_id"] = new_id_of(kernel)
    assert found(client, store, cloud(glance, **plan)) == set()
    del store.records[kernel]
    assert found(client, store, cloud(glance, **plan), listed=False) == set()
    del glance.records[new_id_of(kernel)]
    assert {one[0] for one in found(client, store, cloud(glance, **plan), listed=False)} == {
        "property kernel_id"
    }


def test_a_cloud_may_have_another_format_that_was_chosen(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    store.add(0, disk_format="vmdk")
    record = a_copy(glance, store, 0, owner="p2", disk_format="qcow2", v1_disk_format="vmdk")
    plan = {"projects": {"p1": "p2"}}
    assert found(client, store, cloud(glance, **plan)) == set()
    record["v1_disk_format"] = "vdi"
    assert {one[0] for one in found(client, store, cloud(glance, **plan))} == {
        "disk_format",
        "property v1_disk_format",
    }


@pytest.mark.parametrize("listed", [True, False])
def test_images_that_cannot_be_copied_are_named(
    client: ImageClient, store: Store, glance: GlanceV2, listed: bool
) -> None:
    for number, status in enumerate(("active", "saving", "killed")):
        store.add(number, status=status)
    a_copy(glance, store)
    comparison = Comparison(client, cloud(glance))
    (one,) = comparison.differences(store.records.values(), listed=listed)
    assert (one.image_id, one.difference, one.explained) == (image_id(1), "not copied", True)
    assert "still being stored" in str(one.why)
    assert (comparison.images, comparison.left_out) == (1, 1)


def told(client: ImageClient, store: Store, peer: Peer, **options: Any) -> list[Difference]:
    comparison = Comparison(client, peer, options.pop("members", False))
    return list(comparison.differences(list(store.records.values()), **options))


def test_what_was_to_be_so_is_explained(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    """By the notes that the run made."""
    store.add(0, is_public=True, properties={"tags": "x"})
    store.add(1)
    store.members[image_id(1)] = [{"member_id": "m1", "can_share": False}]
    plan = Plan(visibility="private", keep_projects=False)
    noted = [
        note
        for outcome in Job(ServiceSource(client), glance.target(), plan).run(
            list(store.records.values())
        )
        for note in outcome.notes
    ]
    own = {"visibility": "private", "keep_projects": False}
    rows = told(client, store, cloud(glance, "me", **own), members=True)
    assert all(row.explained for row in rows)
    assert sorted(str(row.why) for row in rows) == sorted(noted)
    assert {row.difference for row in rows} == {"visibility", "owner", "renamed", "members"}


def test_a_format_that_was_chosen_is_explained(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    store.add(0, disk_format="qcow2")
    a_copy(glance, store, disk_format="raw", v1_disk_format="qcow2")
    (row,) = told(client, store, cloud(glance))
    assert (row.difference, row.explained) == ("format", True)
    assert row.why == "disk format qcow2 here, raw there, as was chosen"


@pytest.mark.parametrize("listed", [True, False])
def test_both_copies_are_looked_at(
    client: ImageClient, store: Store, glance: GlanceV2, listed: bool
) -> None:
    one = store.add(0)
    new = new_id_of(one)
    a_copy(glance, store, min_ram=7)
    other = {"id": new, renames.SOURCE_ID: one, "min_ram": 0, "min_disk": 9}
    glance.records[new] = {**glance.records[one], **other}
    rows = told(client, store, cloud(glance), listed=listed)
    assert {(row.difference, row.why) for row in rows} == {
        ("min_ram", f"in the copy {one}"),
        ("min_disk", f"in the copy {new}"),
    }
    # What a stranger says is his.
    glance.records[new]["owner"] = "stranger"
    rows = told(client, store, cloud(glance), listed=listed, extra=False)
    assert {(row.difference, row.why) for row in rows} == {("min_ram", None)}


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("new_ids", [True, False])
def test_a_machine_whose_kernel_was_deleted_there_is_named(
    client: ImageClient, store: Store, glance: GlanceV2, listed: bool, new_ids: bool
) -> None:
    kernel, machine = store.add(0), store.add(1, properties={"kernel_id": image_id(0)})
    records = list(store.records.values())
    list(Job(ServiceSource(client), glance.target(), Plan(new_ids=new_ids)).run(records))
    assert told(client, store, cloud(glance), listed=listed) == []
    copy = new_id_of(kernel) if new_ids else kernel
    del glance.records[copy]
    glance.deleted.add(copy)
    rows = told(client, store, cloud(glance), listed=listed)
    (named,) = (row for row in rows if row.difference == "kernel_id")
    assert (named.image_id, named.here, named.there) == (machine, kernel, copy)
    assert named.why == "there is no such image there"
    (missing,) = (row for row in rows if row.difference == "missing")
    assert missing.image_id == kernel
    assert ("was deleted" in str(missing.why)) is not new_ids
    # What is missing on both sides is no difference.
    del store.records[kernel]
    rows = told(client, store, cloud(glance), listed=listed)
    assert "kernel_id" not in {row.difference for row in rows}


@pytest.mark.parametrize("listed", [True, False])
def test_a_copy_that_a_run_has_begun(
    client: ImageClient, store: Store, glance: GlanceV2, listed: bool
) -> None:
    one = store.add(0, is_public=True)
    glance.add(one, name="image 0", tags=[UNFINISHED])
    (row,) = told(client, store, cloud(glance, "me", keep_projects=False), listed=listed)
    assert (row.difference, row.here, row.there) == ("unfinished", "active", "queued")
    assert (row.explained, row.why) == (
        False,
        "a run has begun to copy it, and not come to its end",
    )


def test_why_an_image_is_missing(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0, min_ram=2**31)
    store.add(1)
    rows = {row.image_id: row for row in told(client, store, cloud(glance))}
    assert {row.difference for row in rows.values()} == {"missing"}
    assert str(rows[image_id(0)].why).startswith("its min_ram is 2147483648")
    assert rows[image_id(1)].why is None


def test_a_report_tells_what_became_of_each_image(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    one, two, three = (store.add(number) for number in range(3))
    a_copy(glance, store, 2, status="queued")
    # Whatever it says itself, it is the copy.
    glance.add("another", store.data[one], owner="p1", min_ram=1)
    lines = {
        one: {"action": "copied", "target_id": "another"},
        two: {"action": "failed", "notes": ["no room\x1b (HTTP 413)"]},
        three: {"action": "not tried", "notes": "odd"},
    }
    target = glance.target()
    here = ImageClient(adapter_at(IMAGE_URL))
    peer = CloudPeer(target, Plan(), here, PastRuns({"api": "v2"}, lines))
    found = {(row.image_id, row.difference, row.why) for row in told(client, store, peer)}
    assert found >= {
        (one, "min_ram", None),
        (two, "missing", r"no room\x1b (HTTP 413)"),
        (three, "status", "not tried"),
    }


def test_a_cloud_differs(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    a_copy(glance, store, owner="p2", checksum="0" * 32)
    assert found(client, store, cloud(glance)) == {
        ("owner", "p1", "p2"),
        ("checksum", store.records[image_id(0)]["checksum"], "0" * 32),
    }
    # Where nobody can say what the owner ought to be, it is not compared.
    for plan in ({"keep_projects": False}, {"keep_projects": False, "projects": {"a": "b"}}):
        assert {one[0] for one in found(client, store, cloud(glance, **plan))} == {"checksum"}
    own = cloud(glance, "me", keep_projects=False)
    assert ("owner", "me", "p2") in found(client, store, own)
    assert ("visibility", "community", "shared") in found(
        client, store, cloud(glance, visibility="community")
    )


def test_a_cloud_is_asked_for_single_images(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    store.add(0)
    store.add(1)
    a_copy(glance, store)
    record = a_copy(glance, store, 1, **{renames.SOURCE_ID: image_id(1)})
    glance.records[new_id_of(image_id(1))] = {**record, "id": new_id_of(image_id(1))}
    del glance.records[image_id(1)]
    peer = cloud(glance)
    assert found(client, store, peer, listed=False) == set()
    del glance.records[image_id(0)]
    assert found(client, store, peer, listed=False) == {("missing", "active", None)}


def test_members_in_a_cloud(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    store.members[image_id(0)] = [{"member_id": "a"}, {"member_id": "c"}]
    a_copy(glance, store)
    glance.members[image_id(0)] = {"b": "pending", "c": "pending"}
    assert found(client, store, cloud(glance, projects={"a": "b"}), members=True) == set()
    assert found(client, store, cloud(glance), members=True) == {
        ("members", ("a", "c"), ("b", "c"))
    }
    only = cloud(glance, projects={"a": "b", "p1": "p1"}, keep_projects=False)
    assert found(client, store, only, members=True) == {("members", ("b",), ("b", "c"))}
    a_copy(glance, store, visibility="private")
    assert found(client, store, cloud(glance, visibility="private"), members=True) == set()


def test_each_record_is_read_once(
    client: ImageClient, store: Store, glance: GlanceV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        store.add(number)
        a_copy(glance, store, number)
    read: list[str] = []
    from_record = ImageDetail.from_record

    def reading(record: Record) -> ImageDetail:
        read.append(record["id"])
        return from_record(record)

    monkeypatch.setattr(ImageDetail, "from_record", reading)
    assert told(client, store, cloud(glance)) == []
    # Here, and there.
    assert sorted(read) == sorted(2 * list(store.records))


def test_members_are_asked_for_once(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    """Here once for all copies, and neither here nor there of a copy that is not finished."""
    one, begun = store.add(0), store.add(1)
    a_copy(glance, store)
    new = new_id_of(one)
    glance.records[new] = {**glance.records[one], "id": new, renames.SOURCE_ID: one}
    glance.add(begun, name="image 1", tags=[UNFINISHED], owner="p1")
    rows = told(client, store, cloud(glance), members=True)
    assert [row.difference for row in rows] == ["unfinished"]
    assert sum(count for path, count in store.asked.items() if path.endswith("/members")) == 1
    assert sum(path.endswith("/members") for path in glance.asked) == 2


def test_members_of_several_images_are_asked_for_at_a_time(
    client: ImageClient, store: Store, glance: GlanceV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [store.add(number) for number in range(6)]
    for number in range(6):
        a_copy(glance, store, number)
    together = threading.Barrier(3)

    def members(image_id: str) -> list[Member]:
        together.wait(60)
        return [Member(image_id)]

    monkeypatch.setattr(client, "members", members)
    rows = told(client, store, cloud(glance), members=True)
    assert [(row.image_id, row.here) for row in rows] == [(one, [one]) for one in ids]


def test_a_cloud_with_v1(client: ImageClient, store: Store) -> None:
    store.add(0, status="deactivated")
    store.members[image_id(0)] = []
    again = ImageClient(adapter_at(IMAGE_URL))
    peer = CloudPeer(V1Target(again), Plan())
    # The copy there cannot be deactivated.
    assert found(client, store, peer, members=True) == {("status", "active", "deactivated")}
    assert found(client, store, peer, listed=False) == {("status", "active", "deactivated")}


def test_what_v1_cannot_carry_is_missing_there(client: ImageClient, store: Store) -> None:
    store.add(0, properties={"Two words": "x"})
    again = ImageClient(adapter_at(IMAGE_URL))
    peer = CloudPeer(V1Target(again), Plan())
    assert found(client, store, peer) == set()
    store.unlisted.add(image_id(0))
    assert found(client, store, peer) == {("missing", "active", None)}


# A directory


def _comparison(client: ImageClient, store: Store, peer: Peer) -> tuple[list[str], int]:
    comparison = Comparison(client, peer)
    found = [one.difference for one in comparison.differences(list(store.records.values()))]
    return found, comparison.doubtful


def test_an_image_that_is_not_proven_to_be_empty(
    client: ImageClient, store: Store, glance: GlanceV2, tmp_path: Path
) -> None:
    """Its record says 0 bytes, and its data is there all the same."""
    one = store.add(1, b"all the same", size=0, checksum=None)
    snapshot = {"block_device_mapping": "[]"}
    store.add(2, b"", checksum=None, properties=snapshot)
    records = list(store.records.values())
    assert {o.action for o in Job(ServiceSource(client), glance.target(), Plan()).run(records)} == {
        "copied"
    }
    assert glance.data[one] == b"all the same"
    target = glance.target()
    assert _comparison(client, store, CloudPeer(target, Plan())) == ([], 1)
    Export(client, tmp_path).run(records)
    assert _comparison(client, store, DirectoryPeer(Archive(tmp_path))) == ([], 1)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_checksums_of_other_algorithms(
    client: ImageClient, store: Store, glance: GlanceV2, tmp_path: Path, algorithm: str
) -> None:
    one = store.add(1, b"data", checksum=hashlib.new(algorithm, b"data").hexdigest())
    records = list(store.records.values())
    outcomes = list(Job(ServiceSource(client), glance.target(), Plan()).run(records))
    assert [(outcome.action, outcome.notes) for outcome in outcomes] == [("copied", ())]
    Export(client, tmp_path).run(records)
    assert _comparison(client, store, DirectoryPeer(Archive(tmp_path))) == ([], 0)
    there = {"os_hash_algo": algorithm, "os_hash_value": store.records[one]["checksum"]}
    glance.records[one] |= there
    target = glance.target()
    assert _comparison(client, store, CloudPeer(target, Plan())) == ([], 0)
    glance.records[one]["os_hash_value"] = "0" * len(there["os_hash_value"])
    assert _comparison(client, store, CloudPeer(target, Plan())) == (
        [algorithm],
        0,
    )
    store.data[one] = b"Data"
    [outcome] = Job(ServiceSource(client), glance.target(), Plan(new_ids=True)).run(records)
    assert "is damaged here: its " + algorithm.upper() in outcome.notes[0]


@pytest.fixture
def directory(tmp_path: Path, store: Store) -> Path:
    store.add(0)
    store.add(1, b"", status="queued")
    store.add(2)
    store.add(3)
    store.add(4, checksum=None)
    with ManifestWriter(tmp_path, Shard()) as manifest:
        for number in range(5):
            record = store.records[image_id(number)]
            data = StoredData(6, str(record["checksum"] or "0" * 32), "0" * 64, True)
            manifest.add(
                [
                    ExportedImage(
                        dict(record),
                        None if number == 4 else (Member("p1"),),
                        None,
                        None if number in (1, 3) else data,
                        "http://x",
                        datetime.now(timezone.utc),
                    )
                ]
            )
    for number in (0, 4):
        (tmp_path / f"{image_id(number)}.img").write_bytes(b"data %d" % number)
    return tmp_path


def test_a_directory(client: ImageClient, store: Store, directory: Path) -> None:
    peer = DirectoryPeer(Archive(directory))
    expected = {("data", "there", "missing"), ("data", "there", "not exported")}
    assert found(client, store, peer) == expected
    assert found(client, store, peer, listed=False) == expected
    (directory / f"{image_id(0)}.img").write_bytes(b"cut")
    store.records[image_id(4)]["name"] = "renamed"
    store.add(5)
    more = {
        ("data", "there", "cut"),
        ("name", "renamed", "image 4"),
        ("missing", "active", None),
    }
    assert found(client, store, peer, listed=False) == expected | more
    assert ("members", (), ("p1",)) in found(client, store, peer, members=True)


def test_a_directory_without_members(client: ImageClient, store: Store, directory: Path) -> None:
    peer = DirectoryPeer(Archive(directory))
    (other,) = peer.find(ImageDetail.from_record(store.records[image_id(4)]))
    assert peer.members(other) is None


# The command


def run(shell: Shell, *argv: str) -> Any:
    command = CompareImage(shell, None)
    shell.stdout.seek(0)
    shell.stdout.truncate()
    try:
        command.run(command.get_parser("openstack").parse_args([*argv, "-f", "json"]))
    except ImageV1Error as error:
        return str(error), json.loads(shell.stdout.getvalue() or "[]")
    return None, json.loads(shell.stdout.getvalue())


@pytest.mark.parametrize("text", ["cloud", "cloud:", "v2:x", "compute:", "directory:", "none", ""])
def test_what_there_is_to_compare_with(
    shell: Shell, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(shell, "--with", text)
    assert "use compute, v2, cloud:<name> or directory:<path>" in capsys.readouterr().err


def test_a_directory_that_nothing_was_exported_to(shell: Shell, tmp_path: Path) -> None:
    error, rows = run(shell, "--with", f"directory:{tmp_path}")
    assert error == f"'{tmp_path}' has no manifest: nothing was exported to it"
    assert rows == []


def test_the_command(
    shell: Shell, store: Store, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error, rows = run(shell, "--with", f"directory:{directory}")
    assert error == (
        "Differences: 2; images compared: 5; no checksum tells whether the data is the same: 1"
    )
    assert rows[0] == {
        "ID": image_id(2),
        "Name": "image 2",
        "Difference": "data",
        "Here": "there",
        "There": "missing",
    }
    assert run(shell, "--with", f"directory:{directory}", image_id(0)) == (None, [])
    assert caplog.messages[-1] == "No differences; images compared: 1"


def test_the_command_with_v2(
    store: Store, glance: GlanceV2, requests_mock: rm.Mocker, shell: Shell
) -> None:
    store.add(0)
    a_copy(glance, store)
    requests_mock.get(f"{IMAGE_URL}/v2/images", json={"images": list(glance.records.values())})
    assert run(shell, "--with", "v2") == (None, [])
    del store.records[image_id(0)]
    assert run(shell, "--with", "v2")[0] == "Differences: 1; images compared: 0"
    assert run(shell, "--with", "v2", "--ignore-extra")[0] is None
    assert run(shell, "--with", "v2", "--name", "x")[0] is None


def test_the_command_says_what_it_has_not_compared(
    store: Store, glance: GlanceV2, requests_mock: rm.Mocker, shell: Shell, caplog: Any
) -> None:
    store.add(0)
    record = a_copy(glance, store, owner=None)
    requests_mock.get(f"{IMAGE_URL}/v2/images", json={"images": [record]})
    schema = captures.of_release("havana", "v2-schema")
    requests_mock.get(f"{IMAGE_URL}/v2/schemas/image", **schema.mock)
    assert run(shell, "--with", "v2") == (None, [])
    assert caplog.messages[-1] == (
        "No differences; images compared: 1; not compared, since the other side does not tell it: "
        "owner"
    )


def test_the_command_with_compute(
    store: Store, requests_mock: rm.Mocker, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ComputeImageClient(adapter_at(COMPUTE_URL, "compute"))
    monkeypatch.setattr("osc_image_v1.cli.clients.compute_image_client", lambda _manager: client)
    requests_mock.get(f"{COMPUTE_URL}/images/detail", json={"images": []})
    store.add(0)
    assert run(shell, "--with", "compute")[0] == "Differences: 1; images compared: 1"


def test_the_command_with_a_cloud(
    store: Store,
    glance: GlanceV2,
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "clouds.yaml"
    auth = f'{{endpoint: "{TARGET_URL}", token: secret-token}}'
    path.write_text(f"clouds: {{other: {{auth_type: admin_token, auth: {auth}}}}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    store.add(0)
    a_copy(glance, store, owner="p2")
    assert run(shell, "--with", "cloud:other")[0] is None
    keep = ("--with", "cloud:other", "--keep-project-ids")
    assert run(shell, *keep)[1][0]["Difference"] == "owner"
    (tmp_path / "map").write_text("p1,p2")
    monkeypatch.setattr("osc_image_v1.cli.projects.project_id", lambda _who, name, **_how: name)
    assert run(shell, *keep, "--project-map", str(tmp_path / "map"))[0] is None
    store.add(1, status="saving")
    left_out = "; not compared, since they are in no state to be copied: 1"
    assert run(shell, "--with", "cloud:other")[0] is None
    explained = "; explained by how images were copied: 1"
    assert caplog.messages[-1] == "No differences; images compared: 1" + explained + left_out
    assert run(shell, *keep, "--min-ram", "0")[0] == "Differences: 1; images compared: 1" + left_out


def test_the_command_with_a_report(
    store: Store,
    glance: GlanceV2,
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    client: ImageClient,
) -> None:
    path = tmp_path / "clouds.yaml"
    auth = f'{{endpoint: "{TARGET_URL}", token: secret-token}}'
    path.write_text(f"clouds: {{other: {{auth_type: admin_token, auth: {auth}}}}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    store.add(0, is_public=True)
    plan = Plan(visibility="private", projects={"p1": "p2"}, keep_projects=False)
    reports = Reports([str(tmp_path / "report")])
    reports.begin(head_of(plan, command="copy", api="v2"))
    for outcome in Job(ServiceSource(client), glance.target(), plan).run([*store.records.values()]):
        reports.add(outcome)
    compare = ("--with", "cloud:other", "--plan", str(tmp_path / "report"))
    said, rows = run(shell, *compare)
    assert said is None
    assert [(row["Difference"], row["Explained"], row["Why"]) for row in rows] == [
        ("visibility", True, "public here, private there")
    ]
    store.asked.clear()
    for wrong, why in (
        (("--keep-project-ids",), "With --plan it is the report that says"),
        (("--target", "v2"), "With --plan it is the report that says"),
        (("--with", "v2"), "--plan is for --with cloud"),
        (("--plan", str(path)), "is no report"),
        (("--plan", str(tmp_path / "none")), "Cannot read .*none': No such file"),
    ):
        with pytest.raises(WrongUsage, match=why):
            shell.run(CompareImage, *compare, *wrong)
    assert not store.asked
