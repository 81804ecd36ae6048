"""Keystone 12 with the Identity API v2 beside v3: a Keystone of 2017, on a Python of its time.

It has two doors: at the public one a user is told of the own tenants, and at the admin one an admin
of all tenants. The services of the cloud ask its v3.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.cloud import interpreters
from tests.cloud.environments import KEYSTONE2
from tests.cloud.places import INSIDE, Places
from tests.cloud.processes import Service

#: What Keystone's own file says, as far as it matters here; the package comes without it.
_PASTE = """\
[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory
[filter:build_auth_context]
paste.filter_factory = keystone.middleware:AuthContextMiddleware.factory
[filter:token_auth]
paste.filter_factory = keystone.middleware:TokenAuthMiddleware.factory
[filter:json_body]
paste.filter_factory = keystone.middleware:JsonBodyMiddleware.factory
[filter:url_normalize]
paste.filter_factory = keystone.middleware:NormalizingFilter.factory
[app:public_service]
paste.app_factory = keystone.version.service:public_app_factory
[app:service_v3]
paste.app_factory = keystone.version.service:v3_app_factory
[app:admin_service]
paste.app_factory = keystone.version.service:admin_app_factory
[app:public_version_service]
paste.app_factory = keystone.version.service:public_version_app_factory
[app:admin_version_service]
paste.app_factory = keystone.version.service:admin_version_app_factory
[pipeline:public_api]
pipeline = url_normalize request_id build_auth_context token_auth json_body public_service
[pipeline:admin_api]
pipeline = url_normalize request_id build_auth_context token_auth json_body admin_service
[pipeline:api_v3]
pipeline = url_normalize request_id build_auth_context token_auth json_body service_v3
[pipeline:public_versions]
pipeline = url_normalize public_version_service
[pipeline:admin_versions]
pipeline = url_normalize admin_version_service
[composite:main]
paste.composite_factory = paste.urlmap:urlmap_factory
/v2.0 = public_api
/v3 = api_v3
/ = public_versions
[composite:admin]
paste.composite_factory = paste.urlmap:urlmap_factory
/v2.0 = admin_api
/v3 = api_v3
/ = admin_versions
"""


def paste() -> str:
    """Its paste configuration, with the applications ``main`` and ``admin``."""
    return _PASTE


def command(*words: str) -> list[str]:
    """A command line of Keystone 12: ``manage`` and words of its own, or what listens."""
    python = interpreters.python2()
    assert python, "World.need has found one"
    return [python, "-s", str(INSIDE / "keystone2.py"), *words]


def environment(places: Places) -> dict[str, str]:
    """What makes that Python find it."""
    return {
        "PYTHONPATH": str(places.environments / KEYSTONE2),
        "OS_KEYSTONE_CONFIG_DIR": f"{places.config}/keystone",
    }


def table(places: Places, ports: Mapping[str, int]) -> list[Service]:
    """Its two processes."""
    doors = {"identity": "public", "identity-admin": "admin"}
    return [
        Service(
            name,
            f"Keystone 12, its {door} door",
            ports[name],
            command(door, str(ports[name])),
            environment(places),
        )
        for name, door in doors.items()
    ]
