from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from osc_image_v1.cli.base import ended_by_signals


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
