"""Images into a service with the Image API v1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from osc_image_v1.api.fields import ImageFields
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.exceptions import ImageNotFound
from osc_image_v1.transfer import renames
from osc_image_v1.transfer.drafts import UNFINISHED, Draft, Found, Plan
from osc_image_v1.transfer.sending import Sending
from osc_image_v1.transfer.targets import Target


class V1Target(Target):
    """A service with the Image API v1.

    :param client: the service
    :param attempts: how often an upload that breaks off is begun
    :param patience: seconds to wait, at most, while the service is busy with data
    """

    visibilities = frozenset(("public", "private", "shared"))

    def __init__(self, client: ImageClient, attempts: int = 3, patience: float = 60.0) -> None:
        super().__init__(attempts, patience)
        self.client = client

    def draft(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, strict: bool = True
    ) -> Draft:
        """Return the image as it is to be in the target."""
        draft = super().draft(image, members, plan, strict)
        if strict:
            _v1_fields(draft, unfinished=True)
        notes = draft.notes
        if image.status == "deactivated":
            notes += ("deactivated here, active there",)
        if image.name == "":
            notes += ("its name is empty, there it has none",)
        return replace(draft, notes=notes)

    def _properties(
        self,
        properties: Mapping[str, str | None],
        notes: list[str],  # noqa: ARG002 (v1 has them as they are)
    ) -> Mapping[str, str | None]:
        return properties

    def _look(self, image_id: str) -> Found | None:
        try:
            return _found_in_v1(self.client.get(image_id))
        except ImageNotFound:
            return None

    def everything(self) -> Iterator[Found]:
        """Yield all images that the target has, as far as this user may see them."""
        return map(_found_in_v1, self.client.images_detail(ImageQuery(visibility="all")))

    def _copies(self, image_id: str) -> Iterable[Found]:
        query = ImageQuery(properties={renames.SOURCE_ID: image_id}, visibility="all")
        return map(_found_in_v1, self.client.images_detail(query))

    def _create(self, draft: Draft) -> None:
        self.client.create(_v1_fields(draft, unfinished=True), draft.image_id)

    def _renew(self, draft: Draft, found: Found) -> None:  # noqa: ARG002
        self.client.update(draft.image_id, _v1_fields(draft, unfinished=True), True)

    def _send(self, draft: Draft, sending: Sending) -> None:
        fields = ImageFields(size=sending.size or None, checksum=sending.expected)
        self.client.upload(draft.image_id, sending, fields)

    def _data(self, image_id: str) -> Iterator[bytes]:
        with self.client.data(image_id) as data:
            yield from data.chunks()

    def _finish(self, draft: Draft, found: Found | None) -> None:  # noqa: ARG002
        if draft.members:
            members = [Member(project, on) for project, on in draft.members.items()]
            self.client.set_members(draft.image_id, members)
        fields = _v1_fields(draft, unfinished=False)
        self.client.update(draft.image_id, fields, purge_properties=True)

    def _delete(self, image_id: str) -> None:
        with contextlib.suppress(ImageNotFound):
            self.client.delete(image_id)


def _v1_fields(draft: Draft, unfinished: bool) -> ImageFields:
    """Return an image's fields, with the mark and for its owner alone, or as they are to be."""
    image = draft.image
    mark = {UNFINISHED: "yes"} if unfinished else {}
    return ImageFields(
        name=image.name,
        disk_format=image.disk_format,
        container_format=image.container_format,
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        owner=(draft.owner or "") if draft.owned else None,
        is_public=not unfinished and draft.visibility == "public",
        protected=not unfinished and bool(image.protected),
        properties={**draft.properties, **mark},
    )


def _found_in_v1(image: ImageDetail) -> Found:
    return Found(
        image_id=image.id,
        status=image.status,
        size=image.size,
        checksum=image.checksum,
        unfinished=UNFINISHED in image.properties,
        source_id=image.properties.get(renames.SOURCE_ID),
    )
