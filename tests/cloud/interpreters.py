"""Find a Python that the cloud can run on, by running it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cloud.reports import CloudError, one_of

#: What the cloud was tried on, the best first.
VERSIONS = ("3.12", "3.11", "3.13")

_QUESTION = """
import sys, sqlite3, ssl, venv
try:
    import ensurepip
except ImportError:
    ensurepip = None
print("%d.%d" % sys.version_info[:2], bool(ensurepip))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was run and answered."""

    path: str
    version: str
    has_pip: bool


def ask(path: str) -> Interpreter | None:
    """Run a candidate; None if it does not run (as a pyenv shim may not) or lacks a module."""
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _QUESTION],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            stdin=subprocess.DEVNULL,
        ).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return Interpreter(path, answer[0], answer[1] == "True") if len(answer) == 2 else None


def find_uv() -> str | None:
    """``uv``, if there is one that runs."""
    path = shutil.which("uv")
    try:
        if path:
            subprocess.run([path, "--version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return path


def chosen() -> Interpreter | None:
    """The Python that ``$OSC_IMAGE_V1_CLOUD_PYTHON`` names, if it names one."""
    name = os.environ.get("OSC_IMAGE_V1_CLOUD_PYTHON")
    if not name:
        return None
    python = ask(shutil.which(name) or name)
    if python and python.version in VERSIONS:
        return python
    raise CloudError(
        f"OSC_IMAGE_V1_CLOUD_PYTHON={name} is not a Python {one_of(VERSIONS)} that runs and has "
        "sqlite3, ssl and venv"
    )


def find(uv: str | None) -> Interpreter:
    """The Python to build the environments with."""
    python = chosen()
    if python and (uv or python.has_pip):
        return python
    without_pip = [python.path] if python else []
    for version in () if python else VERSIONS:
        for path in _candidates(version, uv):
            answer = ask(path)
            if not answer or answer.version != version:
                continue
            if uv or answer.has_pip:
                return answer
            without_pip.append(path)
    raise CloudError(
        f"the cloud needs Python {one_of(VERSIONS)} with sqlite3, ssl and venv, and none was found "
        "that runs: on PATH, among pyenv's versions, or beside the Python that runs this.\n"
        + (
            f"{', '.join(without_pip)} would do if ensurepip were there (on Debian and Ubuntu: "
            "the package python3-venv), or if uv were installed.\n"
            if without_pip
            else ""
        )
        + "Name one with OSC_IMAGE_V1_CLOUD_PYTHON=/path/to/python."
    )


def of_versions(versions: Sequence[str], uv: str | None) -> Interpreter | None:
    """The first Python of some versions that makes virtual environments; None if there is none."""
    for version in versions:
        for path in _candidates(version, uv):
            answer = ask(path)
            if answer and answer.version == version and (uv or answer.has_pip):
                return answer
    return None


@functools.cache
def python2() -> str | None:
    """A Python 2.7 that has pip; None if there is none."""
    question = "import sys, sqlite3, ssl, pip; print(sys.version_info[:2] == (2, 7))"
    for path in _candidates("2.7", None):
        command = [path, "-c", question]
        env = {**os.environ, "PYTHONPATH": ""}
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            answer = subprocess.run(command, capture_output=True, timeout=60, check=True, env=env)
            if answer.stdout.strip() == b"True":
                return path
    return None


def _candidates(version: str, uv: str | None) -> Iterator[str]:
    """Where a Python of this version may be, each path once."""
    seen: set[str] = set()
    for path in _everywhere(version, uv):
        if path and path not in seen:
            seen.add(path)
            yield path


def _everywhere(version: str, uv: str | None) -> Iterator[str | None]:
    if version == "{}.{}".format(*sys.version_info):
        yield getattr(sys, "_base_executable", None) or sys.executable
    for name in (f"python{version}", "python3", "python"):
        yield shutil.which(name)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for found in sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True):
        yield str(found)
    if uv:
        command = [uv, "python", "find", "--no-python-downloads", version]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        yield answer.stdout.strip() or None
