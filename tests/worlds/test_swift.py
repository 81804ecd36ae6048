"""Glance with its data in Swift: what is lost there, what comes back, what is there unseen."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud, Order
from tests.cloud.stores import SEGMENT, location
from tests.functional.target import Target, kept_clean
from tests.functional.writing import FORMATS, Beside
from tests.worlds.worlds import in_worlds

pytestmark = in_worlds("swift")

Openstack = Callable[..., Any]

#: In four segments, the last of which is a short one.
DATA = random.Random(15).randbytes(3 * SEGMENT + 1000)

#: To Glance as bad as 503, which its client tries again for half a minute.
REFUSED = 403


@pytest.fixture
def large(cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path) -> str:
    """The ID of an image in segments."""
    return make(openstack, beside, tmp_path, DATA)


def make(openstack: Openstack, beside: Beside, folder: Path, data: bytes, more: str = "") -> str:
    source = folder / "source"
    source.write_bytes(data)
    name = beside.name(more or hashlib.md5(data, usedforsecurity=False).hexdigest()[:6])
    argv = ("image", "v1", "create", name, "--file", str(source), *FORMATS, "-f", "json")
    image = openstack(*argv).json
    assert image["status"] == "active"
    return str(image["id"])


def segments(cloud: Cloud, image_id: str) -> list[str]:
    return [name for name in cloud.swift.objects(image_id) if name != image_id]


def test_segments_are_one_image(
    cloud: Cloud, openstack: Openstack, large: str, tmp_path: Path
) -> None:
    assert len(segments(cloud, large)) == 4
    saved = tmp_path / "saved"
    assert openstack("image", "v1", "save", large, "--file", str(saved)).status == 0
    assert saved.read_bytes() == DATA
    assert openstack("image", "v1", "delete", large).status == 0
    assert cloud.swift.objects(large) == []


def test_a_lost_segment_is_data_that_is_damaged_there(
    cloud: Cloud, openstack: Openstack, large: str, tmp_path: Path
) -> None:
    cloud.swift.lose(segments(cloud, large)[2])
    saved = tmp_path / "saved"
    result = openstack("image", "v1", "save", large, "--file", str(saved))
    assert result.status == 1
    assert f"{2 * SEGMENT} of {len(DATA)} bytes" in result.err
    assert not saved.exists()


def test_images_with_lost_segments_stop_no_run(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    """The damaged ones are smaller, and so come first."""
    whole = []
    for number in range(8):
        size = 2 * SEGMENT + number
        one = make(openstack, beside, tmp_path, DATA[:size], f"run {number}")
        if number < 6:
            cloud.swift.lose(segments(cloud, one)[1])
        else:
            whole.append(one)
    directory = tmp_path / "export"
    argv = ("image", "v1", "export", str(directory), *beside_ids(beside), "-f", "json")
    result = openstack(*argv, "--parallel", "1")
    assert result.status == 3
    told = json.loads(result.out)
    assert (told["fetched"], told["failed"]) == (2, 6), result.err
    assert sorted(path.stem for path in directory.glob("*.img")) == sorted(whole)


def beside_ids(beside: Beside) -> list[str]:
    return [record["id"] for record in beside.listed()]


def test_a_lost_object_is_no_image_that_is_not_there(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    small = make(openstack, beside, tmp_path, b"small")
    cloud.swift.lose(small)
    result = openstack("image", "v1", "save", small, "--file", str(tmp_path / "saved"))
    assert result.status == 1
    assert "No image" not in result.err
    assert not (tmp_path / "saved").exists()
    result = openstack("image", "v1", "export", str(tmp_path / "export"), small, "-f", "json")
    assert (result.status, json.loads(result.out)["failed"]) == (3, 1)


def test_a_wrong_byte_is_seen(
    cloud: Cloud, openstack: Openstack, large: str, tmp_path: Path
) -> None:
    name = segments(cloud, large)[1]
    cloud.swift.write(name, bytes(SEGMENT))
    saved = tmp_path / "saved"
    result = openstack("image", "v1", "save", large, "--file", str(saved))
    assert result.status == 1
    assert "MD5" in result.err or "checksum" in result.err
    assert not saved.exists()


def test_a_delete_that_comes_back_is_no_delete(
    cloud: Cloud, openstack: Openstack, beside: Beside, large: str
) -> None:
    """Segments go, what holds them together does not: the image is active again, without data."""
    segments_go = Order("pass", "DELETE", f"{large}-")
    with cloud.ordered("swift", segments_go, Order("answer", "DELETE", large, status=503)):
        result = openstack("image", "v1", "delete", large)
    assert result.status == 1
    assert large in result.err
    assert "delete" in result.err
    assert openstack("image", "v1", "show", large, "-f", "json").json["status"] == "active"
    assert openstack("image", "v1", "delete", large).status == 0
    assert beside.gone(large)
    assert segments(cloud, large) == []


def test_a_location_that_did_not_answer_is_no_empty_image(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    """Glance makes an active image of size 0 without a checksum, over data that is there."""
    cloud.swift.write("elsewhere", b"there is data")
    where = location(cloud.places.ports(), "elsewhere")
    with cloud.ordered("swift", Order("answer", path="/elsewhere", status=REFUSED)):
        argv = ("image", "v1", "create", beside.name("located"), *FORMATS, "--location", where)
        image = openstack(*argv, "-f", "json").json
    assert (image["status"], image["size"], image["checksum"]) == ("active", 0, None)
    assert "key" not in json.dumps(image)
    directory = tmp_path / "export"
    result = openstack("image", "v1", "export", str(directory), image["id"], "-f", "json")
    assert result.status == 0, result.err
    record = json.loads((directory / "manifest.jsonl").read_text().splitlines()[-1])
    assert (record["image"]["id"], record["data"]["verified"]) == (image["id"], False)
    verified = openstack("image", "v1", "verify", str(directory))
    assert "no checksum vouched for when they were exported: 1" in verified.err


def test_the_data_of_a_deactivated_image_comes_without_a_range(
    cloud: Cloud, openstack: Openstack, large: str, session: Any, tmp_path: Path
) -> None:
    """Swift's driver answers any range with 400, that of everything too."""
    url = f"{cloud.urls['image']}/v2/images/{large}/actions/deactivate"
    assert session("admin").post(url).status_code == 204
    result = openstack("image", "v1", "export", str(tmp_path / "export"), large, "-f", "json")
    assert result.json["fetched"] == 1
    assert (tmp_path / "export" / f"{large}.img").read_bytes() == DATA
    assert openstack("image", "v1", "verify", str(tmp_path / "export")).status == 0


def test_an_upload_that_swift_refuses_leaves_no_image_that_looks_whole(
    cloud: Cloud, openstack: Openstack, beside: Beside, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    argv = ("image", "v1", "create", beside.name("refused"), "--file", str(source), *FORMATS)
    with cloud.ordered("swift", Order("answer", "PUT", "/glance/", status=REFUSED)):
        result = openstack(*argv)
        assert result.status == 1
        assert openstack(*argv, "--clean-up").status == 1
    assert {record["status"] for record in beside.listed()} <= {"killed", "queued"}
    assert openstack(*argv, "-f", "json").json["size"] == len(DATA)


def test_a_store_that_is_down_for_one_image_is_up_for_the_next(
    cloud: Cloud, openstack: Openstack, tmp_path: Path
) -> None:
    """All that was sown arrives, and is verified."""
    with cloud.ordered("swift", Order("answer", "GET", BY_KEY["cirros"].id, status=REFUSED)):
        argv = ("image", "v1", "export", str(tmp_path), "cirros", "ubuntu", "min", "-f", "json")
        result = openstack(*argv)
    told = json.loads(result.out)
    assert (result.status, told["fetched"], told["failed"]) == (1, 2, 1), result.err
    again = openstack(*argv).json
    assert (again["fetched"], again["kept"]) == (1, 2)


def test_what_is_damaged_is_so_to_every_command(
    cloud: Cloud, openstack: Openstack, session: Any, beside: Beside, tmp_path: Path
) -> None:
    """Export, verify, copy and compare take what is whole, and name what is not."""
    whole, deactivated, no_object, no_segment, wrong_byte, refused = (
        make(openstack, beside, tmp_path, DATA[: 2 * SEGMENT + number], f"damage {number}")
        for number in range(6)
    )
    cloud.swift.lose(no_object)
    cloud.swift.lose(segments(cloud, no_segment)[1])
    cloud.swift.write(segments(cloud, wrong_byte)[1], bytes(SEGMENT))
    url = f"{cloud.urls['image']}/v2/images/{deactivated}/actions/deactivate"
    assert session("admin").post(url).status_code == 204
    damaged = {no_object, no_segment, wrong_byte, refused}
    ids = (whole, deactivated, *damaged)
    directory = tmp_path / "export"
    with cloud.ordered("swift", Order("answer", "GET", f"/{refused}", status=REFUSED)):
        result = openstack("image", "v1", "export", str(directory), *ids, "-f", "json")
        told = json.loads(result.out)
        assert (result.status, told["fetched"], told["failed"]) == (1, 2, 4), result.err
        assert {path.stem for path in directory.glob("*.img")} == {whole, deactivated}
        for image_id in damaged:
            assert image_id in result.err
        result = openstack("image", "v1", "verify", str(directory), "-f", "json")
        assert {row["ID"] for row in json.loads(result.out)} == damaged
        compare = ("image", "v1", "compare", *ids, "-f", "json", "--with")
        result = openstack(*compare, f"directory:{directory}")
        assert {row["ID"] for row in json.loads(result.out)} == damaged
        with kept_clean(cloud):
            result = openstack("image", "v1", "copy", *ids, "--to-cloud", "target", "-f", "json")
            rows = {row["ID"]: row["Action"] for row in json.loads(result.out)}
            assert result.status == 1
            assert {one for one, action in rows.items() if action == "failed"} == damaged
            result = openstack(*compare, "cloud:target", "--ignore-extra")
            assert damaged <= {row["ID"] for row in json.loads(result.out)}
            target = Target(cloud, session("target"))
            assert target.data(whole) == DATA[: 2 * SEGMENT]
