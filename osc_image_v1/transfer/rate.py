"""How fast data may flow, so that a service that others use keeps serving them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from osc_image_v1.transfer.sending import ImageSource

# Seconds in which nothing was taken that may be made up for.
_BURST = 1.0


class Rate:
    """What all transfers together may take of a line; several threads share it.

    :param most: bytes a second
    :param clock: returns seconds that only grow
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        # When all that was taken so far may be through.
        self._through = clock()

    def paced(self, pieces: Iterable[bytes], stop: threading.Event) -> Iterator[bytes]:
        """Yield pieces of data, each when its turn has come.

        :param pieces: the data
        :param stop: ends the waiting when it is set; whoever gets a piece then looks at it, too
        """
        for piece in pieces:
            with self._lock:
                now = self._clock()
                self._through = max(self._through, now - _BURST) + len(piece) / self._most
                wait = self._through - now
            if wait > 0:
                stop.wait(wait)
            yield piece

    def source(self, source: ImageSource, stop: threading.Event) -> ImageSource:
        """Return the data of an image that is read no faster than this.

        :param source: the data
        :param stop: ends the waiting when it is set
        """
        return ImageSource(
            source.size,
            source.md5,
            lambda: self.paced(source.read(), stop),
            source.checksum,
            source.held,
            source.end,
            lambda other: self.source(other, stop),
        )
