"""A Slurm job array: the page's script, and whatever becomes of its tasks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.engines.conftest import DAMAGED, IMAGES, WITH_A_DAMAGED, Door, are_all_once, exported
from tests.engines.page import CHOSEN, example, here, literal, parts_of
from tests.engines.processes import until
from tests.engines.slurm import Ended, Slurm

KILLED, QUEUED_AGAIN, ON_A_DEAD_NODE, CUT_OFF = 1, 2, 3, 4


class Spread:
    """An export that the page's script spreads.

    :ivar job: the array
    :ivar verified: the job that verifies after it
    :ivar parts: the part of each task
    """

    def __init__(
        self, slurm: Slurm, env: dict[str, str], folder: Path, shards: int, chosen: str = CHOSEN
    ) -> None:
        self.slurm, self._env, self.folder = slurm, env, folder
        batch, submit = example("bash", "SBATCH"), example("shell", "--parsable")
        (folder / "export.sbatch").write_text(here(batch, folder, shards, chosen))
        said = self.run(here(submit, folder, shards, chosen) + 'echo "$job"')
        self.verified, self.job = said.split()[-2:]
        self.parts = dict(enumerate(parts_of(folder), 1))

    def run(self, script: str) -> str:
        return self.slurm.run(script, self._env, self.folder)

    def again(self, tasks: str) -> str:
        """Run tasks again as the page says; return the job."""
        line = literal(r"sbatch --array=\S+ export\.sbatch")
        assert "=3,7 " in line
        return self.run(line.replace("=3,7 ", f"={tasks} ")).split()[-1]

    def end(self, job: str) -> list[Ended]:
        """Wait until a job has ended; what Slurm wrote down of its tasks."""
        until(lambda: not self.run(f"squeue -h -j {job}"), f"the end of {job}")
        return sorted(self.slurm.ended(job), key=lambda ended: ended.task)

    def log(self, task: int) -> str:
        return (self.folder / f"export-{task}.log").read_text()

    def verify(self) -> str:
        """What the job that waited for the array says of the images."""
        self.end(self.verified)
        return (self.folder / f"slurm-{self.verified}.out").read_text()


def test_all_parts_are_exported_once(
    slurm: Slurm, environment: dict[str, str], door: Door, tmp_path: Path
) -> None:
    door.asked.clear()
    spread = Spread(slurm, environment, tmp_path, 2)
    said = spread.verify()
    assert spread.end(spread.job) == [Ended(task, "COMPLETED", "0:0") for task in (1, 2)]
    assert are_all_once(tmp_path, spread.parts.values())
    assert len(door.asked) == len(set(door.asked))
    assert said.startswith(f"Whole files: {len(IMAGES)} ")


@pytest.fixture(scope="module")
def troubles(
    slurm: Slurm,
    environment: dict[str, str],
    door: Door,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Spread, list[Ended]]:
    """Four parts, of which each meets another trouble, and what had ended of them."""
    door.shut()
    spread = Spread(slurm, environment, tmp_path_factory.mktemp("troubles"), 4)
    job, parts = spread.job, spread.parts
    door.waits(*parts.values())
    cut_off = slurm.process(job, CUT_OFF)

    slurm.die(job, ON_A_DEAD_NODE)
    slurm.cut_off(job, CUT_OFF)
    os.kill(slurm.process(job, KILLED), signal.SIGKILL)
    door.asked.clear()
    slurm.run(f"scontrol requeue {job}_{QUEUED_AGAIN}")
    slurm.go_on(job, QUEUED_AGAIN)
    # Two nodes are left, of which one is taken.
    slurm.go_on(job, CUT_OFF)
    until(lambda: slurm.states(job)[CUT_OFF] == "FAILED", "the second copy is refused")
    slurm.go_on(job, ON_A_DEAD_NODE)
    door.waits(parts[QUEUED_AGAIN], parts[ON_A_DEAD_NODE])
    assert Path(f"/proc/{cut_off}").exists()
    door.gate.set()
    until(lambda: not Path(f"/proc/{cut_off}").exists(), "the end of the copy that was cut off")
    return spread, spread.end(job)


def test_a_task_that_is_killed_is_not_begun_again(troubles: tuple[Spread, list[Ended]]) -> None:
    _spread, ended = troubles
    assert [each for each in ended if each.task == KILLED] == [Ended(KILLED, "FAILED", "0:9")]


def test_a_task_that_is_queued_again_keeps_its_log(troubles: tuple[Spread, list[Ended]]) -> None:
    spread, ended = troubles
    assert [each for each in ended if each.task == QUEUED_AGAIN][-1].state == "COMPLETED"
    log = spread.log(QUEUED_AGAIN)
    assert "Interrupted: run the same command again" in log
    assert log.index("Interrupted") < log.index("| fetched ")


def test_the_part_of_a_dead_node_is_begun_again(troubles: tuple[Spread, list[Ended]]) -> None:
    _spread, ended = troubles
    states = [each.state for each in ended if each.task == ON_A_DEAD_NODE]
    assert states == ["NODE_FAIL", "COMPLETED"]


def test_a_node_that_is_cut_off_goes_on(troubles: tuple[Spread, list[Ended]]) -> None:
    """The second copy is refused, and the first does the work."""
    spread, ended = troubles
    found = [each for each in ended if each.task == CUT_OFF]
    assert found == [Ended(CUT_OFF, "NODE_FAIL", "0:0"), Ended(CUT_OFF, "FAILED", "1:0")]
    assert "in use" in spread.log(CUT_OFF)


def test_what_failed_is_run_again_by_hand(troubles: tuple[Spread, list[Ended]], door: Door) -> None:
    spread, _ended = troubles
    assert "incomplete" in spread.verify()
    kept = set.union(*(exported(spread.folder, part) for part in spread.parts.values()))
    door.asked.clear()
    ended = spread.end(spread.again(f"{KILLED},{CUT_OFF}"))
    assert ended == [Ended(task, "COMPLETED", "0:0") for task in (KILLED, CUT_OFF)]
    assert are_all_once(spread.folder, spread.parts.values())
    assert set(door.asked) == IMAGES - kept
    assert spread.run("openstack image v1 verify images").startswith("Whole files: ")


def test_a_damaged_image_has_a_status_of_its_own(
    slurm: Slurm, environment: dict[str, str], tmp_path: Path
) -> None:
    spread = Spread(slurm, environment, tmp_path, 1, WITH_A_DAMAGED)
    assert DAMAGED in spread.verify()
    assert spread.end(spread.job) == [Ended(1, "FAILED", "3:0")]
