"""Parts of an export on several machines, as the documentation's examples spread them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cloud import Cloud
from tests.cloud.seeds import SEEDS

PAGE = Path(__file__).resolve().parents[3] / "doc" / "source" / "many-machines.rst"

# No larger than this, so that it is soon done.
MOST = 100
_SMALL = {
    seed.id
    for seed in SEEDS
    if seed.region == "RegionOne"
    and seed.visibility != "community"
    and seed.status not in ("killed", "deleted")
    and (seed.size or 0) <= MOST
    # An image that v2 made has no size as long as it has no data.
    and (seed.size is not None or seed.through == "v1")
}


def example(language: str, word: str) -> str:
    """Return the block of the page in a language that has a word."""
    pattern = rf"\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)"
    found = [text for text in re.findall(pattern, PAGE.read_text()) if word in text]
    assert len(found) == 1
    return textwrap.dedent(found[0])


def here(script: str, directory: Path, *changes: tuple[str, str]) -> str:
    """Return an example for this cloud, a folder of the test, and what else is to be changed."""
    always = (
        (r"--os-cloud old", "--os-cloud admin"),
        (r"--all\b", f"--all --max-size {MOST}"),
        (r"/(?:scratch/|srv/)?images\b", str(directory)),
    )
    for pattern, instead in (*always, *changes):
        script, count = re.subn(pattern, instead, script)
        assert count, pattern
    return script


@pytest.fixture
def machine(cloud: Cloud, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Run a script where 'openstack' is this Python's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    openstack = programs / "openstack"
    openstack.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m openstackclient.shell "$@"\n')
    openstack.chmod(0o755)

    def run(*argv: str, **environment: str) -> subprocess.Popen[str]:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        env = {**cloud.environ(), "PATH": path, **environment}
        return subprocess.Popen(argv, env=env, stdout=-1, stderr=-1, text=True, cwd=tmp_path)

    return run


def images(manifest: Path) -> set[str]:
    return {json.loads(line)["image"]["id"] for line in manifest.read_text().splitlines()[1:]}


def test_a_slurm_task_and_a_kubernetes_index(
    machine: Callable[..., Any], openstack: Callable[..., Any], tmp_path: Path
) -> None:
    """Two machines at once, with a directory each, do all of it, and nothing twice."""
    # Of the first two tokens that it validates at once after a start Keystone can refuse one;
    # Glance then takes its user for nobody, and lists public images alone.
    assert openstack("image", "v1", "list", "--limit", "1").status == 0
    one, two, both = (tmp_path / name for name in ("one", "two", "both"))
    parts = tmp_path / "parts"
    parts.write_text("2/2\n1/2\n")
    script, file = tmp_path / "export.sbatch", (r"/(?:scratch|job)/parts\b", str(parts))
    script.write_text(here(example("bash", "SBATCH"), one, file))
    task = machine("bash", str(script), SLURM_ARRAY_TASK_ID="2")
    text = example("yaml", "kind: Job")
    job = yaml.safe_load(here(text, two, file))
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["volumeMounts"][0]["mountPath"] == str(two)
    index = machine(*container["command"], *container["args"], JOB_COMPLETION_INDEX="0")
    for process in (task, index):
        _out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    first, second = images(one / "manifest-1-of-2.jsonl"), images(two / "manifest-2-of-2.jsonl")
    assert not first & second
    assert first | second >= _SMALL
    for directory in (one, two):
        shutil.copytree(directory, both, dirs_exist_ok=True)
    result = openstack("image", "v1", "verify", "--all", str(both), "-f", "json", cloud=None)
    assert {row["ID"] for row in result.json} >= {
        seed.id for seed in SEEDS if seed.id in _SMALL and seed.status == "active"
    }


@pytest.mark.skipif(not shutil.which("parallel"), reason="not run: GNU parallel is not here")
def test_gnu_parallel(
    machine: Callable[..., Any], openstack: Callable[..., Any], tmp_path: Path
) -> None:
    directory = tmp_path / "images"
    script = here(example("shell", "parallel --halt"), directory, (r"(?<=--shards )64\b", "2"))
    process = machine("sh", "-c", script)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    manifests = [images(directory / f"manifest-{n}-of-2.jsonl") for n in (1, 2)]
    assert not manifests[0] & manifests[1]
    assert manifests[0] | manifests[1] >= _SMALL
    lines = (tmp_path / "export.log").read_text().splitlines()[1:]
    assert [line.split("\t")[6] for line in lines] == ["0", "0"]
    assert openstack("image", "v1", "verify", str(directory), cloud=None).status == 0
