"""The front end ends in the middle of a transfer, in good order or not, and comes back or not."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud, Order
from tests.functional.writing import FORMATS, Beside
from tests.worlds.worlds import FRONT_ENDS, in_worlds

pytestmark = in_worlds(*FRONT_ENDS)

Openstack = Callable[..., Any]

LARGE = BY_KEY["large"]
MIDDLE = 2 * 1024 * 1024
#: More than all sockets on the way hold.
DATA = random.Random(15).randbytes(2**20) * 32


def restart(cloud: Cloud) -> None:
    """As an operator does it."""
    assert cloud.down("front-end") == ["front-end"]
    cloud.up()


def kill(cloud: Cloud) -> None:
    """It, and all that it has started, have no time to end anything."""
    pid = cloud.pids()["front-end"]
    os.killpg(pid, signal.SIGKILL)
    # Whoever starts it looks first whether it is there.
    for _turn in range(500):
        if cloud.pids().get("front-end") != pid:
            return
        time.sleep(0.02)
    raise AssertionError("the front end outlived its end")


def kill_and_start(cloud: Cloud) -> None:
    kill(cloud)
    cloud.up()


@pytest.fixture
def halfway(cloud: Cloud, run_openstack: Openstack) -> Callable[..., Any]:
    """Run a command; when the service is held in the middle, let something happen."""
    door = f"admin-{cloud.places.world.front_end}-wide"

    def run(order: Order, happens: Callable[[Cloud], None], *argv: str) -> Any:
        with ThreadPoolExecutor(1) as pool:
            with cloud.ordered("image", order):
                running = pool.submit(run_openstack, *argv, cloud=door)
                cloud.held("image")
                happens(cloud)
            return running.result()

    return run


def sending(image_id: str) -> Order:
    """Half of the data is on its way."""
    return Order("hold", "GET", f"/v1/images/{image_id}", after=MIDDLE, seconds=30, count=1)


def storing() -> Order:
    """Half of the data has come."""
    return Order("hold body", "PUT", "/v1/images/", after=MIDDLE, seconds=30, count=1)


def lines(result: Any) -> list[str]:
    return [line for line in result.stderr.decode().splitlines() if line.strip()]


def test_a_save_goes_on_or_can_be_gone_on_with(
    cloud: Cloud,
    openstack: Openstack,
    halfway: Callable[..., Any],
    tmp_path: Path,
) -> None:
    saved = tmp_path / "saved"
    argv = ("image", "v1", "save", LARGE.id, "--file", str(saved), "--keep-partial")
    result = halfway(sending(LARGE.id), restart, *argv)
    if result.returncode:
        # It was not back soon enough.
        assert not saved.exists()
        assert len(lines(result)) == 2, result.stderr
        assert openstack(*argv).status == 0
    assert saved.read_bytes() == LARGE.data
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]


def test_a_save_without_it_ends_with_a_line_and_a_part(
    cloud: Cloud, openstack: Openstack, halfway: Callable[..., Any], tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    argv = ("image", "v1", "save", LARGE.id, "--file", str(saved), "--keep-partial")
    try:
        result = halfway(sending(LARGE.id), kill, *argv)
    finally:
        cloud.up()
    assert result.returncode == 1
    kept, why = lines(result)
    assert kept.startswith("What came so far is kept in ")
    assert str(cloud.places.ports()["front-wide-image"]) in why
    (part,) = tmp_path.iterdir()
    assert part.name == "saved.osc-image-v1.part"
    begun = part.read_bytes()
    assert begun
    assert LARGE.data is not None
    assert LARGE.data.startswith(begun)
    assert openstack(*argv).status == 0
    assert saved.read_bytes() == LARGE.data
    assert not part.exists()


def test_an_export_goes_on_or_can_be_gone_on_with(
    cloud: Cloud,
    openstack: Openstack,
    halfway: Callable[..., Any],
    tmp_path: Path,
) -> None:
    names = ("large", "ubuntu", "cirros")
    argv = ("image", "v1", "export", str(tmp_path), *names, "-f", "json", "--parallel", "1")
    result = halfway(sending(LARGE.id), kill_and_start, *argv)
    told = json.loads(result.stdout)
    assert told["fetched"] + told["failed"] == len(names)
    assert (told["failed"] == 0) is (result.returncode == 0)
    assert openstack(*argv).json["failed"] == 0
    assert openstack("image", "v1", "verify", str(tmp_path)).status == 0
    for name in names:
        seed = BY_KEY[name]
        assert (tmp_path / f"{seed.id}.img").read_bytes() == seed.data


def test_a_create_ends_with_a_line_and_no_image_that_looks_whole(
    cloud: Cloud,
    openstack: Openstack,
    beside: Beside,
    halfway: Callable[..., Any],
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ("image", "v1", "create", beside.name(), "--file", str(source), *FORMATS)
    result = halfway(storing(), kill_and_start, *argv, "--clean-up")
    assert (result.returncode, result.stdout) == (1, b"")
    assert len(lines(result)) == 1, result.stderr
    left = beside.listed()
    assert {record["status"] for record in left} <= {"queued", "saving", "killed"}
    for record in left:
        assert record["id"] in lines(result)[0]
    assert openstack(*argv, "-f", "json").json["status"] == "active"
