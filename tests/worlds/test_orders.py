"""One order on every database, with and without --limit and --marker: code points, nulls least."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.worlds.worlds import DATABASES, in_worlds

pytestmark = in_worlds(*DATABASES)

Openstack = Callable[..., Any]
_LIST = ("image", "v1", "list", "--all", "--long", "-f", "json")

#: Sort keys, and the columns that tell by what a row was sorted.
_KEYS = {"name": "Name", "size": "Size", "disk_format": "Disk Format", "status": "Status"}


def _least(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", _KEYS)
def test_a_list_is_in_the_order_of_the_command(
    cloud: Cloud, openstack: Openstack, key: str, direction: str
) -> None:
    argv = (*_LIST, "--sort", f"{key}:{direction}")
    rows = openstack(*argv).json
    values = [row[_KEYS[key]] for row in rows]
    assert values == sorted(values, key=_least, reverse=direction == "desc")
    # With a limit it is the same order, from the same beginning.
    few = openstack(*argv, "--limit", "20").json
    assert [row[_KEYS[key]] for row in few] == values[:20]


@pytest.mark.parametrize("key", ["name", "id"])
def test_a_walk_by_markers_gives_each_image_once(
    cloud: Cloud, openstack: Openstack, key: str
) -> None:
    wanted = [row["ID"] for row in openstack(*_LIST, "--sort", key).json]
    seen: list[str] = []
    while len(seen) <= len(wanted):
        marker = ("--marker", seen[-1]) if seen else ()
        rows = openstack(*_LIST, "--sort", key, "--limit", "45", *marker).json
        if not rows:
            break
        seen += [row["ID"] for row in rows]
    assert seen == wanted
