"""What has become of a request whose answer is lost."""

import threading

import pytest
import requests_mock as rm

from osc_image_v1.api import outcomes
from osc_image_v1.api.http import ServiceClient
from osc_image_v1.api.outcomes import Deletion, Done, NotDone, Passing, carry_out
from osc_image_v1.exceptions import (
    BadAnswer,
    Conflict,
    ConnectionFailed,
    ForeignAnswer,
    HttpError,
    ImageNotFound,
    ImageV1Error,
    ServerError,
    TransferStopped,
    UnknownOutcome,
    http_error,
)
from tests.unit.conftest import IMAGE_URL, adapter_at
from tests.unit.loopback import free_port

LOST = [
    ConnectionFailed("no answer"),
    http_error("No", 502),
    http_error("No", 503),
    http_error("No", 504, "Gateway Time-out"),
    ForeignAnswer("a page"),
]
REFUSED = [
    *(http_error("No", status, "", "req-1") for status in (300, 301, 400, 403, 404, 409, 413, 500)),
    http_error("No", 503, "", "req-1"),
    http_error("No", 400),
    http_error("No", 500),
    BadAnswer("the service redirects"),
]


def failing(error):
    def send():
        raise error

    return send


def in_turn(*verdicts):
    left = list(verdicts)

    def look():
        verdict = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    return look


def never():
    raise AssertionError("nothing is to be looked at")


def test_an_answer_is_the_end_of_it():
    assert carry_out(lambda: 5, never) == 5


@pytest.mark.parametrize("error", REFUSED, ids=repr)
def test_a_refusal_is_the_end_of_it(error):
    with pytest.raises(type(error)) as failure:
        carry_out(failing(error), never, unknown="look")
    assert failure.value is error


@pytest.mark.parametrize("error", LOST, ids=repr)
def test_what_was_done_is_done(error, naps, caplog):
    assert carry_out(failing(error), lambda: Done("made")) == "made"
    assert (naps, caplog.text) == ([], "")


def timed_out():
    error = ConnectionFailed("it took too long")
    error.__cause__ = TimeoutError()
    return error


LATE = [http_error("No", 504, "Gateway Time-out"), timed_out()]


@pytest.mark.parametrize("error", [error for error in LOST if "504" not in str(error)], ids=repr)
def test_what_was_not_done_is_the_lack_of_an_answer(error, naps):
    with pytest.raises(type(error)) as failure:
        carry_out(failing(error), NotDone)
    assert (failure.value, naps) == (error, [])


@pytest.mark.parametrize("error", LATE, ids=repr)
def test_what_may_be_late_is_waited_for(error, naps, caplog):
    verdicts = in_turn(NotDone(), NotDone(), Done("made"))
    assert carry_out(failing(error), verdicts) == "made"
    assert len(naps) == 2
    assert caplog.text.count("it is not done yet: waiting for that, 10 seconds at most") == 1


@pytest.mark.parametrize("error", LATE, ids=repr)
def test_what_may_be_late_is_never_called_undone(error, naps):
    with pytest.raises(UnknownOutcome) as failure:
        carry_out(failing(error), NotDone, unknown="look there")
    assert str(failure.value) == (
        f"{error}; it was not done 10 seconds later, and may be done yet; look there"
    )
    assert sum(naps) >= outcomes.SHORT_PATIENCE


@pytest.mark.parametrize("error", LATE, ids=repr)
def test_what_the_look_knows_is_not_waited_for(error, naps):
    wrong = BadAnswer("it has another name")
    with pytest.raises(BadAnswer, match="another name"):
        carry_out(failing(error), lambda: NotDone(wrong))
    assert naps == []


def test_what_the_look_shows_comes_first():
    wrong = BadAnswer("it has another name")
    with pytest.raises(BadAnswer, match="another name"):
        carry_out(failing(LOST[0]), lambda: NotDone(wrong))


def test_waiting_is_told_once(naps, caplog):
    look = in_turn(*[Passing("image 1 is saving")] * 3, Done(3))
    assert carry_out(failing(LOST[3]), look) == 3
    assert naps == [0.5, 0.75, 1.125]
    (record,) = caplog.records
    assert record.getMessage() == (
        "No: Gateway Time-out (HTTP 504); image 1 is saving: waiting for that, 300 seconds at most"
    )


def test_waiting_goes_on_while_the_service_is_out_of_reach(naps):
    look = in_turn(Passing("it is saving"), ConnectionFailed("gone"), Done(3))
    assert carry_out(failing(LOST[0]), look) == 3


def test_waiting_ends(naps):
    with pytest.raises(UnknownOutcome) as failure:
        carry_out(failing(LOST[0]), lambda: Passing("it is saving"), unknown="look at it")
    assert str(failure.value) == "no answer; it is saving after 300 seconds; look at it"
    assert sum(naps) >= outcomes.PATIENCE
    assert max(naps) == 10


def test_what_may_not_have_begun_is_not_done_in_the_end(naps):
    passing = Passing("it is queued", 2, NotDone())
    with pytest.raises(ConnectionFailed, match=r"^no answer$"):
        carry_out(failing(LOST[0]), lambda: passing)
    assert sum(naps) >= 2


def test_waiting_is_stopped(naps):
    stop = threading.Event()
    stop.set()
    with pytest.raises(TransferStopped, match="no answer; it is saving, and the waiting"):
        carry_out(failing(LOST[0]), lambda: Passing("it is saving"), stop=stop)
    assert naps == []


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ConnectionFailed("nothing"), ""),
        (http_error("Cannot show", 403, "no", "r"), " (Cannot show: no (HTTP 403, request r))"),
    ],
)
def test_nobody_can_tell(failure, said):
    with pytest.raises(UnknownOutcome) as unknown:
        carry_out(failing(LOST[0]), failing(failure), unknown="look with 'show'")
    text = "no answer; whether it was done is not known; look with 'show'"
    assert str(unknown.value) == text + said


def test_what_was_never_sent_is_not_looked_up():
    http = ServiceClient(adapter_at(f"http://127.0.0.1:{free_port()}"), "v1")
    with pytest.raises(ConnectionFailed, match="refused") as failure:
        carry_out(lambda: http.request("PUT", "/images/a", "Cannot change it"), never)
    assert not isinstance(failure.value, UnknownOutcome)


class TestTakeEmpty:
    def taken(self, **answer):
        http = ServiceClient(adapter_at(IMAGE_URL), "v1")
        with rm.Mocker() as mock:
            mock.delete(f"{IMAGE_URL}/v1/images/a", **answer)
            response = http.request("DELETE", "/images/a", "Cannot delete", ok=(200, 204))
            outcomes.take_empty(http, response, "Cannot delete")

    @pytest.mark.parametrize(
        "answer",
        [
            {"status_code": 204, "headers": {"X-Compute-Request-Id": "req-1"}},
            {"headers": {"X-Openstack-Request-Id": "req-1", "Content-Type": "text/html"}},
            {"text": "fine", "headers": {"X-Openstack-Request-Id": "req-1"}},
        ],
    )
    def test_an_answer_of_the_service(self, answer):
        self.taken(**answer)

    @pytest.mark.parametrize("status", [200, 204])
    def test_nothing_at_all_from_nobody(self, status):
        with pytest.raises(ForeignAnswer, match=rf"no request ID, so .* \(HTTP {status}\)"):
            self.taken(status_code=status, headers={"Content-Type": "text/html"})

    @pytest.mark.parametrize("text", ["{}", '{"ok": true}', " [1]"])
    def test_json_from_nobody(self, text):
        with pytest.raises(ForeignAnswer, match="not the service's"):
            self.taken(text=text, headers={"Content-Type": "application/json"})

    def test_a_page(self):
        page = {"text": "<html>Log in", "headers": {"Content-Type": "text/\x1b[2Jhtml"}}
        with pytest.raises(ForeignAnswer) as failure:
            self.taken(**page)
        assert str(failure.value) == (
            "Cannot delete: the answer is not the service's but a page of something in front of it "
            "(HTTP 200, text/\\x1b[2Jhtml)"
        )


class TestDeletion:
    def run(self, *seen, error=LOST[0], linger=False):
        look = in_turn(*seen)
        outcomes.delete(failing(error), Deletion("1\x1b", look, linger))

    @pytest.mark.parametrize(
        "seen",
        [
            [ImageNotFound("no")],
            [http_error("no", 404)],
            [("deleted", True)],
            [("pending_delete", False)],
            [("deleted", False), ("deleted", None), ImageNotFound("no")],
        ],
    )
    def test_gone(self, seen):
        self.run(*seen)

    def test_still_there(self, naps):
        with pytest.raises(ConnectionFailed, match=r"^no answer$"):
            self.run(("active", False))
        assert naps == []

    def test_shown_as_before_while_its_data_goes(self, naps):
        self.run(("active", None), ImageNotFound("no"), linger=True)
        assert naps == [0.5]
        with pytest.raises(ConnectionFailed, match=r"^no answer$"):
            self.run(("active", None), linger=True)

    def test_put_back(self):
        with pytest.raises(ImageV1Error) as failure:
            self.run(("deleted", False), ("active", False))
        assert str(failure.value) == (
            "Cannot delete image 1\\x1b: the service has put it back, it is active again; its data "
            "may be gone in part now: delete it again"
        )

    def test_deleted_and_never_gone(self):
        with pytest.raises(UnknownOutcome, match=r"is being deleted after 300 seconds"):
            self.run(("deleted", False))

    def test_a_failure_of_the_service_may_leave_a_part(self):
        with pytest.raises(ServerError, match=r"gone in part now: delete it again$") as failure:
            self.run(error=http_error("Cannot", 500, "Oops", "req-1"))
        assert isinstance(failure.value, HttpError)
        with pytest.raises(Conflict, match=r"request req-1\)$"):
            self.run(error=http_error("Cannot", 409, "In use", "req-1"))
