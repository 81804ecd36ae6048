"""Clean environments with one release of python-openstackclient and the libraries of its days."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cloud import environments, interpreters

ROOT = Path(__file__).resolve().parents[2]
SETS = Path(__file__).with_name("sets")

DEBIAN = "debian"
#: Releases, and the Pythons to walk with, the first that is there.
RELEASES = {
    "6.0.0": ("3.11", "3.10"),
    "7.4.0": ("3.10", "3.11", "3.12"),
    "8.2.0": ("3.12", "3.11", "3.10"),
    "9.0.0": ("3.13", "3.12", "3.11"),
    "10.5.0": ("3.14", "3.13", "3.12", "3.11"),
}
NAMES = (*RELEASES, DEBIAN)


class NotHere(Exception):
    """This machine has not what a client needs; the message says what."""


class Failed(Exception):
    """A client could not be made, or did not do what it should."""


@dataclass(frozen=True)
class Client:
    """An environment that has ``openstack``, and the one line that installs the plugin there."""

    python: str
    env: Mapping[str, str]
    install: str

    def run(self, *command: str, folder: Path = ROOT) -> str:
        """Run a command of the environment, and return what it prints."""
        return run(*command, env=self.env, folder=folder)

    def installed(self) -> dict[str, str]:
        """The versions of all that is installed, by name."""
        lines = self.run("pip", "--disable-pip-version-check", "freeze").splitlines()
        pairs = [re.split(r"==| @ ", line) for line in lines]
        return {_normal(pair[0]): pair[1] for pair in pairs if len(pair) == 2}


def run(*command: str, env: Mapping[str, str], folder: Path = ROOT) -> str:
    """Run a command, and return what it prints.

    :raises Failed: if its exit status is not 0
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise Failed(f"exit status {done.returncode}: {' '.join(command)}\n{said}")
    return done.stdout


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed() -> set[str]:
    """The names of what the plugin requires, and of what that does."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    # python-dateutil comes with one of these.
    return {_normal(re.split(r"[><= ]", line)[0]) for line in lines if line} | {"six", "tzdata"}


def installs() -> tuple[str, str]:
    """The README's lines that install: beside any client, and beside Debian's."""
    part = (ROOT / "README.rst").read_text().split("\nInstall it\n==", 1)[1].split("\n==", 1)[0]
    lines = re.findall(r"^    (pip install .*)$", part, re.MULTILINE)
    if len(lines) != 2:
        raise Failed(f"README.rst does not have two lines that install, but {lines}")
    return lines[0], lines[1]


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy what a newcomer would have cloned: a build leaves things behind."""
    leftovers = shutil.ignore_patterns(
        ".?*env", ".tox", ".*_cache", "*.egg-info", "build", "dist", "__pycache__"
    )
    shutil.copytree(ROOT, folder, symlinks=True, ignore=leftovers)
    return folder


def make(name: str, folder: Path) -> Client:
    """Make the environment of a client, without the plugin.

    :param name: one of :data:`NAMES`
    :param folder: an empty folder for it
    :raises NotHere: if this machine has no Python for it, or no such package of Debian's
    :raises Failed: if it cannot be installed
    """
    env = environments.clean(os.environ)
    return _debian(folder, env) if name == DEBIAN else _release(name, folder, env)


def _release(name: str, folder: Path, env: dict[str, str]) -> Client:
    uv = interpreters.find_uv()
    python = interpreters.of_versions(RELEASES[name], uv)
    if python is None:
        raise NotHere(f"no Python {' or '.join(RELEASES[name])} that has venv")
    here = str(folder / "bin" / "python")
    wanted = str(SETS / f"{name}.txt")
    if uv:
        run(uv, "venv", "--quiet", "--seed", "--python", python.path, str(folder), env=env)
        run(uv, "pip", "install", "--quiet", "--python", here, "-r", wanted, env=env)
    else:
        run(python.path, "-m", "venv", str(folder), env=env)
        run(here, "-m", "pip", "install", "--quiet", "-r", wanted, env=env)
    return Client(python.version, {**env, "PATH": _path(folder / "bin")}, installs()[0])


def _debian(folder: Path, env: dict[str, str]) -> Client:
    for program in ("openstack", "pip"):
        if not Path("/usr/bin", program).exists():
            raise NotHere(
                f"no /usr/bin/{program}: apt-get install python3-openstackclient python3-pip"
            )
    env |= {"PATH": _path(), "PYTHONUSERBASE": str(folder)}
    version = run("/usr/bin/python3", "-c", _VERSION, env=env).strip()
    # Debian's pip takes no part in what makes its own folders, so the line's --user is for this.
    return Client(version, env, installs()[1])


_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def _path(*first: Path) -> str:
    return os.pathsep.join([*map(str, first), "/usr/bin", "/bin"])


def install(client: Client, source: Path) -> Sequence[str]:
    """Install the plugin by the README's line; return the names of all that is new.

    :param client: the environment
    :param source: a copy of the checkout
    :raises Failed: if what was there has changed, or more has come than the plugin requires
    """
    before = client.installed()
    client.run(*client.install.split(), folder=source)
    after = client.installed()
    changed = {name for name in before if after.get(name) != before[name]}
    if changed:
        raise Failed(f"{client.install} changed {', '.join(sorted(changed))}")
    new = sorted(set(after) - set(before))
    if "osc-image-v1" not in new or set(new) - needed() - {"osc-image-v1"}:
        raise Failed(f"{client.install} brought {', '.join(new)}")
    return new
