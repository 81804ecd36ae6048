from __future__ import annotations

import contextlib
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
        "1 of 4 images, 10.0 of 40.0 MiB, 1.0 MiB/s, 0:00:33 left",
        "4 of 4 images, 10.0 of 40.0 MiB, 0.5 MiB/s, 0:01:06 left",
        "4 of 4 images, 40.0 of 40.0 MiB, 1.3 MiB/s",
    ]


def test_lines_without_bytes(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Overall(4, 0) as overall:
        clock[0] += 20
        overall.done()
        overall.done()
    assert sys.stderr.getvalue() == "1 of 4 images, 0:01:00 left\n"


def test_small_images_first_do_not_frighten(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    """A thousand images of next to nothing, a second each, and then 100 GiB at 100 MiB/s."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Overall(1010, 100 * 2**30) as overall:
        for _ in range(1000):
            clock[0] += 1
            overall.advance(1024)
            overall.done()
        early = sys.stderr.getvalue()
        assert len(early.splitlines()) == 100
        assert "left" not in early
        for _ in range(200):
            clock[0] += 1
            overall.advance(100 * 2**20)
    # A bit over 1000 s in all are needed at this rate, of which 200 are over.
    last = sys.stderr.getvalue().splitlines()[-1]
    assert last.endswith(" left")
    assert "0:13:" in last or "0:14:" in last


def test_what_need_not_come_is_no_part_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with Overall(2, 40 * 2**20) as overall:
        overall.spare(30 * 2**20)
        clock[0] += 10
        overall.done()
        clock[0] += 10
        overall.advance(5 * 2**20)
        overall.spare(2**40)
        clock[0] += 10
        overall.done()
    assert sys.stderr.getvalue().splitlines() == [
        "1 of 2 images, 0.0 of 10.0 MiB, 0.0 MiB/s",
        "1 of 2 images, 5.0 of 10.0 MiB, 0.2 MiB/s, 0:00:20 left",
        "2 of 2 images, 5.0 of 5.0 MiB, 0.2 MiB/s",
    ]


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("wanted", [None, True, False])
@pytest.mark.parametrize("total", [None, 3 * 2**20])
def test_a_bar_when_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, wanted: bool | None, total: int | None
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    monkeypatch.setattr(module, "_BETWEEN_LINES", 0)
    monkeypatch.setattr(module, "_BETWEEN_BARS", 0)
    with contextlib.nullcontext() if wanted is None else module.shown(wanted):
        with progress(total, "disk\x1b") as advance:
            advance(2**20)
            advance(2 * 2**20)
        if wanted is False:
            with Overall(1, 1) as overall:
                overall.advance(1)
    said = sys.stderr.getvalue()
    assert module._choice.wanted is None
    if wanted is False or not (terminal or wanted):
        assert not said
    elif terminal:
        assert "disk\\x1b: " in said
        assert ("3.0 MiB of 3.0 MiB, " if total else ": 3.0 MiB, ") in said
        assert "B/s" in said
    else:
        assert ("3.0 of 3.0 MiB, " if total else " 3.0 MiB, ") in said.splitlines()[-1]


def test_a_bar_that_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    for stays in (True, False):
        monkeypatch.setattr(sys, "stderr", Terminal())
        with Overall(1, 0, stays=stays) as overall:
            overall.done()
        shown = sys.stderr.getvalue()
        assert "%|" in shown
        assert shown.endswith("\n") is stays
        assert stays or not shown.rsplit("\r", 2)[-2].strip()


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
