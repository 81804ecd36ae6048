"""Tenants of the target are strangers: what is taken for a copy, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import TargetOccupied
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.ours import new_id_of
from osc_image_v1.migrate.sources import ServiceSource
from osc_image_v1.migrate.target_v1 import V1Target
from osc_image_v1.report.compare import Comparison
from osc_image_v1.report.peers import CloudPeer
from osc_image_v1.transfer.shards import Shard
from tests.unit.conftest import adapter_at, detail, image_id
from tests.unit.glance import Glance, refuse
from tests.unit.glance_v2 import GlanceV2
from tests.unit.migrate.test_targets import DATA, ID, a_source, an_image, md5
from tests.unit.store import Store

STRANGER = {"owner": "stranger", "visibility": "community"}
NEW = Plan(new_ids=True)


def alike(number: int = 0, **fields: Any) -> dict[str, Any]:
    """What a copy of an image of the store has."""
    record = detail(number)
    same = ("name", "disk_format", "container_format", "owner")
    return {**{name: record[name] for name in same}, "visibility": "private", **fields}


def copied(
    client: ImageClient, store: Store, glance: GlanceV2, plan: Plan = NEW, **options: Any
) -> dict[str, Outcome]:
    dry = options.pop("dry", False)
    job = Job(ServiceSource(client), glance.target(), plan, **{"parallel": 1, **options})
    records = list(store.records.values())
    outcomes = job.preview(records) if dry else job.run(records)
    return {outcome.image_id: outcome for outcome in outcomes}


# The same ID


@pytest.mark.parametrize(
    "fields",
    [
        {"data": DATA},
        {"data": DATA, "tags": [UNFINISHED]},
        {"data": b"other"},
        {"tags": [UNFINISHED]},
        {},
        {"status": "saving", "tags": [UNFINISHED]},
    ],
)
def test_an_image_of_another_project_is_no_copy(glance: GlanceV2, fields: dict[str, Any]) -> None:
    glance.add(ID, **{**alike(), **STRANGER, **fields})
    before = dict(glance.records[ID])
    with pytest.raises(TargetOccupied, match="belongs to project stranger, and a copy would") as it:
        glance.target(patience=600.0).write(an_image(), [], a_source(), Plan())
    assert "to project p1; it is left alone: --new-ids" in str(it.value)
    assert glance.records[ID] == before
    assert {one.split()[0] for one in glance.asked} == {"GET"}


@pytest.mark.parametrize(
    ("owner", "plan", "there", "said"),
    [
        (None, Plan(), None, ""),
        (None, Plan(), "me", "belongs to project me, and a copy would belong to no project"),
        ("p1", Plan(), None, "belongs to no project, and a copy would belong to project p1"),
        ("p1", Plan(keep_projects=False), "me", ""),
        ("p1", Plan(keep_projects=False), "p1", "a copy would belong to project me"),
        ("p1", Plan(projects={"p1": "p2"}, keep_projects=False), "p2", ""),
        ("p1", Plan(projects={"p1": "p2"}, keep_projects=False), "p1", "belong to project p2"),
    ],
)
def test_whose_a_copy_is(
    glance: GlanceV2, owner: str | None, plan: Plan, there: str | None, said: str
) -> None:
    glance.add(ID, DATA, **alike(owner=there))
    target = glance.target()
    if said:
        with pytest.raises(TargetOccupied, match=said):
            target.write(an_image(owner=owner), [], a_source(), plan)
    else:
        assert target.write(an_image(owner=owner), [], a_source(), plan).action == "present"


def test_the_own_project_is_learnt_from_what_is_made(glance: GlanceV2) -> None:
    target, plan = glance.target(), Plan(keep_projects=False)
    target.own_project = None
    target.write(an_image(), [], a_source(), plan)
    assert target.write(an_image(), [], a_source(), plan).action == "present"
    again = glance.target()
    again.own_project = None
    with pytest.raises(TargetOccupied, match=r"the log-in there tells no ID .*--keep-project-ids"):
        again.write(an_image(), [], a_source(), plan)


def test_what_was_changed_in_a_copy_is_told(glance: GlanceV2) -> None:
    changed = {"name": "new\nname", "min_ram": 5, "protected": True, "a": "c", "b" * 70: "x" * 70}
    glance.add(ID, DATA, **alike(visibility="public", **changed))
    written = glance.target().write(an_image(properties={"a": "b"}), [], a_source(), Plan())
    assert written.action == "present"
    assert written.notes == (
        r"differs: name ('image 0' in a copy, 'new\x0aname' there), "
        "min_ram (0 in a copy, 5 there), protected (False in a copy, True there), "
        "visibility ('private' in a copy, 'public' there), "
        "property a ('b' in a copy, 'c' there), and 1 more",
    )
    assert glance.records[ID]["name"] == "new\nname"


@pytest.mark.parametrize("more", [0, 25])
@pytest.mark.parametrize("dry", [True, False])
def test_differences_and_strangers_in_a_run(
    client: ImageClient, store: Store, glance: GlanceV2, more: int, dry: bool
) -> None:
    for number in range(5 + more):
        store.add(number)
        glance.add(image_id(number), store.data[image_id(number)], **alike(number))
    store.records[image_id(3)].update(status="deactivated")
    glance.records[image_id(0)].update(owner="stranger")
    glance.records[image_id(1)].update(os_distro="altered")
    glance.records[image_id(2)].update(visibility="shared", os_glance_import="x", empty="")
    outcomes = copied(client, store, glance, Plan(), dry=dry)
    assert outcomes[image_id(0)].action == ("fail" if dry else "failed")
    assert "belongs to project stranger" in outcomes[image_id(0)].notes[0]
    assert {one.action for one in outcomes.values() if one.image_id != image_id(0)} == {"present"}
    assert [outcomes[image_id(number)].notes for number in (1, 2, 3, 4)] == [
        ("differs: property os_distro (none in a copy, 'altered' there)",),
        (),
        ("differs: status ('deactivated' in a copy, 'active' there)",),
        (),
    ]


def test_an_empty_record_that_no_copy_has_made_is_left_alone(glance: GlanceV2) -> None:
    glance.add(ID, **alike(mine="x"))
    with pytest.raises(TargetOccupied, match=r"which no copy has made \(differs: property mine"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["mine"] == "x"
    # One that an image without data has left is.
    del glance.records[ID]["mine"]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"


def test_what_was_changed_in_an_unfinished_copy_is_made_right(glance: GlanceV2) -> None:
    glance.add(ID, DATA, **alike(name="x", tags=[UNFINISHED], a="c", more="y"))
    image = an_image(properties={"a": "b"})
    assert glance.target().write(image, [], a_source(), Plan()).action == "finished"
    record = glance.records[ID]
    assert (record["name"], record["a"], record["more"]) == ("image 0", "b", "y")


# New IDs


def test_a_stranger_that_names_the_image_is_no_copy(glance: GlanceV2) -> None:
    for number in range(30):
        glance.add(f"stranger {number}", DATA, **{renames.SOURCE_ID: ID}, **STRANGER)
    written = glance.target().write(an_image(), [], a_source(), NEW)
    assert (written.action, written.image_id) == ("copied", new_id_of(ID))
    assert glance.target().write(an_image(), [], a_source(), NEW).action == "present"


def test_whatever_names_the_image_but_has_other_data_is_no_copy(glance: GlanceV2) -> None:
    """A snapshot of a server that was made from a copy has the copy's properties."""
    glance.add("snapshot", b"snapshot", **alike(), **{renames.SOURCE_ID: ID})
    glance.add("queued", **alike(name="other"), **{renames.SOURCE_ID: ID})
    glance.add("saving", **alike(), status="saving", **{renames.SOURCE_ID: ID})
    written = glance.target(patience=600.0).write(an_image(), [], a_source(), NEW)
    assert (written.action, written.image_id) == ("copied", new_id_of(ID))


def test_where_nothing_tells_what_the_data_is_the_metadata_must(glance: GlanceV2) -> None:
    image = replace(an_image(), size=0, checksum=None)
    glance.add("snapshot", b"snapshot", **alike(name="other"), **{renames.SOURCE_ID: ID})
    assert glance.target().find(glance.target().draft(image, (), NEW)) is None
    glance.add("copy", b"data", **alike(), **{renames.SOURCE_ID: ID})
    found = glance.target().find(glance.target().draft(image, (), NEW))
    assert found is not None
    assert found.image_id == "copy"


def test_an_id_that_a_stranger_has_taken_is_told_and_another_one_is_made(
    glance: GlanceV2,
) -> None:
    glance.add(new_id_of(ID), DATA, **{renames.SOURCE_ID: ID}, **STRANGER)
    plan = Plan(new_ids=True)
    written = glance.target().write(an_image(), [], a_source(), plan)
    assert (written.action, written.image_id) == ("copied", new_id_of(ID, 1))
    assert plan.image_ids == {ID: new_id_of(ID, 1)}
    note = f"the ID {new_id_of(ID)} is another image's there, which is no copy"
    assert written.notes == (note,)
    assert glance.target().write(an_image(), [], a_source(), NEW).image_id == new_id_of(ID, 1)


def test_after_some_it_gets_an_id_that_nobody_can_foresee(glance: GlanceV2) -> None:
    for number in range(100):
        glance.add(new_id_of(ID, number), DATA, **STRANGER)
    written = glance.target().write(an_image(), [], a_source(), NEW)
    assert written.image_id not in {new_id_of(ID, number) for number in range(100)}
    assert glance.asked.count("POST /images") == 4
    again = glance.target().write(an_image(), [], a_source(), NEW)
    assert (again.action, again.image_id) == ("present", written.image_id)


def test_a_hidden_copy_is_found_by_its_id(glance: GlanceV2, monkeypatch: Any) -> None:
    glance.target().write(an_image(), [], a_source(), NEW)
    monkeypatch.setattr(glance, "_list", lambda _request: {"images": []})
    assert glance.target().write(an_image(), [], a_source(), NEW).action == "present"


# Kernels


@pytest.fixture
def machine(store: Store) -> str:
    store.add(1)
    return store.add(2, properties={"kernel_id": image_id(1)})


def test_a_strangers_image_never_becomes_a_kernel(
    client: ImageClient, store: Store, glance: GlanceV2, machine: str
) -> None:
    data = store.data[image_id(1)]
    glance.add("evil", data, **{renames.SOURCE_ID: image_id(1)}, **STRANGER)
    glance.add(new_id_of(image_id(1)), data, **{renames.SOURCE_ID: image_id(1)}, **STRANGER)
    # The kernel is not among what is copied.
    only = Job(ServiceSource(client), glance.target(), Plan(new_ids=True))
    (alone,) = only.run([store.records[machine]])
    assert f"kernel_id {image_id(1)} is not copied" in alone.notes
    assert glance.records[new_id_of(machine)]["kernel_id"] == image_id(1)
    # Then it is.
    outcomes = copied(client, store, glance)
    assert outcomes[image_id(1)].notes[0] == f"as {new_id_of(image_id(1), 1)}"
    expected = f"differs: property kernel_id ('{new_id_of(image_id(1), 1)}' in a copy"
    assert outcomes[machine].notes[1].startswith(expected)


def test_a_new_machine_names_the_kernel_that_got_another_id(
    client: ImageClient, store: Store, glance: GlanceV2, machine: str
) -> None:
    glance.add(new_id_of(image_id(1)), b"evil", **STRANGER)
    outcomes = copied(client, store, glance)
    assert {one.action for one in outcomes.values()} == {"copied"}
    assert glance.records[new_id_of(machine)]["kernel_id"] == new_id_of(image_id(1), 1)
    assert {one.action for one in copied(client, store, glance).values()} == {"present"}


def shards(machine: str) -> tuple[Shard, Shard]:
    """A part that has the machine, and one that has its kernel."""
    parts = [Shard(number, 50) for number in range(1, 51)]
    return (
        next(part for part in parts if machine in part),
        next(part for part in parts if image_id(1) in part),
    )


@pytest.mark.parametrize("taken", [True, False])
def test_the_kernel_of_another_shard_has_its_id_before_it_is_named(
    client: ImageClient, store: Store, glance: GlanceV2, machine: str, taken: bool
) -> None:
    """An ID that is named but free could become anybody's."""
    if taken:
        glance.add(new_id_of(image_id(1)), b"evil", **STRANGER)
    one, other = shards(machine)
    kernel = new_id_of(image_id(1), 1 if taken else 0)
    assert list(copied(client, store, glance, shard=one, dry=True)) == [machine]
    assert kernel not in glance.records
    assert copied(client, store, glance, Plan(new_ids=True), shard=one)[machine].action == "copied"
    assert glance.records[kernel]["tags"] == [UNFINISHED]
    assert glance.records[kernel]["owner"] == "p1"
    outcomes = copied(client, store, glance, Plan(new_ids=True), shard=other)
    assert outcomes[image_id(1)].action == "copied"
    assert glance.data[kernel] == store.data[image_id(1)]
    assert glance.records[new_id_of(machine)]["kernel_id"] == kernel
    again = copied(client, store, glance, Plan(new_ids=True))
    assert [(row.action, len(row.notes)) for row in again.values()] == [("present", 1)] * 2


def test_the_kernel_of_another_shard_that_was_faster(
    client: ImageClient, store: Store, glance: GlanceV2, machine: str, monkeypatch: Any
) -> None:
    one, other = shards(machine)
    copied(client, store, glance, Plan(new_ids=True), shard=other)
    # It is in no list yet.
    monkeypatch.setattr(glance, "_list", lambda _request: {"images": []})
    copied(client, store, glance, Plan(new_ids=True), shard=one)
    assert glance.records[new_id_of(machine)]["kernel_id"] == new_id_of(image_id(1))


@pytest.mark.parametrize(
    ("fields", "trusted"),
    [({}, True), (STRANGER, False), ({"tags": [UNFINISHED]}, False), ({"twice": "x"}, False)],
)
def test_a_kernel_that_is_not_here_any_more(
    client: ImageClient,
    store: Store,
    glance: GlanceV2,
    machine: str,
    fields: dict[str, Any],
    trusted: bool,
) -> None:
    del store.records[image_id(1)]
    glance.add(image_id(9), b"kernel", **{**alike(1), renames.SOURCE_ID: image_id(1), **fields})
    if "twice" in fields:
        glance.add("another", b"snapshot", **{**alike(1), renames.SOURCE_ID: image_id(1)})
    copied(client, store, glance, Plan(new_ids=True))
    kernel = image_id(9) if trusted else image_id(1)
    assert glance.records[new_id_of(machine)]["kernel_id"] == kernel


@pytest.mark.parametrize("dry", [True, False])
def test_of_many_images_none_is_a_strangers(
    client: ImageClient, store: Store, glance: GlanceV2, dry: bool
) -> None:
    for number in range(25):
        store.add(number)
        named = {renames.SOURCE_ID: image_id(number)}
        glance.add(f"a {number}", store.data[image_id(number)], **named, **STRANGER)
        if number > 0:
            glance.add(f"b {number}", store.data[image_id(number)], **alike(number, **named))
        if number > 1:
            glance.add(f"c {number}", store.data[image_id(number)], **named, **STRANGER)
    outcomes = copied(client, store, glance, Plan(new_ids=True), dry=dry)
    assert outcomes[image_id(0)].action == ("copy" if dry else "copied")
    for number in range(1, 25):
        outcome = outcomes[image_id(number)]
        assert (outcome.action, outcome.notes) == ("present", (f"as b {number}",))


# As many properties as there can be

MANY = {f"p{number:03}": "x" for number in range(128)}


def test_the_old_id_is_a_tag_where_there_is_no_room_for_a_property(glance: GlanceV2) -> None:
    image = an_image(properties=MANY)
    written = glance.target().write(image, [], a_source(), NEW)
    tag = f"v1_image_id={ID}"
    assert written.notes == (f"it has 128 properties already: {tag} is a tag",)
    record = glance.records[written.image_id]
    assert record["tags"] == [tag]
    assert sum(name in MANY for name in record) == 128
    assert glance.target().write(image, [], a_source(), NEW).action == "present"
    (found,) = glance.target().everything()
    assert (found.source_id, found.unfinished) == (ID, False)


@pytest.fixture
def old(requests_mock: rm.Mocker, client: ImageClient, monkeypatch: Any) -> tuple[Glance, V1Target]:
    glance, target = Glance(requests_mock), V1Target(client)
    target.patience = 0.0
    monkeypatch.setattr(client, "pages", lambda _query, detail: [list(glance.records.values())])

    def bounded() -> None:
        names = [name.lower() for name in glance.headers[-1]]
        if sum(name.startswith("x-image-meta-property-") for name in names) > 128:
            refuse(413, "The limit has been exceeded on the number of allowed properties")()

    glance.before.update(POST=bounded, PUT=bounded)
    return glance, target


@pytest.mark.parametrize("new_ids", [True, False])
def test_into_v1_with_as_many_properties_as_can_be(
    old: tuple[Glance, V1Target], new_ids: bool
) -> None:
    glance, target = old
    plan = Plan(new_ids=new_ids)
    image = an_image(properties=MANY)
    written = target.write(image, [], a_source(), plan)
    assert glance.records[written.image_id]["properties"] == MANY
    said = ("no property v1_image_id: it has 128 properties already",)
    assert written.notes == (said if new_ids else ())
    again = target.write(image, [], a_source(), plan)
    assert (again.action, again.image_id) == ("present", written.image_id)


def test_into_v1_without_a_property_it_is_found_behind_a_stranger(
    old: tuple[Glance, V1Target],
) -> None:
    glance, target = old
    stranger = {"id": new_id_of(ID), "owner": "stranger", "is_public": True}
    glance.add(0, size=len(DATA), checksum=md5(DATA), **stranger)
    image = an_image(properties=MANY)
    written = target.write(image, [], a_source(), NEW)
    assert written.image_id == new_id_of(ID, 1)
    again = target.write(image, [], a_source(), NEW)
    assert (again.action, again.image_id) == ("present", written.image_id)


# A property of the user's own with that name


def test_a_users_own_property_is_kept(glance: GlanceV2, old: tuple[Glance, V1Target]) -> None:
    image = an_image(properties={renames.SOURCE_ID: "mine"})
    for target, records in (
        (glance.target(), glance.records),
        (old[1], old[0].records),
    ):
        written = target.write(image, [], a_source(), NEW)
        assert written.notes == ("property v1_image_id is v1_v1_image_id there",)
        record: Any = records[written.image_id]
        properties = record.get("properties", record)
        assert properties["v1_image_id"] == ID
        assert properties["v1_v1_image_id"] == "mine"
        assert target.write(image, [], a_source(), NEW).action == "present"
        kept = target.write(image, [], a_source(), Plan())
        assert kept.notes == ()
        record = records[ID]
        assert record.get("properties", record)["v1_image_id"] == "mine"


# Compared


def compared(
    client: ImageClient, store: Store, glance: GlanceV2, listed: bool
) -> set[tuple[str, str, Any, Any]]:
    target = glance.target()
    peer = CloudPeer(target, Plan(), client)
    told = Comparison(client, peer).differences(list(store.records.values()), listed=listed)
    differences = (one for one in told if not one.explained)
    return {(one.image_id, one.difference, one.here, one.there) for one in differences}


@pytest.mark.parametrize("listed", [True, False])
def test_compare_takes_no_strangers_image_for_a_copy(
    client: ImageClient, store: Store, glance: GlanceV2, machine: str, listed: bool
) -> None:
    data = store.data[image_id(1)]
    named = {renames.SOURCE_ID: image_id(1)}
    glance.add("evil", data, **{**alike(1, **named), "owner": "stranger"})
    glance.add(
        "machine",
        store.data[machine],
        **alike(2, **{renames.SOURCE_ID: machine, "kernel_id": "evil"}),
    )
    found = compared(client, store, glance, listed)
    extra = {("evil", "extra", None, "active")} if listed else set()
    assert found == {
        (image_id(1), "missing", "active", None),
        (machine, "property kernel_id", image_id(1), "evil"),
        *extra,
    }
    # Of the copy and the stranger's image the copy is the copy, wherever it is in the list.
    glance.add(image_id(9), data, **alike(1, **named))
    glance.records["machine"]["kernel_id"] = image_id(9)
    assert compared(client, store, glance, listed) == extra
    # A stranger's image of the same ID hides it as little.
    glance.add(image_id(1), data, **{**alike(1), "owner": "stranger"})
    extra = {*extra, (image_id(1), "extra", None, "active")} if listed else set()
    assert compared(client, store, glance, listed) == extra


def test_compare_tells_of_a_strangers_image_of_the_same_id(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    store.add(0)
    glance.add(ID, store.data[ID], **{**alike(), "owner": "stranger"})
    assert compared(client, store, glance, listed=True) == {(ID, "owner", "p1", "stranger")}


@pytest.mark.parametrize("listed", [True, False])
def test_compare_with_a_users_own_property(
    client: ImageClient, store: Store, glance: GlanceV2, listed: bool
) -> None:
    store.add(0, properties={renames.SOURCE_ID: "mine"})
    glance.add(ID, store.data[ID], **alike(), **{renames.SOURCE_ID: "mine"})
    assert compared(client, store, glance, listed) == set()
    glance.records.clear()
    both = {renames.SOURCE_ID: ID, "v1_v1_image_id": "mine"}
    glance.add("copy", store.data[ID], **alike(), **both)
    assert compared(client, store, glance, listed) == set()


def test_compare_with_v1(client: ImageClient, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    again = ImageClient(adapter_at("http://image.example:9292"))
    peer = CloudPeer(V1Target(again), Plan(), again)
    image = ImageDetail.from_record(store.records[ID])
    (found,) = peer.find(image)
    assert found.image_id == ID
