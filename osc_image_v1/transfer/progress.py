"""How far a transfer is, of one image or of many: a bar for a person at a terminal."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Literal

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.text import human_size, printable
from osc_image_v1.transfer.expected import expected_of

LOG = logging.getLogger(__name__)

#: Is told how many more bytes have gone through.
Advance = Callable[[int], object]

_ONE_BAR = "{desc}: {percentage:3.0f}%|{bar}| {sizes}, {remaining} left"
_ONE_WITHOUT_END = "{desc}: {sizes}"
# What a bar of many images shows; the time that is left is made here.
_OF_BYTES = "{percentage:3.0f}%|{bar}| {sizes}{postfix}"
# Seconds.
_BETWEEN_LINES = 10.0
_BETWEEN_BARS = 0.1
# Most of the first images are small: before so large a part has come, bytes tell nothing.
_TELLING_PART = 100

# What the person wants: bars, none, or what fits standard error (None).
_choice = SimpleNamespace(wanted=None)


@contextlib.contextmanager
def shown(wanted: bool) -> Iterator[None]:
    """Show how far transfers are, or do not, whatever standard error is.

    :param wanted: whether to show it; where that is no terminal, as lines
    """
    before, _choice.wanted = _choice.wanted, wanted
    try:
        yield
    finally:
        _choice.wanted = before


def _way() -> Literal["bar", "lines"] | None:
    """Return how to show it, None where nothing may be shown."""
    # Standard error may be closed.
    if sys.stderr is None or _choice.wanted is False:
        return None
    return "bar" if sys.stderr.isatty() else "lines"


def tell_finished(done: str, image: ImageDetail, size: int | None, begun: float) -> None:
    """Log a line on an image with which a command is at its end.

    :param done: what was done with it, as the end of a sentence
    :param image: the image
    :param size: bytes of its data, None where it has none
    :param begun: when that began, by :func:`time.monotonic`
    """
    if LOG.isEnabledFor(logging.INFO):
        LOG.info(
            "Image %s %s: %d bytes, %.2f seconds, %s",
            printable(image.id),
            done,
            size or 0,
            time.monotonic() - begun,
            expected_of(image).vouching(size),
        )


@contextlib.contextmanager
def progress(total: int | None, label: str) -> Iterator[Advance]:
    """Show a bar on standard error while bytes flow, if that is a terminal.

    :param total: bytes in all, None where nobody knows
    :param label: what is on its way; may be a server's text
    :returns: a context that gives the function to call with the number of bytes of each piece
    """
    way = _way()
    if way == "bar":
        with _bar(
            total,
            desc=printable(label),
            bar_format=_ONE_WITHOUT_END if total is None else _ONE_BAR,
        ) as bar:
            yield bar.update
    elif way and _choice.wanted:
        with Overall(1, total or 0) as overall:
            yield overall.advance
    else:
        yield _nothing


def _bar(total: int | None, **options: Any) -> Any:
    return _bars()(total=total, file=sys.stderr, **options, **_bar_shape())


@functools.cache
def _bars() -> Any:
    """Return bars that show sizes as all else here does; one kind, since each has a thread."""
    import tqdm

    class Bar(tqdm.tqdm):  # type: ignore[type-arg]
        @property
        def format_dict(self) -> Any:
            known: Any = super().format_dict
            done, seconds = known["n"], known["elapsed"]
            of_all = f" of {human_size(known['total'])}" if known["total"] else ""
            rate = known["rate"] or (done / seconds if seconds else 0)
            sizes = f"{human_size(done)}{of_all}, {human_size(int(rate))}/s"
            if known["total"] == 0:
                # All of nothing.
                known = {**known, "n": 1, "total": 1}
            return {**known, "sizes": sizes}

    return Bar


def _bar_shape() -> dict[str, Any]:
    """Return how wide a bar is; on a terminal that does not know its size it would not show."""
    try:
        columns, lines = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    if columns and lines > 1:
        return {"dynamic_ncols": True}
    return {"ncols": 80, "nrows": 24}


def _nothing(_count: int) -> None:
    return None


class Overall:
    """How far many images are: a bar on a terminal, else a line on standard error now and then.

    Workers may call it at the same time.

    :param images: how many there are
    :param size: their bytes, 0 where there is nothing to count but images
    :param stays: whether the bar stays when all is done
    """

    def __init__(self, images: int, size: int, stays: bool = True) -> None:
        self._images, self._size, self._stays = images, size, stays
        self._of_bytes = size > 0
        self._images_done = self._bytes_done = 0
        self._lock = threading.Lock()
        self._way: Literal["bar", "lines"] | None = None
        self._bar: Any = None
        self._aside = contextlib.ExitStack()

    def __enter__(self) -> Overall:
        self._start = self._last_shown = time.monotonic()
        # When about a half and a quarter of the bytes so far had come.
        self._half = self._quarter = (self._start, 0)
        self._way = _way()
        if self._way == "bar":
            if self._of_bytes:
                self._bar = _bar(self._size, bar_format=_OF_BYTES, leave=self._stays)
            else:
                self._bar = _bar(self._images, unit=" images", leave=self._stays)
            self._aside.enter_context(_messages_beside(self._bar))
        return self

    def __exit__(self, *_raised: object) -> None:
        self._aside.close()
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int) -> None:
        """Count bytes.

        :param count: how many more there are, less than 0 where some are to come again
        """
        with self._lock:
            self._bytes_done += count
            if self._bytes_done >= 2 * self._half[1]:
                self._quarter, self._half = self._half, (time.monotonic(), self._bytes_done)
            if self._bar is None:
                self._say()
            elif self._of_bytes:
                self._bar.set_postfix_str(self._counted(), refresh=False)
                self._bar.update(count)

    def spare(self, count: int) -> None:
        """Count bytes that are not to come after all.

        :param count: how many
        """
        with self._lock:
            self._size = max(self._size - count, self._bytes_done)

    def done(self, count: int = 1) -> None:
        """Count images.

        :param count: how many more are done
        """
        with self._lock:
            self._images_done += count
            if self._bar is None:
                self._say()
            elif self._of_bytes:
                self._bar.total = self._size
                self._bar.set_postfix_str(self._counted(), refresh=self._is_due(_BETWEEN_BARS))
            else:
                self._bar.update(count)

    def _say(self) -> None:
        if self._way is None or not self._is_due(_BETWEEN_LINES):
            return
        bytes_done = ""
        if self._size or self._bytes_done:
            mib = self._bytes_done / 2**20
            of_all = f" of {self._size / 2**20:.1f}" if self._size else ""
            rate = mib / (time.monotonic() - self._start)
            bytes_done = f", {mib:.1f}{of_all} MiB, {rate:.1f} MiB/s"
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
        left = self._left()
        ending = "" if left is None else f", {timedelta(seconds=int(left))} left"
        return f"{self._images_done} of {self._images} images{bytes_done}{ending}"

    def _left(self) -> float | None:
        """Return how many seconds the rest takes, None where nothing tells that.

        Small images, of which most come first, take their time whatever their size: what counts is
        how quickly the last bytes have come, half of them or more.
        """
        now = time.monotonic()
        if not self._of_bytes:
            left, done, begin = self._images - self._images_done, self._images_done, self._start
        else:
            if self._bytes_done * _TELLING_PART < self._size:
                return None
            left = self._size - self._bytes_done
            begin, before = self._quarter
            done = self._bytes_done - before
        return left * (now - begin) / done if left > 0 and done > 0 else None


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
