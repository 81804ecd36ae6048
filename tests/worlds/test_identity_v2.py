"""A log-in by the Identity API v2, where projects are tenants: a real Keystone 12."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import BY_KEY, Cloud
from tests.cloud.configuration import password_of
from tests.functional.target import Target, kept_clean
from tests.functional.writing import FORMATS, Beside
from tests.worlds.worlds import in_worlds

pytestmark = in_worlds("v2")

Openstack = Callable[..., Any]

ADMIN, DEMO, TARGET = "admin-v2", "demo-v2", "target-v2"


@pytest.fixture
def image(openstack: Openstack, beside: Beside, tmp_path: Path) -> str:
    """The ID of an image of demo's."""
    source = tmp_path / "source"
    source.write_bytes(b"data of a tenant")
    argv = ("image", "v1", "create", beside.name("of demo"), "--file", str(source), *FORMATS)
    return str(openstack(*argv, "--private", "-f", "json", cloud=DEMO).json["id"])


@pytest.mark.parametrize(("user", "by_v3"), [(ADMIN, "admin"), (DEMO, "demo")])
def test_all_is_as_by_v3(openstack: Openstack, user: str, by_v3: str) -> None:
    for argv in (
        ("image", "v1", "list", "--long"),
        ("image", "v1", "list", "--all", "--page-size", "30"),
        ("image", "v1", "show", "ubuntu"),
        ("compute", "image", "list", "--long"),
    ):
        shown = openstack(*argv, "-f", "json", cloud=by_v3).json
        assert openstack(*argv, "-f", "json", cloud=user).json == shown


@pytest.mark.parametrize(("path", "version"), [("/v2.0", ""), ("", "2")])
def test_with_the_settings_of_that_time(
    cloud: Cloud, run_openstack: Openstack, version: str, path: str
) -> None:
    settings = {
        "OS_AUTH_URL": cloud.urls["identity-v2"].removesuffix("/v2.0") + path,
        "OS_USERNAME": "demo",
        "OS_PASSWORD": password_of("demo"),
        "OS_TENANT_NAME": "demo",
        "OS_REGION_NAME": "RegionOne",
        **({"OS_IDENTITY_API_VERSION": version} if version else {}),
    }
    environ = {**cloud.environ(), **settings}
    del environ["OS_CLIENT_CONFIG_FILE"]
    argv = ("image", "v1", "list", "--project", "demo", "-f", "json")
    done = run_openstack(*argv, cloud=None, env=environ)
    assert done.returncode == 0, done.stderr
    ids = {row["ID"] for row in json.loads(done.stdout)}
    assert BY_KEY["demo-private"].id in ids
    assert BY_KEY["ubuntu"].id not in ids


def test_an_admin_knows_all_tenants_by_name(cloud: Cloud, openstack: Openstack) -> None:
    for option in ("--project", "--shared-with"):
        argv = ("image", "v1", "list", option, "other", "-f", "json")
        assert openstack(*argv, cloud=ADMIN).json == openstack(*argv).json != []
    rows = openstack("image", "v1", "usage", "--all", "-f", "json", cloud=ADMIN).json
    assert {"admin", "demo", "other"} <= {row["Project Name"] for row in rows}


def test_a_user_knows_the_own_tenants(cloud: Cloud, openstack: Openstack) -> None:
    rows = openstack("image", "v1", "list", "--project", "demo", "-f", "json", cloud=DEMO).json
    assert BY_KEY["demo-private"].id in [row["ID"] for row in rows]
    result = openstack("image", "v1", "list", "--project", "other", cloud=DEMO)
    assert (result.status, result.out) == (1, "")
    assert "Project 'other' cannot be looked up: the Identity API v2 tells of" in result.err
    other = cloud.projects["other"]
    assert openstack("image", "v1", "list", "--project", other, cloud=DEMO).status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--project", "nowhere"),
        ("list", "--shared-with", "nowhere"),
        ("create", "nowhere", "--project", "nowhere"),
        ("set", "ubuntu", "--project", "nowhere"),
        ("add", "project", "ubuntu", "nowhere"),
        ("member", "set", "ubuntu", "nowhere", "demo"),
        ("export", "nowhere", "--all", "--project", "nowhere"),
        ("copy", "--to-cloud", "target", "--project", "nowhere"),
    ],
    ids=" ".join,
)
def test_a_project_of_no_such_name_is_said(
    openstack: Openstack, count: Any, words: tuple[str, ...]
) -> None:
    with count("image") as requests:
        result = openstack("image", "v1", *words, cloud=ADMIN)
    assert (result.status, result.out) == (1, "")
    assert result.err == "No project has the name or ID 'nowhere'\n"
    assert requests == []


def test_there_are_no_domains(openstack: Openstack) -> None:
    argv = ("image", "v1", "list", "--project", "demo", "--project-domain", "default")
    result = openstack(*argv, cloud=ADMIN)
    assert (result.status, result.err) == (1, "The cloud's Identity API v2 has no domains\n")


def test_images_are_made_shared_and_given_away(
    cloud: Cloud, openstack: Openstack, beside: Beside, image: str
) -> None:
    assert beside.v2(image)["owner"] == cloud.projects["demo"]
    assert openstack("image", "v1", "add", "project", image, "other", cloud=ADMIN).status == 0
    argv = ("image", "v1", "member", "list", image, "-f", "json")
    members = openstack(*argv, cloud=ADMIN).json
    assert [row["Project"] for row in members] == [cloud.projects["other"]]
    assert members == openstack(*argv).json
    assert openstack("image", "v1", "remove", "project", image, "other", cloud=ADMIN).status == 0
    assert openstack(*argv, cloud=ADMIN).json == []
    argv = ("image", "v1", "set", image, "--project", "other")
    assert openstack(*argv, cloud=ADMIN).status == 0
    assert beside.v2(image)["owner"] == cloud.projects["other"]
    made = ("image", "v1", "create", beside.name("for other"), "--project", "other", "-f", "json")
    assert openstack(*made, cloud=ADMIN).json["owner"] == cloud.projects["other"]
    assert openstack("image", "v1", "delete", image, cloud=ADMIN).status == 0
    assert beside.gone(image)


@pytest.mark.parametrize("to", ["target", TARGET])
def test_images_go_to_the_target(
    cloud: Cloud, openstack: Openstack, session: Any, image: str, to: str, tmp_path: Path
) -> None:
    directory = tmp_path / "export"
    argv = ("image", "v1", "export", str(directory), "--all", "--project", "demo", "-f", "json")
    told = openstack(*argv, cloud=ADMIN).json
    assert told["fetched"] > 1
    assert (directory / f"{image}.img").read_bytes() == b"data of a tenant"
    assert openstack("image", "v1", "verify", str(directory)).status == 0
    with kept_clean(cloud):
        argv = ("image", "v1", "copy", image, "--to-cloud", to, "-f", "json")
        (row,) = openstack(*argv, cloud=ADMIN).json
        assert row["Action"] == "copied"
        target = Target(cloud, session("target"))
        found = target.get(image)
        assert found is not None
        # Both regions have the same Keystone, as each of them sees.
        assert found["owner"] == cloud.projects["demo"]
        assert target.data(image) == b"data of a tenant"
        argv = ("image", "v1", "compare", image, "--with", f"cloud:{to}", "-f", "json")
        assert openstack(*argv, cloud=ADMIN).json == []
