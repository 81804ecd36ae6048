"""Swift is slow, refuses, or ends in the middle: of an upload, a download, a delete, a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud, Order
from tests.cloud.stores import SEGMENT
from tests.functional.target import Target, kept_clean
from tests.functional.writing import FORMATS, Beside
from tests.worlds.test_swift import DATA, REFUSED, make, segments
from tests.worlds.worlds import in_worlds

pytestmark = in_worlds("swift")

Openstack = Callable[..., Any]

#: In the middle of the second segment.
MIDDLE = SEGMENT + SEGMENT // 2


@pytest.fixture
def large(openstack: Openstack, beside: Beside, tmp_path: Path) -> str:
    return make(openstack, beside, tmp_path, DATA)


def stall(door: str) -> float:
    """Seconds: longer than a front end waits, if there is one."""
    return 3.0 if "short" in door else 0.5


@pytest.fixture(params=["", "short"])
def door(request: pytest.FixtureRequest, cloud: Cloud) -> str:
    """Straight to Glance, or through a front end that waits for two seconds."""
    return f"admin-{cloud.places.world.front_end}-short" if request.param else "admin"


# Slow


def test_a_slow_download_is_whole(
    cloud: Cloud, openstack: Openstack, large: str, door: str, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    slow = Order("hold", "GET", large, after=MIDDLE, seconds=stall(door), count=1)
    with cloud.ordered("swift", slow):
        result = openstack("image", "v1", "save", large, "--file", str(saved), cloud=door)
    assert (result.status, result.err) == (0, "")
    assert saved.read_bytes() == DATA


def test_a_slow_upload_is_whole(
    cloud: Cloud, openstack: Openstack, beside: Beside, door: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ("image", "v1", "create", beside.name(), "--file", str(source), *FORMATS)
    # A container's creation comes first.
    slow = Order("slow", "PUT", "/glance/", seconds=stall(door), skip=1, count=1)
    with cloud.ordered("swift", slow):
        result = openstack(*argv, "-f", "json", cloud=door)
    (record,) = beside.listed()
    if door != "admin" and result.status:
        # The front end has hung up on Glance, too, before all data was through.
        assert "HAProxy, by its page" in result.err
        assert f"image {record['id']} is left, {record['status']}" in result.err
        assert record["status"] == "killed"
    else:
        assert result.json["status"] == record["status"] == "active"
        assert (record["id"], record["size"]) == (result.json["id"], len(DATA))


def test_a_slow_delete_is_done(
    cloud: Cloud, openstack: Openstack, beside: Beside, large: str, door: str
) -> None:
    slow = Order("slow", "DELETE", f"{large}-", seconds=stall(door), skip=1, count=1)
    with cloud.ordered("swift", slow):
        result = openstack("image", "v1", "delete", large, cloud=door)
    assert result.status == 0, result.err
    assert result.err == "" or "is being deleted: waiting for that" in result.err
    assert beside.gone(large)
    assert cloud.swift.objects(large) == []


# Stopped, and not to be had after that


def broken_off(image_id: str) -> tuple[Order, ...]:
    """The data ends in the middle, and Swift gives no more of it."""
    return (
        Order("cut", "GET", image_id, after=MIDDLE, count=1),
        Order("answer", "GET", image_id, status=REFUSED),
    )


def test_a_download_that_stops_leaves_a_part_that_is_gone_on_with(
    cloud: Cloud, openstack: Openstack, large: str, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    argv = ("image", "v1", "save", large, "--file", str(saved), "--keep-partial")
    with cloud.ordered("swift", *broken_off(large)):
        result = openstack(*argv)
    assert result.status == 1
    kept, why = result.err.splitlines()
    assert kept.startswith("What came so far is kept in ")
    assert f"Cannot download image {large}: " in why
    assert "(HTTP 500, request req-" in why
    (part,) = tmp_path.glob("saved*")
    assert part.name == "saved.osc-image-v1.part"
    assert 0 < part.stat().st_size <= MIDDLE
    assert DATA.startswith(part.read_bytes())
    assert openstack(*argv).status == 0
    assert saved.read_bytes() == DATA


def test_runs_that_stop_in_the_middle_are_gone_on_with(
    cloud: Cloud, openstack: Openstack, session: Any, large: str, tmp_path: Path
) -> None:
    ids = (BY_KEY["cirros"].id, large, BY_KEY["ubuntu"].id)
    export = ("image", "v1", "export", str(tmp_path / "e"), *ids, "-f", "json", "--parallel", "1")
    with cloud.ordered("swift", *broken_off(large)):
        result = openstack(*export)
    told = json.loads(result.out)
    assert (result.status, told["fetched"], told["failed"]) == (1, 2, 1), result.err
    assert large in result.err
    again = openstack(*export).json
    assert (again["fetched"], again["kept"]) == (1, 2)
    assert openstack("image", "v1", "verify", str(tmp_path / "e")).status == 0
    ids = (BY_KEY["min"].id, large, BY_KEY["ubuntu"].id)
    copy = ("image", "v1", "copy", *ids, "--to-cloud", "target", "-f", "json", "--parallel", "1")
    with kept_clean(cloud):
        with cloud.ordered("swift", *broken_off(large)):
            result = openstack(*copy)
        rows = {row["ID"]: row["Action"] for row in json.loads(result.out)}
        assert (result.status, rows.pop(large)) == (1, "failed"), result.err
        assert set(rows.values()) == {"copied"}
        compare = ("image", "v1", "compare", *ids, "--with", "cloud:target", "--ignore-extra")
        result = openstack(*compare, "-f", "json")
        assert {row["ID"] for row in json.loads(result.out)} == {large}
        assert openstack(*copy).status == 0
        assert openstack(*compare, "-f", "json").json == []
        assert Target(cloud, session("target")).data(large) == DATA


# Stopped, and back again


@pytest.fixture
def halfway(cloud: Cloud, run_openstack: Openstack) -> Callable[..., Any]:
    """Run a command; when Swift is held in the middle, start it anew."""

    def run(order: Order, *argv: str) -> Any:
        with ThreadPoolExecutor(1) as pool:
            with cloud.ordered("swift", order):
                running = pool.submit(run_openstack, *argv)
                cloud.held("swift")
                assert cloud.down("swift") == ["swift"]
            cloud.up()
            return running.result()

    return run


def test_a_download_outlives_a_restart_of_swift(
    halfway: Callable[..., Any], large: str, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    held = Order("hold", "GET", large, after=MIDDLE, seconds=30, count=1)
    result = halfway(held, "image", "v1", "save", large, "--file", str(saved))
    assert (result.returncode, result.stderr) == (0, b"")
    assert saved.read_bytes() == DATA


def test_an_upload_that_swift_stops_is_no_image(
    halfway: Callable[..., Any], openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ("image", "v1", "create", beside.name(), "--file", str(source), *FORMATS)
    held = Order("hold body", "PUT", "/glance/", after=SEGMENT // 2, skip=1, count=1, seconds=30)
    result = halfway(held, *argv, "--clean-up")
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"Traceback" not in result.stderr
    assert beside.listed() == []
    made = openstack(*argv, "-f", "json").json
    assert (made["status"], made["size"]) == ("active", len(DATA))


def test_a_delete_outlives_a_restart_of_swift(
    cloud: Cloud, halfway: Callable[..., Any], beside: Beside, large: str
) -> None:
    held = Order("hold", "DELETE", segments(cloud, large)[1], seconds=30, count=1)
    result = halfway(held, "image", "v1", "delete", large)
    assert (result.returncode, result.stderr) == (0, b"")
    assert beside.gone(large)
    assert cloud.swift.objects(large) == []
