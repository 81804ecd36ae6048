"""From settings to API clients: those of the shell, and those of other clouds of clouds.yaml."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keystoneauth1 import adapter as ksa_adapter

from osc_image_v1.api.http import DEFAULT_TIMEOUT, keep_connections
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.exceptions import ImageV1Error, WrongUsage
from osc_image_v1.i18n import _
from osc_image_v1.text import one_line, printable

if TYPE_CHECKING:
    from osc_image_v1.api.compute_images import ComputeImageClient
    from osc_image_v1.api.image_v2 import ImageV2Client
    from osc_image_v1.migrate.targets import Target

#: More than ``--parallel`` can be: an image may be read and written at the same service.
CONNECTIONS = 130


def image_client(manager: Any) -> ImageClient:
    """Return a client for the Image API v1.

    The command line, environment and clouds.yaml count as they do for the shell's own commands:
    region, interface, certificates, ``image_endpoint_override``; and beside them
    ``image_v1_endpoint_override`` and ``image_v1_timeout``.

    :param manager: the shell's client manager
    """
    from osc_image_v1.cli import identity

    identity.tell_scope(manager)
    override = _settings(manager).get("image_v1_endpoint_override") or None
    return ImageClient(
        _adapter(manager, "image"), endpoint_override=override, timeout=timeout_of(manager)
    )


def image_v2_client(manager: Any) -> ImageV2Client:
    """Return a client for the Image API v2 of the same service.

    :param manager: the shell's client manager
    """
    from osc_image_v1.api.image_v2 import ImageV2Client

    override = _settings(manager).get("image_v1_endpoint_override") or None
    return ImageV2Client(
        _adapter(manager, "image"), endpoint_override=override, timeout=timeout_of(manager)
    )


def image_target(manager: Any, version: str) -> Target:
    """Return what images are written into, in the cloud that the shell works with.

    :param manager: the shell's client manager
    :param version: ``v2`` or ``v1``
    """
    from osc_image_v1.api.image_v2 import ImageV2Client
    from osc_image_v1.cli import identity
    from osc_image_v1.migrate.target_v1 import V1Target
    from osc_image_v1.migrate.target_v2 import V2Target

    if version == "v1":
        return V1Target(image_client(manager))
    identity.tell_scope(manager)
    return V2Target(ImageV2Client(_adapter(manager, "image"), timeout=timeout_of(manager)))


def compute_image_client(manager: Any) -> ComputeImageClient:
    """Return a client for the Compute service's image proxy.

    :param manager: the shell's client manager
    """
    from osc_image_v1.api.compute_images import ComputeImageClient

    return ComputeImageClient(_adapter(manager, "compute"), timeout=timeout_of(manager))


def _settings(manager: Any) -> dict[str, Any]:
    settings: dict[str, Any] = manager.sdk_connection.config.config
    return settings


def timeout_of(manager: Any) -> float:
    """Return the seconds without a byte after which a request is given up.

    :param manager: a client manager
    :raises WrongUsage: if the setting is no such number
    """
    # openstacksdk makes of any setting that ends so the time-out of the session.
    text = manager.session.timeout
    if text is None:
        text = _settings(manager).get("image_v1_timeout")
    if text in (None, ""):
        return DEFAULT_TIMEOUT
    try:
        seconds = float(text)
    except (TypeError, ValueError):
        seconds = 0.0
    # Sockets take no more than some 292 years, in nanoseconds; a day is plenty.
    if not 0 < seconds <= 86400:
        raise WrongUsage(_("the time-out '%s' is no number of seconds from 0 to 86400") % text)
    return seconds


def _adapter(manager: Any, service: str) -> ksa_adapter.Adapter:
    config = manager.sdk_connection.config
    _check_files(manager.session)
    keep_connections(manager.session, CONNECTIONS)
    return ksa_adapter.Adapter(
        session=manager.session,
        service_type=config.get_service_type(service),
        service_name=config.get_service_name(service),
        interface=config.get_interface(service),
        region_name=config.get_region_name(service),
        endpoint_override=config.get_endpoint(service),
    )


def _check_files(session: Any) -> None:
    """Check that the files of certificates are there: over http nobody would say so."""
    certificates = session.cert if isinstance(session.cert, (tuple, list)) else (session.cert,)
    for path, option in (
        (session.verify, "--os-cacert"),
        *zip(certificates, ("--os-cert", "--os-key"), strict=False),
    ):
        if isinstance(path, str) and not Path(path).exists():
            raise WrongUsage(
                _("There is no file %(path)s: give the right one with %(option)s or in clouds.yaml")
                % {"path": printable(path), "option": option}
            )


class OtherCloud:
    """A cloud of clouds.yaml beside the one that the shell works with: a client manager for it.

    :param name: its name there; ``OS_CLIENT_CONFIG_FILE`` counts as it does for the shell
    :param beside: the shell's client manager, whose time-out counts where the cloud has none
    :raises WrongUsage: if there is no such cloud, or its settings are wrong; nobody is asked yet
    """

    def __init__(self, name: str, beside: Any = None) -> None:
        from keystoneauth1 import exceptions as ksa_exceptions
        from openstack import config as sdk_config
        from openstack import exceptions as sdk_exceptions

        self.name = name
        try:
            self.config: Any = sdk_config.OpenStackConfig().get_one(cloud=name)
            self.session = self.config.get_session()
            _check_files(self.session)
            if beside is not None and self.session.timeout is None:
                self.session.timeout = timeout_of(beside)
            timeout_of(self)
        # ValueError: a time-out that is no number, and what is refused here.
        except (
            ksa_exceptions.ClientException,
            sdk_exceptions.SDKException,
            ValueError,
        ) as error:
            raise WrongUsage(
                _("Cloud '%(name)s': %(reason)s")
                % {"name": printable(name), "reason": one_line(error, 300)}
            ) from error

    def log_in(self) -> None:
        """Log in there, so that it is known whether that can be done.

        :raises ImageV1Error: if it cannot
        """
        from keystoneauth1 import exceptions as ksa_exceptions
        from openstack import exceptions as sdk_exceptions

        try:
            self.session.get_project_id()
        except (ksa_exceptions.ClientException, sdk_exceptions.SDKException) as error:
            raise ImageV1Error(
                _("Cannot log in to cloud '%(name)s': %(reason)s")
                % {"name": printable(self.name), "reason": one_line(error, 300)}
            ) from error

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
