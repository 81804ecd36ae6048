"""The commands that are measured, and the service that they talk to."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent


@contextlib.contextmanager
def stand_in(images: int, file: Path | None = None) -> Iterator[str]:
    """Run the stand-in, and yield its URL.

    :param images: how many images it has
    :param file: the data of each of them
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bench.stand_in", str(port), str(images)]
    command += [str(file)] if file else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=HERE.parent) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def openstack(*command: str) -> list[str]:
    """Return a command of the shell."""
    return [sys.executable, "-m", "openstackclient.shell", *command]


def shell(url: str, *command: str) -> list[str]:
    """Return a command of the shell in front of the stand-in."""
    auth = ("--os-auth-type", "admin_token", "--os-token", "t", "--os-endpoint", url)
    return openstack(*auth, *command)


def floor(url: str, *options: str) -> list[str]:
    """Return the least Python that lists images as csv."""
    return [sys.executable, str(HERE / "floor.py"), url, *options]


def glance(*command: str) -> list[str]:
    """Return a command of glanceclient, for the Image API v1."""
    executable = str(Path(sys.executable).with_name("glance"))
    return [executable, "--os-image-api-version", "1", *command]


def glance_at(url: str, *command: str) -> list[str]:
    """Return a command of glanceclient in front of the stand-in."""
    return glance("--os-auth-token", "t", "--os-image-url", url, *command)


def sh(*commands: str | Sequence[str]) -> list[str]:
    """Return commands of a shell, one after the other."""
    lines = (line if isinstance(line, str) else shlex.join(line) for line in commands)
    return ["sh", "-ec", "; ".join(lines)]
