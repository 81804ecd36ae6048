"""Checksums: computed beside a transfer, and of files."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osc_image_v1.exceptions import TransferStopped
from osc_image_v1.transfer.files import file_errors, opened, shown
from osc_image_v1.transfer.holes import pieces
from osc_image_v1.transfer.progress import Advance

# Chunks that wait to be hashed, and so the most that a transfer is ahead.
_MOST_WAITING = 8
_HASHED_AT_ONCE = 2**20


class Digests:
    """Checksums of data that flows by.

    A thread for each algorithm computes them: hashing is the slowest part of a transfer, and it
    leaves the interpreter to others. Leaving the ``with`` block ends the threads. What comes in one
    piece is not worth a thread.

    :param algorithms: the names that :mod:`hashlib` has for them; None counts for none
    """

    def __init__(self, *algorithms: str | None) -> None:
        self._digests = _new(algorithms)
        self._threads: list[_Hashing] = []
        self._first: bytes | None = None

    def __enter__(self) -> Digests:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._finish()

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the data.

        :param chunk: bytes that nobody changes
        """
        if not self._threads and self._first is None:
            self._first = chunk
            return
        if not self._threads:
            self._threads = [_Hashing(digest) for digest in self._digests.values()]
            self._pass_on(self._first)
        self._pass_on(chunk)

    def of(self, algorithm: str | None) -> str | None:
        """Return the checksum of all the data by an algorithm that is computed, else None."""
        self._finish()
        digest = self._digests.get(algorithm or "")
        return None if digest is None else digest.hexdigest()

    def _pass_on(self, chunk: bytes | None) -> None:
        for thread in self._threads:
            thread.waiting.put(chunk)

    def _finish(self) -> None:
        if not self._threads and self._first is not None:
            for digest in self._digests.values():
                digest.update(self._first)
        elif self._first is not None:
            self._pass_on(None)
            for thread in self._threads:
                thread.join()
        self._first = None


class _Hashing(threading.Thread):
    """Computes a checksum of what is put into its queue, up to None."""

    def __init__(self, digest: Any) -> None:
        super().__init__(name="digests", daemon=True)
        self.waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._digest = digest
        self.start()

    def run(self) -> None:
        """Hash."""
        while (chunk := self.waiting.get()) is not None:
            self._digest.update(chunk)


@dataclass(frozen=True)
class FileHashes:
    """What a file turned out to be.

    :ivar size: bytes
    :ivar digests: its checksums, hexadecimal, by the names of the algorithms
    """

    size: int
    digests: Mapping[str, str]

    def of(self, algorithm: str | None) -> str | None:
        """Return the checksum by an algorithm, None where it was not computed."""
        return self.digests.get(algorithm or "")


def hash_file(
    path: Path,
    algorithms: Iterable[str | None],
    advance: Advance = lambda _count: None,
    stop: threading.Event | None = None,
) -> FileHashes:
    """Hash a file.

    :param path: its path
    :param algorithms: the names that :mod:`hashlib` has for them; None counts for none
    :param advance: is told how many more bytes are hashed
    :param stop: ends it when it is set
    :raises FileFailed: if it cannot be read
    :raises TransferStopped: if ``stop`` was set
    """
    digests, size = _new(algorithms), 0
    with opened(path) as file, file_errors("read", path):
        for chunk in pieces(file.fileno(), _HASHED_AT_ONCE):
            if stop is not None and stop.is_set():
                raise TransferStopped(f"Hashing {shown(path)} was stopped")
            for digest in digests.values():
                digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
    return FileHashes(size, {name: digest.hexdigest() for name, digest in digests.items()})


def _new(algorithms: Iterable[str | None]) -> dict[str, Any]:
    return {name: hashlib.new(name, usedforsecurity=False) for name in algorithms if name}
