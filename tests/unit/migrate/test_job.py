"""Many images into another service."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.archive.archive import Archive
from osc_image_v1.archive.export import Export
from osc_image_v1.exceptions import (
    ImageV1Error,
    InvalidInput,
    TransferStopped,
)
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.ours import new_id_of
from osc_image_v1.migrate.sources import (
    ArchiveSource,
    ServiceSource,
    exported_records,
    from_service,
)
from osc_image_v1.migrate.target_v1 import V1Target
from osc_image_v1.transfer import shelf
from osc_image_v1.transfer.sending import ImageSource
from osc_image_v1.transfer.shards import Shard
from tests.unit import disks
from tests.unit.conftest import IMAGE_URL, Terminal, detail, image_id
from tests.unit.glance import Glance, refuse
from tests.unit.glance_v2 import GlanceV2, failing
from tests.unit.store import Store


@pytest.fixture
def copy(client: ImageClient, store: Store, glance: GlanceV2) -> Callable[..., dict[str, Outcome]]:
    def run(
        plan: Plan | None = None, dry: bool = False, order: list[str] | None = None, **options: Any
    ) -> dict[str, Outcome]:
        job = Job(
            ServiceSource(client), glance.target(), plan or Plan(), **{"parallel": 1, **options}
        )
        records = list(store.records.values())
        outcomes = list(job.preview(records) if dry else job.run(records))
        assert len({outcome.image_id for outcome in outcomes}) == len(outcomes)
        if order is not None:
            order += [outcome.image_id for outcome in outcomes]
        return {outcome.image_id: outcome for outcome in outcomes}

    return run


def actions(outcomes: dict[str, Outcome]) -> list[str]:
    return [outcomes[one].action for one in sorted(outcomes)]


def test_copied_and_then_present(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(5):
        store.add(number)
    assert actions(copy(parallel=3)) == ["copied"] * 5
    assert glance.data == store.data
    downloads = store.downloads()
    assert actions(copy()) == ["present"] * 5
    assert store.downloads() == downloads


def test_a_line_for_each_image(copy: Any, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "osc_image_v1")
    ids = [
        store.add(1, b"12345"),
        store.add(2, b"", size=None, checksum=None, status="queued"),
        store.add(3, b"1", checksum=None),
    ]
    copy(dry=True)
    copy()
    copy()
    told = [re.sub(r"\d+\.\d\d seconds", "t", m) for m in caplog.messages if m.startswith("Image ")]
    md5, none = "the service's MD5 vouches for it", "nothing vouches for its content"
    assert sorted(told) == [
        f"Image {ids[0]} copied: 5 bytes, t, {md5}",
        f"Image {ids[0]} present: 5 bytes, t, {md5}",
        f"Image {ids[1]} present: 0 bytes, t, there is no data",
        f"Image {ids[1]} recorded: 0 bytes, t, there is no data",
        f"Image {ids[2]} copied: 1 bytes, t, {none}",
        f"Image {ids[2]} present: 1 bytes, t, {none}",
    ]


def test_all_data_flows_at_the_rate(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(3):
        store.add(number, b"x" * number)
    store.add(3, b"", size=None, status="queued")
    paced: list[int | None] = []

    def source(data: ImageSource, _stop: Any) -> ImageSource:
        paced.append(data.size)
        return data

    copy(rate=SimpleNamespace(source=source))
    assert sorted(map(str, paced)) == ["0", "1", "2"]
    assert len(glance.data[image_id(2)]) == 2


def test_many_images_are_looked_up_in_a_list(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(25):
        store.add(number)
        glance.add(image_id(number), store.data[image_id(number)])
    del glance.records[image_id(3)]
    glance.add("not of here")
    assert actions(copy()).count("present") == 24
    assert [one for one in glance.asked if one.startswith("GET") and one != "GET /images"] == [
        "GET /info/usage",
        f"GET /images/{image_id(3)}",
    ]
    # Members are asked for only where something is to be done.
    assert sum(path.endswith("/members") for path in store.asked) == 1


@pytest.mark.parametrize("dry", [False, True])
def test_what_is_there_of_an_image_is_looked_up_once(
    copy: Any, store: Store, glance: GlanceV2, dry: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        store.add(number)
        if number % 2:
            glance.add(image_id(number), store.data[image_id(number)])
    monkeypatch.setattr(shelf, "_FEW", 0)
    statements: list[str] = []

    def traced(*args: Any, _connect: Any = sqlite3.connect, **options: Any) -> Any:
        database = _connect(*args, **options)
        database.set_trace_callback(statements.append)
        return database

    monkeypatch.setattr(sqlite3, "connect", traced)
    word = "copy" if dry else "copied"
    assert actions(copy(dry=dry)).count(word) == 15
    looked_up = [one for one in statements if one.startswith("SELECT value FROM items")]
    assert len(looked_up) == 30
    added = [one for one in statements if one.startswith("INSERT OR IGNORE INTO items")]
    # Each image of either side is seen once.
    assert len(added) == 30 + 15


def test_smallest_first_but_kernels_before_all(copy: Any, store: Store) -> None:
    store.add(1, b"x" * 30)
    store.add(2, b"x" * 10, properties={"kernel_id": image_id(4), "ramdisk_id": image_id(5)})
    store.add(3, b"x" * 20)
    store.add(4, b"x" * 50)
    store.add(5, b"x" * 40)
    order: list[str] = []
    copy(order=order)
    assert order == [image_id(number) for number in (5, 4, 2, 3, 1)]


def test_images_over_the_limit_of_the_target_do_not_keep_the_others_from_it(
    copy: Any, store: Store, glance: GlanceV2
) -> None:
    for number in range(30):
        store.add(number, b"x" * (number + 1))
        if number >= 18:
            glance.before[f"PUT {image_id(number)}/file"] = [failing(413)] * 9
    found = actions(copy(parallel=8))
    assert found[:18] == ["copied"] * 18
    assert "copied" not in found[18:]


def test_images_without_data(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number, status in enumerate(
        ("queued", "saving", "killed", "deleted", "pending_delete", "odd")
    ):
        store.add(number, b"", status=status, deleted="delete" in status)
    outcomes = copy()
    assert actions(outcomes) == ["recorded"] + ["skipped"] * 5
    assert outcomes[image_id(5)].notes == ("its status is odd",)
    assert list(glance.records) == [image_id(0)]
    assert actions(copy(dry=True)) == ["present"] + ["skip"] * 5


def test_an_image_that_is_being_deleted(
    copy: Any,
    store: Store,
    glance: GlanceV2,
    client: ImageClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("osc_image_v1.transfer.listed._PAUSES", (0.0, 0.0))
    one = store.add(1, status="deleted", deleted=False)
    assert copy(dry=True)[one].notes == ("it is being deleted just now",)
    assert copy()[one].failed
    # Glance takes the status back where it could not remove the data.
    listed = [dict(store.records[one])]
    store.records[one]["status"] = "active"
    outcomes = Job(ServiceSource(client), glance.target(), Plan()).run(listed)
    assert [outcome.action for outcome in outcomes] == ["copied"]
    assert glance.data == store.data


def test_a_failure_keeps_none_of_the_others(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(3):
        store.add(number)
    store.data[image_id(1)] = b"data !"
    outcomes = copy()
    assert actions(outcomes) == ["copied", "failed", "copied"]
    assert "damaged" in outcomes[image_id(1)].notes[0]
    assert outcomes[image_id(1)].failed
    assert glance.records[image_id(1)]["status"] == "queued"


@pytest.mark.parametrize("dry", [True, False])
def test_a_service_that_is_gone_is_not_asked_for_each_image(
    copy: Any, store: Store, glance: GlanceV2, dry: bool
) -> None:
    for number in range(15):
        store.add(number, properties={"kernel_id": image_id(number + 15)} if number < 3 else {})
    for number in range(15, 18):
        store.add(number)
    glance.before["GET "] = [failing(503)] * 1000
    outcomes = copy(dry=dry)
    assert len(outcomes) == 18
    assert all(one.failed != (one.action == "not tried") for one in outcomes.values())
    # Of three more it is clear without a request that they cannot be copied.
    failed = ["fail" if dry else "failed"] * 13
    assert [one.action for one in outcomes.values()] == failed + ["not tried"] * 5
    glance.before.clear()
    assert set(actions(copy())) == {"copied"}


def test_members_are_copied(copy: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    store.members[image_id(0)] = [{"member_id": "p9", "can_share": True}]
    copy()
    assert glance.members[image_id(0)] == {"p9": "pending"}


def test_without_a_checksum_it_is_noted(copy: Any, store: Store) -> None:
    store.add(0, checksum=None)
    assert copy()[image_id(0)].notes == (
        "no checksum here: nothing vouches for what the service has sent",
    )


def test_shards(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(10):
        store.add(number)
    ids = set()
    for index in (1, 2, 3):
        found = copy(shard=Shard(index, 3))
        assert not ids & found.keys()
        ids |= found.keys()
    assert len(ids) == 10


def test_an_image_that_is_listed_twice(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    records = [store.records[image_id(0)]] * 2
    assert len(list(Job(ServiceSource(client), glance.target(), Plan()).run(records))) == 1


def test_a_list_that_breaks_off(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    def records() -> Any:
        yield detail(0)
        raise ImageV1Error("no more pages")

    with pytest.raises(ImageV1Error, match="no more pages"):
        list(Job(ServiceSource(client), glance.target(), Plan()).run(records()))


def test_stopped(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    class Stops(V1Target):
        def write(self, *args: Any, **options: Any) -> Any:
            raise TransferStopped("stop")

    store.add(0)
    with pytest.raises(TransferStopped):
        list(Job(ServiceSource(client), Stops(client), Plan()).run(list(store.records.values())))


def test_what_is_stopped_has_not_failed(client: ImageClient, store: Store) -> None:
    class Stops(V1Target):
        def write(self, *args: Any, **options: Any) -> Any:
            raise ImageV1Error("the record is left") from TransferStopped("stop")

    store.add(0)
    (outcome,) = Job(ServiceSource(client), Stops(client), Plan()).run(store.records.values())
    assert (outcome.action, outcome.failed, outcome.reasons) == ("stopped", False, ("stopped",))


# New IDs


@pytest.fixture
def machine(store: Store) -> str:
    store.add(1, properties={})
    return store.add(2, properties={"kernel_id": image_id(1)})


def test_kernels_have_their_new_ids(
    copy: Any, store: Store, glance: GlanceV2, machine: str
) -> None:
    outcomes = copy(Plan(new_ids=True))
    assert outcomes[machine].notes == (f"as {new_id_of(machine)}",)
    assert glance.records[new_id_of(machine)]["kernel_id"] == new_id_of(image_id(1))
    assert actions(copy(Plan(new_ids=True))) == ["present"] * 2


def test_kernels_of_another_run(copy: Any, store: Store, glance: GlanceV2, machine: str) -> None:
    glance.add(image_id(9), b"", **{renames.SOURCE_ID: image_id(1)})
    del store.records[image_id(1)]
    copy(Plan(new_ids=True))
    assert glance.records[new_id_of(machine)]["kernel_id"] == image_id(9)


def test_kernels_of_another_shard(copy: Any, glance: GlanceV2, machine: str) -> None:
    shard = next(
        Shard(n, 50)
        for n in range(1, 51)
        if machine in Shard(n, 50) and image_id(1) not in Shard(n, 50)
    )
    copy(Plan(new_ids=True), shard=shard)
    assert glance.records[new_id_of(machine)]["kernel_id"] == new_id_of(image_id(1))


def test_kernels_that_are_not_copied(
    copy: Any, store: Store, glance: GlanceV2, machine: str
) -> None:
    del store.records[image_id(1)]
    assert copy(Plan(new_ids=True))[machine].notes[1] == f"kernel_id {image_id(1)} is not copied"
    assert glance.records[new_id_of(machine)]["kernel_id"] == image_id(1)


def test_kernels_that_failed(copy: Any, store: Store, glance: GlanceV2, machine: str) -> None:
    store.data[image_id(1)] = b"data !"
    outcomes = copy()
    assert outcomes[machine].notes == (f"its kernel_id {image_id(1)} could not be copied",)
    assert list(glance.records) == [image_id(1)]


def test_many_present_images_teach_their_new_ids(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(25):
        store.add(number)
        glance.add(
            f"new {number}", store.data[image_id(number)], **{renames.SOURCE_ID: image_id(number)}
        )
    plan = Plan(new_ids=True)
    assert actions(copy(plan)) == ["present"] * 25
    assert plan.image_ids[image_id(3)] == "new 3"


# The plan


@pytest.mark.parametrize("more", [0, 25])
def test_preview(copy: Any, store: Store, glance: GlanceV2, more: int) -> None:
    for number in range(7 + more):
        store.add(number, status="queued" if number == 6 else "active")
    glance.add(image_id(1), store.data[image_id(1)])
    glance.add(image_id(2), b"other")
    glance.add(image_id(3), status="killed")
    glance.add(image_id(4), store.data[image_id(4)], tags=[UNFINISHED])
    glance.add(image_id(5), status="saving")
    outcomes = copy(dry=True)
    assert actions(outcomes)[:7] == ["copy", "present", "fail", "fail", "finish", "wait", "record"]
    assert outcomes[image_id(2)].failed
    assert "another image" in outcomes[image_id(2)].notes[0]
    assert all(one.startswith("GET") for one in glance.asked)


def test_a_preview_counts_images_on_a_terminal(
    copy: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    store.add(0)
    store.add(1)
    copy(dry=True)
    assert "0/2 " in sys.stderr.getvalue()
    # What a plan shows meanwhile is gone when the list comes.
    assert sys.stderr.getvalue().endswith(" \r")
    copy()
    assert "12 B of 12 B" in sys.stderr.getvalue()
    copy()
    last = sys.stderr.getvalue().splitlines()[-1]
    assert last.startswith("100%|")
    assert last.rstrip().endswith("| 0 B, 0 B/s, 2 of 2 images")


def test_preview_says_what_cannot_be(copy: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    plan = Plan(projects={"p8": "p9"}, keep_projects=False)
    assert actions(copy(plan, dry=True)) == ["fail"]


def test_preview_says_what_will_be_refused(copy: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0, disks.qcow2(), disk_format="vmdk")
    store.add(1, disks.qcow2(), disk_format="qcow2")
    store.add(2, b"", disk_format="qcow2")
    store.add(3, disks.qcow2(), disk_format="vmdk", container_format="ovf")
    outcomes = copy(dry=True)
    assert actions(outcomes) == ["fail", "copy", "copy", "copy"]
    assert "said to be vmdk and is qcow2" in outcomes[image_id(0)].notes[0]
    assert outcomes[image_id(2)].notes == ("disk format qcow2 here, raw there: it is empty",)
    # What is not looked into is not asked for, nor what has no bytes.
    assert store.downloads() == 2
    assert actions(copy()) == ["failed", "copied", "copied", "copied"]
    assert glance.records.keys() == {image_id(number) for number in (1, 2, 3)}
    asked = store.downloads()
    assert actions(copy(Plan(look=False), dry=True)) == ["copy", "present", "present", "present"]
    assert store.downloads() == asked


def test_preview_reads_files_and_their_ends(
    client: ImageClient, store: Store, glance: GlanceV2, tmp_path: Path
) -> None:
    data = bytearray(disks.vmdk("streamOptimized", footer=True))
    store.add(0, bytes(data), disk_format="vmdk")
    data[-1] = 1
    store.add(1, bytes(data), disk_format="vmdk")
    Export(client, tmp_path).run(list(store.records.values()))
    archive = Archive(tmp_path)
    job = Job(ArchiveSource(archive), glance.target(), Plan())
    outcomes = {one.image_id: one for one in job.preview(exported_records(archive))}
    assert actions(outcomes) == ["copy", "fail"]
    assert "End-of-stream marker is invalid" in outcomes[image_id(1)].notes[0]
    # A service of v1 sends no part of an image.
    job = Job(ServiceSource(client), glance.target(), Plan())
    outcomes = {one.image_id: one for one in job.preview(store.records.values())}
    assert actions(outcomes) == ["copy", "copy"]


# A target with v1


@pytest.fixture
def old(requests_mock: rm.Mocker, client: ImageClient) -> tuple[Glance, V1Target]:
    target = V1Target(client)
    target.patience = 0.0
    return Glance(requests_mock), target


def source(data: bytes = b"data", md5: str | None = None) -> ImageSource:
    return ImageSource(len(data), md5, lambda: iter([data]))


def an_image(**fields: Any) -> ImageDetail:
    return ImageDetail.from_record(detail(0, size=4, checksum=None, **fields))


def test_into_v1(old: tuple[Glance, V1Target], requests_mock: rm.Mocker) -> None:
    glance, target = old
    requests_mock.put(
        f"{IMAGE_URL}/v1/images/{image_id(0)}/members",
        status_code=204,
        headers={"X-Openstack-Request-Id": "req-1"},
    )
    image = an_image(is_public=False, protected=True, properties={"a": "b"})
    written = target.write(image, [Member("p2", True)], source(), Plan())
    assert written.action == "copied"
    record = glance.records[image_id(0)]
    assert (record["protected"], record["properties"]) == (True, {"a": "b"})
    assert glance.bodies == [b"data"]
    again = target.write(replace_checksum(image, record), [Member("p2")], source(), Plan())
    assert again.action == "present"


def replace_checksum(image: ImageDetail, record: dict[str, Any]) -> ImageDetail:
    return ImageDetail.from_record({**detail(0), "size": 4, "checksum": record["checksum"]})


def test_into_v1_with_new_ids(
    old: tuple[Glance, V1Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    glance, target = old

    monkeypatch.setattr(
        target.client, "pages", lambda _query, detail: [list(glance.records.values())]
    )
    plan = Plan(new_ids=True, visibility="public", keep_projects=False)
    written = target.write(an_image(), [], source(), plan)
    record = glance.records[written.image_id]
    assert record["is_public"] is True
    assert record["properties"] == {renames.SOURCE_ID: image_id(0)}
    assert target.write(an_image(), [], source(), plan).action == "present"
    assert [one.source_id for one in target.everything()] == [image_id(0)]


def test_into_v1_an_empty_name_is_none(old: tuple[Glance, V1Target]) -> None:
    _glance, target = old
    note = "its name is empty, there it has none"
    assert target.draft(an_image(name=""), [], Plan()).notes == (note,)
    assert target.draft(an_image(name=None), [], Plan()).notes == ()


def test_into_v1_nothing_is_looked_at(old: tuple[Glance, V1Target]) -> None:
    _glance, target = old
    assert target.write(an_image(disk_format="qcow2"), [], source(), Plan()).action == "copied"


def test_into_v1_fills_an_empty_record(old: tuple[Glance, V1Target]) -> None:
    glance, target = old
    glance.add(
        0, status="queued", size=0, checksum=None, properties={"stale": "x", UNFINISHED: "yes"}
    )
    written = target.write(an_image(status="deactivated"), [], source(), Plan())
    assert written.notes == ("deactivated here, active there",)
    assert glance.records[image_id(0)]["properties"] == {}


def test_into_v1_a_refusal_leaves_a_record_that_takes_data(old: tuple[Glance, V1Target]) -> None:
    glance, target = old
    glance.before["PUT"] = refuse(400, "Wrong data")
    with pytest.raises(ImageV1Error, match=r"Wrong data.*queued, is left for another run"):
        target.write(an_image(), [], source(), Plan())
    assert target.write(an_image(), [], source(), Plan()).action == "copied"


def test_into_v1_a_refusal_that_kills_the_image_is_told(
    old: tuple[Glance, V1Target],
) -> None:
    glance, target = old

    def kill() -> None:
        glance.records[image_id(0)]["status"] = "killed"
        refuse(400, "Wrong data")()

    glance.before["PUT"] = kill
    with pytest.raises(ImageV1Error, match=r"Wrong data.*is killed: it takes no data any more"):
        target.write(an_image(), [], source(), Plan())
    glance.before["PUT"] = lambda: pytest.fail("it was sent to again")
    with pytest.raises(ImageV1Error, match=r"removed, and its ID is used up"):
        target.write(an_image(), [], source(), Plan(clean_up=True))
    assert glance.records == {}


def test_into_v1_without_a_checksum_there(
    old: tuple[Glance, V1Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    glance, target = old

    def hide() -> None:
        glance.records[image_id(0)]["checksum"] = None

    stored = SimpleNamespace(chunks=lambda: iter(glance.bodies))
    monkeypatch.setattr(target.client, "data", lambda _id: contextlib.nullcontext(stored))
    glance.after["PUT"] = hide
    assert target.write(an_image(), [], source(), Plan()).action == "copied"


def test_v1_has_no_community_images(old: tuple[Glance, V1Target]) -> None:
    with pytest.raises(InvalidInput, match="no images that are community"):
        old[1].write(an_image(), [], source(), Plan(visibility="community"))


def test_v1_refuses_what_it_cannot_carry(old: tuple[Glance, V1Target]) -> None:
    with pytest.raises(InvalidInput):
        old[1].draft(an_image(properties={"Upper": "x"}), [], Plan())


# Where the data comes from


def test_deactivated_images_come_through_v2(client: ImageClient, store: Store) -> None:
    store.v2 = True
    store.add(0, b"data", status="deactivated")
    image = ImageDetail.from_record(store.records[image_id(0)])
    found = from_service(client, image)
    assert found is not None
    assert b"".join(found.read()) == b"data"


def test_no_bytes_are_not_asked_for(client: ImageClient, store: Store) -> None:
    store.add(0, b"", status="deactivated")
    found = from_service(client, ImageDetail.from_record(store.records[image_id(0)]))
    assert found is not None
    assert b"".join(found.read()) == b""
    assert store.downloads() == 0
