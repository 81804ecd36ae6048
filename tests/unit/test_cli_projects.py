"""Projects by name or ID, asked of a Keystone on requests-mock."""

import re
from types import SimpleNamespace

import pytest
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import fixture
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v2, v3
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


def test_names_of_projects_without_an_identity_service(manager):
    manager.sdk_connection = SimpleNamespace(identity=object())
    names = ProjectNames(manager)
    assert names.get("p1") is None
    assert names.get("p2") is None
    assert all_projects(manager) is None


TENANTS = f"{KEYSTONE}/v2.0/tenants"


@pytest.fixture
def old_manager(requests_mock):
    """A cloud with the Identity API v2 alone, where projects are tenants."""
    token = fixture.V2Token(token_id="t", tenant_id="p0", tenant_name="mine")
    token.add_service("identity").add_endpoint(f"{KEYSTONE}/v2.0", region="RegionOne")
    discovery = fixture.DiscoveryList(href=KEYSTONE, v3=False)
    requests_mock.get(KEYSTONE, json=discovery, status_code=300)
    requests_mock.get(f"{KEYSTONE}/v2.0", json={"version": fixture.V2Discovery(f"{KEYSTONE}/v2.0")})
    requests_mock.post(f"{KEYSTONE}/v2.0/tokens", json=token)
    tenants = [{"id": "p0", "name": "mine"}, {"id": "p1", "name": "demo"}]
    requests_mock.get(TENANTS, json={"tenants": tenants, "tenants_links": []})
    requests_mock.get(re.compile(f"{TENANTS}/.*"), status_code=404)
    auth = v2.Password(f"{KEYSTONE}/v2.0", username="u", password="p", tenant_name="mine")
    shell = Shell(ksa_session.Session(auth))
    connection = Connection(session=shell.client_manager.session, region_name="RegionOne")
    shell.client_manager.sdk_connection = connection
    with connection:
        yield shell.client_manager


@pytest.mark.parametrize("text", ["demo", "p1"])
def test_a_tenant(old_manager, text):
    assert project_id(old_manager, text) == "p1"


def test_a_tenant_of_others_is_an_id(old_manager, caplog):
    assert project_id(old_manager, "b" * 32) == "b" * 32
    assert not caplog.messages
    assert project_id(old_manager, "elsewhere") == "elsewhere"
    assert "'elsewhere' is taken for a project's ID" in caplog.text


def test_names_of_tenants(old_manager):
    names = ProjectNames(old_manager)
    assert [names.get(project) for project in ("p0", "p1", "p2")] == ["mine", "demo", None]
    # Not all of them are known to be there.
    assert all_projects(old_manager) is None


def test_tenants_that_this_user_may_not_list(old_manager, requests_mock):
    requests_mock.get(TENANTS, status_code=403)
    assert ProjectNames(old_manager).get("p1") is None
    assert project_id(old_manager, "demo") == "demo"
