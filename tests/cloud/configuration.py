"""Write every configuration file of the cloud, and the clouds.yaml that leads to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cloud import engines, fronts, keystone2, orders, stores
from tests.cloud.places import Places, replace_text

#: The clouds of clouds.yaml that log in: (user, project, region). Passwords: ``password_of(user)``.
CLOUDS = {
    "admin": ("admin", "admin", "RegionOne"),
    "demo": ("demo", "demo", "RegionOne"),
    "other": ("other", "other", "RegionOne"),
    "target": ("admin", "admin", "RegionTwo"),
    "target-demo": ("demo", "demo", "RegionTwo"),
    "old-target": ("admin", "admin", "RegionThree"),
}


@dataclass(frozen=True)
class Glance15:
    """A process of Glance 15."""

    #: The service, and where it listens.
    name: str
    registry: str = "registry"
    #: Public images may be read without a token.
    anonymous: bool = True
    #: Whether it is RegionThree's, with a database and a store of its own.
    old_target: bool = False

    def database(self, places: Places) -> Path:
        """The database; the services of a region share it."""
        return places.databases / f"{'old-target-' if self.old_target else ''}glance.sqlite"

    def store(self, places: Places) -> Path:
        """Where the data of images is."""
        return places.old_target_images if self.old_target else places.images


#: The processes of Glance 15, by their configuration files. "strict" is the first one once more,
#: for who wants to see a bad token refused: it has no anonymous users.
GLANCE15 = {
    "api": Glance15("image"),
    "strict": Glance15("image-strict", anonymous=False),
    "registry": Glance15("registry"),
    "old-target": Glance15("old-target-image", "old-target-registry", False, True),
    "old-target-registry": Glance15("old-target-registry", "old-target-registry", False, True),
}


def password_of(user: str) -> str:
    """Every password here is known to all: the cloud listens on loopback only."""
    return f"{user}-password"


def urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Where each service answers: what the catalog says, but for the static file server."""
    found = {}
    for name, port in ports.items():
        scheme = "https" if name.startswith(("front-tls-", "front-wide-")) else "http"
        version = {"identity": "/v3", "compute": "/v2.1"}.get(name.rpartition("-")[2], "")
        if name != "database":
            found[name] = f"{scheme}://127.0.0.1:{port}{version}"
    if "identity-admin" in ports:
        found["identity-v2"] = f"http://127.0.0.1:{ports['identity']}/v2.0"
        found["identity-admin"] += "/v2.0"
    return found


def write(places: Places, ports: Mapping[str, int]) -> None:
    """Write it all."""
    for folder in (
        places.config,
        places.databases,
        places.images,
        places.target_images,
        places.old_target_images,
        places.static,
        places.logs,
        places.processes,
        places.state / "fernet",
        places.state / "credential",
        places.state / "nova",
        places.state / "target-staging",
        places.state / "target-tasks",
    ):
        folder.mkdir(parents=True, exist_ok=True)
    engine = engines.engine(places, ports)
    if engine:
        engine.write()
    _write(places, "keystone/keystone.conf", _keystone(places))
    if places.world.identity == "v2":
        _write(places, "keystone/keystone-paste.ini", keystone2.paste())
    _write(places, "nova/nova.conf", _nova(places, ports))
    nova_paste = places.environments / "modern" / "etc" / "nova" / "api-paste.ini"
    shutil.copy(nova_paste, places.config / "nova" / "api-paste.ini")
    for part, process in GLANCE15.items():
        _write(places, f"glance-{part}.conf", _glance15(places, ports, part, process))
        _write(places, f"glance-{part}-paste.ini", _glance15_paste(places, process))
    _write(places, "glance-policy.json", json.dumps(_GLANCE15_POLICY, indent=1) + "\n")
    _write(places, "target/glance-api.conf", _target(places, ports))
    if places.world.store == "swift":
        stores.write(places, ports)
    if places.world.front_end != "none":
        fronts.write(places, ports)
    replace_text(places.clouds_yaml, _clouds(places, ports))


def _write(places: Places, name: str, text: str) -> None:
    replace_text(places.config / name, text)


def _service_login(user: str, ports: Mapping[str, int]) -> str:
    return f"""\
auth_type = password
auth_url = {urls(ports)["identity"]}
username = {user}
password = {password_of(user)}
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


def _keystone(places: Places) -> str:
    pipelines = f"{places.config}/keystone/keystone-paste.ini"
    paste = f"[paste_deploy]\nconfig_file = {pipelines}\n"
    return f"""\
[DEFAULT]
use_stderr = true
transport_url = fake://
[database]
connection = sqlite:///{places.databases}/keystone.sqlite
sqlite_synchronous = false
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {places.state}/fernet
[fernet_receipts]
key_repository = {places.state}/fernet
[credential]
key_repository = {places.state}/credential
[cache]
# Keystone 12 changes what it takes out of this one.
enabled = {places.world.identity != "v2"}
backend = dogpile.cache.memory
# Four rounds of hashing are no protection, and ten times faster than the default.
[identity]
password_hash_rounds = 4
{paste if places.world.identity == "v2" else ""}"""


def _nova(places: Places, ports: Mapping[str, int]) -> str:
    login = _service_login("nova", ports)
    return f"""\
[DEFAULT]
use_stderr = true
transport_url = fake://
state_path = {places.state}/nova
my_ip = 127.0.0.1
host = loopback
[api]
auth_strategy = keystone
[api_database]
connection = sqlite:///{places.databases}/nova-api.sqlite
sqlite_synchronous = false
[database]
connection = sqlite:///{places.databases}/nova.sqlite
sqlite_synchronous = false
[keystone_authtoken]
www_authenticate_uri = {urls(ports)["identity"]}
{login}
# The image proxy: what Nova shows under /images is in this Glance.
[glance]
num_retries = 0
valid_interfaces = public
region_name = RegionOne
endpoint_override = {urls(ports)["image"]}
{login}
[placement]
{login}
[oslo_concurrency]
lock_path = {places.state}/nova
"""


def _connection(places: Places, ports: Mapping[str, int], process: Glance15) -> str:
    engine = None if process.old_target else engines.engine(places, ports)
    if engine:
        return f"connection = {engine.connection}"
    return f"connection = sqlite:///{process.database(places)}\nsqlite_synchronous = false"


def _store(places: Places, ports: Mapping[str, int], process: Glance15) -> str:
    if places.world.store == "swift" and not process.old_target:
        return stores.settings(ports)
    return """\
stores = file,http
default_store = file
"""


def _glance15(places: Places, ports: Mapping[str, int], part: str, process: Glance15) -> str:
    return f"""\
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {ports[process.name]}
workers = 0
use_stderr = true
enable_v1_api = True
enable_v2_api = True
enable_v1_registry = True
enable_v2_registry = False
registry_host = 127.0.0.1
registry_port = {ports[process.registry]}
use_user_token = True
data_api = glance.db.sqlalchemy.api
allow_anonymous_access = {process.anonymous}
[database]
{_connection(places, ports, process)}
[glance_store]
{_store(places, ports, process)}
filesystem_store_datadir = {process.store(places)}/
[oslo_policy]
policy_file = {places.config}/glance-policy.json
[keystone_authtoken]
www_authenticate_uri = {urls(ports)["identity"]}
{_service_login("glance", ports)}
[paste_deploy]
flavor = cloud
config_file = {places.config}/glance-{part}-paste.ini
"""


def _glance15_paste(places: Places, process: Glance15) -> str:
    ordered = "orders" if places.world.parts else ""
    negotiation = "glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory"
    api = f"""\
[pipeline:glance-api-cloud]
pipeline = accesslog {ordered} utf8headers versionnegotiation authtoken context rootapp
[filter:orders]
paste.filter_factory = orders:Orders.factory
path = {orders.file_of(places, process.name)}
[filter:accesslog]
paste.filter_factory = access_log:AccessLog.factory
path = {places.access_log(process.name)}
[filter:versionnegotiation]
paste.filter_factory = {negotiation}
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v1: apiv1app
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv1app]
paste.app_factory = glance.api.v1.router:API.factory
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
"""
    registry = """\
[pipeline:glance-registry-cloud]
pipeline = utf8headers authtoken context registryapp
[app:registryapp]
paste.app_factory = glance.registry.api:API.factory
"""
    return f"""\
{registry if process.name == process.registry else api}
[filter:utf8headers]
paste.filter_factory = glance15:Utf8Headers.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
# Who brings no good token is let through, and is anonymous.
delay_auth_decision = {process.anonymous}
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
"""


#: What Pike's own policy.json says, as far as v1 and v2 ask for it: all may do all, but for these.
_GLANCE15_POLICY = {
    "context_is_admin": "role:admin",
    "default": "",
    "publicize_image": "role:admin",
    "manage_image_cache": "role:admin",
    "tasks_api_access": "role:admin",
    "deactivate": "",
    "reactivate": "",
}


def _target(places: Places, ports: Mapping[str, int]) -> str:
    paste = places.environments / "modern" / "etc" / "glance" / "glance-api-paste.ini"
    return f"""\
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {ports["target-image"]}
use_stderr = true
enabled_backends = fs:file
worker_self_reference_url = {urls(ports)["target-image"]}
[database]
connection = sqlite:///{places.databases}/target-glance.sqlite
sqlite_synchronous = false
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = {places.target_images}/
[os_glance_staging_store]
filesystem_store_datadir = {places.state}/target-staging/
[os_glance_tasks_store]
filesystem_store_datadir = {places.state}/target-tasks/
[keystone_authtoken]
www_authenticate_uri = {urls(ports)["identity"]}
{_service_login("glance", ports)}
[paste_deploy]
flavor = keystone
config_file = {paste}
[oslo_limit]
"""


def _clouds(places: Places, ports: Mapping[str, int]) -> str:
    at = urls(ports)
    entries = [_entry(name, *who, at["identity"]) for name, who in CLOUDS.items()]
    for name, (who, more) in further_clouds(places, ports).items():
        entries.append(_entry(name, *CLOUDS[who], at["identity"], more))
    return f"""\
# A cloud on loopback, made by tests.cloud.
clouds:
{"".join(entries)}\
  # Without a login: what is public in RegionOne's image service can be read.
  anonymous:
    auth_type: none
    auth:
      endpoint: {at["image"]}
"""


def further_clouds(
    places: Places, ports: Mapping[str, int]
) -> dict[str, tuple[str, dict[str, str]]]:
    """The clouds of clouds.yaml behind a front end, and those that log in by the Identity API v2:
    whose they are, and what they say besides.
    """
    at, kind = urls(ports), places.world.front_end
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for who in CLOUDS if places.world.identity == "v2" else ():
        found[f"{who}-v2"] = (who, {"auth_url": at["identity-v2"], "identity_api_version": "2"})
    for who in ("admin", "demo") if kind != "none" else ():
        for door, suffix in (("", ""), ("tls-", "-tls"), ("short-", "-short"), ("wide-", "-wide")):
            more = {
                f"{service}_endpoint_override": at[f"front-{door}{service}"]
                for service in ("image", "compute")
                if f"front-{door}{service}" in at
            }
            if door in ("tls-", "wide-"):
                more["cacert"] = fronts.authority(places)
            if door == "tls-":
                more["auth_url"] = at["front-tls-identity"]
            found[f"{who}-{kind}{suffix}"] = (who, more)
    return found


def _entry(
    name: str,
    user: str,
    project: str,
    region: str,
    identity: str,
    more: Mapping[str, str] | None = None,
) -> str:
    rest = {"auth_url": identity, "identity_api_version": "3", **(more or {})}
    auth_url, version = rest.pop("auth_url"), rest["identity_api_version"]
    lines = "".join(f"    {word}: {value}\n" for word, value in rest.items())
    if version == "2":
        return f"""\
  {name}:
    auth_type: v2password
    auth:
      auth_url: {auth_url}
      username: {user}
      password: {password_of(user)}
      tenant_name: {project}
    region_name: {region}
    interface: public
{lines}"""
    return f"""\
  {name}:
    auth:
      auth_url: {auth_url}
      username: {user}
      password: {password_of(user)}
      project_name: {project}
      user_domain_name: Default
      project_domain_name: Default
    region_name: {region}
    interface: public
{lines}"""
