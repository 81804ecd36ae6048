"""What the Image API v1 changes: images, their data, their members."""

from __future__ import annotations

import abc
import json
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import requests

from osc_image_v1.api.fields import ImageFields, check_formats, check_properties
from osc_image_v1.api.headers import headers_from_fields, not_stored
from osc_image_v1.api.http import ServiceClient, path_of
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.outcomes import (
    SHORT_PATIENCE,
    Deletion,
    Done,
    NotDone,
    Passing,
    Verdict,
    carry_out,
    delete,
    foreign_answer,
    is_own,
    may_be_no_path,
    take_empty,
)
from osc_image_v1.api.queries import MAX_PAGE_SIZE, ImageQuery
from osc_image_v1.api.records import Record, bool_or_none, mapping
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    Conflict,
    ForeignAnswer,
    HttpError,
    ImageNotFound,
    ImageV1Error,
    InvalidInput,
    NotFound,
    NotStored,
    OtherIdGiven,
)
from osc_image_v1.text import is_uuid, printable

_CREATED = (HTTPStatus.OK, HTTPStatus.CREATED)
_NO_CONTENT = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

# What the Image API v2 takes for fields of its own: of properties with these names, which v1 can
# make, it shows and removes nothing.
_V2_FIELDS = frozenset(
    "id name owner status visibility protected tags size virtual_size checksum disk_format "
    "container_format min_disk min_ram created_at updated_at deleted deleted_at is_public "
    "location locations direct_url self file schema os_hidden os_hash_algo os_hash_value".split()
)


class ImageWrites(abc.ABC):
    """The methods of :class:`~osc_image_v1.api.image_v1.ImageClient` that change something.

    No request here is sent again by itself. Where the answer is lost, the service is asked what
    became of the request, see :mod:`osc_image_v1.api.outcomes`.
    """

    http: ServiceClient
    _v2: ServiceClient

    @abc.abstractmethod
    def get(self, image_id: str) -> ImageDetail:
        """Return an image by its ID."""

    @abc.abstractmethod
    def pages(
        self,
        query: ImageQuery | None = None,
        detail: bool = False,
        action: str = "Cannot list images",
    ) -> Iterator[list[Record]]:
        """Yield records page by page."""

    def exact(self, image: ImageDetail) -> ImageDetail:
        """Return the image with its properties as they are: names in their case, null values too.

        :meth:`get` cannot tell these, a list can.

        :param image: the image as :meth:`get` or a list had it
        :raises ImageNotFound: if it has gone, or changed in between
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        return ImageDetail.from_record(self.exact_record(image))

    def exact_record(self, image: ImageDetail) -> Record:
        """Return the image's record as a list has it, see :meth:`exact`.

        :param image: the image as :meth:`get` or a list had it
        :raises ImageNotFound: if it has gone, or changed in between
        :raises HttpError: for an error status
        :raises ConnectionFailed: if there is no answer
        """
        hidden = image.status in ("killed", "deleted", "pending_delete")
        query = ImageQuery(
            name=image.name or None,
            status=image.status if hidden else None,
            min_size=image.size,
            max_size=image.size,
            visibility="all",
            limit=MAX_PAGE_SIZE,
        )
        action = f"Cannot show image {printable(image.id)}"
        for page in self.pages(query, True, action):
            for record in page:
                if record["id"] == image.id:
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
            return _stored(fields, record, action)

        def look() -> Verdict[ImageDetail]:
            try:
                image = self.get(image_id)
            except ImageNotFound:
                return NotDone()
            try:
                return Done(_stored(fields, _record_of(self.exact(image)), action))
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
            return _stored(fields, self._put(image_id, action, fields, purge_properties), action)

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
        record = self._put(image_id, action, fields, data=data)
        return _stored(fields, record, action)

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

        def send() -> None:
            try:
                self._emptily("DELETE", path_of("images", image_id), action)
            except NotFound as error:
                raise _no_image(image_id, error) from error

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

        if _V2_FIELDS.isdisjoint(names) and carry_out(
            lambda: self._remove_by_v2(image.id, names), look, unknown=_look_at(image.id)
        ):
            return
        self._remove_by_v1(self.exact(image), names)

    def members(self, image_id: str) -> list[Member]:
        """Return the projects that an image is shared with.

        :param image_id: the image's ID
        :raises ImageNotFound: if there is no such image
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer
        :raises BadAnswer: if the answer has another form

        https://docs.openstack.org/api-ref/image/v1/#list-image-members
        """
        action = f"Cannot list members of image {printable(image_id)}"
        try:
            document = self.http.get_json(path_of("images", image_id, "members"), action)
        except NotFound as error:
            if may_be_no_path(error):
                raise ImageNotFound(
                    f"{action}: there is no such image, or the service has no API for members "
                    f"({error.where})"
                ) from error
            raise _no_image(image_id, error) from error
        try:
            return [
                Member(_member_id(entry["member_id"]), bool_or_none(entry.get("can_share")) is True)
                for entry in document["members"]
            ]
        except (LookupError, TypeError, AttributeError):
            raise BadAnswer(f"{action}: the service's answer has another form") from None

    def add_member(self, image_id: str, project_id: str, can_share: bool | None = None) -> None:
        """Share an image with a project.

        :param image_id: the image's ID
        :param project_id: the project's ID
        :param can_share: whether the project may share it in turn; None keeps what a member may,
            and a new one may not
        :raises NotFound: if there is no such image, or this user may not share it
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and it was not done

        https://docs.openstack.org/api-ref/image/v1/#add-member-to-image
        """
        action = f"Cannot share image {printable(image_id)} with project {printable(project_id)}"
        body = {} if can_share is None else {"json": {"member": {"can_share": can_share}}}
        path = path_of("images", image_id, "members", project_id)
        self._share(
            image_id,
            lambda: self._emptily("PUT", path, action, **body),
            lambda there: project_id in there and can_share in (None, there[project_id]),
        )

    def remove_member(self, image_id: str, project_id: str) -> None:
        """End that an image is shared with a project.

        :param image_id: the image's ID
        :param project_id: the project's ID
        :raises NotFound: if there is no such image, or it is not shared with the project
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and it was not done

        https://docs.openstack.org/api-ref/image/v1/#delete-member
        """
        action = (
            f"Cannot end that image {printable(image_id)} is shared with project "
            f"{printable(project_id)}"
        )
        path = path_of("images", image_id, "members", project_id)
        self._share(
            image_id,
            lambda: self._emptily("DELETE", path, action),
            lambda there: project_id not in there,
        )

    def set_members(self, image_id: str, members: Iterable[Member]) -> None:
        """Share an image with these projects and no others.

        :param image_id: the image's ID
        :param members: all that the image is to be shared with
        :raises NotFound: if there is no such image, or this user may not share it
        :raises TooLarge: if these are more than the service takes
        :raises HttpError: for another error status
        :raises ConnectionFailed: if there is no answer and it was not done

        https://docs.openstack.org/api-ref/image/v1/#replace-membership-list-for-an-image
        """
        action = f"Cannot set members of image {printable(image_id)}"
        wanted = {member.member_id: member.can_share for member in members}
        memberships = [
            {"member_id": project, "can_share": can_share} for project, can_share in wanted.items()
        ]
        path = path_of("images", image_id, "members")
        self._share(
            image_id,
            lambda: self._emptily("PUT", path, action, json={"memberships": memberships}),
            lambda there: there == wanted,
        )

    def _share(
        self,
        image_id: str,
        send: Callable[[], None],
        is_done: Callable[[Mapping[str, bool]], bool],
    ) -> None:
        """Change whom an image is shared with; ``is_done`` judges by who may share it on."""

        def look() -> Verdict[None]:
            try:
                members = self.members(image_id)
            except ImageNotFound as error:
                return NotDone(error)
            there = {member.member_id: member.can_share for member in members}
            return Done(None) if is_done(there) else NotDone()

        shown = printable(image_id)
        carry_out(send, look, unknown=f"look with 'openstack image v1 member list {shown}'")

    def _emptily(self, method: str, path: str, action: str, **options: Any) -> None:
        """Send a request that is answered without a body."""
        response = self.http.request(method, path, action, ok=_NO_CONTENT, **options)
        take_empty(self.http, response, action)

    def _put(
        self,
        image_id: str,
        action: str,
        fields: ImageFields,
        purge: bool = False,
        data: Iterable[bytes] | None = None,
    ) -> Record:
        headers = headers_from_fields(fields)
        # Without this the service removes all properties, even when an image is renamed.
        headers["x-glance-registry-purge-props"] = str(purge).lower()
        options: dict[str, Any] = {"headers": headers}
        if data is not None:
            headers["Content-Type"] = "application/octet-stream"
            options["data"] = data
        try:
            return self._image("PUT", path_of("images", image_id), action, **options)
        except NotFound as error:
            raise _no_image(image_id, error) from error

    def _image(self, method: str, path: str, action: str, **options: Any) -> Record:
        """Send a request whose answer has a record."""
        with self.http.request(method, path, action, **options) as response:
            return self._record(response, action)

    def _record(self, response: requests.Response, action: str) -> Record:
        try:
            record = mapping(json.loads(self.http.read(response, action))).get("image")
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            return record
        if not is_own(response):
            raise foreign_answer(response, action)
        raise ForeignAnswer(
            f"{action}: the service says that it has, but its answer has no image metadata"
        )

    def _changed(
        self, image_id: str, fields: ImageFields, purged: bool = False
    ) -> Verdict[ImageDetail]:
        """Look what has become of a change."""
        try:
            image = self.exact(self.get(image_id))
        except ImageNotFound as error:
            return NotDone(error)
        too_many = purged and len(image.properties) != len(fields.properties)
        if not_stored(fields, _record_of(image)) or too_many:
            return NotDone()
        if fields.has_source and image.status == "queued":
            return Passing(f"image {printable(image_id)} is queued", SHORT_PATIENCE, NotDone())
        return Done(image)

    def _remove_by_v2(self, image_id: str, names: Collection[str]) -> bool:
        """Remove properties through the Image API v2; tell whether the service has it."""
        patch = [{"op": "remove", "path": "/" + _pointer(name)} for name in names]
        action = f"Cannot remove properties of image {printable(image_id)}"
        try:
            response = self._v2.request(
                "PATCH",
                path_of("images", image_id),
                action,
                headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
                data=json.dumps(patch).encode(),
            )
        except (ApiNotAvailable, NotFound, Conflict):
            # Conflict: one of the names is missing, which is said better after a look.
            return False
        except HttpError as error:
            if error.status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED):
                return False
            raise
        take_empty(self._v2, response, action)
        return True

    def _remove_by_v1(self, image: ImageDetail, names: Collection[str]) -> None:
        _check_there(image, names)
        kept = {name: text for name, text in image.properties.items() if name not in names}
        action = f"Cannot remove properties of image {printable(image.id)}"
        try:
            check_properties(kept)
            for name, text in kept.items():
                if text == "":
                    raise InvalidInput(f"the empty text of property '{printable(name)}'")
        except InvalidInput as error:
            raise ImageV1Error(
                f"{action}: the Image API v1 can only write all the others anew and would lose one "
                f"({error}); the service has no Image API v2 that can"
            ) from None
        fields = ImageFields(properties=kept)

        def look() -> Verdict[Any]:
            verdict = self._changed(image.id, fields, purged=True)
            return Done(kept) if isinstance(verdict, Done) else verdict

        stored = carry_out(
            lambda: self._put(image.id, action, fields, purge=True).get("properties"),
            look,
            unknown=_look_at(image.id),
        )
        if stored != kept:
            raise BadAnswer(
                f"{action}: the service's properties are not the ones that were to stay, compare "
                f"with 'openstack image v1 show {printable(image.id)}'"
            )


def _member_id(value: object) -> str:
    if value in (None, ""):
        raise LookupError
    return str(value)


def _pointer(name: str) -> str:
    """Escape a name as JSON Pointer has it."""
    return name.replace("~", "~0").replace("/", "~1")


def _check_there(image: ImageDetail, names: Collection[str]) -> None:
    missing = sorted(set(names) - set(image.properties))
    if not missing:
        return
    alike = sorted(
        name
        for name in image.properties
        if any(_folded(name) == _folded(wanted) for wanted in missing)
    )
    hint = f"; it has {_listed(alike)}" if alike else ""
    raise InvalidInput(
        f"Image {printable(image.id)} has no property {_listed(missing)}{hint}; nothing was removed"
    )


def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{printable(name)}'" for name in names)


def _no_image(image_id: str, error: NotFound) -> ImageNotFound:
    return ImageNotFound(f"No image has the ID {printable(image_id)} ({error.where})")


def _look_at(image_id: str) -> str:
    return f"look with 'openstack image v1 show {printable(image_id)}'"


def _record_of(image: ImageDetail) -> dict[str, Any]:
    return {name: getattr(image, name) for name in image.__dataclass_fields__}


def _stored(fields: ImageFields, record: Mapping[str, Any], action: str) -> ImageDetail:
    """Return the image of an answer, if it has what it was to get."""
    wrong = not_stored(fields, dict(record))
    if wrong:
        hint = " (only an admin chooses the owner)" if "owner" in wrong else ""
        raise NotStored(
            f"{action} as asked: the service has not stored {printable(', '.join(wrong))}{hint}"
        )
    return ImageDetail.from_record(dict(record))
