"""What the data of an image is, and whether today's Glance takes it for what it is said to be.

Glance looks into the data of images whose container format is ``bare`` after it has taken all of
it, by the inspectors of oslo.utils. Here the same inspectors look before anything is sent::

    seen = inspect(pieces, size)            # None where oslo.utils has no inspectors
    if seen and (reason := seen.refusal("qcow2")):
        ...
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from osc_image_v1.text import printable
from osc_image_v1.transfer.files import file_errors, opened

LOG = logging.getLogger(__name__)

#: Container formats whose data Glance looks into.
LOOKED_INTO = frozenset(("bare",))
#: How the inspectors come here; ``osc-image-v1[formats]`` brings the same.
INSTALL = "pip install 'oslo.utils[image-inspection]>=7.4'"

_MODULE = "oslo_utils.imageutils.format_inspector"
# Bytes that Glance hands to its inspectors at a time.
_PIECE = 64 * 2**10
# What has not shown itself in so many bytes is not looked for any further.
_MOST = 4 * 2**20
# What Glance takes by a format's own name; the rest of what it knows goes as raw.
_NAMED = frozenset(("qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso"))
_PACKED: Mapping[bytes, str] = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_CONVERT = "convert it: image v1 export, qemu-img convert, image v1 export --replace-data, import"


@functools.cache
def inspectors() -> Any:
    """Return the module of oslo.utils that looks into data, None where it is not there."""
    try:
        module = importlib.import_module(_MODULE)
    except ImportError as error:
        LOG.debug("%s", error)
        return None
    # Older releases know less than today's Glance.
    if "luks" not in getattr(module, "ALL_FORMATS", ()):
        return None
    # What it warns of is told here, of each image in one line.
    logging.getLogger(_MODULE).setLevel(logging.CRITICAL)
    return module


def is_looked_at(container_format: str | None) -> bool:
    """Tell whether Glance looks into the data of an image.

    :param container_format: the image's
    """
    return container_format in LOOKED_INTO


@dataclass(frozen=True)
class Seen:
    """What the inspectors have seen in data.

    :ivar kinds: the formats whose marks it has; ``raw`` where it has none
    :ivar unsafe: format -> why Glance refuses data of it, where it does
    :ivar known: formats that Glance has inspectors for
    :ivar empty: whether there is no data
    :ivar packed: the program that it was compressed with, None where it was not
    :ivar doubt: what could not be looked at, "" where all was
    """

    kinds: frozenset[str]
    unsafe: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    empty: bool = False
    packed: str | None = None
    doubt: str = ""

    @property
    def kind(self) -> str | None:
        """The format, None where there are marks of several that do not go together."""
        if self.kinds == {"iso", "gpt"}:
            # Installation media have the partitions of a disk in front.
            return "iso"
        return next(iter(self.kinds)) if len(self.kinds) == 1 else None

    def __str__(self) -> str:
        if self.empty:
            return "empty"
        if self.packed and self.kinds == {"raw"}:
            return f"packed with {self.packed}"
        return " and ".join(sorted(self.kinds))

    def refusal(self, declared: str | None) -> str | None:
        """Return why Glance refuses the data, None where it takes it, or nobody can tell.

        :param declared: the disk format that the image is to have
        """
        kind = self.kind
        if declared is None or self.doubt:
            return None
        if kind is None or (len(self.kinds) > 1 and declared != kind):
            return f"it is said to be {printable(declared)} and has the marks of {self}"
        unknown = kind == "raw" and declared not in self.known
        if not unknown and declared not in (kind, "raw"):
            return f"it is said to be {printable(declared)} and is {self}"
        return self.unsafe.get(kind)

    @property
    def better(self) -> str | None:
        """The disk format as which Glance takes the data, None where there is none."""
        if self.packed and self.kinds == {"raw"}:
            return None
        kind = self.kind if self.kind in _NAMED else "raw"
        return None if self.doubt or self.refusal(kind) else kind

    def problem(self, declared: str | None) -> str | None:
        """Return why Glance refuses the data and what to do, None where it takes it.

        :param declared: the disk format that the image is to have
        """
        reason = self.refusal(declared)
        if reason is None:
            return None
        remedy = "it is copied as raw" if self.empty else self.remedy(declared)
        return f"{reason}; {remedy}"

    def remedy(self, declared: str | None) -> str:
        """Return what to do about a refusal.

        :param declared: the disk format that the image is said to have
        """
        if self.better is not None and self.better != declared:
            return f"--disk-format-from-data stores it as {self.better}"
        if self.packed and self.kinds == {"raw"}:
            return "unpack it: image v1 export, unpack, image v1 export --replace-data, import"
        return _CONVERT


def inspect(
    pieces: Iterable[bytes],
    size: int | None = None,
    end: Callable[[int], bytes] | None = None,
) -> Seen | None:
    """Look at the beginning of data, and at its end where the format has something there.

    :param pieces: the data; no more of it is taken than is needed, mostly 64 KiB
    :param size: bytes of all of it, None where nobody knows
    :param end: returns so many bytes of its end; None where these cannot be had
    :returns: what it is, None where oslo.utils has no inspectors
    """
    module = inspectors()
    if module is None:
        return None
    looking = _Looking(module)
    for piece in _of_one_size(pieces):
        looking.take(piece)
        if looking.taken == size or not looking.wants_more() or looking.taken >= _MOST:
            break
    else:
        size = looking.taken
    return looking.finish(size, end)


def inspect_file(path: Path) -> Seen | None:
    """Look at the beginning of a file, and at its end where that matters.

    :param path: the file
    :returns: what it is, None where oslo.utils has no inspectors
    :raises FileFailed: if it cannot be read
    """
    with opened(path) as file, file_errors("read", path):
        size = os.fstat(file.fileno()).st_size

        def end(length: int) -> bytes:
            file.seek(-min(length, size), os.SEEK_END)
            return file.read()

        return inspect(iter(lambda: file.read(_PIECE), b""), size, end)


def _of_one_size(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield data in the pieces that Glance hands on; what it sees may depend on these."""
    waiting = b""
    for piece in pieces:
        waiting += piece
        while len(waiting) >= _PIECE:
            yield waiting[:_PIECE]
            waiting = waiting[_PIECE:]
    if waiting:
        yield waiting


class _Looking:
    """The inspectors, at work.

    :ivar taken: bytes that they were given
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._all = {name: kind() for name, kind in module.ALL_FORMATS.items() if name != "raw"}
        self._ended: set[str] = set()
        self._first = b""
        self._odd = False
        self.taken = 0

    def take(self, piece: bytes) -> None:
        """Give all of them the next piece."""
        self._first = self._first or piece[:8]
        self.taken += len(piece)
        for name, inspector in self._all.items():
            if name not in self._ended:
                self._feed(name, inspector, piece)

    def _feed(self, name: str, inspector: Any, piece: bytes) -> None:
        try:
            inspector.eat_chunk(piece)
        except Exception as error:  # noqa: BLE001 (it says so of whatever is not its format)
            LOG.debug("Not %s: %s", name, error)
            self._ended.add(name)

    def _matches(self, inspector: Any) -> bool:
        try:
            return bool(inspector.format_match)
        except Exception as error:  # noqa: BLE001 (one that fails proves nothing)
            LOG.debug("Cannot tell whether it is %s: %s", inspector, error)
            self._odd = True
            return False

    def _open_regions(self, inspector: Any, at_end: bool) -> list[Any]:
        """Return what an inspector still waits for, at the end of the data or before that."""
        regions = map(inspector.region, inspector.context_info)
        kind = self._module.EndCaptureRegion
        return [one for one in regions if not one.complete and isinstance(one, kind) is at_end]

    def wants_more(self) -> bool:
        """Tell whether a format that has shown itself has more to show before the end."""
        return any(
            name not in self._ended
            and self._matches(inspector)
            and self._open_regions(inspector, at_end=False)
            for name, inspector in self._all.items()
        )

    def finish(self, size: int | None, end: Callable[[int], bytes] | None) -> Seen:
        """Look at the end where it matters; return what was seen.

        :param size: bytes of all data; what was taken if that was all
        :param end: returns so many bytes of the end
        """
        found = {name: one for name, one in self._all.items() if self._matches(one)}
        doubt = "its beginning tells nothing" if self._odd else ""
        if self.taken != size:
            for name, inspector in found.items():
                doubt = doubt or self._look_at_end(name, inspector, end)
        unsafe = {}
        for name, inspector in found.items():
            inspector.finish()
            reason = self._danger(inspector)
            if reason:
                unsafe[name] = f"Glance does not take such a {name}: {reason}"
        packed = (name for mark, name in _PACKED.items() if self._first.startswith(mark))
        return Seen(
            kinds=frozenset(found) or frozenset(("raw",)),
            unsafe=unsafe,
            known=frozenset(self._module.ALL_FORMATS),
            empty=self.taken == 0,
            packed=next(packed, None),
            doubt=doubt,
        )

    def _look_at_end(self, name: str, inspector: Any, end: Callable[[int], bytes] | None) -> str:
        """Give an inspector the end of the data; return what cannot be looked at."""
        if name in self._ended:
            return ""
        if self._open_regions(inspector, at_end=False):
            return f"what it has of {name} is too far behind its beginning"
        regions = self._open_regions(inspector, at_end=True)
        if not regions:
            return ""
        if end is None:
            return f"a {name} of its kind has something at its end, which is not looked at"
        self._feed(name, inspector, end(max(region.length for region in regions)))
        return ""

    def _danger(self, inspector: Any) -> str:
        try:
            inspector.safety_check()
        except self._module.SafetyCheckFailed as error:
            return "; ".join(printable(one) for one in error.failures.values())
        except Exception as error:  # noqa: BLE001 (whatever it is, Glance refuses it)
            return printable(error)
        return ""
