"""Start the cloud's processes, know them again later, and end them: those, and no others.

A process ID alone says little: the process may have ended, and its number may be another's by now.
So the time at which it started is kept beside it, and both have to match.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cloud.places import replace_text

#: Held so that children of this very process are waited for, and none becomes a zombie.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Service:
    """One process of the cloud."""

    name: str
    title: str
    port: int
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Whether it runs only where somebody asks for it: most have no use for it.
    on_demand: bool = False
    #: A command that succeeds when it answers; without one, it speaks HTTP on its port.
    asked_by: Sequence[str] = ()
    #: Who it runs as, where that is not who runs this.
    user: str | None = None
    #: What ends it in an orderly way.
    stop_signal: signal.Signals = signal.SIGTERM
    #: Where it runs, if that matters.
    folder: Path | None = None
    #: A file that it leaves when it is killed, and that keeps the next one from starting.
    stale: Path | None = None


def as_user(name: str | None) -> dict[str, Any]:
    """What makes :mod:`subprocess` run a program as somebody else."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def start(record: Path, service: Service, env: Mapping[str, str], log: Path) -> int:
    """Start a process that outlives this one, and write down which it is."""
    if service.stale:
        service.stale.unlink(missing_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            service.command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd=service.folder or record.parent,
            **as_user(service.user),
        )
    _CHILDREN[child.pid] = child
    written = {"pid": child.pid, "birth": _birth(child.pid), "signal": int(service.stop_signal)}
    replace_text(record, json.dumps(written) + "\n")
    return child.pid


@atexit.register
def _let_them_live() -> None:
    """The cloud outlives who started it; Popen would warn of each process that does."""
    for child in _CHILDREN.values():
        if child.poll() is None:
            child.returncode = 0


def alive(record: Path) -> int | None:
    """The ID of the process that was written down, if it is still that process."""
    try:
        written = json.loads(record.read_text())
        pid, birth = int(written["pid"]), written["birth"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    child = _CHILDREN.get(pid)
    if child and child.poll() is not None:
        return None
    return pid if birth is not None and _birth(pid) == birth else None


def end(record: Path, patience: float = 8) -> int | None:
    """End the process that was written down, if it is still there; say which it was."""
    pid = alive(record)
    if pid is not None:
        gentle = json.loads(record.read_text()).get("signal", signal.SIGTERM)
        for sign, seconds in ((gentle, patience), (signal.SIGKILL, patience)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            deadline = time.monotonic() + seconds
            while alive(record) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not alive(record):
                break
    record.unlink(missing_ok=True)
    return pid


def _birth(pid: int) -> str | None:
    """What sets this process apart from any other of the same number; None if there is none."""
    if not Path("/proc/self/stat").exists():
        return _birth_by_ps(pid)
    try:
        # The name of the program, in parentheses, may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{boot} {fields[19].decode()}"


def _birth_by_ps(pid: int) -> str | None:
    """The same where there is no /proc: the time of the start, as ps tells it."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    env = {**os.environ, "LC_ALL": "C"}
    try:
        out = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    state, _, birth = out.strip().partition(" ")
    return None if not birth or state.startswith("Z") else " ".join(birth.split())
