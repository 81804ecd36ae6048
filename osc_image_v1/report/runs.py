"""What came of a run of many images, written down for whoever reads it later.

A file of JSON lines has what the run was to do, then one object an image as soon as it is known
what came of it, then a summary; whatever ends a run, what is done until then is there. A page is
made of the same when the run has ended.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from osc_image_v1.api.records import Record, format_time, int_or_none, mapping, text_or_none
from osc_image_v1.exceptions import FileFailed, InvalidInput
from osc_image_v1.migrate.drafts import Plan
from osc_image_v1.migrate.job import NOT_TRIED, Outcome
from osc_image_v1.migrate.notes import STOPPED
from osc_image_v1.text import printable
from osc_image_v1.transfer.files import file_errors, open_regular, shown, write_all
from osc_image_v1.transfer.shelf import Shelf

LOG = logging.getLogger(__name__)

#: What the first line of each run says that it is, and the newest version that is read.
FORMAT = "osc-image-v1 report"
VERSION = 1
_PAGES = (".html", ".htm")
# What the next run goes on with.
_LEFT = (NOT_TRIED, STOPPED)
_NOT_COPIED = ("failed", "fail", "skipped", "skip", "wait", *_LEFT)
_LONGEST_LINE = 16 * 2**20


def now() -> str:
    """Return the time, as the lines have it."""
    return format_time(datetime.now(timezone.utc).replace(microsecond=0))


def head_of(plan: Plan, **details: Any) -> Record:
    """Return the first line of a run.

    :param plan: how images were to be written
    :param details: whatever else is to be known: ``command``, ``cloud``, ``api``, ``dry_run``
    """
    return {
        "kind": "plan",
        "format": FORMAT,
        "version": VERSION,
        "at": now(),
        **details,
        "new_ids": plan.new_ids,
        "visibility": plan.visibility,
        "accept_members": plan.accept_members,
        "projects": dict(plan.projects),
        "keep_projects": plan.keep_projects,
        "allowed": sorted(plan.allowed),
    }


def line_of(outcome: Outcome) -> Record:
    """Return the line of an image.

    :param outcome: what came of it
    """
    return {
        "kind": "image",
        "id": outcome.image_id,
        "name": outcome.name,
        "size": outcome.size,
        "action": outcome.action,
        "failed": outcome.failed,
        "retryable": outcome.retryable,
        "target_id": outcome.target_id,
        "reasons": list(outcome.reasons),
        "notes": list(map(str, outcome.notes)),
        "at": now(),
    }


@dataclass
class Tally:
    """Counts what came of images.

    :ivar images: how many, by action
    :ivar sizes: their bytes, by action
    :ivar failed: how many failed
    :ivar retryable: how many of those another run may bring
    :ivar left: how many the next run goes on with, of those that were counted
    """

    images: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    retryable: int = 0
    left: int = 0

    def add(self, outcome: Outcome) -> None:
        """Count an image."""
        self.images[outcome.action] += 1
        self.sizes[outcome.action] += outcome.size or 0
        self.failed += outcome.failed
        self.retryable += outcome.failed and outcome.retryable
        self.left += outcome.action in _LEFT

    def summary(self, total: int, *, interrupted: bool, why: str | None, unclear: int) -> Record:
        """Return the last line of a run.

        :param total: how many images there were to be
        :param interrupted: whether it was ended before its time
        :param why: why images were not tried, None where all were
        :param unclear: how many images have IDs of which nobody can tell whether they are used up
        """
        done = self.images.total() - self.left
        return {
            "kind": "summary",
            "at": now(),
            "images": dict(sorted(self.images.items())),
            "bytes": dict(sorted(self.sizes.items())),
            "failed": self.failed,
            "retryable": self.retryable,
            "left": max(0, total - done),
            "why_left": why,
            "interrupted": interrupted,
            "ids_unclear": unclear,
        }


class Report(Protocol):
    """A file that tells of a run."""

    def begin(self, head: Record) -> None:
        """Begin with what the run is to do."""

    def add(self, line: Record) -> None:
        """Add an image."""

    def end(self, summary: Record) -> None:
        """End with the summary."""


class Lines:
    """A report of JSON lines; what the file has from earlier runs stays before it.

    :param path: the file
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def begin(self, head: Record) -> None:
        """Write what the run is to do."""
        self._fd = open_regular(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        with file_errors("write", self._path):
            size = os.fstat(self._fd).st_size
            # An earlier run may have been killed within a line.
            cut = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"
        self._write(head, b"\n" if cut else b"")

    def add(self, line: Record) -> None:
        """Write what came of an image."""
        self._write(line)

    def end(self, summary: Record) -> None:
        """Write the summary."""
        self._write(summary)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self, line: Record, before: bytes = b"") -> None:
        fd = self._fd
        if fd is None:
            return
        with file_errors("write", self._path):
            write_all(lambda rest: os.write(fd, rest), before + json.dumps(line).encode() + b"\n")


class Reports:
    """The reports of a run.

    What cannot be written does not keep the images: it is told, and known at the end.

    :param paths: files; one whose name ends in ``.html`` becomes a page
    :raises InvalidInput: if a page cannot be made here, or a name is that of no file
    :raises FileFailed: if a file cannot be written
    :ivar failed: whether one of them could not be written
    """

    def __init__(self, paths: Sequence[str] = ()) -> None:
        self.failed = False
        self._reports: list[Report] = []
        for path in map(Path, dict.fromkeys(paths)):
            if str(path) == "-":
                raise InvalidInput("A report is written to a file: '-' is the name of none here")
            _check(path)
            self._reports.append(_report(path))

    def begin(self, head: Record) -> None:
        """Tell what the run is to do."""
        for report in self._reports:
            report.begin(head)

    def add(self, outcome: Outcome) -> None:
        """Tell what came of an image."""
        if self._reports:
            line = line_of(outcome)
            self._each(lambda report: report.add(line))

    def end(self, summary: Record) -> None:
        """Tell how it ended."""
        self._each(lambda report: report.end(summary))

    def _each(self, write: Any) -> None:
        for report in list(self._reports):
            try:
                write(report)
            except FileFailed as error:
                LOG.error("%s", error)
                self.failed = True
                self._reports.remove(report)


def _report(path: Path) -> Report:
    if path.suffix.lower() not in _PAGES:
        return Lines(path)
    from osc_image_v1.report.page import Page

    return Page(path)


def _check(path: Path) -> None:
    """Refuse what cannot become a report."""
    with file_errors("write", path):
        if path.is_dir():
            raise FileFailed(f"Cannot write {shown(path)}: it is a directory")
        if not path.parent.is_dir():
            raise FileFailed(f"Cannot write {shown(path)}: its directory is not there")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            why = "you may not, or the file system is read-only"
            raise FileFailed(f"Cannot write {shown(path)}: {why}")


@dataclass
class PastRuns:
    """What a report of JSON lines tells.

    :ivar head: what the last of its runs was to do
    :ivar images: the last line of each image, by its ID here
    """

    head: Mapping[str, Any]
    images: Mapping[str, Record]

    @property
    def api(self) -> str:
        """The Image API that was written to, ``v2`` or ``v1``."""
        return "v1" if self.head.get("api") == "v1" else "v2"

    def plan(self) -> Plan:
        """Return how the images were to be written."""
        head = self.head
        visibility: Any = text_or_none(head.get("visibility"))
        return Plan(
            new_ids=head.get("new_ids") is True,
            visibility=visibility,
            accept_members=head.get("accept_members") is True,
            projects={str(old): str(new) for old, new in mapping(head.get("projects")).items()},
            keep_projects=head.get("keep_projects") is True,
        )

    def target_id(self, image_id: str) -> str | None:
        """Return the ID that an image has in the target, None where the runs do not tell."""
        return text_or_none(self.images.get(image_id, {}).get("target_id"))

    def failure(self, image_id: str) -> tuple[str, ...]:
        """Return why an image was not copied, nothing where it was or the runs do not tell."""
        line = self.images.get(image_id, {})
        if line.get("action") not in _NOT_COPIED:
            return ()
        notes = line.get("notes")
        told = [printable(note) for note in notes] if isinstance(notes, list) else []
        return tuple(told) or (str(line["action"]),)


def read_runs(path: Path) -> PastRuns:
    """Return what a report of JSON lines tells.

    :param path: the file
    :raises InvalidInput: if it is none
    :raises FileFailed: if it cannot be read
    """
    head: Record | None = None
    images = Shelf[Record]()
    unreadable = 0
    for line in _lines(path):
        if line is None:
            unreadable += 1
        elif line.get("kind") == "plan":
            head = _checked_head(line, path)
        elif head is None and line:
            break
        elif line.get("kind") == "image" and isinstance(line.get("id"), str):
            images[line["id"]] = line
    if head is None:
        raise InvalidInput(
            f"{shown(path)} is no report of JSON lines: name one that 'image v1 copy' or 'image v1 "
            "import' has written with --report"
        )
    if unreadable:
        LOG.warning(
            "Lines of %s that cannot be read, of images of which it does not tell then: %d (a run "
            "that was killed leaves the half of one)",
            shown(path),
            unreadable,
        )
    return PastRuns(head, images)


def _checked_head(line: Record, path: Path) -> Record:
    version = int_or_none(line.get("version"))
    if line.get("format") != FORMAT or version is None:
        raise InvalidInput(f"{shown(path)} is no report of 'image v1 copy' or 'image v1 import'")
    if version > VERSION:
        raise InvalidInput(
            f"{shown(path)} is of version {version}, this release knows version {VERSION}: use a "
            "newer release"
        )
    return line


def _lines(path: Path) -> Iterator[Record | None]:
    """Yield the lines, None for each that is no object; empty ones are left out."""
    with file_errors("read", path), path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            try:
                document = json.loads(line) if line.strip() else {}
            except (ValueError, RecursionError):
                document = None
            yield document if isinstance(document, dict) else None
