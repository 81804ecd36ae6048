"""What is said of an image on its way into another service, with a word for machines."""

from __future__ import annotations

from collections.abc import Iterable

from osc_image_v1.exceptions import (
    BadAnswer,
    ConnectionFailed,
    ContentMismatch,
    FileFailed,
    FormatRefused,
    HttpError,
    ImageHasNoData,
    ImageNotFound,
    InvalidInput,
    TargetOccupied,
    TransferStopped,
    causes,
)


class Note(str):
    """A clause for a person.

    :param text: the clause
    :param reason: what it is about, in a word that never changes: ``owner``, ``quota``...
    """

    reason: str

    def __new__(cls, text: str, reason: str) -> Note:  # noqa: D102 (the class says it)
        note = super().__new__(cls, text)
        note.reason = reason
        return note


class Foreseen(InvalidInput):
    """The target would refuse an image, so nothing of it is sent.

    :param notes: why, each a clause
    """

    def __init__(self, notes: Iterable[Note]) -> None:
        self.notes = tuple(notes)
        super().__init__("; ".join(self.notes))


#: The word for what was ended before its time: the next run goes on with it.
STOPPED = "stopped"

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ContentMismatch, "damaged"),
    (FormatRefused, "format"),
    (ImageHasNoData, "no-data"),
    (ImageNotFound, "gone"),
    (TargetOccupied, "id-taken"),
    (FileFailed, "file"),
    (TransferStopped, STOPPED),
    (ConnectionFailed, "connection"),
    (BadAnswer, "bad-answer"),
    (InvalidInput, "not-possible"),
)


def reasons_of(notes: Iterable[str]) -> tuple[str, ...]:
    """Return the words of notes that have one, each once."""
    return tuple(dict.fromkeys(note.reason for note in notes if isinstance(note, Note)))


def notes_of(error: BaseException) -> tuple[Note, ...]:
    """Return what is said of an image that failed.

    :param error: what failed
    """
    if isinstance(error, Foreseen):
        return error.notes
    return (Note(str(error), _reason_of(error)),)


def _reason_of(error: BaseException) -> str:
    for cause in causes(error):
        if isinstance(cause, HttpError):
            return f"http-{cause.status}"
        reason: str | None = getattr(cause, "reason", None)
        for kind, word in _REASONS:
            if isinstance(cause, kind):
                return reason or word
    return "other"
