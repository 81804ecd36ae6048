"""Whom an image of the Image API v1 is shared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
from osc_image_v1.api.records import bool_or_none
from osc_image_v1.exceptions import BadAnswer, ImageNotFound, NotFound
from osc_image_v1.text import printable

#: What a request is answered with that has no body.
NO_CONTENT = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)


class ImageMembers:
    """The members of a service's images; see :class:`~osc_image_v1.api.image_v1.ImageClient`.

    :param http: the service
    """

    def __init__(self, http: ServiceClient) -> None:
        self.http = http

    def of(self, image_id: str) -> list[Member]:
        """Return the projects that an image is shared with."""
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

    def images_of(self, project_id: str) -> list[str]:
        """Return the IDs of the images that are shared with a project."""
        action = f"Cannot list images shared with project {printable(project_id)}"
        document = self.http.get_json(path_of("shared-images", project_id), action)
        try:
            return [str(entry["image_id"]) for entry in document["shared_images"]]
        except (LookupError, TypeError):
            raise BadAnswer(f"{action}: the service's answer has another form") from None

    def add(self, image_id: str, project_id: str, can_share: bool | None) -> None:
        """Share an image with a project."""
        action = f"Cannot share image {printable(image_id)} with project {printable(project_id)}"
        body = {} if can_share is None else {"json": {"member": {"can_share": can_share}}}
        path = path_of("images", image_id, "members", project_id)
        self._share(
            image_id,
            lambda: self._emptily("PUT", path, action, **body),
            lambda there: project_id in there and can_share in (None, there[project_id]),
        )

    def remove(self, image_id: str, project_id: str) -> None:
        """End that an image is shared with a project."""
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

    def replace(self, image_id: str, members: Iterable[Member]) -> None:
        """Share an image with these projects and no others."""
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
                members = self.of(image_id)
            except ImageNotFound as error:
                return NotDone(error)
            there = {member.member_id: member.can_share for member in members}
            return Done(None) if is_done(there) else NotDone()

        shown = printable(image_id)
        carry_out(send, look, unknown=f"look with 'openstack image v1 member list {shown}'")

    def _emptily(self, method: str, path: str, action: str, **options: Any) -> None:
        """Send a request that is answered without a body."""
        response = self.http.request(method, path, action, ok=NO_CONTENT, **options)
        take_empty(self.http, response, action)


def _member_id(value: object) -> str:
    if value in (None, ""):
        raise LookupError
    return str(value)
