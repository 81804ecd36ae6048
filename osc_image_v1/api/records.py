"""A service's records and the values in them, whatever their types turn out to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: One image as the service sent it.
Record = dict[str, Any]

_TRUE = frozenset(("true", "t", "1", "yes", "on"))
_FALSE = frozenset(("false", "f", "0", "no", "off"))


def text_or_none(value: object) -> str | None:
    """Return the value as text, None where it is null."""
    if value is None or isinstance(value, str):
        return value
    try:
        return str(value)
    except RecursionError:
        return None


def int_or_none(value: object) -> int | None:
    """Return the value as a whole number, None where it is null or no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and len(value) < 20 and value.isdecimal():
        return int(value)
    return None


def bool_or_none(value: object) -> bool | None:
    """Return the value as a boolean, None where it is neither."""
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
