"""Where everything of the cloud lies: one folder, and the ports on loopback.

::

    lock            held by whoever changes anything below
    ports.json      the ports that were free when the cloud was first made
    environments/   two virtual environments, pike and modern, kept until their pins change
    state/          one cloud: configuration, databases, image data, logs, clouds.yaml
    pristine/       databases and image data as they were right after the seeding
    twins/          further clouds, each a folder like this one, with the same environments
    world.json      what it is made of, where that is not the default
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cloud import worlds
from tests.cloud.reports import CloudError, say

#: The services that listen, and the name that each goes by in messages, logs and ``Cloud.urls``.
LISTENERS = (
    "identity",
    "registry",
    "image",
    "image-strict",
    "compute",
    "target-image",
    "static",
    "old-target-registry",
    "old-target-image",
)

INSIDE = Path(__file__).resolve().parent / "inside"
PINS = Path(__file__).resolve().parent / "pins"


def default_root() -> Path:
    """``$OSC_IMAGE_V1_CLOUD``, else a folder in the user's cache."""
    chosen = os.environ.get("OSC_IMAGE_V1_CLOUD")
    if chosen:
        return Path(chosen).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches).absolute() / "osc-image-v1-cloud"


class Places:
    """The cloud's paths under one folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = (root or default_root()).absolute()
        self.environments = self.root / "environments"
        self.state = self.root / "state"
        self.pristine = self.root / "pristine"
        self.twins = self.root / "twins"
        self.config = self.state / "config"
        self.databases = self.state / "databases"
        self.images = self.state / "images"
        self.target_images = self.state / "target-images"
        self.old_target_images = self.state / "old-target-images"
        self.static = self.state / "static"
        self.logs = self.state / "logs"
        self.processes = self.state / "processes"
        self.clouds_yaml = self.state / "clouds.yaml"
        self.facts = self.state / "facts.json"
        self.ready = self.state / "ready"
        self.world = worlds.read(self.root)
        self.engine = self.state / "engine"
        self.swift = self.state / "swift"
        self.front = self.state / "front-end"

    @property
    def listeners(self) -> tuple[str, ...]:
        """The names of all that listens."""
        return (*LISTENERS, *self.world.listeners)

    def python(self, environment: str) -> Path:
        """The interpreter of one of the environments."""
        return self.environments / environment / "bin" / "python"

    def log(self, service: str) -> Path:
        """What a service prints."""
        return self.logs / f"{service}.log"

    def access_log(self, service: str) -> Path:
        """One line for each request that a service has answered."""
        return self.logs / f"{service}.access"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the folder: two who bring it up at once do so one after the other."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("waiting for another run that is at work on this cloud")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def ports(self) -> dict[str, int]:
        """The ports that the cloud remembers."""
        try:
            ports = json.loads((self.root / "ports.json").read_text())
            return {name: int(ports[name]) for name in self.listeners}
        except (OSError, ValueError, KeyError):
            raise CloudError(
                f"there is no cloud in {self.root} yet: python -m tests.cloud up"
            ) from None

    def choose_ports(self) -> dict[str, int]:
        """The ports of a new cloud: those of the one before it, or else free ones."""
        try:
            return self.ports()
        except CloudError:
            ports = _free_ports(self.listeners)
            replace_text(self.root / "ports.json", json.dumps(ports, indent=1) + "\n")
            return ports

    def forget_ports(self) -> None:
        """Let the next cloud choose its ports anew."""
        (self.root / "ports.json").unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def port_is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    """Free ports below those that systems hand out by themselves, where they are soon taken."""
    candidates = random.sample(range(20000, 32000), 500)
    free = (port for port in candidates if port_is_free(port))
    try:
        return {name: next(free) for name in names}
    except StopIteration:
        raise CloudError("no free ports between 20000 and 32000 on 127.0.0.1") from None
