from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from osc_image_v1.cli.signals import ended_by_signals


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
