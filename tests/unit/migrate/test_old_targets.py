"""Images into services whose Image API v2 is of the releases before Ocata."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests
import requests_mock as rm

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import Abilities, Member
from osc_image_v1.exceptions import InvalidInput, ServerError
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import Plan
from osc_image_v1.migrate.job import Job
from osc_image_v1.migrate.sources import ServiceSource
from osc_image_v1.report.compare import Comparison
from osc_image_v1.report.peers import CloudPeer
from tests.unit import captures
from tests.unit.conftest import adapter_at, image_id
from tests.unit.glance_v2 import TARGET_URL
from tests.unit.migrate.test_targets import DATA, ID, a_source, an_image, md5
from tests.unit.old_glance_v2 import OldGlanceV2
from tests.unit.store import Store

BEFORE_OCATA = captures.RELEASES[: captures.RELEASES.index("ocata")]
#: What belongs to the user's own project.
OWN = {"projects": {"p1": "me"}}


@pytest.fixture
def glance(requests_mock: rm.Mocker, request: Any) -> OldGlanceV2:
    return OldGlanceV2(requests_mock, request.param)


def of(*releases: str) -> Any:
    return pytest.mark.parametrize("glance", releases, indirect=True)


# What a service knows


@pytest.mark.parametrize("release", [*BEFORE_OCATA, "queens"])
def test_what_a_schema_tells(release: str) -> None:
    knows = Abilities.of_schema(captures.of_release(release, "v2-schema").json)
    shared = frozenset({"shared", "community"} if release == "queens" else ())
    assert knows.visibilities == {"public", "private"} | shared
    assert knows.deactivates is (release not in ("havana", "icehouse", "juno"))
    assert knows.tells("owner") is (release != "havana")
    assert knows.disk_formats is not None
    assert ("vhdx" in knows.disk_formats) is (release in ("newton", "queens"))
    assert ("ploop" in knows.disk_formats) is (release == "queens")
    assert knows.container_formats is not None
    assert ("ova" in knows.container_formats) is (release != "havana")
    docker = {"mitaka", "newton", "queens"}
    assert ("docker" in knows.container_formats) is (release in docker)


@pytest.mark.parametrize(
    "schema",
    [None, [], {}, {"properties": []}, {"properties": {"status": [], "visibility": {"enum": 5}}}],
)
def test_what_describes_itself_otherwise_is_one_of_today(schema: Any) -> None:
    knows = Abilities.of_schema(schema)
    assert knows.visibilities == Abilities().visibilities
    assert knows.takes_ids
    assert knows.disk_formats is None


@of(*BEFORE_OCATA)
def test_what_no_schema_tells(glance: OldGlanceV2) -> None:
    knows = glance.client().abilities
    assert knows.takes_ids is (glance.release not in ("havana", "icehouse"))
    assert knows.takes_owners is (glance.release in ("mitaka", "newton"))


def test_a_service_is_asked_once(requests_mock: rm.Mocker) -> None:
    client = ImageV2Client(adapter_at(TARGET_URL))
    schema = requests_mock.get(f"{TARGET_URL}/v2/schemas/image", status_code=404)
    assert client.abilities is client.abilities
    assert client.abilities == Abilities()
    assert schema.call_count == 1


def test_a_service_that_fails_is_asked_again(requests_mock: rm.Mocker) -> None:
    client = ImageV2Client(adapter_at(TARGET_URL))
    requests_mock.get(f"{TARGET_URL}/v2/schemas/image", status_code=500)
    with pytest.raises(ServerError, match="Cannot find out what the image service knows"):
        client.abilities  # noqa: B018
    requests_mock.get(
        f"{TARGET_URL}/v2/schemas/image", **captures.of_release("queens", "v2-schema").mock
    )
    assert client.abilities.takes_owners


@of("newton")
def test_a_run_asks_once(glance: OldGlanceV2) -> None:
    target = glance.target()
    target.write(an_image(), [], a_source(), Plan(**OWN))
    target.write(replace(an_image(), id=image_id(1)), [], a_source(), Plan(**OWN))
    assert list(target.everything())
    assert (glance.schemas, glance.asked.count("GET /images")) == (1, 2)


# Writing


@of("juno", "kilo", "liberty", "mitaka", "newton")
def test_a_copy_keeps_its_id_and_its_members(glance: OldGlanceV2) -> None:
    image = an_image(min_disk=3, protected=True, properties={"a": "b"})
    target = glance.target()
    written = target.write(image, [Member("p2", can_share=False)], a_source(), Plan(**OWN))
    assert (written.image_id, written.action, written.notes) == (ID, "copied", ())
    record = glance.records[ID]
    assert (record["visibility"], record["protected"], record["tags"]) == ("private", True, [])
    assert (record["checksum"], record["a"]) == (md5(DATA), "b")
    assert glance.members[ID] == {"p2": "pending"}
    assert target.write(image, [Member("p2")], a_source(), Plan(**OWN)).action == "present"


@of("icehouse")
def test_before_juno_a_copy_gets_an_id_of_the_target_s_choice(glance: OldGlanceV2) -> None:
    image = an_image(disk_format=None, container_format=None, name=None)
    target = glance.target()
    written = target.write(
        image, [Member("p2", can_share=False)], a_source(), Plan(new_ids=True, **OWN)
    )
    (there,) = glance.records.values()
    assert (written.image_id, written.action) == (there["id"], "copied")
    assert there["id"] != ID
    assert there[renames.SOURCE_ID] == ID
    assert (there["visibility"], there["tags"], there["status"]) == ("private", [], "active")
    assert glance.members[there["id"]] == {"p2": "pending"}
    again = target.write(image, [], a_source(), Plan(new_ids=True, **OWN))
    assert (again.image_id, again.action) == (there["id"], "present")


@of("icehouse")
def test_before_juno_a_record_whose_answer_was_lost_is_found(glance: OldGlanceV2) -> None:
    def lost() -> None:
        raise requests.exceptions.ConnectionError("reset")

    glance.after["POST /images"] = [lost]
    written = glance.target().write(an_image(), [], a_source(), Plan(new_ids=True, **OWN))
    assert list(glance.records) == [written.image_id]
    assert glance.records[written.image_id]["status"] == "active"


@of("icehouse")
def test_before_juno_an_id_cannot_be_kept(glance: OldGlanceV2) -> None:
    said = r"takes no IDs \(Glance before Juno\): use --new-ids, or --target v1"
    with pytest.raises(InvalidInput, match=said):
        glance.target().write(an_image(), [], a_source(), Plan(**OWN))
    assert not glance.records


@of("havana")
def test_before_icehouse_nothing_tells_whose_a_copy_is(glance: OldGlanceV2) -> None:
    with pytest.raises(InvalidInput, match=r"tells no owners .* use --target v1"):
        glance.target().write(an_image(), [], a_source(), Plan(new_ids=True, **OWN))
    assert not glance.records


@of("icehouse", "juno", "kilo", "liberty")
def test_before_mitaka_owners_cannot_be_chosen(glance: OldGlanceV2) -> None:
    with pytest.raises(InvalidInput, match=r"no owners .* belong to project p1: use --target v1"):
        glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    assert not glance.records


@of("mitaka")
def test_from_mitaka_on_they_can(glance: OldGlanceV2) -> None:
    glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["owner"] == "p1"


@of(*BEFORE_OCATA)
def test_no_image_is_community(glance: OldGlanceV2) -> None:
    plan = Plan(new_ids=True, visibility="community")
    with pytest.raises(InvalidInput, match="the target has no images that are community"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert set(glance.asked) <= {"GET /images"}


@of(*BEFORE_OCATA)
def test_a_list_of_all_has_no_community(glance: OldGlanceV2) -> None:
    glance.add(ID, visibility="private")
    assert [found.image_id for found in glance.target().everything()] == [ID]
    questions = glance.release in ("kilo", "liberty", "mitaka", "newton")
    assert glance.asked == ["GET /images"] * (1 + questions)


@of("juno", "kilo")
def test_a_deactivated_image(glance: OldGlanceV2) -> None:
    image = an_image(status="deactivated")
    written = glance.target().write(image, [], a_source(), Plan(new_ids=True, **OWN))
    (there,) = glance.records.values()
    if glance.is_of_kilo:
        assert (there["status"], written.notes) == ("deactivated", ())
    else:
        assert there["status"] == "active"
        assert written.notes == ("deactivated here, active there",)
    assert (
        glance.target().write(image, [], a_source(), Plan(new_ids=True, **OWN)).action == "present"
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"disk_format": "vhdx"}, "takes no disk format vhdx, but aki, ami, ari, iso, qcow2, raw,"),
        ({"container_format": "docker"}, "takes no container format docker, but aki, ami, ari,"),
    ],
)
@of("liberty")
def test_formats_that_a_service_does_not_take(glance: OldGlanceV2, fields: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        glance.target().write(an_image(**fields), [], a_source(), Plan(**OWN))
    assert not glance.records


# Many images, their plan, and what is compared


def differences(client: ImageClient, store: Store, glance: OldGlanceV2, plan: Plan) -> Comparison:
    comparison = Comparison(client, CloudPeer(glance.target(), plan, client), members=True)
    found = comparison.differences(list(store.records.values()))
    assert [one for one in found if not one.explained] == []
    return comparison


@of("icehouse", "juno", "kilo", "liberty", "mitaka", "newton")
def test_a_job_is_planned_done_and_the_same(
    client: ImageClient, store: Store, glance: OldGlanceV2
) -> None:
    kernel = store.add(0)
    store.add(1, properties={"kernel_id": kernel, "tags": "x"})
    store.members[store.add(2)] = [{"member_id": "p1", "can_share": True}]
    store.add(3, b"", status="queued", checksum=None, container_format=None, name=None)
    store.add(4, is_public=True, protected=True)
    store.add(5, status="deactivated")
    store.v2 = True
    for number in range(6, 21):
        store.add(number)
    records = list(store.records.values())
    plan = {"new_ids": glance.release == "icehouse", **OWN}

    def job() -> Job:
        return Job(ServiceSource(client), glance.target(), Plan(**plan), parallel=1)

    planned = {one.image_id: one for one in job().preview(records)}
    assert not glance.records
    done = {one.image_id: one for one in job().run(records)}
    doing = {"copied": "copy", "recorded": "record"}
    assert {one: doing[done[one].action] for one in done} == {
        one: planned[one].action for one in planned
    }
    assert ("deactivated here, active there" in planned[image_id(5)].notes) is (
        not glance.is_of_kilo
    )
    assert {one.action for one in job().run(records)} == {"present"}
    there = next(one for one in glance.records.values() if "kernel_id" in one)
    assert glance.records[there["kernel_id"]].get(renames.SOURCE_ID, kernel) == kernel
    comparison = differences(client, store, glance, Plan(**OWN))
    assert (comparison.images, comparison.untold) == (21, set())


@of(*BEFORE_OCATA)
def test_a_plan_says_what_cannot_be_kept(
    client: ImageClient, store: Store, glance: OldGlanceV2
) -> None:
    store.add(0)
    store.add(1, disk_format="ploop", owner="me")
    job = Job(ServiceSource(client), glance.target(), Plan(), parallel=1)
    (planned, other) = job.preview(list(store.records.values()))
    reasons = {
        "havana": "the target's Image API v2 tells no owners",
        "icehouse": "the target's Image API v2 takes no IDs",
        "juno": "the target's Image API v2 takes no owners",
        "kilo": "the target's Image API v2 takes no owners",
        "liberty": "the target's Image API v2 takes no owners",
    }
    if reason := reasons.get(glance.release):
        assert planned.action == "fail"
        assert planned.notes[0].startswith(reason)
    else:
        assert (planned.action, planned.notes) == ("copy", ())
    assert other.action == "fail"
    if glance.is_of_juno:
        assert other.notes[0].startswith("the target takes no disk format ploop, but aki, ami,")
    assert not glance.records


@of("havana")
def test_of_a_copy_whose_owner_is_not_told_the_rest_is_compared(
    client: ImageClient, store: Store, glance: OldGlanceV2
) -> None:
    store.add(0)
    record = store.records[image_id(0)]
    glance.add(image_id(0), store.data[image_id(0)], name=record["name"], visibility="private")
    glance.records[image_id(0)].update(disk_format="raw", container_format="bare")
    comparison = differences(client, store, glance, Plan())
    assert (comparison.images, comparison.untold) == (1, {"owner"})
