"""Many images at a time: several workers, and how far all of them are."""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, TypeVar

from osc_image_v1.transfer.progress import bar_shape

_T = TypeVar("_T")
_R = TypeVar("_R")

# Results that wait for whoever takes them.
_MOST_WAITING = 256
# Seconds that a worker has to come to its end, when all is to stop.
_PATIENCE = 10.0
_BETWEEN_LINES = 10.0
_BETWEEN_BARS = 0.1
# What a bar shows; the time that is left depends on the number of images, too.
_OF_BYTES = "{percentage:3.0f}%|{bar}| {n_fmt}B of {total_fmt}B, {rate_fmt}{postfix}"
# What an image takes whatever its size, in bytes that could be transferred meanwhile.
_COST = 2**20
# Seconds between looks whether all is to stop.
_BETWEEN_LOOKS = 0.25


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class Workers(Generic[_T, _R]):
    """Threads that do the same with many things.

    :param work: what is done; an error that it raises ends everything
    :param count: how many threads there are
    :param stop: is set when all is to stop; ``work`` should look at it
    """

    def __init__(self, work: Callable[[_T], _R], count: int, stop: threading.Event) -> None:
        self._work = work
        self._count = count
        self._stop = stop
        self._next = threading.Lock()
        self._running = False
        self._interrupted = False
        self._results: queue.Queue[Any] = queue.Queue(_MOST_WAITING)

    def interrupt(self) -> bool:
        """Let the workers stop; what is done until then still comes out. A signal may call it.

        :returns: whether there is anything to stop that was not told so before
        """
        first, self._interrupted = self._running and not self._interrupted, True
        return first

    def results(self, items: Iterable[_T]) -> Iterator[list[_R]]:
        """Yield what comes of the items, in any order, as many as are ready at a time.

        Nothing that is done gets lost, also where it ends early.

        :param items: the things; they are taken one by one, when a worker is free
        """
        source = iter(items)
        threads = [
            threading.Thread(target=self._run, args=(source,), daemon=True)
            for _ in range(self._count)
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
                ready.append(item)
            if self._results.empty() or len(ready) == _MOST_WAITING:
                break
        return ready, ended, None

    def _run(self, source: Iterator[_T]) -> None:
        try:
            while not self._stop.is_set():
                with self._next:
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                self._results.put(self._work(item))
        except BaseException as error:  # noqa: BLE001 (it is raised where the results are taken)
            self._results.put(_Raised(error))
        else:
            self._results.put(None)

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


class Overall:
    """How far many images are: a bar on a terminal, else a line on standard error now and then.

    Workers may call it at the same time.

    :param images: how many there are
    :param size: their bytes, 0 where there is nothing to count but images
    """

    def __init__(self, images: int, size: int) -> None:
        self._images, self._size = images, size
        self._images_done = self._bytes_done = 0
        self._lock = threading.Lock()
        self._bar: Any = None
        self._aside = contextlib.ExitStack()

    def __enter__(self) -> Overall:
        self._start = self._last_shown = time.monotonic()
        if sys.stderr is not None and sys.stderr.isatty():
            import tqdm

            unit = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
            self._bar = tqdm.tqdm(
                total=self._size or self._images,
                file=sys.stderr,
                **({**unit, "bar_format": _OF_BYTES} if self._size else {"unit": " images"}),
                **bar_shape(),
            )
            self._aside.enter_context(_messages_beside(self._bar))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._aside.close()
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int) -> None:
        """Count bytes.

        :param count: how many more there are, less than 0 where some are to come again
        """
        with self._lock:
            self._bytes_done += count
            if self._bar is None:
                self._say()
            elif self._size:
                self._bar.set_postfix_str(self._counted(), refresh=False)
                self._bar.update(count)

    def done(self, count: int = 1) -> None:
        """Count images.

        :param count: how many more are done
        """
        with self._lock:
            self._images_done += count
            if self._bar is None:
                self._say()
            elif self._size:
                self._bar.set_postfix_str(self._counted(), refresh=self._is_due(_BETWEEN_BARS))
            else:
                self._bar.update(count)

    def _say(self) -> None:
        if sys.stderr is None or not self._is_due(_BETWEEN_LINES):
            return
        bytes_done = ""
        if self._size:
            mib = self._bytes_done / 2**20
            rate = mib / (time.monotonic() - self._start)
            bytes_done = f", {mib:.1f} of {self._size / 2**20:.1f} MiB, {rate:.1f} MiB/s"
        sys.stderr.write(self._counted(bytes_done) + "\n")
        sys.stderr.flush()

    def _is_due(self, seconds: float) -> bool:
        now = time.monotonic()
        due = now - self._last_shown >= seconds
        if due:
            self._last_shown = now
        return due

    def _counted(self, bytes_done: str = "") -> str:
        """Return how many images are done, and how long the others take at this rate."""
        line = f"{self._images_done} of {self._images} images{bytes_done}"
        done = self._bytes_done + self._images_done * _COST
        total = self._size + self._images * _COST
        if 0 < done < total:
            seconds = (total - done) * (time.monotonic() - self._start) / done
            line += f", {timedelta(seconds=int(seconds))} left"
        return line


@contextlib.contextmanager
def _messages_beside(bar: Any) -> Iterator[None]:
    """Let messages begin a line of their own while there is a bar."""

    def clear(_record: logging.LogRecord) -> bool:
        bar.clear()
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(clear)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(clear)
