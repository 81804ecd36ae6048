"""The order of a list, where the service has none that holds.

By text a database sorts as its collation has it, and by what may be null as it likes: nulls come
first or last, and Glance finds the images after a marker by comparing with a null as with 0 or "",
so that images are lost or repeated at the border of two pages. Glance before Kilo does not sort by
ID, whatever it is asked. Such lists are read whole and sorted here: by code points, nulls least,
and what is equal in the order of its making.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.api.records import Record, int_or_none, text_or_none
from osc_image_v1.exceptions import ImageNotFound
from osc_image_v1.text import printable

_NULLABLE = frozenset(("name", "container_format", "disk_format", "size"))

#: So many images are not in the order of their IDs by chance.
TELLING = 20

#: Where a value stands in the order: whether it is known, and what it is.
Rank = tuple[bool, Any]


class OtherRank(Exception):
    """The marker stands elsewhere in the order than was said."""


def is_sorted_here(query: ImageQuery) -> bool:
    """Tell whether a list has to be sorted here: by text, or by a field that may be null.

    :param query: what is listed
    """
    return query.sort_key in _NULLABLE


def is_in_order(page: list[Record], query: ImageQuery) -> bool:
    """Tell whether a service has sorted a page by ID, where it was asked to.

    :param page: the first page as the service sent it
    :param query: what is listed
    """
    if query.sort_key != "id":
        return True
    ids = [record["id"] for record in page]
    return ids == sorted(ids, reverse=query.sort_dir == "desc")


def rank_of(query: ImageQuery, value: Any) -> Rank:
    """Return where an image stands.

    :param query: what is listed
    :param value: its value of the field that is sorted by
    """
    number = query.sort_key == "size"
    known = int_or_none(value) if number else text_or_none(value)
    return known is not None, known if known is not None else (0 if number else "")


def pages_in_order(records: list[Record], query: ImageQuery) -> Iterator[list[Record]]:
    """Yield pages of records in the order that a query asks for.

    :param records: all that the query lists, newest first
    :param query: what is listed; marker and limit count here
    :raises ImageNotFound: if the marker is not among the records
    """
    descending = query.sort_dir == "desc"
    ordered = records if descending else records[::-1]
    ordered = sorted(ordered, key=lambda record: _rank(query, record), reverse=descending)
    start = 0 if query.marker is None else _after(ordered, query.marker)
    end = len(ordered) if query.limit is None else min(len(ordered), start + query.limit)
    return _paged(ordered[start:end], query.page_size)


def best_in_order(
    pages: Iterable[list[Record]], query: ImageQuery, marker: Rank | None = None
) -> Iterator[list[Record]]:
    """Yield the first images of the order that a query asks for; no others are kept in memory.

    :param pages: all that the query lists, page by page, newest first
    :param query: what is listed, with a limit
    :param marker: where the query's marker stands, if it has one
    :raises OtherRank: if the marker stands elsewhere
    :raises ImageNotFound: if the marker is not among the records
    """
    records = itertools.chain.from_iterable(pages)
    # What is equal stands in the order of its making.
    placed: Iterator[tuple[tuple[bool, Any, int], Record]] = (
        ((*_rank(query, record), -number), record) for number, record in enumerate(records)
    )
    if marker is not None:
        placed = _beyond(placed, query, marker)
    choose = heapq.nlargest if query.sort_dir == "desc" else heapq.nsmallest
    best = choose(query.limit or 0, placed, key=itemgetter(0))
    return _paged([record for _place, record in best], query.page_size)


def _beyond(
    placed: Iterator[tuple[tuple[bool, Any, int], Record]], query: ImageQuery, marker: Rank
) -> Iterator[tuple[tuple[bool, Any, int], Record]]:
    """Yield what comes after the marker."""
    descending = query.sort_dir == "desc"
    is_seen = False
    for place, record in placed:
        rank = place[:2]
        if record["id"] == query.marker:
            if rank != marker:
                raise OtherRank
            is_seen = True
        elif rank == marker:
            # They come newest first.
            if is_seen is descending:
                yield place, record
        elif (rank < marker) is descending:
            yield place, record
    if not is_seen:
        raise _not_listed(str(query.marker))


def _rank(query: ImageQuery, record: Record) -> Rank:
    return rank_of(query, record.get(str(query.sort_key)))


def _paged(records: list[Record], size: int) -> Iterator[list[Record]]:
    for first in range(0, len(records), size):
        yield records[first : first + size]


def _after(ordered: list[Record], marker: str) -> int:
    for position, record in enumerate(ordered, 1):
        if record["id"] == marker:
            return position
    raise _not_listed(marker)


def _not_listed(marker: str) -> ImageNotFound:
    return ImageNotFound(
        f"Cannot list images: the marker {printable(marker)} is not among those that are listed"
    )
