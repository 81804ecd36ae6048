"""Other clouds of clouds.yaml."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from osc_image_v1.api.http import DEFAULT_TIMEOUT
from osc_image_v1.exceptions import ImageV1Error, InvalidInput
from osc_image_v1.i18n import _
from osc_image_v1.text import printable


class OtherCloud:
    """A cloud of clouds.yaml beside the one that the shell works with.

    :param name: its name there; ``OS_CLIENT_CONFIG_FILE`` counts as it does for the shell
    :raises InvalidInput: if there is no such cloud, or its settings are wrong
    :raises ImageV1Error: if nobody can log in there
    """

    def __init__(self, name: str) -> None:
        from keystoneauth1 import exceptions as ksa_exceptions
        from openstack import config as sdk_config
        from openstack import exceptions as sdk_exceptions

        self.name = name
        try:
            self.config: Any = sdk_config.OpenStackConfig().get_one(cloud=name)
            self.session = self.config.get_session()
            self.project: str | None = self.session.get_project_id()
        except sdk_exceptions.ConfigException as error:
            raise InvalidInput(
                _("Cloud '%(name)s': %(reason)s")
                % {"name": printable(name), "reason": _line(error)}
            ) from error
        except (ksa_exceptions.ClientException, sdk_exceptions.SDKException) as error:
            raise ImageV1Error(
                _("Cannot log in to cloud '%(name)s': %(reason)s")
                % {"name": printable(name), "reason": _line(error)}
            ) from error

    def image_v2(self) -> Any:
        """Return a client for the cloud's Image API v2."""
        from osc_image_v1.api.image_v2 import ImageV2Client

        return ImageV2Client(self._adapter(), timeout=DEFAULT_TIMEOUT)

    def image_v1(self) -> Any:
        """Return a client for the cloud's Image API v1."""
        from osc_image_v1.api.image_v1 import ImageClient

        override = self.config.config.get("image_v1_endpoint_override") or None
        return ImageClient(self._adapter(), endpoint_override=override)

    def target(self, version: str) -> Any:
        """Return what images are written into.

        :param version: ``v2`` or ``v1``
        """
        from osc_image_v1.transfer.target_v1 import V1Target
        from osc_image_v1.transfer.target_v2 import V2Target

        return V2Target(self.image_v2()) if version == "v2" else V1Target(self.image_v1())

    @property
    def manager(self) -> Any:
        """What looks projects up there, as the shell's client manager does here."""
        from openstack import connection

        return SimpleNamespace(sdk_connection=connection.Connection(config=self.config))

    def shares_projects(self, manager: Any) -> bool:
        """Tell whether the shell's cloud has the same Identity service, and so the same projects.

        :param manager: the shell's client manager
        """
        here = _identity(manager.sdk_connection.config, manager.session)
        return not here.isdisjoint(_identity(self.config, self.session))

    def _adapter(self) -> Any:
        from keystoneauth1 import adapter

        config = self.config
        return adapter.Adapter(
            session=self.session,
            service_type=config.get_service_type("image"),
            service_name=config.get_service_name("image"),
            interface=config.get_interface("image"),
            region_name=config.get_region_name("image"),
            endpoint_override=config.get_endpoint("image"),
        )


def _identity(config: Any, session: Any) -> set[str]:
    """Return the URLs by which an Identity service is known."""
    from keystoneauth1 import exceptions as ksa_exceptions

    urls = [(config.config.get("auth") or {}).get("auth_url")]
    with contextlib.suppress(ksa_exceptions.ClientException):
        urls.append(
            session.get_endpoint(service_type="identity", interface="public", skip_discovery=True)
        )
    return {_bare(str(url)) for url in urls if url}


def _bare(url: str) -> str:
    """Return a URL without version and slash at its end."""
    base = url.rstrip("/")
    head, _slash, last = base.rpartition("/")
    return head.rstrip("/") if last in ("v3", "v2.0") else base


def _line(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:300]


def project_map(path: str, here: Any, there: Any) -> Mapping[str, str]:
    """Return the IDs of projects, here -> there, from a file of names or IDs.

    :param path: the file
    :param here: the shell's client manager
    :param there: the other cloud's
    :raises InvalidInput: if the file is wrong, or the other cloud has no such project
    """
    from osc_image_v1.cli.projects import project_id
    from osc_image_v1.transfer.project_map import read_project_map

    projects = read_project_map(Path(path))
    return {_old(here, old): project_id(there, new) for old, new in projects.items()}


def _old(manager: Any, name_or_id: str) -> str:
    """Return the ID of a project, which may be gone: its images are still there."""
    from osc_image_v1.cli.projects import project_id

    try:
        return project_id(manager, name_or_id)
    except InvalidInput:
        plain = name_or_id.replace("-", "").lower()
        if len(plain) == 32 and not set(plain) - set("0123456789abcdef"):
            return name_or_id
        raise
