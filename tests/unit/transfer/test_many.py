from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from osc_image_v1.transfer import many, progress
from osc_image_v1.transfer.many import Overall, Workers
from tests.unit.conftest import Terminal


def test_all_is_done_once() -> None:
    workers: Workers[int, int] = Workers(lambda n: n * n, 4, threading.Event())
    results = [result for some in workers.results(range(1000)) for result in some]
    assert sorted(results) == [n * n for n in range(1000)]


def test_nothing_to_do() -> None:
    workers: Workers[int, int] = Workers(lambda n: n, 4, threading.Event())
    assert list(workers.results([])) == []


def test_things_are_taken_when_a_worker_is_free() -> None:
    taken: list[int] = []
    stop = threading.Event()

    def items() -> Iterator[int]:
        for n in range(10_000):
            taken.append(n)
            yield n

    workers: Workers[int, int] = Workers(lambda n: n, 2, stop)
    results = workers.results(items())
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert stop.is_set()
    assert len(taken) < 10_000
    assert threading.active_count() < 10


def test_an_error_ends_all() -> None:
    stop = threading.Event()

    def work(n: int) -> int:
        if n == 50:
            raise ZeroDivisionError
        stop.wait(0.01)
        return n

    workers: Workers[int, int] = Workers(work, 3, stop)
    with pytest.raises(ZeroDivisionError):
        list(workers.results(range(100_000)))
    assert stop.is_set()


def test_a_worker_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_PATIENCE", 0.1)
    release = threading.Event()
    workers: Workers[int, Any] = Workers(
        lambda n: n if n else release.wait(10), 2, threading.Event()
    )
    results = workers.results(range(2))
    assert next(results) == [1]
    results.close()  # type: ignore[attr-defined]
    release.set()


def _take(results: Iterator[list[int]], seen: list[int]) -> None:
    for some in results:
        seen += some


def test_what_is_done_before_an_error_is_not_lost() -> None:
    def work(n: int) -> int:
        if n == 5:
            raise ZeroDivisionError
        return n

    seen: list[int] = []
    workers: Workers[int, int] = Workers(work, 1, threading.Event())
    with pytest.raises(ZeroDivisionError):
        _take(workers.results(range(10)), seen)
    assert seen == [0, 1, 2, 3, 4]


def test_an_interruption_lets_out_what_is_done() -> None:
    stop = threading.Event()
    waiting = threading.Semaphore(0)

    def work(n: int) -> int:
        if n >= 5:
            waiting.release()
            stop.wait(60)
        return n

    workers: Workers[int, int] = Workers(work, 3, stop)
    assert not workers.interrupt()
    workers = Workers(work, 3, stop)

    def interrupt() -> None:
        for _ in range(3):
            waiting.acquire()
        assert workers.interrupt()
        assert not workers.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    seen = [n for some in workers.results(range(100)) for n in some]
    thread.join()
    # Those that were under way have come to their end, and no other was begun.
    assert sorted(seen) == list(range(8))
    assert not workers.interrupt()


def test_control_c_without_a_handler_lets_out_what_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers: Workers[int, int] = Workers(lambda n: n, 2, threading.Event())
    done = threading.Event()

    def items() -> Iterator[int]:
        yield from range(5)
        done.set()

    def ready() -> Any:
        assert done.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "_ready", ready)
    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        _take(workers.results(items()), seen)
    assert sorted(seen) == list(range(5))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("osc_image_v1.transfer.many.time.monotonic", lambda: now[0])
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
    monkeypatch.setattr(many, "_BETWEEN_LINES", 0)
    with many.Overall(2, 10) as overall:
        overall.done()
    with progress.progress(10, "x") as advance:
        assert advance(1) is None
