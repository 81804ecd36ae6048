"""What a plan says is what the real Glance 33 does, and what a report tells of a run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from osc_image_v1.api.models import Member
from osc_image_v1.archive.archive import ManifestWriter
from osc_image_v1.archive.manifest import ExportedImage, StoredData, file_name
from osc_image_v1.transfer.shards import Shard
from tests.cloud import BY_KEY, Cloud
from tests.cloud.places import INSIDE
from tests.functional.target import Target, kept_clean

DATA = b"some data"
LONG = "n" * 256


def many(number: int) -> dict[str, str]:
    return {f"p{index}": "x" for index in range(number)}


@pytest.fixture
def target(cloud: Cloud, session: Callable[[str], Any]) -> Iterator[Target]:
    with kept_clean(cloud):
        yield Target(cloud, session("target"))


class Export:
    """A directory as ``image v1 export`` makes it, of images that no v1 service may have here."""

    def __init__(self, path: Path, owner: str) -> None:
        self.path, self._owner = path, owner
        path.mkdir()
        self.ids: dict[str, str] = {}

    def add(self, key: str, members: int = 0, **fields: Any) -> str:
        image = str(uuid.uuid4())
        self.ids[image] = key
        md5, sha256 = (hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha256"))
        record = {
            "id": image,
            "name": key,
            "status": "active",
            "disk_format": "raw",
            "container_format": "bare",
            "size": len(DATA),
            "checksum": md5,
            "is_public": False,
            "owner": self._owner,
            "properties": {},
            **fields,
        }
        shared = tuple(Member(uuid.uuid4().hex, False) for _ in range(members))
        exported = ExportedImage(
            record=record,
            members=shared,
            owner_name=None,
            data=StoredData(len(DATA), md5, sha256, True),
            endpoint="http://image.example/v1",
            exported_at=datetime.now(timezone.utc),
        )
        (self.path / file_name(image)).write_bytes(DATA)
        with ManifestWriter(self.path, Shard()) as manifest:
            manifest.add([exported])
        return image

    def rows(self, result: Any) -> dict[str, tuple[str, list[str], str]]:
        return {
            self.ids[row["ID"]]: (row["Action"], row["Reasons"], row["Notes"])
            for row in json.loads(result.out)
        }


def bring(openstack: Callable[..., Any], export: Export, *argv: str, cloud: str) -> Any:
    command = ("image", "v1", "import", "--keep-project-ids", "-f", "json", *argv)
    return openstack(*command, str(export.path), cloud=cloud)


def agreed(
    openstack: Callable[..., Any], export: Export, count: Callable[[str], Any], cloud: str
) -> dict[str, Any]:
    """Return why images fail, which the plan says and the run finds."""
    with count("target-image") as requests:
        plan = bring(openstack, export, "--dry-run", cloud=cloud)
    assert {request.method for request in requests} == {"GET"}
    with count("target-image") as requests:
        run = bring(openstack, export, cloud=cloud)
    foreseen, done = export.rows(plan), export.rows(run)
    failed = {key: row[1] for key, row in foreseen.items() if row[0] == "fail"}
    assert failed == {key: row[1] for key, row in done.items() if row[0] == "failed"}
    assert {key: row[2] for key, row in foreseen.items()} == {
        key: row[2] for key, row in done.items()
    }
    assert plan.status == run.status == (3 if failed else 0)
    # Of what fails nothing was sent, not even a record, but of what a POST alone can tell.
    posts = sum(request.method == "POST" for request in requests)
    used_up = [reasons for reasons in failed.values() if reasons == ["id-used-up"]]
    copied = [key for key, row in done.items() if row[0] == "copied"]
    assert posts == len(copied) + len(used_up)
    return failed


def test_what_the_service_refuses_is_foreseen(
    cloud: Cloud,
    openstack: Callable[..., Any],
    count: Callable[[str], Any],
    target: Target,
    session: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    export = Export(tmp_path / "export", cloud.projects["admin"])
    export.add("128 properties", properties=many(128))
    export.add("129 properties", properties=many(129))
    export.add("129 members", 129)
    export.add("reserved", properties={"owner": "x", "location": "y", "os_glance_z": "z"})
    export.add("long name", properties={LONG: "x"})
    for name in ("min_ram", "min_disk"):
        export.add(f"{name} fits", **{name: 2**31 - 1})
        export.add(f"{name} too large", **{name: 2**31})
    export.add("public", is_public=True)
    taken, used = export.add("taken"), export.add("used up")
    url = f"{cloud.urls['target-image']}/v2/images"
    admin = session("target")
    for image in (taken, used):
        body = {"id": image, "name": "not ours", "owner": cloud.projects["other"]}
        assert admin.post(url, json=body).status_code == 201
    admin.delete(f"{url}/{used}")
    assert agreed(openstack, export, count, "target") == {
        "129 properties": ["properties"],
        "129 members": ["members"],
        "min_ram too large": ["min_ram"],
        "min_disk too large": ["min_disk"],
        "taken": ["id-taken"],
        "used up": ["id-used-up"],
    }
    # And so it is: what may be tried is refused there, and nothing but that is.
    tried = bring(openstack, export, "--allow", "properties", "--allow", "members", cloud="target")
    rows = export.rows(tried)
    assert rows["129 properties"][:2] == ("failed", ["http-413"])
    assert rows["129 members"][:2] == ("failed", ["http-413"])
    for name in ("min_ram", "min_disk"):
        answer = admin.post(url, json={name: 2**31}, raise_exc=False)
        assert answer.status_code == 400
    assert {rows[key][0] for key in ("reserved", "long name", "public")} == {"present"}


def test_what_a_plain_member_may_not_do_is_foreseen(
    cloud: Cloud,
    openstack: Callable[..., Any],
    count: Callable[[str], Any],
    target: Target,
    session: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    export = Export(tmp_path / "export", cloud.projects["demo"])
    export.add("private")
    export.add("public", is_public=True)
    export.add("of another", owner=cloud.projects["other"])
    export.add("of nobody", owner=None)
    hidden = export.add("taken by a stranger")
    url = f"{cloud.urls['target-image']}/v2/images"
    session("target").post(url, json={"id": hidden, "visibility": "private"})
    assert agreed(openstack, export, count, "target-demo") == {
        "public": ["visibility"],
        "of another": ["owner"],
        "of nobody": ["owner"],
        "taken by a stranger": ["id-used-up"],
    }
    tried = bring(openstack, export, "--allow", "owner", cloud="target-demo")
    rows = export.rows(tried)
    assert rows["of another"][:2] == rows["of nobody"][:2] == ("failed", ["http-403"])
    body = {"visibility": "public"}
    answer = session("target-demo").post(url, json=body, raise_exc=False)
    assert answer.status_code == 403


def test_what_no_service_tells_a_member_is_said(
    cloud: Cloud, openstack: Callable[..., Any], target: Target, tmp_path: Path
) -> None:
    export = Export(tmp_path / "export", cloud.projects["demo"])
    export.add("one")
    assert "admin alone: 1" in bring(openstack, export, "--dry-run", cloud="target-demo").err
    assert "admin alone" not in bring(openstack, export, "--dry-run", cloud="target").err


# Reports


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_interrupted_run_and_the_next_one_are_reported_and_compared(
    cloud: Cloud, openstack: Callable[..., Any], target: Target, tmp_path: Path
) -> None:
    report, page = tmp_path / "report.jsonl", tmp_path / "report.html"
    names = ("ubuntu", "one-byte", "machine", "kernel", "ramdisk", "large")
    images = [BY_KEY[key].id for key in names]
    copy = ("image", "v1", "copy", "--to-cloud", "target", "--new-ids", "--visibility", "private")
    reports = ("--report", str(report), "--report", str(page))
    slow = ("--parallel", "1", "--max-rate", "1M")
    shell = (sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin")
    running = subprocess.Popen(
        [*shell, *copy, *reports, *slow, *images],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    deadline = time.monotonic() + 60
    # The large one is the last.
    while not report.exists() or len(lines(report)) < len(images):
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode not in (0, None), said
    assert b"Interrupted" in said
    plan, *outcomes, summary = lines(report)
    assert (plan["cloud"], plan["new_ids"], plan["visibility"]) == ("target", True, "private")
    assert summary["interrupted"] is True
    assert summary["images"]["copied"] == len(images) - 1
    assert (summary["failed"], summary["left"]) == (0, 1)
    assert "since it was interrupted" in page.read_text()
    compare = ("image", "v1", "compare", "--with", "cloud:target", "--plan", str(report))
    result = openstack(*compare, "-f", "json", *images)
    assert result.status == 1
    missing = {row["Name"] for row in json.loads(result.out) if not row["Explained"]}
    assert missing == {"large"}
    result = openstack(*copy, *reports, "--parallel", "1", *images)
    assert result.status == 0, result.err
    again = lines(report)[len(outcomes) + 2 :]
    assert [line["kind"] for line in again] == ["plan", *["image"] * len(images), "summary"]
    assert again[-1]["left"] == 0
    ids = {line["id"]: line["target_id"] for line in again[1:-1]}
    for image in images:
        found = target.get(ids[image])
        assert found is not None
        assert found["v1_image_id"] == image
    result = openstack(*compare, "-f", "json", *images)
    rows = json.loads(result.out)
    assert (result.status, {row["Explained"] for row in rows}) == (0, {True}), result.err
    text = page.read_text()
    assert "All 6 images are accounted for" in text
    assert "http://" not in text


# Quotas


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def limited(
    cloud: Cloud, session: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, int]], None]]:
    """The target once more, with unified limits; call it with the limits of a project."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    admin, identity = session("admin"), cloud.urls["identity"]
    found = admin.get(f"{identity}/endpoints?region_id=RegionTwo&interface=public").json()
    here = next(one for one in found["endpoints"] if cloud.urls["target-image"] in one["url"])
    folder = tmp_path / "glance"
    shutil.copytree(cloud.places.config / "target", folder)
    conf = folder / "glance-api.conf"
    settings = conf.read_text()
    login = settings.partition("[keystone_authtoken]")[2].partition("[")[0]
    login = login.replace("glance", "admin").replace(
        "project_name = service", "project_name = admin"
    )
    settings = settings.replace("[DEFAULT]", "[DEFAULT]\nuse_keystone_limits = true")
    settings = settings.replace(str(cloud.urls["target-image"]).rpartition(":")[2], str(port))
    conf.write_text(f"{settings}\nendpoint_id = {here['id']}\n{login}")
    places = cloud.places
    command = (places.python("modern"), INSIDE / "wsgi_service.py", "glance.wsgi.api", str(port))
    running = subprocess.Popen(
        [*map(str, command), str(tmp_path / "access.log"), "1"],
        env={**os.environ, "OS_GLANCE_CONFIG_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made: list[str] = []

    def register(limits: dict[str, int]) -> None:
        where = {"service_id": here["service_id"], "region_id": here["region_id"]}
        wanted = [
            {**where, "resource_name": name, "default_limit": limit}
            for name, limit in limits.items()
        ]
        answer = admin.post(f"{identity}/registered_limits", json={"registered_limits": wanted})
        made.extend(one["id"] for one in answer.json()["registered_limits"])

    clouds = yaml.safe_load(cloud.clouds_yaml.read_text())
    for one in clouds["clouds"].values():
        one["image_endpoint_override"] = f"http://127.0.0.1:{port}"
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.1)
        yield register
    finally:
        running.terminate()
        running.wait()
        for one in made:
            admin.delete(f"{identity}/registered_limits/{one}")


def test_a_quota_is_foreseen(
    cloud: Cloud,
    openstack: Callable[..., Any],
    target: Target,
    limited: Callable[[dict[str, int]], None],
    tmp_path: Path,
) -> None:
    limited(
        {
            "image_size_total": 100,
            "image_stage_total": 100,
            # The project has one already.
            "image_count_total": 3,
            "image_count_uploading": 10,
        }
    )
    export = Export(tmp_path / "export", cloud.projects["demo"])
    for key in ("one", "two", "three"):
        export.add(key)
    plan = bring(openstack, export, "--dry-run", "--parallel", "1", cloud="target-demo")
    run = bring(openstack, export, "--parallel", "1", cloud="target-demo")
    foreseen, done = export.rows(plan), export.rows(run)
    assert sorted(row[0] for row in foreseen.values()) == ["copy", "copy", "fail"], foreseen
    (key,) = (key for key, row in foreseen.items() if row[0] == "fail")
    assert foreseen[key][1:] == done[key][1:]
    assert foreseen[key][1] == ["quota"]
    assert done[key][0] == "failed"
    assert sorted(row[0] for row in done.values()) == ["copied", "copied", "failed"]
    assert {row[0] for row in foreseen.values()} == {"copy", "fail"}
