"""What only people write: sizes, times, orders, servers, parts of the images, lists of them.

Each raises :class:`~osc_image_v1.exceptions.InvalidInput` for what it cannot read.
"""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

from osc_image_v1.api.queries import SORT_KEYS, last_segment
from osc_image_v1.api.records import in_utc
from osc_image_v1.exceptions import InvalidInput, WrongUsage
from osc_image_v1.i18n import _
from osc_image_v1.text import is_uuid, printable
from osc_image_v1.transfer.shards import Shard

_SIZE = re.compile(r"(\d{1,30}(?:\.\d{1,30})?)\s*([kmgtpe]?)(i?b)?", re.IGNORECASE | re.ASCII)
_POWERS = " kmgtpe"
_LARGEST = 2**63 - 1

_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)

_AGE = re.compile(r"(\d{1,9})([smhdw])")
_AGE_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_size(text: str) -> int:
    """Return the number of bytes that a person wrote.

    ``K``, ``M``, ``G``, ``T``, ``P``, ``E`` and ``KiB``, ``MiB``... are powers of 1024; ``KB``,
    ``MB``... are powers of 1000.

    :param text: a number, with or without a unit: ``512``, ``10G``, ``1.5GiB``, ``700MB``
    :returns: bytes; a fraction of a byte is cut off
    :raises InvalidInput: if it is no size, or above 2**63 - 1 bytes
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or ((match[3] or "").lower() == "ib" and not match[2]):
        raise InvalidInput(
            _("'%s' is no size: use bytes or a number with a unit (512, 10G, 512MiB)")
            % printable(text)
        )
    number, unit, suffix = match[1], match[2].lower(), (match[3] or "").lower()
    base = 1000 if suffix == "b" else 1024
    factor = base ** _POWERS.index(unit) if unit else 1
    whole, _point, fraction = number.partition(".")
    size = int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)
    if size > _LARGEST:
        raise InvalidInput(_("'%s' is too large: 2**63 - 1 bytes is the most") % printable(text))
    return size


def parse_time(text: str, now: datetime | None = None) -> datetime:
    """Return the time that a person wrote.

    :param text: ISO 8601 with or without a zone (then UTC), a date, or an age: a whole number and
        ``s``, ``m``, ``h``, ``d`` or ``w``
    :param now: what an age is counted from, by default the present
    :returns: an aware datetime in UTC
    :raises InvalidInput: if it is none of these
    """
    from dateutil import parser

    text = text.strip()
    problem = _("'%(text)s' is no time: %(help)s")
    age = _AGE.fullmatch(text)
    try:
        if age:
            problem = _("'%(text)s' is too long ago: %(help)s")
            span = timedelta(**{_AGE_UNITS[age[2]]: int(age[1])})
            return (now or datetime.now(timezone.utc)) - span
        return in_utc(parser.isoparse(text))
    except (ValueError, OverflowError):
        hint = _("use ISO 8601 (2026-11-22T13:32:06Z, 2026-11-22) or an age (7d, 36h)")
        raise InvalidInput(problem % {"text": printable(text), "help": hint}) from None


def parse_sort(text: str) -> list[tuple[str, Literal["asc", "desc"]]]:
    """Return sort keys and directions from ``<key>[:<direction>]``, several with commas between.

    :param text: what a person wrote; without a direction it is ``asc``
    :raises InvalidInput: if the service does not sort by that
    """
    return list(map(_parse_sort_key, text.split(",")))


def _parse_sort_key(text: str) -> tuple[str, Literal["asc", "desc"]]:
    key, colon, direction = text.partition(":")
    key = key.replace("-", "_")
    if key not in SORT_KEYS:
        raise InvalidInput(
            _("sort key '%(key)s' is none of %(keys)s")
            % {"key": printable(key), "keys": ", ".join(SORT_KEYS)}
        )
    if colon and direction not in ("asc", "desc"):
        raise InvalidInput(_("sort direction '%s' is neither asc nor desc") % printable(direction))
    return key, "desc" if direction == "desc" else "asc"


def parse_server(text: str) -> str:
    """Return the server's ID from an ID or a URL that ends with one.

    :param text: what a person wrote
    :raises InvalidInput: if it is neither
    """
    last = last_segment(text)
    if not is_uuid(last):
        raise InvalidInput(
            _("'%s' is no server ID (a UUID) and no URL of a server") % printable(text)
        )
    return last


def parse_shard(text: str) -> Shard:
    """Return the part that a person wrote.

    :param text: ``<i>/<n>``, from ``1/n`` to ``n/n``
    :raises InvalidInput: if it is none
    """
    match = _SHARD.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(_("'%s' is no part of a whole: use <i>/<n>, say 1/4") % printable(text))
    index, count = int(match[1]), int(match[2])
    if not count:
        raise InvalidInput(_("'%s' is no part: there is at least one part") % printable(text))
    if not 1 <= index <= count:
        raise InvalidInput(
            _("'%(text)s' is no part: %(n)d parts are 1/%(n)d to %(n)d/%(n)d")
            % {"text": printable(text), "n": count}
        )
    return Shard(index, count)


def read_lines(source: str) -> list[str]:
    """Return what the lines of a file say; blanks around it, empty lines and comments are left out.

    :param source: path of the file, ``-`` for standard input
    :raises WrongUsage: if it cannot be read, or is no text
    """
    try:
        if source != "-":
            content = Path(source).read_bytes()
        elif sys.stdin is None or sys.stdin.isatty():
            raise WrongUsage(_("The names of images come from a pipe or a file, not a terminal"))
        else:
            content = sys.stdin.buffer.read()
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise WrongUsage(
            _("Cannot read '%(file)s': %(reason)s")
            % {"file": printable(source), "reason": printable(reason)}
        ) from error
    lines = (line.strip() for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]
