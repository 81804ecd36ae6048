"""A real Slurm of four nodes on loopback, in one folder, without systemd and cgroups."""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engines.processes import parent_of, process_with, processes_with, until

#: What has to be here: Debian's slurm-wlm and munge.
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "munged")
NODES = ("n1", "n2", "n3", "n4")

#: The first block keeps it in the folder and on loopback. A node that is silent is noticed after
#: seconds (by default minutes), and ended tasks are known to the end of the tests.
_SETTINGS = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log

ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/ended
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU

SlurmdTimeout=5
MessageTimeout=2
TCPTimeout=1
MinJobAge=600
SchedulerParameters=bf_interval=1
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Name what is not here; empty if all is."""
    # Debian has them in /usr/sbin, which is not on everybody's path.
    return ", ".join(name for name in PROGRAMS if not _program(name))


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@dataclass(frozen=True)
class Ended:
    """What Slurm wrote down of the end of a task.

    :ivar task: its number in the array
    :ivar state: such as COMPLETED
    :ivar code: exit status and signal, such as 0:9
    """

    task: int
    state: str
    code: str


class Slurm:
    """The cluster, up within a ``with`` block.

    :param folder: where it lies; its path is to be short enough for a socket
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "slurm.conf"

    def __enter__(self) -> Slurm:
        for name in ("munge", "state", "log", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        self._munge()
        host, ports = socket.gethostname().partition(".")[0], _free(1 + len(NODES))
        node = "NodeName={} NodeHostname={} NodeAddr=127.0.0.1 Port={} CPUs=2 RealMemory=1000"
        nodes = "\n".join(
            node.format(name, host, port) for name, port in zip(NODES, ports[1:], strict=True)
        )
        user = getpass.getuser()
        self.settings.write_text(
            _SETTINGS.format(folder=self.folder, host=host, user=user, ports=ports, nodes=nodes)
        )
        self._start("slurmctld", "-f", str(self.settings), "-c")
        for name in NODES:
            self._start("slurmd", "-f", str(self.settings), "-N", name)
        until(lambda: self.run("sinfo -h -t idle -o %D").strip() == str(len(NODES)), "idle nodes")
        return self

    def __exit__(self, *error: object) -> None:
        # All that is in the folder is thrown away, and an orderly end takes the daemons seconds.
        for path in processes_with({f"SLURM_CONF={self.settings}"}):
            with contextlib.suppress(ProcessLookupError):
                self._kill(int(path.name))

    def run(
        self, script: str, env: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> str:
        """Run a line of shell, and return what it prints."""
        done = subprocess.run(
            ["sh", "-euc", script],
            env={**(env or os.environ), "SLURM_CONF": str(self.settings)},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}: {done.stdout}"
        return done.stdout

    def states(self, job: str) -> dict[int, str]:
        """The state of each task of an array, those that have ended too."""
        lines = self.run(f"squeue -h -r -t all -j {job} -o '%K %T'").splitlines()
        return {int(task): state for task, state in (line.split() for line in lines)}

    def ended(self, job: str) -> list[Ended]:
        """What has ended, in order, requeued tasks too."""
        found = []
        for line in (self.folder / "log" / "ended").read_text().splitlines():
            row = dict(word.partition("=")[::2] for word in line.split())
            if row.get("ArrayJobId") == job:
                found.append(Ended(int(row["ArrayTaskId"]), row["JobState"], row["ExitCode"]))
        return found

    def go_on(self, job: str, task: int) -> None:
        """Begin a task that is queued again at once, which by itself waits for two minutes.

        It may be queued before its first run is gone; then its time to wait begins once more.
        """

        def begun() -> bool:
            if waiting := self.states(job)[task] == "PENDING":
                self.run(f"scontrol update JobId={job}_{task} StartTime=now || true")
            return not waiting

        until(lambda: self.states(job)[task] == "PENDING", f"task {task} is queued again")
        until(begun, f"task {task} is begun again")

    def process(self, job: str, task: int) -> int:
        """The process of a task that runs once."""
        return process_with({f"SLURM_ARRAY_JOB_ID={job}", f"SLURM_ARRAY_TASK_ID={task}"})

    def cut_off(self, job: str, task: int) -> None:
        """Let the node of a task say nothing any more, while the task goes on."""
        node = self.run(f"squeue -h -j {job}_{task} -o %N").strip()
        self._kill(int((self.folder / f"slurmd-{node}.pid").read_text()))

    def die(self, job: str, task: int) -> None:
        """Let the node of a task die, and all that runs on it."""
        process = self.process(job, task)
        step = parent_of(process)
        self.cut_off(job, task)
        self._kill(step)
        self._kill(process)

    @staticmethod
    def _kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def _munge(self) -> None:
        folder = self.folder / "munge"
        for path in (self.folder, folder):
            path.chmod(0o755)
        key = folder / "key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        names = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log"}
        options = [f"--{name}={folder / file}" for name, file in names.items()]
        self._start("munged", *options, f"--seed-file={folder / 'seed'}", "--num-threads=2")

    def _start(self, name: str, *argv: str) -> None:
        program = _program(name)
        assert program
        env = {**os.environ, "SLURM_CONF": str(self.settings)}
        with (self.folder / "log" / "start").open("ab") as log:
            subprocess.run([program, *argv], env=env, stdout=log, stderr=log, check=True)


def _free(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
