"""Many images from a source into a service, verified on both ends.

::

    job = Job(ServiceSource(client), target, Plan())    # or ArchiveSource(archive)
    for outcome in job.run(records):
        ...
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

from osc_image_v1.api import models
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.records import Record
from osc_image_v1.exceptions import ImageHasNoData, ImageV1Error, TransferStopped
from osc_image_v1.migrate.drafts import (
    IMAGE_REFERENCES,
    TO_BE_WRITTEN,
    Draft,
    Plan,
    State,
    TargetImage,
)
from osc_image_v1.migrate.notes import STOPPED, Note, notes_of, reasons_of
from osc_image_v1.migrate.ours import IdUsedUp, is_removed, judged, refusal, removal, word_of
from osc_image_v1.migrate.sources import Original, Source
from osc_image_v1.migrate.targets import Target, Written
from osc_image_v1.text import is_uuid, printable
from osc_image_v1.transfer.expected import has_data
from osc_image_v1.transfer.listed import is_being_deleted
from osc_image_v1.transfer.many import PARALLEL, Line, Spool, Workers
from osc_image_v1.transfer.outage import Outage, Why, may_pass
from osc_image_v1.transfer.progress import Advance, Overall, tell_finished
from osc_image_v1.transfer.rate import Rate
from osc_image_v1.transfer.shards import Shard
from osc_image_v1.transfer.shelf import Entry, Shelf, Waiting

LOG = logging.getLogger(__name__)

# From so many images on it takes fewer requests to list what the target has than to ask for each.
_WORTH_A_LIST = 20

# What is said of images whose data was not to be brought.
_WITHOUT_DATA = frozenset(("present", "finished", "skipped"))

#: What is said of images that were left when it was no use to go on.
NOT_TRIED = "not tried"

# Reasons that others can take away: a run that is at the image, images that take up a quota.
_PASSING = frozenset(("busy", "quota"))

_SINCE: dict[Why, str] = {
    "gone": "a service was gone before it",
    "unknown": "the token was not accepted any more before it",
    "failing": "image after image failed before it",
    "full": "the target had no room or quota left before it",
    "limited": "the target took no data of such a size before it",
}

_SKIPPED = {
    models.SAVING: "its data is still being stored here: run the command again later",
    models.KILLED: "killed: storing its data failed, there is nothing to copy",
    models.DELETED: "deleted",
    models.PENDING_DELETE: "deleted",
}
_PLANNED: dict[State, str] = {
    "missing": "copy",
    "empty": "copy",
    "unfinished": "finish",
    "complete": "present",
    "busy": "wait",
    "other": "fail",
    "dead": "fail",
    "foreign": "fail",
}


@dataclass(frozen=True)
class Outcome:
    """What came of an image, or is to come.

    :ivar action: ``copied``, ``recorded`` (without data), ``finished`` (an earlier run had brought
        its data), ``present`` (nothing was to be done), ``skipped``, ``failed`` or ``not tried``
        (it was no use to go on); in a plan ``copy``, ``record``, ``finish``, ``present``, ``wait``
        (another run is at it), ``skip``, ``fail`` or ``not tried``
    :ivar notes: what is not as it was, and what failed
    :ivar target_id: the ID that it has in the target, or is to have, where it is known
    :ivar retryable: whether it failed for no reason of its own, so that another run may bring it
    """

    image_id: str
    name: str | None
    size: int | None
    action: str
    notes: tuple[str, ...] = ()
    target_id: str | None = None
    retryable: bool = False

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the notes are about, in words that never change."""
        return reasons_of(self.notes)

    @property
    def failed(self) -> bool:
        """Whether the image could not come to the target."""
        return self.action in ("failed", "fail")


class _ReferenceFailed(ImageV1Error):
    """The kernel or ramdisk of an image could not be copied; nothing was asked of a service.

    :ivar retryable: whether another run may bring that
    """

    def __init__(self, text: str, retryable: bool) -> None:
        super().__init__(text)
        self.retryable = retryable


_Work = Callable[[Original, Advance], Outcome]
# What is said of an image that is skipped, and of one that fails.
_Words = tuple[str, str]


class Job:
    """Many images on their way into a service, wherever they come from.

    Kernels and ramdisks come before the images that name them. A quarter of the workers begins with
    the largest images, the others with the smallest. Run again, a job brings only what is missing.

    :param source: where they come from
    :param target: the service that they go to
    :param plan: how they are written
    :param shard: only the images of this part
    :param parallel: how many images are brought at a time
    :param rate: how fast their data may flow, None for as fast as it does
    :ivar images: how many images there are, once the list is read
    :ivar unclear: how many images of a preview have IDs of which the target tells nobody whether
        they are used up
    :ivar interrupted: whether it was told to come to its end before its time
    :ivar unmet: formats and IDs of the plan's ``formats`` that no image of the list has, of any
        shard, once it is read
    """

    def __init__(
        self,
        source: Source,
        target: Target,
        plan: Plan,
        *,
        shard: Shard | None = None,
        parallel: int = PARALLEL,
        rate: Rate | None = None,
    ) -> None:
        self._rate = rate
        self._source = source
        self._target = target
        self._plan = plan
        self._shard = shard or Shard()
        self._parallel = parallel
        self._stop = threading.Event()
        self._outage = Outage(parallel, [*source.probes(), *target.probes()])
        self._workers: Workers[Entry, Outcome] | None = None
        self.interrupted = False
        self.images = self.unclear = 0
        self.unmet = set(plan.formats)
        self._there: _There | None = None
        self._seen = Shelf[None]()
        self._not_copied = Shelf[None]()
        self._there_before = Shelf[None]()
        self._failed = Shelf[bool]()

    @property
    def why_not_all(self) -> Why | None:
        """Why images were not tried, None where all were."""
        return self._outage.why

    def interrupt(self) -> bool:
        """Let :meth:`run` come to its end before its time, with the outcomes of all that is done.

        :returns: whether that is of use: images are being brought, and it was not told before
        """
        running = self._workers is not None and self._workers.interrupt()
        self.interrupted = self.interrupted or running
        return running

    def run(self, records: Iterable[Record]) -> Iterator[Outcome]:
        """Copy images, and yield what comes of each; go on after one that fails.

        :param records: the images, as a detailed list has them
        :raises ImageV1Error: if the list fails, here or in the target
        """
        return self._all(records, self._copy, ("skipped", "failed"), data=True)

    def preview(self, records: Iterable[Record]) -> Iterator[Outcome]:
        """Yield what :meth:`run` would do; nothing is changed anywhere.

        :param records: the images, as a detailed list has them
        :raises ImageV1Error: if the list fails, here or in the target
        """
        return self._all(records, self._foresee, ("skip", "fail"), data=False)

    def _all(
        self, records: Iterable[Record], work: _Work, words: _Words, *, data: bool
    ) -> Iterator[Outcome]:
        with ExitStack() as files:
            spool = files.enter_context(Spool())
            waiting = self._collect(records, spool)
            self.images, size = waiting.images, waiting.size if data else 0
            if self.images >= _WORTH_A_LIST:
                self._there = self._what_is_there(files.enter_context(Spool()), waiting)

            def roomy() -> bool:
                # Else the images are brought that a preview, smallest first, has found room for.
                quota = self._target.known_quota
                holds = quota is not None and quota.holds(size, self.images)
                return data and holds and not self._outage.tight

            with Overall(self.images, size, stays=data) as overall:

                def one(entry: Entry) -> Outcome:
                    outcome = self._try(entry, spool, work, words, overall.advance)
                    if outcome.action in _WITHOUT_DATA:
                        overall.spare(entry.size)
                    return outcome

                for wave in waiting.lines():
                    self._workers = Workers(one, self._parallel, self._stop)
                    line = Line(wave, lambda entry: entry.turn)
                    small, large = (
                        self._outage.until(line.taken(end)) for end in (lambda: False, roomy)
                    )
                    for outcomes in self._workers.results(small, large):
                        overall.done(len(outcomes))
                        yield from outcomes
                    if self.interrupted:
                        return
                    self._stop.clear()
                    for entry in line.taken():
                        yield self._not_tried(self._original(entry, spool).listed)

    def _collect(self, records: Iterable[Record], spool: Spool) -> Waiting:
        """Put the records aside; images that others name are among the first."""
        waiting, named = Waiting(), Shelf[None]()
        for record in records:
            image = ImageDetail.from_record(record)
            self.unmet -= {image.id, image.disk_format or ""}
            for name in IMAGE_REFERENCES:
                if other := image.properties.get(name):
                    named.add(other, None)
            if self._seen.add(image.id, None) and image.id in self._shard:
                size = max(0, image.size or 0) if has_data(image) else 0
                turn = 2 if is_being_deleted(image) else 0
                place = self._source.put_aside(record, spool)
                waiting.add(Entry(turn, size, image.id, place))
        spool.flush()
        for image_id in named:
            waiting.prefer(image_id)
        return waiting

    def _what_is_there(self, spool: Spool, waiting: Waiting) -> _There:
        """Put aside what the target has of the images, as far as a list tells that."""
        there = _There(spool)
        for found in self._target.everything():
            key = found.source_id if self._plan.new_ids else found.image_id
            if key is not None and key in self._seen:
                there.add(key, found)
                if found.status in models.PASSING:
                    # What an earlier run has begun may be what failed then.
                    waiting.delay(key)
        spool.flush()
        return there

    def _original(self, entry: Entry, spool: Spool) -> Original:
        return self._source.take(entry.image_id, spool, entry.place)

    def _try(
        self, entry: Entry, spool: Spool, work: _Work, words: _Words, advance: Advance
    ) -> Outcome:
        skipped, failed = words
        name: str | None = None
        size: int | None = entry.size
        begun = time.monotonic()
        try:
            original = self._original(entry, spool)
            name, size = original.listed.name, original.listed.size
            if failed == "failed":
                original = original.settled(self._stop)
                name, size = original.listed.name, original.listed.size
            reason = reason_to_skip(original.listed)
            if reason is not None:
                self._not_copied.add(entry.image_id, None)
                return Outcome(entry.image_id, name, size, skipped, (reason,))
            outcome = work(original, advance)
        except TransferStopped:
            raise
        except ImageV1Error as error:
            notes = notes_of(error)
            if isinstance(error, _ReferenceFailed):
                retryable = error.retryable
            else:
                self._outage.failed(error, time.monotonic() - begun)
                retryable = may_pass(error) or not _PASSING.isdisjoint(reasons_of(notes))
            self._failed[entry.image_id] = retryable
            action = STOPPED if STOPPED in reasons_of(notes) else failed
            return Outcome(entry.image_id, name, size, action, notes, retryable=retryable)
        if outcome.action == "present":
            self._outage.found()
        else:
            self._outage.worked()
        if failed == "failed":
            has = has_data(original.listed)
            tell_finished(outcome.action, original.listed, outcome.size if has else None, begun)
        return outcome

    def _copy(self, original: Original, advance: Advance) -> Outcome:
        image = original.image
        listed = self._listed(image)
        draft, found = self._draft_and_there(image, listed)
        judgement = judged(draft, found)
        if found is not None and judgement.state == "complete":
            # What is not complete is looked at again: the list may be hours old by now.
            self._keep_id(image, found)
            notes = judgement.notes + original.doubts("present")
            return _outcome(original, "present", found.image_id, notes)
        notes = self._find_references(image, reserve=True)
        missing = listed.clear and listed.record is None
        written = self._write(original, advance, missing)
        if written.action == "present":
            notes = ()
        notes += written.notes + original.doubts(written.action)
        return _outcome(original, written.action, written.image_id, notes)

    def _write(self, original: Original, advance: Advance, missing: bool) -> Written:
        members, data = original.members(), original.data(self._stop)
        if self._rate is not None and data is not None:
            data = self._rate.source(data, self._stop)
        try:
            return self._target.write(
                original.image,
                members,
                data,
                self._plan,
                advance=advance,
                stop=self._stop,
                missing=missing,
            )
        except ImageHasNoData as error:
            if data is not None or original.lack is None:
                raise
            raise ImageHasNoData(original.lack) from error

    def _foresee(self, original: Original, _advance: Advance) -> Outcome:
        image = original.image
        listed = self._listed(image)
        draft, found = self._draft_and_there(image, listed)
        if found is None and not listed.clear:
            self._find_references(image, tell=False)
            draft = self._target.draft(image, (), self._plan, strict=False)
            found = self._target.find(draft)
        judgement = judged(draft, found)
        action = _PLANNED[judgement.state]
        if found is not None and is_removed(draft, found, self._plan):
            return self._foresee_removal(original, draft, found)
        if found is not None and (reason := refusal(draft, found, judgement)):
            note = Note(reason, word_of(judgement))
            return _outcome(original, action, found.image_id, (note,))
        notes = judgement.notes
        if judgement.state == "missing" and not has_data(image):
            action = "record"
        if judgement.state in TO_BE_WRITTEN:
            notes = self._foresee_writing(original, found, brings=action == "copy")
        notes += original.doubts("copied" if action == "copy" else action)
        return _outcome(original, action, None if found is None else found.image_id, notes)

    def _foresee_removal(self, original: Original, draft: Draft, found: TargetImage) -> Outcome:
        """Return what would come of an image whose record there takes no data and is removed."""
        note = Note(removal(draft, found), "unusable")
        if not draft.new_id:
            return _outcome(original, "fail", found.image_id, (note,))
        notes = self._foresee_writing(original, None, brings=True)
        return _outcome(original, "copy", None, (note, *notes, *original.doubts("copied")))

    def _foresee_writing(
        self, original: Original, found: TargetImage | None, *, brings: bool
    ) -> tuple[str, ...]:
        """Return the notes on an image that is not all there yet.

        :param brings: whether its data is to be brought
        :raises ImageV1Error: if it cannot be brought, as it would be where it is tried
        """
        notes = self._find_references(original.image)
        draft = self._target.draft(original.image, original.members(), self._plan)
        if found is None and not draft.new_id:
            taken = self._target.is_taken(draft.image_id)
            if taken:
                raise IdUsedUp(draft)
            self.unclear += taken is None
        if brings:
            original.check()
            draft = self._looked_at(original, draft)
        if brings or found is None:
            self._target.quota.take(draft, self._target.rights, new=found is None)
        return notes + draft.notes

    def _looked_at(self, original: Original, draft: Draft) -> Draft:
        """Return the draft of an image with the format that the target takes its data for."""
        data = original.data(self._stop)
        return draft if data is None else self._target.looked_at(draft, data, self._plan)

    def _listed(self, image: ImageDetail) -> _Listed:
        return _Listed() if self._there is None else self._there.find(image.id)

    def _draft_and_there(
        self, image: ImageDetail, listed: _Listed
    ) -> tuple[Draft, TargetImage | None]:
        """Return an image as it is to be there, and what the list of the target has of it."""
        record = listed.record
        if record is not None:
            self._find_references(image, tell=False)
        # Members, which take a request, decide on nothing but whether it is shared or private.
        draft = self._target.draft(image, (), self._plan, strict=False)
        found = None if record is None else self._target.found(record)
        if found is not None and draft.new_id and judged(draft, found).state == "foreign":
            return draft, None
        return draft, found

    def _keep_id(self, image: ImageDetail, found: TargetImage) -> None:
        if found.image_id != image.id:
            self._plan.image_ids[image.id] = found.image_id

    def _not_tried(self, image: ImageDetail) -> Outcome:
        why = _SINCE[self._outage.why or "gone"]
        return Outcome(image.id, image.name, image.size, NOT_TRIED, (Note(why, "not-tried"),))

    def _find_references(
        self, image: ImageDetail, *, reserve: bool = False, tell: bool = True
    ) -> tuple[str, ...]:
        """Learn the new IDs of kernel and ramdisk; say which of them the target has not got.

        :param reserve: whether what another run is still to bring gets its ID now
        :param tell: whether the target is asked for those that keep their IDs, too
        :raises ImageV1Error: if one of them has failed
        """
        notes: list[str] = []
        for name in IMAGE_REFERENCES:
            other = image.properties.get(name)
            if not other or not is_uuid(other):
                # Of another value the name is changed, see :mod:`~osc_image_v1.migrate.renames`.
                continue
            shown = f"{name} {printable(other)}"
            if other in self._failed:
                text = f"its {shown} could not be copied"
                raise _ReferenceFailed(text, self._failed[other])
            if not self._is_settled(other) and (tell or self._plan.new_ids):
                self._find_reference(image, other, reserve)
            if other in self._not_copied:
                notes.append(Note(f"{shown} is not copied", "reference"))
        return tuple(notes)

    def _is_settled(self, other: str) -> bool:
        """Tell whether it is known what an image that another one names is in the target."""
        if other in self._not_copied:
            return True
        if self._plan.new_ids:
            return other in self._plan.image_ids
        return other in self._seen or other in self._there_before

    def _find_reference(self, image: ImageDetail, other: str, reserve: bool) -> None:
        """Learn what the target has of an image that another one names, and its new ID."""
        if not self._plan.new_ids:
            found = self._target.look(other)
            (self._not_copied if found is None else self._there_before).add(other, None)
            return
        named = self._source.image(other)
        if named is None:
            # Nothing tells what it was: what belongs to the same project as the image is trusted.
            owner = self._target.draft(image, (), self._plan, strict=False).owner
            found = self._target.copy_of(other, owner)
        else:
            draft = self._target.draft(named, (), self._plan, strict=False)
            found = self._target.find(draft)
        if found is not None:
            self._plan.image_ids[other] = found.image_id
        elif named is None or other not in self._seen or reason_to_skip(named) is not None:
            self._not_copied.add(other, None)
        elif reserve:
            # Another shard brings it.
            draft = self._target.draft(named, (), self._plan)
            self._plan.image_ids[other] = self._target.reserve(draft)


class _Listed(NamedTuple):
    """What a list of the target has of an image.

    :ivar clear: whether it tells: there is a list, and not several images of that kind in it
    :ivar record: of what there is, None where that is nothing or not clear
    """

    clear: bool = False
    record: Record | None = None


class _There:
    """What a list of the target has of the images, put aside.

    :param spool: where it is
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        # The ID there and where its record is; nothing where there are several.
        self._found = Shelf[list[Any]]()

    def add(self, image_id: str, found: TargetImage) -> None:
        """Put aside what there is of an image.

        :param image_id: the ID that the image has here
        :param found: what there is, perhaps not the only one
        """
        place = [found.image_id, self._spool.add(found.record)]
        if not self._found.add(image_id, place) and self._found[image_id][:1] != place[:1]:
            # Of several only a closer look tells which is the copy.
            self._found[image_id] = []

    def find(self, image_id: str) -> _Listed:
        """Return what there is of an image.

        :param image_id: the ID that the image has here
        """
        place = self._found.get(image_id)
        return _Listed(place != [], self._spool.read(place[1]) if place else None)


def _outcome(
    original: Original, action: str, new_id: str | None, notes: tuple[str, ...]
) -> Outcome:
    image = original.image
    renamed = () if new_id in (None, image.id) else (Note(f"as {new_id}", "id"),)
    all_notes = renamed + notes + original.notes
    return Outcome(image.id, image.name, image.size, action, all_notes, new_id)


def reason_to_skip(image: ImageDetail) -> Note | None:
    """Return why there is nothing to copy of an image, None where there is.

    :param image: the image
    """
    if image.status == models.QUEUED or has_data(image):
        return None
    status = str(image.status)
    text = _SKIPPED.get(status, f"its status is {printable(status)}")
    if is_being_deleted(image):
        text = "it is being deleted just now"
    return Note(text, "status")
