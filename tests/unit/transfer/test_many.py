from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.exceptions import ImageV1Error
from osc_image_v1.transfer import many
from osc_image_v1.transfer.many import Line, Workers, at_large_end, each_in_order


def test_all_is_done_once() -> None:
    workers: Workers[int, int] = Workers(lambda n: n * n, 4, threading.Event())
    results = [result for some in workers.results(range(1000)) for result in some]
    assert sorted(results) == [n * n for n in range(1000)]


@pytest.mark.parametrize(
    ("workers", "at_large"), [(1, 0), (2, 1), (3, 1), (4, 1), (7, 1), (8, 2), (16, 4), (64, 16)]
)
def test_a_quarter_of_the_workers_begins_with_the_largest(workers: int, at_large: int) -> None:
    assert at_large_end(workers) == at_large
    everybody = threading.Barrier(workers)

    def work(item: str) -> str:
        # Each worker takes one, and waits for the others.
        everybody.wait(60)
        return item

    running: Workers[str, str] = Workers(work, workers, threading.Event())
    small, large = ["small"] * (workers - at_large), ["large"] * at_large
    results = [one for some in running.results(small, large) for one in some]
    assert sorted(results) == sorted(small + large)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30).map(sorted),
    st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_a_line_is_taken_from_both_ends(items: list[tuple[int, int]], at_large: list[bool]) -> None:
    line = Line(items, lambda item: item[0])
    small, large = line.taken(), line.taken(lambda: True)
    left = list(items)
    for is_large in at_large[: len(items)]:
        turn = [item for item in left if item[0] == left[0][0]]
        expected = turn[-1] if is_large else turn[0]
        assert next(large if is_large else small) == expected
        left.remove(expected)
    assert (list(small), list(large), left) == ([], [], [])


def test_the_larger_end_is_left_when_it_says_so() -> None:
    at_large = iter([True, True, False, False, True, False])
    line = Line(range(6), lambda _item: 0)
    assert list(line.taken(lambda: next(at_large))) == [5, 4, 0, 1, 3, 2]


def test_results_are_gathered_until_the_end_at_most() -> None:
    # All is done long before the time is over; whoever waited for that would time out.
    workers: Workers[int, int] = Workers(lambda n: n, 1, threading.Event(), gather=3600)
    assert list(workers.results(range(50))) == [list(range(50))]


def test_results_are_gathered_until_there_is_no_room_for_more() -> None:
    # Whoever waited until the time is over, with workers that wait as well, would time out.
    workers: Workers[int, int] = Workers(lambda n: n, 2, threading.Event(), gather=3600)
    found = list(workers.results(range(1000)))
    assert sorted(itertools.chain.from_iterable(found)) == list(range(1000))
    assert len(found) < 20


def test_nothing_to_do() -> None:
    workers: Workers[int, int] = Workers(lambda n: n, 4, threading.Event())
    assert list(workers.results([])) == []


def test_things_are_taken_when_a_worker_is_free() -> None:
    taken: list[int] = []
    stop, threads = threading.Event(), threading.active_count()

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
    assert threading.active_count() <= threads


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


@pytest.mark.parametrize("failing", [None, 3])
def test_each_comes_in_its_order_and_so_does_what_fails(
    failing: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "_MOST_WAITING", 4)

    def items() -> Iterator[int]:
        yield from range(10)
        raise ImageV1Error("the list")

    def work(item: int) -> int:
        if item == failing:
            raise ImageV1Error("the work")
        return item * item

    found: list[tuple[int, int]] = []
    with pytest.raises(ImageV1Error, match="the work" if failing == 3 else "the list"):
        found.extend(each_in_order(work, items(), 3))
    assert found == [(n, n * n) for n in range(3 if failing == 3 else 10)]
    assert list(each_in_order(work, range(2), 3)) == [(0, 0), (1, 1)]
