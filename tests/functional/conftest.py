"""The real cloud, and the real shell in front of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from keystoneauth1 import session as ksa_session
from openstack.config import OpenStackConfig

from tests import shell
from tests.cloud import Cloud
from tests.functional.writing import beside as beside
from tests.functional.writing import file as file


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, decoded."""
        assert self.status == 0, self.err
        return json.loads(self.out)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """The cloud, up. Each of several processes that run tests has one for itself."""
    loopback = Cloud()
    loopback.up()
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if process == "gw0":
        yield loopback
        return
    twin = loopback.twin(process)
    try:
        twin.up()
        yield twin
    finally:
        twin.down()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> None:
    shell.clear_environment(monkeypatch, str(cloud.clouds_yaml))


@pytest.fixture
def openstack(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in the shell of this process: ``openstack("image", "v1", "list")``."""

    def run(*argv: str, cloud: str | None = "admin", input: bytes = b"") -> Result:
        from openstackclient.shell import OpenStackShell

        chosen = ("--os-cloud", cloud) if cloud else ()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(input), "utf-8"))
            # As the shell is called where pytest has not started it.
            patch.setattr(OpenStackShell, "NAME", "openstack")
            status, out, err = shell.run(*chosen, *argv)
        return Result(status, *(text.decode("utf-8", "surrogateescape") for text in (out, err)))

    return run


@pytest.fixture
def run_openstack(cloud: Cloud) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command in a process of its own."""

    def run(
        *argv: str, cloud: str | None = "admin", **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        chosen = ("--os-cloud", cloud) if cloud else ()
        command = [sys.executable, "-m", "openstackclient.shell", *chosen, *argv]
        options = {"capture_output": True, "timeout": 120, "stdin": subprocess.DEVNULL, **options}
        if "input" in options:
            del options["stdin"]
        return subprocess.run(command, check=False, **options)

    return run


@pytest.fixture(scope="session")
def session(cloud: Cloud) -> Callable[[str], ksa_session.Session]:
    """A keystoneauth1 session for a cloud by name: ``session("demo")``."""
    sessions: dict[str, ksa_session.Session] = {}

    def get(name: str = "admin") -> ksa_session.Session:
        if name not in sessions:
            config = openstack_config(cloud)
            sessions[name] = config.get_one(cloud=name).get_session()
        return sessions[name]

    return get


def openstack_config(cloud: Cloud) -> OpenStackConfig:
    """Return the cloud's clouds.yaml, and nothing of the person's own."""
    return OpenStackConfig(config_files=[str(cloud.clouds_yaml)])


@pytest.fixture
def count(cloud: Cloud) -> Callable[[str], Any]:
    """Count the requests to a service: ``with count("image") as requests: ...``."""

    @contextlib.contextmanager
    def counting(service: str) -> Iterator[list[Any]]:
        requests: list[Any] = []
        mark = cloud.mark(service)
        yield requests
        requests.extend(cloud.requests_since(mark, service))

    return counting
