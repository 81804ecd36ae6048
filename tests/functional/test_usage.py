"""What the real service has, counted; and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud import BY_KEY

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
    }
    assert expected <= found
    # Of different projects, and of a volume.
    others = {"shared-name-demo", "shared-name-other", "snapshot-volume", "machine"}
    assert not {BY_KEY[key].id for key in others} & {one for _kind, one in found}


def test_plain_users_may_not_list_projects(openstack: Callable[..., Any]) -> None:
    result = openstack(*USAGE, "--problems", cloud="demo")
    assert "owner is gone" not in {row["Problem"] for row in result.json}
