"""A service's records and the values in them, whatever their types turn out to be.

A service's values are taken as what they can mean; those of a caller must be of the right type.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timezone
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable, without_secrets

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


# A caller's values

_Class = TypeVar("_Class", bound=type)


def checked(kind: _Class) -> _Class:
    """Let the public methods of a class refuse arguments of other types than they are annotated.

    :param kind: the class
    """
    for name, method in list(vars(kind).items()):
        if isinstance(method, types.FunctionType) and (name == "__init__" or name[0] != "_"):
            setattr(kind, name, _checked(method))
    return kind


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def check_and_call(*args: Any, **kwargs: Any) -> Any:
        hints = _hints_of(method)
        for name, value in _signature_of(method).bind(*args, **kwargs).arguments.items():
            if name in hints:
                check_value(name, value, hints[name])
        return method(*args, **kwargs)

    return check_and_call


def check_fields(instance: Any) -> None:
    """Refuse a dataclass with a value of another type than its field's.

    :param instance: the dataclass
    :raises InvalidInput: if there is one
    """
    kind: Any = type(instance)
    hints = _hints_of(kind)
    for one in fields(instance):
        check_value(one.name, getattr(instance, one.name), hints[one.name])


def check_value(name: str, value: object, hint: Any) -> None:
    """Refuse a value of another type.

    :param name: what it is, for the message
    :param value: what was given
    :param hint: its type; a boolean is no number, a text no collection of letters
    :raises InvalidInput: if it is of another one
    """
    if not _fits(value, hint):
        shown = printable(without_secrets(repr(value))[:60])
        raise InvalidInput(f"{printable(name)} is {shown}, must be {_in_words(hint)}")


# A class has many more methods than a command calls.
_signature_of = functools.cache(inspect.signature)


@functools.cache
def _hints_of(annotated: Any) -> dict[str, Any]:
    return get_type_hints(annotated)


def _fits(value: object, hint: Any) -> bool:
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if kind in (Union, types.UnionType):
        return any(_fits(value, one) for one in args)
    if kind is Literal:
        return isinstance(value, str)
    if isinstance(value, bool) and kind is not bool:
        return False
    if not isinstance(value, (int, float) if kind is float else kind):
        return False
    if kind in _COLLECTIONS:
        return not isinstance(value, str) and all(_fits(one, args[0]) for one in cast(Any, value))
    if kind is Mapping:
        pairs = cast("Mapping[Any, Any]", value).items()
        return all(_fits(key, args[0]) and _fits(one, args[1]) for key, one in pairs)
    return kind is not Iterable or not isinstance(value, str)


# What an Iterable yields is read once, so not here.
_COLLECTIONS = (Collection, Sequence, frozenset)
_NAMES: dict[Any, str] = {
    bool: "True or False",
    bytes: "bytes",
    Collection: "a collection",
    datetime: "a datetime",
    float: "a number",
    frozenset: "a frozenset",
    int: "a whole number",
    Iterable: "an iterable",
    Literal: "text",
    Mapping: "a mapping",
    Sequence: "a sequence",
    str: "text",
}


def _in_words(hint: Any) -> str:
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, types.UnionType):
        shown = dict.fromkeys(_in_words(one) for one in args if one is not types.NoneType)
        return " or ".join(shown)
    words = _NAMES.get(kind, f"of the type {getattr(kind, '__name__', kind)}")
    return f"{words} of {_in_words(args[-1])}" if args and kind is not Literal else words
