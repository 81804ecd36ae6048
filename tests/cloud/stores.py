"""Swift, as the store of the images' data: one device, one copy of everything."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping
from urllib.parse import quote

from tests.cloud.orders import file_of
from tests.cloud.places import INSIDE, Places, replace_text
from tests.cloud.processes import Service
from tests.cloud.reports import CloudError
from tests.cloud.worlds import program

#: Who Glance is in Swift.
USER, KEY, CONTAINER = "test:tester", "tester-key", "glance"

#: What Glance's driver for Swift calls a megabyte.
_MEGABYTE = 1000 * 1024

#: From the first size on Glance cuts an image into segments of the second one, in bytes.
LARGE, SEGMENT = 2 * _MEGABYTE, _MEGABYTE

_KINDS = ("account", "container", "object")

_PROXY = """\
[DEFAULT]
swift_dir = {folder}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_address = /nonexistent
[pipeline:main]
pipeline = orders catch_errors memory tempauth copy slo dlo proxy-server
[filter:orders]
paste.filter_factory = orders:Orders.factory
path = {orders}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:memory]
paste.filter_factory = swift_memory:Memory.factory
[filter:tempauth]
use = egg:swift#tempauth
user_{login} = {key} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
node_timeout = 5
recoverable_node_timeout = 5
"""

_STORAGE = """\
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_address = /nonexistent
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

_SWIFT = """\
[swift-hash]
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""


def write(places: Places, ports: Mapping[str, int]) -> None:
    """Write Swift's configuration and its rings.

    :raises CloudError: files of the cloud's folder cannot bear what Swift writes beside them
    """
    folder = places.swift
    device = folder / "devices" / "d1"
    device.mkdir(parents=True, exist_ok=True)
    try:
        os.setxattr(device, "user.tests", b"x" * 4000)
    except OSError as error:
        raise CloudError(f"Swift needs extended attributes of files in {device}: {error}") from None
    common = {"folder": folder, "user": pwd.getpwuid(os.getuid()).pw_name}
    replace_text(folder / "swift.conf", _SWIFT)
    login = USER.replace(":", "_")
    more = {"orders": file_of(places, "swift"), "login": login, "key": KEY}
    replace_text(folder / "proxy.conf", _PROXY.format(port=ports["swift"], **common, **more))
    for kind in _KINDS:
        port = ports[f"swift-{kind}"]
        replace_text(folder / f"{kind}.conf", _STORAGE.format(kind=kind, port=port, **common))
        _ring(places, kind, "create", "4", "1", "1")
        _ring(places, kind, "add", f"r1z1-127.0.0.1:{port}/d1", "100")
        _ring(places, kind, "rebalance")


def _ring(places: Places, kind: str, *words: str) -> None:
    command = [program("swift-ring-builder"), str(places.swift / f"{kind}.builder"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # 1 is a warning.
    if done.returncode > 1:
        raise CloudError(f"swift-ring-builder {words[0]}: {done.stdout} {done.stderr}")


def table(places: Places, ports: Mapping[str, int]) -> list[Service]:
    """Swift's four processes; none in a cloud that keeps its data in files."""
    if places.world.store != "swift":
        return []
    found = []
    for name in ("swift-account", "swift-container", "swift-object", "swift"):
        kind = name.partition("-")[2] or "proxy"
        command = (program(f"swift-{kind}-server"), str(places.swift / f"{kind}.conf"), "-v")
        env = {"PYTHONPATH": str(INSIDE)}
        found.append(Service(name, f"Swift, its {kind} server", ports[name], command, env))
    return found


def settings(ports: Mapping[str, int]) -> str:
    """What Glance 15 is told of it."""
    return f"""\
stores = swift,http,file
default_store = swift
default_swift_reference = ref1
swift_store_auth_version = 1
swift_store_auth_address = http://127.0.0.1:{ports["swift"]}/auth/v1.0
swift_store_user = {USER}
swift_store_key = {KEY}
swift_store_container = {CONTAINER}
swift_store_create_container_on_put = True
swift_store_large_object_size = {LARGE // _MEGABYTE}
swift_store_large_object_chunk_size = {SEGMENT // _MEGABYTE}
"""


def location(ports: Mapping[str, int], name: str) -> str:
    """What Glance calls an object: user and key are in it."""
    who = f"{quote(USER, safe='')}:{quote(KEY, safe='')}"
    return f"swift+http://{who}@127.0.0.1:{ports['swift']}/auth/v1.0/{CONTAINER}/{name}"
