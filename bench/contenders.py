"""The commands that are measured, and the service that they talk to."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


def shell_of(python: str) -> list[str]:
    """Return the shell of an interpreter's environment; what the current folder has is not it."""
    return [python, "-I", "-m", "openstackclient.shell"]


#: The shell that runs the commands of this project.
SHELL = shell_of(sys.executable)


@contextlib.contextmanager
def stand_in(
    images: int, file: Path | None = None, *, strict: bool = False, public: bool = False
) -> Iterator[str]:
    """Run the stand-in, and yield its URL.

    :param images: how many images it has
    :param file: the data of each of them
    :param strict: whether it refuses other data than that; to hash it takes time
    """
    command = ["bench.stand_in", str(images)]
    command += [str(file)] if file else []
    command += ["--strict"] if strict else []
    command += ["--public"] if public else []
    with _served(*command) as (url, _server):
        yield url


@dataclass(frozen=True)
class FarAway:
    """A service at the end of a long way.

    :ivar url: where the way begins
    """

    url: str
    _relay: subprocess.Popen[str]

    def connections(self) -> int:
        """Return how many connections have gone that way."""
        assert self._relay.stdin is not None
        assert self._relay.stdout is not None
        self._relay.stdin.write("\n")
        self._relay.stdin.flush()
        return int(self._relay.stdout.readline())


@contextlib.contextmanager
def far_away(url: str, milliseconds: float) -> Iterator[FarAway]:
    """Put a long way before a service.

    :param milliseconds: of the round trip
    """
    with _served("bench.relay", url, str(milliseconds)) as (before, relay):
        yield FarAway(before, relay)


@contextlib.contextmanager
def _served(module: str, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server that prints its URL."""
    # It ends when its standard input does, however this process ends.
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE.parent,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        if not url:
            sys.exit(f"{module} does not run")
        try:
            yield url, server
        finally:
            server.stdin.close()


def openstack(*command: str) -> list[str]:
    """Return a command of this project, in the shell."""
    return [*SHELL, *command]


def own(*command: str) -> list[str]:
    """Return a command that the shell has by itself."""
    return [str(Path(sys.executable).with_name("openstack")), *command]


def shell(url: str, *command: str) -> list[str]:
    """Return a command of this project in front of the stand-in."""
    return openstack(*_at(url), *command)


def own_at(url: str, *command: str) -> list[str]:
    """Return a command that the shell has by itself, in front of the stand-in."""
    return own(*_at(url), *command)


def _at(url: str) -> tuple[str, ...]:
    return ("--os-auth-type", "admin_token", "--os-token", "t", "--os-endpoint", url)


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


def sh(*commands: str | Sequence[str | Path], folder: Path | None = None) -> list[str]:
    """Return commands of a shell, one after the other.

    :param commands: words, or a line as a shell reads it
    :param folder: where they run
    """
    lines = [
        line if isinstance(line, str) else shlex.join(map(str, line))
        for line in ([["cd", folder]] if folder else []) + list(commands)
    ]
    return ["sh", "-ec", "; ".join(lines)]
