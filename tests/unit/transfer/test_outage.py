from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from osc_image_v1.api.errors import said_of
from osc_image_v1.exceptions import (
    ConnectionFailed,
    ContentMismatch,
    FileFailed,
    FileInTheWay,
    ForeignAnswer,
    ImageHasNoData,
    ImageV1Error,
    InvalidInput,
    NotStored,
    TargetOccupied,
    TlsFailed,
    UnknownOutcome,
    http_error,
)
from osc_image_v1.transfer.download import AnswerBrokeOff, EndsEarly
from osc_image_v1.transfer.files import file_errors
from osc_image_v1.transfer.outage import Outage, may_pass

NGINX = b"<h1>413 Request Entity Too Large</h1><hr><center>nginx</center>"
OVER_A_LIMIT = [
    http_error("x", 413, said_of(NGINX, 413, {"Content-Type": "text/html"}, None)),
    http_error("x", 413, "The incoming image is too large: The provided image is too large.", "r"),
    http_error("x", 413, "Denying attempt to upload image larger than 5 bytes.", "r"),
]
GONE = [ConnectionFailed("x"), TlsFailed("x"), http_error("x", 503), http_error("x", 502, "", "r")]


def wrapped(error: ImageV1Error, kind: type[ImageV1Error] = ImageV1Error) -> ImageV1Error:
    around = kind("around it")
    around.__cause__ = error
    return around


class Probe:
    """A service that answers as it is told to, and counts how often it was asked."""

    def __init__(self, error: ImageV1Error | None = None) -> None:
        self.error = error
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


def tried(outage: Outage, error: ImageV1Error, seconds: float = 0.0, count: int = 1000) -> int:
    """How many of so many images are tried, where each fails."""
    number = -1
    for number in outage.until(range(count)):
        outage.failed(error if number % 2 else wrapped(error), seconds)
    return number + 1


@pytest.mark.parametrize("error", GONE)
def test_a_service_that_is_gone(error: ImageV1Error) -> None:
    probe = Probe(error)
    outage = Outage(3, [Probe(), probe])
    assert tried(outage, error) == 10
    assert (outage.why, probe.asked) == ("gone", 1)
    # What was under way may still come to its end.
    outage.worked()
    assert outage.certain


def test_many_at_a_time_may_meet_one_short_silence() -> None:
    assert tried(Outage(8), ConnectionFailed("x")) == 16


@pytest.mark.parametrize("error", GONE)
@pytest.mark.parametrize("answer", [None, http_error("x", 404), http_error("x", 400)])
def test_a_service_that_answers_something_small(
    error: ImageV1Error, answer: ImageV1Error | None
) -> None:
    probe = Probe(answer)
    outage = Outage(3, [probe])
    assert tried(outage, error) == 1000
    assert (outage.why, probe.asked) == (None, 100)


@pytest.mark.parametrize("error", [http_error("x", 401), wrapped(http_error("x", 401))])
def test_a_token_that_is_not_taken(error: ImageV1Error) -> None:
    outage = Outage(4, [Probe(error)])
    assert tried(outage, error) == 3
    assert outage.why == "unknown"
    assert tried(Outage(4), error) == 3


@pytest.mark.parametrize(
    "error",
    [
        ContentMismatch("x"),
        EndsEarly("x"),
        http_error("x", 404),
        wrapped(http_error("x", 403), ImageHasNoData),
    ],
)
def test_images_that_fail_for_themselves(error: ImageV1Error) -> None:
    outage = Outage(3, [Probe(ConnectionFailed("x"))])
    assert tried(outage, ConnectionFailed("x"), count=9) == 9
    outage.failed(error)
    assert tried(outage, ConnectionFailed("x"), count=9) == 9
    outage.worked()
    assert tried(outage, error, 60) == 1000


def test_an_answer_that_began_shows_that_the_service_is_there() -> None:
    probe = Probe(ConnectionFailed("x"))
    outage = Outage(3, [probe])
    error = AnswerBrokeOff("x")
    error.__cause__ = ConnectionFailed("x")
    assert tried(outage, error) == 1000
    assert probe.asked == 0


@pytest.mark.parametrize("error", [http_error("x", 500), AnswerBrokeOff("x"), http_error("x", 504)])
def test_failures_that_take_long_are_not_waited_for(error: ImageV1Error) -> None:
    """A store that is down answers with 500 after half a minute; lost data does at once."""
    outage = Outage(3, [Probe()])
    assert tried(outage, error, 31) == 10
    assert outage.why == "failing"
    assert tried(Outage(3, [Probe()]), error, 0.1) == 1000


def test_a_success_shows_that_the_store_is_there() -> None:
    outage = Outage(3, [Probe()])
    for _ in range(10):
        assert tried(outage, http_error("x", 500), 31, count=9) == 9
        outage.worked()


@pytest.mark.parametrize("said", ["Over your quota", "There is not enough disk space", ""])
def test_a_target_without_room(said: str) -> None:
    outage = Outage(1, [Probe()])
    assert not outage.tight
    assert tried(outage, wrapped(http_error("x", 413, said))) == 3
    assert (outage.why, outage.tight) == ("full", True)


@pytest.mark.parametrize(("parallel", "count"), [(2, 4), (4, 4), (8, 5), (64, 19)])
def test_the_largest_images_may_all_be_refused_at_once(parallel: int, count: int) -> None:
    assert tried(Outage(parallel, [Probe()]), http_error("x", 413)) == count


@pytest.mark.parametrize("error", OVER_A_LIMIT)
def test_what_is_over_a_limit_is_to_blame_where_others_go_through(error: ImageV1Error) -> None:
    outage = Outage(1, [Probe()])
    assert tried(outage, error) == 3
    assert (outage.why, outage.tight) == ("limited", True)
    for told in (Outage.worked, Outage.found):
        outage = Outage(1, [Probe()])
        told(outage)
        assert tried(outage, error) == 1000
        assert (outage.why, outage.tight) == (None, True)
    assert not may_pass(error)
    error.retry_after = "1"  # type: ignore[attr-defined]
    assert may_pass(error)


def test_a_success_shows_that_there_is_room() -> None:
    outage = Outage(3, [Probe()])
    for _ in range(10):
        assert tried(outage, http_error("x", 413), count=2) == 2
        outage.worked()


@pytest.mark.parametrize(
    "said",
    [
        "The limit has been exceeded on the number of allowed image properties.",
        "The limit has been exceeded on the number of allowed image tags.",
        "The limit has been exceeded on the number of allowed image members",
    ],
)
def test_too_much_metadata_is_the_images_own(said: str) -> None:
    assert tried(Outage(3, [Probe()]), http_error("x", 413, said)) == 1000


@pytest.mark.parametrize(("number", "count"), [(errno.ENOSPC, 3), (errno.EIO, 1000)])
def test_a_disk_that_is_full(number: int, count: int, tmp_path: Path) -> None:
    with pytest.raises(FileFailed) as raised, file_errors("write", tmp_path):
        raise OSError(number, os.strerror(number))
    assert tried(Outage(1, [Probe()]), raised.value) == count


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ContentMismatch("x"), False),
        (EndsEarly("x"), False),
        (ImageHasNoData("x"), False),
        (InvalidInput("x"), False),
        (TargetOccupied("x"), False),
        (NotStored("x"), False),
        (http_error("x", 400), False),
        (http_error("x", 403), False),
        (http_error("x", 404), False),
        (http_error("x", 413, "too many properties", "r"), False),
        (http_error("x", 408), True),
        (http_error("x", 429), True),
        (http_error("x", 401), True),
        (http_error("x", 403, "Read-only access"), True),
        (http_error("x", 413, "", "r"), True),
        (http_error("x", 500, "", "r"), True),
        (http_error("x", 504), True),
        (ForeignAnswer("x"), True),
        (AnswerBrokeOff("x"), True),
        (UnknownOutcome("x"), True),
        (FileFailed("in use"), True),
        (FileInTheWay("a directory"), False),
        (ImageV1Error("nobody knows why"), True),
    ],
    ids=repr,
)
def test_what_may_be_over_in_another_run(error: ImageV1Error, passes: bool) -> None:
    assert may_pass(error) == may_pass(wrapped(error)) == passes


@pytest.mark.parametrize(
    ("number", "passes"),
    [(errno.ENOENT, False), (errno.ENOSPC, True), (errno.EIO, True)],
)
def test_files_that_may_be_right_in_another_run(number: int, passes: bool) -> None:
    with pytest.raises(FileFailed) as raised, file_errors("open", Path("x")):
        raise OSError(number, os.strerror(number))
    assert may_pass(raised.value) == passes


def test_what_came_of_waiting_does_not_hide_what_is_wrong() -> None:
    damaged = EndsEarly("x")
    damaged.__context__ = ConnectionFailed("it broke off")
    assert not may_pass(damaged)
