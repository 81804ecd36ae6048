"""Counting images, and looking for what is wrong with them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from datetime import datetime, timezone
from typing import Any

import pytest
import requests_mock as rm
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.models import WITH_DATA
from osc_image_v1.api.queries import STATUSES
from osc_image_v1.cli.usage import UsageOfImages
from osc_image_v1.exceptions import WrongUsage
from osc_image_v1.report.usage import GROUPS, Group, count, count_parts, problems, share
from osc_image_v1.transfer.shards import Shard
from tests.unit import disks
from tests.unit.conftest import Shell, detail, image_id
from tests.unit.keystone import Keystone
from tests.unit.store import Store

NOW = datetime(2026, 11, 23, 13, 33, tzinfo=timezone.utc)


def test_groups() -> None:
    records = [
        detail(0, size=10, owner="a", is_public=True),
        detail(1, size=30, owner="b", created_at="2020-01-01T00:00:00", is_public=None),
        detail(2, size=None, owner=None, disk_format=None, container_format=None, status="queued"),
        detail(3, size=5, owner="a", created_at="nonsense"),
    ]
    found = {by: [(g.key, g.images, g.size) for g in count(records, by)] for by in GROUPS}
    assert found == {
        "project": [("b", 1, 30), ("a", 2, 15), (None, 1, 0)],
        "status": [("active", 3, 45), ("queued", 1, 0)],
        "disk-format": [("raw", 3, 45), (None, 1, 0)],
        "container-format": [("bare", 3, 45), (None, 1, 0)],
        "visibility": [(None, 1, 30), ("public", 1, 10), ("private", 2, 5)],
        "year": [(None, 1, 5), ("2020", 1, 30), ("2026", 2, 10)],
    }
    assert count([], "year") == []
    assert Group("a") == Group("a", 0, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(STATUSES), st.none() | st.integers(-1, 10**20)), max_size=40
    ),
    st.integers(1, 30),
)
def test_parts_are_those_of_an_export(images: list[tuple[str, int | None]], parts: int) -> None:
    records = [detail(n, status=status, size=size) for n, (status, size) in enumerate(images)]
    found = count_parts(iter(records), parts)
    for part in found:
        index, _slash, of = str(part.key).partition("/")
        mine = [record for record in records if record["id"] in Shard(int(index), int(of))]
        sizes = [max(0, one["size"] or 0) for one in mine if one["status"] in WITH_DATA]
        assert (part.images, part.size, of) == (len(mine), sum(sizes), str(parts))
        assert part.unsized == sizes.count(0)
    assert len({part.key for part in found}) == parts
    assert [part.size for part in found] == sorted((part.size for part in found), reverse=True)
    groups = count(records, "status")
    assert sum(part.images for part in found) == sum(group.images for group in groups)
    assert sum(part.size for part in found) == sum(
        group.size for group in groups if group.key in WITH_DATA
    )


@pytest.mark.parametrize(
    ("fields", "unsized"),
    [
        ({"size": None}, 1),
        ({"size": 0, "checksum": None}, 1),
        ({"size": 0, "checksum": hashlib.md5(b"").hexdigest()}, 0),
        ({"size": 0, "checksum": None, "properties": {"block_device_mapping": "[]"}}, 0),
        ({"size": None, "status": "queued"}, 0),
    ],
)
def test_images_whose_size_nobody_knows(fields: Any, unsized: int) -> None:
    records = [detail(0, **fields)]
    assert count_parts(records, 1) == [Group("1/1", 1, 0, unsized)]
    assert count(records, "project") == [Group("p1", 1, 0, unsized)]


@pytest.mark.parametrize(
    ("part", "whole", "percent"), [(1, 3, 33.3), (0, 5, 0.0), (0, 0, 0.0), (5, 5, 100.0)]
)
def test_share(part: int, whole: int, percent: float) -> None:
    assert share(part, whole) == percent


def kinds(*records: dict[str, Any], **options: Any) -> list[tuple[str, str, str]]:
    return [(one.kind, one.image_id, one.detail) for one in problems(records, now=NOW, **options)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"checksum": None}, [("no checksum", "nothing vouches for its data")]),
        ({"checksum": "5f" * 32}, []),
        ({"checksum": "5F" * 64}, []),
        (
            {"checksum": "crc32:1"},
            [("unknown checksum", "it is of no algorithm that can be checked here")],
        ),
        (
            {"size": 0, "checksum": None},
            [
                (
                    "active without data",
                    "its size is 0, and no checksum proves that there is no data",
                )
            ],
        ),
        (
            {"size": 0, "checksum": hashlib.sha256(b"").hexdigest()},
            [("active without data", "its size is 0")],
        ),
        ({"size": 0, "properties": {"block_device_mapping": "[]"}}, []),
        ({"status": "killed", "checksum": None}, [("killed", "storing its data failed")]),
        ({"status": "queued"}, [("queued for over a day", "for 1 day")]),
        (
            {"status": "saving", "updated_at": "2026-11-20T00:00:00"},
            [("saving for over a day", "for 3 days")],
        ),
        ({"status": "saving", "updated_at": "2026-11-23T12:00:00"}, []),
        ({"status": "queued", "updated_at": None, "created_at": None}, []),
    ],
)
def test_problems_of_one_image(fields: Any, expected: list[tuple[str, str]]) -> None:
    found = kinds(detail(0, **fields))
    assert [(kind, said) for kind, _id, said in found] == expected


def test_problems_of_several() -> None:
    same = {"checksum": "a" * 32, "size": 10}
    records = [
        detail(0, name="x", **same),
        detail(1, name="x", owner="p2", **same),
        detail(2, name="x"),
        detail(3, name="x", status="deleted", **same),
        detail(4, name=None, **{**same, "size": 11}),
        detail(2, name="x"),
    ]
    assert kinds(*records) == [
        ("duplicate name", image_id(0), "2 images of the project have it"),
        ("duplicate name", image_id(2), "2 images of the project have it"),
        ("duplicate data", image_id(1), f"10 bytes as in {image_id(0)}"),
    ]


def test_missing_kernels() -> None:
    references = {"kernel_id": image_id(1), "ramdisk_id": image_id(8), "other": 5}
    records = [
        detail(0, properties=references),
        detail(1),
        detail(2, properties={"kernel_id": image_id(9), "ramdisk_id": None}),
        detail(3, properties={"kernel_id": image_id(9)}),
    ]
    asked: list[str] = []

    def exists(image: str) -> bool:
        asked.append(image)
        return image == image_id(8)

    assert kinds(*records, exists=exists) == [
        ("missing kernel", image_id(2), image_id(9)),
        ("missing kernel", image_id(3), image_id(9)),
    ]
    assert asked == [image_id(8), image_id(9)]
    assert len(kinds(*records)) == 3


def test_owners_that_are_gone() -> None:
    records = [detail(0), detail(1, owner="gone"), detail(2, owner=None)]
    assert kinds(*records, projects={"p1"}) == [
        ("owner is gone", image_id(1), "there is no project gone")
    ]
    assert kinds(*records) == []


# The command


def with_projects(shell: Shell, **projects: str) -> None:
    keystone = Keystone(projects, *([] if projects else [403]))
    shell.client_manager.sdk_connection.identity = keystone


def test_numbers_for_programs(shell: Shell, store: Store) -> None:
    with_projects(shell, p1="first", p2="first")
    store.add(0)
    store.add(1, b"x" * 18, owner="p2")
    store.add(2, b"", owner=None)
    found = json.loads(shell.run(UsageOfImages, "-f", "json"))
    assert found == [
        {"Project": "p2", "Project Name": "first", "Images": 1, "Size": 18, "Share": 75.0},
        {"Project": "p1", "Project Name": "first", "Images": 1, "Size": 6, "Share": 25.0},
        {"Project": None, "Project Name": None, "Images": 1, "Size": 0, "Share": 0.0},
    ]


def test_a_table_for_people(shell: Shell, store: Store) -> None:
    with_projects(shell)
    store.add(0, b"x" * 4000)
    store.add(1, b"x", owner="p2")
    store.add(2, b"", owner="p3")
    lines = shell.run(UsageOfImages, "--human-readable").splitlines()
    assert "| Project Name | Images |" in lines[1]
    bars = [line.split("|")[5].strip() for line in lines[3:6]]
    assert bars == ["█" * 29 + "▉", "▏", ""]
    assert "100.0 %" in lines[3]


def test_parts_the_largest_first(
    shell: Shell, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [n for n in range(40) if image_id(n) not in Shard(2, 4)]
    for n in ids:
        store.add(n, b"x" * n, owner=f"p{n % 3}")
    argv = (UsageOfImages, "--shards", "4")
    rows = json.loads(shell.run(*argv, "-f", "json"))
    assert [list(row) for row in rows] == [["Part", "Images", "Size", "Share"]] * 4
    assert [row["Size"] for row in rows] == sorted((row["Size"] for row in rows), reverse=True)
    assert rows[-1] == {"Part": "2/4", "Images": 0, "Size": 0, "Share": 0.0}
    assert (sum(row["Images"] for row in rows), sum(row["Size"] for row in rows)) == (
        len(ids),
        sum(ids),
    )
    asked = store.asked.total()
    parts = shell.run(*argv, "-f", "value", "-c", "Part").splitlines()
    assert parts == [row["Part"] for row in rows]
    # One list, and nobody is asked for projects.
    assert store.asked.total() - asked == 2
    read = csv.DictReader(io.StringIO(shell.run(*argv, "-f", "csv")))
    assert [row["Part"] for row in read] == parts
    assert "Bar" not in shell.run(*argv, "--human-readable")
    largest = ids[-1]
    argv = (UsageOfImages, "--shards", "1", "--min-size", str(largest))
    (row,) = json.loads(shell.run(*argv, "-f", "json"))
    assert row == {"Part": "1/1", "Images": 1, "Size": largest, "Share": 100.0}
    assert not caplog.records


@pytest.mark.parametrize("argv", [("--shards", "4"), ("--by", "year"), ()])
def test_what_counts_as_nothing_is_told(
    shell: Shell, store: Store, caplog: pytest.LogCaptureFixture, argv: tuple[str, ...]
) -> None:
    with_projects(shell)
    store.add(50, size=None)
    store.add(51, size=None, status="queued")
    with caplog.at_level(logging.WARNING):
        shell.run(UsageOfImages, *argv)
    said = "Images with data whose size nobody knows, and which count as 0 bytes: 1"
    assert caplog.messages == [said]


@pytest.mark.parametrize("argv", [("--shards", "4"), ("--by", "year"), ()])
def test_what_reads_no_data_takes_no_no_look(
    shell: Shell, store: Store, argv: tuple[str, ...]
) -> None:
    with pytest.raises(WrongUsage, match="--no-look is for --problems"):
        shell.run(UsageOfImages, *argv, "--no-look")
    assert not store.asked


@pytest.mark.parametrize(
    "argv",
    [
        ("--shards", "0"),
        ("--shards", "100001"),
        ("--shards", "3/16"),
        ("--shards", "4", "--problems"),
        ("--shards", "4", "--by", "year"),
    ],
)
def test_wrong_parts_are_refused_before_a_request(
    shell: Shell, store: Store, argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        shell.run(UsageOfImages, *argv)
    assert "argument --" in capsys.readouterr().err
    assert not store.asked


def test_by_something_else_nobody_is_asked_for_projects(shell: Shell, store: Store) -> None:
    store.add(0)
    found = json.loads(shell.run(UsageOfImages, "--by", "disk-format", "-f", "json"))
    assert found == [{"Disk Format": "raw", "Images": 1, "Size": 6, "Share": 100.0}]


def test_nothing_at_all(shell: Shell, store: Store) -> None:
    assert json.loads(shell.run(UsageOfImages, "--by", "year", "-f", "json")) == []


def test_problems_are_listed(shell: Shell, store: Store) -> None:
    with_projects(shell, p1="first")
    store.add(
        0, owner="p9", properties={"kernel_id": "no-id", "ramdisk_id": image_id(7)}, name="\x1b[31m"
    )
    store.add(1, properties={"kernel_id": image_id(8)})
    store.add(8, status="deleted")
    store.unlisted.add(image_id(8))
    rows = json.loads(shell.run(UsageOfImages, "--problems", "-f", "json"))
    assert {(row["Problem"], row["ID"]) for row in rows} == {
        ("missing kernel", image_id(0)),
        ("missing ramdisk", image_id(0)),
        ("missing kernel", image_id(1)),
        ("owner is gone", image_id(0)),
    }
    with_projects(shell)
    store.add(8)
    rows = json.loads(shell.run(UsageOfImages, "--problems", "-f", "json", "--name", "image 1"))
    assert rows == []


def test_sizes_of_more_than_64_bits(shell: Shell, requests_mock: rm.Mocker) -> None:
    sizes = [9 * 10**18, "10000000000000000000", 1e19]
    records = [detail(n, size=size, owner=f"p{n % 2}") for n, size in enumerate(sizes)]
    requests_mock.get(
        "http://image.example:9292/v1/images/detail",
        [{"json": {"images": records}}, {"json": {"images": []}}] * 3,
    )
    argv = ("--by", "status")
    (row,) = json.loads(shell.run(UsageOfImages, *argv, "-f", "json"))
    assert (row["Size"], row["Share"]) == (29 * 10**18, 100.0)
    table = shell.run(UsageOfImages, *argv, "--human-readable")
    assert "25.2 EiB" in table
    assert "█" * 30 in table


def test_data_that_cannot_be_had_or_is_refused(shell: Shell, store: Store) -> None:
    with_projects(shell, p1="first")
    store.add(0, disks.qcow2(), disk_format="vmdk")
    store.add(1, disks.qcow2(), disk_format="vmdk", container_format="ovf")
    store.add(2, b"gone")
    store.refused[f"/images/{image_id(2)}"] = 404
    store.add(3, b"hidden", status="deactivated")
    argv = (UsageOfImages, "--problems", "-f", "json", "-c", "Problem", "-c", "Detail")
    rows = json.loads(shell.run(*argv))
    found = {row["Problem"]: row["Detail"] for row in rows if row["Problem"] != "duplicate data"}
    assert found.keys() == {"wrong disk format", "unreadable data"}
    assert found["wrong disk format"] == (
        "today's Glance refuses its data: it is said to be vmdk and is qcow2; "
        "--disk-format-from-data stores it as qcow2"
    )
    assert "404" in found["unreadable data"]
    asked = store.downloads()
    rows = json.loads(shell.run(*argv, "--no-look"))
    assert {row["Problem"] for row in rows} == {"duplicate data"}
    assert store.downloads() == asked


def test_a_token_that_is_not_accepted_is_not_tried_for_each_image(
    shell: Shell, store: Store
) -> None:
    with_projects(shell, p1="first")
    store.refused["/images"] = 401
    for number in range(40):
        store.add(number)
        store.refused[f"/images/{image_id(number)}"] = 401
    rows = json.loads(shell.run(UsageOfImages, "--problems", "-f", "json"))
    assert 3 <= len(rows) < 12
