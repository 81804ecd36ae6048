"""The Image API v1.

https://docs.openstack.org/api-ref/image/v1/
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import requests
from keystoneauth1 import adapter as ksa_adapter

from osc_image_v1.api.data import ImageData, body_size, check_rest
from osc_image_v1.api.filters import Sieve
from osc_image_v1.api.headers import record_from_headers
from osc_image_v1.api.http import DEFAULT_TIMEOUT, RetryPolicy, ServiceClient, path_of
from osc_image_v1.api.image_writes import ImageWrites
from osc_image_v1.api.models import Image, ImageDetail
from osc_image_v1.api.paging import PageGuard, found_on, records_of
from osc_image_v1.api.queries import MAX_PAGE_SIZE, ImageQuery, ids_like
from osc_image_v1.api.records import Record
from osc_image_v1.api.sorting import (
    TELLING,
    OtherRank,
    best_in_order,
    is_in_order,
    is_sorted_here,
    pages_in_order,
    rank_of,
)
from osc_image_v1.exceptions import (
    AmbiguousName,
    ApiNotAvailable,
    BadAnswer,
    BadRequest,
    ImageNotFound,
    InvalidInput,
    MarkerIgnored,
    NotFound,
    ServerError,
)
from osc_image_v1.text import printable

# Some clouds have it at one of these alone.
_VERSIONED = re.compile(r"/v1(?:\.\d+)?$")
# How many images of one name an error names.
_MOST_CANDIDATES = 20
# How many images before a deleted one are tried as the marker in its place.
_STEPS_BACK = 10
# How many pages of a list are read before it is worth a request to find a way around the others.
_PAGES_BEFORE_A_LOOK = 3


class ImageClient(ImageWrites):
    """Images of a service with the Image API v1.

    :param adapter: a keystoneauth1 adapter of service type ``image``
    :param endpoint_override: URL of the service, instead of the adapter's and the catalog's; with
        or without a version
    :param timeout: seconds without a byte after which a request is given up, unless the session
        has a time-out of its own
    :param retry: when a request is sent again
    """

    def __init__(
        self,
        adapter: ksa_adapter.Adapter,
        endpoint_override: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.http = ServiceClient(
            adapter,
            "v1",
            keep_version=_VERSIONED,
            endpoint_override=endpoint_override,
            timeout=timeout,
            retry=retry,
        )
        # The same service's Image API v2, where it has one: v1 cannot send a part of the data.
        self._v2 = ServiceClient(
            adapter, "v2", endpoint_override=endpoint_override, timeout=timeout, retry=retry
        )

    def images(self, query: ImageQuery | None = None) -> Iterator[Image]:
        """Yield images with the fields of a brief list, while pages come in.

        Filters that need more fields make the service send whole records; the images still have
        the brief fields alone.

        :param query: what to list, by default all that the service lists
        :raises ImageV1Error: see :meth:`pages`

        https://docs.openstack.org/api-ref/image/v1/#list-images
        """
        for page in self.pages(query):
            yield from map(Image.from_record, page)

    def images_detail(self, query: ImageQuery | None = None) -> Iterator[ImageDetail]:
        """Yield images with all their metadata, while pages come in.

        :param query: what to list, by default all that the service lists
        :raises ImageV1Error: see :meth:`pages`

        https://docs.openstack.org/api-ref/image/v1/#list-images-with-details
        """
        for page in self.pages(query, detail=True):
            yield from map(ImageDetail.from_record, page)

    def pages(
        self,
        query: ImageQuery | None = None,
        detail: bool = False,
        action: str = "Cannot list images",
    ) -> Iterator[list[Record]]:
        """Yield records as the service sent them, page by page, filtered.

        A list of n images takes n/1000 + 1 requests at most: there is no other sign of the end
        than an empty page, or one that is shorter than the page before it. A ``limit`` up to the
        page size takes one where that many images come.

        Each record is checked against all filters here. Those that need fields which brief
        records do not have make the service send whole ones.

        A list by name, format or size is sorted here, by code points and with nulls as the least,
        when all of it has come in; so is one by ID, if the service does not do it. With a limit
        no more than that many images are kept in memory.

        :param query: what to list, by default all that the service lists
        :param detail: whether to ask for all metadata
        :param action: what is being done, as the beginning of an error's sentence
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        :raises ApiNotAvailable: if the service has no Image API v1
        :raises MarkerIgnored: if the service gives the same page again
        :raises BadAnswer: if an answer is no list, or repeats a page
        """
        query = query or ImageQuery()
        if query.limit == 0:
            return
        if query.marker is not None and query.marker != query.marker.lower():
            image = self.by_id(query.marker)
            query = replace(query, marker=image.id if image else query.marker.lower())
        if not is_sorted_here(query):
            pager, first = self._begun(query, detail, action)
            if is_in_order(first, query) and self._keeps_order(first, query, detail, action):
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
        return is_in_order(self._begun(beginning, detail, action)[1], query)

    def _sorted(self, query: ImageQuery, detail: bool, action: str) -> Iterator[list[Record]]:
        """Return the pages of a list that is sorted here."""
        whole = replace(
            query,
            sort_key=None,
            sort_dir=None,
            marker=None,
            limit=None,
            page_size=MAX_PAGE_SIZE,
        )
        if query.limit is not None:
            with contextlib.suppress(OtherRank):
                return self._best(query, whole, detail, action)
        records = [record for page in self.pages(whole, detail, action) for record in page]
        return pages_in_order(records, query)

    def _best(
        self, query: ImageQuery, whole: ImageQuery, detail: bool, action: str
    ) -> Iterator[list[Record]]:
        """Return the first images of a list that is sorted here, with no others in memory."""
        if query.marker is None:
            return best_in_order(self._largest(query, whole, detail, action), query)
        pages = self.pages(whole, detail, action)
        first = next(pages, [])
        key = str(query.sort_key)
        values = [record.get(key) for record in first if record["id"] == query.marker]
        if first and not values:
            values = [query.marker if key == "id" else getattr(self.get(query.marker), key)]
            if values[0] in (None, ""):
                # Headers do not tell the one from the other.
                raise OtherRank
        marker = rank_of(query, values[0] if values else None)
        return best_in_order(itertools.chain([first], pages), query, marker)

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
        pager, page = self._begun(look, detail, action)
        sizes = sorted((record["size"] for record in pager.kept(page)), key=int, reverse=True)
        if len(sizes) < limit:
            return itertools.chain(begin, pages)
        return self.pages(replace(whole, min_size=int(sizes[limit - 1])), detail, action)

    def _begun(self, query: ImageQuery, detail: bool, action: str) -> tuple[_Pager, list[Record]]:
        """Return a list in progress and its first page."""
        pager = _Pager(self.http, query, detail, action)
        try:
            return pager, pager.page(query.marker)
        except ServerError as error:
            if not query.has_delicate_text or error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
        pager = _Pager(self.http, query, detail, action, texts=False)
        return pager, pager.page(query.marker)

    def get(self, image_id: str) -> ImageDetail:
        """Return an image by its ID.

        The service leaves out null properties here, and gives property names in lower case; lists
        have both as they are. Where a line break in a name or property, which the Image API v2
        allows, cuts off the service's answer, the image is looked up in a list.

        :param image_id: the image's ID
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer

        https://docs.openstack.org/api-ref/image/v1/#show-image-metadata
        """
        action = f"Cannot show image {printable(image_id)}"
        try:
            with self.http.request("HEAD", path_of("images", image_id), action) as response:
                record = record_from_headers(_header_lines(response))
                whole = _are_headers_whole(response)
        except NotFound as error:
            raise ImageNotFound(
                f"No image has the ID {printable(image_id)} ({error.where})"
            ) from error
        if not whole:
            record = self._listed(image_id, action) or {}
        if not record.get("id"):
            raise BadAnswer(f"{action}: the service's answer has no image metadata")
        return ImageDetail.from_record(record)

    def by_id(self, text: str) -> ImageDetail | None:
        """Return the image whose ID a text is, None where it is none's.

        :param text: a UUID, looked up as it is and then in lower case, or a number
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        for image_id in ids_like(text):
            with contextlib.suppress(ImageNotFound):
                return self.get(image_id)
        return None

    def _listed(self, image_id: str, action: str) -> Record | None:
        """Return the record that lists have of an image."""
        for page in self.pages(ImageQuery(visibility="all"), True, action):
            for record in page:
                if record["id"].lower() == image_id.lower():
                    return record
        return None

    def find(self, name_or_id: str) -> ImageDetail:
        """Return an image by its ID or, where no image has that ID, by its name.

        An admin finds other projects' private images too.

        :param name_or_id: a UUID or number is looked up as an ID first, see :meth:`by_id`
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises AmbiguousName: if several images have the name
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        if not name_or_id:
            raise InvalidInput("the image's name or ID is empty")
        image = self.by_id(name_or_id)
        if image is not None:
            return image
        return ImageDetail.from_record(self.record_by_name(name_or_id))

    def record_by_name(self, name: str) -> Record:
        """Return the record that lists have of the image of a name.

        Of a service that ignores markers the first page is all that can be seen.

        :param name: the image's name, exactly
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises AmbiguousName: if several images have the name
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        query = ImageQuery(name=name, visibility="all", limit=MAX_PAGE_SIZE)
        action = f"Cannot look up image '{printable(name)}'"
        pager, first = self._begun(query, True, action)
        return one_of(name, found_on(pager.follow(first), pager.guard, action))

    def data(self, image_id: str) -> ImageData:
        """Return an image's data, which is still to be read, and the metadata that comes with it.

        A stored file that is too short comes with its own size, in the metadata too: only the
        MD5, and the size that :meth:`get` returns, tell.

        :param image_id: the image's ID
        :raises NotFound: if there is no such image, or no data
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if the answer is something else than this image

        https://docs.openstack.org/api-ref/image/v1/#show-image-details-and-image-data
        """
        action = f"Cannot download image {printable(image_id)}"
        response = self.http.request(
            "GET", path_of("images", image_id), action, headers={"Accept-Encoding": "identity"}
        )
        record = record_from_headers(_header_lines(response))
        # A line break in the name, which v2 lets in, ends the headers before the ID.
        wanted = str(record.setdefault("id", image_id)).lower() == image_id.lower()
        if not wanted or record.keys() <= {"id", "properties"}:
            response.close()
            raise BadAnswer(f"{action}: the service's answer is not that image")
        image = ImageDetail.from_record(record)
        return ImageData(self.http, response, action, image, size=body_size(response.headers))

    def rest_of_data(self, image: Image, start: int) -> ImageData:
        """Return an image's data from a byte on, through the Image API v2 of the same service.

        A service that does not send parts sends all: look at ``start`` of what is returned.

        :param image: the image
        :param start: the first byte that is wanted
        :raises ApiNotAvailable: if the service has no Image API v2
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if the answer is another part, or a part of other data

        https://docs.openstack.org/api-ref/image/v2/#download-binary-image-data
        """
        action = f"Cannot download image {printable(image.id)}"
        # Most stores cannot send a part, and a service then refuses any range.
        wanted = {"Range": f"bytes={start}-"} if start else {}
        response = self._v2.request(
            "GET",
            path_of("images", image.id, "file"),
            action,
            ok=(HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT),
            headers={"Accept-Encoding": "identity", **wanted},
        )
        if response.status_code == HTTPStatus.OK:
            return ImageData(self._v2, response, action, size=body_size(response.headers))
        try:
            size = check_rest(image, start, response.headers, action)
        except BadAnswer:
            response.close()
            raise
        return ImageData(self._v2, response, action, start=start, size=size)

    def shared_image_ids(self, project_id: str) -> list[str]:
        """Return the IDs of the images that are shared with a project.

        :param project_id: the project's ID
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if the answer has another form

        https://docs.openstack.org/api-ref/image/v1/#list-shared-images
        """
        action = f"Cannot list images shared with project {printable(project_id)}"
        document = self.http.get_json(path_of("shared-images", project_id), action)
        try:
            return [str(entry["image_id"]) for entry in document["shared_images"]]
        except (LookupError, TypeError):
            raise BadAnswer(f"{action}: the service's answer has another form") from None


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


class _Pager:
    """One list in progress.

    :param action: what is being done, as the beginning of an error's sentence
    :param texts: whether the service compares text
    :ivar guard: what has come so far
    """

    def __init__(
        self,
        http: ServiceClient,
        query: ImageQuery,
        detail: bool,
        action: str,
        texts: bool = True,
    ) -> None:
        self._http = http
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
        try:
            document: Any = self._http.get_json(self._path, self._action, params)
        except NotFound as error:
            if marker is not None:
                raise
            raise ApiNotAvailable(
                f"{error}: is {self._http.shown_endpoint} the Image API v1? If not, give its URL "
                f"with {self._http.override_setting}"
            ) from error
        return records_of(document, self._action)

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


def _are_headers_whole(response: requests.Response) -> bool:
    """Tell whether all headers were read: a line break in a value ends them early."""
    message = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    return not getattr(message, "defects", None)


def _header_lines(response: requests.Response) -> Iterator[tuple[str, str]]:
    """Yield each header line; requests' own mapping joins those that differ in case alone."""
    raw = getattr(response.raw, "headers", None)
    yield from (raw.items() if raw is not None else response.headers.items())
