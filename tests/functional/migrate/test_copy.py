"""From the real v1 service to the real v2 service, and compared there."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, SEEDS, Cloud
from tests.functional.target import MISLABELLED, STAY, Target, kept_clean, purge
from tests.functional.writing import Beside

DATA = {
    "Content-Type": "application/octet-stream",
    "x-image-meta-disk-format": "raw",
    "x-image-meta-container-format": "bare",
}

# The services of the cloud keep their records in SQLite, which refuses many a write at a time.
FOUR = ("--parallel", "4")


@pytest.fixture(scope="module")
def shell(cloud: Cloud) -> Callable[..., subprocess.CompletedProcess[str]]:
    environment = {name: text for name, text in os.environ.items() if not name.startswith("OS_")}
    environment["OS_CLIENT_CONFIG_FILE"] = str(cloud.clouds_yaml)

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin", *argv]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=300, env=environment
        )

    return run


@pytest.fixture(scope="module")
def copied(
    cloud: Cloud, shell: Callable[..., subprocess.CompletedProcess[str]]
) -> Iterator[dict[str, Any]]:
    """All images, copied once; what was said of each, by ID."""
    with kept_clean(cloud):
        copy = ("image", "v1", "copy", "--all", "--to-cloud", "target", *FOUR, *ACCEPTED)
        done = shell(*copy, "--disk-format-from-data")
        assert done.returncode == 3, done.stderr
        yield {row["ID"]: row for row in json.loads(done.stdout)}


ACCEPTED = ("--accept-members", "-f", "json")


@pytest.fixture
def target(cloud: Cloud, session: Callable[[str], Any]) -> Target:
    return Target(cloud, session("target"))


def compare(openstack: Callable[..., Any], *argv: str) -> tuple[int, set[tuple[str, str]]]:
    result = openstack("image", "v1", "compare", *argv, "-f", "json")
    rows = [row for row in json.loads(result.out) if not row["Explained"]]
    return result.status, {(row["ID"], row["Difference"]) for row in rows}


CLOUD = ("--with", "cloud:target", "--ignore-extra", "--members")


def test_all_that_can_go_went(copied: dict[str, Any], target: Target) -> None:
    assert {one for one, row in copied.items() if row["Action"] == "failed"} == STAY
    skipped = {one for one, row in copied.items() if row["Action"] == "skipped"}
    assert skipped == {BY_KEY["saving"].id}
    for one in STAY - {BY_KEY["cirros"].id}:
        # No ID is used up: what is damaged here has an empty record there at most.
        record = target.get(one) or {"status": "queued", "checksum": None}
        assert (record["status"], record["checksum"]) == ("queued", None)
    seed = BY_KEY["target-same-id"]
    assert target.data(seed.id) == seed.data


def test_each_byte_arrived(copied: dict[str, Any], target: Target) -> None:
    for key in ("empty", "one-byte", "ubuntu", "large", "location", "properties-127"):
        seed = BY_KEY[key]
        assert target.data(seed.id) == (seed.data or b"")


def test_what_is_another_format_went_as_what_it_is(copied: dict[str, Any], target: Target) -> None:
    for one, declared in MISLABELLED.items():
        record = target.get(one)
        assert record is not None
        assert (record["disk_format"], record["v1_disk_format"]) == ("raw", declared)
        assert copied[one]["Notes"] == (f"disk format {declared} here, raw there: its data is raw")


def test_metadata(copied: dict[str, Any], target: Target, cloud: Cloud) -> None:
    shared = target.get(BY_KEY["demo-shared-on"].id)
    assert shared is not None
    assert (shared["visibility"], shared["owner"]) == ("shared", cloud.projects["demo"])
    other, admin = cloud.projects["other"], cloud.projects["admin"]
    assert target.members(shared["id"]) == {other: "accepted", admin: "accepted"}
    for key, expected in {
        "protected": {"protected": True, "visibility": "public"},
        "deactivated": {"status": "deactivated"},
        "queued": {"status": "queued"},
        "no-owner": {"owner": None},
        "no-name": {"name": None},
        "properties-null": {"nothing": ""},
        "machine": {"kernel_id": BY_KEY["kernel"].id, "tags": []},
    }.items():
        record = target.get(BY_KEY[key].id)
        assert record is not None
        assert {name: record[name] for name in expected} == expected


def test_the_data_of_a_deactivated_image_went(copied: dict[str, Any], target: Target) -> None:
    """The real service hands it out to an admin by the Image API v2 alone."""
    seed = BY_KEY["deactivated"]
    record = target.get(seed.id)
    assert record is not None
    assert record["checksum"] == hashlib.md5(seed.data or b"").hexdigest()
    assert copied[seed.id]["Action"] == "copied"


def test_compared_it_is_the_same(copied: dict[str, Any], openstack: Callable[..., Any]) -> None:
    status, found = compare(openstack, *CLOUD)
    assert (status, {one for one, _difference in found}) == (1, STAY)
    assert (BY_KEY["cirros"].id, "checksum") in found
    assert compare(openstack, *CLOUD, BY_KEY["machine"].id, "large") == (0, set())


def test_run_again_there_is_nothing_to_do(
    copied: dict[str, Any], openstack: Callable[..., Any], count: Callable[[str], Any]
) -> None:
    copy = ("image", "v1", "copy", "--to-cloud", "target", *FOUR, "-f", "json")
    with count("target-image") as requests:
        result = openstack(
            *copy, "--disk-format", "raw", "--min-size", "1024", "--max-size", "1024"
        )
    assert result.status == 0, result.err
    rows = json.loads(result.out)
    assert len(rows) > 20
    assert {row["Action"] for row in rows} == {"present"}
    assert {request.method for request in requests} == {"GET"}
    assert len(requests) <= 3


def test_what_is_changed_there_is_found(
    copied: dict[str, Any], openstack: Callable[..., Any], target: Target
) -> None:
    usual, minimum = BY_KEY["properties-usual"].id, BY_KEY["min"].id
    target.change(usual, os_distro="altered", name="altered")
    target.change(minimum, min_ram=1)
    try:
        status, found = compare(openstack, *CLOUD, usual, minimum)
        assert (status, found) == (
            1,
            {(usual, "name"), (usual, "property os_distro"), (minimum, "min_ram")},
        )
    finally:
        target.change(usual, os_distro="debian", name="properties-usual")
        target.change(minimum, min_ram=2048)
    assert compare(openstack, *CLOUD, usual, minimum) == (0, set())


def test_what_is_extra_there_is_found(
    copied: dict[str, Any], openstack: Callable[..., Any]
) -> None:
    _status, found = compare(openstack, "--with", "cloud:target")
    extra = {one for one, difference in found if difference == "extra"}
    expected = {seed.id for seed in SEEDS if seed.region == "RegionTwo"}
    assert extra == expected - {BY_KEY["target-same-id"].id}


def test_new_ids(copied: dict[str, Any], openstack: Callable[..., Any], target: Target) -> None:
    names = ("kernel", "ramdisk", "machine", "cirros")
    copy = ("image", "v1", "copy", "--to-cloud", "target", "--new-ids", *FOUR, "-f", "json", *names)
    result = openstack(*copy)
    assert result.status == 0, result.err
    new = {row["Name"]: row["Notes"].removeprefix("as ") for row in json.loads(result.out)}
    machine = target.get(new["machine"])
    assert machine is not None
    assert (machine["kernel_id"], machine["ramdisk_id"]) == (new["kernel"], new["ramdisk"])
    assert machine["v1_image_id"] == BY_KEY["machine"].id
    again = json.loads(openstack(*copy).out)
    assert {row["Action"] for row in again} == {"present"}
    assert target.data(new["cirros"]) == BY_KEY["cirros"].data


def test_a_plain_user_copies_own_images(
    cloud: Cloud, openstack: Callable[..., Any], target: Target
) -> None:
    purge(cloud)
    private = BY_KEY["demo-private"].id
    copy = ("image", "v1", "copy", "--to-cloud", "target-demo", private)
    planned = openstack(*copy, "--dry-run", "-f", "json", cloud="demo")
    assert [row["Action"] for row in planned.json] == ["copy"]
    assert target.get(private) is None
    assert openstack(*copy, cloud="demo").status == 0
    record = target.get(private)
    assert record is not None
    assert (record["owner"], record["visibility"]) == (cloud.projects["demo"], "private")
    purge(cloud)


@pytest.mark.parametrize("by", ["name", "id"])
def test_owners_by_a_map(
    cloud: Cloud, openstack: Callable[..., Any], target: Target, tmp_path: Path, by: str
) -> None:
    """CSV of names, YAML of IDs; owners and members."""
    demo, other, admin = (cloud.projects[name] for name in ("demo", "other", "admin"))
    if by == "name":
        projects = tmp_path / "map.csv"
        projects.write_text("old,new\ndemo,other\nother,demo\n")
    else:
        projects = tmp_path / "map.yaml"
        projects.write_text(f"{demo}: {other}\n{other}: {demo}\n")
    image = BY_KEY["demo-shared-on"].id
    copy = ("image", "v1", "copy", "--to-cloud", "target", "--project-map", str(projects), image)
    with kept_clean(cloud):
        assert openstack(*copy).status == 0
        record = target.get(image)
        assert record is not None
        assert record["owner"] == other
        assert target.members(image) == {demo: "pending", admin: "pending"}
        mapped = ("--project-map", str(projects))
        assert compare(openstack, *CLOUD, *mapped, image) == (0, set())
        assert compare(openstack, *CLOUD, image) == (1, {(image, "owner"), (image, "members")})


def test_reserved_names_and_another_visibility(
    cloud: Cloud, openstack: Callable[..., Any], target: Target, beside: Beside
) -> None:
    properties = {"tags": "a,b", "visibility": "odd", "os_glance_x": "y", "kernel_id": "none"}
    headers = {f"x-image-meta-property-{name}": value for name, value in properties.items()}
    headers |= {"x-image-meta-name": beside.name(), "x-image-meta-protected": "true"}
    answer = beside.v1("POST", "/images", headers={**headers, **DATA}, data=b"some data")
    image = answer.json()["image"]["id"]
    copy = ("image", "v1", "copy", "--to-cloud", "target", "--visibility", "community", image)
    with kept_clean(cloud):
        (row,) = openstack(*copy, "-f", "json").json
        notes = set(row["Notes"].split("; "))
        assert notes == {
            "private here, community there",
            *(f"property {name} is v1_{name} there" for name in properties),
        }
        record = target.get(image)
        assert record is not None
        assert (record["visibility"], record["protected"]) == ("community", True)
        assert {name: record[f"v1_{name}"] for name in properties} == properties
        assert target.data(image) == b"some data"
        visible = ("--visibility", "community")
        assert compare(openstack, *CLOUD, *visible, image) == (0, set())


def test_killed_at_any_moment_it_goes_on(
    cloud: Cloud, openstack: Callable[..., Any], target: Target
) -> None:
    large = BY_KEY["large"]
    with kept_clean(cloud):
        command = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin"]
        command += ["image", "v1", "copy", "--to-cloud", "target", large.id]
        for after in (0.05, 0.3):
            running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 30
            while running.poll() is None and target.get(large.id) is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(after)
            running.send_signal(signal.SIGKILL)
            running.wait()
        result = openstack("image", "v1", "copy", "--to-cloud", "target", large.id)
        assert result.status == 0, result.err
        md5 = hashlib.md5(target.data(large.id), usedforsecurity=False).hexdigest()
        assert md5 == large.checksum
        assert compare(openstack, *CLOUD, large.id) == (0, set())


def test_two_at_once(cloud: Cloud, openstack: Callable[..., Any], target: Target) -> None:
    large = BY_KEY["large"]
    with kept_clean(cloud):
        command = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin"]
        command += ["image", "v1", "copy", "--to-cloud", "target", large.id, "-f", "json"]
        both = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        said = [one.communicate(timeout=200)[1] for one in both]
        # SQLite may refuse one of them a write; then it is run again, as it says.
        assert openstack(*command[5:-2]).status == 0, said
        assert target.data(large.id) == large.data
        assert compare(openstack, *CLOUD, large.id) == (0, set())
