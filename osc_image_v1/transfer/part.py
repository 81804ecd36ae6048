"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from osc_image_v1.exceptions import FileFailed, FileInTheWay
from osc_image_v1.transfer.files import (
    MODE,
    SAFE,
    check_room,
    file_errors,
    flush_directory,
    lock,
    shown,
    write_all,
)
from osc_image_v1.transfer.holes import pieces, runs

LOG = logging.getLogger(__name__)

#: The end of the name of an unfinished file; no other program's files have it, since what has it is
#: gone on with, or removed.
PART = ".osc-image-v1.part"

_FLAGS = os.O_RDWR | SAFE
# Bytes of a file's name, on all usual file systems.
_LONGEST_NAME = 255
_READ_SIZE = 256 * 2**10
# After so many bytes the kernel is to begin with writing them to the disk.
_WRITEBACK_SIZE = 32 * 2**20
# File systems that know no hard links, or not for this user.
_NO_LINKS = frozenset((errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK))


def part_of(target: Path) -> Path:
    """Return the path of the unfinished file beside a target.

    A name that would get too long is replaced by its hash.

    :param target: the path of the finished file
    """
    name = target.name.encode("utf-8", "surrogatepass")
    if len(name) + len(PART) > _LONGEST_NAME:
        return target.with_name(hashlib.sha256(name).hexdigest() + PART)
    return target.with_name(target.name + PART)


def check_target(target: Path, clobber: bool = True) -> None:
    """Check, before anything is asked of a service, that a file may come into being here.

    :param target: the path
    :param clobber: whether it may replace a file
    :raises FileFailed: if it may not
    """
    with file_errors("write", target):
        if target.name in ("", "..") or target.is_dir():
            raise FileInTheWay(
                f"{shown(target)} is a directory: move it away, or give the name of a file"
            )
        if not target.parent.is_dir():
            raise FileFailed(f"There is no directory {shown(target.parent)}")
        if target.exists() and not target.is_file():
            raise FileInTheWay(
                f"{shown(target)} is no regular file and is not replaced: move it away, or write "
                "to standard output"
            )
        # A name that is too long is an error here, and not when all the data has come.
        with contextlib.suppress(FileNotFoundError):
            target.lstat()
        if not clobber and os.path.lexists(target):
            raise FileFailed(f"{shown(target)} exists and is left as it is (--no-clobber)")


class PartFile:
    """The unfinished file beside a target, :func:`part_of`, for this process alone.

    It is opened without following a link and locked. :meth:`commit` puts it in the target's place;
    without that, leaving the ``with`` block removes it, unless an earlier run left it.

    :param target: the path of the finished file
    :param keep: whether an unfinished file stays
    :param sparse: whether zeros become holes, which take no room on the disk
    """

    def __init__(self, target: Path, keep: bool = False, sparse: bool = True) -> None:
        self.path = part_of(target)
        self._target = target
        self._sparse = sparse
        self._keep = self._asked_to_keep = keep
        self._committed = False
        self._waiting = 0
        # Where reading or writing goes on.
        self._at = 0

    def __enter__(self) -> PartFile:
        with file_errors("write", self.path):
            self._file = open(self._open(), "r+b", buffering=0)  # noqa: PTH123
            self._keep = self._keep or self.size > 0
        return self

    def __exit__(self, *_raised: object) -> None:
        # The lock goes with the file: it must not be another run's that is removed.
        with contextlib.suppress(OSError), self._file:
            if self._committed:
                return
            if self._keep and self.size:
                self._end()
                LOG.warning("What came so far is kept in %s", shown(self.path))
            else:
                self.path.unlink(missing_ok=True)

    def _open(self) -> int:
        while True:
            fd = self._opened()
            try:
                lock(fd, self.path, f"another run saves to {shown(self._target)}")
                if self._is_current(fd):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            # Another run has just put it in the target's place, or removed it.
            os.close(fd)

    def _opened(self) -> int:
        """Make the file, or open the one that an earlier run left."""
        try:
            return os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, MODE)
        except FileExistsError:
            pass
        try:
            fd = os.open(self.path, _FLAGS)
        except FileNotFoundError:
            return self._opened()
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise self._odd("a symbolic link") from error
            raise
        status = os.fstat(fd)
        odd = (
            "no regular file"
            if not stat.S_ISREG(status.st_mode)
            else "another user's file"
            if hasattr(os, "geteuid") and status.st_uid != os.geteuid()
            else "a file with several names"
            if status.st_nlink > 1
            else None
        )
        if odd:
            os.close(fd)
            raise self._odd(odd)
        return fd

    def _odd(self, what: str) -> FileInTheWay:
        return FileInTheWay(
            f"{shown(self.path)} is {what}: move it away, or save under another name"
        )

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self.path.lstat())
        except FileNotFoundError:
            return False

    @property
    def size(self) -> int:
        """How many bytes the file has, a hole at its end included."""
        return max(os.fstat(self._file.fileno()).st_size, self._at)

    def write(self, chunk: bytes) -> None:
        """Add to the end of what was read or written.

        :raises FileFailed: if the disk is full, for one
        """
        with file_errors("write", self.path):
            if not self._sparse:
                write_all(self._file.write, chunk)
            else:
                for begin, end, zeros in runs(chunk, self._at):
                    if zeros:
                        self._file.seek(end - begin, os.SEEK_CUR)
                    else:
                        write_all(self._file.write, memoryview(chunk)[begin:end])
        self._at += len(chunk)
        self._waiting += len(chunk)
        if self._waiting >= _WRITEBACK_SIZE:
            self._begin_writeback()

    def _begin_writeback(self) -> None:
        """Let the kernel write to the disk while more data comes, and not all of it at the end."""
        if hasattr(os, "posix_fadvise"):
            begin = self._at - self._waiting
            # Linux begins to write what is said not to be needed, without waiting for it.
            with contextlib.suppress(OSError):
                os.posix_fadvise(self._file.fileno(), begin, self._waiting, os.POSIX_FADV_DONTNEED)
        self._waiting = 0

    def read(self) -> Iterator[bytes]:
        """Yield what the file has, so that writing goes on at its end."""
        with file_errors("read", self.path):
            self._at = 0
            for piece in pieces(self._file.fileno(), _READ_SIZE):
                self._at += len(piece)
                yield piece

    def keep(self) -> None:
        """Leave the file, unfinished as it is, for a later run."""
        self._keep = True

    def clear(self) -> None:
        """Remove what the file has."""
        self._keep = self._asked_to_keep
        with file_errors("write", self.path):
            self._at = self._file.seek(0)
            self._file.truncate()
        self._waiting = 0

    def _end(self) -> None:
        """Let the file end where the last of the data does, after a hole too."""
        if self.size > os.fstat(self._file.fileno()).st_size:
            self._file.truncate(self.size)

    def check_space(self, size: int, holes: bool = False) -> None:
        """Check that the file system has room for the whole file.

        :param size: bytes that the file will have
        :param holes: whether it may well have holes: then it is only warned of
        :raises FileFailed: if it has not
        """
        if not hasattr(os, "fstatvfs"):  # pragma: no cover
            return
        with file_errors("write", self.path):
            system: Any = os.fstatvfs(self._file.fileno())
            free = system.f_bavail * system.f_frsize
            needed = size - self.size
        if system.f_blocks:
            check_room(f"write {shown(self.path)}", needed, 0 if holes else needed, free)

    def commit(self, clobber: bool = True, flush_name: bool = True) -> None:
        """Flush the file to the disk and put it in the target's place.

        :param clobber: whether it may replace a file
        :param flush_name: whether its new name reaches the disk, too
        :raises FileFailed: if that fails; the target is then as it was
        """
        with file_errors("write", self._target):
            self._end()
            os.fsync(self._file.fileno())
            if clobber:
                self.path.replace(self._target)
            else:
                self._link()
            self._committed = True
            if flush_name:
                flush_directory(self._target.parent)

    def _link(self) -> None:
        """Give the file its name, unless there is one of that name by now."""
        try:
            os.link(self.path, self._target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            check_target(self._target, clobber=False)
            self.path.replace(self._target)
        else:
            self.path.unlink()
