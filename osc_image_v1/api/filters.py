"""What a record must be like to be listed.

Services ignore filters that they do not know, and databases compare without case: each filter is
checked on each record. A value that is written as text counts as what it says, and a record that
does not have the field passes no filter by it.
"""

from __future__ import annotations

import fnmatch
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from functools import reduce

from osc_image_v1.api.records import Record, bool_or_none, int_or_none, mapping, parse_server_time

LOG = logging.getLogger(__name__)

Predicate = Callable[[Record], bool]

#: The name of the field that a check reads, and the check.
Check = tuple[str, Predicate]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# That a record has none of these says that the image has none.
_OPTIONAL = frozenset(("properties", "metadata", "server"))


def text_is(key: str, wanted: str) -> Check:
    """Return a check for exactly this text."""
    return key, lambda record: _is_text(record.get(key), wanted)


def word_is(key: str, wanted: str) -> Check:
    """Return a check for a word whose case says nothing: a state, a checksum."""
    folded = wanted.lower()
    return key, lambda record: _folded(record.get(key)) == folded


def number_is(key: str, wanted: int) -> Check:
    """Return a check for exactly this number."""
    return key, lambda record: int_or_none(record.get(key)) == wanted


def number_within(key: str, least: int | None, most: int | None) -> Check:
    """Return a check for a number that is at least the one and at most the other."""

    def check(record: Record) -> bool:
        number = int_or_none(record.get(key))
        if number is None or (least is not None and number < least):
            return False
        return most is None or number <= most

    return key, check


def flag_is(key: str, wanted: bool) -> Check:
    """Return a check for a field that is true or false."""
    return key, lambda record: bool_or_none(record.get(key)) is wanted


def is_among(key: str, wanted: frozenset[str]) -> Check:
    """Return a check for one of these texts."""
    return key, lambda record: record.get(key) in wanted


def fits_any(keys: Sequence[str], patterns: Iterable[str]) -> Check:
    """Return a check for a text in one of the fields that fits one of a shell's patterns."""
    fits = re.compile("|".join(map(fnmatch.translate, patterns))).match

    def check(record: Record) -> bool:
        values = (record.get(key) for key in keys)
        return any(fits("" if value is None else str(value)) for value in values)

    return keys[0], check


def fits_none(keys: Sequence[str], patterns: Iterable[str]) -> Check:
    """Return a check for texts of which none fits a pattern."""
    key, fits = fits_any(keys, patterns)
    return key, lambda record: not fits(record)


def property_is(place: str, key: str, wanted: str) -> Check:
    """Return a check for exactly this text in an object that the record has."""
    return place, lambda record: _is_text(mapping(record.get(place)).get(key), wanted)


def has_object(key: str, wanted: bool) -> Check:
    """Return a check for whether a field is an object with something in it."""
    return key, lambda record: bool(mapping(record.get(key))) is wanted


def changed_after(keys: Sequence[str], moment: datetime, or_then: bool = False) -> Check:
    """Return a check for a change after a moment, as far as whole seconds tell.

    A database may cut off a time's fraction: what has none may have been up to a second later.

    :param keys: the fields with times of a change, the one that counts first
    :param moment: an aware datetime
    :param or_then: whether a change at that very moment counts
    """
    exact = max(moment, EPOCH)
    second = exact.replace(microsecond=0)

    def is_late(value: object) -> bool:
        changed = parse_server_time(value)
        if changed is None:
            return False
        if not changed.microsecond:
            return changed >= second
        return changed > exact or (or_then and changed == exact)

    return keys[0], lambda record: any(is_late(record.get(key)) for key in keys)


def since_before(moment: datetime) -> datetime:
    """Return the time to ask a service for, so that it leaves out nothing changed after a moment.

    :param moment: an aware datetime
    """
    if moment <= EPOCH:
        return EPOCH
    return max(EPOCH, moment.replace(microsecond=0) - timedelta(seconds=1))


def all_of(checks: Iterable[Check]) -> Predicate | None:
    """Return what passes all checks, None where there is none."""
    predicates = [predicate for _key, predicate in checks]
    return reduce(_both, predicates) if predicates else None


def _both(first: Predicate, second: Predicate) -> Predicate:
    return lambda record: first(record) and second(record)


def _is_text(value: object, wanted: str) -> bool:
    if isinstance(value, str):
        return value == wanted
    if isinstance(value, bool):
        return str(value).lower() == wanted.lower()
    return isinstance(value, int | float) and str(value) == wanted


def _folded(value: object) -> str | None:
    return value.lower() if isinstance(value, str) else None


class Sieve:
    """What the filters of a query leave of its pages.

    Where they leave out an image since its record has no such field, it is said once.

    :param checks: the checks of the query
    """

    def __init__(self, checks: Sequence[Check]) -> None:
        self._keep = all_of(checks)
        self._keys = {key for key, _predicate in checks} - _OPTIONAL

    def kept(self, records: list[Record]) -> list[Record]:
        """Return the records of a page that pass."""
        if self._keep is None:
            return records
        rows = list(filter(self._keep, records))
        if len(rows) < len(records):
            self._tell(records)
        return rows

    def _tell(self, records: list[Record]) -> None:
        lacking = [key for key in self._keys if not all(key in record for record in records)]
        for key in sorted(lacking):
            LOG.warning(
                "The service does not tell %s of each image: those without it are left out", key
            )
        self._keys.difference_update(lacking)
