"""What a job needs of a service that images go into."""

from __future__ import annotations

import abc
import functools
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from osc_image_v1.api.failures import translated
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import BadRequest, Forbidden, NotFound
from osc_image_v1.migrate.drafts import MOST_PROPERTIES, Draft, State, TargetImage
from osc_image_v1.migrate.foresight import Quota, Rights
from osc_image_v1.migrate.notes import Note
from osc_image_v1.migrate.ours import judged
from osc_image_v1.migrate.renames import SOURCE_ID
from osc_image_v1.text import printable
from osc_image_v1.transfer.outage import asks
from osc_image_v1.transfer.patience import Patience
from osc_image_v1.transfer.sending import Sending

_T = TypeVar("_T")

_PASSING: tuple[State, ...] = ("busy",)


class asked_once(functools.cached_property[_T]):  # noqa: N801 (as what it stands for)
    """A property that takes a request, which one thread sends while the others wait for its answer.

    From Python 3.12 on, functools' own one lets each of them send it.
    """

    def __init__(self, ask: Callable[[Any], _T]) -> None:
        super().__init__(ask)
        self._asking = threading.RLock()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        with self._asking:
            return super().__get__(instance, owner)


class TargetService(abc.ABC):
    """The requests to a service that images go into, each for one step of an image.

    :param client: the service
    """

    #: Whether it may look into the data, and refuse what is of another format.
    looks = False
    #: How often an upload that breaks off is begun.
    attempts = 3
    #: Seconds to wait, at most, while the service is busy with data that has all been sent; with a
    #: second more for each 64 MiB, up to 15 minutes.
    patience = 60.0
    #: Of the checksum that the service shows where it shows no MD5, once it is known.
    algorithm: str | None = None
    #: Whether a user who is no admin owns whatever is made there, for whomever it was to be.
    makes_user_owner = False

    def __init__(self, client: ImageClient | ImageV2Client) -> None:
        self.client = client

    def probes(self) -> list[Callable[[], object]]:
        """Return small requests that tell whether the service is there."""
        return [asks(self.client.http)]

    @asked_once
    def own_project(self) -> str | None:
        """ID of the user's own project there, None where the log-in does not tell it."""
        return self.client.http.project_id

    @property
    def takes_ids(self) -> bool:
        """Whether whoever makes an image there may choose its ID, so that none is made twice."""
        return True

    @property
    @abc.abstractmethod
    def visibilities(self) -> frozenset[str]:
        """What images can be there: ``public``, ``private``, ``shared``, ``community``."""

    @property
    def rights(self) -> Rights:
        """What this user may do there."""
        return Rights(self.is_admin, self.own_project)

    @asked_once
    def is_admin(self) -> bool | None:
        """Whether the user is an admin by services' own rules, None where nobody tells."""
        adapter = self.client.http.adapter
        access = getattr(adapter.auth or adapter.session.auth, "get_access", None)
        if access is None:
            return None
        with translated("Cannot log in"):
            return "admin" in {name.lower() for name in access(adapter.session).role_names}

    @asked_once
    def quota(self) -> Quota:
        """Return what the quota leaves there, as far as the service tells; asked for once."""
        return Quota()

    @property
    def known_quota(self) -> Quota | None:
        """What the quota leaves there, None as long as it was not asked for."""
        return vars(self).get("quota")

    def is_taken(self, image_id: str) -> bool | None:
        """Tell whether an ID is used up, of which the service shows no image.

        It was an image's that has been deleted, or it is one's that this user may not see. A list
        goes on after each image that the service knows, and an admin's after a deleted one as well.

        :param image_id: the ID
        :returns: None where nobody can tell
        """
        if not self._refuses_markers:
            return None
        known = self._knows(image_id)
        return known or (False if self.is_admin else None)

    @asked_once
    def _refuses_markers(self) -> bool:
        """Whether a list does not go on after an image that has never been."""
        return not self._knows(str(uuid.uuid4()))

    def _knows(self, image_id: str) -> bool:
        query = {"limit": "1", "marker": image_id}
        try:
            self.client.http.get_json("/images", "Cannot list images", query)
        except (BadRequest, NotFound):
            return False
        except Forbidden:
            # It is someone else's.
            return True
        return True

    def properties(
        self, properties: Mapping[str, str | None], notes: list[str], new_id: bool
    ) -> Mapping[str, str | None]:
        """Return the properties as the service takes them; notes get what changes."""
        written, renamed = self._renamed(properties, new_id)
        for old, new in renamed.items():
            notes.append(Note(f"property {printable(old)} is {printable(new)} there", "renamed"))
        return written

    @staticmethod
    @abc.abstractmethod
    def _renamed(
        properties: Mapping[str, str | None], new_id: bool
    ) -> tuple[Mapping[str, str | None], Mapping[str, str]]:
        """Return the properties there, and the names that are others there: old -> new."""

    def source_tag(self, image_id: str, notes: list[str]) -> str | None:  # noqa: ARG002
        """Return a tag that says which ID an image had, None where there are no tags."""
        text = f"no property {SOURCE_ID}: it has {MOST_PROPERTIES} properties already"
        notes.append(Note(text, "source-id"))
        return None

    @abc.abstractmethod
    def look(self, image_id: str) -> TargetImage | None:
        """Return an image by its ID."""

    @abc.abstractmethod
    def everything(self) -> Iterator[TargetImage]:
        """Yield all images that the service has, as far as this user may see them."""

    @abc.abstractmethod
    def found(self, record: Record) -> TargetImage:
        """Return the image of a record.

        :param record: what :attr:`~osc_image_v1.migrate.drafts.TargetImage.record` has
        """

    @abc.abstractmethod
    def copies(
        self, image_id: str, owner: str | None, source_tag: str | None = None
    ) -> Iterable[TargetImage]:
        """Yield images that say that they had this ID, at least those that belong to the owner."""

    @abc.abstractmethod
    def create(self, draft: Draft) -> TargetImage:
        """Make an empty record, seen by its owner alone, with the mark."""

    def made(self, draft: Draft) -> TargetImage | None:
        """Return the record that :meth:`create` may have made, whose answer is lost."""
        return self.look(draft.image_id)

    @abc.abstractmethod
    def renew(self, draft: Draft, found: TargetImage) -> None:
        """Make of an empty record what the draft says."""

    @abc.abstractmethod
    def send(self, draft: Draft, sending: Sending) -> None:
        """Upload the data."""

    def data(self, image_id: str) -> Iterator[bytes]:
        """Yield the data of an image."""
        with self.client.data(image_id) as data:
            yield from data.chunks()

    @abc.abstractmethod
    def finish(self, draft: Draft, found: TargetImage | None) -> None:
        """Set members, visibility and protection, and remove the mark."""

    def mend(self, draft: Draft, found: TargetImage) -> None:
        """Finish an image whose making was interrupted, and see to its metadata."""
        self.finish(draft, found)

    @abc.abstractmethod
    def delete(self, image_id: str) -> None:
        """Delete an image."""

    def settled(
        self, draft: Draft, patience: Patience, waited_for: Collection[State] = _PASSING
    ) -> TargetImage | None:
        """Wait while an image is in a passing state; return what comes of it."""

        def state(found: TargetImage | None) -> str | None:
            if found is None or judged(draft, found).state not in waited_for:
                return None
            return f"Image {printable(found.image_id)} is {printable(found.status)} there"

        return patience.wait_while(
            lambda: self.look(draft.image_id), state, patience.with_data(draft.image.size)
        )
