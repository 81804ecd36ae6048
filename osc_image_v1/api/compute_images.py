"""Images through the Compute service's proxy.

https://docs.openstack.org/api-ref/compute/#images-deprecated
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from keystoneauth1 import adapter as ksa_adapter

from osc_image_v1.api.fields import check_metadata
from osc_image_v1.api.filters import Sieve
from osc_image_v1.api.http import DEFAULT_TIMEOUT, ServiceClient, path_of
from osc_image_v1.api.models import ComputeImage, ImagePage
from osc_image_v1.api.outcomes import (
    Deletion,
    Done,
    NotDone,
    Verdict,
    carry_out,
    delete,
    explained,
    may_be_no_path,
    take_empty,
    take_json,
)
from osc_image_v1.api.paging import PageGuard, found_by_id, found_on, one_of, records_of
from osc_image_v1.api.queries import MAX_PAGE_SIZE, ComputeImageQuery, Params, ids_like
from osc_image_v1.api.records import Record, checked, int_or_none, is_json_of, mapping
from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ImageNotFound,
    ImageV1Error,
    InvalidInput,
    MarkerIgnored,
    NotFound,
    NotStored,
)
from osc_image_v1.text import printable

LOG = logging.getLogger(__name__)

_LISTING = "Cannot list images of the Compute service"
# ".../v2.1", ".../v2", each with or without a project
_VERSIONED = re.compile(r"/v2(?:\.1)?(?:/[^/]+)?$")
# ".../v1.1/<project>" of the first releases, ".../v2.0" of other services
_OTHER_VERSION = re.compile(r"/(v\d+(?:\.\d+)?)(?:/[^/]+)?$")
# The proxy ends with 2.35; a default microversion of the session must not get in.
_HEADERS = {"OpenStack-API-Version": "compute 2.1"}


@checked
class ComputeImageClient:
    """Images of a cloud as its Compute service reports them.

    Requests are made with microversion 2.1, whatever the session's default: the proxy ends with
    2.35.

    :param adapter: a keystoneauth1 adapter of service type ``compute``
    :param endpoint_override: URL of the service, instead of the adapter's and the catalog's
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
            "v2.1",
            keep_version=_VERSIONED,
            other_version=_OTHER_VERSION,
            endpoint_override=endpoint_override,
            headers=_HEADERS,
            timeout=timeout,
            retry=retry,
        )

    def images(self, query: ComputeImageQuery | None = None) -> Iterator[ComputeImage]:
        """Yield images with all that the service tells, while pages come in.

        :param query: what to list, by default all that the service lists
        :raises ImageV1Error: see :meth:`pages`

        https://docs.openstack.org/api-ref/compute/#list-images-with-details
        """
        for page in self.pages(query):
            yield from map(ComputeImage.from_record, page)

    def pages(
        self, query: ComputeImageQuery | None = None, action: str = _LISTING
    ) -> Iterator[ImagePage[ComputeImage]]:
        """Yield records as the service sent them, page by page along its links, filtered.

        Each record is checked against all filters here. Where a service of old gives no links, a
        page is followed by its last image.

        :param query: what to list, by default all that the service lists
        :param action: what is being done, as the beginning of an error's sentence
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        :raises ApiNotAvailable: if the service has no image proxy
        :raises MarkerIgnored: if a link leads to the same page again
        :raises BadAnswer: if an answer is no list, or repeats a page
        """
        query = ComputeImageQuery() if query is None else query
        if query.limit == 0:
            return
        if query.marker is not None and len(ids_like(query.marker)) > 1:
            image = self.by_id(query.marker)
            query = query if image is None else replace(query, marker=image.id)
        for page in _Pager(self._page, query, action).pages():
            yield ImagePage(page, ComputeImage.from_record)

    def page(self, query: ComputeImageQuery | None = None) -> ImagePage[ComputeImage]:
        """Return the first page of a list, which may be empty; see :meth:`pages`.

        :param query: what to list; with the page's ``next_marker`` as its marker, the next page
        """
        return next(self.pages(query), ImagePage((), ComputeImage.from_record))

    def _page(self, params: Params, action: str) -> Any:
        try:
            return self.http.get_json("/images/detail", action, params)
        except NotFound as error:
            raise ApiNotAvailable(
                f"The Compute service at {self.http.shown_endpoint} has no image proxy "
                f"({error.where}): use 'openstack image' or 'openstack image v1'"
            ) from error

    def get(self, image_id: str) -> ComputeImage:
        """Return an image by its ID.

        :param image_id: the image's ID, need not be a UUID
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if the answer is no image

        https://docs.openstack.org/api-ref/compute/#show-image-details
        """
        action = f"Cannot show image {printable(image_id)} of the Compute service"
        try:
            document = self.http.get_json(path_of("images", image_id), action)
        except NotFound as error:
            raise ImageNotFound(
                f"The Compute service has no image with the ID {printable(image_id)} "
                f"({error.where})"
            ) from error
        record = mapping(document).get("image")
        if not isinstance(record, dict) or record.get("id") in (None, ""):
            raise BadAnswer(f"{action}: the service's answer has no image")
        return ComputeImage.from_record(record)

    def by_id(self, text: str) -> ComputeImage | None:
        """Return the image whose ID a text is, None where it is none's.

        :param text: a UUID, looked up as it is and then in lower case, or a number
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        return found_by_id(self.get, *ids_like(text))

    def find(self, name_or_id: str) -> ComputeImage:
        """Return an image by its ID or name.

        :param name_or_id: a UUID or number is looked up as an ID first, anything else as a name
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises AmbiguousName: if several images have the name
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        if not name_or_id:
            raise InvalidInput("the image's name or ID is empty")
        like_an_id = ids_like(name_or_id)
        image = self.by_id(name_or_id)
        if image is not None:
            return image
        query = ComputeImageQuery(name=name_or_id, limit=MAX_PAGE_SIZE)
        action = f"Cannot look up image '{printable(name_or_id)}' of the Compute service"
        pager = _Pager(self._page, query, action)
        found = found_on(pager.pages(), pager.guard, action)
        if not found and not like_an_id and _ID.fullmatch(name_or_id):
            with contextlib.suppress(ImageNotFound):
                return self.get(name_or_id)
        return ComputeImage.from_record(one_of(name_or_id, found))

    def delete(self, image_id: str) -> None:
        """Delete an image.

        :param image_id: the image's ID
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises Forbidden: if it is protected, or another project's
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and the image is still there

        https://docs.openstack.org/api-ref/compute/#delete-image
        """
        action = f"Cannot delete image {printable(image_id)} of the Compute service"

        def look() -> tuple[str | None, bool | None]:
            status = self.get(image_id).status
            return status, status == "DELETED"

        delete(
            lambda: self._emptily(action, image_id),
            # Of newer services the image is shown until its data is removed.
            Deletion(image_id, look, linger=True),
            unknown=_look_at(image_id),
        )

    def set_metadata(self, image_id: str, metadata: Mapping[str, str], purge: bool = False) -> None:
        """Write metadata of an image.

        The service writes all metadata anew, with what it has just read: what someone else changes
        at that moment may be lost. It also makes an image private that is shared or community.

        :param image_id: the image's ID
        :param metadata: keys and values
        :param purge: remove all other metadata
        :raises InvalidInput: if the service would refuse or drop a key or value
        :raises ImageNotFound: if there is no such image, or this user may not see it
        :raises Forbidden: if this user may not change it, or there is too much metadata
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and it was not done
        :raises BadAnswer: if the service has not written it

        https://docs.openstack.org/api-ref/compute/#create-or-update-image-metadata
        """
        check_metadata(metadata)
        action = f"Cannot change the properties of image {printable(image_id)}"
        method = "PUT" if purge else "POST"
        body = {"metadata": dict(metadata)}

        def wrong(written: Mapping[str, Any]) -> list[str]:
            others = [key for key in written if purge and key not in metadata]
            return [
                key for key, value in metadata.items() if not _is(written.get(key), value)
            ] + others

        def look() -> Verdict[dict[str, Any]]:
            written = self._metadata(image_id)
            return NotDone() if wrong(written) else Done(written)

        def send() -> dict[str, Any]:
            with explained(metadata, lambda: self._metadata(image_id)):
                response = self._write(method, action, image_id, "metadata", json=body)
            lacking = "the service's answer has no metadata"
            return take_json(self.http, response, action, _metadata_in, lacking)

        written = carry_out(send, look, unknown=_look_at(image_id))
        if purge:
            # What PUT answers is what it was sent.
            written = self._metadata(image_id)
        if bad := wrong(written):
            named = printable(", ".join(sorted(bad)))
            raise NotStored(f"{action} as asked: the service has not written {named}")

    def remove_metadata(self, image_id: str, key: str) -> None:
        """Remove one key of an image's metadata; see :meth:`set_metadata` on what that does.

        :param image_id: the image's ID
        :param key: the key
        :raises NotFound: if the image does not have it, or there is no such image
        :raises Forbidden: if this user may not change it
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and it was not done

        https://docs.openstack.org/api-ref/compute/#delete-image-metadata-item
        """
        action = f"Cannot remove property '{printable(key)}' of image {printable(image_id)}"

        def look() -> Verdict[None]:
            return NotDone() if key in self._metadata(image_id) else Done(None)

        carry_out(
            lambda: self._emptily(action, image_id, "metadata", key),
            look,
            unknown=_look_at(image_id),
        )

    def _metadata(self, image_id: str) -> dict[str, Any]:
        return dict(self.get(image_id).metadata)

    def _emptily(self, action: str, *segments: str) -> None:
        take_empty(self.http, self._write("DELETE", action, *segments), action)

    def _write(self, method: str, action: str, *segments: str, **options: Any) -> requests.Response:
        path = path_of("images", *segments)
        try:
            return self.http.request(method, path, action, ok=_DONE, **options)
        except NotFound as error:
            raise self._missing(error, *segments) from error

    def _missing(
        self, error: NotFound, image_id: str, metadata: str = "", key: str | None = None
    ) -> ImageV1Error:
        """Return what a 404 means: no image, no such key, or no such path in the service."""
        gone = ImageNotFound(f"{error.action}: there is no such image ({error.where})")
        if not may_be_no_path(error):
            return gone if key is None else error
        try:
            image = self.get(image_id)
        except ImageNotFound:
            return gone
        except ImageV1Error:
            return error
        if key is not None and key not in image.metadata:
            return error
        what = "writing the properties of an image" if metadata else "deleting an image"
        return ApiNotAvailable(
            f"{error.action}: the image is there, but the Compute service has no API for {what} "
            f"({error.where}): use 'openstack image v1' or 'openstack image'"
        )


_DONE = (200, 202, 204)


def _metadata_in(document: Any) -> dict[str, Any] | None:
    try:
        return dict(document["metadata"])
    except (ValueError, LookupError, TypeError):
        return None


def _look_at(image_id: str) -> str:
    return f"look with 'openstack compute image show {printable(image_id)}'"


def _is(stored: Any, sent: str) -> bool:
    """Tell whether a value is what was sent."""
    if stored is None or isinstance(stored, str):
        return bool(stored == sent)
    return is_json_of(sent, stored)


# Some clouds' IDs are neither UUIDs nor numbers.
_ID = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]{0,254}")


class _Pager:
    """One list in progress.

    :param ask: asks for a page with some parameters
    :param query: what to list
    :param action: what is being done, as the beginning of an error's sentence
    :ivar guard: what has come so far
    """

    def __init__(
        self,
        ask: Callable[[Params, str], Any],
        query: ComputeImageQuery,
        action: str,
    ) -> None:
        self.guard = PageGuard(action, query.marker)
        self._ask = ask
        self._query = query
        self._action = action
        self._sieve = Sieve(query.checks())
        self._params = _first_params(query)
        self._left = query.limit
        self._before: int | None = None
        self._linked = False

    def pages(self) -> Iterator[list[Record]]:
        """Yield what the filters leave of each page, up to the limit."""
        while self._left != 0:
            document = self._ask(self._params, self._action)
            page = records_of(document, self._action)
            fresh = self._fresh(page)
            rows = self._sieve.kept(fresh)
            dropped = len(rows) < len(fresh)
            rows = rows[: self._left]
            if self._left is not None:
                self._left -= len(rows)
            if rows:
                yield rows
            following = _next_params(document, self._action)
            self._linked = self._linked or bool(following)
            self.guard.onward(str(following["marker"]) if following else None)
            following = following or self._after(fresh, len(page))
            if not following:
                return
            # The service's link drops parameters that it does not know.
            self._params = {**self._params, **following}
            # Pages of a small limit, of which rows were dropped here, would be many.
            if dropped:
                self._params["limit"] = str(self._query.page_size)

    def _fresh(self, page: list[Record]) -> list[Record]:
        """Return what the page before did not have."""
        try:
            return self.guard.fresh(page)
        except MarkerIgnored:
            if self._linked or self._before is None:
                raise
        if len(page) <= self._asked():
            LOG.warning(
                "The Compute service ignores the marker: of its images the first %d are listed",
                len(page),
            )
        return []

    def _asked(self) -> int:
        asked = int_or_none(self._params.get("limit"))
        return self._query.page_size if asked is None else asked

    def _after(self, fresh: list[Record], length: int) -> Params:
        """Return the parameters of the page after one without a link, {} at the end.

        A Nova of 2011 gives no links. All that tell an image's size have them.

        :param fresh: the page's records, but for those of the page before
        :param length: how many records the page had
        """
        before, self._before = self._before, length
        if not fresh or self._linked:
            return {}
        if length < self._asked():
            shorter = before is not None and length < before
            if shorter or "OS-EXT-IMG-SIZE:size" in fresh[-1]:
                return {}
        return {"marker": fresh[-1]["id"]}


def _first_params(query: ComputeImageQuery) -> Params:
    size = query.page_size
    if query.limit is not None and not query.narrows_here():
        size = min(size, query.limit)
    marker = {} if query.marker is None else {"marker": query.marker}
    return {**query.params(), "limit": str(size), **marker}


def _next_params(document: Any, action: str) -> Params:
    """Return the parameters of the link to the next page, {} where there is none.

    The link's host, and the path before it, may be those behind a proxy, or anyone's: only its
    query is taken.
    """
    links = document.get("images_links")
    if not isinstance(links, list):
        return {}
    for link in map(mapping, links):
        href = link.get("href")
        if link.get("rel") == "next" and isinstance(href, str):
            try:
                following = parse_qs(urlsplit(href).query, keep_blank_values=True)
            except ValueError:
                following = {}
            if len(following.get("marker", ())) != 1:
                raise BadAnswer(f"{action}: the service's link to the next page has no marker")
            # A parameter that is named once stays a text.
            return {key: values if values[1:] else values[0] for key, values in following.items()}
    return {}
