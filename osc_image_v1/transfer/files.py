"""Files of a user: opened without following a link, made, locked, flushed; errors in one line."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows locks a file that is open by itself)
    fcntl = None  # type: ignore[assignment]

from osc_image_v1.exceptions import FileFailed, FileInTheWay
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

#: Flags of a file that may be anybody's, and the permissions of a new one.
SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
MODE = 0o666  # less the umask
# Exported images may be private ones of all projects.
_DIRECTORY_MODE = 0o700
# File systems that know no locks, Lustre and some NFS among them.
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP))


def shown(path: Path) -> str:
    """Return a path as an error may show it."""
    return f"'{printable(path)}'"


class file_errors:  # noqa: N801 (reads as a statement)
    """Turns the errors of files into this package's own.

    :param doing: a verb
    :param path: what it is done to
    :param remedy: what to do about it, as the end of a sentence
    """

    def __init__(self, doing: str, path: Path, remedy: str = "") -> None:
        self._doing = doing
        self._path = path
        self._remedy = f"; {remedy}" if remedy else ""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ValueError) or (
            isinstance(error, OSError) and not isinstance(error, BrokenPipeError)
        ):
            reason = (isinstance(error, OSError) and error.strerror) or str(error)
            raise FileFailed(
                f"Cannot {self._doing} {shown(self._path)}: {printable(reason)}{self._remedy}"
            ) from error


def write_all(write: Callable[[memoryview], int | None], chunk: bytes | memoryview) -> None:
    """Write all of a chunk with a function that may write a part of it.

    :param write: a raw file's ``write``
    :param chunk: what is to be written
    """
    rest = memoryview(chunk)
    while rest:
        rest = rest[write(rest) or 0 :]


def check_room(doing: str, needed: int, certain: int, free: int) -> None:
    """Refuse what there is no room for, and warn of what may find none.

    :param doing: what it is for
    :param needed: bytes that are needed at most
    :param certain: those of them that cannot be holes
    :param free: bytes that are free
    :raises FileFailed: if there is no room for what is certain
    """
    if certain > free:
        raise FileFailed(f"Cannot {doing}: it needs {certain} more bytes, and {free} are free")
    if needed > free:
        LOG.warning(
            "To %s may need %d more bytes, and %d are free: that is enough only if much of it is "
            "zeros",
            doing,
            needed,
            free,
        )


def lock(fd: int, path: Path, holder: str) -> None:
    """Lock an open file for this process alone, where its file system knows locks.

    :param fd: the file
    :param path: its path, for an error
    :param holder: who may have locked it, for an error
    :raises FileFailed: if another process has
    """
    if fcntl is None:  # pragma: no cover
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileFailed(f"{shown(path)} is in use: {holder}") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        LOG.debug("No lock on %s: %s", shown(path), error)


def flush_directory(directory: Path) -> None:
    """Flush the names of the files in a directory to the disk, as far as that can be done.

    :param directory: the directory
    """
    # Not every file system can, and the file itself is safe.
    with contextlib.suppress(OSError):
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a file that is no symbolic link, device or pipe.

    :param path: its path
    :param flags: of ``os.open``
    :returns: a file descriptor
    :raises FileFailed: if it is one, or cannot be opened
    """
    with file_errors("open", path):
        try:
            fd = os.open(path, flags | SAFE, MODE)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise FileInTheWay(
                    f"{shown(path)} is a symbolic link, which is not followed"
                ) from error
            raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise FileInTheWay(f"{shown(path)} is no regular file")
        return fd


def make_directory(directory: Path) -> None:
    """Make the directory of an export, for its user alone, if it is not there.

    :param directory: its path
    :raises FileFailed: if that fails
    """
    with file_errors("make", directory):
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)


def opened(path: Path) -> BinaryIO:
    """Open a file for reading that is no symbolic link, device or pipe.

    :param path: its path
    :raises FileFailed: if it is one, or cannot be opened
    """
    return open(open_regular(path), "rb")


def temporary_directory() -> Path:
    """Return the folder for temporary files, ``TMPDIR`` or what the system has for that.

    :raises FileFailed: if there is none that can be written to
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise FileFailed(
            "There is no folder for temporary files, which the records of images are put aside in: "
            "neither TMPDIR, /tmp, /var/tmp nor the current folder can be written to, or they are "
            "full; set TMPDIR to one that can, or mount one at /tmp"
        ) from error


def temporary_file(directory: Path | None = None) -> BinaryIO:
    """Open a temporary file without a name.

    :param directory: where it is, by default where temporary files are; it is told once where that
        is another folder than ``TMPDIR`` names
    :raises FileFailed: if there is no folder for temporary files
    :raises OSError: if it cannot be made
    """
    place = directory or temporary_directory()
    if directory is None:
        _tell_passed_over(os.environ.get("TMPDIR"), place)
    return cast(BinaryIO, tempfile.TemporaryFile(dir=place))


@functools.cache
def _tell_passed_over(wanted: str | None, place: Path) -> None:
    """Tell that Python has passed over what TMPDIR names, which it does without a word."""
    if not wanted or Path(wanted).resolve() == place.resolve():
        return
    try:
        with tempfile.TemporaryFile(dir=wanted) as file:
            file.write(b"x")
    except OSError:
        LOG.warning(
            "TMPDIR names no folder that can be written to, %s: temporary files are in %s instead",
            shown(Path(wanted)),
            shown(place),
        )


def regular_size(path: Path) -> int | None:
    """Return the size of a file that is no symbolic link, device or pipe.

    :param path: its path
    :returns: bytes, None where there is no such file
    """
    try:
        status = path.lstat()
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
