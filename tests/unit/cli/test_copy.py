"""The command that copies, and the other clouds that it copies to."""

from __future__ import annotations

import csv
import gc
import io
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests_mock as rm
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions

from osc_image_v1.cli.clients import OtherCloud, image_client, image_target
from osc_image_v1.cli.copy import CopyImage
from osc_image_v1.exceptions import (
    ImageV1Error,
    OwnFailures,
    WrongUsage,
)
from osc_image_v1.migrate.target_v1 import V1Target
from tests.unit import disks
from tests.unit.conftest import IMAGE_URL, Shell, image_id, session_at
from tests.unit.glance_v2 import TARGET_URL, GlanceV2, failing
from tests.unit.keystone import Keystone
from tests.unit.store import Store

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
  no-file:
    auth_type: none
    endpoint: {IMAGE_URL}
    cacert: /none
"""


@pytest.fixture
def clouds_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUDS)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))


def run(shell: Shell, *argv: str) -> list[dict[str, str]]:
    try:
        shell.run(CopyImage, *argv, "-f", "csv")
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
def test_reasons_are_for_programs(shell: Shell, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    plan = ("--to-cloud", "other", "--dry-run")
    (row,) = json.loads(shell.run(CopyImage, *plan, "-f", "json"))
    assert row["Reasons"] == ["owner"]
    assert "Reasons" not in shell.run(CopyImage, *plan)
    assert "owner" in shell.run(CopyImage, *plan, "-c", "Reasons")


@pytest.mark.usefixtures("clouds_yaml")
def test_what_only_an_admin_is_told_is_said_once(
    shell: Shell, store: Store, glance: GlanceV2, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        store.add(number)
    run(shell, "--to-cloud", "other", "--dry-run")
    assert (
        caplog.messages[-1] == "Whether an ID is used up there, the service tells an admin alone: 3"
    )


@pytest.mark.usefixtures("clouds_yaml")
def test_reports(shell: Shell, store: Store, glance: GlanceV2, tmp_path: Path) -> None:
    store.add(0, properties={f"p{index}": "x" for index in range(129)})
    store.add(1)
    lines, page = tmp_path / "report.jsonl", tmp_path / "report.html"
    with pytest.raises(OwnFailures, match="1 of 2 images could not be copied, for reasons of"):
        run(shell, "--to-cloud", "other", "--report", str(lines), "--report", str(page))
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [line["kind"] for line in found] == ["plan", "image", "image", "summary"]
    assert (found[0]["command"], found[0]["cloud"]) == ("copy", "other")
    assert {tuple(line["reasons"]) for line in found[1:3]} == {("properties",), ("owner",)}
    assert found[-1]["images"] == {"copied": 1, "failed": 1}
    assert found[-1]["retryable"] == 0
    assert "1 of 2 images failed" in page.read_text()
    allowed = ("--to-cloud", "other", "--dry-run", "--allow", "properties", image_id(0))
    assert run(shell, *allowed)[0]["Action"] == "copy"


@pytest.mark.usefixtures("clouds_yaml")
def test_what_cannot_be_a_report_is_refused_before_the_first_request(
    shell: Shell, store: Store, glance: GlanceV2, tmp_path: Path
) -> None:
    with pytest.raises(ImageV1Error, match="it is a directory"):
        run(shell, "--to-cloud", "other", "--report", str(tmp_path))
    assert not store.asked
    assert not glance.asked


@pytest.mark.usefixtures("clouds_yaml")
@pytest.mark.parametrize(
    ("argv", "content", "said"),
    [
        (("--to-cloud", "none-such"), "", "Cloud 'none-such': "),
        (("--to-cloud", "wrong"), "", "Cloud 'wrong': .*no-such-thing"),
        (("--to-cloud", "no-file"), "", "Cloud 'no-file': There is no file /none"),
        (("--to-cloud", "other", "--project-map", "none"), "", "Cannot read 'none': No such file"),
        (("--to-cloud", "other", "--project-map", "file"), "a", "line 1: not two values"),
        (("--to-cloud", "other", "--format-map", "file"), "raw,a b", "'a b' is no disk format"),
        (("--to-cloud", "other", "--images-from", "file"), "#", "'file' names no image"),
        (("--to-cloud", "other", "--images-from", "none"), "", "Cannot read 'none': No such file"),
        (("--to-cloud", "other", "--report", "-"), "", "A report is written to a file"),
    ],
)
def test_what_is_wrong_in_files_that_say_what_to_do_is_wrong_usage(
    shell: Shell,
    store: Store,
    glance: GlanceV2,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: tuple[str, ...],
    content: str,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text(content)
    with pytest.raises(WrongUsage, match=said):
        shell.run(CopyImage, *argv)
    assert not store.asked
    assert not glance.asked


@pytest.mark.usefixtures("clouds_yaml")
def test_memory_is_collected_while_images_are_copied(
    shell: Shell, store: Store, glance: GlanceV2
) -> None:
    store.add(0)
    seen: list[bool] = []
    glance.before["POST /images"] = [lambda: seen.append(gc.isenabled())]
    run(shell, "--to-cloud", "other")
    assert seen == [True]


@pytest.mark.usefixtures("clouds_yaml")
def test_formats(
    shell: Shell,
    store: Store,
    glance: GlanceV2,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.add(0, disks.qcow2(), disk_format="vmdk")
    copy = ("--to-cloud", "other")
    with pytest.raises(OwnFailures):
        run(shell, *copy)
    assert run(shell, *copy, "--dry-run", "--no-look")[0]["Action"] == "copy"
    assert run(shell, *copy, "--dry-run", "--no-format-check")[0]["Action"] == "copy"
    formats = tmp_path / "formats.csv"
    formats.write_text("old,new\nvmdk,qcow2\n")
    asked = run(shell, *copy, "--dry-run", "--format-map", str(formats))
    assert asked[0]["Notes"].endswith("disk format vmdk here, qcow2 there: as it was asked for")
    monkeypatch.setattr("osc_image_v1.transfer.formats.inspectors", lambda: None)
    caplog.clear()
    assert run(shell, *copy, "--dry-run")[0]["Action"] == "copy"
    assert "pip install 'oslo.utils[image-inspection]>=7.4'" in caplog.messages[0]


@pytest.mark.usefixtures("clouds_yaml")
@pytest.mark.parametrize(
    ("argv", "level"),
    [
        ((), logging.WARNING),
        (("--all", "--dry-run"), logging.WARNING),
        (("--shard", "1/2"), logging.INFO),
        (("--shard", "2/2"), logging.INFO),
        (("--exclude", "x"), None),
        (("--private",), None),
        (("one",), None),
    ],
)
def test_formats_that_no_image_has(
    shell: Shell,
    store: Store,
    glance: GlanceV2,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    argv: tuple[str, ...],
    level: int | None,
) -> None:
    caplog.set_level(logging.INFO)
    store.add(0, name="one")
    formats = tmp_path / "formats.csv"
    more = "".join(f"z{number},raw\n" for number in range(11))
    formats.write_text(f"raw,raw\n{image_id(0)},raw\nvmkd,vmdk\n{more}")
    run(shell, "--to-cloud", "other", "--format-map", str(formats), *argv)
    said = "Entries of --format-map that no image has as its disk format or ID: vmkd, z0, z1, z10, "
    told = [one for one in caplog.records if "--format-map" in one.message]
    assert [one.levelno for one in told] == ([] if level is None else [level])
    assert all(one.message == f"{said}z2, z3, z4, z5, z6, z7, 2 more" for one in told)


@pytest.mark.usefixtures("clouds_yaml")
def test_the_format_of_the_data(shell: Shell, store: Store, glance: GlanceV2) -> None:
    one = store.add(0, disks.qcow2(), disk_format="vmdk")
    run(shell, "--to-cloud", "other", "--disk-format-from-data")
    assert glance.records[one]["disk_format"] == "qcow2"


PLAN_NOTE = "project p1 here, your own there"


@pytest.mark.usefixtures("clouds_yaml")
def test_the_command_fails_after_its_output(shell: Shell, store: Store, glance: GlanceV2) -> None:
    store.add(0)
    store.data[image_id(0)] = b"data !"
    with pytest.raises(OwnFailures, match="1 of 1 images could not be copied, for reasons of"):
        run(shell, "--to-cloud", "other")
    glance.before["PATCH "] = [failing(403)]


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
    with pytest.raises(WrongUsage, match=rf"^Cloud '{name}': .*(0|soon)"):
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
    def fail() -> None:
        raise sdk_exceptions.SDKException("no entry\n")

    cloud = OtherCloud("other")
    monkeypatch.setattr(cloud.session, "get_project_id", fail)
    with pytest.raises(ImageV1Error, match="Cannot log in to cloud 'other': no entry"):
        cloud.log_in()
