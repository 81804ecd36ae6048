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
from tests.engines.conftest import DAMAGED, IMAGES, WITH_A_DAMAGED, Door, exported
from tests.engines.page import example, here, literal
from tests.engines.processes import process_with

pytestmark = pytest.mark.skipif(
    not shutil.which("parallel"), reason="not run: GNU parallel is not here"
)

PARTS = 2
_NUMBERS = ((r"(?<=\}/)\d+", PARTS), (r"(?<=seq )\d+", PARTS))

#: In place of ssh: what a remote shell that reads no profile gives a command.
SSH = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
exec env -i HOME="$HOME" SHELL=/bin/sh PATH=/usr/bin:/bin sh -c "$*"
"""


def script(word: str, directory: Path, **options: Any) -> str:
    return here(example("shell", word), directory, *_NUMBERS, **options)


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
    assert done(shell(script("parallel --halt", tmp_path / "images")))[0] == 0
    one, two = exported(tmp_path / "images", PARTS)
    assert not one & two
    assert one | two == IMAGES
    assert len(door.asked) == len(set(door.asked))
    assert sorted(log(tmp_path)) == [("1", "0", "0"), ("2", "0", "0")]
    assert done(shell(f"openstack image v1 verify {tmp_path / 'images'}"))[0] == 0


def test_a_part_that_is_killed_is_run_again(
    shell: Callable[..., Any], door: Door, tmp_path: Path
) -> None:
    """The joblog has its signal or, where a shell waited for it, 137; it is run again as it is."""
    door.shut()
    process = shell(script("parallel --halt", tmp_path / "images"))
    door.waits(*(Shard(part, PARTS) for part in (1, 2)))
    os.kill(process_with({"PARALLEL_SEQ=2"}), signal.SIGKILL)
    door.gate.set()
    assert done(process)[0] == 1
    assert {("2", "0", "9"), ("2", "137", "0")} & set(log(tmp_path))
    assert exported(tmp_path / "images", PARTS)[1] == set()
    kept = exported(tmp_path / "images", PARTS)[0]
    door.asked.clear()
    assert done(shell(literal(r"parallel --retry-failed .*")))[0] == 0
    assert log(tmp_path)[2:] == [("2", "0", "0")]
    assert set().union(*exported(tmp_path / "images", PARTS)) == IMAGES
    assert not kept & set(door.asked)


def test_a_damaged_image_has_a_status_of_its_own(shell: Callable[..., Any], tmp_path: Path) -> None:
    """All else is exported; the page's line picks the parts that are worth another run."""
    line = script("parallel --halt", tmp_path / "images", chosen=WITH_A_DAMAGED)
    status, said = done(shell(line))
    assert status == 1
    assert DAMAGED in said
    assert sorted(row[1] for row in log(tmp_path)) == ["0", "3"]
    assert done(shell(literal(r"awk .* export\.log")))[1] == ""


def test_other_machines(shell: Callable[..., Any], tmp_path: Path) -> None:
    """A remote shell knows neither where the command is nor what the cloud is; --env tells it."""
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    line = script("--sshlogin one", tmp_path / "images")
    told = r" --env PATH --env OS_CLIENT_CONFIG_FILE"
    assert told in line
    status, said = done(shell(line.replace(told, ""), PARALLEL_SSH=str(ssh)))
    assert status == PARTS
    assert "openstack" in said
    status, said = done(shell(line, PARALLEL_SSH=str(ssh)))
    assert status == 0, said
    assert set().union(*exported(tmp_path / "images", PARTS)) == IMAGES
