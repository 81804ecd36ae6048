"""Checksums, computed beside a transfer."""

from __future__ import annotations

import hashlib
import queue
import threading
from types import TracebackType

# Chunks that wait to be hashed, and so the most that a transfer is ahead.
_MOST_WAITING = 8


class Digests:
    """MD5, and SHA-256 where it is wanted, of data that flows by.

    A thread computes them: hashing is the slowest part of a transfer, and it leaves the
    interpreter to others. Leaving the ``with`` block ends the thread.

    :param sha256: whether SHA-256 is wanted
    :param further: the name of another algorithm that is wanted, None for none
    """

    def __init__(self, sha256: bool = False, further: str | None = None) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256() if sha256 or further == "sha256" else None
        wanted = further not in (None, "md5", "sha256")
        self._further = hashlib.new(further, usedforsecurity=False) if further and wanted else None
        self._queue: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="digests", daemon=True)

    def __enter__(self) -> Digests:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish()

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the data.

        :param chunk: bytes that nobody changes
        """
        self._queue.put(chunk)

    def results(self) -> tuple[str, str | None]:
        """Return MD5 and SHA-256 of all the data, in hexadecimal."""
        self._finish()
        return self._md5.hexdigest(), self._sha256.hexdigest() if self._sha256 else None

    def of(self, algorithm: str | None) -> str | None:
        """Return the checksum of all the data by an algorithm that is computed, else None."""
        self._finish()
        computed = (self._md5, self._sha256, self._further)
        named = {one.name: one for one in computed if one is not None}
        return named[algorithm].hexdigest() if algorithm in named else None

    def _finish(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._md5.update(chunk)
            if self._sha256:
                self._sha256.update(chunk)
            if self._further:
                self._further.update(chunk)
