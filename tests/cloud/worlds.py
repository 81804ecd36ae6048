"""What a cloud is made of: its database, its store, what stands in front, its Identity service.

The default is what needs nothing but Python: SQLite, files, nothing in front. The other parts are
servers of the system's own, in Debian the packages of :data:`PACKAGES`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cloud import interpreters
from tests.cloud.reports import CloudError

DATABASES = ("sqlite", "mariadb", "postgresql")
STORES = ("file", "swift")
FRONT_ENDS = ("none", "nginx", "haproxy", "apache")
IDENTITIES = ("v3", "v2")

#: The programs that each part is run with.
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "mariadb": ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-admin"),
    "postgresql": ("postgres", "initdb", "psql", "pg_isready"),
    "swift": (
        "swift-proxy-server",
        "swift-account-server",
        "swift-container-server",
        "swift-object-server",
        "swift-ring-builder",
    ),
    "nginx": ("nginx", "openssl"),
    "haproxy": ("haproxy", "openssl"),
    "apache": ("apache2", "openssl"),
}

#: What has them in Debian.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "mariadb": ("mariadb-server",),
    "postgresql": ("postgresql",),
    "swift": ("swift-proxy", "swift-account", "swift-container", "swift-object"),
    "nginx": ("nginx-light", "openssl"),
    "haproxy": ("haproxy", "openssl"),
    "apache": ("apache2", "openssl"),
}

#: Each part's doors on loopback, as they are called in ``Cloud.urls``.
_SWIFT = ("swift", "swift-account", "swift-container", "swift-object")
_DOORS = (
    "front-image",
    "front-compute",
    "front-tls-image",
    "front-tls-compute",
    "front-tls-identity",
    "front-short-image",
    "front-wide-image",
)


class WorldUnavailable(CloudError):
    """A world's server is not installed on this machine."""


@dataclass(frozen=True)
class World:
    """One combination of parts."""

    database: str = "sqlite"
    store: str = "file"
    front_end: str = "none"
    identity: str = "v3"

    def __post_init__(self) -> None:
        for value, known in (
            (self.database, DATABASES),
            (self.store, STORES),
            (self.front_end, FRONT_ENDS),
            (self.identity, IDENTITIES),
        ):
            if value not in known:
                raise CloudError(f"no such part of a world: {value}; there are {', '.join(known)}")

    @property
    def parts(self) -> tuple[str, ...]:
        """What is not as in the default cloud; nothing if it is that one."""
        default = asdict(World())
        return tuple(value for name, value in asdict(self).items() if value != default[name])

    @property
    def name(self) -> str:
        """``mariadb-swift-nginx``: what its folder is called."""
        return "-".join(self.parts)

    @property
    def listeners(self) -> tuple[str, ...]:
        """The doors that it has besides those of the default cloud."""
        return (
            *(("database",) if self.database != "sqlite" else ()),
            *(_SWIFT if self.store == "swift" else ()),
            *(_DOORS if self.front_end != "none" else ()),
            *(("identity-admin",) if self.identity == "v2" else ()),
        )

    def need(self) -> None:
        """Say which server is missing here.

        :raises WorldUnavailable: the first program that is not on this machine
        """
        for part in self.parts:
            for name in PROGRAMS.get(part, ()):
                program(name, PACKAGES[part])
        if self.identity == "v2" and interpreters.python2() is None:
            raise WorldUnavailable("World unavailable: Python 2.7 is not here")


def program(name: str, packages: tuple[str, ...] = ()) -> str:
    """Where a server's program is; not all of them are on everybody's PATH.

    :raises WorldUnavailable: it is not on this machine
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for path in (None, ":".join(("/usr/sbin", "/usr/local/sbin", *map(str, debian)))):
        found = shutil.which(name, path=path)
        if found:
            return found
    hint = f" (in Debian: {' '.join(packages)})" if packages else ""
    raise WorldUnavailable(f"World unavailable: {name} is not here{hint}")


def read(root: Path) -> World:
    """Which world the cloud in a folder is made in."""
    try:
        return World(**json.loads((root / "world.json").read_text()))
    except (OSError, ValueError, TypeError):
        return World()


def write(root: Path, world: World) -> None:
    """Remember it in the folder."""
    (root / "world.json").write_text(json.dumps(asdict(world), indent=1) + "\n")
