"""Many images at a time: several workers, and records that wait for them in a file."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import ImageV1Error
from osc_image_v1.transfer.files import file_errors, temporary_directory, temporary_file

_T = TypeVar("_T")
_R = TypeVar("_R")

#: How many images are worked on at a time, where nothing else is asked for.
PARALLEL = 8

# Results that wait for whoever takes them.
_MOST_WAITING = 256
# Seconds that a worker has to come to its end, when all is to stop: a command that is told to end
# has five for everything.
_PATIENCE = 2.0
# Seconds between looks whether all is to stop.
_BETWEEN_LOOKS = 0.25


def at_large_end(workers: int) -> int:
    """Return how many of several workers begin with what is largest.

    Else all but one of them would have nothing to do at last, while one is at the largest.

    :param workers: how many there are
    """
    return max(1, workers // 4) if workers > 1 else 0


class Line(Generic[_T]):
    """Things that wait in the order of their size, and are taken from both ends.

    :param items: the things, sorted by turn and then by size
    :param turn: returns the turn of a thing; one begins when nothing of the one before is left
    """

    def __init__(self, items: Sequence[_T], turn: Callable[[_T], int]) -> None:
        self._items = items
        ends = [0]
        for _turn, group in itertools.groupby(items, turn):
            ends.append(ends[-1] + sum(1 for _item in group))
        self._turns = [list(ends) for ends in itertools.pairwise(ends)]

    def taken(self, largest: Callable[[], bool] = lambda: False) -> Iterator[_T]:
        """Yield what is left, also while others take of it; one thread at a time may ask.

        :param largest: tells, whenever one is taken, whether it is the largest or the smallest
        """
        for left in self._turns:
            while left[0] < left[1]:
                if largest():
                    left[1] -= 1
                    yield self._items[left[1]]
                else:
                    left[0] += 1
                    yield self._items[left[0] - 1]


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class Workers(Generic[_T, _R]):
    """Threads that do the same with many things.

    :param work: what is done; an error that it raises ends everything
    :param count: how many threads there are
    :param stop: is set when all is to stop; ``work`` should look at it
    :param gather: seconds for which results are gathered, where to take one costs as much as to
        take many
    """

    def __init__(
        self, work: Callable[[_T], _R], count: int, stop: threading.Event, gather: float = 0.0
    ) -> None:
        self._work = work
        self._count = count
        self._stop = stop
        self._gather = gather
        self._next = threading.Lock()
        # A worker has found nothing more to do, or no room for what it has done.
        self._ending = False
        self._wake = threading.Event()
        self._running = False
        self._interrupted = False
        self._results: queue.Queue[Any] = queue.Queue(_MOST_WAITING)

    def interrupt(self) -> bool:
        """Let the workers stop; what is done until then still comes out. A signal may call it.

        :returns: whether there is anything to stop that was not told so before
        """
        first, self._interrupted = self._running and not self._interrupted, True
        return first

    def results(
        self, items: Iterable[_T], large: Iterable[_T] | None = None
    ) -> Generator[list[_R], None, None]:
        """Yield what comes of the items, in any order, as many as are ready at a time.

        Nothing that is done gets lost, also where it ends early.

        :param items: the things; they are taken one by one, when a worker is free
        :param large: what the workers of :func:`at_large_end` take instead, by default the same
        """
        small = iter(items)
        others = small if large is None else iter(large)
        at_large = at_large_end(self._count)
        threads = [
            threading.Thread(target=self._run, args=(source,), daemon=True)
            for source in [others] * at_large + [small] * (self._count - at_large)
        ]
        self._running = True
        for thread in threads:
            thread.start()
        running = len(threads)
        error: BaseException | None = None
        try:
            while running and error is None and not self._interrupted:
                ready, ended, error = self._ready()
                running -= ended
                if ready:
                    yield ready
        except (KeyboardInterrupt, SystemExit) as interruption:
            error = interruption
        finally:
            self._stop.set()
            done = self._join(threads)
            self._running = False
        if done:
            yield done
        if error is not None:
            raise error

    def _ready(self) -> tuple[list[_R], int, BaseException | None]:
        """Wait for results; return them, how many workers have ended, and what one raised."""
        ready: list[_R] = []
        ended = 0
        while not self._interrupted:
            try:
                item = self._results.get(timeout=_BETWEEN_LOOKS)
            except queue.Empty:
                continue
            if isinstance(item, _Raised):
                return ready, ended, item.error
            if item is None:
                ended += 1
            else:
                if not ready:
                    self._gathered()
                ready.append(item)
            if self._results.empty() or len(ready) == _MOST_WAITING:
                break
        return ready, ended, None

    def _gathered(self) -> None:
        """Wait for more results, as long as there is room for them and somebody to make them."""
        self._wake.clear()
        if not (self._ending or self._results.full()):
            self._wake.wait(self._gather)

    def _run(self, source: Iterator[_T]) -> None:
        try:
            while not self._stop.is_set():
                with self._next:
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                self._results.put(self._work(item))
                if self._results.full():
                    self._wake.set()
        except BaseException as error:  # noqa: BLE001 (it is raised where the results are taken)
            self._results.put(_Raised(error))
        else:
            self._results.put(None)
        self._ending = True
        self._wake.set()

    def _join(self, threads: list[threading.Thread]) -> list[_R]:
        """Wait for the workers, but not for ever: one may hang on a silent service.

        :returns: what they have still done
        """
        end = time.monotonic() + _PATIENCE
        done: list[_R] = []
        for thread in threads:
            while thread.is_alive() and time.monotonic() < end:
                # One that waits to hand in a result never ends.
                done += self._left()
                thread.join(0.05)
        return [*done, *self._left()]

    def _left(self) -> Iterator[_R]:
        while not self._results.empty():
            item = self._results.get_nowait()
            if item is not None and not isinstance(item, _Raised):
                yield item


def in_order(work: Callable[[_T], _R], items: Sequence[_T], count: int) -> Iterator[_R]:
    """Yield what comes of things, in their order, while several are worked on.

    :param work: what is done with each; its error is raised when it is the turn of that one
    :param items: the things
    :param count: how many are worked on at a time
    """

    def one(number: int) -> tuple[int, _R | ImageV1Error]:
        try:
            return number, work(items[number])
        except ImageV1Error as error:
            return number, error

    turn, found = 0, dict[int, "_R | ImageV1Error"]()
    workers = Workers(one, min(count, len(items)), threading.Event())
    with contextlib.closing(workers.results(range(len(items)))) as results:
        for ready in results:
            found.update(ready)
            while turn in found:
                result = found.pop(turn)
                if isinstance(result, ImageV1Error):
                    raise result
                yield result
                turn += 1


def each_in_order(
    work: Callable[[_T], _R], items: Iterable[_T], count: int
) -> Iterator[tuple[_T, _R]]:
    """Yield things with what comes of each, in their order, however many there are.

    Where there is no next thing because of an error, that comes after all that was before it.

    :param work: what is done with each; its error is raised when it is the turn of that one
    :param items: the things
    :param count: how many are worked on at a time
    """
    source, failure = iter(items), None
    while failure is None:
        batch: list[_T] = []
        try:
            for item in itertools.islice(source, _MOST_WAITING):
                batch.append(item)  # noqa: PERF402 (what was before an error stays)
        except ImageV1Error as error:
            failure = error
        if batch:
            yield from zip(batch, in_order(work, batch, count), strict=True)
        elif failure is None:
            return
    raise failure


class Spool:
    """Records that wait in a file without a name, so that they are not in memory.

    :param directory: where the file is, by default where temporary files are
    :raises FileFailed: if there is no folder for those
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._given = directory
        self._directory = directory or temporary_directory()
        self._remedy = "" if directory else "set TMPDIR to a folder that has room"
        self._lock = threading.Lock()

    def __enter__(self) -> Spool:
        with file_errors("write in", self._directory, self._remedy):
            self._file = temporary_file(self._given)
        return self

    def __exit__(self, *_raised: object) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def add(self, record: Record) -> int:
        """Put a record aside and return where it is; all are put aside before one is read."""
        with file_errors("write in", self._directory, self._remedy):
            offset = self._file.tell()
            self._file.write(json.dumps(record).encode() + b"\n")
        return offset

    def flush(self) -> None:
        """See to it that all has found room, before anything is done with it."""
        with file_errors("write in", self._directory, self._remedy):
            self._file.flush()

    def read(self, offset: int) -> Record:
        """Return a record again; several threads may ask."""
        with self._lock, file_errors("read in", self._directory, self._remedy):
            self._file.seek(offset)
            record: Record = json.loads(self._file.readline())
        return record
