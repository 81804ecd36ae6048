"""Other clouds of clouds.yaml."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from osc_image_v1.exceptions import ImageV1Error, InvalidInput
from osc_image_v1.i18n import _
from osc_image_v1.text import printable, without_secrets


class OtherCloud:
    """A cloud of clouds.yaml beside the one that the shell works with: a client manager for it.

    :param name: its name there; ``OS_CLIENT_CONFIG_FILE`` counts as it does for the shell
    :param beside: the shell's client manager, whose time-out counts where the cloud has none
    :raises InvalidInput: if there is no such cloud, or its settings are wrong
    :raises ImageV1Error: if nobody can log in there
    """

    def __init__(self, name: str, beside: Any = None) -> None:
        from keystoneauth1 import exceptions as ksa_exceptions
        from openstack import config as sdk_config
        from openstack import exceptions as sdk_exceptions

        self.name = name
        try:
            self.config: Any = sdk_config.OpenStackConfig().get_one(cloud=name)
            self.session = self.config.get_session()
            self.project: str | None = self.session.get_project_id()
        # ValueError: a time-out that is no number.
        except (sdk_exceptions.ConfigException, ValueError) as error:
            raise InvalidInput(
                _("Cloud '%(name)s': %(reason)s")
                % {"name": printable(name), "reason": _line(error)}
            ) from error
        except (ksa_exceptions.ClientException, sdk_exceptions.SDKException) as error:
            raise ImageV1Error(
                _("Cannot log in to cloud '%(name)s': %(reason)s")
                % {"name": printable(name), "reason": _line(error)}
            ) from error
        self._set_timeout(beside)

    def _set_timeout(self, beside: Any) -> None:
        from osc_image_v1.cli.clients import timeout_of

        if beside is not None and self.session.timeout is None:
            self.session.timeout = timeout_of(beside)
        try:
            timeout_of(self)
        except InvalidInput as error:
            raise InvalidInput(
                _("Cloud '%(name)s': %(reason)s") % {"name": printable(self.name), "reason": error}
            ) from None

    def target(self, version: str) -> Any:
        """Return what images are written into.

        :param version: ``v2`` or ``v1``
        """
        from osc_image_v1.cli.clients import image_target

        return image_target(self, version)

    @functools.cached_property
    def sdk_connection(self) -> Any:
        """What looks projects up, and has the cloud's settings."""
        from openstack import connection

        return connection.Connection(config=self.config)

    @property
    def auth_ref(self) -> Any:
        """What the Identity service said of the token, None where there is no such service."""
        get_access = getattr(self.session.auth, "get_access", None)
        return None if get_access is None else get_access(self.session)

    def shares_projects(self, manager: Any) -> bool:
        """Tell whether the shell's cloud has the same Identity service, and so the same projects.

        :param manager: the shell's client manager
        """
        here = _identity(manager.sdk_connection.config, manager.session)
        return not here.isdisjoint(_identity(self.config, self.session))


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
    return printable(without_secrets(" ".join(str(error).split())))[:300]


def project_map(path: str, here: Any, there: Any) -> Mapping[str, str]:
    """Return the IDs of projects, here -> there, from a file of names or IDs.

    :param path: the file
    :param here: the shell's client manager
    :param there: the other cloud's
    :raises InvalidInput: if the file is wrong, or the other cloud has no such project
    """
    from osc_image_v1.cli.projects import project_id
    from osc_image_v1.transfer.project_map import read_project_map

    def known(manager: Any, name_or_id: str, gone: bool) -> str:
        return project_id(manager, name_or_id, gone=gone, domain_option=False)

    # A project here may be gone: its images are still there.
    projects = read_project_map(Path(path))
    return {known(here, old, True): known(there, new, False) for old, new in projects.items()}
