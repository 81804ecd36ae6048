"""How far a transfer is, of one image or of many: a bar for a person at a terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import expected_of

LOG = logging.getLogger(__name__)

#: Is told how many more bytes have gone through.
Advance = Callable[[int], object]

_UNIT: dict[str, Any] = {"unit": "B", "unit_scale": True, "unit_divisor": 1024}
# What a bar of many images shows; the time that is left depends on their number, too.
_OF_BYTES = "{percentage:3.0f}%|{bar}| {n_fmt}B of {total_fmt}B, {rate_fmt}{postfix}"
# Seconds.
_BETWEEN_LINES = 10.0
_BETWEEN_BARS = 0.1
# What an image takes whatever its size, in bytes that could be transferred meanwhile.
_COST = 2**20


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
    # Standard error may be closed.
    if sys.stderr is None or not sys.stderr.isatty():
        yield _nothing
        return
    import tqdm

    with tqdm.tqdm(
        total=total,
        desc=printable(label),
        file=sys.stderr,
        **_UNIT,
        **_bar_shape(),
    ) as bar:
        yield bar.update


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

            self._bar = tqdm.tqdm(
                total=self._size or self._images,
                file=sys.stderr,
                **({**_UNIT, "bar_format": _OF_BYTES} if self._size else {"unit": " images"}),
                **_bar_shape(),
            )
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
