"""Page by page to the end of a list, and no further."""

from __future__ import annotations

from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import BadAnswer


def records_of(document: object, action: str) -> list[Record]:
    """Return the records of a page, each an object with an ID.

    :param document: the decoded answer
    :param action: what is being done, as the beginning of an error's sentence
    :raises BadAnswer: if the answer has another form
    """
    records = document.get("images") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise BadAnswer(f"{action}: the service's answer has no list of images")
    for record in records:
        if type(record) is not dict or type(record.get("id")) is not str or not record["id"]:
            raise BadAnswer(f"{action}: the service's answer has an image without an ID")
    return records


# So many pages in a row without an image lead nowhere.
_MOST_EMPTY = 100


class PageGuard:
    """Sees to it that each page leads on, with one page of IDs in memory.

    :param action: what is being done, as the beginning of an error's sentence
    """

    def __init__(self, action: str) -> None:
        self._action = action
        self._markers: set[str] = set()
        self._links: set[str] = set()
        self._previous: frozenset[str] = frozenset()
        self._empty = 0

    def fresh(self, records: list[Record]) -> list[Record]:
        """Return the records of a page that the page before did not have.

        :raises BadAnswer: if the page leads back to where the list has been, or nowhere
        """
        ids = frozenset(record["id"] for record in records)
        overlap = ids & self._previous
        last = records[-1]["id"] if records else None
        self._empty = 0 if records else self._empty + 1
        if self._empty > _MOST_EMPTY:
            raise BadAnswer(f"{self._action}: the service sends page after page without an image")
        if records and (len(overlap) == len(ids) or last in self._markers):
            raise self._repeats()
        if last is not None:
            self._markers.add(last)
        self._previous = ids
        if overlap:
            return [record for record in records if record["id"] not in overlap]
        return records

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
