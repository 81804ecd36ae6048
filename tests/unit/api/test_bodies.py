"""Bodies of answers, encoded or not, take bounded memory."""

import contextlib
import gzip
import io
import json
import tracemalloc
import zlib

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1 import exceptions
from osc_image_v1.api import http as api_http
from osc_image_v1.api.bodies import pieces_of
from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.http import ServiceClient
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.retries import RetryPolicy
from tests.unit import loopback
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, adapter_at
from tests.unit.fuzz import thorough

URL = IMAGE_URL + "/v1/images"
BOMB = gzip.compress(bytes(64 * 2**20), 1)
MEMORY = 8 * 2**20


@pytest.fixture
def service():
    return ServiceClient(adapter_at(IMAGE_URL), "v1", retry=RetryPolicy(attempts=1))


def answer(body, encoding=None, status=200, **headers):
    raw = urllib3.HTTPResponse(io.BytesIO(body), status=status, preload_content=False)
    response = requests.Response()
    response.raw, response.status_code = raw, status
    response.headers.update(headers)
    if encoding is not None:
        response.headers["Content-Encoding"] = encoding
    return response


def test_no_encoding_is_asked_for(requests_mock):
    requests_mock.register_uri("GET", f"{URL}/detail", json={"images": []})
    image = {"X-Image-Meta-Id": "a"}
    requests_mock.register_uri("GET", f"{URL}/a", content=b"data", headers=image)
    requests_mock.register_uri("HEAD", f"{URL}/a", headers=image)
    requests_mock.register_uri("DELETE", f"{URL}/a")
    requests_mock.register_uri("GET", f"{IMAGE_URL}/v2/images/a/file", content=b"data")
    requests_mock.register_uri("GET", f"{COMPUTE_URL}/images/detail", json={"images": []})
    client = ImageClient(adapter_at(IMAGE_URL))
    list(client.images_detail())
    client.get("a")
    for method in ("DELETE", "GET"):
        client.http.request(method, "/images/a", "X").close()
    with ImageV2Client(adapter_at(IMAGE_URL)).data("a") as data:
        list(data.chunks())
    list(ComputeImageClient(adapter_at(COMPUTE_URL, "compute")).images())
    sent = requests_mock.request_history
    assert len(sent) == 6
    assert {request.headers["Accept-Encoding"] for request in sent} == {"identity"}


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", " GZIP "])
def test_what_comes_encoded_all_the_same_is_read(requests_mock, service, encoding):
    body = gzip.compress(b'{"images": []}')
    headers = {"Content-Encoding": encoding, "Content-Length": str(len(body))}
    requests_mock.get(URL, content=body, headers=headers)
    assert service.get_json("/images", "X") == {"images": []}


@pytest.mark.parametrize("encoding", ["identity", ""])
def test_what_is_not_encoded_may_say_so(requests_mock, service, encoding):
    requests_mock.get(URL, text="[]", headers={"Content-Encoding": encoding})
    assert service.get_json("/images", "X") == []


def test_a_page_that_grows_without_end_is_refused_within_the_bound(
    requests_mock, service, monkeypatch
):
    monkeypatch.setattr(api_http, "_LARGEST_PAGE", 2**20)
    requests_mock.get(URL, content=BOMB, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(exceptions.BadAnswer, match="over 1 MiB"):
        service.get_json("/images", "X")
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_that_grows_without_end_is_read_within_the_bound(requests_mock, service, status):
    headers = {"Content-Encoding": "gzip"}
    requests_mock.get(URL, content=BOMB, status_code=status, headers=headers)
    tracemalloc.start()
    with pytest.raises(exceptions.HttpError):
        service.get_json("/images", "X")
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < MEMORY


def test_data_that_grows_comes_in_small_pieces(service):
    tracemalloc.start()
    sizes = [len(piece) for piece in service.iter_body(answer(BOMB, "gzip"), "X", 2**16)]
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (sum(sizes), max(sizes)) == (64 * 2**20, 2**16)
    assert peak < MEMORY


def test_an_encoded_error_is_read(requests_mock, service):
    body = gzip.compress(json.dumps({"error": {"message": "the words"}}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    requests_mock.get(URL, content=body, status_code=400, headers=headers)
    with pytest.raises(exceptions.BadRequest, match=r"^X: the words \(HTTP 400\)$"):
        service.get_json("/images", "X")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x-other", "\x1b[2J" * 99])
def test_another_encoding_is_refused(requests_mock, service, encoding):
    requests_mock.get(URL, text="[]", headers={"Content-Encoding": encoding})
    with pytest.raises(exceptions.BadAnswer, match="turn compression off") as caught:
        service.get_json("/images", "X")
    assert str(caught.value).isprintable()
    requests_mock.get(URL, text="[]", status_code=404, headers={"Content-Encoding": encoding})
    with pytest.raises(exceptions.NotFound, match=r"^X \(HTTP 404\)$"):
        service.get_json("/images", "X")


def test_a_part_of_encoded_data_is_refused(service):
    with pytest.raises(exceptions.BadAnswer, match=r"encoded \(gzip\)"):
        list(service.iter_body(answer(gzip.compress(b"x"), "gzip", 206), "X"))


@pytest.mark.parametrize(
    "body", [b"no gzip", gzip.compress(b"x")[:-9] + b"123456789"], ids=["all", "end"]
)
def test_an_encoding_that_is_none(service, body):
    with pytest.raises(exceptions.ConnectionFailed, match="not encoded as its Content-Encoding"):
        list(service.iter_body(answer(body, "gzip"), "X"))


@pytest.mark.parametrize("left", [1, 8, 20])
def test_encoded_data_that_ends_early(service, left):
    body = gzip.compress(b"the data of an image")[:-left]
    with pytest.raises(exceptions.ConnectionFailed, match="it ended early"):
        list(service.iter_body(answer(body, "gzip"), "X"))


def test_a_length_counts_for_what_is_sent(service):
    body = gzip.compress(bytes(1000))
    whole = answer(body, "gzip", **{"Content-Length": str(len(body))})
    assert service.read(whole, "X") == bytes(1000)
    half = answer(body, "gzip", **{"Content-Length": str(len(body) + 1)})
    with pytest.raises(exceptions.ConnectionFailed, match="it ended early"):
        service.read(half, "X")


def test_nothing_may_be_called_encoded(service):
    assert service.read(answer(b"", "gzip"), "X") == b""


@thorough
@given(
    st.lists(st.binary(max_size=300) | st.integers(0, 9000).map(bytes), max_size=4),
    st.integers(1, 500),
    st.sampled_from(["gzip", "deflate"]),
)
def test_any_encoded_data_is_what_it_was(parts, most, encoding):
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    response = answer(b"".join(map(pack, parts)), encoding)
    pieces = list(pieces_of(response, "X", most))
    assert b"".join(pieces) == b"".join(parts)
    assert all(0 < len(piece) <= most for piece in pieces)


@thorough
@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_decoded_or_refused(body, encoding):
    with contextlib.suppress(exceptions.ConnectionFailed, urllib3.exceptions.DecodeError):
        assert all(len(piece) <= 100 for piece in pieces_of(answer(body, encoding), "X", 100))


def test_a_connection_is_used_again():
    """A body that was read to its end gives its connection back."""
    page = b'{"images": []}'
    keep = f"HTTP/1.1 200 OK\r\nContent-Length: {len(page)}\r\n\r\n".encode() + page
    with loopback.answering(keep) as url:
        client = ServiceClient(adapter_at(url), "v1", retry=RetryPolicy(attempts=1))
        with client.request("GET", "/images", "X") as response:
            assert client.read(response, "X") == page
        pools = client.adapter.session.session.get_adapter(url).poolmanager.pools
        (key,) = pools.keys()
        assert [item is not None for item in pools[key].pool.queue].count(True) == 1
