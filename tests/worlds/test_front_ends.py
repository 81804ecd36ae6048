"""What an operator puts in front of the services: its limits, its time-outs, its pages, its TLS."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud, Order
from tests.functional.target import Target, kept_clean
from tests.functional.writing import FORMATS, Beside
from tests.worlds.worlds import FRONT_ENDS, in_worlds

Openstack = Callable[..., Any]

DATA = random.Random(15).randbytes(100_000)

NOTHING = hashlib.md5(b"").hexdigest()

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


#: What an image's metadata takes in an answer's headers, and which front end lets that through as
#: it is installed: the table of doc/source/reference/front-ends.rst.
TABLE = {
    "20 properties of 200 bytes": {f"key_{number:02}": "x" * 200 for number in range(20)},
    "90 properties of 10 bytes": {f"key_{number:02}": "x" * 10 for number in range(90)},
    "a property of 9,000 bytes": {"key": "x" * 9000},
}
LETS_THROUGH = {
    ("haproxy", "20 properties of 200 bytes"),
    ("haproxy", "a property of 9,000 bytes"),
    ("apache", "20 properties of 200 bytes"),
    ("apache", "90 properties of 10 bytes"),
}


def filled(cloud: Cloud, session: Any, beside: Beside, properties: dict[str, str]) -> str:
    """Make an image with such metadata and with data, past the front end; return its ID."""
    image_id = beside.make_v2(name=beside.name("wide"), **properties)
    url = f"{cloud.urls['image']}/v2/images/{image_id}/file"
    headers = {"Content-Type": "application/octet-stream"}
    assert session("admin").put(url, data=DATA, headers=headers).status_code == 204
    return image_id


@in_worlds(*FRONT_ENDS)
@pytest.mark.parametrize("metadata", TABLE)
def test_metadata_that_is_too_much_for_headers(
    cloud: Cloud, openstack: Openstack, session: Any, beside: Beside, metadata: str, tmp_path: Path
) -> None:
    """The table of the docs: show, save, export, copy and set all do what they are to do."""
    properties, front = TABLE[metadata], who(cloud)
    wide = filled(cloud, session, beside, properties)
    url = f"{cloud.urls['front-image']}/v1/images/{wide}"
    lets_through = (cloud.places.world.front_end, metadata) in LETS_THROUGH
    assert session("admin").head(url, raise_exc=False).status_code == (200 if lets_through else 502)

    shown = openstack("image", "v1", "show", wide, "-f", "json", cloud=front).json
    assert shown["properties"] == properties
    saved = tmp_path / "saved"
    argv = ("image", "v1", "save", wide, "--file", str(saved))
    assert openstack(*argv, cloud=front).err == ""
    assert saved.read_bytes() == DATA
    argv = ("image", "v1", "export", str(tmp_path / "export"), wide, "-f", "json")
    assert openstack(*argv, cloud=front).json["fetched"] == 1
    assert (tmp_path / "export" / f"{wide}.img").read_bytes() == DATA
    argv = ("image", "v1", "set", wide, "--property", "more=value", "--name", beside.name("new"))
    result = openstack(*argv, cloud=front)
    assert (result.status, result.err) == (0, "")
    assert beside.properties(wide) == {**properties, "more": "value"}
    argv = ("image", "v1", "copy", wide, "--to-cloud", "target", "-f", "json")
    with kept_clean(cloud):
        (row,) = openstack(*argv, cloud=front).json
        assert row["Action"] == "copied"
        target = Target(cloud, session("target"))
        assert target.data(wide) == DATA
        assert (target.get(wide) or {}).items() >= properties.items()
    argv = ("image", "v1", "unset", wide, "--property", "more")
    assert openstack(*argv, cloud=front).status == 0
    assert openstack("image", "v1", "delete", wide, cloud=front).status == 0
    assert beside.gone(wide)


@in_worlds("nginx")
def test_images_whose_headers_do_not_fit_are_exported_with_the_others(
    cloud: Cloud, openstack: Openstack, session: Any, beside: Beside, tmp_path: Path
) -> None:
    wide = filled(cloud, session, beside, TABLE["20 properties of 200 bytes"])
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ("image", "v1", "create", beside.name("wide"), "--file", str(source), *FORMATS)
    other = openstack(*argv, "-f", "json").json["id"]
    directory = tmp_path / "export"
    argv = ("image", "v1", "export", "--name", beside.name("wide"), str(directory), "-f", "json")
    told = openstack(*argv, cloud=who(cloud)).json
    assert (told["images"], told["fetched"]) == (2, 2)
    assert {path.stem for path in directory.glob("*.img")} == {wide, other}
    assert openstack("image", "v1", "verify", str(directory), "-f", "json").json == []


# What a request takes in headers
#
# 120 properties are more lines than HAProxy and Apache take, and a line is longer than nginx takes.

TOO_MUCH = {
    "nginx": (["key=" + "x" * 9000], "large_client_header_buffers"),
    "haproxy": ([f"key_{number}=x" for number in range(120)], "tune.http.maxhdr"),
    "apache": ([f"key_{number}=x" for number in range(120)], "LimitRequestFields"),
}


@in_worlds(*FRONT_ENDS)
@pytest.mark.parametrize("empty", [True, False])
def test_a_create_with_more_headers_than_it_takes(
    cloud: Cloud, openstack: Openstack, beside: Beside, empty: bool, tmp_path: Path
) -> None:
    properties, setting = TOO_MUCH[cloud.places.world.front_end]
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ["image", "v1", "create", beside.name("much"), *FORMATS]
    argv += [] if empty else ["--file", str(source)]
    for text in properties:
        argv += ["--property", text]
    result = openstack(*argv, cloud=who(cloud))
    assert (result.status, result.out) == (1, "")
    assert setting in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert beside.listed() == []


# Data


@in_worlds(*FRONT_ENDS)
def test_an_image_of_no_data(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    """A front end that buffers makes no body of an empty one."""
    source = tmp_path / "source"
    source.write_bytes(b"")
    more = ("--file", str(source), "--size", "0", *FORMATS, "-f", "json")
    argv = ("image", "v1", "create", beside.name("empty"), *more)
    image = openstack(*argv, cloud=who(cloud)).json
    assert (image["status"], image["size"], image["checksum"]) == ("active", 0, NOTHING)
    saved = tmp_path / "saved"
    argv = ("image", "v1", "save", image["id"], "--file", str(saved))
    result = openstack(*argv, cloud=who(cloud))
    assert (result.status, result.err, saved.read_bytes()) == (0, "", b"")
    # A record that is there already gets its data by v2.
    argv = ("image", "v1", "create", beside.name("queued"), *FORMATS, "-f", "json")
    queued = openstack(*argv, cloud=who(cloud)).json["id"]
    argv = ("image", "v1", "set", queued, "--file", str(source), "--size", "0")
    result = openstack(*argv, cloud=who(cloud))
    assert (result.status, result.err) == (0, "")
    assert beside.v2(queued)["status"] == "active"


@in_worlds("nginx")
@pytest.mark.parametrize("size", [2_000_000, 30_000_000])
@pytest.mark.parametrize("piped", [True, False])
def test_a_body_over_the_limit_leaves_nothing(
    cloud: Cloud, openstack: Openstack, beside: Beside, size: int, piped: bool, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(size))
    argv = ["image", "v1", "create", beside.name("big"), *FORMATS]
    argv += ["--stdin"] if piped else ["--file", str(source)]
    data = source.read_bytes() if piped else b""
    result = openstack(*argv, "--clean-up", cloud=who(cloud), input=data)
    assert result.status == 1
    assert "413" in result.err
    assert "client_max_body_size" in result.err
    assert len(result.err.strip().splitlines()) == 1
    assert beside.listed() == []
    assert openstack(*argv, cloud=who(cloud, "wide"), input=data).status == 0


@in_worlds("nginx")
def test_where_there_is_no_way_the_setting_is_named(
    cloud: Cloud, openstack: Openstack, session: Any, beside: Beside, tmp_path: Path
) -> None:
    """Its list knows the image, and nobody hands out the data."""
    wide = filled(cloud, session, beside, TABLE["20 properties of 200 bytes"])
    argv = ("image", "v1", "save", wide, "--file", str(tmp_path / "saved"))
    with cloud.ordered("image", Order("answer", "GET", f"/v2/images/{wide}/file", status=404)):
        result = openstack(*argv, cloud=who(cloud))
    assert (result.status, list(tmp_path.iterdir())) == (1, [])
    assert "nginx/" in result.err
    assert "proxy_buffer_size" in result.err
    assert openstack(*argv, cloud=who(cloud, "wide")).status == 0


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
