"""Data on its way up."""

import contextlib
import fcntl
import hashlib
import io
import os
import pty
import select
import struct
import sys
import termios
import threading
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import pytest

from osc_image_v1.api import ImageFields
from osc_image_v1.exceptions import (
    ConnectionFailed,
    ContentMismatch,
    FileFailed,
    ImageV1Error,
    InvalidInput,
)
from osc_image_v1.transfer import progress as progress_module
from osc_image_v1.transfer import sending, upload
from osc_image_v1.transfer.rate import Rate
from osc_image_v1.transfer.sending import Sending, StreamSource, open_file
from osc_image_v1.transfer.upload import create_image, fill_image
from tests.unit.conftest import IMAGE_URL, Clock, image_id
from tests.unit.glance import Glance, no_answer, refuse

ID = image_id(1)
DATA = b"0123456789" * 100000
MD5 = hashlib.md5(DATA).hexdigest()
NOTHING = hashlib.md5(b"").hexdigest()
RAW = ImageFields(name="a", disk_format="raw", container_format="bare")


@pytest.fixture
def glance(requests_mock):
    return Glance(requests_mock)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "image.raw"
    path.write_bytes(DATA)
    return path


class Pipe(io.RawIOBase):
    """A stream that cannot be rewound, and gives what it has."""

    def __init__(self, pieces):
        self._pieces = list(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        buffer[: len(piece)] = piece
        return len(piece)


def drop_chunked(glance, monkeypatch):
    """Let a service take a body without a length for none."""
    put = glance._put

    def without(request, record):
        if "Transfer-Encoding" not in request.headers:
            return put(request, record)
        b"".join(request._request.body)
        return {"image": record}

    monkeypatch.setattr(glance, "_put", without)


def a_stream(*args, **options):
    return Sending(StreamSource(*args, **options))


@contextlib.contextmanager
def a_file(*args):
    with open_file(*args) as source:
        yield Sending(source)


class TestStream:
    def test_a_file_is_sent_with_its_size(self, file):
        with a_file(str(file)) as data:
            assert data.len == data.size == len(DATA)
            assert b"".join(data) == DATA
            assert (data.sent, data.md5) == (len(DATA), MD5)

    def test_a_file_is_sent_again_from_where_it_stood(self, file):
        with file.open("rb") as stream:
            stream.seek(10)
            data = a_stream(stream)
            assert b"".join(data) == DATA[10:]
            assert b"".join(data) == DATA[10:]
            assert data.sent == len(DATA) - 10

    def test_a_pipe_is_sent_as_it_comes(self):
        data = a_stream(Pipe([b"abc", b"de"]))
        assert data.size is None
        assert not hasattr(data, "len")
        assert list(data) == [b"abc", b"de"]
        assert data.md5 == hashlib.md5(b"abcde").hexdigest()

    def test_a_pipe_is_sent_once(self):
        data = a_stream(Pipe([b"abc"]), label="standard input")
        next(iter(data))
        with pytest.raises(FileFailed, match="standard input cannot be sent a second time"):
            list(data)

    def test_a_pipe_of_the_system(self):
        reading, writing = os.pipe()
        os.write(writing, b"abc")
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            data = a_stream(stream)
            assert data.size is None
            assert b"".join(data) == b"abc"

    def test_a_device(self):
        with a_file("/dev/null") as data:
            assert data.size is None

    def test_nothing_goes_chunked(self, tmp_path):
        empty = tmp_path / "empty"
        empty.touch()
        with a_file(str(empty)) as data:
            assert data.size == 0
            assert not hasattr(data, "len")
            assert list(data) == []
            assert data.md5 == hashlib.md5(b"").hexdigest()

    @pytest.mark.parametrize(
        ("size", "said"),
        [(4, "ended after 3 of the 4 bytes"), (2, "has more than the 2 bytes")],
    )
    def test_another_size_than_expected(self, size, said):
        with pytest.raises(FileFailed, match=said):
            list(a_stream(Pipe([b"abc"]), size))

    def test_a_file_of_another_size_is_refused_at_once(self, file):
        with (
            pytest.raises(InvalidInput, match="has 1000000 bytes, not 3"),
            a_file(str(file), 3),
        ):
            pass

    def test_a_file_that_changes(self, file):
        with a_file(str(file)) as data:
            os.truncate(file, 500000)
            with pytest.raises(FileFailed, match="ended after 500000 of the 1000000"):
                list(data)

    def test_a_stream_that_fails(self):
        with pytest.raises(FileFailed, match="Cannot read data: Input/output error"):
            list(a_stream(Pipe([b"a", OSError(5, "Input/output error")])))

    @pytest.mark.parametrize(
        ("name", "said"),
        [("nope", "No such file"), ("", "Is a directory"), ("a\0b", "null byte")],
    )
    def test_a_file_that_cannot_be_read(self, tmp_path, name, said):
        with pytest.raises(InvalidInput, match=said), a_file(f"{tmp_path}/{name}"):
            pass

    def test_a_broken_sending_leaves_no_thread(self, client, glance, file):
        def broken(_record, body, _asked):
            assert next(iter(body))
            no_answer()

        glance.add(1, status="queued")
        glance._store = broken
        with a_file(str(file)) as data, pytest.raises(ConnectionFailed):
            upload.upload_data(client, ID, data)
        assert not [thread for thread in threading.enumerate() if thread.name == "digests"]

    def test_memory_stays_constant(self, tmp_path):
        big = tmp_path / "big"
        with big.open("wb") as stream:
            stream.truncate(64 * 2**20)
        with a_file(str(big)) as data:
            tracemalloc.start()
            for _ in data:
                pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 8 * 2**20


class TestIsEmpty:
    @pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"bc"]])
    def test_the_first_piece_is_sent_all_the_same(self, pieces):
        source = StreamSource(Pipe(pieces), 3)
        assert not source.is_empty()
        assert not source.is_empty()
        data = Sending(source)
        assert b"".join(data) == b"abc"
        assert data.md5 == hashlib.md5(b"abc").hexdigest()

    def test_nothing(self):
        source = StreamSource(Pipe([]))
        assert source.is_empty()
        assert b"".join(Sending(source)) == b""
        with open_file("/dev/null") as source:
            assert source.is_empty()

    def test_a_file(self, file, tmp_path):
        with open_file(str(file)) as source:
            assert not source.is_empty()
        (tmp_path / "empty").touch()
        with open_file(str(tmp_path / "empty")) as source:
            assert source.is_empty()


class TestCreate:
    def test_without_data_it_is_one_request(self, client, glance):
        image = create_image(client, ImageFields(name="a"))
        assert glance.asked == ["POST /v1/images"]
        assert image.status == "queued"

    def test_the_record_comes_before_the_data(self, client, glance, file):
        with a_file(str(file)) as data:
            image = create_image(client, RAW, data=data)
        assert glance.asked == ["POST /v1/images", f"PUT /v1/images/{image.id}"]
        assert glance.bodies == [DATA]
        assert "x-image-meta-size" not in glance.headers[0]
        assert glance.headers[1]["Content-Length"] == glance.headers[1]["x-image-meta-size"]
        assert (image.status, image.size, image.checksum) == ("active", len(DATA), MD5)

    def test_data_of_unknown_size_is_chunked(self, client, glance):
        image = create_image(client, RAW, data=a_stream(Pipe([b"abc"])))
        assert glance.headers[1]["Transfer-Encoding"] == "chunked"
        assert "Content-Length" not in glance.headers[1]
        assert image.size == 3

    def test_a_service_that_drops_data_of_unknown_size(self, client, glance, monkeypatch):
        """WebOb 1.7 takes a chunked body for none, and Glance before Pike believes it."""
        drop_chunked(glance, monkeypatch)
        clock = Clock()
        source = Rate(1, clock).source(StreamSource(Pipe([b"abc", b"de"])), clock)
        image = create_image(client, RAW, data=Sending(source))
        # No faster the second time.
        assert clock.now == 2 * 5
        assert [line.split()[0] for line in glance.asked] == ["POST", "PUT", "PUT"]
        assert (glance.headers[2]["Content-Length"], glance.bodies) == ("5", [b"abcde"])
        assert (image.status, image.checksum) == ("active", hashlib.md5(b"abcde").hexdigest())

    def test_where_there_is_no_room_to_keep_it(self, client, glance, monkeypatch):
        drop_chunked(glance, monkeypatch)
        none = SimpleNamespace(f_bavail=1, f_frsize=2)
        monkeypatch.setattr(os, "statvfs", lambda _file: none)
        said = r"has taken nothing of the data .*: it wants to know the size.*; image .* is left"
        with pytest.raises(ContentMismatch, match=said):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))
        assert create_image(client, RAW, data=a_stream(Pipe([b"ab"]))).size == 2
        assert create_image(client, RAW, data=a_stream(Pipe([b"abc"]), 3)).size == 3

    @pytest.mark.parametrize("deaf", [True, False])
    def test_it_is_kept_until_the_service_has_begun(self, client, glance, monkeypatch, deaf):
        if deaf:
            drop_chunked(glance, monkeypatch)
        kept = []
        monkeypatch.setattr(sending, "_TELLING", 4)
        monkeypatch.setattr(
            sending.Kept,
            "_drop",
            lambda self, drop=sending.Kept._drop: (kept.append(1), drop(self)),
        )
        image = create_image(client, RAW, data=a_stream(Pipe([b"abc", b"de", b"fg"])))
        methods = [line.split()[0] for line in glance.asked]
        assert sorted(methods) == ["HEAD", "POST", "PUT", *(["PUT"] if deaf else [])]
        assert (image.size, len(kept)) == (7, 1 if deaf else 2)

    def test_a_service_that_cannot_be_asked_meanwhile(self, client, glance, monkeypatch):
        monkeypatch.setattr(sending, "_TELLING", 1)
        glance.before["HEAD"] = refuse(403)
        assert create_image(client, RAW, data=a_stream(Pipe([b"abc"]))).size == 3

    def test_no_data_is_no_second_request(self, client, glance):
        image = create_image(client, RAW, data=a_stream(Pipe([]), 0))
        assert glance.asked == ["POST /v1/images"]
        assert (image.status, image.size, image.checksum) == ("active", 0, NOTHING)

    def test_data_that_was_to_be_none(self, client, glance):
        with pytest.raises(FileFailed, match="has more than the 0 bytes expected"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"]), 0))
        fields = replace(RAW, checksum=MD5)
        with pytest.raises(InvalidInput, match=f"no data at all has the MD5 {NOTHING}, not {MD5}"):
            create_image(client, fields, data=a_stream(Pipe([]), 0))
        assert not glance.asked

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            (ImageFields(name="a"), "data needs a disk and a container format"),
            (ImageFields(disk_format="ami", location="http://a/b"), "one source"),
        ],
    )
    def test_wrong_input_sends_nothing(self, client, glance, fields, said):
        with pytest.raises(InvalidInput, match=said):
            create_image(client, fields, data=a_stream(Pipe([b"abc"])))
        assert not glance.asked

    def test_a_source_without_formats_sends_nothing(self, client, glance):
        with pytest.raises(InvalidInput, match="data needs a disk and a container format"):
            create_image(client, ImageFields(copy_from="http://a/b"))
        assert not glance.asked

    def test_the_checksum_goes_with_the_data(self, client, glance):
        fields = ImageFields(disk_format="ami", checksum="0" * 32, size=3, store="file")
        with pytest.raises(ImageV1Error, match="did not match") as failure:
            create_image(client, fields, data=a_stream(Pipe([b"abc"]), 3))
        (left,) = glance.records
        assert f"image {left} is left, killed: remove it with" in str(failure.value)
        assert f"'openstack image v1 delete {left}'" in str(failure.value)
        assert "x-image-meta-checksum" not in glance.headers[0]
        assert glance.headers[1]["x-image-meta-store"] == "file"

    def test_wrong_metadata_sends_no_data(self, client, glance):
        fields = ImageFields(disk_format="bogus", container_format="bare")
        data = a_stream(Pipe([b"abc"]))
        with pytest.raises(ImageV1Error, match=r"Invalid disk format.*; no image was made"):
            create_image(client, fields, data=data)
        assert data.sent == 0

    @pytest.mark.parametrize("protected", [True, None])
    def test_clean_up(self, client, glance, protected):
        fields = ImageFields(disk_format="ami", checksum="0" * 32, protected=protected)
        with pytest.raises(ImageV1Error, match=r"what was left of it, image .*, is removed"):
            create_image(client, fields, data=a_stream(Pipe([b"abc"])), clean_up=True)
        assert not glance.records

    def test_clean_up_that_fails(self, client, glance):
        glance.before["DELETE"] = refuse(403)
        fields = ImageFields(disk_format="ami", checksum="0" * 32)
        with pytest.raises(ImageV1Error, match=r"is left, killed: .* \(that failed just now: "):
            create_image(client, fields, data=a_stream(Pipe([b"abc"])), clean_up=True)

    def test_a_service_that_says_nothing_more(self, client, glance):
        glance.before["PUT"] = refuse(500)
        glance.before["HEAD"] = refuse(500)
        with pytest.raises(ImageV1Error, match=r"what is left of image .* could not be seen, look"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))

    @pytest.mark.parametrize("status", [300, 301, 400, 403, 413, 503])
    def test_after_a_refusal_it_is_known(self, client, glance, status):
        """A refusal of the record, and nothing more is answered."""
        glance.before["POST"] = refuse(status)
        glance.before["HEAD"] = refuse(status)
        with pytest.raises(ImageV1Error) as failure:
            create_image(client, RAW)
        assert "known" not in str(failure.value)

    def test_another_id_than_asked_for(self, client, glance):
        """What is there is named, and never removed: whose it is, a person must see."""
        put = glance._post

        def elsewhere(request):
            answer = put(request)
            record = {**answer["image"], "id": ID}
            glance.records = {ID: record}
            return {"image": record}

        glance._post = elsewhere
        with pytest.raises(ImageV1Error) as failure:
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])), clean_up=True)
        assert f"the service made the image {ID} instead; image {ID} is left, queued" in str(
            failure.value
        )
        assert list(glance.records) == [ID]

    def test_another_id_that_cannot_be_seen(self, client, glance, requests_mock):
        glance._post = lambda _request: {"image": {"id": ID}}
        glance.before["HEAD"] = refuse(403)
        with pytest.raises(ImageV1Error, match=f"left of image {ID} could not be seen, look with"):
            create_image(client, RAW)

    def test_an_id_that_is_taken_is_never_cleaned_up(self, client, glance):
        glance.add(1, name="precious")
        with pytest.raises(InvalidInput, match=r"is taken by image 'precious' .active"):
            create_image(client, RAW, ID, clean_up=True)
        assert ID in glance.records
        assert glance.asked == [f"HEAD /v1/images/{ID}"]

    def test_an_id_that_is_taken_in_between(self, client, glance):
        glance.before["POST"] = lambda: glance.add(1)
        with pytest.raises(ImageV1Error, match="already exists"):
            create_image(client, RAW, ID, data=a_stream(Pipe([b"abc"])), clean_up=True)
        assert ID in glance.records

    def test_a_chosen_id(self, client, glance):
        assert create_image(client, RAW, ID).id == ID

    def test_a_lost_answer_to_an_upload_is_looked_up(self, client, glance):
        glance.after["PUT"] = no_answer
        image = create_image(client, RAW, data=a_stream(Pipe([b"abc"])))
        assert (image.status, image.size) == ("active", 3)

    @pytest.mark.parametrize("clean_up", [False, True])
    def test_a_lost_answer_that_is_looked_up_at_second_sight(self, client, glance, clean_up):
        glance.after["PUT"] = no_answer
        glance.before["HEAD"] = refuse(500)
        image = create_image(client, RAW, data=a_stream(Pipe([b"abc"])), clean_up=clean_up)
        assert (image.status, image.size) == ("active", 3)

    @pytest.mark.parametrize("clean_up", [False, True])
    def test_a_lost_answer_that_cannot_be_looked_up(self, client, glance, clean_up):
        def no_more():
            glance.before["HEAD"] = no_more
            refuse(500)()

        glance.after["PUT"] = no_answer
        glance.before["HEAD"] = no_more
        with pytest.raises(ImageV1Error, match=r"is left of image .* could not be seen, look with"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])), clean_up=clean_up)
        assert [record["status"] for record in glance.records.values()] == ["active"]

    @pytest.mark.parametrize("clean_up", [False, True])
    def test_what_is_stored_for_long_is_waited_for(self, client, glance, caplog, naps, clean_up):
        storing(glance, "saving", "saving", "active")
        data = a_stream(Pipe([b"abc"]))
        assert create_image(client, RAW, data=data, clean_up=clean_up).status == "active"
        assert "is saving: waiting for that, 300 seconds at most" in caplog.text
        assert naps == [0.5, 0.75]

    def test_what_is_stored_for_ever_is_left(self, client, glance, naps):
        storing(glance, "saving")
        with pytest.raises(ImageV1Error, match="may still get its data, it is saving: look with"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])), clean_up=True)
        assert [record["status"] for record in glance.records.values()] == ["saving"]
        assert sum(naps) > 300

    @pytest.mark.parametrize("status", ["saving", "queued"])
    def test_an_interruption_of_the_waiting(self, client, glance, caplog, monkeypatch, status):
        def interrupt(*_args):
            raise KeyboardInterrupt

        storing(glance, status)
        monkeypatch.setattr("time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])), clean_up=True)
        assert "not complete; image" in caplog.text
        assert f"may still get its data, it is {status}: look with" in caplog.text
        assert len(glance.records) == 1

    def test_an_interruption_when_all_is_done(self, client, glance, caplog):
        def interrupt():
            raise KeyboardInterrupt

        glance.after["PUT"] = interrupt
        with pytest.raises(KeyboardInterrupt):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])), clean_up=True)
        assert "is complete" in caplog.text
        assert len(glance.records) == 1

    def test_what_never_begins_is_removed(self, client, glance, naps):
        glance.before["PUT"] = no_answer
        data = a_stream(Pipe([b"abc"]))
        b"".join(data)
        glance.before["PUT"] = no_answer
        with pytest.raises(ImageV1Error, match=r"no answer .* is removed"):
            create_image(client, RAW, data=data, clean_up=True)
        assert not glance.records

    def test_data_that_is_killed_after_silence(self, client, glance):
        storing(glance, "killed")
        with pytest.raises(ImageV1Error, match=r"no answer .* is left, killed"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))

    def test_an_image_that_vanishes(self, client, glance):
        def vanish():
            glance.records.clear()
            no_answer()

        glance.after["PUT"] = vanish
        with pytest.raises(ImageV1Error, match=r"No image has the ID .*HTTP 404, request req-1.$"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))

    def test_a_broken_upload_names_what_is_left(self, client, glance):
        glance.before["PUT"] = no_answer
        with pytest.raises(ImageV1Error, match="is left, queued") as failure:
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))
        assert isinstance(failure.value.__cause__, ConnectionFailed)

    def test_an_interruption_names_what_is_left(self, client, glance, caplog):
        def interrupt():
            raise KeyboardInterrupt

        glance.before["PUT"] = interrupt
        with pytest.raises(KeyboardInterrupt):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))
        assert "not complete; image" in caplog.text
        assert "is left, queued: give it its data with" in caplog.text

    @pytest.mark.parametrize(
        ("stored", "said"),
        [
            ({"checksum": "0" * 32}, "has stored 3 bytes with the MD5 0000"),
            ({"size": 2}, "has stored 2 bytes with the MD5 9001"),
            ({"size": 2, "checksum": None}, "has stored 2 bytes with the MD5 None"),
            ({"status": "killed"}, "is killed, not active"),
        ],
    )
    def test_other_data_than_was_sent(self, client, glance, monkeypatch, stored, said):
        store = glance._store

        def wrongly(record, body, asked):
            store(record, body, asked)
            record.update(stored)

        monkeypatch.setattr(glance, "_store", wrongly)
        with pytest.raises(ContentMismatch, match=said + ".*; image .* is left"):
            create_image(client, RAW, data=a_stream(Pipe([b"abc"])))

    def test_a_service_without_checksums(self, client, glance, monkeypatch, caplog):
        store = glance._store

        def store_only(record, body, asked):
            store(record, body, asked)
            record["checksum"] = None

        monkeypatch.setattr(glance, "_store", store_only)
        assert create_image(client, RAW, data=a_stream(Pipe([b"abc"]))).size == 3
        assert "nothing vouches for the data" in caplog.text


def storing(glance, *statuses):
    """Lose the answer to the data; who looks then sees these statuses, the last one ever after."""
    left = list(statuses)

    def seen():
        glance.before["HEAD"] = seen
        status = left.pop(0) if len(left) > 1 else left[0]
        for record in glance.records.values():
            record["status"] = status

    def lost():
        glance.before["HEAD"] = seen
        no_answer()

    glance.after["PUT"] = lost


class TestExpiredToken:
    """keystoneauth1 gets a new token after a 401 and sends the request again."""

    @pytest.fixture
    def renewed(self, client, monkeypatch, glance):
        monkeypatch.setattr(client.http.adapter.session, "invalidate", lambda *_: True)
        glance.records[ID] = {"id": ID, "status": "queued", "properties": {}}

    def put(self, requests_mock, glance, reads):
        answers = iter([401, 200])

        def answer(request, context):
            context.status_code = next(answers)
            if context.status_code == 401:
                body = iter(request._request.body)
                next(body) if reads else None
                return b"401 Unauthorized"
            return glance._answer(request, context)

        requests_mock.put(f"{IMAGE_URL}/v1/images/{ID}", content=answer)

    @pytest.mark.parametrize("reads", [True, False])
    def test_a_file_is_sent_again(self, client, glance, renewed, requests_mock, file, reads):
        self.put(requests_mock, glance, reads)
        with a_file(str(file)) as data:
            upload.upload_data(client, ID, data)
        assert glance.bodies == [DATA]

    def test_a_pipe_that_was_begun_is_not(self, client, glance, renewed, requests_mock):
        self.put(requests_mock, glance, True)
        with pytest.raises(FileFailed, match="wants a new token in the middle"):
            upload.upload_data(client, ID, a_stream(Pipe([b"abc"] * 3)))

    def test_a_pipe_that_was_not_begun_is(self, client, glance, renewed, requests_mock):
        self.put(requests_mock, glance, False)
        upload.upload_data(client, ID, a_stream(Pipe([b"abc"] * 3)))
        assert glance.bodies == [b"abc" * 3]


class TestWait:
    FIELDS = ImageFields(disk_format="raw", container_format="bare", copy_from="http://a/b")

    def statuses(self, glance, monkeypatch, *statuses):
        left = list(statuses)

        def step():
            glance.before["HEAD"] = step
            if left:
                next(iter(glance.records.values()))["status"] = left.pop(0)

        glance.before["HEAD"] = step

    def test_until_it_is_active(self, client, glance, monkeypatch, naps):
        self.statuses(glance, monkeypatch, "queued", "saving", "saving", "active")
        assert create_image(client, self.FIELDS, wait=60).status == "active"
        assert naps == [0.5, 0.75, 1.125]

    def test_until_the_service_gives_up(self, client, glance, monkeypatch):
        self.statuses(glance, monkeypatch, "saving", "killed")
        with pytest.raises(ImageV1Error, match=r"could not copy .* it is killed; image .* is left"):
            create_image(client, self.FIELDS, wait=60)

    def test_until_the_time_is_up(self, client, glance):
        with pytest.raises(ImageV1Error, match=r"still queued after 0 seconds; .* may still get"):
            create_image(client, self.FIELDS, wait=0, clean_up=True)
        assert len(glance.records) == 1

    def test_no_longer_than_is_left(self, client, glance, monkeypatch, naps):
        monkeypatch.setattr(upload.time, "monotonic", iter([0.0, 0.9, 1.1]).__next__)
        with pytest.raises(ImageV1Error, match="after 1 seconds"):
            upload.wait_until_active(client, glance.add(1, status="saving"), 1)
        assert naps == [pytest.approx(0.1)]


class TestFill:
    def test_a_queued_image(self, client, glance):
        glance.add(1, status="queued", properties={"a": "1"})
        image = fill_image(client, client.get(ID), ImageFields(), a_stream(Pipe([b"abc"])))
        assert (image.status, image.properties) == ("active", {"a": "1"})
        assert glance.asked[1:] == [f"PUT /v1/images/{ID}"]

    def test_with_changes(self, client, glance):
        glance.add(1, status="queued", properties={"a": "1"})
        fields = ImageFields(name="new", properties={"b": "2"}, store="file")
        image = fill_image(client, client.get(ID), fields, a_stream(Pipe([b"abc"])), True)
        assert (image.name, image.properties) == ("new", {"b": "2"})
        assert "x-image-meta-store" not in glance.headers[1]
        assert glance.headers[2]["x-image-meta-store"] == "file"

    def test_with_a_source(self, client, glance):
        glance.add(1, status="queued")
        fields = ImageFields(copy_from="http://a/b", store="file")
        fill_image(client, client.get(ID), fields)
        assert glance.headers[1]["x-glance-api-copy-from"] == "http://a/b"
        assert glance.headers[1]["x-image-meta-store"] == "file"

    def test_waiting(self, client, glance):
        glance.add(1, status="queued")
        with pytest.raises(ImageV1Error, match=r"still queued.*; image .* is queued now"):
            fill_image(client, client.get(ID), ImageFields(copy_from="http://a/b"), wait=0)

    def test_an_active_image_is_refused(self, client, glance):
        glance.add(1)
        with pytest.raises(InvalidInput, match="is active: only a queued image takes data"):
            fill_image(client, client.get(ID), ImageFields(), a_stream(Pipe([b"abc"])))
        assert len(glance.asked) == 1

    def test_missing_formats_are_refused(self, client, glance):
        glance.add(1, status="queued", disk_format=None)
        with pytest.raises(InvalidInput, match="data needs a disk format"):
            fill_image(client, client.get(ID), ImageFields(), a_stream(Pipe([b"abc"])))
        fill_image(client, client.get(ID), ImageFields(disk_format="raw"), a_stream(Pipe([b"a"])))

    def test_a_failure_tells_what_has_become_of_it(self, client, glance):
        glance.add(1, status="queued")
        fields = ImageFields(name="b")
        glance.before["PUT"] = refuse(403)
        with pytest.raises(ImageV1Error, match=r"Forbidden to do that.*; image .* is queued now"):
            fill_image(client, client.get(ID), fields, a_stream(Pipe([b"abc"])))

    def test_a_failure_in_the_middle_kills_it(self, client, glance):
        glance.add(1, status="queued")
        with pytest.raises(ImageV1Error, match="is killed now and takes no more data: remove"):
            fill_image(client, client.get(ID), ImageFields(), a_stream(Pipe([b"abc"]), 4))

    def test_a_lost_answer_that_is_looked_up_at_second_sight(self, client, glance):
        glance.add(1, status="queued")
        image = client.get(ID)
        glance.after["PUT"] = no_answer
        glance.before["HEAD"] = refuse(500)
        assert fill_image(client, image, ImageFields(), a_stream(Pipe([b"abc"]))).size == 3

    def test_what_is_stored_for_ever(self, client, glance):
        glance.add(1, status="queued")
        image = client.get(ID)
        storing(glance, "saving")
        with pytest.raises(ImageV1Error, match=r"reset by peer; image .* is saving now$"):
            fill_image(client, image, ImageFields(), a_stream(Pipe([b"abc"])))

    def test_a_failure_of_all(self, client, glance):
        glance.add(1, status="queued")
        image = client.get(ID)
        glance.before["PUT"] = refuse(400, "no")
        glance.before["HEAD"] = refuse(400)
        with pytest.raises(ImageV1Error, match=r"no \(HTTP 400, request req-1\)$"):
            fill_image(client, image, ImageFields(), a_stream(Pipe([b"abc"])))


class TestProgress:
    def test_nothing_without_a_terminal(self, capsys):
        with progress_module.progress(10, "x") as advance:
            advance(10)
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("size", [(120, 40), (0, 0), None])
    def test_a_bar_on_a_terminal(self, monkeypatch, size):
        terminal, other = pty.openpty()
        if size is not None:
            columns, lines = size
            fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        shown = b""
        with os.fdopen(other, "w") as stderr, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stderr)
            with progress_module.progress(2048, "im\x1b[2Jage") as advance:
                advance(2048)
            while select.select([terminal], [], [], 0.2)[0]:
                shown += os.read(terminal, 10000)
        os.close(terminal)
        assert rb"im\x1b[2Jage: 100%" in shown
        assert b"2.0 KiB of 2.0 KiB, " in shown

    def test_a_terminal_without_a_file(self, monkeypatch):
        terminal = io.StringIO()
        terminal.isatty = lambda: True
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress_module.progress(None, "x") as advance:
            advance(2048)
        assert "x: 2.0 KiB, " in terminal.getvalue()
