"""Order that a service cannot keep from page to page.

Glance finds the images after a marker by comparing with a null as with 0 or "", but sorts nulls
apart from these, first or last as its database does. Where an image without a name, format or size
is at the border of two pages, the images after it are lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.api.records import Record, int_or_none, text_or_none
from osc_image_v1.exceptions import ImageNotFound
from osc_image_v1.text import printable

_NULLABLE = frozenset(("name", "container_format", "disk_format", "size"))


def is_sorted_here(query: ImageQuery) -> bool:
    """Tell whether a list has to be sorted here: by a field that may be null.

    :param query: what is listed
    """
    return query.sort_key in _NULLABLE


def pages_in_order(records: list[Record], query: ImageQuery) -> Iterator[list[Record]]:
    """Yield pages of records in the order that a query asks for, nulls as the least.

    Images that are equal in it are in the order of their making.

    :param records: all that the query lists, newest first
    :param query: what is listed; marker and limit count here
    :raises ImageNotFound: if the marker is not among the records
    """
    descending = query.sort_dir == "desc"
    ordered = records if descending else records[::-1]
    ordered = sorted(ordered, key=lambda record: _rank(query, record), reverse=descending)
    start = 0 if query.marker is None else _after(ordered, query.marker)
    end = len(ordered) if query.limit is None else min(len(ordered), start + query.limit)
    for first in range(start, end, query.page_size):
        yield ordered[first : min(end, first + query.page_size)]


def _rank(query: ImageQuery, record: Record) -> tuple[bool, Any]:
    value = record.get(str(query.sort_key))
    number = query.sort_key == "size"
    known = int_or_none(value) if number else text_or_none(value)
    return known is not None, known if known is not None else (0 if number else "")


def _after(ordered: list[Record], marker: str) -> int:
    for position, record in enumerate(ordered, 1):
        if record["id"] == marker:
            return position
    raise ImageNotFound(
        f"Cannot list images: the marker {printable(marker)} is not among those that are listed"
    )
