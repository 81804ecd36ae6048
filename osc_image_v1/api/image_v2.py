"""As much of the Image API v2 as it takes to bring images into a service and to compare them.

Whatever the shell's own ``image`` commands do is not here.

https://docs.openstack.org/api-ref/image/v2/
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from keystoneauth1 import adapter as ksa_adapter

from osc_image_v1.api.bodies import ImageData, body_size, check_rest
from osc_image_v1.api.http import DEFAULT_TIMEOUT, ServiceClient, path_of
from osc_image_v1.api.models import DEACTIVATED, Abilities, Image, properties_of
from osc_image_v1.api.outcomes import (
    Deletion,
    Done,
    NotDone,
    Verdict,
    carry_out,
    delete,
    explained,
    no_image,
    take_empty,
    take_json,
)
from osc_image_v1.api.paging import PageGuard, records_of
from osc_image_v1.api.queries import MAX_PAGE_SIZE
from osc_image_v1.api.records import Record, mapping, text_or_none
from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    HttpError,
    ImageNotFound,
    MarkerIgnored,
    NotFound,
    ServerError,
    Unauthorized,
)
from osc_image_v1.text import printable

_LISTING = "Cannot list images"
_CREATED = (HTTPStatus.OK, HTTPStatus.CREATED)
_DONE = (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_PATCH = "application/openstack-images-v2.1-json-patch"


class ImageV2Client:
    """Images of a service with the Image API v2.

    Records are what the service sends. No request that changes something is sent again by itself.
    Where the answer is lost, the service is asked what became of the request, see
    :mod:`osc_image_v1.api.outcomes`; only :meth:`upload` leaves that to whoever knows the data.

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
            adapter, "v2", endpoint_override=endpoint_override, timeout=timeout, retry=retry
        )
        self._abilities: Abilities | None = None
        self._asking = threading.Lock()

    @property
    def abilities(self) -> Abilities:
        """What the service knows of images; it is asked once.

        :raises HttpError: if it fails, or does not take the token
        :raises ConnectionFailed: if there is no answer

        https://docs.openstack.org/api-ref/image/v2/#show-image-schema
        """
        with self._asking:
            if self._abilities is None:
                self._abilities = self._ask_abilities()
            return self._abilities

    def _ask_abilities(self) -> Abilities:
        # What does not describe itself is taken for one of today.
        knows = Abilities.of_schema(self._if_known("/schemas/image"))
        if not knows.deactivates:
            # These, and the choice of an ID, came with Juno.
            namespaces = self._if_known("/schemas/metadefs/namespace")
            return replace(knows, takes_ids=namespaces is not None)
        if not knows.takes_owners:
            # Operators in filters, and the choice of an owner, came with Mitaka: one that there is
            # not is refused from then on, and text before.
            literal = self._if_known("/images", {"name": "no-operator:", "limit": "1"})
            return replace(knows, takes_owners=literal is None)
        return knows

    def _if_known(self, path: str, params: Mapping[str, str] | None = None) -> object:
        """Return a document, None where the service has none such."""
        try:
            return self.http.get_json(path, "Cannot find out what the image service knows", params)
        except (ServerError, Unauthorized):
            raise
        except (ApiNotAvailable, HttpError, BadAnswer):
            return None

    def pages(self, filters: Mapping[str, str] | None = None) -> Iterator[list[Record]]:
        """Yield records page by page, to the end of the list.

        :param filters: parameters of the list
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if an answer is no list, or repeats a page

        https://docs.openstack.org/api-ref/image/v2/#list-images
        """
        guard = PageGuard(_LISTING)
        params = {"limit": str(MAX_PAGE_SIZE), **(filters or {})}
        marker: str | None = None
        linked = False
        while True:
            if marker is not None:
                params["marker"] = marker
            document = self.http.get_json("/images", _LISTING, params)
            page = records_of(document, _LISTING)
            try:
                records = guard.fresh(page)
            except MarkerIgnored:
                if linked or len(page) <= MAX_PAGE_SIZE:
                    raise
                # A service that knows no limit either gives all that it has.
                return
            if records:
                yield records
            marker = _next_marker(document)
            guard.onward(marker)
            linked = marker is not None
            if not linked and records and len(page) >= MAX_PAGE_SIZE:
                # Only a page that is not full is the end without a word.
                marker = records[-1]["id"]
            if marker is None:
                return

    def get(self, image_id: str) -> Record:
        """Return the record of an image.

        :param image_id: the image's ID
        :raises ImageNotFound: if there is none, or this user may not see it
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if the answer is no image

        https://docs.openstack.org/api-ref/image/v2/#show-image
        """
        action = f"Cannot show image {printable(image_id)}"
        try:
            record = _image_in(self.http.get_json(path_of("images", image_id), action))
        except NotFound as error:
            raise no_image(image_id, error) from error
        if record is None:
            raise BadAnswer(f"{action}: the service's answer has no image")
        return record

    def create(self, record: Record) -> Record:
        """Make the record of an image, without data.

        :param record: the fields and properties that it is to have
        :returns: the record that was made
        :raises Conflict: if the ID is taken, or was an image's that has been deleted
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and the image is not there, or not so

        https://docs.openstack.org/api-ref/image/v2/#create-image
        """
        image_id = record.get("id")
        action = f"Cannot create image {printable(image_id or record.get('name'))}"

        def send() -> Record:
            with explained(properties_of(record)):
                response = self.http.request("POST", "/images", action, ok=_CREATED, json=record)
            return self._record_in(response, action)

        if image_id is None:
            return send()
        looked_for = str(image_id)
        wanted = [("add", name, value) for name, value in record.items()]
        return carry_out(send, lambda: self._look(looked_for, wanted), unknown=_look_at(looked_for))

    def change(self, image_id: str, changes: Iterable[Mapping[str, Any]]) -> Record:
        """Change an image's fields and properties.

        :param image_id: the image's ID
        :param changes: a JSON patch
        :returns: the record as it is now
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer and the change was not made

        https://docs.openstack.org/api-ref/image/v2/#update-image
        """
        action = f"Cannot change image {printable(image_id)}"
        patch = list(changes)
        wanted = [(str(one["op"]), _name_of(str(one["path"])), one.get("value")) for one in patch]
        added = properties_of({name: value for kind, name, value in wanted if kind != "remove"})

        def send() -> Record:
            with explained(added, lambda: properties_of(self.get(image_id))):
                response = self._patch(image_id, patch, action)
            return self._record_in(response, action)

        return carry_out(
            send,
            lambda: self._look(image_id, wanted),
            unknown=_look_at(image_id),
        )

    def remove_properties(self, image_id: str, names: Iterable[str]) -> None:
        """Remove properties; whoever calls this asks what became of it where no answer comes.

        :param image_id: the image's ID
        :param names: the names of the properties
        :raises Conflict: if the image does not have one of them
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer

        https://docs.openstack.org/api-ref/image/v2/#update-image
        """
        action = f"Cannot remove properties of image {printable(image_id)}"
        patch = [{"op": "remove", "path": path_to(name)} for name in names]
        take_empty(self.http, self._patch(image_id, patch, action), action)

    def _patch(
        self, image_id: str, patch: Sequence[Mapping[str, Any]], action: str
    ) -> requests.Response:
        return self.http.request(
            "PATCH",
            path_of("images", image_id),
            action,
            headers={"Content-Type": _PATCH},
            data=json.dumps(patch).encode(),
        )

    def _record_in(self, response: requests.Response, action: str) -> Record:
        """Return the record of an answer to a request that changes something."""
        return take_json(
            self.http,
            response,
            action,
            _image_in,
            lacking="the service's answer has no image",
            no_json="the service's answer is no JSON",
        )

    def _look(self, image_id: str, wanted: Sequence[tuple[str, str, object]]) -> Verdict[Record]:
        """Look whether an image is as it was to be."""
        try:
            record = self.get(image_id)
        except ImageNotFound:
            return NotDone()
        is_done = all(
            name not in record if kind == "remove" else _alike(record.get(name), value)
            for kind, name, value in wanted
        )
        return Done(record) if is_done else NotDone()

    def upload(self, image_id: str, data: Iterable[bytes]) -> None:
        """Give a queued image its data.

        :param image_id: the image's ID
        :param data: pieces of the data; with an attribute ``len``, the number of bytes, they go
            with a Content-Length, else chunked
        :raises Conflict: if the image is not queued
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer; the image may be anything then

        https://docs.openstack.org/api-ref/image/v2/#upload-binary-image-data
        """
        self._emptily(
            "PUT",
            path_of("images", image_id, "file"),
            f"Cannot upload the data of image {printable(image_id)}",
            headers={"Content-Type": "application/octet-stream"},
            data=data,
        )

    def data(self, image_id: str) -> ImageData:
        """Return an image's data, which is still to be read.

        :param image_id: the image's ID
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer

        https://docs.openstack.org/api-ref/image/v2/#download-binary-image-data
        """
        action = f"Cannot download image {printable(image_id)}"
        response = self._file(image_id, action, (HTTPStatus.OK, HTTPStatus.NO_CONTENT), {})
        return ImageData(self.http, response, action, size=body_size(response.headers))

    def rest_of_data(self, image: Image, start: int) -> ImageData:
        """Return an image's data from a byte on.

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
        ok = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
        response = self._file(image.id, action, ok, wanted)
        if response.status_code == HTTPStatus.OK:
            return ImageData(self.http, response, action, size=body_size(response.headers))
        try:
            size = check_rest(image, start, response.headers, action)
        except BadAnswer:
            response.close()
            raise
        return ImageData(self.http, response, action, start=start, size=size)

    def _file(
        self, image_id: str, action: str, ok: Collection[int], headers: Mapping[str, str]
    ) -> requests.Response:
        return self.http.request(
            "GET",
            path_of("images", image_id, "file"),
            action,
            ok=ok,
            headers={"Accept-Encoding": "identity", **headers},
        )

    def delete(self, image_id: str) -> None:
        """Delete an image.

        :param image_id: the image's ID
        :raises NotFound: if there is no such image
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer

        https://docs.openstack.org/api-ref/image/v2/#delete-image
        """
        action = f"Cannot delete image {printable(image_id)}"

        def look() -> tuple[str | None, bool | None]:
            return text_or_none(self.get(image_id).get("status")), None

        delete(
            lambda: self._emptily("DELETE", path_of("images", image_id), action),
            # The image is shown until its data is removed.
            Deletion(image_id, look, linger=True),
            unknown=_look_at(image_id),
        )

    def deactivate(self, image_id: str) -> None:
        """Deactivate an image: its data is handed out to administrators only.

        :param image_id: the image's ID
        :raises HttpError: for an error status

        https://docs.openstack.org/api-ref/image/v2/#deactivate-image
        """
        action = f"Cannot deactivate image {printable(image_id)}"
        path = path_of("images", image_id, "actions", "deactivate")
        carry_out(
            lambda: self._emptily("POST", path, action),
            lambda: _nothing(self._look(image_id, [("add", "status", DEACTIVATED)])),
            unknown=_look_at(image_id),
        )

    def _emptily(self, method: str, path: str, action: str, **options: Any) -> None:
        """Send a request whose answer tells nothing beyond its status."""
        take_empty(self.http, self.http.request(method, path, action, ok=_DONE, **options), action)

    def members(self, image_id: str) -> dict[str, str]:
        """Return the projects that an image is shared with, and what they have said to it.

        :param image_id: the image's ID
        :returns: ID of the project -> ``pending``, ``accepted`` or ``rejected``
        :raises Forbidden: if the image is not shared
        :raises HttpError: for another error status
        :raises BadAnswer: if the answer has another form

        https://docs.openstack.org/api-ref/image/v2/#list-image-members
        """
        action = f"Cannot list members of image {printable(image_id)}"
        document = self.http.get_json(path_of("images", image_id, "members"), action)
        try:
            return {str(one["member_id"]): str(one["status"]) for one in document["members"]}
        except (LookupError, TypeError):
            raise BadAnswer(f"{action}: the service's answer has another form") from None

    def add_member(self, image_id: str, project_id: str) -> None:
        """Share an image with a project.

        :param image_id: the image's ID
        :param project_id: the project's ID
        :raises Conflict: if it is already
        :raises HttpError: for another error status

        https://docs.openstack.org/api-ref/image/v2/#create-image-member
        """
        action = f"Cannot share image {printable(image_id)} with project {printable(project_id)}"
        path = path_of("images", image_id, "members")
        self._share(
            image_id,
            lambda: self._emptily("POST", path, action, json={"member": project_id}),
            lambda there: project_id in there,
        )

    def accept_member(self, image_id: str, project_id: str) -> None:
        """Accept an image for a project that it is shared with.

        :param image_id: the image's ID
        :param project_id: the project's ID
        :raises Forbidden: if this user may not say that for the project
        :raises HttpError: for another error status

        https://docs.openstack.org/api-ref/image/v2/#update-image-member
        """
        action = f"Cannot accept image {printable(image_id)} for project {printable(project_id)}"
        path = path_of("images", image_id, "members", project_id)
        self._share(
            image_id,
            lambda: self._emptily("PUT", path, action, json={"status": "accepted"}),
            lambda there: there.get(project_id) == "accepted",
        )

    def _share(
        self,
        image_id: str,
        send: Callable[[], None],
        is_done: Callable[[Mapping[str, str]], bool],
    ) -> None:
        def look() -> Verdict[None]:
            return Done(None) if is_done(self.members(image_id)) else NotDone()

        shown = printable(image_id)
        carry_out(send, look, unknown=f"look with 'openstack image member list {shown}'")


def _nothing(verdict: Verdict[Record]) -> Verdict[None]:
    return Done(None) if isinstance(verdict, Done) else verdict


def _look_at(image_id: str) -> str:
    return f"look with 'openstack image show {printable(image_id)}'"


def path_to(name: str) -> str:
    """Return the JSON Pointer to a field or property, for a patch.

    :param name: its name
    """
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _name_of(path: str) -> str:
    """Return what a JSON Pointer names."""
    return path[1:].replace("~1", "/").replace("~0", "~")


def _alike(there: object, wanted: object) -> bool:
    if isinstance(there, list) and isinstance(wanted, list):
        return sorted(map(str, there)) == sorted(map(str, wanted))
    return there == wanted


def _image_in(document: Any) -> Record | None:
    there = isinstance(document, dict) and isinstance(document.get("id"), str)
    return document if there else None


def _next_marker(document: Any) -> str | None:
    """Return the marker of the next page; its host may be one that nobody here can reach."""
    link = mapping(document).get("next")
    if not isinstance(link, str):
        return None
    try:
        found = parse_qs(urlsplit(link).query).get("marker")
    except ValueError:
        found = None
    if not found:
        raise BadAnswer(f"{_LISTING}: the service's link to the next page has no marker")
    return found[0]
