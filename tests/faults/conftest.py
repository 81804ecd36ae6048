"""The real shell in front of a service that breaks on purpose."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from osc_lib import clientmanager

from osc_image_v1.api import outcomes
from osc_image_v1.api.http import RetryPolicy
from osc_image_v1.transfer import patience
from tests.faults.server import Service


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: bytes
    err: str


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("COLUMNS", "200")


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
        from openstackclient.shell import OpenStackShell

        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = OpenStackShell().run([*service.options(), *argv])
            except SystemExit as stop:
                status = int(stop.code or 0)
            finally:
                _forget()
        # The commands freeze what is alive, which one process a command never notices.
        gc.unfreeze()
        return Result(status, _bytes(out), _bytes(err).decode())

    return run


def _bytes(stream: io.TextIOWrapper) -> bytes:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


def _forget() -> None:
    """Undo what the shell sets up in a process, which is meant for one command."""
    for cache in vars(clientmanager.ClientManager).values():
        if isinstance(cache, clientmanager.ClientCache):
            cache._handle = None
    for name in (None, "cliff", "stevedore", "iso8601", "keystoneauth", "osc_lib"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler) and "pytest" not in repr(handler):
                logger.removeHandler(handler)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a command in a process of its own: ``start(service, "image", "v1", "list")``."""

    def popen(service: Service, *argv: str, **options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "openstackclient.shell", *service.options(), *argv]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settings: dict[str, object] = {"stdin": subprocess.DEVNULL, **pipes, **options}
        return subprocess.Popen(command, **settings)  # type: ignore[call-overload,no-any-return]

    return popen
