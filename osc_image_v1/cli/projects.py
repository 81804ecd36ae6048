"""Projects by name or ID."""

from __future__ import annotations

from typing import Any

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable


def project_id(manager: Any, name_or_id: str) -> str:
    """Return a project's ID.

    :param manager: the shell's client manager
    :param name_or_id: the project's name or ID; where this user may not look projects up, or the
        cloud has no Identity service within reach, it is taken for an ID
    :raises InvalidInput: if the Identity service has no such project, or several
    """
    from keystoneauth1 import exceptions as ksa_exceptions
    from openstack import exceptions as sdk_exceptions

    try:
        project = manager.sdk_connection.identity.find_project(name_or_id)
    except sdk_exceptions.DuplicateResource:
        raise InvalidInput(
            f"Several projects have the name '{printable(name_or_id)}', use an ID instead"
        ) from None
    except (sdk_exceptions.SDKException, ksa_exceptions.ClientException):
        return name_or_id
    if project is None:
        raise InvalidInput(f"No project has the name or ID '{printable(name_or_id)}'")
    return str(project.id)
