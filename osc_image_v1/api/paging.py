"""Page by page to the end of a list and no further, in the order that was asked for.

By text a database sorts as its collation has it, and by what may be null as it likes: nulls come
first or last, and Glance finds the images after a marker by comparing with a null as with 0 or "",
so that images are lost or repeated at the border of two pages. Glance before Kilo does not sort by
ID, whatever it is asked. Such lists are read whole and sorted here: by code points, nulls least,
and what is equal in the order of its making.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from operator import itemgetter
from typing import Any, TypeVar

from osc_image_v1.api.filters import Sieve
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.queries import MAX_PAGE_SIZE, ImageQuery, Params
from osc_image_v1.api.records import Record, int_or_none, parse_server_time, text_or_none
from osc_image_v1.exceptions import (
    AmbiguousName,
    BadAnswer,
    BadRequest,
    ImageNotFound,
    MarkerIgnored,
    NotFound,
    ServerError,
)
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

# How many images of one name an error names.
_MOST_CANDIDATES = 20
# How many images before a deleted one are tried as the marker in its place.
_STEPS_BACK = 10
# How many pages of a list are read before it is worth a request to find a way around the others.
_PAGES_BEFORE_A_LOOK = 3

#: Asks for a page: path, what is being done, parameters.
Ask = Callable[[str, str, Params], Any]


def records_of(document: object, action: str) -> list[Record]:
    """Return the records of a page, each an object with an ID, which is text.

    :param document: the decoded answer
    :param action: what is being done, as the beginning of an error's sentence
    :raises BadAnswer: if the answer has another form
    """
    records = document.get("images") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise BadAnswer(f"{action}: the service's answer has no list of images")
    if not _have_ids(records):
        for record in records:
            # The IDs of old clouds are numbers.
            if type(record) is dict and type(record.get("id")) is int:
                record["id"] = str(record["id"])
        if not _have_ids(records):
            raise BadAnswer(f"{action}: the service's answer has an image without an ID")
    return records


def _have_ids(records: list[Record]) -> bool:
    """Tell whether all of a page are objects with an ID; a loop here would take its time."""
    try:
        ids = list(map(_id_of, records))
    except (LookupError, TypeError):
        return False
    return {dict}.issuperset(map(type, records)) and {str}.issuperset(map(type, ids)) and all(ids)


_id_of = itemgetter("id")


# So many pages in a row without an image lead nowhere.
_MOST_EMPTY = 100


class PageGuard:
    """Sees to it that each page leads on, with one page of IDs in memory.

    :param action: what is being done, as the beginning of an error's sentence
    :param marker: the ID of the image after which the list is to begin
    :ivar seen: how many records have come
    """

    def __init__(self, action: str, marker: str | None = None) -> None:
        self.seen = 0
        self._action = action
        self._marker = marker
        self._markers: set[str] = set()
        self._links: set[str] = set()
        self._previous: frozenset[str] = frozenset()
        self._empty = 0

    def fresh(self, records: list[Record]) -> list[Record]:
        """Return the records of a page that the page before did not have.

        :raises MarkerIgnored: if it is the page before once more, or the first page of a list has
            the image after which it is to begin
        :raises BadAnswer: if the page leads back to where the list has been, or nowhere
        """
        ids = frozenset(map(_id_of, records))
        self._check_begin(ids)
        overlap = ids & self._previous
        last = records[-1]["id"] if records else None
        self._empty = 0 if records else self._empty + 1
        if self._empty > _MOST_EMPTY:
            raise BadAnswer(f"{self._action}: the service sends page after page without an image")
        if records and ids == self._previous:
            raise MarkerIgnored(
                f"{self._repeats()}: it ignores the marker, and gives {len(ids)} images whatever "
                f"comes after them; a list with --limit up to {len(ids)} works"
            )
        if records and (len(overlap) == len(ids) or last in self._markers):
            raise self._repeats()
        if last is not None:
            self._markers.add(last)
        self._previous = ids
        self.seen += len(ids) - len(overlap)
        if overlap:
            return [record for record in records if record["id"] not in overlap]
        return records

    def _check_begin(self, ids: frozenset[str]) -> None:
        marker, self._marker = self._marker, None
        if marker is not None and (marker in ids or marker.lower() in ids):
            raise MarkerIgnored(
                f"{self._action}: the service ignores the marker, its page begins elsewhere than "
                f"after image {printable(marker)}: list without a marker"
            )

    def onward(self, marker: str | None) -> None:
        """Check the marker of a link to the next page; pages without images have them too.

        :param marker: the marker, None where there is no link
        :raises BadAnswer: if the list has been there
        """
        if marker in self._links:
            raise self._repeats()
        if marker is not None:
            self._links.add(marker)

    def _repeats(self) -> BadAnswer:
        return BadAnswer(
            f"{self._action}: the service repeats a page instead of going on, so the list is not "
            "complete"
        )


def found_on(pages: Iterable[list[Record]], guard: PageGuard, action: str) -> list[Record]:
    """Return the records of a look-up by name.

    A page of one image, which has the name, is the answer: no service caps its pages at one.

    :param pages: what has the name, page by page
    :param guard: what has come so far of all that the service sent
    :param action: what is being done, as the beginning of an error's sentence
    :raises MarkerIgnored: if the service ignores markers, and its first page does not have it
    """
    found: list[Record] = []
    try:
        for page in pages:
            found += page
            if guard.seen == 1:
                break
    except MarkerIgnored as error:
        if not found:
            raise MarkerIgnored(
                f"{action}: it is none of the {guard.seen} images that the service gives, which "
                "ignores the marker and so hides the others: use an ID"
            ) from error
        LOG.warning(
            "The service ignores the marker: only its first %d images were looked at", guard.seen
        )
    return found


def found_by_id(get: Callable[[str], _T], *ids: str) -> _T | None:
    """Return the first image that there is, None where there is none.

    :param get: returns an image by its ID, or raises ImageNotFound
    :param ids: the IDs that it may have
    """
    for image_id in ids:
        with contextlib.suppress(ImageNotFound):
            return get(image_id)
    return None


def one_of(name_or_id: str, found: list[Record]) -> Record:
    """Return the only record of a name.

    :param name_or_id: what was looked for
    :param found: the records that were found
    :raises ImageNotFound: if there is none
    :raises AmbiguousName: if there are several
    """
    if len(found) == 1:
        return found[0]
    name = printable(name_or_id)
    if not found:
        raise ImageNotFound(f"No image has the name or ID '{name}'")
    ids = [printable(record["id"]) for record in found]
    listed = ", ".join(ids[:_MOST_CANDIDATES])
    more = f" and {len(ids) - _MOST_CANDIDATES} more" if len(ids) > _MOST_CANDIDATES else ""
    raise AmbiguousName(
        f"{len(ids)} images have the name '{name}', use an ID instead: {listed}{more}", ids
    )


# The order


_NULLABLE = frozenset(("name", "container_format", "disk_format", "size"))

#: So many images are not in the order of their IDs by chance.
TELLING = 20

#: Where an image stands in the order: for each key whether it is known, and what it is.
_Rank = tuple[Any, ...]


class _OtherRank(Exception):
    """The marker stands elsewhere in the order than was said."""


def is_sorted_here(query: ImageQuery) -> bool:
    """Tell whether a list has to be sorted here: by text, a field that may be null, several keys.

    :param query: what is listed
    """
    return query.sort_key in _NULLABLE or bool(query.then_by)


def _is_in_order(page: list[Record], query: ImageQuery) -> bool:
    """Tell whether a service has sorted its first page by ID, where it was asked to."""
    if query.sort_key != "id":
        return True
    ids = [record["id"] for record in page]
    return ids == sorted(ids, reverse=query.sort_dir == "desc")


def _sort_keys(query: ImageQuery) -> list[str]:
    """Return the fields that a list is sorted by, the first one first."""
    return [str(query.sort_key), *(key for key, _direction in query.then_by)]


def _rank_of(query: ImageQuery, values: Mapping[str, Any]) -> _Rank:
    """Return where an image stands.

    :param query: what is listed
    :param values: an image's record, or what it has of the fields that are sorted by
    """
    key, first = str(query.sort_key), query.sort_dir or "asc"
    rank: _Rank = _standing(key, values.get(key))
    for key, direction in query.then_by:
        standing = _standing(key, values.get(key))
        rank += (standing if direction == first else _Reversed(standing),)
    return rank


def _standing(key: str, value: Any) -> tuple[bool, Any]:
    known: Any
    if key == "size":
        known = int_or_none(value)
    elif key in ("created_at", "updated_at"):
        known = value if isinstance(value, datetime) else parse_server_time(value)
    else:
        known = text_or_none(value)
    return known is not None, "" if known is None else known


class _Reversed:
    """A standing in the other direction than the first key's."""

    def __init__(self, standing: tuple[bool, Any]) -> None:
        self._standing = standing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self._standing == other._standing

    def __lt__(self, other: _Reversed) -> bool:
        return other._standing < self._standing

    __hash__ = None  # type: ignore[assignment]


def pages_in_order(records: list[Record], query: ImageQuery) -> Iterator[list[Record]]:
    """Yield pages of records in the order that a query asks for.

    :param records: all that the query lists, newest first
    :param query: what is listed; marker and limit count here
    :raises ImageNotFound: if the marker is not among the records
    """
    descending = query.sort_dir == "desc"
    ordered = records if descending else records[::-1]
    ordered = sorted(ordered, key=lambda record: _rank_of(query, record), reverse=descending)
    start = 0 if query.marker is None else _after(ordered, query.marker)
    end = len(ordered) if query.limit is None else min(len(ordered), start + query.limit)
    return _paged(ordered[start:end], query.page_size)


def _best_in_order(
    pages: Iterable[list[Record]], query: ImageQuery, marker: _Rank | None = None
) -> Iterator[list[Record]]:
    """Yield the first images of the order that a query asks for; no others are kept in memory.

    :param pages: all that the query lists, page by page, newest first
    :param query: what is listed, with a limit
    :param marker: where the query's marker stands, if it has one
    """
    records = itertools.chain.from_iterable(pages)
    # What is equal stands in the order of its making.
    placed: Iterator[tuple[tuple[_Rank, int], Record]] = (
        ((_rank_of(query, record), -number), record) for number, record in enumerate(records)
    )
    if marker is not None:
        placed = _beyond(placed, query, marker)
    choose = heapq.nlargest if query.sort_dir == "desc" else heapq.nsmallest
    best = choose(query.limit or 0, placed, key=itemgetter(0))
    return _paged([record for _place, record in best], query.page_size)


def _beyond(
    placed: Iterator[tuple[tuple[_Rank, int], Record]], query: ImageQuery, marker: _Rank
) -> Iterator[tuple[tuple[_Rank, int], Record]]:
    """Yield what comes after the marker."""
    descending = query.sort_dir == "desc"
    is_seen = False
    for place, record in placed:
        rank = place[0]
        if record["id"] == query.marker:
            if rank != marker:
                raise _OtherRank
            is_seen = True
        elif rank == marker:
            # They come newest first.
            if is_seen is descending:
                yield place, record
        elif (rank < marker) is descending:
            yield place, record
    if not is_seen:
        raise _not_listed(str(query.marker))


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


# The lists of the Image API v1


class Pager:
    """One list in progress.

    :param ask: asks for a page: path, what is being done, parameters
    :param query: what to list
    :param detail: whether to ask for all metadata
    :param action: what is being done, as the beginning of an error's sentence
    :param texts: whether the service compares text
    :ivar guard: what has come so far
    """

    def __init__(
        self,
        ask: Ask,
        query: ImageQuery,
        detail: bool,
        action: str,
        texts: bool = True,
    ) -> None:
        self._ask = ask
        self._query = query
        self._path = "/images/detail" if detail or query.needs_detail else "/images"
        self._params = query.params(texts)
        self._sieve = Sieve(query.checks())
        self._whole_pages = query.narrows_here(texts)
        self._action = action
        self.guard = PageGuard(action, query.marker)
        self._left = query.limit
        self._asked = 0

    def kept(self, page: list[Record]) -> list[Record]:
        """Return what the filters leave of a page."""
        return self._sieve.kept(page)

    def page(self, marker: str | None) -> list[Record]:
        """Return the page after a marker, as the service sent it."""
        self._asked = self._query.page_size
        if self._left is not None and not self._whole_pages:
            self._asked = min(self._asked, self._left)
        if self._query.sort_key == "id":
            self._asked = max(self._asked, TELLING)
        params = {**self._params, "limit": str(self._asked)}
        if marker is not None:
            params["marker"] = marker
        return records_of(self._ask(self._path, self._action, params), self._action)

    def follow(self, page: list[Record]) -> Iterator[list[Record]]:
        """Yield the page and all after it, filtered, up to the limit."""
        before: int | None = None
        while page:
            try:
                fresh = self.guard.fresh(page)
            except MarkerIgnored:
                if before is None or len(page) <= self._asked:
                    raise
                # A service that knows no limit either gives all that it has.
                return
            rows = self.kept(fresh)
            # Pages of what is left would get ever smaller.
            self._whole_pages = self._whole_pages or len(rows) < len(fresh)
            if self._left is not None:
                rows = rows[: self._left]
                self._left -= len(rows)
            if rows:
                yield rows
            # A short first page may be the service's own cap.
            if self._left == 0 or (before is not None and len(page) < min(before, self._asked)):
                return
            before = len(page)
            page = self._next(page)

    def _next(self, page: list[Record]) -> list[Record]:
        """Return the page after this one, also where its last images have just been deleted."""
        *earlier, last = (record["id"] for record in page[-_STEPS_BACK:])
        try:
            return self.page(last)
        except (BadRequest, NotFound):
            for marker in reversed(earlier):
                with contextlib.suppress(BadRequest, NotFound):
                    return self.page(marker)
            raise


class ImageLists:
    """The lists of a service with the Image API v1: filtered, and in the order asked for.

    :param ask: asks for a page: path, what is being done, parameters
    :param get: returns an image by its ID
    """

    def __init__(self, ask: Ask, get: Callable[[str], ImageDetail]) -> None:
        self._ask = ask
        self._get = get

    def pages(self, query: ImageQuery, detail: bool, action: str) -> Iterator[list[Record]]:
        """Yield the pages of a list; its marker is an ID as the service writes it.

        :param query: what to list
        :param detail: whether to ask for all metadata
        :param action: what is being done, as the beginning of an error's sentence
        """
        if not is_sorted_here(query):
            pager, first = self.begun(query, detail, action)
            if _is_in_order(first, query) and self._keeps_order(first, query, detail, action):
                yield from pager.follow(first)
                return
        yield from self._sorted(query, detail, action)

    def _keeps_order(
        self, page: list[Record], query: ImageQuery, detail: bool, action: str
    ) -> bool:
        """Tell whether the service sorts by ID, also where the page after a marker is too short."""
        if query.sort_key != "id" or query.marker is None or len(page) >= TELLING:
            return True
        beginning = replace(query, marker=None, limit=TELLING)
        return _is_in_order(self.begun(beginning, detail, action)[1], query)

    def _sorted(self, query: ImageQuery, detail: bool, action: str) -> Iterator[list[Record]]:
        """Return the pages of a list that is sorted here."""
        detail = detail or query.needs_detail
        whole = replace(
            query,
            sort_key=None,
            sort_dir=None,
            then_by=(),
            marker=None,
            limit=None,
            page_size=MAX_PAGE_SIZE,
        )
        if query.limit is not None:
            with contextlib.suppress(_OtherRank):
                return self._best(query, whole, detail, action)
        records = [record for page in self.pages(whole, detail, action) for record in page]
        return pages_in_order(records, query)

    def _best(
        self, query: ImageQuery, whole: ImageQuery, detail: bool, action: str
    ) -> Iterator[list[Record]]:
        """Return the first images of a list that is sorted here, with no others in memory."""
        if query.marker is None:
            return _best_in_order(self._largest(query, whole, detail, action), query)
        pages = self.pages(whole, detail, action)
        first = next(pages, [])
        found: Any = [record for record in first if record["id"] == query.marker]
        if first and not found:
            keys = _sort_keys(query)
            image = None if keys == ["id"] else self._get(query.marker)
            found = [{key: getattr(image, key, query.marker) for key in keys}]
            if any(value in (None, "") for value in found[0].values()):
                # Headers do not tell the one from the other.
                raise _OtherRank
        marker = _rank_of(query, found[0] if found else {})
        return _best_in_order(itertools.chain([first], pages), query, marker)

    def _largest(
        self, query: ImageQuery, whole: ImageQuery, detail: bool, action: str
    ) -> Iterable[list[Record]]:
        """Yield what may be among the first of a list, and of a long one by size not much more."""
        pages = self.pages(whole, detail, action)
        limit = query.limit or 0
        if (query.sort_key, query.sort_dir) != ("size", "desc") or limit > MAX_PAGE_SIZE:
            return pages
        begin = list(itertools.islice(pages, _PAGES_BEFORE_A_LOOK))
        if len(begin) < _PAGES_BEFORE_A_LOOK:
            return begin
        # So many are at least as large, whatever else the service makes of this order.
        look = replace(query, min_size=query.min_size or 0, page_size=MAX_PAGE_SIZE)
        pager, page = self.begun(look, detail, action)
        sizes = sorted((record["size"] for record in pager.kept(page)), key=int, reverse=True)
        if len(sizes) < limit:
            return itertools.chain(begin, pages)
        return self.pages(replace(whole, min_size=int(sizes[limit - 1])), detail, action)

    def begun(self, query: ImageQuery, detail: bool, action: str) -> tuple[Pager, list[Record]]:
        """Return a list in progress and its first page.

        :param query: what to list
        :param detail: whether to ask for all metadata
        :param action: what is being done, as the beginning of an error's sentence
        """
        pager = Pager(self._ask, query, detail, action)
        try:
            return pager, pager.page(query.marker)
        except ServerError as error:
            if not query.has_delicate_text or error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        pager = Pager(self._ask, query, detail, action, texts=False)
        return pager, pager.page(query.marker)
