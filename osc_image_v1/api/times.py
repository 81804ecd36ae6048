"""Times as the services and people write them. UTC throughout."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable

_AGE = re.compile(r"(\d{1,9})([smhdw])")
_AGE_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIME_HELP = "use ISO 8601 (2026-11-22T13:32:06Z, 2026-11-22) or an age (7d, 36h)"


def _isoparse(text: str) -> datetime:
    # Most commands meet only times that datetime reads itself.
    from dateutil import parser

    return parser.isoparse(text)


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
        try:
            moment = _isoparse(value)
        except (ValueError, OverflowError):
            return None
    try:
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def format_time(moment: datetime) -> str:
    """Return an aware datetime as ISO 8601 in UTC with a ``Z``.

    :param moment: an aware datetime
    """
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def parse_time(text: str, now: datetime | None = None) -> datetime:
    """Return the time that a person wrote.

    :param text: ISO 8601 with or without a zone (then UTC), a date, or an age: a whole number and
        ``s``, ``m``, ``h``, ``d`` or ``w``
    :param now: what an age is counted from, by default the present
    :returns: an aware datetime in UTC
    :raises InvalidInput: if it is none of these
    """
    text = text.strip()
    problem = "no time"
    age = _AGE.fullmatch(text)
    try:
        if age:
            problem = "too long ago"
            span = timedelta(**{_AGE_UNITS[age[2]]: int(age[1])})
            return (now or datetime.now(timezone.utc)) - span
        moment = _isoparse(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise InvalidInput(f"'{printable(text)}' is {problem}: {_TIME_HELP}") from None
