"""Parts of an export under the real engines, as the page about many machines spreads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import yaml

from osc_image_v1.transfer.shards import Shard
from tests.cloud import Cloud
from tests.cloud.seeds import SEEDS
from tests.engines.page import MOST
from tests.engines.processes import until
from tests.engines.slurm import Slurm, missing
from tests.functional.conftest import _environment as _environment
from tests.functional.conftest import cloud as cloud
from tests.functional.relay import Relay

#: The images that the examples export here: those that have data, and none that has lost it.
IMAGES = {
    seed.id
    for seed in SEEDS
    if seed.region == "RegionOne"
    and seed.visibility != "community"
    and seed.status == "active"
    and (seed.size or 0) <= MOST
}
#: One that the service says is there, and whose data is gone; and few images of which it is one.
DAMAGED = next(seed.id for seed in SEEDS if seed.name == "data-missing")
WITH_A_DAMAGED = "--min-size 4096 --max-size 8192"


class Door(Relay):
    """The way to the cloud ``old``, which can be shut.

    :ivar clouds_yaml: a clouds.yaml with that cloud
    """

    clouds_yaml: Path

    def shut(self) -> None:
        """Hold who asks for the data of an image, from now on."""
        self.asked.clear()
        self.gate.clear()

    def waiting(self, part: Shard) -> int:
        """How often data of the images of a part was asked for."""
        return sum(image in part for image in list(self.asked))

    def waits(self, *parts: Shard) -> None:
        """Wait until each of these parts has asked for data."""
        until(lambda: all(map(self.waiting, parts)), f"requests of {parts}")


@pytest.fixture(scope="session")
def door(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door(cloud.urls["image"]) as door:
        old = yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"]["admin"]
        old["image_v1_endpoint_override"] = door.url
        door.clouds_yaml = tmp_path_factory.mktemp("old") / "clouds.yaml"
        door.clouds_yaml.write_text(yaml.safe_dump({"clouds": {"old": old}}))
        yield door


@pytest.fixture(scope="session")
def environment(door: Door) -> dict[str, str]:
    """The environment of somebody who has the package, and the cloud ``old``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "OS_CLIENT_CONFIG_FILE": str(door.clouds_yaml)}


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Begin a line of shell in the test's folder."""

    def begin(script: str, **more: str) -> subprocess.Popen[str]:
        env = {**environment, **more}
        return subprocess.Popen(
            ["sh", "-c", script], env=env, cwd=tmp_path, stdout=-1, stderr=-1, text=True
        )

    return begin


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    if why := missing():
        pytest.skip(f"not run: Slurm is not here: {why}")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Slurm(Path(folder)) as slurm:
        yield slurm


def exported(folder: Path, part: Shard) -> set[str]:
    """Which images a part says that it has exported whole."""
    manifest = folder / "images" / f"manifest-{part.index}-of-{part.count}.jsonl"
    lines = map(json.loads, manifest.read_text().splitlines()[1:])
    last = {line["image"]["id"]: line for line in lines}
    return {image for image, line in last.items() if line["data"]}


def are_all_once(folder: Path, parts: Iterable[Shard]) -> bool:
    """Whether each of the images is in one part."""
    found = [image for part in parts for image in exported(folder, part)]
    return sorted(found) == sorted(IMAGES)
