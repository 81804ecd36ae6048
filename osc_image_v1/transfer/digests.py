"""Checksums: computed beside a transfer, and of files."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path

from osc_image_v1.exceptions import TransferStopped
from osc_image_v1.transfer.files import file_errors, open_regular, shown
from osc_image_v1.transfer.progress import Advance

# Chunks that wait to be hashed, and so the most that a transfer is ahead.
_MOST_WAITING = 8
_HASHED_AT_ONCE = 2**20


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

    def __exit__(self, *_raised: object) -> None:
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


@dataclass(frozen=True)
class FileHashes:
    """What a file turned out to be.

    :ivar size: bytes
    :ivar md5: hexadecimal, None where it was not asked for
    :ivar sha256: hexadecimal
    :ivar further: by another algorithm, None where it was not asked for
    """

    size: int
    md5: str | None
    sha256: str
    further: str | None = None

    def of(self, algorithm: str | None) -> str | None:
        """Return the checksum by an algorithm, None where it was not computed."""
        return {"md5": self.md5, "sha256": self.sha256}.get(algorithm or "", self.further)


def hash_file(
    path: Path,
    advance: Advance = lambda _count: None,
    stop: threading.Event | None = None,
    *,
    md5: bool = True,
    further: str | None = None,
) -> FileHashes:
    """Hash a file.

    :param path: its path
    :param advance: is told how many more bytes are hashed
    :param stop: ends it when it is set
    :param md5: whether MD5 is wanted beside SHA-256
    :param further: the name of another algorithm that is wanted
    :raises FileFailed: if it cannot be read
    :raises TransferStopped: if ``stop`` was set
    """
    sha256, size = hashlib.sha256(), 0
    names = (["md5"] if md5 else []) + ([further] if further not in (None, "md5", "sha256") else [])
    wanted = {name: hashlib.new(str(name), usedforsecurity=False) for name in names}
    fd = open_regular(path)
    try:
        with file_errors("read", path):
            while chunk := os.read(fd, _HASHED_AT_ONCE):
                if stop is not None and stop.is_set():
                    raise TransferStopped(f"Hashing {shown(path)} was stopped")
                sha256.update(chunk)
                for digest in wanted.values():
                    digest.update(chunk)
                size += len(chunk)
                advance(len(chunk))
    finally:
        os.close(fd)
    digests = {name: digest.hexdigest() for name, digest in wanted.items()}
    more = digests.get(further or "") if further != "md5" else None
    return FileHashes(size, digests.get("md5"), sha256.hexdigest(), more)
