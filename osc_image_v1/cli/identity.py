"""What an Identity service tells: what a user is logged in to, projects, and domains (v3 or v2)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import quote

from osc_image_v1.cli.clients import timeout_of
from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.i18n import _
from osc_image_v1.text import one_line, printable

LOG = logging.getLogger(__name__)

#: What a user is logged in to: a project, a domain, the whole system, or nothing at all.
Scope = Literal["project", "domain", "system", "nothing"]

# Seconds. The admin endpoint of the Identity API v2 is often out of reach for outsiders, and
# firewalls like to be silent.
_SHORT = 10.0


class Project(NamedTuple):
    """A project; ``domain_id`` is None in the Identity API v2."""

    id: str
    name: str
    domain_id: str | None = None


class Unknown(Exception):
    """The Identity service does not say whether there is such a project, or not to this user.

    The text is the reason, as the middle of a sentence.
    """


class OutOfReach(Unknown):
    """There is no Identity service, or it does not answer."""


class Identity(Protocol):
    """An Identity service."""

    def find(self, name_or_id: str, domain: str | None = None) -> list[Project]:
        """Return the project of that ID, else those of that name.

        :param domain: name or ID of the domain in which a name is looked for
        :raises Unknown: if there may be one that this user cannot know of
        """

    def get(self, project_id: str) -> Project | None:
        """Return a project, None where there is none.

        :raises Unknown: if this user cannot know
        """

    def all(self) -> tuple[list[Project], bool]:
        """Return projects, and whether these are all that there are.

        :raises Unknown: if this user may not list projects
        """

    def domain_name(self, domain_id: str, /) -> str | None:
        """Return a domain's name, None where this user cannot know it."""


def access_of(manager: Any) -> Any:
    """Return what the Identity service said of the token; None where there is no such service.

    :param manager: a client manager
    """
    return getattr(manager, "auth_ref", None)


def scope_of(manager: Any) -> Scope | None:
    """Return what a token is for, None where no Identity service has told.

    :param manager: a client manager
    """
    access = access_of(manager)
    if access is None:
        return None
    if access.project_id:
        return "project"
    if access.domain_scoped:
        return "domain"
    # keystoneauth1 5.0 looks for it in every token.
    with contextlib.suppress(KeyError):
        if access.system_scoped:
            return "system"
    return "nothing"


def tell_scope(manager: Any) -> None:
    """Tell the person what is seen without a project.

    :param manager: a client manager
    """
    scope = scope_of(manager)
    if scope == "nothing":
        LOG.warning(
            _(
                "You are logged in to no project: public images are seen, but none of your "
                "projects, if any service is found at all; --os-project-name logs in to one"
            )
        )
    elif scope in ("domain", "system"):
        LOG.info(
            _(
                "You are logged in to no project, but to a domain or the system: no private image "
                "is your own, --all shows those of all projects where you are an admin"
            )
        )


def check_owner(manager: Any, chosen: bool, how: str, cloud: str | None = None) -> None:
    """Refuse to make images that would belong to nobody, which everybody sees.

    :param manager: a client manager of the cloud where images are to be made
    :param chosen: whether their owner is chosen
    :param how: options that choose one
    :param cloud: the name of the cloud, if it is not the shell's own
    :raises InvalidInput: if new images would have no owner
    """
    scope = scope_of(manager)
    if scope in (None, "project") or (chosen and scope != "nothing"):
        return
    where = _(" in cloud '%s'") % printable(cloud) if cloud else ""
    if scope == "nothing":
        text = _(
            "You are logged in to no project%s: a new image would belong to nobody. Log in to a "
            "project"
        )
        raise InvalidInput(text % where)
    text = _(
        "You are logged in to no project%(where)s, but to %(scope)s: a new image would belong to "
        "nobody. Log in to a project, or choose the owner with %(how)s"
    )
    called = {"domain": _("a domain"), "system": _("the whole system")}
    raise InvalidInput(text % {"where": where, "scope": called[scope], "how": how})


def identity_of(manager: Any) -> Identity:
    """Return the Identity service of a cloud.

    :param manager: a client manager
    :raises Unknown: if there is none, or none within reach
    """
    from keystoneauth1 import exceptions as ksa_exceptions
    from openstack import exceptions as sdk_exceptions

    nothing = _("there is no Identity service within reach")
    settings = manager.sdk_connection.config.config
    # The one endpoint that is given is another service's.
    if settings.get("auth_type") in ("none", "noauth"):
        raise OutOfReach(nothing)
    try:
        proxy = manager.sdk_connection.identity
        older = hasattr(proxy, "find_tenant")
    except (sdk_exceptions.SDKException, ksa_exceptions.ClientException, AttributeError):
        raise OutOfReach(nothing) from None
    # openstacksdk's face of a cloud without an Identity service, or with an unknown one.
    if not older and not hasattr(proxy, "find_project"):
        raise OutOfReach(nothing)
    timeout = timeout_of(manager)
    access = access_of(manager)
    if older:
        return _IdentityV2(_Service(proxy, timeout), _admin_service(manager, timeout), access)
    return _IdentityV3(_Service(proxy, timeout), access)


class _Service:
    """Answers of an Identity service.

    :param adapter: a keystoneauth1 adapter
    :param timeout: seconds without a byte after which a request is given up
    """

    def __init__(self, adapter: Any, timeout: float) -> None:
        self._adapter = adapter
        self._timeout = timeout

    def get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """Return a document, None where there is no such thing.

        :raises Unknown: if there is no answer, or this user may not have it
        """
        import requests
        from keystoneauth1 import exceptions as ksa_exceptions
        from openstack import exceptions as sdk_exceptions

        try:
            # keystoneauth1 would send the token along to wherever a redirect points.
            answer = self._adapter.get(
                path,
                params=dict(params or {}),
                raise_exc=False,
                redirect=False,
                timeout=self._timeout,
            )
            document = answer.json() if answer.status_code == 200 else None
        except (
            ksa_exceptions.ClientException,
            sdk_exceptions.SDKException,
            requests.RequestException,
            ValueError,
        ) as error:
            reason = one_line(error, 200)
            raise OutOfReach(_("the Identity service gives no answer (%s)") % reason) from error
        if isinstance(document, dict):
            return document
        if answer.status_code in (400, 404):
            return None
        raise Unknown(_refusal(answer))


def _refusal(answer: Any) -> str:
    where = f"HTTP {answer.status_code}"
    request = answer.headers.get("X-Openstack-Request-Id")
    if request:
        where += f", request {printable(request)}"
    if answer.status_code == 403:
        text = _("the Identity service does not let this user do so (%s)")
    else:
        text = _("the Identity service does not answer that (%s)")
    return str(text % where)


def _entries(document: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    found = (document or {}).get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _entry(document: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    found = (document or {}).get(key)
    return [found] if isinstance(found, dict) else []


def _projects(entries: list[dict[str, Any]]) -> list[Project]:
    return [
        Project(str(entry["id"]), str(entry.get("name")), entry.get("domain_id"))
        for entry in entries
        # A domain acts as a project, which owns nothing.
        if "id" in entry and not entry.get("is_domain")
    ]


def _below(path: str, segment: str) -> str | None:
    """Return the path of one thing, None where the text can be no ID."""
    return None if segment in ("", ".", "..") else f"{path}/{quote(segment, safe='')}"


class _IdentityV3:
    def __init__(self, service: _Service, access: Any) -> None:
        self._service = service
        self._access = access

    def find(self, name_or_id: str, domain: str | None = None) -> list[Project]:
        domain_id = None if domain is None else self._domain_id(domain)
        hidden: Unknown | None = None
        try:
            found = self.get(name_or_id)
        except Unknown as unknown:
            found, hidden = None, unknown
        if found is not None and domain_id in (None, found.domain_id):
            return [found]
        named = self._named(name_or_id, domain_id)
        if not named and hidden is not None:
            raise hidden
        if not named and found is not None:
            raise InvalidInput(
                _("Project %(id)s is not in domain '%(domain)s'")
                % {"id": printable(found.id), "domain": printable(domain)}
            )
        return named

    def get(self, project_id: str) -> Project | None:
        path = _below("/projects", project_id)
        if path is None:
            return None
        return next(iter(_projects(_entry(self._service.get(path), "project"))), None)

    def _named(self, name: str, domain_id: str | None) -> list[Project]:
        params = {"name": name}
        if domain_id is not None:
            params["domain_id"] = domain_id
        try:
            document = self._service.get("/projects", params)
        except Unknown:
            own = self._of(self._own(), name, domain_id)
            if own:
                return own
            raise
        return self._of(_projects(_entries(document, "projects")), name, domain_id)

    @staticmethod
    def _of(projects: list[Project], name: str, domain_id: str | None) -> list[Project]:
        """Return the projects of exactly that name: some databases compare without case."""
        return [
            project
            for project in projects
            if project.name == name and domain_id in (None, project.domain_id)
        ]

    def _own(self) -> list[Project]:
        """Return the projects of this user, which everybody may list."""
        own = self._access
        if own is not None and own.project_id and own.project_name:
            yours = [Project(own.project_id, own.project_name, own.project_domain_id)]
        else:
            yours = []
        try:
            listed = _projects(_entries(self._service.get("/auth/projects"), "projects"))
        except Unknown:
            return yours
        return listed or yours

    def _domain_id(self, name_or_id: str) -> str:
        path = _below("/domains", name_or_id)
        try:
            found = _entry(self._service.get(path), "domain") if path else []
            if not found:
                document = self._service.get("/domains", {"name": name_or_id})
                found = [d for d in _entries(document, "domains") if d.get("name") == name_or_id]
        except Unknown as unknown:
            return self._own_domain(name_or_id, unknown)
        if not found:
            raise InvalidInput(_("No domain has the name or ID '%s'") % printable(name_or_id))
        return str(found[0]["id"])

    def _own_domain(self, name_or_id: str, unknown: Unknown) -> str:
        own = self._access
        if own is not None:
            pairs = (
                (own.project_domain_name, own.project_domain_id),
                (own.user_domain_name, own.user_domain_id),
                (own.domain_name, own.domain_id),
            )
            for name, domain_id in pairs:
                if domain_id and name_or_id in (name, domain_id):
                    return str(domain_id)
        raise InvalidInput(
            _("Domain '%(name)s' cannot be looked up: %(reason)s; give the project's ID")
            % {"name": printable(name_or_id), "reason": unknown}
        ) from None

    def all(self) -> tuple[list[Project], bool]:
        document = self._service.get("/projects")
        # Who logged in to a domain is told of its projects alone.
        of_a_domain = self._access is not None and self._access.domain_scoped
        whole = document is not None and not document.get("truncated") and not of_a_domain
        return _projects(_entries(document, "projects")), whole

    def domain_name(self, domain_id: str) -> str | None:
        path = _below("/domains", domain_id)
        try:
            (domain,) = _entry(self._service.get(path), "domain") if path else [{}]
        except (Unknown, ValueError):
            return None
        name = domain.get("name")
        return None if name is None else str(name)


class _IdentityV2:
    """Projects are tenants there, and it tells of all of them at its admin endpoint alone."""

    def __init__(self, public: _Service, admin: _Service | None, access: Any) -> None:
        self._public = public
        self._admin = admin
        self._access = access
        self._asked = False

    def find(self, name_or_id: str, domain: str | None = None) -> list[Project]:
        if domain is not None:
            raise InvalidInput(_("The cloud's Identity API v2 has no domains"))
        own = self._own(name_or_id)
        if own:
            return own
        admin = self._of_all()
        if admin is None:
            raise Unknown(
                _(
                    "the Identity API v2 tells of others' projects at its admin endpoint alone, "
                    "which this user may not ask or cannot reach"
                )
            )
        path = _below("/tenants", name_or_id)
        found = _entry(admin.get(path), "tenant") if path else []
        if not found:
            document = admin.get("/tenants", {"name": name_or_id})
            found = _entry(document, "tenant") or _entries(document, "tenants")
        return [p for p in _projects(found) if name_or_id in (p.id, p.name)]

    def get(self, project_id: str) -> Project | None:
        found = self.find(project_id)
        return next((project for project in found if project.id == project_id), None)

    def all(self) -> tuple[list[Project], bool]:
        admin = self._of_all()
        document = (admin or self._public).get("/tenants")
        return _projects(_entries(document, "tenants")), admin is not None and document is not None

    def domain_name(self, _domain_id: str) -> str | None:
        return None

    def _own(self, name_or_id: str) -> list[Project]:
        own = self._access
        if own is not None and own.project_id and name_or_id in (own.project_id, own.project_name):
            return [Project(own.project_id, own.project_name)]
        try:
            listed = _projects(_entries(self._public.get("/tenants"), "tenants"))
        except Unknown:
            return []
        return [project for project in listed if name_or_id in (project.id, project.name)]

    def _of_all(self) -> _Service | None:
        """Return what tells of all tenants, None where nothing does.

        Where an admin endpoint leads to the other half of the API, that answers too, but not for
        one tenant.
        """
        own = self._access
        if not self._asked and self._admin is not None:
            path = _below("/tenants", str(own.project_id)) if own is not None else None
            try:
                known = path is not None and self._admin.get(path) is not None
            except Unknown:
                known = False
            if not known:
                self._admin = None
        self._asked = True
        return self._admin


def _admin_service(manager: Any, timeout: float) -> _Service | None:
    """Return the admin endpoint of an Identity API v2, None where the catalog has none."""
    from keystoneauth1 import adapter as ksa_adapter
    from keystoneauth1 import exceptions as ksa_exceptions

    config = manager.sdk_connection.config
    session = manager.session
    try:
        url = session.get_endpoint(
            service_type="identity",
            interface="admin",
            region_name=config.get_region_name("identity"),
            skip_discovery=True,
        )
    except ksa_exceptions.ClientException:
        return None
    if not url:
        return None
    base, _slash, last = str(url).rstrip("/").rpartition("/")
    if last not in ("v2.0", "v3"):
        base = str(url).rstrip("/")
    adapter = ksa_adapter.Adapter(
        session=session, service_type="identity", endpoint_override=f"{base}/v2.0"
    )
    return _Service(adapter, min(timeout, _SHORT))
