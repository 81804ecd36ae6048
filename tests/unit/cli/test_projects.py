"""Projects by name or ID, asked of a Keystone on requests-mock."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import fixture
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v2, v3
from openstack.connection import Connection

from osc_image_v1.cli.identity import Project
from osc_image_v1.cli.projects import GoneProject, ProjectNames, all_projects, project_id
from osc_image_v1.exceptions import ImageV1Error, InvalidInput
from tests.unit.conftest import Shell
from tests.unit.keystone import Keystone, manager_of

KEYSTONE = "http://keystone.example:5000"
PROJECTS = f"{KEYSTONE}/v3/projects"
DOMAINS = f"{KEYSTONE}/v3/domains"
OWN = f"{KEYSTONE}/v3/auth/projects"
REFUSED = {"status_code": 403, "headers": {"X-Openstack-Request-Id": "req-1"}}
# In the form of an ID.
SOME, HYPHENS = "a" * 32, "00000000-0000-4000-8000-000000000000"


def connected(auth):
    shell = Shell(ksa_session.Session(auth))
    connection = Connection(session=shell.client_manager.session, region_name="RegionOne")
    connection.config.config["region_name"] = "RegionOne"
    shell.client_manager.sdk_connection = connection
    return shell.client_manager


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
    known = connected(auth)
    with known.sdk_connection:
        yield known


@pytest.fixture
def secretive(manager, requests_mock):
    """A cloud that lets this user look up nothing but the own projects."""
    requests_mock.get(re.compile(f"{PROJECTS}|{DOMAINS}"), **REFUSED)
    own = [
        {"id": "p1", "name": "mine", "domain_id": "d1"},
        {"id": "p2", "name": "mine", "domain_id": "d2"},
        {"id": "p3", "name": "also mine", "domain_id": "d1"},
    ]
    requests_mock.get(OWN, json={"projects": own})
    return manager


def owner(**fields):
    """What the Identity service said of a token."""
    names = ("project", "project_domain", "user_domain", "domain")
    unset = {f"{name}_{end}": None for name in names for end in ("id", "name")}
    return SimpleNamespace(**{**unset, "domain_scoped": False, **fields})


class TestByIdAndName:
    def test_by_its_id(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/p1", json={"project": {"id": "p1", "name": "demo"}})
        assert project_id(manager, "p1") == "p1"

    def test_by_its_id_in_another_case(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/{SOME.upper()}", json={"project": {"id": SOME}})
        assert project_id(manager, SOME.upper()) == SOME

    def test_by_its_name(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/demo", status_code=404)
        requests_mock.get(PROJECTS, json={"projects": [{"id": "p1", "name": "demo"}]})
        assert project_id(manager, "demo") == "p1"

    @pytest.mark.parametrize("name", ["a/b?c#d", "../domains/default", "ü ö", "50%"])
    def test_a_name_leads_nowhere_else(self, manager, requests_mock, name):
        requests_mock.get(re.compile(f"{PROJECTS}/.*"), status_code=404)
        requests_mock.get(PROJECTS, json={"projects": [{"id": "p1", "name": name}]})
        assert project_id(manager, name) == "p1"
        by_id, by_name = (r for r in requests_mock.request_history if "/v3/projects" in r.url)
        assert by_id.path.count("/") == 3
        assert "?" not in by_id.url
        assert "name=" in by_name.url

    @pytest.mark.parametrize("name", [".", ".."])
    def test_what_can_be_no_id_is_a_name(self, manager, requests_mock, name):
        requests_mock.get(PROJECTS, json={"projects": [{"id": "p1", "name": name}]})
        assert project_id(manager, name) == "p1"

    def test_names_are_compared_exactly(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/demo", status_code=404)
        requests_mock.get(PROJECTS, json={"projects": [{"id": "p1", "name": "Demo"}]})
        with pytest.raises(InvalidInput, match="No project has the name or ID 'demo'"):
            project_id(manager, "demo")

    def test_no_such_project(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/demo%1B", status_code=404)
        requests_mock.get(PROJECTS, json={"projects": []})
        with pytest.raises(InvalidInput, match=r"^No project has the name or ID 'demo\\x1b'$"):
            project_id(manager, "demo\x1b")

    def test_a_domain_is_no_project(self, manager, requests_mock):
        domain = {"id": "default", "name": "Default", "is_domain": True}
        requests_mock.get(f"{PROJECTS}/default", json={"project": domain})
        requests_mock.get(PROJECTS, json={"projects": []})
        with pytest.raises(InvalidInput, match="No project"):
            project_id(manager, "default")

    def test_the_own_id_is_not_asked_for(self, manager, requests_mock):
        manager.auth_ref = owner(project_id="p0", project_name="mine")
        assert project_id(manager, "p0") == "p0"
        assert requests_mock.call_count == 0


class TestNotThere:
    @pytest.mark.parametrize("text", [SOME, HYPHENS])
    def test_images_of_a_project_that_is_gone(self, manager, requests_mock, text):
        requests_mock.get(f"{PROJECTS}/{text}", status_code=404)
        requests_mock.get(PROJECTS, json={"projects": []})
        assert project_id(manager, text, gone=True) == text

    def test_nothing_is_given_to_a_project_that_is_gone(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/{SOME}", status_code=404)
        requests_mock.get(PROJECTS, json={"projects": []})
        with pytest.raises(GoneProject, match=f"No project has the ID '{SOME}'") as caught:
            project_id(manager, SOME)
        assert caught.value.project == SOME


class TestNotToBeLookedUp:
    @pytest.mark.parametrize("gone", [False, True])
    def test_a_name_is_no_id(self, secretive, gone):
        with pytest.raises(
            InvalidInput,
            match=r"^Project 'other\\x1b' cannot be looked up: the Identity service does not let "
            r"this user do so \(HTTP 403, request req-1\); give the project's ID, of 32",
        ):
            project_id(secretive, "other\x1b", gone=gone)

    @pytest.mark.parametrize("gone", [False, True])
    @pytest.mark.parametrize("text", [SOME, SOME.upper(), HYPHENS])
    def test_an_id_is_one(self, secretive, text, gone):
        assert project_id(secretive, text, gone=gone) == text

    @pytest.mark.parametrize("text", ["a" * 31, "a" * 33, "g" * 32, SOME + "\n", "1234"])
    def test_what_only_resembles_an_id_is_none(self, secretive, text):
        with pytest.raises(InvalidInput, match="cannot be looked up"):
            project_id(secretive, text, gone=True)

    def test_where_projects_are_counted_a_number_is_an_id(self, secretive):
        secretive.auth_ref = owner(project_id="1001", project_name="mine")
        assert project_id(secretive, "1002") == "1002"
        with pytest.raises(InvalidInput):
            project_id(secretive, "other")

    def test_own_projects_have_names(self, secretive):
        assert project_id(secretive, "also mine") == "p3"
        with pytest.raises(InvalidInput, match="2 projects have the name 'mine'"):
            project_id(secretive, "mine")

    def test_the_own_project_has_a_name(self, secretive, requests_mock):
        requests_mock.get(OWN, status_code=404)
        secretive.auth_ref = owner(project_id="p0", project_name="mine", project_domain_id="d0")
        assert project_id(secretive, "mine") == "p0"

    def test_a_service_that_fails(self, manager, requests_mock):
        requests_mock.get(re.compile(f"{PROJECTS}.*"), status_code=500)
        requests_mock.get(OWN, status_code=500)
        with pytest.raises(InvalidInput, match=r"does not answer that \(HTTP 500\)"):
            project_id(manager, "demo")

    @pytest.mark.parametrize("text", ["[1]", "no JSON"])
    def test_an_answer_that_is_none(self, manager, requests_mock, text):
        requests_mock.get(re.compile(f"{PROJECTS}.*"), text=text)
        requests_mock.get(OWN, text=text)
        with pytest.raises(InvalidInput, match="'demo' cannot be looked up"):
            project_id(manager, "demo")

    def test_a_redirect_gets_no_token(self, manager, requests_mock):
        there = {"Location": "http://elsewhere.example/"}
        requests_mock.get(re.compile(f"{PROJECTS}.*"), status_code=302, headers=there)
        requests_mock.get(OWN, status_code=302, headers=there)
        with pytest.raises(InvalidInput, match="HTTP 302"):
            project_id(manager, "demo")
        assert not [r for r in requests_mock.request_history if "elsewhere" in r.url]


class TestWithoutAnIdentityService:
    @pytest.fixture(params=["silent", "none", "unknown", "broken"])
    def alone(self, request):
        if request.param == "silent":
            return manager_of(Keystone({}, *[ksa_exceptions.ConnectFailure("no\x1bway")] * 9))
        if request.param == "none":
            return manager_of(Keystone({"p1": "demo"}), auth_type="none")
        return manager_of(object())

    def test_a_name_is_refused(self, alone):
        with pytest.raises(InvalidInput, match="Project 'demo' cannot be looked up: the"):
            project_id(alone, "demo")

    def test_an_id_is_taken(self, alone):
        assert project_id(alone, SOME) == SOME

    def test_names(self, alone):
        names = ProjectNames(alone)
        assert names.get("p1") is None
        assert names.get("p2") is None
        assert all_projects(alone) is None


def test_names_of_several_projects_are_asked_for_at_a_time_and_each_once(monkeypatch):
    asked = []
    together = threading.Barrier(3)

    def get(project):
        asked.append(project)
        if project != "p0":
            together.wait(60)
        return Project(project, f"name of {project}")

    identity = SimpleNamespace(get=get)
    monkeypatch.setattr("osc_image_v1.cli.identity.identity_of", lambda _manager: identity)
    names = ProjectNames(None)
    assert names.get("p0") == "name of p0"
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(names.get, ["p1", "p2", "p3", "p0", "p1", "p2"]))
    assert found == [f"name of p{number}" for number in (1, 2, 3, 0, 1, 2)]
    assert sorted(asked) == ["p0", "p1", "p2", "p3"]


def test_a_name_that_nobody_could_tell_is_asked_for_again(monkeypatch):
    answers = [ImageV1Error("no"), Project("p1", "one")]

    def get(_project):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    identity = SimpleNamespace(get=get)
    monkeypatch.setattr("osc_image_v1.cli.identity.identity_of", lambda _manager: identity)
    names = ProjectNames(None)
    with pytest.raises(ImageV1Error):
        names.get("p1")
    assert names.get("p1") == "one"


class TestDomains:
    @pytest.fixture(autouse=True)
    def domains(self, manager, requests_mock):
        requests_mock.get(f"{PROJECTS}/demo", status_code=404)
        self.same = [
            {"id": f"p{number}", "name": "demo", "domain_id": f"d{number}"} for number in (1, 2)
        ]
        requests_mock.get(PROJECTS, json=self.listed)
        requests_mock.get(re.compile(f"{DOMAINS}/.*"), status_code=404)
        requests_mock.get(f"{DOMAINS}/d1", json={"domain": {"id": "d1", "name": "one\x1b"}})
        requests_mock.get(DOMAINS, json={"domains": [{"id": "d2", "name": "two"}]})
        self.project = {"id": "p1", "name": "demo", "domain_id": "d1"}
        requests_mock.get(f"{PROJECTS}/p1", json={"project": self.project})

    def listed(self, request, _context):
        wanted = request.qs.get("domain_id")
        # Not every service knows each parameter.
        return {"projects": [p for p in self.same if wanted is None or p["id"] == "p1"] * 1}

    def test_several_projects_of_one_name(self, manager):
        with pytest.raises(
            InvalidInput,
            match=r"^2 projects have the name 'demo', use an ID instead, or --project-domain: p1 "
            r"in domain one\\x1b \(d1\), p2 in domain d2$",
        ):
            project_id(manager, "demo")

    def test_where_no_domain_can_be_given(self, manager):
        with pytest.raises(InvalidInput, match=r"use an ID instead: p1 in"):
            project_id(manager, "demo", domain_option=False)

    def test_very_many_projects_of_one_name(self, manager):
        self.same *= 6
        with pytest.raises(InvalidInput, match=r"^12 projects .* p2 in domain d2, \.\.\.$"):
            project_id(manager, "demo")

    @pytest.mark.parametrize(("domain", "found"), [("d1", "p1"), ("two", None)])
    def test_the_one_of_a_domain(self, manager, domain, found):
        if found:
            assert project_id(manager, "demo", domain) == found
            return
        with pytest.raises(InvalidInput, match="No project has the name or ID 'demo'"):
            project_id(manager, "demo", domain)

    def test_no_such_domain(self, manager):
        with pytest.raises(InvalidInput, match=r"^No domain has the name or ID 'three'$"):
            project_id(manager, "demo", "three")

    def test_an_id_of_another_domain(self, manager):
        assert project_id(manager, "p1", "d1") == "p1"
        self.same.clear()
        with pytest.raises(InvalidInput, match=r"^Project p1 is not in domain 'two'$"):
            project_id(manager, "p1", "two")

    def test_domains_that_this_user_may_not_look_up(self, manager, requests_mock):
        requests_mock.get(re.compile(f"{DOMAINS}.*"), **REFUSED)
        with pytest.raises(InvalidInput, match=r"^Domain 'one' cannot be looked up: .*HTTP 403"):
            project_id(manager, "demo", "one")
        manager.auth_ref = owner(project_id="p0", user_domain_id="d1", user_domain_name="one")
        assert project_id(manager, "demo", "one") == project_id(manager, "demo", "d1") == "p1"


class TestAll:
    @pytest.fixture(autouse=True)
    def projects(self, requests_mock):
        self.document = {"projects": [{"id": "p1", "name": "demo"}]}
        requests_mock.get(PROJECTS, json=lambda *_: self.document)

    def test_all(self, manager):
        assert all_projects(manager) == {"p1": "demo"}

    def test_a_list_that_is_cut_off_is_not_all(self, manager):
        self.document["truncated"] = True
        assert all_projects(manager) is None
        assert all_projects(manager, whole=False) == {"p1": "demo"}

    def test_those_of_a_domain_are_not_all(self, manager):
        manager.auth_ref = owner(domain_id="d1", domain_scoped=True)
        assert all_projects(manager) is None
        assert all_projects(manager, whole=False) == {"p1": "demo"}

    def test_what_this_user_may_not_list(self, manager, requests_mock):
        requests_mock.get(PROJECTS, status_code=403)
        assert all_projects(manager) is None


PUBLIC, ADMIN = f"{KEYSTONE}/v2.0/tenants", "http://keystone.example:35357/v2.0/tenants"


@pytest.fixture
def old_manager(requests_mock):
    """A cloud with the Identity API v2 alone, where projects are tenants."""
    token = fixture.V2Token(token_id="t", tenant_id="p0", tenant_name="mine")
    token.add_service("identity").add_endpoint(
        f"{KEYSTONE}/v2.0", admin="http://keystone.example:35357/v2.0", region="RegionOne"
    )
    discovery = fixture.DiscoveryList(href=KEYSTONE, v3=False)
    requests_mock.get(KEYSTONE, json=discovery, status_code=300)
    requests_mock.get(f"{KEYSTONE}/v2.0", json={"version": fixture.V2Discovery(f"{KEYSTONE}/v2.0")})
    requests_mock.post(f"{KEYSTONE}/v2.0/tokens", json=token)
    own = [{"id": "p0", "name": "mine"}, {"id": "p1", "name": "demo"}]
    requests_mock.get(PUBLIC, json={"tenants": own, "tenants_links": []})
    requests_mock.get(re.compile(f"{PUBLIC}/.*"), status_code=404)
    auth = v2.Password(f"{KEYSTONE}/v2.0", username="u", password="p", tenant_name="mine")
    known = connected(auth)
    known.auth_ref = owner(project_id="p0", project_name="mine")
    with known.sdk_connection:
        yield known


@pytest.fixture
def admin_endpoint(requests_mock):
    """Keystone's admin half: one tenant by ID or name, or all of them."""
    tenants = {"p0": "mine", "p1": "demo", "p2": "elsewhere"}
    documents = [{"id": one, "name": name} for one, name in tenants.items()]

    def listed(request, context):
        if "name" not in request.qs:
            return {"tenants": documents}
        found = [d for d in documents if d["name"] == request.qs["name"][0]]
        context.status_code = 200 if found else 404
        return {"tenant": found[0]} if found else {"error": {}}

    requests_mock.get(re.compile(f"{ADMIN}/.*"), status_code=404)
    for document in documents:
        requests_mock.get(f"{ADMIN}/{document['id']}", json={"tenant": document})
    requests_mock.get(ADMIN, json=listed)


class TestTenants:
    @pytest.mark.parametrize("text", ["demo", "p1"])
    def test_ones_own(self, old_manager, text):
        assert project_id(old_manager, text) == "p1"

    def test_that_of_the_token_is_not_asked_for(self, old_manager, requests_mock):
        assert project_id(old_manager, "mine") == "p0"
        assert not [r for r in requests_mock.request_history if "tenants" in r.url]

    @pytest.mark.usefixtures("admin_endpoint")
    @pytest.mark.parametrize("text", ["elsewhere", "p2"])
    def test_that_of_others(self, old_manager, text):
        assert project_id(old_manager, text) == "p2"

    @pytest.mark.usefixtures("admin_endpoint")
    def test_none(self, old_manager):
        with pytest.raises(InvalidInput, match="No project has the name or ID 'nowhere'"):
            project_id(old_manager, "nowhere")
        with pytest.raises(GoneProject):
            project_id(old_manager, SOME)
        assert project_id(old_manager, SOME, gone=True) == SOME

    @pytest.mark.usefixtures("admin_endpoint")
    def test_names(self, old_manager):
        names = ProjectNames(old_manager)
        assert [names.get(p) for p in ("p0", "p2", "p3")] == ["mine", "elsewhere", None]
        assert all_projects(old_manager) == {"p0": "mine", "p1": "demo", "p2": "elsewhere"}

    @pytest.fixture(params=["forbidden", "unreachable", "the other half"])
    def no_admin(self, request, requests_mock):
        if request.param == "unreachable":
            requests_mock.get(re.compile(f"{ADMIN}.*"), exc=ksa_exceptions.ConnectTimeout)
        elif request.param == "forbidden":
            requests_mock.get(re.compile(f"{ADMIN}.*"), status_code=403)
        else:
            requests_mock.get(re.compile(f"{ADMIN}/.*"), status_code=404)
            requests_mock.get(ADMIN, json={"tenants": [{"id": "p0", "name": "mine"}]})

    @pytest.mark.usefixtures("no_admin")
    def test_others_without_the_admin_endpoint(self, old_manager):
        assert project_id(old_manager, SOME) == SOME
        with pytest.raises(InvalidInput, match="'elsewhere' cannot be looked up: the Identity API"):
            project_id(old_manager, "elsewhere")
        names = ProjectNames(old_manager)
        assert [names.get(p) for p in ("p0", "p1", "p2")] == ["mine", "demo", None]
        assert all_projects(old_manager) is None
        assert all_projects(old_manager, whole=False) == {"p0": "mine", "p1": "demo"}

    def test_what_this_user_may_not_list(self, old_manager, requests_mock):
        requests_mock.get(PUBLIC, status_code=403)
        requests_mock.get(re.compile(f"{ADMIN}.*"), status_code=403)
        assert ProjectNames(old_manager).get("p1") is None
        with pytest.raises(InvalidInput):
            project_id(old_manager, "demo")

    def test_no_domains(self, old_manager):
        with pytest.raises(InvalidInput, match="The cloud's Identity API v2 has no domains"):
            project_id(old_manager, "demo", "default")
