"""The real v1 service against what the Compute service, v2 and an export have of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY

COMPARE = ("image", "v1", "compare", "-f", "json", "--with")


@pytest.mark.parametrize("other", ["v2", "compute"])
def test_the_same_service_says_the_same(openstack: Callable[..., Any], other: str) -> None:
    result = openstack(*COMPARE, other)
    assert (result.status, json.loads(result.out)) == (0, []), result.out
    assert "No differences; " in result.err


@pytest.mark.parametrize("other", ["v2", "compute"])
def test_a_few_images_take_a_few_requests(
    openstack: Callable[..., Any], count: Callable[[str], Any], other: str
) -> None:
    with count("compute" if other == "compute" else "image") as requests:
        assert openstack(*COMPARE, other, BY_KEY["large"].id).status == 0
    assert 0 < len(requests) <= 6


def test_what_plain_users_see(openstack: Callable[..., Any]) -> None:
    assert openstack(*COMPARE, "v2", "--name", "demo-private", cloud="demo").status == 0


def test_a_directory(openstack: Callable[..., Any], tmp_path: Path) -> None:
    names = ("large", "min", "queued", "properties-usual")
    directory = f"directory:{tmp_path}"
    assert openstack("image", "v1", "export", str(tmp_path), *names).status == 0
    assert openstack(*COMPARE, directory, "--members", *names).status == 0
    (tmp_path / f"{BY_KEY['min'].id}.img").write_bytes(b"short")
    (tmp_path / f"{BY_KEY['large'].id}.img").unlink()
    result = openstack(*COMPARE, directory, *names, "cirros")
    assert result.status == 1
    assert {(row["Name"], row["Difference"], row["There"]) for row in json.loads(result.out)} == {
        ("min", "data", "cut"),
        ("large", "data", "missing"),
        ("cirros", "missing", None),
    }
    assert "Differences: 3; images compared: 5" in result.err


def test_what_it_cannot_be_compared_with(openstack: Callable[..., Any], tmp_path: Path) -> None:
    assert openstack(*COMPARE, "nothing").status == 2
    assert openstack(*COMPARE, "cloud:none-such").status == 2
    assert openstack(*COMPARE, "directory:/none/such").status == 1
    result = openstack(*COMPARE, f"directory:{tmp_path}")
    assert (result.status, result.out.strip()) == (1, "")
    assert result.err == f"'{tmp_path}' has no manifest: nothing was exported to it\n"
