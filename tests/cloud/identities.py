"""Users, projects, roles and the catalog, made through Keystone's API; those that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.cloud.configuration import password_of, urls
from tests.cloud.reports import CloudError

#: (user, project, roles). The admin of project admin is there already.
PEOPLE = (
    ("demo", "demo", ("member",)),
    ("other", "other", ("member",)),
    ("glance", "service", ("admin", "service")),
    ("nova", "service", ("admin", "service")),
)

#: (region, type, service's name, key in ``urls``)
CATALOG = (
    ("RegionOne", "image", "glance", "image"),
    ("RegionOne", "compute", "nova", "compute"),
    ("RegionTwo", "identity", "keystone", "identity"),
    ("RegionTwo", "image", "glance", "target-image"),
    ("RegionThree", "identity", "keystone", "identity"),
    ("RegionThree", "image", "glance", "old-target-image"),
)


def session(identity_url: str, user: str, project: str) -> Any:
    """A keystoneauth1 session that logs in with a password."""
    import requests
    from keystoneauth1 import session as ksa
    from keystoneauth1.identity import v3

    # Loopback is behind no proxy, whatever the environment says.
    plain = requests.Session()
    plain.trust_env = False

    auth = v3.Password(
        auth_url=identity_url,
        username=user,
        password=password_of(user),
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
    )
    return ksa.Session(auth=auth, session=plain, user_agent="tests.cloud")


def need_keystoneauth() -> None:
    """Say early that the Python which runs this lacks what the project depends on anyway."""
    try:
        import keystoneauth1  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        raise CloudError(
            f"{error}: making the cloud needs keystoneauth1 and requests in the Python that runs "
            "this, as the project does; install the project, or run this in one of tox's "
            "environments"
        ) from None


def make(ports: Mapping[str, int]) -> dict[str, str]:
    """Make them all; the projects' IDs by their names."""
    places = urls(ports)
    keystone = _Keystone(places["identity"])
    projects = {"admin": keystone.find("project", name="admin")["id"]}
    for name, project, roles in PEOPLE:
        in_default = {"domain_id": "default"}
        projects[project] = keystone.ensure("project", {"name": project, **in_default})["id"]
        user = keystone.ensure(
            "user",
            {"name": name, **in_default},
            password=password_of(name),
            default_project_id=projects[project],
        )
        for role in roles:
            granted = keystone.ensure("role", {"name": role})["id"]
            keystone.put(f"/projects/{projects[project]}/users/{user['id']}/roles/{granted}")
    known = {region["id"] for region in keystone.list("region", {})}
    for region in dict.fromkeys(row[0] for row in CATALOG):
        if region not in known:
            keystone.put(f"/regions/{region}", {"region": {"description": "a target of copies"}})
    for region, kind, name, key in CATALOG:
        service = keystone.ensure("service", {"type": kind, "name": name})
        for interface in ("public", "internal", "admin"):
            where = {"service_id": service["id"], "interface": interface, "region_id": region}
            keystone.ensure("endpoint", where, url=url_of(places, key, interface))
    return projects


def url_of(places: Mapping[str, str], key: str, interface: str) -> str:
    """Clouds with the Identity API v2 have that in their catalog, also where there is v3."""
    if key == "identity" and "identity-v2" in places:
        return places["identity-admin" if interface == "admin" else "identity-v2"]
    return places[key]


class _Keystone:
    """As much of a client as this takes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = session(url, "admin", "admin")

    def list(self, kind: str, query: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        answer = self.session.get(f"{self.url}/{kind}s", params=query)
        found: Iterable[dict[str, Any]] = answer.json()[f"{kind}s"]
        return found

    def find(self, kind: str, **query: str) -> dict[str, Any]:
        return next(iter(self.list(kind, query)))

    def ensure(self, kind: str, query: Mapping[str, str], **more: str) -> dict[str, Any]:
        for found in self.list(kind, query):
            return found
        body = {kind: {**query, **more}}
        made: dict[str, Any] = self.session.post(f"{self.url}/{kind}s", json=body).json()[kind]
        return made

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        self.session.put(self.url + path, json=body)
