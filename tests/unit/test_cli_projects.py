"""Projects by name or ID, asked of a Keystone on requests-mock."""

import re
from types import SimpleNamespace

import pytest
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import fixture
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v3
from openstack.connection import Connection

from osc_image_v1.cli.projects import ProjectNames, all_projects, project_id
from osc_image_v1.exceptions import InvalidInput
from tests.unit.conftest import Shell

KEYSTONE = "http://keystone.example:5000"
PROJECTS = f"{KEYSTONE}/v3/projects"


@pytest.fixture
def manager(requests_mock):
    token = fixture.V3Token()
    token.set_project_scope()
    token.add_service("identity").add_standard_endpoints(
        public=f"{KEYSTONE}/v3", region="RegionOne"
    )
    discovery = fixture.DiscoveryList(href=KEYSTONE, v2=False)
    requests_mock.get(KEYSTONE, json=discovery, status_code=300)
    requests_mock.get(f"{KEYSTONE}/v3", json={"version": fixture.V3Discovery(f"{KEYSTONE}/v3")})
    requests_mock.post(f"{KEYSTONE}/v3/auth/tokens", json=token, headers={"X-Subject-Token": "t"})
    auth = v3.Password(
        f"{KEYSTONE}/v3", username="u", password="p", user_domain_id="d", project_id="p0"
    )
    shell = Shell(ksa_session.Session(auth))
    connection = Connection(session=shell.client_manager.session, region_name="RegionOne")
    shell.client_manager.sdk_connection = connection
    with connection:
        yield shell.client_manager


def test_a_project_by_its_id(manager, requests_mock):
    requests_mock.get(f"{PROJECTS}/p1", json={"project": {"id": "p1", "name": "demo"}})
    assert project_id(manager, "p1") == "p1"


def test_a_project_by_its_name(manager, requests_mock):
    requests_mock.get(f"{PROJECTS}/demo", status_code=404)
    requests_mock.get(PROJECTS, json={"projects": [{"id": "p1", "name": "demo"}]})
    assert project_id(manager, "demo") == "p1"


def test_no_such_project(manager, requests_mock):
    requests_mock.get(f"{PROJECTS}/demo%1B", status_code=404)
    requests_mock.get(f"{PROJECTS}/demo\x1b", status_code=404)
    requests_mock.get(PROJECTS, json={"projects": []})
    with pytest.raises(InvalidInput, match=r"^No project has the name or ID 'demo\\x1b'$"):
        project_id(manager, "demo\x1b")


def test_several_projects_of_one_name(manager, requests_mock):
    requests_mock.get(f"{PROJECTS}/demo", status_code=404)
    same = [{"id": f"p{number}", "name": "demo"} for number in range(2)]
    requests_mock.get(PROJECTS, json={"projects": same})
    with pytest.raises(
        InvalidInput, match=r"^Several projects have the name 'demo', use an ID instead$"
    ):
        project_id(manager, "demo")


def test_what_this_user_may_not_look_up_is_an_id(manager, requests_mock):
    requests_mock.get(f"{PROJECTS}/demo", status_code=403)
    requests_mock.get(PROJECTS, status_code=403)
    assert project_id(manager, "demo") == "demo"


def test_without_an_identity_service_it_is_an_id(manager, requests_mock):
    requests_mock.get(f"{PROJECTS}/demo", exc=ksa_exceptions.ConnectFailure)
    assert project_id(manager, "demo") == "demo"


@pytest.mark.parametrize(
    ("text", "said"),
    [("other\x1b", True), ("a" * 32, False), ("00000000-0000-0000-0000-000000000000", False)],
)
def test_what_does_not_look_like_an_id_is_said(manager, requests_mock, caplog, text, said):
    requests_mock.get(re.compile(f"{PROJECTS}.*"), status_code=403)
    assert project_id(manager, text) == text
    warnings = [r.getMessage() for r in caplog.records if r.name == "osc_image_v1.cli.projects"]
    message = (
        "The Identity service does not let this user look projects up: 'other\\x1b' is taken for a "
        "project's ID"
    )
    assert warnings == ([message] if said else [])


def test_the_own_project_has_a_name(manager, requests_mock):
    requests_mock.get(re.compile(f"{PROJECTS}.*"), status_code=403)
    manager.auth_ref = SimpleNamespace(project_id="p0", project_name="mine")
    assert project_id(manager, "mine") == "p0"


def test_a_cloud_without_an_identity_service(manager, caplog):
    manager.sdk_connection = SimpleNamespace(identity=object())
    assert project_id(manager, "demo") == "demo"
    assert "'demo' is taken for a project's ID" in caplog.text


def test_names_of_projects_on_a_cloud_with_an_old_identity_service(manager):
    """Of its projects openstacksdk speaks as tenants."""
    manager.sdk_connection = SimpleNamespace(identity=object())
    names = ProjectNames(manager)
    assert names.get("p1") is None
    assert names.get("p2") is None
    assert all_projects(manager) is None
