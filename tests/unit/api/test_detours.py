"""What a front end lets through of an image whose metadata is too much for headers."""

import io

import pytest

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import GatewayError, NotFound, ServerError
from osc_image_v1.transfer.sending import Sending, StreamSource
from tests.unit.conftest import IMAGE_URL, detail, image_id

V1, V2 = IMAGE_URL + "/v1/images", IMAGE_URL + "/v2/images"
ONE = image_id(7)
RECORD = detail(7, name="wide", properties={"Key": "value", "null": None})
PAGE = {"images": [detail(3, name="wide"), RECORD]}


@pytest.fixture
def front(requests_mock):
    """A front end that answers 502 to all that is not told otherwise."""
    requests_mock.register_uri("HEAD", f"{V1}/{ONE}", status_code=502, headers={"Server": "nginx"})
    requests_mock.get(f"{V1}/{ONE}", status_code=502)
    requests_mock.get(f"{V1}/detail", json=PAGE)
    return requests_mock


def asked(front):
    return [
        f"{request.method} {request.path_url.partition('?')[0]}"
        for request in front.request_history
    ]


def test_an_image_is_found_in_a_list_by_what_v2_tells_of_it(client, front):
    front.get(f"{V2}/{ONE}", json={"id": ONE, "name": "wide", "size": 1007, "status": "active"})
    assert client.get(ONE) == ImageDetail.from_record(RECORD)
    assert asked(front) == [
        f"HEAD /v1/images/{ONE}",
        f"GET /v2/images/{ONE}",
        "GET /v1/images/detail",
    ]
    query = front.last_request.qs
    assert (query["name"], query["size_min"], query["size_max"]) == (["wide"], ["1007"], ["1007"])


@pytest.mark.parametrize("status", [300, 404, 403, 500])
def test_without_v2_the_list_is_walked(client, front, status):
    front.get(f"{V2}/{ONE}", status_code=status, headers={"X-Openstack-Request-Id": "req-1"})
    assert client.by_id(ONE.upper()).properties == RECORD["properties"]
    # What is a moment's failure is over after some attempts.
    assert asked(front)[2:] == [f"HEAD /v1/images/{ONE}"] * 4 + ["GET /v1/images/detail"]


def test_a_moments_failure_where_there_is_no_v2(client, front):
    front.get(f"{V2}/{ONE}", status_code=404)
    headers = {"X-Image-Meta-Id": ONE, "X-Image-Meta-Name": "wide"}
    front.head(f"{V1}/{ONE}", [{"status_code": 502}, {"headers": headers}])
    assert client.get(ONE).name == "wide"
    assert len(asked(front)) == 3


def test_an_image_that_no_list_has(client, front):
    front.get(f"{V2}/{ONE}", json={"id": ONE, "name": "wide", "size": 1007, "status": "active"})
    front.get(f"{V1}/detail", json={"images": []})
    with pytest.raises(GatewayError, match=r"nginx, no request ID\).* proxy_buffer_size .*502\)$"):
        client.get(ONE)


def test_a_service_that_is_gone(client, front):
    for path in ("", "/file"):
        front.get(f"{V2}/{ONE}{path}", status_code=502)
    with pytest.raises(GatewayError):
        client.get(ONE)
    with pytest.raises(GatewayError):
        client.data(ONE)
    assert f"{V1}/detail" not in asked(front)
    assert len(asked(front)) == 10


def test_data_comes_through_v2(client, front):
    front.get(f"{V2}/{ONE}/file", content=b"data", headers={"Content-Length": "4"})
    with client.data(ONE) as data:
        assert (data.image, data.size) == (None, 4)
        assert b"".join(data.chunks()) == b"data"
    assert asked(front) == [f"GET /v1/images/{ONE}", f"GET /v2/images/{ONE}/file"]


def test_data_without_v2(client, front):
    front.get(f"{V2}/{ONE}/file", status_code=404)
    with pytest.raises(GatewayError, match="more metadata than its buffers"):
        client.data(ONE)
    assert len(asked(front)) == 6


@pytest.mark.parametrize("status", [503, 504])
def test_other_statuses_have_nothing_to_do_with_headers(client, front, status):
    front.head(f"{V1}/{ONE}", status_code=status)
    front.get(f"{V1}/{ONE}", status_code=status)
    for ask in (client.get, client.data):
        with pytest.raises(GatewayError):
            ask(ONE)
    assert len(asked(front)) == 8


def test_the_services_own_502_is_not_about_headers(client, front):
    front.head(f"{V1}/{ONE}", status_code=502, headers={"X-Openstack-Request-Id": "req-1"})
    with pytest.raises(ServerError):
        client.get(ONE)
    assert asked(front) == [f"HEAD /v1/images/{ONE}"] * 4


@pytest.mark.parametrize("has_v2", [True, False])
def test_an_empty_body_that_a_front_end_has_dropped(client, requests_mock, has_v2):
    record = {"image": detail(7, status="queued", size=None, checksum=None)}
    requests_mock.put(f"{V1}/{ONE}", json=record)
    headers = {"X-Openstack-Request-Id": "req-1"}
    requests_mock.put(f"{V2}/{ONE}/file", status_code=204 if has_v2 else 404, headers=headers)
    headers = {"X-Image-Meta-Id": ONE, "X-Image-Meta-Status": "active"}
    requests_mock.head(f"{V1}/{ONE}", headers=headers)
    if has_v2:
        assert client.upload(ONE, Sending(StreamSource(io.BytesIO(), 0))).status == "active"
    else:
        with pytest.raises(NotFound):
            client.upload(ONE, Sending(StreamSource(io.BytesIO(), 0)))
