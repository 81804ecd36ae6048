"""A service's records and the values in them, whatever their types turn out to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

#: One image as the service sent it.
Record = dict[str, Any]

_TRUE = frozenset(("true", "t", "1", "yes", "on"))
_FALSE = frozenset(("false", "f", "0", "no", "off"))
# Sizes add up to more than 64 bits; to read a number takes the square of its digits.
_MOST_DIGITS = 40

_HEXADECIMAL = re.compile("[0-9a-f]+")
# By the number of digits: services write no more than the digest.
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


def text_or_none(value: object) -> str | None:
    """Return the value as text, None where it is null; objects and lists as JSON."""
    if value is None or isinstance(value, str):
        return value
    try:
        if isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False, sort_keys=True)
        return str(value)
    except (RecursionError, ValueError):
        # It is nested too deep, or a number of thousands of digits.
        return None


def int_or_none(value: object) -> int | None:
    """Return the value as a whole number, None where it is null or no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str) and len(value) < _MOST_DIGITS:
        digits = value.strip()
        return int(digits) if digits.isdecimal() else None
    return None


def bool_or_none(value: object) -> bool | None:
    """Return the value as a boolean, None where it is neither."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def is_json_of(text: object, value: object) -> bool:
    """Tell whether a text is a value as JSON: the Compute service decodes some properties."""
    try:
        return isinstance(text, str) and bool(json.loads(text) == value)
    except (ValueError, RecursionError):
        return False


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_checksum(text: str | None) -> str | None:
    """Return a checksum in lower case where its algorithm is known, else None.

    :param text: a record's checksum, or the text of a header
    """
    lower = (text or "").strip(' "').lower()
    known = len(lower) in _ALGORITHMS and _HEXADECIMAL.fullmatch(lower)
    return lower if known else None


def as_md5(text: str | None) -> str | None:
    """Return the text in lower case where it is an MD5, else None."""
    checksum = as_checksum(text)
    return checksum if checksum is not None and _ALGORITHMS[len(checksum)] == "md5" else None


def checksum_algorithm(text: str | None) -> str | None:
    """Return the name that :mod:`hashlib` has for a checksum's algorithm, None if it is unknown.

    The Image API v1 says MD5, and some services of other makes write longer ones.

    :param text: a record's checksum, or the text of a header
    :returns: ``md5``, ``sha1``, ``sha256`` or ``sha512``
    """
    checksum = as_checksum(text)
    return None if checksum is None else _ALGORITHMS[len(checksum)]


def parse_server_time(value: object) -> datetime | None:
    """Return a service's time as an aware datetime in UTC.

    :param value: what the service sent: naive times mean UTC
    :returns: the time, or None where the value is no time
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        # Most commands meet only times that datetime reads itself.
        from dateutil import parser

        try:
            moment = parser.isoparse(value)
        except (ValueError, OverflowError):
            return None
    try:
        return in_utc(moment)
    except (ValueError, OverflowError):
        return None


def in_utc(moment: datetime) -> datetime:
    """Return a time as an aware datetime in UTC; a naive one is in UTC already.

    :param moment: a datetime
    :raises OverflowError: if UTC has it before the first or after the last year
    """
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def format_time(moment: datetime) -> str:
    """Return an aware datetime as ISO 8601 in UTC with a ``Z``.

    :param moment: an aware datetime
    """
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
