"""Page by page to the end of a list, and no further."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from operator import itemgetter

from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import BadAnswer, MarkerIgnored
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)


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
