"""Downloads: to a file and to a stream, mended, resumed, verified."""

import contextlib
import hashlib
import io
import os
import random
import threading
from types import SimpleNamespace

import pytest

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.exceptions import (
    ApiNotAvailable,
    BadAnswer,
    BadRequest,
    ConnectionFailed,
    ContentMismatch,
    FileFailed,
    Forbidden,
    HttpError,
    ImageHasNoData,
    NotFound,
    ServerError,
    TransferStopped,
)
from osc_image_v1.transfer.digests import Digests
from osc_image_v1.transfer.download import AnswerBrokeOff, Download, EndsEarly
from osc_image_v1.transfer.rate import Rate
from tests.unit.conftest import image_id

ID = image_id(1)
DATA = random.Random(1).randbytes(3 * 2**20)
SIZE = len(DATA)
MD5 = hashlib.md5(DATA).hexdigest()
SHA256 = hashlib.sha256(DATA).hexdigest()
BROKEN = ConnectionFailed("broken off")
NO_V2 = ApiNotAvailable("no v2")
PIECE = 2**20
NO_RANGE = BadRequest("Getting images randomly from this store is not supported", 400)


def chained(error, cause):
    error = type(error)(*error.args)
    error.__cause__ = cause
    return error


def record(**fields):
    return ImageDetail(
        **{"id": ID, "size": len(DATA), "checksum": MD5, "status": "active", **fields}
    )


class Answer:
    """Data from a byte on, in pieces, up to a byte where it breaks off."""

    def __init__(self, start=0, upto=None, content=DATA, size=SIZE, error=BROKEN):
        self.start = start
        self.size = size
        self.closed = False
        self._content = content[start:upto]
        self._error = error if upto is not None else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.closed = True

    def chunks(self):
        for at in range(0, len(self._content), PIECE):
            yield self._content[at : at + PIECE]
        if self._error:
            raise self._error


class Client:
    """Gives answers in order, and notes what was asked."""

    def __init__(self, *answers, attempts=4):
        self.http = SimpleNamespace(retry=RetryPolicy(attempts))
        self.asked = []
        self.answers = list(answers)
        self.given = []

    def data(self, image_id):
        assert image_id == ID
        return self._next("data")

    def rest_of_data(self, image, start):
        assert image.id == ID
        return self._next(start)

    def _next(self, asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.given.append(answer)
        return answer


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    monkeypatch.setattr(RetryPolicy, "wait", lambda *arguments: 0.0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "x"


def save(client, target, image=None, keep_partial=False, clobber=True, **options):
    download = Download(client, image or record(), **options)
    return download.to_file(target, keep_partial=keep_partial, clobber=clobber)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


class TestFile:
    def test_saved(self, target, tmp_path):
        client = Client(Answer())
        advanced = []
        saved = save(client, target, advance=advanced.append)
        assert (saved.path, saved.size, saved.md5, saved.sha256) == (target, len(DATA), MD5, None)
        assert saved.verified
        assert target.read_bytes() == DATA
        assert names(tmp_path) == ["x"]
        assert sum(advanced) == len(DATA)
        assert client.given[0].closed

    def test_no_faster_than_allowed(self, target, clock):
        """What comes a second time counts, too: it goes over the line."""
        client = Client(Answer(upto=2 * PIECE), NO_V2, Answer())
        save(client, target, rate=Rate(PIECE, clock), stop=clock)
        assert clock.now == 5

    def test_waiting_ends_at_once(self, target, clock):
        clock.set()
        with pytest.raises(TransferStopped):
            save(Client(Answer()), target, rate=Rate(1, clock), stop=clock)
        assert clock.now == 0

    @pytest.mark.parametrize(("form", "fits"), [("raw", True), ("qcow2", False)])
    def test_zeros_may_take_no_room(self, target, form, fits, monkeypatch):
        free = SimpleNamespace(f_frsize=1, f_bavail=SIZE - 1, f_blocks=1)
        monkeypatch.setattr(os, "fstatvfs", lambda _fd: free)
        for sparse in (True, False):
            download = Download(Client(Answer()), record(disk_format=form))
            refused = pytest.raises(FileFailed, match=f"needs {SIZE} more bytes")
            with contextlib.nullcontext() if fits and sparse else refused:
                download.to_file(target, sparse=sparse)

    def test_sha256(self, target):
        assert save(Client(Answer()), target, sha256=True).sha256 == SHA256

    def test_no_checksum(self, target):
        saved = save(Client(Answer()), target, record(checksum=None))
        assert (saved.sha256, saved.verified) == (SHA256, False)

    def test_empty(self, target):
        client = Client()
        saved = save(client, target, record(size=0, checksum=hashlib.md5(b"").hexdigest()))
        assert (saved.size, saved.verified, saved.doubt) == (0, True, "")
        assert target.read_bytes() == b""
        assert client.asked == []

    @pytest.mark.parametrize("content", [b"", b"all the same"])
    def test_not_proven_to_be_empty(self, target, content):
        client = Client(Answer(content=content, size=len(content)))
        saved = save(client, target, record(size=0, checksum=None))
        assert (saved.size, saved.verified) == (len(content), False)
        assert saved.doubt.startswith("The service says that this image has 0 bytes, and has no")
        assert target.read_bytes() == content

    def test_other_algorithms(self, target):
        digest = hashlib.sha512(DATA).hexdigest()
        assert save(Client(Answer()), target, record(checksum=digest.upper())).verified
        with pytest.raises(ContentMismatch, match="the data's SHA512 is"):
            save(Client(Answer()), target, record(checksum="0" * 128))

    def test_an_unknown_algorithm(self, target):
        saved = save(Client(Answer()), target, record(checksum="crc32:0"))
        assert (saved.verified, saved.sha256) == (False, SHA256)
        assert saved.doubt == "The checksum of this image, crc32:0, is of no known algorithm"

    def test_size_unknown(self, target):
        saved = save(Client(Answer(size=None)), target, record(size=None))
        assert (saved.size, saved.verified) == (len(DATA), True)

    @pytest.mark.parametrize("status", ["queued", "saving", "killed", "deleted"])
    def test_no_data(self, target, tmp_path, status):
        client = Client()
        with pytest.raises(ImageHasNoData, match=f"is {status}: "):
            save(client, target, record(status=status))
        assert client.asked == []
        assert names(tmp_path) == []

    def test_unknown_status(self, target):
        assert save(Client(Answer()), target, record(status=None)).verified

    def test_no_clobber(self, target):
        target.write_bytes(b"before")
        client = Client()
        with pytest.raises(FileFailed, match="no-clobber"):
            save(client, target, clobber=False)
        assert client.asked == []
        assert target.read_bytes() == b"before"

    def test_no_space(self, target, tmp_path):
        client = Client()
        with pytest.raises(FileFailed, match="are free"):
            save(client, target, record(size=2**62, disk_format="qcow2"))
        assert client.asked == []
        assert names(tmp_path) == []

    def test_not_found(self, target, tmp_path):
        with pytest.raises(NotFound):
            save(Client(NotFound("gone", 404)), target)
        assert names(tmp_path) == []


class TestMismatch:
    @pytest.mark.parametrize("keep", [False, True])
    def test_md5(self, target, tmp_path, keep):
        altered = DATA[:-1] + b"?"
        with pytest.raises(ContentMismatch, match="MD5"):
            save(Client(Answer(content=altered)), target, keep_partial=keep)
        assert names(tmp_path) == (["x.osc-image-v1.part"] if keep else [])

    def test_announced_size(self, target, tmp_path):
        client = Client(Answer(content=DATA[:5], size=5))
        with pytest.raises(ContentMismatch, match="sends 5 bytes"):
            save(client, target)
        assert client.given[0].closed
        assert names(tmp_path) == []

    def test_announced_size_but_kept(self, target, tmp_path):
        with pytest.raises(ContentMismatch, match="5 bytes came"):
            save(Client(Answer(content=DATA[:5], size=5)), target, keep_partial=True)
        assert (tmp_path / "x.osc-image-v1.part").read_bytes() == DATA[:5]

    @pytest.mark.parametrize("size", [None, len(DATA)])
    def test_too_long(self, target, size):
        with pytest.raises(ContentMismatch, match="more than"):
            save(Client(Answer(content=DATA + b"more", size=size)), target)

    def test_too_short(self, target):
        with pytest.raises(ContentMismatch, match="5 bytes came"):
            save(Client(Answer(content=DATA[:5], size=None)), target)


class TestInterruption:
    def test_goes_on(self, target):
        client = Client(Answer(upto=2 * PIECE), Answer(start=2 * PIECE))
        advanced = []
        assert save(client, target, advance=advanced.append).verified
        assert client.asked == ["data", 2 * PIECE]
        assert sum(advanced) == len(DATA)
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("error", [NO_V2, BadAnswer("odd"), NotFound("none", 404)])
    def test_all_of_it_again(self, target, error):
        client = Client(Answer(upto=PIECE + 5), error, Answer())
        assert save(client, target).verified
        assert client.asked == ["data", PIECE + 5, "data"]
        assert target.read_bytes() == DATA

    def test_v2_sends_all_of_it(self, target):
        client = Client(Answer(upto=PIECE + 5), Answer(start=0))
        assert save(client, target).verified
        assert target.read_bytes() == DATA

    def test_before_the_first_byte(self, target):
        client = Client(Answer(upto=0), Answer())
        assert save(client, target).verified
        assert client.asked == ["data", "data"]

    def test_as_often_as_the_policy_says(self, target, tmp_path):
        client = Client(*[Answer(start=n, upto=n + 1) for n in range(9)])
        with pytest.raises(AnswerBrokeOff):
            save(client, target)
        assert len(client.asked) == 4
        assert names(tmp_path) == []

    @pytest.mark.parametrize("rest", [Answer(start=PIECE, upto=PIECE), NO_RANGE])
    def test_the_same_end_each_time(self, target, tmp_path, rest):
        again = [rest] if isinstance(rest, Answer) else [rest, Answer(upto=PIECE)]
        client = Client(Answer(upto=PIECE), *again * 9)
        with pytest.raises(ContentMismatch, match=f"ends after {PIECE} of {SIZE} bytes, each"):
            save(client, target)
        assert len(client.given) == 3
        assert names(tmp_path) == []

    def test_the_same_end_as_in_an_earlier_run(self, target, tmp_path):
        (tmp_path / "x.osc-image-v1.part").write_bytes(DATA[:PIECE])
        client = Client(*[Answer(start=PIECE, upto=PIECE)] * 9)
        with pytest.raises(EndsEarly):
            save(client, target)
        assert len(client.asked) == 3

    @pytest.mark.parametrize(
        ("upto", "error"), [(0, BROKEN), (PIECE, chained(BROKEN, TimeoutError()))]
    )
    def test_not_for_certain_the_end(self, target, upto, error):
        refused = [NO_RANGE] if upto else []
        client = Client(*[Answer(upto=upto, error=error), *refused] * 9)
        with pytest.raises(AnswerBrokeOff):
            save(client, target)
        assert len(client.given) == 4

    def test_after_another_piece_it_counts_anew(self, target):
        ends = [5, 6, 7, PIECE + 7, PIECE + 8, PIECE + 9]
        starts = [0, *ends]
        answers = [Answer(start=a, upto=b) for a, b in zip(starts, ends, strict=False)]
        client = Client(*answers, Answer(start=ends[-1]))
        assert save(client, target).verified
        assert client.asked == ["data", *ends]

    def test_kept(self, target, tmp_path):
        client = Client(Answer(upto=5), attempts=1)
        with pytest.raises(ConnectionFailed):
            save(client, target, keep_partial=True)
        assert (tmp_path / "x.osc-image-v1.part").read_bytes() == DATA[:5]

    def test_other_errors_are_final(self, target):
        client = Client(Answer(upto=5, error=KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            save(client, target)
        assert client.given[0].closed


class TestDeactivated:
    def save(self, client, target):
        return save(client, target, record(status="deactivated"))

    def test_all_of_it(self, target):
        client = Client(Answer())
        assert self.save(client, target).verified
        assert client.asked == [0]

    @pytest.mark.parametrize("error", [NO_RANGE, HttpError("out of range", 416)])
    def test_a_store_that_sends_no_parts(self, target, error):
        client = Client(Answer(upto=PIECE + 5), error, Answer())
        assert self.save(client, target).verified
        assert client.asked == [0, PIECE + 5, 0]
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("error", [NO_V2, Forbidden("it is deactivated", 403)])
    def test_not_handed_out(self, target, error):
        with pytest.raises(ImageHasNoData, match="until an administrator reactivates it"):
            self.save(Client(error), target)

    @pytest.mark.parametrize("error", [NotFound("no data", 404), ServerError("down", 500)])
    def test_other_errors_are_what_they_are(self, target, error):
        with pytest.raises(type(error)) as caught:
            self.save(Client(error), target)
        assert caught.value is error


class TestEarlierRun:
    def earlier(self, tmp_path, content):
        (tmp_path / "x.osc-image-v1.part").write_bytes(content)

    def test_goes_on(self, target, tmp_path):
        self.earlier(tmp_path, DATA[:PIECE])
        client = Client(Answer(start=PIECE))
        advanced = []
        assert save(client, target, advance=advanced.append).md5 == MD5
        assert client.asked == [PIECE]
        assert sum(advanced) == len(DATA)
        assert target.read_bytes() == DATA
        assert names(tmp_path) == ["x"]

    def test_was_through(self, target, tmp_path):
        self.earlier(tmp_path, DATA)
        client = Client()
        assert save(client, target).verified
        assert client.asked == []

    @pytest.mark.parametrize("content", [b"?" * PIECE, b"?" * len(DATA)])
    def test_of_another_image(self, target, tmp_path, content):
        self.earlier(tmp_path, content)
        answers = [Answer()] if len(content) == len(DATA) else [Answer(start=PIECE), Answer()]
        client = Client(*answers)
        advanced = []
        assert save(client, target, advance=advanced.append).verified
        assert client.asked[-1] == "data"
        assert sum(advanced) == len(DATA)
        assert target.read_bytes() == DATA

    @pytest.mark.parametrize("fields", [{"checksum": None}, {"size": None}, {"checksum": "sha"}])
    def test_cannot_be_proved(self, target, tmp_path, fields):
        self.earlier(tmp_path, DATA[:PIECE])
        client = Client(Answer())
        save(client, target, record(**fields))
        assert client.asked == ["data"]
        assert target.read_bytes() == DATA

    def test_larger(self, target, tmp_path):
        self.earlier(tmp_path, DATA + b"more")
        client = Client(Answer())
        assert save(client, target).verified
        assert client.asked == ["data"]

    def test_stays_when_this_one_fails(self, target, tmp_path):
        self.earlier(tmp_path, DATA[:PIECE])
        with pytest.raises(ConnectionFailed):
            save(Client(ConnectionFailed("no answer")), target)
        assert (tmp_path / "x.osc-image-v1.part").read_bytes() == DATA[:PIECE]


class TestStop:
    def test_between_chunks(self, target, tmp_path):
        stop = threading.Event()
        client = Client(Answer())
        with pytest.raises(TransferStopped):
            save(client, target, advance=lambda count: stop.set(), stop=stop)
        assert client.given[0].closed
        assert names(tmp_path) == []

    def test_while_it_waits(self, target, monkeypatch):
        stop = threading.Event()
        monkeypatch.setattr(RetryPolicy, "wait", lambda *arguments: stop.set() or 60)
        with pytest.raises(TransferStopped):
            save(Client(Answer(upto=5)), target, stop=stop)


class TestStream:
    def test_whole(self):
        out = io.BytesIO()
        saved = Download(Client(Answer(upto=PIECE + 5), NO_V2, Answer()), record()).to_stream(
            out.write
        )
        assert (saved.path, saved.md5, saved.verified) == (None, MD5, True)
        assert out.getvalue() == DATA

    def test_damaged(self):
        out = io.BytesIO()
        client = Client(Answer(content=DATA[:-1] + b"?"))
        with pytest.raises(ContentMismatch):
            Download(client, record()).to_stream(out.write)
        assert len(out.getvalue()) == len(DATA)

    def test_no_data(self):
        with pytest.raises(ImageHasNoData):
            Download(Client(), record(status="queued")).to_stream(io.BytesIO().write)

    def test_write_fails(self):
        def full(view):
            raise OSError(28, "No space left on device")

        with pytest.raises(FileFailed, match="Cannot write to 'standard output': No space"):
            Download(Client(Answer()), record()).to_stream(full)

    def test_nobody_reads(self):
        def closed(view):
            raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            Download(Client(Answer()), record()).to_stream(closed)


def test_digests():
    with Digests("md5", "sha256", None) as digests:
        for at in range(0, len(DATA), 1000):
            digests.update(DATA[at : at + 1000])
        for _ in range(2):
            assert (digests.of("md5"), digests.of("sha256")) == (MD5, SHA256)
        assert digests.of("sha1") is digests.of(None) is None


def test_digests_end_with_their_block():
    before = threading.active_count()
    with Digests("md5") as digests:
        digests.update(DATA)
    assert threading.active_count() == before
