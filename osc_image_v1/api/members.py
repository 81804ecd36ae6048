"""Whom an image of the Image API v1 is shared with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from osc_image_v1.api.http import ServiceClient, path_of
from osc_image_v1.api.models import Member
from osc_image_v1.api.outcomes import (
    Done,
    NotDone,
    Verdict,
    carry_out,
    may_be_no_path,
    no_image,
    take_empty,
)
from osc_image_v1.api.records import bool_or_none, check_value, checked
from osc_image_v1.exceptions import BadAnswer, ImageNotFound, NotFound
from osc_image_v1.text import printable

# What a request is answered with that has no body.
_NO_CONTENT = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)


@checked
class ImageMembers:
    """What a client of the Image API v1 does with members.

    :ivar http: the service
    """

    http: ServiceClient

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
            raise no_image(image_id, error) from error
        try:
            return [
                Member(_member_id(entry["member_id"]), bool_or_none(entry.get("can_share")) is True)
                for entry in document["members"]
            ]
        except (LookupError, TypeError, AttributeError):
            raise BadAnswer(f"{action}: the service's answer has another form") from None

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
        members = list(members)
        check_value("members", members, Collection[Member])
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


def _member_id(value: object) -> str:
    if value in (None, ""):
        raise LookupError
    return str(value)
