from __future__ import annotations

import io
import logging
import sys

import pytest

from osc_image_v1.transfer import progress as module
from osc_image_v1.transfer.progress import Overall, progress
from tests.unit.conftest import Terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("osc_image_v1.transfer.progress.time.monotonic", lambda: now[0])
    return now


def test_lines_now_and_then(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Overall(4, 40 * 2**20) as overall:
        overall.advance(2**20)
        overall.done()
        clock[0] += 10
        overall.advance(9 * 2**20)
        overall.done()
        clock[0] += 10
        overall.done(2)
        clock[0] += 10
        overall.advance(30 * 2**20)
    assert sys.stderr.getvalue().splitlines() == [
        "1 of 4 images, 10.0 of 40.0 MiB, 1.0 MiB/s, 0:00:30 left",
        "4 of 4 images, 10.0 of 40.0 MiB, 0.5 MiB/s, 0:00:42 left",
        "4 of 4 images, 40.0 of 40.0 MiB, 1.3 MiB/s",
    ]


def test_lines_without_bytes(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Overall(4, 0) as overall:
        clock[0] += 20
        overall.done()
        overall.done()
    assert sys.stderr.getvalue() == "1 of 4 images, 0:01:00 left\n"


@pytest.mark.parametrize("size", [0, 2**20])
def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Overall(2, size) as overall:
        overall.advance(size)
        overall.done()
        overall.done()
    shown = sys.stderr.getvalue()
    assert "100%" in shown
    assert ("2 of 2 images" in shown) is (size > 0)


def test_messages_have_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        with Overall(2, 10) as overall:
            overall.advance(5)
            logging.getLogger("osc_image_v1").warning("something is odd")
            overall.advance(5)
        logging.getLogger("osc_image_v1").warning("the end")
    finally:
        logging.getLogger().removeHandler(handler)
    # A terminal shows what comes after the last return to the begin of a line.
    lines = [line.rpartition("\r")[2] for line in sys.stderr.getvalue().split("\n")]
    assert lines[0] == "something is odd"
    assert lines[1].startswith("100%|")
    assert lines[2:] == ["the end", ""]


def test_a_closed_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(module, "_BETWEEN_LINES", 0)
    with Overall(2, 10) as overall:
        overall.done()
    with progress(10, "x") as advance:
        assert advance(1) is None
