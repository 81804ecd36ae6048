"""The real shell in front of a service that breaks on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from osc_image_v1.api import outcomes
from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.transfer import patience
from tests import shell as real_shell
from tests.faults.server import Service


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: bytes
    err: str


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    real_shell.clear_environment(monkeypatch, os.devnull)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before requests that are sent again, which are not made."""
    seconds: list[float] = []
    wait = RetryPolicy.wait

    def counted(policy: RetryPolicy, attempt: int, error: Exception) -> float:
        seconds.append(wait(policy, attempt, error))
        return 0.0

    monkeypatch.setattr(RetryPolicy, "wait", counted)
    # The waiting for a service that is still at it takes no time either, but it counts.
    for module in (outcomes, patience):
        monkeypatch.setattr(module, "pause", lambda _seconds, _stop: False)
    return seconds


@pytest.fixture
def shell(waits: list[float]) -> Callable[..., Result]:
    """Run a command in the shell of this process: ``shell(service, "image", "v1", "list")``."""

    def run(service: Service, *argv: str) -> Result:
        status, out, err = real_shell.run(*service.options(), *argv)
        return Result(status, out, err.decode())

    return run


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a command in a process of its own: ``start(service, "image", "v1", "list")``."""

    def popen(service: Service, *argv: str, **options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "openstackclient.shell", *service.options(), *argv]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settings: dict[str, object] = {"stdin": subprocess.DEVNULL, **pipes, **options}
        return subprocess.Popen(command, **settings)  # type: ignore[call-overload,no-any-return]

    return popen
