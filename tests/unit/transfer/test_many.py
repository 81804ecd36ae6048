from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from osc_image_v1.transfer import many
from osc_image_v1.transfer.many import Workers


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
