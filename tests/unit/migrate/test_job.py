"""Many images into another service."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests_mock as rm
from hypothesis import given
from hypothesis import strategies as st
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.cli.clients import OtherCloud, image_client, image_target
from osc_image_v1.cli.copy import CopyImage
from osc_image_v1.cli.projects import project_map, read_project_map
from osc_image_v1.exceptions import (
    ImageV1Error,
    InvalidInput,
    TransferStopped,
)
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.job import Job, Outcome
from osc_image_v1.migrate.ours import new_id_of
from osc_image_v1.migrate.sources import ServiceSource, from_service
from osc_image_v1.migrate.target_v1 import V1Target
from osc_image_v1.transfer import deletions
from osc_image_v1.transfer.sending import ImageSource
from osc_image_v1.transfer.shards import Shard
from tests.unit.conftest import IMAGE_URL, Shell, Terminal, detail, image_id, session_at
from tests.unit.glance import Glance, refuse
from tests.unit.glance_v2 import TARGET_URL, GlanceV2, failing
from tests.unit.keystone import Keystone, manager_of
from tests.unit.store import Store


@pytest.fixture
def glance(requests_mock: rm.Mocker) -> GlanceV2:
    return GlanceV2(requests_mock)


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


def test_many_images_are_looked_up_in_a_list(copy: Any, store: Store, glance: GlanceV2) -> None:
    for number in range(25):
        store.add(number)
        glance.add(image_id(number), store.data[image_id(number)])
    del glance.records[image_id(3)]
    glance.add("not of here")
    assert actions(copy()).count("present") == 24
    assert [one for one in glance.asked if one.startswith("GET") and one != "GET /images"] == [
        f"GET /images/{image_id(3)}",
        f"GET /images/{image_id(3)}",
    ]
    # Members are asked for only where something is to be done.
    assert sum(path.endswith("/members") for path in store.asked) == 1


def test_smallest_first_but_kernels_before_all(copy: Any, store: Store) -> None:
    store.add(1, b"x" * 30)
    store.add(2, b"x" * 10, properties={"kernel_id": image_id(4), "ramdisk_id": image_id(5)})
    store.add(3, b"x" * 20)
    store.add(4, b"x" * 50)
    store.add(5, b"x" * 40)
    order: list[str] = []
    copy(order=order)
    assert order == [image_id(number) for number in (5, 4, 2, 3, 1)]


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
    monkeypatch.setattr(deletions, "_PAUSES", (0.0, 0.0))
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
    assert image_id(1) not in glance.records


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
    assert glance.records == {}


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
    assert "2/2" in sys.stderr.getvalue()
    copy()
    assert "12.0B of 12.0B" in sys.stderr.getvalue()


def test_preview_says_what_cannot_be(copy: Any, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    plan = Plan(projects={"p8": "p9"}, keep_projects=False)
    assert actions(copy(plan, dry=True)) == ["fail"]


# A target with v1


@pytest.fixture
def old(requests_mock: rm.Mocker, client: ImageClient) -> tuple[Glance, V1Target]:
    return Glance(requests_mock), V1Target(client, patience=0.0)


def source(data: bytes = b"data", md5: str | None = None) -> ImageSource:
    return ImageSource(len(data), md5, lambda: iter([data]))


def an_image(**fields: Any) -> ImageDetail:
    return ImageDetail.from_record(detail(0, size=4, checksum=None, **fields))


def test_into_v1(old: tuple[Glance, V1Target], requests_mock: rm.Mocker) -> None:
    glance, target = old
    requests_mock.put(f"{IMAGE_URL}/v1/images/{image_id(0)}/members", status_code=204)
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


def test_into_v1_fills_an_empty_record(old: tuple[Glance, V1Target]) -> None:
    glance, target = old
    glance.add(
        0, status="queued", size=0, checksum=None, properties={"stale": "x", UNFINISHED: "yes"}
    )
    written = target.write(an_image(status="deactivated"), [], source(), Plan())
    assert written.notes == ("deactivated here, active there",)
    assert glance.records[image_id(0)]["properties"] == {}


def test_into_v1_a_refusal_leaves_nothing(old: tuple[Glance, V1Target]) -> None:
    glance, target = old
    glance.before["PUT"] = refuse(400, "Wrong data")
    with pytest.raises(ImageV1Error, match=r"Wrong data.*is removed"):
        target.write(an_image(), [], source(), Plan())
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


# Project maps


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.csv", "old,new\n# a comment\n\na, b\n c ,d\n"),
        ("map", "a,b\nc,d\n"),
        ("map.txt", '\ufeffa,b\n"c","d"\na,b'),
        ("map.yaml", "a: b\nc: d\n"),
        ("map.YML", '{"a": b, c: "d"}'),
        ("map.json", '{"a": "b", "c": "d"}'),
    ],
)
def test_project_maps(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_project_map(tmp_path / name) == {"a": "b", "c": "d"}


def test_ids_that_look_like_numbers_are_text(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("1e10: 007\n")
    assert read_project_map(tmp_path / "map.yaml") == {"1e10": "007"}


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("map.csv", "a,b,c\n", "line 1: not two values"),
        ("map.csv", "a\n", "line 1: not two values"),
        ("map.csv", "old,new\n", "has no projects"),
        ("map.csv", "a,\n", "without a name"),
        ("map.csv", "a,b\na,c\n", "two projects for 'a'"),
        ("map.csv", 'a,"b\n', "no CSV"),
        ("map.yaml", "- a\n", "no mapping"),
        ("map.yaml", "a: [b]\n", "no mapping"),
        ("map.yaml", "a: {", "no YAML"),
        ("map.yaml", "[" * 5000, "no YAML"),
        ("none.csv", None, "Cannot read"),
        ("map.csv", "x" * (16 * 2**20 + 1), "over 16 MiB"),
    ],
)
def test_wrong_project_maps(tmp_path: Path, name: str, text: str | None, match: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=match):
        read_project_map(tmp_path / name)


@given(st.binary(), st.sampled_from(["map.csv", "map.yaml"]))
def test_any_file_is_a_project_map_or_refused(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("maps") / name
    path.write_bytes(body)
    with contextlib.suppress(InvalidInput):
        assert all(old and new for old, new in read_project_map(path).items())


# Other clouds


CLOUDS = f"""
clouds:
  other:
    auth_type: admin_token
    auth: {{endpoint: "{TARGET_URL}", token: secret-token}}
  v1:
    auth_type: none
    endpoint: {IMAGE_URL}
  slow:
    auth_type: none
    endpoint: {IMAGE_URL}
    image_endpoint_override: http://v2.example/glance
    image_v1_endpoint_override: http://v1.example/v1.0
    image_v1_timeout: 300
  never:
    auth_type: none
    endpoint: {IMAGE_URL}
    image_v1_timeout: 0
  ever:
    auth_type: none
    endpoint: {IMAGE_URL}
    image_v1_timeout: soon
  wrong:
    auth_type: no-such-thing
"""


@pytest.fixture
def clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))


def run(shell: Shell, *argv: str) -> list[dict[str, str]]:
    command = CopyImage(shell, None)
    try:
        command.run(command.get_parser("openstack").parse_args([*argv, "-f", "csv"]))
    finally:
        rows = list(csv.DictReader(io.StringIO(shell.stdout.getvalue())))
        shell.stdout.seek(0)
        shell.stdout.truncate()
    return rows


@pytest.mark.usefixtures("clouds_yaml")
def test_the_command(
    shell: Shell, store: Store, glance: GlanceV2, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(0, name="one")
    plan = run(shell, "--to-cloud", "other", "--dry-run")
    assert plan == [
        {"ID": image_id(0), "Name": "one", "Size": "6", "Action": "copy", "Notes": PLAN_NOTE}
    ]
    assert run(shell, "--to-cloud", "other", "one")[0]["Action"] == "copied"
    assert caplog.messages[-1] == "Images: 1 (1 copied)"
    assert run(shell, "--to-cloud", "other", "--name", "nothing") == []
    assert caplog.messages[-1] == "Images: 0"


@pytest.mark.usefixtures("clouds_yaml")
def test_memory_is_collected_while_images_are_copied(
    shell: Shell, store: Store, glance: GlanceV2
) -> None:
    store.add(0)
    seen: list[bool] = []
    glance.before["POST /images"] = [lambda: seen.append(gc.isenabled())]
    run(shell, "--to-cloud", "other")
    assert seen == [True]


PLAN_NOTE = "project p1 here, your own there"


@pytest.mark.usefixtures("clouds_yaml")
def test_the_command_fails_after_its_output(shell: Shell, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    store.data[image_id(0)] = b"data !"
    with pytest.raises(ImageV1Error, match="1 of 1 images could not be copied"):
        run(shell, "--to-cloud", "other")
    glance.before["PATCH "] = [failing(403)]


@pytest.mark.usefixtures("clouds_yaml")
@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("none-such", InvalidInput, "Cloud 'none-such'"),
        ("wrong", ImageV1Error, "wrong"),
    ],
)
def test_clouds_that_are_none(name: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        OtherCloud(name)


@pytest.mark.usefixtures("clouds_yaml")
def test_clients_of_other_clouds(requests_mock: rm.Mocker) -> None:
    assert image_client(OtherCloud("v1")).http.endpoint == f"{IMAGE_URL}/v1"
    assert isinstance(image_target(OtherCloud("v1"), "v1"), V1Target)
    assert OtherCloud("other").sdk_connection.config.name == "other"


@pytest.mark.usefixtures("clouds_yaml")
def test_settings_of_other_clouds(shell: Shell) -> None:
    old, new = (image_target(OtherCloud("slow", shell.client_manager), v) for v in ("v1", "v2"))
    assert old.client.http.endpoint.startswith("http://v1.example/")
    assert new.client.http.endpoint == "http://v2.example/glance/v2"
    assert old.client.http.timeout == new.client.http.timeout == 300
    assert old.client.http.adapter.session.timeout == 300


@pytest.mark.usefixtures("clouds_yaml")
@pytest.mark.parametrize(("setting", "seconds"), [(None, 60), ("5", 5)])
def test_the_time_out_of_the_command_counts_where_the_other_cloud_has_none(
    setting: str | None, seconds: float
) -> None:
    here = Shell(session_at(IMAGE_URL), image_v1_timeout=setting).client_manager
    assert image_target(OtherCloud("v1", here), "v2").client.http.timeout == seconds
    assert image_target(OtherCloud("slow", here), "v2").client.http.timeout == 300
    assert image_target(OtherCloud("slow"), "v2").client.http.timeout == 300
    assert image_target(OtherCloud("v1"), "v2").client.http.timeout == 60


@pytest.mark.usefixtures("clouds_yaml")
@pytest.mark.parametrize("name", ["never", "ever"])
def test_a_wrong_time_out_of_another_cloud(shell: Shell, name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^Cloud '{name}': .*(0|soon)"):
        OtherCloud(name, shell.client_manager)


class _Identity:
    """An Identity service, or none."""

    def __init__(self, url: str | None, auth_url: str | None) -> None:
        self.url = url
        self.session = self
        settings = {"auth": {"auth_url": auth_url}}
        self.config = SimpleNamespace(config=settings)
        self.sdk_connection = self

    def get_endpoint(self, **_options: Any) -> str | None:
        if self.url is None:
            raise ksa_exceptions.EndpointNotFound
        return self.url


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        (("http://k/v3", None), ("http://k/v3/", None), True),
        (("http://k", "http://x:5000/v2.0"), (None, "http://x:5000/v3"), True),
        (("http://k", None), ("http://l", None), False),
        ((None, None), (None, None), False),
    ],
)
def test_whether_two_clouds_have_the_same_projects(here: Any, there: Any, same: bool) -> None:
    cloud = object.__new__(OtherCloud)
    other = _Identity(*there)
    cloud.config, cloud.session = other.config, other.session
    assert cloud.shares_projects(_Identity(*here)) is same


def _projects(**known: str) -> Any:
    return manager_of(Keystone({project: name for name, project in known.items()}))


def test_maps_by_name(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text(f"demo,demo2\n{'0' * 32},demo2\n")
    found = project_map(str(path), _projects(demo="d1"), _projects(demo2="d2"))
    assert found == {"d1": "d2", "0" * 32: "d2"}


def test_maps_of_projects_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("gone,demo2\n")
    with pytest.raises(InvalidInput, match="'gone'"):
        project_map(str(path), _projects(), _projects(demo2="d2"))
    path.write_text("demo,gone\n")
    with pytest.raises(InvalidInput, match="'gone'"):
        project_map(str(path), _projects(demo="d1"), _projects())


@pytest.mark.usefixtures("clouds_yaml")
def test_the_command_with_a_map(
    shell: Shell, store: Store, glance: GlanceV2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def there(cloud: OtherCloud) -> Any:
        return SimpleNamespace(config=cloud.config, identity=Keystone({"p2": "new"}))

    monkeypatch.setattr(OtherCloud, "sdk_connection", property(there))
    shell.client_manager.sdk_connection.identity = Keystone({"p1": "old"})
    store.add(0)
    (tmp_path / "map2.csv").write_text("old,new\nold,new\n")
    run(shell, "--to-cloud", "other", "--project-map", str(tmp_path / "map2.csv"))
    assert glance.records[image_id(0)]["owner"] == "p2"


@pytest.mark.usefixtures("clouds_yaml")
def test_clouds_that_let_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Any) -> None:
        raise sdk_exceptions.SDKException("no entry\n")

    monkeypatch.setattr("openstack.config.cloud_region.CloudRegion.get_session", fail)
    with pytest.raises(ImageV1Error, match="Cannot log in to cloud 'other': no entry"):
        OtherCloud("other")
