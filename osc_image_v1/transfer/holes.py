"""Zeros that take no room on a disk: found before they are written, and not read again."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

# A hole begins and ends where such a block does. All usual file systems have smaller ones.
_BLOCK = 64 * 2**10
_ZEROS = bytes(_BLOCK)
# What st_blocks counts.
_SECTOR = 512
# All other formats leave zeros out.
_WITH_ZEROS = frozenset(("raw", "ami", "ari", "aki", None))


def may_have_holes(disk_format: str | None) -> bool:
    """Tell whether data may well be zeros for the most part.

    :param disk_format: what an image says of its data
    """
    return disk_format in _WITH_ZEROS


def runs(chunk: bytes, offset: int) -> Iterator[tuple[int, int, bool]]:
    """Yield what a chunk has in turn: from which of its bytes to which, and whether it is zeros.

    :param chunk: a piece of a file
    :param offset: where in the file it begins
    """
    begin = at = 0
    zeros = False
    while at < len(chunk):
        end = min(len(chunk), at + _BLOCK - (offset + at) % _BLOCK)
        # Neither copies, and is at its end with the first byte that is no zero.
        found = chunk.startswith(_ZEROS[: end - at], at)
        if found is not zeros:
            if begin < at:
                yield begin, at, zeros
            begin, zeros = at, found
        at = end
    if begin < at:
        yield begin, at, zeros


def pieces(fd: int, most: int) -> Iterator[bytes]:
    """Yield what a file has, from its begin to its end; holes are not read.

    :param fd: the file; it stands at its end afterwards
    :param most: bytes of a piece
    :raises OSError: if it cannot be read
    """
    status = os.fstat(fd)
    os.lseek(fd, 0, os.SEEK_SET)
    # Whoever has no holes is spared looking for them.
    if hasattr(os, "SEEK_DATA") and status.st_blocks * _SECTOR < status.st_size:
        yield from _around_holes(fd, status.st_size, most)
    while piece := os.read(fd, most):
        yield piece


def _around_holes(fd: int, size: int, most: int) -> Iterator[bytes]:
    """Yield what a file has as far as its file system knows where its holes are."""
    zeros, at = bytes(most), 0
    while at < size:
        data, hole = _next_data(fd, at, size)
        while at < data:
            count = min(most, data - at)
            yield zeros[:count]
            at += count
        os.lseek(fd, at, os.SEEK_SET)
        while at < hole and (piece := os.read(fd, min(most, hole - at))):
            yield piece
            at += len(piece)
        if at < hole:
            return


def _next_data(fd: int, at: int, size: int) -> tuple[int, int]:
    """Return where the next data of a file begins, and where the hole after it does."""
    try:
        data = os.lseek(fd, at, os.SEEK_DATA)
        return min(data, size), min(os.lseek(fd, data, os.SEEK_HOLE), size)
    except OSError as error:
        # Nothing but a hole is left; or the file system does not know, and all is read.
        return (size, size) if error.errno == errno.ENXIO else (at, size)
