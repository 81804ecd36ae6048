"""A Kubernetes indexed Job: the page's manifest by the published schemas, and what it runs."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from osc_image_v1.transfer.shards import Shard
from tests.engines.conftest import Door, are_all_once
from tests.engines.page import example, here, parts_of
from tests.engines.processes import process_with

#: The first that takes all of it, the first that has FailIndex for good, one between, the newest.
VERSIONS = ("1.29", "1.31", "1.33", "1.37")

#: A container, as far as the system's own programs make one: process 1, a root that is read-only
#: but for the volumes, and a user that is nobody here and has no rights, but to find this Python.
CONTAINER = """\
for volume in /tmp "$VOLUMES"; do mount --bind "$volume" "$volume"; done
mount -o remount,bind,ro /
cd "$VOLUMES"
exec setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups --no-new-privs \
    --bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search \
    --ambient-caps=-all,+dac_read_search -- "$@"
"""
_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


def manifest(folder: Path = Path("/somewhere"), shards: int = 2) -> dict[str, Any]:
    return dict(yaml.safe_load(here(example("yaml", "kind: Job"), folder, shards)))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_job_is_one_by_the_schema(version: str) -> None:
    """All of its fields are known, at every depth."""
    job = yaml.safe_load(example("yaml", "kind: Job"))
    assert kubernetes_validate.validate(job, version, strict=True) == version
    for path in (("spec",), ("spec", "podFailurePolicy", "rules", 0), ("spec", "template", "spec")):
        wrong = place = copy.deepcopy(job)
        for step in path:
            place = place[step]
        place["noSuchField"] = 1
        with pytest.raises(kubernetes_validate.ValidationError, match="noSuchField"):
            kubernetes_validate.validate(wrong, version, strict=True)


def test_the_job_holds_what_no_schema_says() -> None:
    """What the service refuses besides: a policy of its own kind, or an index that has none."""
    spec = manifest()["spec"]
    assert spec["completions"] == 2
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["podReplacementPolicy"] == "Failed"
    (container,) = spec["template"]["spec"]["containers"]
    rules = spec["podFailurePolicy"]["rules"]
    assert {rule["onExitCodes"]["containerName"] for rule in rules[1:]} == {container["name"]}
    volumes = {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_the_policy_knows_the_exit_statuses() -> None:
    """An eviction comes first: it counts as nothing, whatever the run's status is."""
    rules = manifest()["spec"]["podFailurePolicy"]["rules"]
    assert "DisruptionTarget" in str(rules[0])
    found = [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in rules]
    assert found == [("Ignore", None), ("FailJob", [2]), ("FailIndex", [3])]


@pytest.fixture
def pod(environment: dict[str, str], tmp_path: Path) -> Callable[[int], subprocess.Popen[str]]:
    """Begin an index: what the manifest runs, under what it demands."""
    if subprocess.run([*_UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("not run: no namespaces can be made here, which takes root")
    spec = manifest(tmp_path)["spec"]["template"]["spec"]
    user = spec["securityContext"]["runAsUser"]
    (container,) = spec["containers"]
    os.chown(tmp_path, user, user)
    env = {**environment, "VOLUMES": str(tmp_path), "USER_ID": str(user), "HOME": "/"}
    command = ["sh", "-euc", CONTAINER, "sh", *container["command"], *container["args"]]

    def begin(index: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_UNSHARE, *command],
            env={**env, "JOB_COMPLETION_INDEX": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return begin


def test_an_index_is_a_part(
    pod: Callable[[int], subprocess.Popen[str]], door: Door, tmp_path: Path
) -> None:
    """One is evicted while it works; the pod in its place goes on."""
    (tmp_path / "parts").write_text("2/2\n1/2\n")
    door.shut()
    pods = [pod(0), pod(1)]
    door.waits(Shard(1, 2), Shard(2, 2))
    os.kill(process_with({"JOB_COMPLETION_INDEX=1"}), signal.SIGTERM)
    said = pods[1].communicate(timeout=120)[0]
    assert pods[1].returncode == 143, said
    door.gate.set()
    pods[1] = pod(1)
    for each in pods:
        said = each.communicate(timeout=120)[0]
        assert each.returncode == 0, said
    assert are_all_once(tmp_path, parts_of(tmp_path))
