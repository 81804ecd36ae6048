"""What an operator puts in front of the services: its limits, its time-outs, its pages, its TLS."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud, Order
from tests.functional.writing import FORMATS, Beside
from tests.worlds.worlds import FRONT_ENDS, in_worlds

Openstack = Callable[..., Any]

DATA = random.Random(15).randbytes(100_000)

#: Longer than ``front-short-image`` waits for the service.
LATE = 5.0


def who(cloud: Cloud, door: str = "") -> str:
    """A cloud of clouds.yaml: the admin, through the front end."""
    return "-".join(filter(None, ("admin", cloud.places.world.front_end, door)))


@in_worlds(*FRONT_ENDS)
@pytest.mark.parametrize("door", ["", "tls", "wide"])
def test_through_it_all_is_as_without_it(
    cloud: Cloud, openstack: Openstack, door: str, tmp_path: Path
) -> None:
    for argv in (
        ("image", "v1", "list", "--long", "--all", "--page-size", "30"),
        ("compute", "image", "list", "--long", "--page-size", "30"),
        ("image", "v1", "show", "ubuntu"),
        ("compute", "image", "show", BY_KEY["ubuntu"].id),
    ):
        behind = openstack(*argv, "-f", "json").json
        assert openstack(*argv, "-f", "json", cloud=who(cloud, door)).json == behind
    large = BY_KEY["large"]
    saved = tmp_path / "saved"
    argv = ("image", "v1", "save", large.id, "--file", str(saved))
    assert openstack(*argv, cloud=who(cloud, door)).status == 0
    assert saved.read_bytes() == large.data


@in_worlds(*FRONT_ENDS)
def test_a_certificate_of_another_authority_is_refused(cloud: Cloud, openstack: Openstack) -> None:
    tls = who(cloud, "tls")
    argv = ("--os-cacert", "/etc/ssl/certs/ca-certificates.crt", "image", "v1", "list")
    result = openstack(*argv, cloud=tls)
    assert (result.status, result.out) == (1, "")
    assert "certificate" in result.err.lower()


@in_worlds(*FRONT_ENDS)
def test_writing_through_it(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    for door in ("", "tls"):
        argv = ("image", "v1", "create", beside.name(door), "--file", str(source), *FORMATS)
        image = openstack(*argv, "-f", "json", cloud=who(cloud, door)).json
        assert (image["status"], image["size"]) == ("active", len(DATA))
        argv = ("image", "v1", "set", image["id"], "--property", "key=value")
        assert openstack(*argv, cloud=who(cloud, door)).status == 0
        assert beside.properties(image["id"]) == {"key": "value"}
        argv = ("image", "v1", "delete", image["id"])
        assert openstack(*argv, cloud=who(cloud, door)).status == 0
        assert beside.gone(image["id"])


# The service does it, and the answer comes too late: 504, which says nothing.


def late(method: str, path: str = "/v1/images") -> Order:
    return Order("late", method, path, seconds=LATE, count=1)


@in_worlds(*FRONT_ENDS)
@pytest.mark.parametrize("more", [(), ("--clean-up",)])
def test_an_upload_whose_answer_is_late_was_made(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path, more: tuple[str, ...]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ("image", "v1", "create", beside.name("late"), "--file", str(source), *FORMATS, *more)
    for method in ("POST", "PUT"):
        with cloud.ordered("image", late(method)):
            result = openstack(*argv, "-f", "json", cloud=who(cloud, "short"))
        assert result.status == 0, result.err
        assert (result.json["status"], result.json["size"]) == ("active", len(DATA))
        assert beside.v2(result.json["id"])["status"] == "active"
    # No request was sent twice either.
    assert len(beside.listed()) == 2


@in_worlds(*FRONT_ENDS)
def test_other_writes_whose_answer_is_late_were_done(
    cloud: Cloud, openstack: Openstack, beside: Beside
) -> None:
    short = who(cloud, "short")
    with cloud.ordered("image", late("POST")):
        argv = ("image", "v1", "create", beside.name("empty"), *FORMATS, "-f", "json")
        result = openstack(*argv, cloud=short)
    assert result.status == 0, result.err
    one = result.json["id"]
    (record,) = beside.listed()
    assert record["id"] == one
    with cloud.ordered("image", late("PUT")):
        result = openstack("image", "v1", "set", one, "--name", beside.name("other"), cloud=short)
    assert result.status == 0, result.err
    assert beside.listed()[0]["name"] == beside.name("other")
    with cloud.ordered("image", late("PUT", "/members/")):
        result = openstack("image", "v1", "add", "project", one, "demo", cloud=short)
    assert result.status == 0, result.err
    with cloud.ordered("image", late("DELETE")):
        result = openstack("image", "v1", "delete", one, cloud=short)
    assert result.status == 0, result.err
    assert beside.gone(one)


# Limits


@in_worlds("nginx")
def test_a_body_over_the_limit_leaves_nothing(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(2_000_000))
    argv = ("image", "v1", "create", beside.name("big"), "--file", str(source), *FORMATS)
    result = openstack(*argv, "--clean-up", cloud=who(cloud))
    assert result.status == 1
    assert "413" in result.err
    assert beside.listed() == []
    assert openstack(*argv, cloud=who(cloud, "wide")).status == 0


@pytest.fixture
def wide(cloud: Cloud, session: Any, beside: Beside) -> str:
    """The ID of an image whose metadata does not fit into the headers of nginx's defaults."""
    properties = {f"key_{number:02}": "x" * 200 for number in range(30)}
    image_id = beside.make_v2(name=beside.name("wide"), **properties)
    url = f"{cloud.urls['image']}/v2/images/{image_id}/file"
    headers = {"Content-Type": "application/octet-stream"}
    assert session("admin").put(url, data=DATA, headers=headers).status_code == 204
    return image_id


@in_worlds("nginx")
def test_one_image_whose_headers_do_not_fit_stops_no_run(
    cloud: Cloud, openstack: Openstack, beside: Beside, wide: str, tmp_path: Path
) -> None:
    """To the list they are no matter; nginx answers the request for the data with 502."""
    others = []
    for number in range(6):
        source = tmp_path / "source"
        source.write_bytes(DATA + bytes([number]))
        argv = ("image", "v1", "create", beside.name("wide"), "--file", str(source), *FORMATS)
        others.append(openstack(*argv, "-f", "json").json["id"])
    directory = tmp_path / "export"
    argv = ("image", "v1", "export", "--name", beside.name("wide"), str(directory), "-f", "json")
    told = json.loads(openstack(*argv, "--parallel", "1", cloud=who(cloud)).out)
    assert told["images"] == 7
    assert told["fetched"] >= 6
    exported = {path.stem for path in directory.glob("*.img")}
    assert set(others) <= exported <= {*others, wide}


@in_worlds("nginx")
def test_what_does_not_fit_is_had_where_the_limit_is_raised(
    cloud: Cloud, openstack: Openstack, wide: str, tmp_path: Path
) -> None:
    saved = tmp_path / "saved"
    result = openstack("image", "v1", "save", wide, "--file", str(saved), cloud=who(cloud))
    assert result.status == 0 or not saved.exists()
    argv = ("image", "v1", "save", wide, "--file", str(saved))
    assert openstack(*argv, cloud=who(cloud, "wide")).status == 0
    assert saved.read_bytes() == DATA


# It alone is there


@in_worlds(*FRONT_ENDS)
def test_a_service_that_is_down_behind_it(cloud: Cloud, openstack: Openstack) -> None:
    assert cloud.down("image") == ["image"]
    try:
        result = openstack("image", "v1", "list", cloud=who(cloud))
    finally:
        cloud.up()
    assert (result.status, result.out) == (1, "")
    assert len(result.err.strip().splitlines()) == 1, result.err
    assert "<" not in result.err
