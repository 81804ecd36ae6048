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

from osc_image_v1.transfer.ours import new_id_of
from tests.cloud import BY_KEY, SEEDS, Cloud
from tests.functional.target import STAY, Target, kept_clean, purge
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
        done = shell("image", "v1", "copy", "--all", "--to-cloud", "target", *FOUR, *ACCEPTED)
        assert done.returncode == 1, done.stderr
        yield {row["ID"]: row for row in json.loads(done.stdout)}


ACCEPTED = ("--accept-members", "-f", "json")


@pytest.fixture
def target(cloud: Cloud, session: Callable[[str], Any]) -> Target:
    return Target(cloud, session("target"))


def compare(openstack: Callable[..., Any], *argv: str) -> tuple[int, set[tuple[str, str]]]:
    result = openstack("image", "v1", "compare", *argv, "-f", "json")
    return result.status, {(row["ID"], row["Difference"]) for row in json.loads(result.out)}


CLOUD = ("--with", "cloud:target", "--ignore-extra", "--members")


def test_all_that_can_go_went(copied: dict[str, Any], target: Target) -> None:
    assert {one for one, row in copied.items() if row["Action"] == "failed"} == STAY
    skipped = {one for one, row in copied.items() if row["Action"] == "skipped"}
    assert skipped == {BY_KEY["saving"].id}
    for one in STAY - {BY_KEY["cirros"].id}:
        assert target.get(one) is None
    seed = BY_KEY["target-same-id"]
    assert target.data(seed.id) == seed.data


def test_each_byte_arrived(copied: dict[str, Any], target: Target) -> None:
    for key in ("empty", "one-byte", "ubuntu", "large", "location", "properties-127"):
        seed = BY_KEY[key]
        assert target.data(seed.id) == (seed.data or b"")


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


def test_compared_it_is_the_same(copied: dict[str, Any], openstack: Callable[..., Any]) -> None:
    status, found = compare(openstack, *CLOUD)
    expected = {(one, "missing") for one in STAY} - {(BY_KEY["cirros"].id, "missing")}
    assert (status, found) == (1, {*expected, (BY_KEY["cirros"].id, "checksum")})
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


# A tenant of the target, who is a stranger


@pytest.fixture
def tenant(cloud: Cloud, session: Callable[[str], Any]) -> Iterator[Target]:
    """What a plain user of the target can do there."""
    with kept_clean(cloud):
        yield Target(cloud, session("target-demo"))


@pytest.fixture
def brought(
    openstack: Callable[..., Any], tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Copy, or export and import, images by name; the exit status, and what came of each."""

    def run(*argv: str) -> tuple[int, dict[str, Any]]:
        names = [word for word in argv if not word.startswith("--")]
        options = [word for word in argv if word.startswith("--")]
        one_by_one = ("--parallel", "1", "-f", "json")
        if request.param == "copy":
            command = ("copy", "--to-cloud", "target", *one_by_one, *options, *names)
            result = openstack("image", "v1", *command)
        else:
            export = str(tmp_path / "export")
            openstack("image", "v1", "export", export, *names)
            command = ("import", *one_by_one, *options, export, *names)
            result = openstack("image", "v1", *command, cloud="target")
        return result.status, {row["Name"]: row for row in json.loads(result.out)}

    return run


EITHER = pytest.mark.parametrize("brought", ["copy", "import"], indirect=True)


@EITHER
def test_a_tenants_image_never_becomes_a_kernel(
    brought: Any, target: Target, tenant: Target
) -> None:
    kernel, machine = BY_KEY["kernel"], BY_KEY["machine"]
    for visibility in ("community", "private", "shared"):
        tenant.make(kernel.data, name="kernel", visibility=visibility, v1_image_id=kernel.id)
    # Its new ID can be foreseen.
    taken = new_id_of(kernel.id)
    tenant.make(kernel.data, id=taken, name="kernel", v1_image_id=kernel.id)
    status, rows = brought("--new-ids", "machine")
    assert (status, rows["machine"]["Action"]) == (0, "copied")
    assert f"kernel_id {kernel.id} is not copied" in rows["machine"]["Notes"]
    status, rows = brought("--new-ids", "kernel", "ramdisk")
    assert status == 0
    made = new_id_of(kernel.id, 1)
    assert f"as {made}" in rows["kernel"]["Notes"]
    assert f"the ID {taken} is another image's there" in rows["kernel"]["Notes"]
    record = target.get(made)
    assert record is not None
    assert record["owner"] != (target.get(taken) or {})["owner"]
    # The machine that was there tells of it, and a machine that is made now has it.
    status, rows = brought("--new-ids", "machine", "kernel", "ramdisk")
    assert status == 0
    assert {row["Action"] for row in rows.values()} == {"present"}
    assert f"differs: property kernel_id ('{made}' here" in rows["machine"]["Notes"]
    assert (target.get(new_id_of(machine.id)) or {})["kernel_id"] == kernel.id


@EITHER
def test_references_follow_an_id_that_a_tenant_has_taken(
    brought: Any, target: Target, tenant: Target
) -> None:
    kernel, machine = BY_KEY["kernel"], BY_KEY["machine"]
    tenant.make(b"evil", id=new_id_of(kernel.id), visibility="community")
    for number in range(4):
        tenant.make(id=new_id_of(machine.id, number))
    status, rows = brought("--new-ids", "machine", "kernel", "ramdisk")
    assert status == 0
    assert {row["Action"] for row in rows.values()} == {"copied"}
    made = rows["machine"]["Notes"].removeprefix("as ").partition(";")[0]
    record = target.get(made)
    assert record is not None
    assert record["kernel_id"] == new_id_of(kernel.id, 1)
    again = brought("--new-ids", "machine", "kernel", "ramdisk")[1]
    assert {row["Action"] for row in again.values()} == {"present"}
    assert again["machine"]["Notes"] == f"as {made}"


@EITHER
def test_a_tenants_image_of_the_same_id_is_no_copy(
    brought: Any, target: Target, tenant: Target, cloud: Cloud
) -> None:
    image = BY_KEY["one-byte"]
    tenant.make(image.data, id=image.id, name="one-byte", visibility="community", os_distro="evil")
    before = target.get(image.id)
    for options in (("--dry-run",), ()):
        status, rows = brought(*options, "one-byte")
        assert status == 1
        assert rows["one-byte"]["Action"] == ("fail" if options else "failed")
        owner = cloud.projects["demo"]
        assert f"it belongs to project {owner}, and a copy would" in rows["one-byte"]["Notes"]
    assert target.get(image.id) == before


@EITHER
def test_many_images_of_tenants_are_in_nobodys_way(
    brought: Any, target: Target, tenant: Target, openstack: Callable[..., Any]
) -> None:
    image = BY_KEY["one-byte"]
    for number in range(30):
        visibility = ("community", "private")[number % 2]
        data = image.data if number % 3 else b"other"
        tenant.make(data, name=f"stranger {number}", visibility=visibility, v1_image_id=image.id)
    for action in ("copied", "present"):
        status, rows = brought("--new-ids", "one-byte")
        assert (status, rows["one-byte"]["Action"]) == (0, action)
        assert rows["one-byte"]["Notes"] == f"as {new_id_of(image.id)}"
    assert compare(openstack, *CLOUD, image.id) == (0, set())


@EITHER
def test_what_an_admin_has_changed_in_a_copy_is_told(
    brought: Any, target: Target, tenant: Target
) -> None:
    image = BY_KEY["one-byte"]
    assert brought("one-byte")[0] == 0
    target.change(image.id, name="altered", min_ram=7)
    status, rows = brought("one-byte")
    assert (status, rows["one-byte"]["Action"]) == (0, "present")
    assert rows["one-byte"]["Notes"] == (
        "differs: name ('one-byte' here, 'altered' there), min_ram (0 here, 7 there)"
    )


def test_as_many_properties_as_can_be(
    openstack: Callable[..., Any], target: Target, tenant: Target, beside: Beside
) -> None:
    properties = {f"x-image-meta-property-p{number:03}": "x" for number in range(128)}
    headers = {**properties, "x-image-meta-name": beside.name(), **DATA}
    answer = beside.v1("POST", "/images", headers=headers, data=b"some data")
    image = answer.json()["image"]["id"]
    copy = ("image", "v1", "copy", "--to-cloud", "target", "--new-ids", "-f", "json", image)
    (row,) = openstack(*copy).json
    assert row["Action"] == "copied"
    record = target.get(new_id_of(image))
    assert record is not None
    assert record["tags"] == [f"v1_image_id={image}"]
    assert sum(name.startswith("p") and record[name] == "x" for name in record) == 128
    assert [row["Action"] for row in openstack(*copy).json] == ["present"]
    # v1 has no tags.
    copy = ("image", "v1", "copy", "--to-cloud", "admin", "--target", "v1", "-f", "json")
    (row,) = openstack(*copy, "--new-ids", image).json
    beside.ids.append(new_id_of(image))
    assert (row["Action"], row["Notes"].count("no property v1_image_id")) == ("copied", 1)
    assert len(beside.properties(new_id_of(image))) == 128
    assert [row["Action"] for row in openstack(*copy, "--new-ids", image).json] == ["present"]
