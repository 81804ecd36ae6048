"""The data of an image on its way down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.bodies import as_md5, body_size, check_rest
from osc_image_v1.api.models import Image
from osc_image_v1.exceptions import ApiNotAvailable, BadAnswer, NotFound, ServerError
from tests.unit.conftest import IMAGE_URL, image_id
from tests.unit.fuzz import thorough

ID = image_id(1)
DATA = bytes(range(256)) * 4
MD5 = "0123456789abcdef0123456789abcdef"
V1 = f"{IMAGE_URL}/v1/images/{ID}"
V2 = f"{IMAGE_URL}/v2/images/{ID}/file"
HEADERS = {"X-Image-Meta-Id": ID, "X-Image-Meta-Status": "active", "Content-Length": "1024"}
IMAGE = Image(id=ID, size=1024, checksum=MD5)


class TestData:
    def test_metadata_and_data(self, client, requests_mock):
        requests_mock.get(V1, content=DATA, headers=HEADERS)
        with client.data(ID) as data:
            assert data.image.status == "active"
            assert (data.start, data.size) == (0, 1024)
            assert b"".join(data.chunks(100)) == DATA
        assert requests_mock.last_request.headers["Accept-Encoding"] == "identity"
        assert requests_mock.call_count == 1

    def test_id_in_another_case(self, client, requests_mock):
        requests_mock.get(V1, content=DATA, headers={**HEADERS, "X-Image-Meta-Id": ID.upper()})
        with client.data(ID) as data:
            assert b"".join(data.chunks()) == DATA

    def test_headers_cut_off_before_the_id(self, client, requests_mock):
        headers = {"X-Image-Meta-Name": "two", "Content-Length": "1024"}
        requests_mock.get(V1, content=DATA, headers=headers)
        with client.data(ID) as data:
            assert data.image.id == ID

    @pytest.mark.parametrize("headers", [{}, {"X-Image-Meta-Id": image_id(2)}])
    def test_something_else(self, client, requests_mock, headers):
        requests_mock.get(V1, text="<html>", headers=headers)
        with pytest.raises(BadAnswer, match="not that image"):
            client.data(ID)

    def test_no_data(self, client, requests_mock):
        requests_mock.get(V1, status_code=404, text="404 Not Found\n\nImage is not active\n")
        with pytest.raises(NotFound, match="Image is not active"):
            client.data(ID)


class TestRest:
    def serve(self, requests_mock, first=1000, last=1023, total="1024", status=206, **headers):
        said = {"Content-Range": f"bytes {first}-{last}/{total}", **headers}
        requests_mock.get(V2, content=DATA[1000:], status_code=status, headers=said)

    def test_rest(self, client, requests_mock):
        self.serve(requests_mock, **{"Content-MD5": MD5, "ETag": f'"{MD5}"'})
        with client.rest_of_data(IMAGE, 1000) as data:
            assert (data.image, data.start, data.size) == (None, 1000, 1024)
            assert b"".join(data.chunks()) == DATA[1000:]
        sent = requests_mock.last_request.headers
        assert (sent["Range"], sent["Accept-Encoding"]) == ("bytes=1000-", "identity")

    def test_all_of_it(self, client, requests_mock):
        requests_mock.get(V2, content=DATA, headers={"Content-Length": "1024"})
        with client.rest_of_data(IMAGE, 1000) as data:
            assert (data.start, data.size) == (0, 1024)
            assert b"".join(data.chunks()) == DATA

    @pytest.mark.parametrize(
        "answer",
        [
            {"first": 999},
            {"last": 1022},
            {"total": "2048", "last": 2047},
            {"total": "2048", "last": 1023},
            {"total": "x"},
            {"total": "*", "last": 1022},
            {"Content-MD5": "f" * 32},
            {"ETag": "f" * 32},
        ],
    )
    def test_another_part(self, client, requests_mock, answer):
        self.serve(requests_mock, **answer)
        with pytest.raises(BadAnswer):
            client.rest_of_data(IMAGE, 1000)

    def test_total_unknown(self, client, requests_mock):
        self.serve(requests_mock, total="*")
        with client.rest_of_data(IMAGE, 1000) as data:
            assert (data.start, data.size) == (1000, None)

    def test_no_v2(self, client, requests_mock):
        requests_mock.get(V2, status_code=300, json={"versions": [{"id": "v1.1"}]})
        with pytest.raises(ApiNotAvailable, match=r"v1\.1"):
            client.rest_of_data(IMAGE, 1000)

    def test_error(self, client, requests_mock, naps):
        requests_mock.get(V2, status_code=503)
        with pytest.raises(ServerError):
            client.rest_of_data(IMAGE, 1000)
        assert len(naps) == 3


def test_rest_of_an_image_of_unknown_size():
    headers = {"Content-Range": "bytes 5-9/*"}
    assert check_rest(Image(id=ID), 5, headers, "Cannot") is None
    assert check_rest(Image(id=ID), 5, {"Content-Range": "bytes 5-9/10"}, "Cannot") == 10


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({"Content-Length": "0"}, 0),
        ({"Content-Length": "12"}, 12),
        ({"Content-Length": "12", "Content-Encoding": "identity"}, 12),
        ({"Content-Length": "12", "Content-Encoding": "gzip"}, None),
        ({"Content-Length": "-1"}, None),
        ({"Content-Length": "9" * 30}, None),
        ({}, None),
    ],
)
def test_body_size(headers, size):
    assert body_size(headers) == size


@pytest.mark.parametrize(
    ("text", "md5"),
    [
        (MD5, MD5),
        (MD5.upper(), MD5),
        (f'"{MD5}"', MD5),
        ("", None),
        (None, None),
        ("0" * 31, None),
        ("g" * 32, None),
        ("٣" * 32, None),
    ],
)
def test_as_md5(text, md5):
    assert as_md5(text) == md5


_RANGES = st.from_regex(r"bytes [0-9]{0,25}-[0-9]{0,25}/([0-9]{0,25}|\*)", fullmatch=True)
_HEADERS = st.text(max_size=30) | _RANGES


@thorough
@given(_HEADERS, st.text(max_size=30), st.integers(0, 2**63), st.none() | st.integers(0, 2**63))
def test_any_headers_of_a_part_are_read_or_refused(content_range, md5, start, size):
    headers = {"Content-Range": content_range, "Content-MD5": md5, "Content-Length": md5}
    image = Image(id="x", size=size, checksum="0" * 32)
    assert body_size(headers) is None or body_size(headers) >= 0
    try:
        whole = check_rest(image, start, headers, "X")
    except BadAnswer:
        return
    assert size is None or whole in (None, size)
