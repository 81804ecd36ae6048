"""Every database gives the same answers: MariaDB compares otherwise, PostgreSQL sorts otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud, Seed
from tests.cloud.seeds import id_of, seeds_in
from tests.functional.target import MISLABELLED, STAY, Target, kept_clean
from tests.functional.writing import Beside
from tests.worlds.worlds import DATABASES, in_worlds

pytestmark = in_worlds(*DATABASES)

Openstack = Callable[..., Any]
_LIST = ("image", "v1", "list", "--all", "-f", "json")


def _listed(cloud: Cloud) -> list[Seed]:
    """What v1 lists to an admin; community images it knows by their IDs alone."""
    return [
        seed
        for seed in seeds_in(cloud.places.world)
        if seed.region == "RegionOne"
        and seed.status not in ("killed", "deleted")
        and seed.visibility != "community"
    ]


def _names(cloud: Cloud, **fields: Any) -> list[str | None]:
    return sorted(
        str(seed.name)
        for seed in _listed(cloud)
        if all(getattr(seed, name) == value for name, value in fields.items())
    )


@pytest.mark.parametrize(
    "name",
    ["cirros", "CIRROS", "CirrOS", "cirros ", "trailing", "trailing ", "cafe", "café", "twin"],
)
def test_a_name_is_that_name(cloud: Cloud, openstack: Openstack, name: str) -> None:
    for more in ((), ("--long", "--limit", "1000")):
        rows = openstack(*_LIST, "--name", name, *more).json
        assert sorted(row["Name"] for row in rows) == _names(cloud, name=name)
    rows = openstack("compute", "image", "list", "--name", name, "-f", "json").json
    assert sorted(row["Name"] for row in rows) == _names(cloud, name=name)


def test_a_run_by_a_name_takes_that_name(
    cloud: Cloud, openstack: Openstack, tmp_path: Path
) -> None:
    argv = ("image", "v1", "export", "--all", "--name", "CirrOS", str(tmp_path), "-f", "json")
    assert openstack(*argv).json["fetched"] == 1
    assert [path.stem for path in tmp_path.glob("*.img")] == [BY_KEY["name-case"].id]
    usage = openstack("image", "v1", "usage", "--all", "--name", "cirros", "-f", "json").json
    assert [row["Images"] for row in usage] == [1]
    plan = ("image", "v1", "copy", "--all", "--name", "CirrOS", "--to-cloud", "target")
    rows = openstack(*plan, "--dry-run", "-f", "json").json
    assert [row["ID"] for row in rows] == [BY_KEY["name-case"].id]


@pytest.mark.parametrize(
    ("property", "keys"),
    [
        ("os_distro=debian", ["properties-usual"]),
        ("os_distro=Debian", []),
        ("os_distro=debian ", []),
        ("OS_Distro=debian", []),
        ("unicode=Grüße aus 東京", ["properties-text"]),
        ("unicode=Grusse aus 東京", []),
    ],
)
def test_a_property_is_that_property(openstack: Openstack, property: str, keys: list[str]) -> None:
    rows = openstack(*_LIST, "--property", property).json
    assert [row["ID"] for row in rows] == [BY_KEY[key].id for key in keys]
    if keys or property.startswith("OS"):
        rows = openstack("compute", "image", "list", "--property", property, "-f", "json").json
        assert [row["ID"] for row in rows] == [BY_KEY[key].id for key in keys]


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("--disk-format", "qcow2", "disk_format"),
        ("--container-format", "ovf", "container_format"),
        ("--status", "queued", "status"),
        ("--status", "deactivated", "status"),
    ],
)
def test_other_filters(
    cloud: Cloud, openstack: Openstack, option: str, value: str, field: str
) -> None:
    rows = openstack(*_LIST, option, value).json
    assert sorted(str(row["Name"]) for row in rows) == _names(cloud, **{field: value})


def test_numbers_beyond_what_a_column_holds(openstack: Openstack) -> None:
    rows = openstack(*_LIST, "--min-ram", "2048").json
    assert [row["Name"] for row in rows] == ["min"]
    assert openstack(*_LIST, "--min-disk", "2147483647").json == []


def test_a_list_is_whole_in_pages_of_any_size(cloud: Cloud, openstack: Openstack) -> None:
    wanted = sorted(seed.id for seed in _listed(cloud))
    for size in ("1000", "7"):
        rows = openstack(*_LIST, "--page-size", size).json
        assert sorted(row["ID"] for row in rows) == wanted
        rows = openstack("compute", "image", "list", "--page-size", size, "-f", "json").json
        assert sorted(row["ID"] for row in rows) == wanted


def test_a_property_of_a_name_that_the_database_folds(
    cloud: Cloud, openstack: Openstack, beside: Beside
) -> None:
    """MariaDB has a name of that kind once an image, and counts what was removed."""
    image = beside.make_v2(OS_Distro="debian")
    by_v1 = ("image", "v1", "set", image, "--property", "os_distro=debian")
    by_nova = ("compute", "image", "set", image, "--property", "os_DISTRO=debian")
    results = [openstack(*by_v1), openstack(*by_nova)]
    removed = openstack("image", "v1", "unset", image, "--property", "OS_Distro")
    results.append(openstack(*by_v1))
    assert removed.status == 0
    if cloud.places.world.database != "mariadb":
        assert [result.status for result in results] == [0, 0, 0]
        return
    said = [result.err.partition("; ")[2].strip() for result in results]
    assert [result.status for result in results] == [1, 1, 1]
    assert all("(HTTP 500, request " in result.err for result in results)
    assert said[0].startswith("a database like MySQL takes 'OS_Distro' and 'os_distro' for the sam")
    assert said[1].startswith("a database like MySQL takes 'OS_Distro' and 'os_DISTRO' for the sam")
    assert said[2].endswith("even if that was removed from the image")


def test_what_is_made_is_read_and_goes(openstack: Openstack, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"some data" * 1000)
    formats = ("--disk-format", "raw", "--container-format", "bare")
    made = openstack(
        *("image", "v1", "create", "Größe", "--file", str(data), *formats, "--private"),
        *("--property", "key=Ünïcode", "--min-ram", "64", "-f", "json"),
    ).json
    shown = openstack("image", "v1", "show", made["id"], "-f", "json").json
    assert (shown["name"], shown["status"], shown["min_ram"]) == (made["name"], "active", 64)
    assert openstack("image", "v1", "set", made["id"], "--name", "größe").status == 0
    rows = openstack(*_LIST, "--name", "größe").json
    assert [row["ID"] for row in rows] == [made["id"]]
    assert openstack(*_LIST, "--name", "GRÖSSE").json == []
    saved = tmp_path / "saved"
    assert openstack("image", "v1", "save", made["id"], "--file", str(saved)).status == 0
    assert saved.read_bytes() == data.read_bytes()
    assert openstack("image", "v1", "delete", made["id"]).status == 0
    assert openstack(*_LIST, "--name", "größe").json == []


def test_all_is_exported_verified_copied_and_the_same(
    cloud: Cloud, openstack: Openstack, session: Any, tmp_path: Path
) -> None:
    damaged = {id_of(key) for key in ("data-missing", "data-truncated", "data-corrupt")}
    result = openstack("image", "v1", "export", "--all", str(tmp_path), "-f", "json")
    assert json.loads(result.out)["failed"] == len(damaged), result.err
    verified = openstack("image", "v1", "verify", str(tmp_path), "-f", "json")
    assert {row["ID"] for row in json.loads(verified.out)} == damaged | MISLABELLED.keys()
    compared = openstack(
        *("image", "v1", "compare", "--all", "--with", f"directory:{tmp_path}", "-f", "json")
    )
    assert {row["ID"] for row in json.loads(compared.out)} == damaged
    with kept_clean(cloud):
        argv = ("image", "v1", "copy", "--all", "--to-cloud", "target", "--parallel", "2")
        argv = (*argv, "--disk-format-from-data")
        rows = json.loads(openstack(*argv, "-f", "json").out)
        assert {row["ID"] for row in rows if row["Action"] == "failed"} == STAY
        compared = openstack(
            *("image", "v1", "compare", "--all", "--with", "cloud:target", "--ignore-extra"),
            *("-f", "json"),
        )
        differing = {row["ID"] for row in json.loads(compared.out) if not row["Explained"]}
        assert differing == STAY
        large = BY_KEY["large"]
        assert Target(cloud, session("target")).data(large.id) == large.data
