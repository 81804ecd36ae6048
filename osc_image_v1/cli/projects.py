"""Projects by name or ID."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Any

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.i18n import _
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def project_id(manager: Any, name_or_id: str) -> str:
    """Return a project's ID.

    :param manager: the shell's client manager
    :param name_or_id: the project's name or ID; where this user may not look projects up, or the
        cloud has no Identity service within reach, it is taken for an ID, and the person is told
        where it does not look like one
    :raises InvalidInput: if the Identity service has no such project, or several
    """
    from openstack import exceptions as sdk_exceptions

    try:
        identity = manager.sdk_connection.identity
        find_tenant = _find_tenant(identity)
        project = (find_tenant or identity.find_project)(name_or_id)
        if find_tenant and project is None:
            return _unchecked(manager, name_or_id)
    except sdk_exceptions.DuplicateResource:
        raise InvalidInput(
            _("Several projects have the name '%s', use an ID instead") % printable(name_or_id)
        ) from None
    except _out_of_reach():
        return _unchecked(manager, name_or_id)
    if project is None:
        raise InvalidInput(_("No project has the name or ID '%s'") % printable(name_or_id))
    return str(project.id)


def _find_tenant(identity: Any) -> Callable[[str], Any] | None:
    """Return what finds a project in the Identity API v2, None where there is a newer one.

    Projects are tenants there, and only the admin endpoint tells of those that are not one's own.
    """
    return getattr(identity, "find_tenant", None)


def _out_of_reach() -> tuple[type[Exception], ...]:
    from keystoneauth1 import exceptions as ksa_exceptions
    from openstack import exceptions as sdk_exceptions

    # AttributeError: openstacksdk's face of a cloud without an Identity service, or with an old
    # one.
    return sdk_exceptions.SDKException, ksa_exceptions.ClientException, AttributeError


def _unchecked(manager: Any, name_or_id: str) -> str:
    """Return the ID of the user's own project by its name, else the text as it is."""
    own = getattr(manager, "auth_ref", None)
    if own is not None and own.project_id and name_or_id == own.project_name:
        return str(own.project_id)
    if not _ID.fullmatch(name_or_id):
        LOG.warning(
            _(
                "The Identity service does not let this user look projects up: '%s' is taken for "
                "a project's ID"
            ),
            printable(name_or_id),
        )
    return name_or_id


class ProjectNames:
    """Names of projects by their IDs, each asked for once; several threads may ask.

    :param manager: the shell's client manager
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._lock = threading.Lock()
        self._names: dict[str, str | None] = {}
        self._reached = True

    def get(self, project: str) -> str | None:
        """Return a project's name, None where this user may not know it or it is gone.

        :param project: the project's ID
        """
        with self._lock:
            if project not in self._names:
                self._names[project] = self._ask(project) if self._reached else None
            return self._names[project]

    def _ask(self, project: str) -> str | None:
        from openstack import exceptions as sdk_exceptions

        try:
            identity = self._manager.sdk_connection.identity
            found = (_find_tenant(identity) or identity.get_project)(project)
        except sdk_exceptions.HttpException:
            return None
        except _out_of_reach():
            # There is no Identity service within reach, and there will be none.
            self._reached = False
            return None
        return None if found is None or found.name is None else str(found.name)


def all_projects(manager: Any) -> dict[str, str] | None:
    """Return the names of all projects by their IDs, in one request.

    :param manager: the shell's client manager
    :returns: None where this user may not list them, no Identity service is within reach, or it
        tells of one's own projects only, as the Identity API v2 does
    """
    try:
        found = list(manager.sdk_connection.identity.projects())
    except _out_of_reach():
        return None
    return {str(project.id): str(project.name) for project in found}
