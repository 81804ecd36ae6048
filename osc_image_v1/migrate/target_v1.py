"""Images into a service with the Image API v1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from osc_image_v1.api.fields import ImageFields
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ACTIVE, DEACTIVATED, ImageDetail, Member
from osc_image_v1.api.paging import found_by_id
from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import ImageNotFound
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import MOST_PROPERTIES, UNFINISHED, Draft, Plan, TargetImage
from osc_image_v1.migrate.notes import Note
from osc_image_v1.migrate.targets import Target
from osc_image_v1.transfer.sending import Sending


class V1Target(Target):
    """A service with the Image API v1.

    :param client: the service
    """

    client: ImageClient

    visibilities = frozenset(("public", "private", "shared"))
    makes_user_owner = True

    _renamed = staticmethod(renames.for_v1)

    def draft(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, strict: bool = True
    ) -> Draft:
        """Return the image as it is to be in the target."""
        draft = super().draft(image, members, plan, strict)
        notes = draft.notes
        if image.status == DEACTIVATED:
            draft = replace(draft, status=ACTIVE)
            notes += (Note("deactivated here, active there", "status"),)
        if image.name == "":
            notes += (Note("its name is empty, there it has none", "name"),)
        return replace(draft, notes=notes)

    def check(self, draft: Draft, plan: Plan) -> Draft:
        """Return the draft of an image that is to be written, with notes on what may be refused."""
        _v1_fields(draft, unfinished=True)
        return super().check(draft, plan)

    def look(self, image_id: str) -> TargetImage | None:
        """Return an image by its ID."""
        image = found_by_id(self.client.get, image_id)
        return None if image is None else _found_in_v1(image)

    def everything(self) -> Iterator[TargetImage]:
        """Yield all images that the target has, as far as this user may see them."""
        return self._matching(ImageQuery(visibility="all"))

    def found(self, record: Record) -> TargetImage:
        """Return the image of a record."""
        return replace(_found_in_v1(ImageDetail.from_record(record)), record=record)

    def copies(
        self,
        image_id: str,
        owner: str | None,  # noqa: ARG002 (a list of v1 costs as much with it)
        source_tag: str | None = None,  # noqa: ARG002 (v1 has none)
    ) -> Iterable[TargetImage]:
        """Yield images that say that they had this ID."""
        return self._matching(
            ImageQuery(properties={renames.SOURCE_ID: image_id}, visibility="all")
        )

    def _matching(self, query: ImageQuery) -> Iterator[TargetImage]:
        for page in self.client.pages(query, detail=True):
            yield from map(self.found, page)

    def create(self, draft: Draft) -> TargetImage:
        """Make an empty record, seen by its owner alone, with the mark."""
        return _found_in_v1(self.client.create(_v1_fields(draft, unfinished=True), draft.image_id))

    def renew(self, draft: Draft, found: TargetImage) -> None:  # noqa: ARG002
        """Make of an empty record what the draft says."""
        self.client.update(draft.image_id, _v1_fields(draft, unfinished=True), True)

    def send(self, draft: Draft, sending: Sending) -> None:
        """Upload the data."""
        fields = ImageFields(size=sending.size or None, checksum=sending.expected)
        self.client.upload(draft.image_id, sending, fields)

    def finish(self, draft: Draft, found: TargetImage | None) -> None:  # noqa: ARG002
        """Set members, visibility and protection, and remove the mark."""
        if draft.members:
            members = [Member(project, on) for project, on in draft.members.items()]
            self.client.set_members(draft.image_id, members)
        fields = _v1_fields(draft, unfinished=False)
        self.client.update(draft.image_id, fields, purge_properties=True)

    def delete(self, image_id: str) -> None:
        """Delete an image."""
        with contextlib.suppress(ImageNotFound):
            self.client.delete(image_id)


def _v1_fields(draft: Draft, unfinished: bool) -> ImageFields:
    """Return an image's fields, with the mark and for its owner alone, or as they are to be."""
    image = draft.image
    properties = dict(draft.properties)
    if unfinished:
        if len(properties) >= MOST_PROPERTIES:
            # The last one comes in the end, when the mark goes.
            properties.popitem()
        properties[UNFINISHED] = "yes"
    return ImageFields(
        name=image.name,
        disk_format=image.disk_format,
        container_format=image.container_format,
        min_disk=image.min_disk,
        min_ram=image.min_ram,
        owner=(draft.owner or "") if draft.owned else None,
        is_public=not unfinished and draft.visibility == "public",
        protected=not unfinished and bool(image.protected),
        properties=properties,
    )


def _found_in_v1(image: ImageDetail) -> TargetImage:
    properties = {name: text for name, text in image.properties.items() if name != UNFINISHED}
    return TargetImage.of(
        image,
        unfinished=UNFINISHED in image.properties,
        visibility="public" if image.is_public else "private",
        properties=properties,
        source_id=renames.source_id_of(properties),
    )
