"""The real shell in the process of the tests."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os

import pytest
from osc_lib import clientmanager


def clear_environment(monkeypatch: pytest.MonkeyPatch, clouds_yaml: str) -> None:
    """Leave no settings of the person's own, and outputs of one width."""
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", clouds_yaml)
    monkeypatch.setenv("COLUMNS", "200")


def run(*argv: str) -> tuple[int, bytes, bytes]:
    """Run a command; return its exit status, and what it wrote to standard output and error."""
    from openstackclient.shell import OpenStackShell

    out, err = io.BytesIO(), io.BytesIO()
    texts = [io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in (out, err)]
    with contextlib.redirect_stdout(texts[0]), contextlib.redirect_stderr(texts[1]):
        try:
            status = OpenStackShell().run(list(argv))
        except SystemExit as stop:
            status = int(stop.code or 0)
        finally:
            _forget()
    # The commands freeze what is alive, which one process a command never notices.
    gc.unfreeze()
    return status, out.getvalue(), err.getvalue()


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
