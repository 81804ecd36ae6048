"""Wheel and sdist: built in isolation, looked into, and installed beside a client."""

from __future__ import annotations

import configparser
import email.message
import email.parser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object) -> str:
    """Run a command, and return what it prints."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    settings |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=ROOT.anchor,
        env=settings,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def has_uv() -> bool:
    try:
        return subprocess.run(["uv", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def requirements(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.split("#")[0].replace(" ", "") for line in lines if line.split("#")[0].strip()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was made from it.

    They are built from a copy: what a build leaves behind would hide the entry points of later
    versions from the other tests.
    """
    folder, source = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("source") / "copy"
    leftovers = shutil.ignore_patterns(".?*env", ".tox", ".*_cache", "*.egg-info", "build", "dist")
    shutil.copytree(ROOT, source, symlinks=True, ignore=leftovers)
    run(sys.executable, "-m", "build", "--outdir", folder, source)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    (path,) = built.glob("osc_image_v1-*-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.parser.Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tracked = run("git", "-C", ROOT, "ls-files", "osc_image_v1").split()
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == set(tracked)
    assert "osc_image_v1/py.typed" in inside


def test_the_wheel_has_its_entry_points(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    found = configparser.ConfigParser()
    found.read_string(wheel.read(name).decode())
    source = configparser.ConfigParser()
    source.read(ROOT / "setup.cfg")
    wanted = {
        group: dict(
            re.split(r"\s*=\s*", line) for line in source["entry_points"][group].split("\n") if line
        )
        for group in source["entry_points"]
    }
    assert {group: dict(found[group]) for group in found.sections()} == wanted


def test_the_wheel_has_the_licence(wheel: zipfile.ZipFile, metadata: email.message.Message) -> None:
    (name,) = (name for name in wheel.namelist() if re.search(r"\.dist-info/.*LICENSE$", name))
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()
    assert "Apache-2.0" in (metadata["License-Expression"] or metadata["License"])


def test_the_metadata_says_what_is_needed(metadata: email.message.Message) -> None:
    needed = {item.replace(" ", "") for item in metadata.get_all("Requires-Dist", [])}
    extras = {item for item in needed if "extra==" in item}
    assert needed - extras == requirements("requirements.txt")
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert set(metadata.get_all("Provides-Extra", [])) >= set(setup["extras"])
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"].startswith("text/x-rst")


def test_the_sdist_has_all_that_is_tracked(built: Path) -> None:
    (path,) = built.glob("osc_image_v1-*.tar.gz")
    with tarfile.open(path) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    tracked = set(run("git", "-C", ROOT, "ls-files").split("\n")) - {""}
    hidden = {name for name in tracked if name.startswith(".")}
    assert tracked - hidden <= inside
    assert not [name for name in inside if name.startswith((".tox", ".venv", "doc/build"))]


def test_twine_accepts_both(built: Path) -> None:
    said = run(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.iterdir()))
    assert said.count("PASSED") == 2


@pytest.mark.parametrize("client", ["newest", "oldest"])
def test_it_installs_beside_a_client(built: Path, tmp_path: Path, client: str) -> None:
    """Nothing that is there changes, and the commands are there at once."""
    if client == "oldest" and sys.version_info >= (3, 12):
        pytest.skip("the oldest client is for Python 3.10 and 3.11")
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"
    pip = (python, "-m", "pip")
    release = {
        "newest": ["python-openstackclient"],
        "oldest": ["-r", ROOT / "oldest-requirements.txt"],
    }
    # What is there already may come by the quicker way; what is tested comes by pip.
    quick = ("uv", "pip", "install", "--python", python) if has_uv() else (*pip, "install")
    run(*quick, *release[client])
    before = set(run(*pip, "freeze").splitlines())
    (path,) = built.glob("*.whl")
    run(*pip, "install", path)
    after = set(run(*pip, "freeze").splitlines())
    assert before <= after
    new = {re.split("==| @ ", line)[0].replace("_", "-") for line in after - before}
    assert new <= {"osc-image-v1", "tqdm"}, new
    assert "osc-image-v1" in new
    run(*pip, "check")
    shell = tmp_path / "bin" / "openstack"
    listed = run(shell, "command", "list", "--group", "openstack.image_v1.v1")
    assert "image v1 list" in listed
    helped = " ".join(run(shell, "help", "image", "v1", "list").split())
    assert "List images of the Image API v1" in helped
    run(python, "-c", "from osc_image_v1.api import ImageClient, ComputeImageClient")
