"""The virtual environments, built from the package index: once, and when their pins change."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cloud import interpreters
from tests.cloud.interpreters import Interpreter
from tests.cloud.places import PINS, Places, replace_text
from tests.cloud.reports import CloudError, say, tail
from tests.cloud.together import Stop, check, together
from tests.cloud.worlds import World

#: Each is built from ``pins/<name>.txt``.
NAMES = ("modern", "pike")

#: What Glance 15 needs besides, in worlds of other databases and stores.
DRIVERS = "drivers"

#: Keystone with the Identity API v2: a folder of packages for Python 2.7, and no environment.
KEYSTONE2 = "keystone2"

#: A few old packages come as source, in pure Python, and want these to be turned into wheels.
BUILD_TOOLS = ("setuptools<70", "wheel")


def clean(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment for other Pythons: nothing in it that aims at the one which runs this."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(("PYTHON", "OS_", "VIRTUAL_ENV", "__PYVENV", "COV_", "COVERAGE_"))
    }


def _digest(name: str) -> str:
    return hashlib.sha256((PINS / f"{name}.txt").read_bytes()).hexdigest()


def missing(places: Places, world: World) -> list[str]:
    """The environments that are not whole, not made from today's pins, or without their Python."""
    chosen = interpreters.chosen()
    names = [*NAMES, *([DRIVERS] if world.parts else [])]
    names += [KEYSTONE2] if world.identity == "v2" else []
    return [name for name in names if not _is_built(places, name, chosen)]


def drivers(places: Places) -> dict[str, str]:
    """What makes Glance 15 find the drivers of a world's database and store."""
    if not places.world.parts:
        return {}
    folders = sorted((places.environments / DRIVERS / "lib").glob("python3*/site-packages"))
    return {"PYTHONPATH": ":".join(map(str, folders))}


def _is_built(places: Places, name: str, chosen: Interpreter | None) -> bool:
    try:
        built = json.loads((places.environments / name / "built.json").read_text())
    except (OSError, ValueError):
        return False
    return (
        built.get("pins") == _digest(name)
        and (name == KEYSTONE2 or chosen is None or built.get("python") == chosen.version)
        and (name == KEYSTONE2 or places.python(name).exists())
    )


def build(places: Places, names: Sequence[str]) -> None:
    """Build some environments, all at once."""
    uv = interpreters.find_uv()
    python = interpreters.find(uv)
    say(f"Python {python.version} for the cloud: {python.path}")
    say(f"installing {' and '.join(names)} with {'uv' if uv else 'pip'}: a minute or two")
    jobs = {
        name: functools.partial(_build_keystone2, places)
        if name == KEYSTONE2
        else functools.partial(_build, places, name, python, uv)
        for name in names
    }
    together(jobs, "installing")


def _build_keystone2(places: Places, _stop: Stop) -> None:
    """Put Keystone 12 and what it needs into a folder, with Python 2.7's own pip."""
    folder = places.environments / KEYSTONE2
    log = places.environments / f"{KEYSTONE2}.log"
    log.write_text("")
    shutil.rmtree(folder, ignore_errors=True)
    python = interpreters.python2()
    try:
        if python is None:
            raise CloudError("Python 2.7 is not here")
        install = (python, "-s", "-m", "pip", "install", "--disable-pip-version-check")
        pins = PINS / f"{KEYSTONE2}.txt"
        target = ("--no-deps", "--no-compile", "--target", str(folder), "-r", str(pins))
        _run(log, *install, *target)
    except CloudError as error:
        raise CloudError(f"could not install Keystone 12: {error}") from None
    built = {"pins": _digest(KEYSTONE2), "python": "2.7", "with": "pip"}
    replace_text(folder / "built.json", json.dumps(built, indent=1) + "\n")
    say(f"installed {KEYSTONE2}")


def _build(places: Places, name: str, python: Interpreter, uv: str | None, stop: Stop) -> None:
    """Build one environment; the mark that it is whole is written last."""
    folder = places.environments / name
    log = places.environments / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    try:
        if uv:
            try:
                _install_with_uv(folder, name, python, uv, log)
            except CloudError:
                check(stop, 0.5)
                if not python.has_pip:
                    raise
                say(f"uv could not install {name}, trying pip (see {log})")
                uv = None
        if not uv:
            _install_with_pip(folder, name, python, log)
    except CloudError as error:
        raise CloudError(f"could not build the environment {name}: {error}") from None
    built = {"pins": _digest(name), "python": python.version, "with": "uv" if uv else "pip"}
    replace_text(folder / "built.json", json.dumps(built, indent=1) + "\n")
    say(f"installed {name}")


def _install_with_uv(folder: Path, name: str, python: Interpreter, uv: str, log: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run(log, uv, "venv", "--python", python.path, str(folder))
    install = (uv, "pip", "install", "--python", str(folder / "bin" / "python"))
    _run(log, *install, *BUILD_TOOLS)
    _run(log, *install, *_pins(name))


def _install_with_pip(folder: Path, name: str, python: Interpreter, log: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _run(log, python.path, "-m", "venv", str(folder))
    install = (
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
    )
    _run(log, *install, *BUILD_TOOLS)
    # Most of it is never imported: what is gets compiled then.
    _run(log, *install, "--no-compile", *_pins(name))


def _pins(name: str) -> tuple[str, ...]:
    return ("--no-deps", "--no-build-isolation", "-r", str(PINS / f"{name}.txt"))


def _run(log: Path, *command: str) -> None:
    with log.open("a") as out:
        print("---", *command, file=out, flush=True)
        status = subprocess.run(
            command,
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env=clean(os.environ),
            check=False,
        ).returncode
    if status:
        raise CloudError(f"{command[0]} ended with {status}\n{tail(log)}")
