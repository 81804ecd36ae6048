"""Images into a service with the Image API v2."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from osc_image_v1.api.image_v2 import ImageV2Client, path_to
from osc_image_v1.api.models import (
    ACTIVE,
    DEACTIVATED,
    QUEUED,
    ImageDetail,
    Member,
    detail_of,
    properties_of,
)
from osc_image_v1.api.paging import found_by_id
from osc_image_v1.api.records import Record, mapping, text_or_none
from osc_image_v1.exceptions import ApiNotAvailable, Conflict, HttpError, NotFound
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import MOST_PROPERTIES, UNFINISHED, Draft, Plan, TargetImage
from osc_image_v1.migrate.foresight import Quota
from osc_image_v1.migrate.notes import Foreseen, Note
from osc_image_v1.migrate.ours import best_of
from osc_image_v1.migrate.services import asked_once
from osc_image_v1.migrate.targets import Target
from osc_image_v1.text import printable
from osc_image_v1.transfer.expected import has_data
from osc_image_v1.transfer.sending import ImageSource, Sending

LOG = logging.getLogger(__name__)


class V2Target(Target):
    """A service with the Image API v2.

    :param client: the service
    """

    client: ImageV2Client

    looks = True

    _renamed = staticmethod(renames.for_v2)

    @property
    def takes_ids(self) -> bool:
        """Whether whoever makes an image there may choose its ID, from Juno on."""
        return self.client.abilities.takes_ids

    @property
    def visibilities(self) -> frozenset[str]:
        """What images can be there; where "shared" is no word, private ones may have members."""
        return self.client.abilities.visibilities | {"shared"}

    def draft(
        self, image: ImageDetail, members: Sequence[Member], plan: Plan, strict: bool = True
    ) -> Draft:
        """Return the image as it is to be in the target."""
        draft = super().draft(image, members, plan, strict)
        if image.status == DEACTIVATED and not self.client.abilities.deactivates:
            notes = (*draft.notes, Note("deactivated here, active there", "status"))
            draft = replace(draft, status=ACTIVE, notes=notes)
        return draft

    def check(self, draft: Draft, plan: Plan) -> Draft:
        """Return the draft of an image that is to be written, with notes on what may be refused."""
        no_place = [*self._no_place(draft), *([] if has_data(draft.image) else self._odd(draft))]
        if no_place:
            raise Foreseen(no_place)
        return super().check(draft, plan)

    def looked_at(self, draft: Draft, data: ImageSource | Sending, plan: Plan) -> Draft:
        """Return the draft of an image with the format that the target takes its data for."""
        # No Glance that old looks into data.
        if "community" in self.client.abilities.visibilities:
            draft = super().looked_at(draft, data, plan)
        if odd := list(self._odd(draft)):
            raise Foreseen(odd)
        return draft

    def _no_place(self, draft: Draft) -> Iterator[Note]:
        """Yield what releases of old have no place for."""
        knows = self.client.abilities
        if not knows.tells("owner"):
            yield Note(
                "the target's Image API v2 tells no owners (Glance before Icehouse), so that "
                "nothing tells a copy from a stranger's image: use --target v1",
                "owner",
            )
        if not (knows.takes_ids or draft.new_id):
            yield Note(
                "the target's Image API v2 takes no IDs (Glance before Juno): use --new-ids, or "
                "--target v1, which keeps them",
                "id",
            )
        if draft.owned and not knows.takes_owners and draft.owner != self.own_project:
            yield Note(
                "the target's Image API v2 takes no owners (Glance before Mitaka), and the copy is "
                f"to belong to project {printable(draft.owner)}: use --target v1",
                "owner",
            )

    def _odd(self, draft: Draft) -> Iterator[Note]:
        """Yield the formats that the target does not take."""
        knows, image = self.client.abilities, draft.image
        for kind, here, there in (
            ("disk", image.disk_format, knows.disk_formats),
            ("container", image.container_format, knows.container_formats),
        ):
            if here is not None and there is not None and here not in there:
                takes = printable(", ".join(sorted(there)))
                text = f"the target takes no {kind} format {printable(here)}, but {takes}"
                yield Note(text, "format")

    @asked_once
    def quota(self) -> Quota:
        """Return what the quota leaves there, as far as the service tells; asked for once.

        https://docs.openstack.org/api-ref/image/v2/#quota-usage
        """
        try:
            answer = self.client.http.get_json("/info/usage", "Cannot show the quota's usage")
        except (ApiNotAvailable, HttpError) as error:
            # Services before Xena have no such thing.
            LOG.debug("No quota is known: %s", error)
            answer = None
        return Quota(mapping(answer).get("usage"))

    def source_tag(self, image_id: str, notes: list[str]) -> str | None:
        """Return the tag that says which ID an image had."""
        tag = renames.source_tag(image_id)
        text = f"it has {MOST_PROPERTIES} properties already: {printable(tag)} is a tag"
        notes.append(Note(text, "source-id"))
        return tag

    def look(self, image_id: str) -> TargetImage | None:
        """Return an image by its ID."""
        record = found_by_id(self.client.get, image_id)
        return None if record is None else self.found(record)

    def everything(self) -> Iterator[TargetImage]:
        """Yield all images that the target has, as far as this user may see them."""
        return self._matching({})

    def found(self, record: Record) -> TargetImage:
        """Return the image of a record."""
        image = detail_of(record)
        hash_value = text_or_none(record.get("os_hash_value"))
        return TargetImage.of(
            image,
            unfinished=UNFINISHED in _tags(record),
            visibility=text_or_none(record.get("visibility")),
            properties=image.properties,
            source_id=renames.source_id_of(image.properties, _tags(record)),
            hash_algo=text_or_none(record.get("os_hash_algo")),
            hash_value=hash_value,
            refused=image.status == QUEUED and bool(image.checksum or hash_value),
            tells_owner=self.client.abilities.tells("owner"),
            record=record,
        )

    def copies(
        self, image_id: str, owner: str | None, source_tag: str | None = None
    ) -> Iterable[TargetImage]:
        """Yield images that say that they had this ID."""
        named = {"tag": source_tag} if source_tag else {renames.SOURCE_ID: image_id}
        # Strangers may have made any number of images that say so.
        return self._matching({**named, **({"owner": owner} if owner else {})})

    def _matching(self, filters: Mapping[str, str]) -> Iterator[TargetImage]:
        # No list has these among others.
        apart = self.client.abilities.visibilities & {"community"}
        for visibility in ({}, *({"visibility": one} for one in apart)):
            for page in self.client.pages({**filters, **visibility}):
                yield from map(self.found, page)

    def create(self, draft: Draft) -> TargetImage:
        """Make an empty record, seen by its owner alone, with the mark."""
        chosen = {"id": draft.image_id} if self.takes_ids else {}
        # What is null is left out: before Kilo no field takes that. Nobody is an owner.
        fields = {
            name: value
            for name, value in self._record(draft).items()
            if value is not None or name == "owner"
        }
        return self.found(self.client.create({**chosen, **fields}))

    def made(self, draft: Draft) -> TargetImage | None:
        """Return the record that :meth:`create` may have made, whose answer is lost."""
        if self.takes_ids:
            return super().made(draft)
        return best_of(draft, self.copies(draft.image.id, draft.owner, draft.source_tag))

    def _record(self, draft: Draft) -> Record:
        """Return an empty record with the mark; seen by its owner alone, having no members yet."""
        image = draft.image
        chosen = draft.owned and self.client.abilities.takes_owners
        owner = {"owner": draft.owner} if chosen else {}
        return {
            "name": image.name,
            "disk_format": image.disk_format,
            "container_format": image.container_format,
            "min_disk": image.min_disk or 0,
            "min_ram": image.min_ram or 0,
            "visibility": self._spelled("shared"),
            "tags": [UNFINISHED, *([draft.source_tag] if draft.source_tag else [])],
            **owner,
            **draft.properties,
        }

    def _spelled(self, visibility: str) -> str:
        """Return the service's word for it."""
        return visibility if visibility in self.client.abilities.visibilities else "private"

    def renew(self, draft: Draft, found: TargetImage) -> None:
        """Make of an empty record what the draft says."""
        changes = _changes(found.record, self._record(draft))
        if changes:
            self.client.change(draft.image_id, changes)

    def send(self, draft: Draft, sending: Sending) -> None:
        """Upload the data."""
        self.client.upload(draft.image_id, sending)

    def finish(self, draft: Draft, found: TargetImage | None) -> None:
        """Set members, visibility and protection, and remove the mark."""
        record = self._record(draft) if found is None else found.record
        if draft.members:
            self._share(draft, record)
        if draft.status == DEACTIVATED and record.get("status") == ACTIVE:
            self.client.deactivate(draft.image_id)
        # One request, and the last: what is protected has no mark any more.
        wanted = {
            "visibility": self._spelled(draft.visibility),
            "tags": [tag for tag in _tags(record) if tag != UNFINISHED],
            "protected": bool(draft.image.protected),
        }
        self.client.change(draft.image_id, [_replaced(*item) for item in wanted.items()])

    def mend(self, draft: Draft, found: TargetImage) -> None:
        """Finish an image whose making was interrupted, and see to its metadata."""
        metadata = {
            name: value
            for name, value in self._record(draft).items()
            if name not in ("visibility", "tags")
        }
        changes = _set_in(found.record, metadata)
        if changes:
            self.client.change(draft.image_id, changes)
        self.finish(draft, found)

    def _share(self, draft: Draft, record: Record) -> None:
        shared = self._spelled("shared")
        if record.get("visibility") != shared:
            self.client.change(draft.image_id, [_replaced("visibility", shared)])
        there = {} if draft.bare else self.client.members(draft.image_id)
        for project in draft.members:
            if project not in there:
                with contextlib.suppress(Conflict):
                    self.client.add_member(draft.image_id, project)
            if draft.accept_members and there.get(project) != "accepted":
                self.client.accept_member(draft.image_id, project)

    def delete(self, image_id: str) -> None:
        """Delete an image."""
        with contextlib.suppress(NotFound):
            self.client.delete(image_id)


def _tags(record: Record) -> list[str]:
    tags = record.get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _replaced(name: str, value: object) -> dict[str, Any]:
    return {"op": "replace", "path": path_to(name), "value": value}


def _changes(record: Record, wanted: Record) -> list[Mapping[str, Any]]:
    """Return the JSON patch that makes of a record what it is to be."""
    removed: list[Mapping[str, Any]] = [
        {"op": "remove", "path": path_to(name)}
        for name in properties_of(record)
        if name not in wanted
    ]
    return removed + _set_in(record, wanted)


def _set_in(record: Record, wanted: Record) -> list[Mapping[str, Any]]:
    """Return the JSON patch that gives a record what it is to have, and removes nothing."""
    changes: list[Mapping[str, Any]] = []
    for name, value in wanted.items():
        if record.get(name) == value:
            continue
        if name not in record:
            changes.append({"op": "add", "path": path_to(name), "value": value})
        else:
            changes.append(_replaced(name, value))
    return changes
