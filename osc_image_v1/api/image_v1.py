"""The Image API v1.

https://docs.openstack.org/api-ref/image/v1/
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from keystoneauth1 import adapter as ksa_adapter

from osc_image_v1.api import detours
from osc_image_v1.api.bodies import ImageData, are_headers_whole, body_size, header_lines
from osc_image_v1.api.fields import (
    ImageFields,
    check_formats,
    headers_from_fields,
    not_stored,
    record_from_headers,
    stored_image,
)
from osc_image_v1.api.http import DEFAULT_TIMEOUT, ServiceClient, path_of
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.members import ImageMembers
from osc_image_v1.api.models import QUEUED, Image, ImageDetail, ImagePage
from osc_image_v1.api.outcomes import (
    SHORT_PATIENCE,
    Deletion,
    Done,
    NotDone,
    Passing,
    Verdict,
    carry_out,
    delete,
    explained,
    no_image,
    take_json,
)
from osc_image_v1.api.paging import ImageLists, found_by_id, found_on, one_of
from osc_image_v1.api.queries import MAX_PAGE_SIZE, ImageQuery, Params, ids_like
from osc_image_v1.api.records import Record, checked, mapping
from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    ImageNotFound,
    InvalidInput,
    NotFound,
    NotStored,
    OtherIdGiven,
)
from osc_image_v1.text import is_uuid, printable

# Some clouds have it at one of these alone.
_VERSIONED = re.compile(r"/v1(?:\.\d+)?$")
_PURGE = "x-glance-registry-purge-props"
_CREATED = (HTTPStatus.OK, HTTPStatus.CREATED)
_ALL = ImageQuery(visibility="all")


@checked
class ImageClient(ImageMembers):
    """Images of a service with the Image API v1.

    No request that changes something is sent again by itself. Where the answer is lost, the service
    is asked what became of the request, see :mod:`osc_image_v1.api.outcomes`.

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
        # What v1 cannot, where the service has v2 too: send a part of the data, remove a property.
        self._v2 = ImageV2Client(adapter, endpoint_override, timeout, retry)
        self._lists = ImageLists(self._page, self.get)

    def images(self, query: ImageQuery | None = None) -> Iterator[Image]:
        """Yield images with the fields of a brief list alone, while pages come in.

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
    ) -> Iterator[ImagePage[Any]]:
        """Yield records as the service sent them, page by page, filtered.

        A list of n images takes n/1000 + 1 requests at most: there is no other sign of the end
        than an empty page, or one shorter than that before. A ``limit`` up to the page size takes
        one where that many images come. Each record is checked against all filters here; those
        that need fields which brief records do not have make the service send whole ones.

        A list by name, format or size is sorted here, by code points and with nulls as the least,
        when all has come in; so is one by ID, if the service does not do it. With a limit no more
        images than that are kept in memory.

        :param query: what to list, by default all that the service lists
        :param detail: whether to ask for all metadata
        :param action: what is being done, as the beginning of an error's sentence
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        :raises ApiNotAvailable: if the service has no Image API v1
        :raises MarkerIgnored: if the service gives the same page again
        :raises BadAnswer: if an answer is no list, or repeats a page
        """
        query = ImageQuery() if query is None else query
        if query.limit == 0:
            return
        if query.marker is not None and query.marker != query.marker.lower():
            image = self.by_id(query.marker)
            query = replace(query, marker=image.id if image else query.marker.lower())
        for page in self._lists.pages(query, detail, action):
            yield ImagePage(page, (ImageDetail if detail else Image).from_record)

    def page(self, query: ImageQuery | None = None, detail: bool = False) -> ImagePage[Any]:
        """Return the first page of a list; see :meth:`pages`, for the parameters too.

        With a page's ``next_marker`` as the marker it is the next page, an empty one at the end.
        """
        return next(self.pages(query, detail), ImagePage((), ImageDetail.from_record))

    def _page(self, path: str, action: str, params: Params) -> Any:
        try:
            return self.http.get_json(path, action, params)
        except NotFound as error:
            if "marker" in params:
                raise
            raise ApiNotAvailable(
                f"{error}: is {self.http.shown_endpoint} the Image API v1? If not, give its URL "
                f"with {self.http.override_setting}"
            ) from error

    def get(self, image_id: str) -> ImageDetail:
        """Return an image by its ID.

        The service leaves out null properties here, and gives property names in lower case; lists
        have both as they are. Where a line break in a name or property cuts off the service's
        answer, or a front end does not let all of it through, the image is looked up in a list.

        :param image_id: the image's ID
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer

        https://docs.openstack.org/api-ref/image/v1/#show-image-metadata
        """
        action = f"Cannot show image {printable(image_id)}"
        record = detours.past_headers(
            lambda final: self._by_headers(image_id, action, final),
            lambda: detours.record_by_v2(self._v2, image_id, self.exact_record),
            lambda: self._listed(image_id, action, _ALL),
        )
        if not record.get("id"):
            raise BadAnswer(f"{action}: the service's answer has no image metadata")
        return ImageDetail.from_record(record)

    def _by_headers(self, image_id: str, action: str, final: Collection[int]) -> Record:
        """Return what the service says of an image in headers, or in a list if these are cut."""
        path = path_of("images", image_id)
        try:
            with self.http.request("HEAD", path, action, final=final) as response:
                record = record_from_headers(header_lines(response))
                whole = are_headers_whole(response)
        except NotFound as error:
            raise no_image(image_id, error) from error
        return record if whole else self._listed(image_id, action, _ALL) or {}

    def by_id(self, text: str) -> ImageDetail | None:
        """Return the image whose ID a text is, None where it is none's.

        :param text: a UUID, looked up as it is and then in lower case, or a number
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        return found_by_id(self.get, *ids_like(text))

    def _listed(self, image_id: str, action: str, query: ImageQuery) -> Record | None:
        """Return the record that lists have of an image."""
        records = itertools.chain.from_iterable(self.pages(query, True, action))
        return next((one for one in records if one["id"].lower() == image_id.lower()), None)

    def find(self, name_or_id: str) -> ImageDetail:
        """Return an image by its ID or, where none has that ID, by its name; an admin, anyone's.

        :param name_or_id: a UUID or number is looked up as an ID first, see :meth:`by_id`
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises AmbiguousName: if several images have the name
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        if not name_or_id:
            raise InvalidInput("the image's name or ID is empty")
        found = self.by_id(name_or_id)
        return found or ImageDetail.from_record(self.record_by_name(name_or_id))

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
        pager, first = self._lists.begun(query, True, action)
        return one_of(name, found_on(pager.follow(first), pager.guard, action))

    def data(self, image_id: str) -> ImageData:
        """Return an image's data, which is still to be read, and the metadata that comes with it.

        Only the data comes, through the Image API v2, where a front end does not let both through.
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
        return detours.past_headers(
            lambda final: self._data(image_id, action, final),
            lambda: detours.data_by_v2(self._v2, image_id),
        )

    def _data(self, image_id: str, action: str, final: Collection[int]) -> ImageData:
        response = self.http.request("GET", path_of("images", image_id), action, final=final)
        headers = response.headers
        found = str(headers.get("X-Image-Meta-Id", "")).lower() == image_id.lower()
        if not (found and "X-Image-Meta-Status" in headers):
            record = record_from_headers(header_lines(response))
            # A line break in the name, which v2 lets in, ends the headers before the ID.
            wanted = str(record.setdefault("id", image_id)).lower() == image_id.lower()
            if not wanted or record.keys() <= {"id", "properties"}:
                response.close()
                raise BadAnswer(f"{action}: the service's answer is not that image")

        def image() -> ImageDetail:
            record = record_from_headers(header_lines(response))
            return ImageDetail.from_record({"id": image_id, **record})

        return ImageData(self.http, response, action, image, size=body_size(headers))

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
        return self._v2.rest_of_data(image, start)

    def exact(self, image: ImageDetail) -> ImageDetail:
        """Return the image with its properties as lists have them: names in their case, nulls too.

        :param image: the image as :meth:`get` or a list had it
        :raises ImageNotFound: if it has gone, or changed in between
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        return ImageDetail.from_record(self.exact_record(image))

    def exact_record(self, image: ImageDetail) -> Record:
        """Return the image's record as a list has it; see :meth:`exact`, for what is raised too.

        :param image: the image as :meth:`get` or a list had it
        """
        action = f"Cannot show image {printable(image.id)}"
        if record := self._listed(image.id, action, detours.query_for(image)):
            return record
        raise ImageNotFound(
            f"Image {printable(image.id)} is in no list: it has been changed or deleted in between"
        )

    def create(self, fields: ImageFields, image_id: str | None = None) -> ImageDetail:
        """Make the record of an image, without data or with data from a URL.

        With ``copy_from`` the service goes on copying after this returns. A create that fails may
        leave a record, see :func:`osc_image_v1.transfer.upload.create_image`.

        :param fields: what the image is to have
        :param image_id: the image's ID, a UUID; by default one that is chosen here
        :raises InvalidInput: if the ID is no UUID, or there is a source and a format is missing
        :raises Conflict: if the ID is taken
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and the image is not there, or nobody can
            tell
        :raises OtherIdGiven: if the service has given the image another ID
        :raises BadAnswer: if the service has stored something else

        https://docs.openstack.org/api-ref/image/v1/#create-image
        """
        image_id = image_id or str(uuid.uuid4())
        if not is_uuid(image_id):
            raise InvalidInput(f"'{printable(image_id)}' is no image ID (a UUID)")
        if fields.has_source:
            check_formats(fields.disk_format, fields.container_format)
        action = f"Cannot create image {image_id}"
        headers = {**headers_from_fields(fields), "x-image-meta-id": image_id}

        def send() -> ImageDetail:
            record = self._image("POST", "/images", action, ok=_CREATED, headers=headers)
            given = str(record.get("id"))
            if given != image_id:
                raise OtherIdGiven(
                    f"{action}: the service made the image {printable(given)} instead", given
                )
            return stored_image(fields, record, action)

        def look() -> Verdict[ImageDetail]:
            try:
                image = self.get(image_id)
            except ImageNotFound:
                return NotDone()
            try:
                return Done(stored_image(fields, vars(self.exact(image)), action))
            except NotStored as error:
                return NotDone(error)

        return carry_out(send, look, unknown=_look_at(image_id))

    def update(
        self, image_id: str, fields: ImageFields, purge_properties: bool = False
    ) -> ImageDetail:
        """Change an image's fields, or give a queued image data from a URL.

        :param image_id: the image's ID
        :param fields: what is to change
        :param purge_properties: remove all properties that are not among the fields
        :raises ImageNotFound: if there is no such image
        :raises Forbidden: if this user may not change it, or not so
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and the change was not made
        :raises BadAnswer: if the service has stored something else

        https://docs.openstack.org/api-ref/image/v1/#update-image
        """
        action = f"Cannot change image {printable(image_id)}"

        def send() -> ImageDetail:
            with explained(fields.properties, lambda: self.exact(self.get(image_id)).properties):
                record = self._put(image_id, action, fields, purge_properties)
            return stored_image(fields, record, action)

        return carry_out(
            send,
            lambda: self._changed(image_id, fields, purge_properties),
            unknown=_look_at(image_id),
        )

    def upload(
        self, image_id: str, data: Iterable[bytes], fields: ImageFields | None = None
    ) -> ImageDetail:
        """Give a queued image its data.

        :param image_id: the image's ID
        :param data: pieces of the data; with an attribute ``len``, the number of bytes, they go
            with a Content-Length, else chunked. When the token turns out to have expired, they are
            asked for once more
        :param fields: what is to change besides
        :raises Conflict: if the image is not queued
        :raises HttpError: for another error status; the image may be killed then
        :raises ConnectionFailed: if there is no answer; the image may be anything then
        :raises BadAnswer: if the service has stored something else

        https://docs.openstack.org/api-ref/image/v1/#update-image
        """
        action = f"Cannot upload the data of image {printable(image_id)}"
        fields = fields or ImageFields()
        image = stored_image(fields, self._put(image_id, action, fields, data=data), action)
        if image.status != QUEUED or getattr(data, "size", None) != 0:
            return image
        # Front ends that buffer make of an empty body none, which means the same to v2.
        self._v2.upload(image_id, data)
        return self.get(image_id)

    def delete(self, image_id: str) -> None:
        """Delete an image.

        :param image_id: the image's ID
        :raises ImageNotFound: if there is no such image
        :raises Forbidden: if it is protected, or another project's
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and the image is still there

        https://docs.openstack.org/api-ref/image/v1/#delete-image
        """
        action = f"Cannot delete image {printable(image_id)}"
        path = path_of("images", image_id)

        def send() -> None:
            try:
                self._emptily("DELETE", path, action)
            except NotFound as error:
                raise no_image(image_id, error) from error

        def look() -> tuple[str | None, bool | None]:
            image = self.get(image_id)
            return image.status, image.deleted

        delete(send, Deletion(image_id, look), unknown=_look_at(image_id))

    def remove_properties(self, image: ImageDetail, names: Collection[str]) -> None:
        """Remove properties of an image, and change no other.

        The Image API v1 can only replace all properties, and cannot carry every one. So they are
        removed through the Image API v2 of the same service; where it has none, through v1 if that
        can carry all the others. Through v1, what someone else changes in the image's properties
        between the look at them and the change, some milliseconds, is lost.

        :param image: the image
        :param names: the names of the properties, exactly
        :raises InvalidInput: if the image does not have one of them
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer and they are still there
        :raises ImageV1Error: if another property would be lost

        https://docs.openstack.org/api-ref/image/v2/#update-image
        """
        if not names:
            return

        def look() -> Verdict[bool]:
            there = self.exact(image).properties
            return NotDone() if set(names) & set(there) else Done(True)

        def by_v2() -> bool:
            return detours.remove_by_v2(self._v2, image.id, names)

        hint = _look_at(image.id)
        if not detours.v2_shows(names) or not carry_out(by_v2, look, unknown=hint):
            detours.remove_by_v1(self.exact(image), names, self._put, self._changed, hint)

    def _put(
        self,
        image_id: str,
        action: str,
        fields: ImageFields,
        purge: bool = False,
        data: Iterable[bytes] | None = None,
    ) -> Record:
        # Without this the service removes all properties, even when an image is renamed.
        headers = headers_from_fields(fields) | {_PURGE: str(purge).lower()}
        options: dict[str, Any] = {"headers": headers}
        if data is not None:
            headers["Content-Type"] = "application/octet-stream"
            options["data"] = data
        try:
            return self._image("PUT", path_of("images", image_id), action, **options)
        except NotFound as error:
            raise no_image(image_id, error) from error

    def _image(self, method: str, path: str, action: str, **options: Any) -> Record:
        """Send a request whose answer has a record."""
        response = self.http.request(method, path, action, **options)
        lacking = "the service says that it has, but its answer has no image metadata"
        return take_json(self.http, response, action, _image_in, lacking)

    def _changed(self, image_id: str, fields: ImageFields, purged: bool) -> Verdict[ImageDetail]:
        """Look what has become of a change."""
        try:
            image = self.exact(self.get(image_id))
        except ImageNotFound as error:
            return NotDone(error)
        too_many = purged and len(image.properties) != len(fields.properties)
        if not_stored(fields, vars(image)) or too_many:
            return NotDone()
        if fields.has_source and image.status == QUEUED:
            return Passing(f"image {printable(image_id)} is queued", SHORT_PATIENCE, NotDone())
        return Done(image)


def _image_in(document: Any) -> Record | None:
    record = mapping(document).get("image")
    return record if isinstance(record, dict) else None


def _look_at(image_id: str) -> str:
    return f"look with 'openstack image v1 show {printable(image_id)}'"
