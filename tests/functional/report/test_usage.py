"""What the real service has, counted; and what is wrong with it."""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud
from tests.functional.target import MISLABELLED
from tests.functional.writing import Beside

USAGE = ("image", "v1", "usage", "-f", "json")


@pytest.mark.parametrize(
    ("by", "column"),
    [
        ("project", "Project"),
        ("status", "Status"),
        ("disk-format", "Disk Format"),
        ("container-format", "Container Format"),
        ("visibility", "Visibility"),
        ("year", "Year"),
    ],
)
def test_groups(openstack: Callable[..., Any], by: str, column: str) -> None:
    listed = openstack("image", "v1", "list", "--all", "--long", "-f", "json").json
    found = openstack(*USAGE, "--by", by).json
    keys = {"project": "Project", "year": "Created At"}
    images: Counter[str | None] = Counter()
    sizes: Counter[str | None] = Counter()
    for row in listed:
        key = row[keys.get(by, column)]
        key = key[:4] if by == "year" else key
        images[key] += 1
        sizes[key] += row["Size"] or 0
    assert {row[column]: row["Images"] for row in found} == images
    assert {row[column]: row["Size"] for row in found} == sizes
    assert 99 < sum(row["Share"] for row in found) < 101


def test_parts_hold_what_an_export_fetches(openstack: Callable[..., Any], tmp_path: Path) -> None:
    rows = openstack(*USAGE, "--all", "--shards", "2").json
    assert len(rows) == 2
    for row in rows:
        export = ("image", "v1", "export", "--all", "--dry-run", "--shard", row["Part"])
        plan = openstack(*export, "-f", "json", str(tmp_path / "new")).json
        assert (row["Images"], row["Size"]) == (plan["images"], plan["size"])
    groups = {row["Status"]: row for row in openstack(*USAGE, "--all", "--by", "status").json}
    assert sum(row["Images"] for row in rows) == sum(row["Images"] for row in groups.values())
    with_data = (groups["active"], groups["deactivated"])
    assert sum(row["Size"] for row in rows) == sum(row["Size"] for row in with_data)


def test_the_table_has_names_and_bars(openstack: Callable[..., Any]) -> None:
    result = openstack("image", "v1", "usage", "--name", "large", "--human-readable")
    row = next(line for line in result.out.splitlines() if "MiB" in line)
    assert row.split() == [
        "|",
        "admin",
        "|",
        "1",
        "|",
        "5.0",
        "MiB",
        "|",
        "100.0",
        "%",
        "|",
        "█" * 30,
        "|",
    ]


def test_it_takes_two_requests(openstack: Callable[..., Any], count: Callable[[str], Any]) -> None:
    with count("image") as requests:
        openstack(*USAGE, "--by", "status")
    assert len(requests) <= 2


def test_problems(openstack: Callable[..., Any]) -> None:
    found = {(row["Problem"], row["ID"]) for row in openstack(*USAGE, "--problems").json}
    expected = {
        ("duplicate name", BY_KEY["twin-1"].id),
        ("duplicate name", BY_KEY["twin-2"].id),
        ("no checksum", BY_KEY["location"].id),
        ("active without data", BY_KEY["empty"].id),
        ("unreadable data", BY_KEY["data-missing"].id),
        *(("wrong disk format", one) for one in MISLABELLED),
    }
    assert expected <= found
    assert {one for kind, one in found if kind == "wrong disk format"} == MISLABELLED.keys()
    # Of different projects, and of a volume.
    others = {"shared-name-demo", "shared-name-other", "snapshot-volume", "machine"}
    assert not {BY_KEY[key].id for key in others} & {one for _kind, one in found}


def test_each_kind_of_problem(cloud: Cloud, openstack: Callable[..., Any], beside: Beside) -> None:
    fields = {"disk-format": "raw", "container-format": "bare"}
    gone, nowhere = uuid.uuid4().hex, str(uuid.uuid4())

    def make(name: str, data: bytes | None = None, **more: str) -> str:
        headers = {"name": beside.name(name), **fields, **more}
        metadata = {f"x-image-meta-{key}": value for key, value in headers.items()}
        if data is not None:
            metadata["Content-Type"] = "application/octet-stream"
        answer = beside.v1("POST", "/images", headers=metadata, data=data)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["image"]["id"])

    made = {
        # Lists have the newest first: this one is named as the copy of the next.
        "duplicate data": make("first", b"data"),
        "": make("second", b"data"),
        "active without data": make("nothing", b"", size="0"),
        "owner is gone": make("gone", b"of nobody", owner=gone),
        "missing kernel": make("kernel", b"no kernel", **{"property-kernel_id": nowhere}),
        "missing ramdisk": make("ramdisk", b"no ramdisk", **{"property-ramdisk_id": nowhere}),
        "queued for over a day": make("queued"),
        "saving for over a day": make("saving"),
        "no checksum": make("checksum", b"without a checksum"),
    }
    # What only time, and services that end, would make.
    with closing(sqlite3.connect(cloud.places.databases / "glance.sqlite", timeout=30)) as glance:
        for problem, change in {
            "queued for over a day": "updated_at = '2026-01-01 00:00:00'",
            "saving for over a day": "status = 'saving', updated_at = '2026-01-01 00:00:00'",
            "no checksum": "checksum = NULL",
        }.items():
            glance.execute(f"UPDATE images SET {change} WHERE id = ?", (made[problem],))
        glance.commit()
    rows = openstack(*USAGE, "--problems").json
    found = {(row["Problem"], row["ID"]) for row in rows if row["ID"] in made.values()}
    assert found == {(problem, one) for problem, one in made.items() if problem}


def test_plain_users_may_not_list_projects(openstack: Callable[..., Any]) -> None:
    result = openstack(*USAGE, "--problems", cloud="demo")
    assert "owner is gone" not in {row["Problem"] for row in result.json}
