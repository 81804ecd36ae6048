"""What is foreseen of an image: a plan says it, and a run keeps to it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import ContentMismatch, ImageV1Error, http_error
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.notes import notes_of, reasons_of
from osc_image_v1.migrate.ours import new_id_of
from osc_image_v1.migrate.sources import ServiceSource
from osc_image_v1.migrate.target_v1 import V1Target
from osc_image_v1.migrate.target_v2 import V2Target
from tests.unit.conftest import IMAGE_URL, adapter_at, detail, image_id
from tests.unit.glance_v2 import TARGET_URL, GlanceV2
from tests.unit.store import Store

ONE = image_id(0)
MEMBERS = [{"member_id": f"m{number}", "can_share": False} for number in range(129)]


@pytest.fixture
def glance(requests_mock: rm.Mocker) -> GlanceV2:
    return GlanceV2(requests_mock)


@pytest.fixture
def both(client: ImageClient, store: Store, glance: GlanceV2) -> Any:
    """Return what a plan says of the images, and what a run makes of them."""

    def outcomes(plan: Plan | None = None, admin: bool | None = None) -> Any:
        found = []
        for work in (Job.preview, Job.run):
            target = glance.target()
            target.is_admin = admin
            plan = plan or Plan()
            plan.image_ids.clear()
            job = Job(ServiceSource(client), target, plan, parallel=1)
            found.append({one.image_id: one for one in work(job, list(store.records.values()))})
        return found

    return outcomes


def many(number: int) -> dict[str, str]:
    return {f"p{index}": "x" for index in range(number)}


@pytest.mark.parametrize(
    ("fields", "plan", "admin", "reason"),
    [
        ({"properties": many(128)}, {}, None, None),
        ({"properties": many(129)}, {}, None, "properties"),
        ({"properties": many(128)}, {"new_ids": True}, None, None),
        ({"min_ram": 2**31 - 1, "min_disk": 2**31 - 1}, {}, None, None),
        ({"min_ram": 2**31}, {}, None, "min_ram"),
        ({"min_disk": 2**31}, {}, None, "min_disk"),
        ({"is_public": True}, {"keep_projects": False}, True, None),
        ({"is_public": True}, {"keep_projects": False}, None, None),
        ({"is_public": True}, {"keep_projects": False}, False, "visibility"),
        ({}, {"visibility": "community", "keep_projects": False}, False, None),
        ({"owner": "p1"}, {}, False, "owner"),
        ({"owner": None}, {}, False, "owner"),
        ({"owner": "me"}, {}, False, None),
        ({"owner": "p1"}, {}, True, None),
        ({"owner": "p1"}, {"projects": {"p2": "p3"}, "keep_projects": False}, None, "owner"),
        ({}, {"visibility": "shared", "accept_members": True}, True, None),
    ],
)
def test_what_a_plan_calls_a_failure_gets_no_record(
    both: Any, store: Store, glance: GlanceV2, fields: Any, plan: Any, admin: Any, reason: Any
) -> None:
    store.add(0, **fields)
    foreseen, done = both(Plan(**plan), admin)
    assert foreseen[ONE].failed is done[ONE].failed is (reason is not None)
    if reason is not None:
        assert foreseen[ONE].reasons == done[ONE].reasons == (reason,)
        assert foreseen[ONE].notes == done[ONE].notes
        assert not [one for one in glance.asked if not one.startswith("GET ")]


@pytest.mark.parametrize("number", [128, 129])
def test_members(both: Any, store: Store, glance: GlanceV2, number: int) -> None:
    store.add(0)
    store.members[ONE] = MEMBERS[:number]
    foreseen, done = both()
    assert foreseen[ONE].failed is done[ONE].failed is (number == 129)
    assert len(glance.members.get(ONE, {})) == (128 if number == 128 else 0)


def test_a_member_accepts_for_the_own_project_alone(both: Any, store: Store) -> None:
    store.add(0, owner="me")
    store.members[ONE] = MEMBERS[:1]
    foreseen, done = both(Plan(accept_members=True), False)
    assert foreseen[ONE].reasons == done[ONE].reasons == ("accept",)


def test_what_is_over_the_size_that_services_take(both: Any, store: Store) -> None:
    store.add(0, size=2**40 + 1)
    foreseen, done = both()
    assert foreseen[ONE].reasons == done[ONE].reasons == ("size",)
    assert store.downloads() == 0


def test_several_reasons_are_told_together(both: Any, store: Store) -> None:
    store.add(0, min_ram=2**31, is_public=True)
    foreseen, _done = both(None, False)
    assert foreseen[ONE].reasons == ("min_ram", "visibility", "owner")
    assert len(foreseen[ONE].notes) == 3


def test_what_a_service_may_be_set_up_for_can_be_tried(
    both: Any, store: Store, glance: GlanceV2
) -> None:
    store.add(0, properties=many(129))
    store.add(1, is_public=True, owner="me")
    foreseen, done = both(Plan(allowed=frozenset(("properties", "visibility"))), False)
    other = image_id(1)
    assert (foreseen[ONE].action, foreseen[ONE].reasons) == ("fail", ("owner",))
    assert (foreseen[other].action, foreseen[other].reasons) == ("copy", ("visibility",))
    assert (done[other].action, done[other].notes) == ("copied", foreseen[other].notes)


def test_values_that_some_databases_do_not_take_are_noted(both: Any, store: Store) -> None:
    store.add(0, properties={"long": "x" * 65_536, "short": "x" * 65_535})
    store.add(1, properties={"Foo": "x", "foo": "y"})
    foreseen, done = both()
    for one, names in ((ONE, "'long'"), (image_id(1), "'Foo' and 'foo'")):
        assert foreseen[one].notes == done[one].notes
        assert foreseen[one].reasons == ("database",)
        assert names in foreseen[one].notes[0]


def test_an_image_that_is_there_is_not_refused(both: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0, properties=many(129))
    glance.add(ONE, store.data[ONE], name="image 0", disk_format="raw", container_format="bare")
    glance.records[ONE] |= many(129)
    foreseen, done = both()
    assert (foreseen[ONE].action, done[ONE].action) == ("present", "present")


# IDs


def test_an_id_that_is_used_up(both: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    glance.deleted.add(ONE)
    foreseen, done = both(None, True)
    assert foreseen[ONE].reasons == done[ONE].reasons == ("id-used-up",)
    assert foreseen[ONE].notes == done[ONE].notes
    assert "--new-ids" in foreseen[ONE].notes[0]


def test_an_id_that_is_taken(both: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    glance.add(ONE, b"other", owner="p1")
    foreseen, done = both()
    assert foreseen[ONE].reasons == done[ONE].reasons == ("id-taken",)
    assert foreseen[ONE].notes == done[ONE].notes


def test_a_record_that_takes_no_data(both: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    glance.add(ONE, tags=[UNFINISHED], checksum="0" * 32)
    foreseen, done = both()
    assert foreseen[ONE].reasons == done[ONE].reasons == ("unusable",)
    assert foreseen[ONE].notes == done[ONE].notes


def test_a_record_that_is_removed(both: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    glance.add(ONE, tags=[UNFINISHED], checksum="0" * 32)
    foreseen, done = both(Plan(clean_up=True))
    assert foreseen[ONE].reasons == done[ONE].reasons == ("unusable",)
    assert foreseen[ONE].notes == done[ONE].notes
    glance.add(new_id_of(ONE), tags=[UNFINISHED], checksum="0" * 32, v1_image_id=ONE)
    foreseen, done = both(Plan(clean_up=True, new_ids=True))
    assert (foreseen[ONE].action, done[ONE].action) == ("copy", "copied")
    assert "is removed there" in foreseen[ONE].notes[0]


def test_data_that_nothing_vouches_for(both: Any, store: Store) -> None:
    store.add(0, checksum=None)
    for _ in ("missing", "present"):
        foreseen, done = both()
        assert foreseen[ONE].reasons == done[ONE].reasons == ("no-checksum",)
        assert foreseen[ONE].notes == done[ONE].notes


@pytest.mark.parametrize("admin", [True, False, None])
def test_whether_an_id_is_used_up_an_admin_alone_is_told(
    client: ImageClient, store: Store, glance: GlanceV2, admin: bool | None
) -> None:
    store.add(0, owner="me")
    target = glance.target()
    target.is_admin = admin
    job = Job(ServiceSource(client), target, Plan())
    assert [one.action for one in job.preview(list(store.records.values()))] == ["copy"]
    assert job.unclear == (0 if admin else 1)


def test_an_id_of_which_nothing_is_told_where_any_marker_does(
    client: ImageClient, store: Store, glance: GlanceV2, requests_mock: rm.Mocker
) -> None:
    """Something between, or an old service, ignores markers."""
    store.add(0)
    requests_mock.get(f"{TARGET_URL}/v2/images", json={"images": []})
    job = Job(ServiceSource(client), glance.target(), Plan())
    assert [one.action for one in job.preview(list(store.records.values()))] == ["copy"]
    assert job.unclear == 1


def test_an_id_of_someone_else_is_known_though_it_is_not_seen(
    requests_mock: rm.Mocker, glance: GlanceV2
) -> None:
    def answer(request: Any, context: Any) -> Any:
        context.status_code = 403 if ONE in request.url else 400
        return {}

    requests_mock.get(f"{TARGET_URL}/v2/images", json=answer)
    assert glance.target().is_taken(ONE) is True
    assert glance.target().is_taken(image_id(1)) is None


# Kernels and ramdisks


@pytest.mark.parametrize("new_ids", [False, True])
def test_a_kernel_that_is_not_copied(both: Any, store: Store, new_ids: bool) -> None:
    store.add(0, properties={"kernel_id": image_id(1), "ramdisk_id": "none"})
    foreseen, done = both(Plan(new_ids=new_ids))
    note = f"kernel_id {image_id(1)} is not copied"
    assert note in foreseen[ONE].notes
    assert note in done[ONE].notes
    assert "reference" in done[ONE].reasons


def test_a_kernel_that_is_there_already(both: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(2):
        store.add(number, properties={"kernel_id": image_id(5)})
    glance.add(image_id(5), b"")
    foreseen, done = both()
    assert foreseen[ONE].notes == done[ONE].notes == ()
    # Once by the plan, once by the run.
    assert glance.asked.count(f"GET /images/{image_id(5)}") == 2


def test_a_kernel_that_is_skipped(both: Any, store: Store) -> None:
    store.add(0, properties={"kernel_id": image_id(1)})
    store.add(1, status="killed")
    foreseen, done = both()
    assert foreseen[ONE].reasons == done[ONE].reasons == ("reference",)
    assert foreseen[image_id(1)].reasons == ("status",)


# Quotas


def limits(size: int, used: int, count: int = 100, there: int = 0) -> dict[str, Any]:
    return {
        "image_size_total": {"limit": size, "usage": used},
        "image_count_total": {"limit": count, "usage": there},
        "image_stage_total": {"limit": 0, "usage": 0},
    }


MIB = 2**20


def test_the_quota_is_shared_by_all_images_of_a_job(
    both: Any, store: Store, glance: GlanceV2
) -> None:
    glance.usage = limits(10, 4)
    for number, size in enumerate((3, 2, 4)):
        store.add(number, b"x" * size * MIB, owner="me")
    foreseen, done = both()
    assert {one for one, outcome in foreseen.items() if outcome.failed} == {image_id(2)}
    assert foreseen[image_id(2)].notes == done[image_id(2)].notes
    assert foreseen[image_id(2)].reasons == ("quota",)
    assert "leaves 1048576 of 10485760" in foreseen[image_id(2)].notes[0]
    assert set(glance.data) == {image_id(0), image_id(1)}


def test_what_belongs_to_others_uses_no_quota(both: Any, store: Store, glance: GlanceV2) -> None:
    glance.usage = limits(2, 0)
    for number in range(3):
        store.add(number, b"x" * 2 * MIB, owner="p1")
    foreseen, _done = both(None, True)
    assert not any(outcome.failed for outcome in foreseen.values())


def test_the_number_of_images(both: Any, store: Store, glance: GlanceV2) -> None:
    glance.usage = limits(-1, 0, count=5, there=4)
    for number in range(2):
        store.add(number, owner="me")
    foreseen, done = both()
    assert [one.failed for one in foreseen.values()] == [False, True]
    assert foreseen[image_id(1)].notes == ("the quota is 5 images there",)
    assert [one.failed for one in done.values()] == [False, True]


def test_what_did_not_come_uses_no_quota(
    client: ImageClient, store: Store, glance: GlanceV2
) -> None:
    glance.usage = limits(2, 0)
    for number in range(2):
        store.add(number, b"x" * 2 * MIB, owner="me")
    store.data[ONE] = b"y" * 2 * MIB
    job = Job(ServiceSource(client), glance.target(), Plan(), parallel=1)
    outcomes = [one.action for one in job.run(list(store.records.values()))]
    assert outcomes == ["failed", "copied"]


@pytest.mark.parametrize(
    ("usage", "tight", "begun"),
    [
        (None, False, "54321"),
        (limits(1, 0), False, "54321"),
        (limits(-1, 0, count=6), False, "54321"),
        # A preview has found room for the smallest.
        (limits(1, 1), False, "12345"),
        (limits(1, 0, count=7, there=2), False, "12345"),
        # Something has been refused already for want of room.
        (None, True, "12345"),
    ],
)
def test_the_largest_are_begun_where_there_is_room_for_all(
    client: ImageClient,
    store: Store,
    glance: GlanceV2,
    monkeypatch: pytest.MonkeyPatch,
    usage: Any,
    tight: bool,
    begun: str,
) -> None:
    """One of two workers is at the smallest image until the other one has done the rest."""
    glance.usage = usage
    for number in range(6):
        store.add(number, b"x" * (number + 1), owner="me")
    done, order = threading.Event(), ""

    def bring(self: Job, entry: Any, *_more: Any) -> Outcome:
        nonlocal order
        if entry.image_id == image_id(0):
            assert done.wait(60)
        else:
            order += str(entry.size - 1)
            if len(order) == 5:
                done.set()
        return Outcome(entry.image_id, None, entry.size, "copied")

    monkeypatch.setattr(Job, "_try", bring)
    target = glance.target()
    assert target.known_quota is None
    for asked in (False, True):
        done, order = threading.Event(), ""
        if asked:
            assert target.quota is target.known_quota
        job = Job(ServiceSource(client), target, Plan(), parallel=2)
        if tight:
            job._outage.failed(http_error("x", 413))
        outcomes = list(job.run(list(store.records.values())))
        assert sorted(one.image_id for one in outcomes) == sorted(store.records)
        assert order == (begun if asked else "12345")
    done, order = threading.Event(), ""
    list(Job(ServiceSource(client), target, Plan(), parallel=2).preview(store.records.values()))
    assert order == "12345"


# Into v1


def test_a_user_becomes_the_owner_in_v1(client: ImageClient) -> None:
    """The service says nothing of it; the copy is known again by that owner."""
    image = ImageDetail.from_record(detail(0))
    target = V1Target(client)
    target.own_project = "me"
    for admin, owner in ((False, "me"), (True, "p1"), (None, "p1")):
        target.is_admin = admin
        draft = target.draft(image, [], Plan())
        assert (draft.owner, reasons_of(draft.notes)) == (
            owner,
            ("owner",) if owner == "me" else (),
        )


# Who someone is


@pytest.mark.parametrize(
    ("roles", "admin"), [(["member"], False), (["member", "Admin"], True), (None, None)]
)
def test_the_roles_of_a_token(roles: list[str] | None, admin: bool | None) -> None:
    adapter = adapter_at(IMAGE_URL)
    if roles is not None:
        access = SimpleNamespace(role_names=roles)
        adapter.session.auth.get_access = lambda _session: access
    assert V2Target(ImageV2Client(adapter)).is_admin is admin


# Reasons


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (http_error("Cannot", 413), "http-413"),
        (ContentMismatch("no"), "damaged"),
        (ImageV1Error("no"), "other"),
    ],
)
def test_the_word_for_a_failure(error: ImageV1Error, reason: str) -> None:
    assert reasons_of(notes_of(error)) == (reason,)
    wrapped = ImageV1Error("more")
    wrapped.__cause__ = error
    assert reasons_of(notes_of(wrapped)) == (reason,)
    assert Outcome("x", None, None, "failed", ("plain",)).reasons == ()
