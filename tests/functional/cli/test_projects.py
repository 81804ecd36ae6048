"""Projects by name, and tokens for none, at the real Keystone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import session as ksa_session
from keystoneauth1 import token_endpoint
from keystoneauth1.identity import v3

from osc_image_v1.api import ImageClient, ImageFields
from osc_image_v1.exceptions import Forbidden, Unauthorized
from tests.cloud import Cloud
from tests.cloud.configuration import password_of
from tests.functional.writing import Beside

NOWHERE = "0123456789abcdef" * 2


class Keystone:
    """The Identity service, as an admin."""

    def __init__(self, cloud: Cloud, session: Any) -> None:
        self.url = cloud.urls["identity"]
        self.session = session

    def make(self, kind: str, **fields: Any) -> str:
        answer = self.session.post(f"{self.url}/{kind}s", json={kind: fields})
        return str(answer.json()[kind]["id"])

    def remove(self, kind: str, identifier: str) -> None:
        if kind == "domain":
            disabled = {"domain": {"enabled": False}}
            self.session.patch(f"{self.url}/domains/{identifier}", json=disabled)
        self.session.delete(f"{self.url}/{kind}s/{identifier}", raise_exc=False)

    def find(self, kind: str, name: str) -> str:
        found = self.session.get(f"{self.url}/{kind}s", params={"name": name}).json()
        return str(found[f"{kind}s"][0]["id"])


@pytest.fixture
def keystone(cloud: Cloud, session: Callable[[str], Any]) -> Keystone:
    return Keystone(cloud, session("admin"))


@pytest.fixture
def domain(keystone: Keystone) -> Iterator[str]:
    """The name of another domain."""
    name = f"domain-{uuid.uuid4().hex[:8]}"
    made = keystone.make("domain", name=name)
    yield name
    keystone.remove("domain", made)


@pytest.fixture
def other_demo(keystone: Keystone, domain: str) -> str:
    """Another project of the name demo; it goes with its domain."""
    return keystone.make("project", name="demo", domain_id=keystone.find("domain", domain))


@pytest.fixture
def gone(keystone: Keystone, beside: Beside) -> tuple[str, str]:
    """A project that is gone, and an image of it."""
    project = keystone.make("project", name=beside.name("project"))
    image = beside.v1(
        "POST",
        "/images",
        headers={"x-image-meta-name": beside.name(), "x-image-meta-owner": project},
    ).json()["image"]["id"]
    beside.v1("PUT", f"/images/{image}/members/{project}")
    keystone.remove("project", project)
    return project, image


FILTERED = (
    ("list",),
    ("usage",),
    ("export", "--dry-run", "<directory>"),
    ("copy", "--dry-run", "--to-cloud", "target"),
    ("compare", "--with", "v2"),
)


@pytest.mark.parametrize("command", FILTERED, ids=lambda words: words[0])
@pytest.mark.parametrize("option", ["--project", "--shared-with"])
def test_a_filter_is_no_name_that_cannot_be_looked_up(
    openstack: Any, count: Any, tmp_path: Path, command: tuple[str, ...], option: str
) -> None:
    directory = tmp_path / "export"
    words = [word.replace("<directory>", str(directory)) for word in command]
    with count("image") as requests:
        done = openstack("image", "v1", *words, option, "other", cloud="demo")
    assert done.status == 1
    assert "Project 'other' cannot be looked up: the Identity service does not let this" in done.err
    assert "(HTTP 403, request req-" in done.err
    assert done.out == ""
    assert requests == []
    assert not directory.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("create", "<name>", "--project", "other"),
        ("set", "<image>", "--project", "other"),
        ("add", "project", "<image>", "other"),
        ("member", "set", "<image>", "demo", "other"),
    ],
    ids=" ".join,
)
def test_nothing_is_given_to_a_name_that_cannot_be_looked_up(
    openstack: Any, beside: Beside, count: Any, words: tuple[str, ...]
) -> None:
    image = openstack("image", "v1", "create", beside.name(), "-f", "json", cloud="demo").json["id"]
    argv = [word.replace("<image>", image).replace("<name>", beside.name("b")) for word in words]
    with count("image") as requests:
        done = openstack("image", "v1", *argv, cloud="demo")
    assert done.status == 1
    assert "Project 'other' cannot be looked up" in done.err
    assert done.err.count("\n") == 1
    assert requests == []


def test_own_projects_have_names(openstack: Any, beside: Beside, cloud: Cloud) -> None:
    made = openstack(
        *("image", "v1", "create", beside.name(), "--project", "demo", "-f", "json"), cloud="demo"
    )
    assert made.json["owner"] == cloud.projects["demo"]
    found = openstack("image", "v1", "list", "--project", "demo", "-f", "json", cloud="demo").json
    assert made.json["id"] in [row["ID"] for row in found]
    # What is in the form of an ID is one.
    other = cloud.projects["other"]
    assert openstack("image", "v1", "list", "--project", other, cloud="demo").status == 0
    added = openstack("image", "v1", "add", "project", made.json["id"], other, cloud="demo")
    assert added.status == 0, added.err


def test_images_of_a_project_that_is_gone(
    openstack: Any, beside: Beside, gone: tuple[str, str], tmp_path: Path
) -> None:
    project, image = gone
    for user in ("admin", "demo"):
        for option in ("--project", "--shared-with"):
            done = openstack(
                "image", "v1", "list", "--all", option, project, "-f", "json", cloud=user
            )
            found = [row["ID"] for row in done.json]
            assert found == ([image] if user == "admin" else [])
    done = openstack(
        *("image", "v1", "export", "--metadata-only", "--project", project),
        *(str(tmp_path / "export"), "-f", "json"),
    )
    assert done.json["images"] == 1
    # It may stay a member, and may be none any more.
    assert openstack("image", "v1", "member", "set", image, project, "demo").status == 0
    assert openstack("image", "v1", "remove", "project", image, project).status == 0
    done = openstack("image", "v1", "member", "set", image, project)
    assert done.status == 1
    assert f"No project has the ID '{project}'" in done.err


@pytest.mark.parametrize("words", [("set", "--project"), ("add", "project")], ids=" ".join)
def test_nothing_is_given_to_a_project_that_is_gone(
    openstack: Any, beside: Beside, gone: tuple[str, str], words: tuple[str, ...]
) -> None:
    project, image = gone
    argv = [*words, project, image] if "set" in words else [*words, image, project]
    done = openstack("image", "v1", *argv)
    assert done.status == 1
    assert f"No project has the ID '{project}', the Identity service says" in done.err


def test_two_projects_of_one_name(
    openstack: Any, beside: Beside, cloud: Cloud, other_demo: str, domain: str, tmp_path: Path
) -> None:
    demo = cloud.projects["demo"]
    done = openstack("image", "v1", "create", beside.name(), "--project", "demo")
    assert done.status == 1
    assert "2 projects have the name 'demo', use an ID instead, or --project-domain: " in done.err
    assert f"{demo} in domain Default (default)" in done.err
    assert f"{other_demo} in domain {domain} (" in done.err
    of_domain = ("demo", "--project-domain", domain)
    made = openstack(
        *("image", "v1", "create", beside.name(), "-f", "json", "--project", *of_domain)
    ).json
    assert made["owner"] == other_demo
    assert openstack("image", "v1", "add", "project", made["id"], *of_domain).status == 0
    listed = openstack("image", "v1", "list", "-f", "json", "--shared-with", *of_domain).json
    assert [row["ID"] for row in listed] == [made["id"]]
    assert openstack("image", "v1", "remove", "project", made["id"], *of_domain).status == 0
    assert openstack("image", "v1", "member", "set", made["id"], *of_domain).status == 0
    changed = ("demo", "--project-domain", "Default")
    assert openstack("image", "v1", "set", made["id"], "--project", *changed).status == 0
    assert beside.v2(made["id"])["owner"] == demo
    for words in FILTERED:
        argv = [word.replace("<directory>", str(tmp_path / "export")) for word in words]
        assert "2 projects" in openstack("image", "v1", *argv, "--project", "demo").err
        done = openstack("image", "v1", *argv, "--project", *of_domain)
        assert "2 projects" not in done.err
        assert (done.status, done.err.count("\n")) == (0, done.err.count("\n")), done.err
    pairs = tmp_path / "map.csv"
    pairs.write_text("demo,demo\n")
    mapped = ("copy", "--dry-run", "--to-cloud", "target", "--project-map", str(pairs))
    done = openstack("image", "v1", *mapped)
    assert "use an ID instead: " in done.err


def test_a_domain_is_no_project(openstack: Any) -> None:
    done = openstack("image", "v1", "list", "--project", "default")
    assert (done.status, done.out) == (1, "")
    assert "No project has the name or ID 'default'" in done.err


@pytest.fixture
def logged_in(openstack: Any, cloud: Cloud, keystone: Keystone) -> Iterator[Callable[..., Any]]:
    """Run a command as an admin who is logged in to a domain, the system, or nothing."""
    role, user = keystone.find("role", "admin"), keystone.find("user", "admin")
    granted = [
        f"{keystone.url}/system/users/{user}/roles/{role}",
        f"{keystone.url}/domains/default/users/{user}/roles/{role}",
    ]
    for url in granted:
        keystone.session.put(url)
    scopes = {
        "system": ("--os-system-scope", "all"),
        "domain": ("--os-domain-name", "Default"),
        "nothing": ("--os-image-v1-endpoint-override", cloud.urls["image"]),
    }

    def run(scope: str, *argv: str) -> Any:
        who = (
            *("--os-auth-url", cloud.urls["identity"], "--os-identity-api-version", "3"),
            *("--os-username", "admin", "--os-password", password_of("admin")),
            *("--os-user-domain-name", "Default", "--os-region-name", "RegionOne"),
        )
        return openstack(*who, *scopes[scope], *argv, cloud=None)

    yield run
    for url in granted:
        keystone.session.delete(url)


def seen_without_a_project(rows: list[dict[str, Any]]) -> bool:
    """Public images, and for Glance those too that anybody is a member of, or that are nobody's."""
    odd = {row["Name"] for row in rows if row["Visibility"] != "public" and row["Project"]}
    return len(rows) > 90 and odd <= {"other-shared", "demo-shared", "demo-shared-on"}


@pytest.mark.parametrize("scope", ["system", "domain"])
def test_an_admin_of_more_than_a_project(
    logged_in: Any, beside: Beside, count: Any, cloud: Cloud, scope: str
) -> None:
    with count("image") as requests:
        done = logged_in(scope, "image", "v1", "create", beside.name())
    assert done.status == 1
    called = "the whole system" if scope == "system" else "a domain"
    assert f"You are logged in to no project, but to {called}: a new image would belong" in done.err
    assert requests == []
    made = logged_in(
        scope, "image", "v1", "create", beside.name(), "--project", "demo", "-f", "json"
    )
    assert made.json["owner"] == cloud.projects["demo"]
    listed = logged_in(scope, "image", "v1", "list", "--long", "-f", "json")
    assert listed.err == ""
    assert seen_without_a_project(listed.json)
    everything = logged_in(scope, "image", "v1", "list", "--all", "-f", "json").json
    assert made.json["id"] in [row["ID"] for row in everything]


def test_a_domain_tells_of_its_own_projects_alone(
    logged_in: Any, beside: Beside, other_demo: str
) -> None:
    """Owners of which it does not tell are not gone."""
    beside.v1(
        "POST",
        "/images",
        headers={"x-image-meta-name": beside.name(), "x-image-meta-owner": other_demo},
    )
    done = logged_in(
        "domain",
        "image",
        "v1",
        "usage",
        "--all",
        "--problems",
        "--name",
        beside.name(),
        "-f",
        "json",
    )
    assert [row["Problem"] for row in done.json if "owner" in row["Problem"]] == []


def test_who_is_logged_in_to_nothing(logged_in: Any, beside: Beside, count: Any) -> None:
    for more in ((), ("--project", NOWHERE)):
        with count("image") as requests:
            done = logged_in("nothing", "image", "v1", "create", beside.name(), *more)
        assert done.status == 1
        assert "You are logged in to no project: a new image would belong to nobody" in done.err
        assert requests == []
    listed = logged_in("nothing", "image", "v1", "list", "--all", "--long", "-f", "json")
    assert seen_without_a_project(listed.json)
    assert listed.err.count("but none of your projects") == 1


def test_nothing_is_copied_into_a_cloud_for_nobody(
    logged_in: Any, openstack: Any, cloud: Cloud, tmp_path: Path, monkeypatch: Any, count: Any
) -> None:
    text = (
        cloud.clouds_yaml.read_text()
        + f"""
  unscoped:
    auth:
      auth_url: {cloud.urls["identity"]}
      username: admin
      password: {password_of("admin")}
      user_domain_name: Default
    region_name: RegionOne
    image_endpoint_override: {cloud.urls["target-image"]}
"""
    )
    (tmp_path / "clouds.yaml").write_text(text)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    with count("target-image") as requests:
        done = openstack("image", "v1", "copy", "--to-cloud", "unscoped", "--all")
    assert done.status == 1
    assert "You are logged in to no project in cloud 'unscoped': a new image would" in done.err
    assert requests == []
    assert openstack("image", "v1", "export", "--metadata-only", str(tmp_path / "export")).out
    with count("image") as requests:
        done = logged_in("nothing", "image", "v1", "import", str(tmp_path / "export"))
    assert done.status == 1
    assert "You are logged in to no project: a new image would belong to nobody" in done.err
    assert requests == []


def client_of(cloud: Cloud, service: str, auth: Any) -> ImageClient:
    session = ksa_session.Session(auth)
    url = cloud.urls[service]
    return ImageClient(ksa_adapter.Adapter(session, service_type="image", endpoint_override=url))


def test_a_token_that_cannot_be_renewed(cloud: Cloud) -> None:
    auth = v3.Token(cloud.urls["identity"], NOWHERE, project_id=cloud.projects["demo"])
    with pytest.raises(Unauthorized, match="the token has run out or is not valid any more"):
        list(client_of(cloud, "image-strict", auth).images())


def test_a_token_that_has_run_out_where_everybody_may_read(cloud: Cloud) -> None:
    client = client_of(cloud, "image", token_endpoint.Token(cloud.urls["image"], NOWHERE))
    assert list(client.images())
    with pytest.raises(Unauthorized, match="the service takes you for nobody") as caught:
        client.create(ImageFields(name="nobody's"))
    assert isinstance(caught.value, Forbidden)
    assert caught.value.status == 403
