"""GNU parallel: the page's examples, a part that is killed, and other machines."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from osc_image_v1.transfer.shards import Shard
from tests.engines.conftest import Door, are_all_once, exported
from tests.engines.page import example, here, literal, parts_of
from tests.engines.processes import process_with

pytestmark = pytest.mark.skipif(
    not shutil.which("parallel"), reason="not run: GNU parallel is not here"
)

PARTS = 2
LOCAL = example("shell", "parallel --halt")

#: In place of ssh: what a remote shell that reads no profile gives a command.
SSH = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec env -i HOME="$HOME" SHELL=/bin/sh PATH=/usr/bin:/bin sh -c "$*"
"""


def done(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The status of the parts, and what they wrote."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def log(folder: Path) -> list[tuple[str, str, str]]:
    """Number, exit status and signal of each run of a part, as the joblog has them."""
    with (folder / "export.log").open() as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return [(row["Seq"], row["Exitval"], row["Signal"]) for row in rows]


def test_all_parts_are_exported_once(shell: Callable[..., Any], door: Door, tmp_path: Path) -> None:
    door.asked.clear()
    assert done(shell(here(LOCAL, tmp_path, PARTS)))[0] == 0
    assert are_all_once(tmp_path, parts_of(tmp_path))
    assert len(door.asked) == len(set(door.asked))
    assert sorted(log(tmp_path)) == [("1", "0", "0"), ("2", "0", "0")]
    assert done(shell(f"openstack image v1 verify {tmp_path / 'images'}"))[0] == 0


def test_a_part_that_is_killed_is_run_again(
    shell: Callable[..., Any], door: Door, tmp_path: Path
) -> None:
    """The joblog has its signal or, where a shell waited for it, 137; it is run again as it is."""
    door.shut()
    process = shell(here(LOCAL, tmp_path, PARTS))
    door.waits(*(Shard(index, PARTS) for index in range(1, PARTS + 1)))
    whole, killed = parts_of(tmp_path)
    os.kill(process_with({"PARALLEL_SEQ=2"}), signal.SIGKILL)
    door.gate.set()
    assert done(process)[0] == 1
    assert {("2", "0", "9"), ("2", "137", "0")} & set(log(tmp_path))
    assert exported(tmp_path, killed) == set()
    door.asked.clear()
    assert done(shell(literal(r"parallel --retry-failed .*")))[0] == 0
    assert log(tmp_path)[2:] == [("2", "0", "0")]
    assert are_all_once(tmp_path, (whole, killed))
    assert set(door.asked) == exported(tmp_path, killed)


def test_other_machines(shell: Callable[..., Any], tmp_path: Path) -> None:
    """A remote shell knows neither where the command is nor what the cloud is; --env tells it."""
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    (tmp_path / "parts").write_text(f"2/{PARTS}\n1/{PARTS}\n")
    line = here(example("shell", "--sshlogin one"), tmp_path, PARTS)
    told = "--env PATH --env OS_CLIENT_CONFIG_FILE"
    assert told in line
    status, said = done(shell(line.replace(told, ""), PARALLEL_SSH=str(ssh)))
    assert status == PARTS
    # The command, or, where the system has one of its own, the cloud.
    assert "not found" in said
    status, said = done(shell(line, PARALLEL_SSH=str(ssh)))
    assert status == 0, said
    assert are_all_once(tmp_path, parts_of(tmp_path))
