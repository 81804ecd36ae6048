from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from osc_image_v1.cli import base
from osc_image_v1.cli.base import ended_by_signals
from osc_image_v1.cli.export import VerifyExport
from osc_image_v1.transfer import many


def _end_this_process(cleaned: list[bool]) -> None:
    with ended_by_signals("Interrupted: go on"):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            while True:
                time.sleep(0)
        finally:
            cleaned.append(True)


def test_sigterm_ends_the_block_in_order(caplog: pytest.LogCaptureFixture) -> None:
    cleaned: list[bool] = []
    with pytest.raises(SystemExit) as ended:
        _end_this_process(cleaned)
    assert ended.value.code == 143
    assert cleaned == [True]
    assert caplog.messages == ["Interrupted: go on"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_ctrl_c_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt), ended_by_signals("Interrupted: go on"):
        raise KeyboardInterrupt
    assert caplog.messages == ["Interrupted: go on"]


def test_an_error_is_no_interruption(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError), ended_by_signals("Interrupted: go on"):
        raise ZeroDivisionError
    assert caplog.messages == []


def test_the_handlers_of_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ended_by_signals(""):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_a_thread() -> None:
    seen: list[object] = []

    def work() -> None:
        with ended_by_signals(""):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_what_is_done_comes_out_first(
    caplog: pytest.LogCaptureFixture, number: int, kind: type[BaseException]
) -> None:
    came_to_its_end: list[bool] = []

    def work() -> None:
        with ended_by_signals("Interrupted: go on", lambda: True):
            os.kill(os.getpid(), number)
            came_to_its_end.append(True)

    with pytest.raises(kind):
        work()
    assert came_to_its_end == [True]
    assert caplog.messages == ["Interrupted: go on"]


def test_where_that_is_of_no_use_it_ends_at_once() -> None:
    def work() -> None:
        with ended_by_signals("", lambda: False):
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                time.sleep(0)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_all_that_has_to_end_has_five_seconds() -> None:
    assert many._BETWEEN_LOOKS + many._PATIENCE < base._AGAIN < base._AT_LAST < 5


_HANGING = """
import ctypes, sys
from osc_image_v1.cli import base
base._AGAIN, base._AT_LAST = 0.02, 0.04
shell = f"kill -{sys.argv[1]} $PPID; while kill -0 $PPID 2> /dev/null; do sleep 0.01; done"
with base.ended_by_signals(""):
    ctypes.CDLL(None).system(shell.encode())
"""
_CLEANING_UP = """
import os, signal, sys, threading
from osc_image_v1.cli import base
base._AGAIN = 0.02
with base.ended_by_signals("ended"):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
    finally:
        threading.Event().wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_python_does_not_hear_ends_too(number: int) -> None:
    """The system looks up a name, say: the process hangs in C, where no exception can reach it."""
    command = [sys.executable, "-c", _HANGING, str(int(number))]
    assert subprocess.run(command, timeout=60, check=False).returncode == 128 + number


def test_cleaning_up_that_hangs_ends_too() -> None:
    command = [sys.executable, "-c", _CLEANING_UP, str(int(signal.SIGTERM))]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "ended\n")


def test_the_first_process_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops what it does not handle itself, and the log-in comes before all else."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(os, "getpid", lambda: 1)
    try:
        VerifyExport(None, None)
        monkeypatch.undo()
        with pytest.raises(SystemExit) as ended:
            os.kill(os.getpid(), signal.SIGHUP)
        assert ended.value.code == 129
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
