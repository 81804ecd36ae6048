"""Reading images of the Image API v1: lists to their end, one by ID, one by name."""

import json
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session

from osc_image_v1 import api
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import Image, ImageDetail
from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.exceptions import (
    AmbiguousName,
    ApiNotAvailable,
    BadAnswer,
    BadRequest,
    Forbidden,
    ImageNotFound,
    InvalidInput,
    MarkerIgnored,
    NotFound,
    ServerError,
)
from tests.unit import captures, loopback
from tests.unit.conftest import IMAGE_URL, ListService, brief, detail, image_id, params_of

BRIEF = IMAGE_URL + "/v1/images"
DETAIL = IMAGE_URL + "/v1/images/detail"
UUID = "6f162883-e770-47e5-ab99-9f672bc98fdf"


def briefs(count):
    return [brief(number) for number in range(count)]


def details(count):
    return [detail(number) for number in range(count)]


def numbers(images):
    return [int(image.checksum, 16) for image in images]


# Where a list ends


@pytest.mark.parametrize(
    ("count", "requests"),
    [(0, 1), (1, 2), (25, 2), (999, 2), (1000, 2), (1001, 2), (2000, 3), (2500, 3)],
)
def test_a_list_is_whole_in_as_few_requests_as_can_be(client, listing, count, requests):
    service = listing(briefs(count))
    assert numbers(client.images()) == list(range(count))
    assert service.requests == requests
    assert requests <= max(2, count // 1000 + 1)


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 2), (7, 2), (8, 2), (14, 3), (20, 3)])
def test_pages_of_another_size(client, listing, count, requests):
    service = listing(briefs(count))
    assert numbers(client.images(ImageQuery(page_size=7))) == list(range(count))
    assert service.requests == requests


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 50, 60, 75])
def test_a_cap_of_the_service_is_not_the_end(client, listing, count):
    service = listing(briefs(count), cap=25)
    assert numbers(client.images()) == list(range(count))
    assert service.requests <= count // 25 + 2


def test_the_marker_is_the_last_image(client, listing):
    service = listing(briefs(5))
    list(client.images(ImageQuery(page_size=2)))
    assert service.params == [
        {"limit": "2"},
        {"limit": "2", "marker": image_id(1)},
        {"limit": "2", "marker": image_id(3)},
    ]


def test_a_list_begins_after_the_marker(client, listing):
    service = listing(briefs(5))
    assert numbers(client.images(ImageQuery(marker=image_id(2)))) == [3, 4]
    assert service.params[0] == {"limit": "1000", "marker": image_id(2)}


def test_pages_come_one_at_a_time(client, listing):
    service = listing(briefs(3000))
    images = client.images()
    assert service.requests == 0
    next(images)
    assert service.requests == 1


# Limits


@pytest.mark.parametrize("limit", [1, 5, 24, 25, 26, 1000])
@pytest.mark.parametrize("count", [0, 3, 25, 2000])
def test_a_limit_up_to_a_page_takes_one_request_where_there_are_as_many(
    client, listing, limit, count
):
    service = listing(briefs(count))
    assert numbers(client.images(ImageQuery(limit=limit))) == list(range(min(limit, count)))
    # A short page may be the service's own cap: another one proves the end.
    asked = [str(limit), str(limit - count)] if 0 < count < limit else [str(limit)]
    assert [params["limit"] for params in service.params] == asked


@pytest.mark.parametrize("limit", [1, 5, 9, 24, 25, 26, 50])
@pytest.mark.parametrize("cap", [2, 5, 24])
def test_a_limit_beyond_the_service_s_own_cap(client, listing, limit, cap):
    service = listing(briefs(25), cap=cap)
    assert numbers(client.images(ImageQuery(limit=limit))) == list(range(min(limit, 25)))
    assert service.requests <= min(limit, 25) // cap + 1


def test_a_limit_of_nothing_takes_none(client, requests_mock):
    assert list(client.images(ImageQuery(limit=0))) == []
    assert requests_mock.call_count == 0


@pytest.mark.parametrize(
    ("limit", "count", "asked"),
    [
        (1500, 2000, ["1000", "500"]),
        (1500, 1200, ["1000", "500"]),
        (1000, 999, ["1000", "1"]),
        (1500, 1000, ["1000", "500"]),
        (2000, 2000, ["1000", "1000"]),
        (1001, 5000, ["1000", "1"]),
    ],
)
def test_a_limit_over_a_page(client, listing, limit, count, asked):
    service = listing(briefs(count))
    assert numbers(client.images(ImageQuery(limit=limit))) == list(range(min(limit, count)))
    assert [params["limit"] for params in service.params] == asked


def test_a_limit_over_a_page_of_a_service_with_a_cap(client, listing):
    service = listing(briefs(100), cap=10)
    assert numbers(client.images(ImageQuery(limit=35, page_size=20))) == list(range(35))
    assert [params["limit"] for params in service.params] == ["20", "20", "15", "5"]


@pytest.mark.parametrize("page_size", [1, 7, 100, 1000])
@pytest.mark.parametrize("limit", [None, 1, 4, 5, 50])
def test_filters_that_are_made_here_compose_with_a_limit(client, listing, page_size, limit):
    service = listing([detail(n, owner="mine" if n % 5 == 4 else "theirs") for n in range(40)])
    query = ImageQuery(owner="mine", limit=limit, page_size=page_size)
    assert numbers(client.images(query)) == [4, 9, 14, 19, 24, 29, 34, 39][:limit]
    assert {params["limit"] for params in service.params} == {str(page_size)}


def test_a_filter_that_is_made_here_asks_for_no_more_pages_than_it_needs(client, listing):
    service = listing(briefs(5000))
    query = ImageQuery(checksum=f"{7:032x}", limit=1)
    assert numbers(client.images(query)) == [7]
    assert service.requests == 1


def test_rows_that_the_service_reads_loosely_do_not_count(client, listing):
    # MySQL knows no case: the service gives both.
    service = listing([brief(n, name="ABC" if n % 2 else "abc") for n in range(8)])
    assert numbers(client.images(ImageQuery(name="abc", limit=3))) == [0, 2, 4]
    assert [params["limit"] for params in service.params] == ["3", "1000"]


# Which list


def test_brief_lists_are_brief(client, listing, requests_mock):
    listing(briefs(1))
    assert next(client.images()).name == "image 0"
    assert requests_mock.last_request.path == "/v1/images"


def test_detailed_lists_have_all(client, listing, requests_mock):
    listing(details(1))
    assert next(client.images_detail()).owner == "p1"
    assert requests_mock.last_request.path == "/v1/images/detail"


def test_filters_that_need_it_take_the_detailed_list(client, listing, requests_mock):
    listing([detail(0, is_public=True), detail(1)])
    (image,) = client.images(ImageQuery(visibility="public"))
    assert image.extra["is_public"] is True
    assert requests_mock.last_request.path == "/v1/images/detail"


def test_pages_are_as_the_service_sent_them(client, listing):
    listing(details(3))
    assert list(client.pages(detail=True)) == [details(3)]


def test_parameters_of_ones_own_go_with_each_page(client, listing):
    service = listing(briefs(3))
    list(client.images(ImageQuery(page_size=2, extra={"tag": "x"})))
    assert [params["tag"] for params in service.params] == ["x", "x"]


def test_a_recorded_list(client, requests_mock):
    requests_mock.get(
        DETAIL,
        [
            captures.image_v1("04-list", title).mock
            for title in ("detail list  as u1:t1:member", "list ?is_public=none&limit=0")
        ],
    )
    images = list(client.images_detail())
    assert len(images) == 3
    assert all(image.created_at and image.status for image in images)
    assert {image.is_public for image in images} == {True, False}


# Services that lead astray


def test_a_service_that_ignores_the_marker(client, requests_mock):
    requests_mock.get(BRIEF, json={"images": briefs(3)})
    rows = []
    with pytest.raises(
        MarkerIgnored,
        match=r"^Cannot list images: the service repeats a page .*; a list with --limit up to 3 w",
    ):
        rows.extend(client.images())
    assert requests_mock.call_count == 2


def test_a_limit_up_to_a_page_of_a_service_that_ignores_the_marker(client, requests_mock):
    requests_mock.get(BRIEF, json={"images": briefs(3)})
    for limit in (1, 2, 3):
        assert numbers(client.images(ImageQuery(limit=limit))) == list(range(limit))
    assert requests_mock.call_count == 3


def test_a_service_that_knows_neither_marker_nor_limit_gives_all(client, requests_mock):
    requests_mock.get(BRIEF, json={"images": briefs(3)})
    for query in (ImageQuery(page_size=2), ImageQuery(limit=4)):
        assert numbers(client.images(query)) == [0, 1, 2]


def test_a_first_page_that_still_has_the_marker(client, requests_mock):
    requests_mock.get(BRIEF, json={"images": briefs(3)})
    with pytest.raises(MarkerIgnored, match="begins elsewhere than after image"):
        list(client.images(ImageQuery(marker=image_id(1), limit=2)))
    assert requests_mock.call_count == 1


def test_a_service_that_repeats_an_earlier_page(client, requests_mock):
    pages = [briefs(6)[:2], briefs(6)[2:4], briefs(6)[4:], briefs(6)[:2]]
    requests_mock.get(BRIEF, [{"json": {"images": page}} for page in pages])
    with pytest.raises(BadAnswer, match="repeats a page"):
        list(client.images(ImageQuery(page_size=2)))
    assert requests_mock.call_count == 4


def test_a_cycle_of_pages(client, requests_mock):
    def cycle(request, _context):
        after = {image_id(1): 2, image_id(3): 0}.get(params_of(request).get("marker"), 0)
        return {"images": briefs(4)[after : after + 2]}

    requests_mock.get(BRIEF, json=cycle)
    with pytest.raises(BadAnswer, match="repeats a page"):
        list(client.images(ImageQuery(page_size=2)))
    assert requests_mock.call_count == 3


@pytest.mark.parametrize(
    "document", [[], 5, {}, {"images": {}}, {"images": [{"name": "a"}]}, {"images": [None]}]
)
def test_answers_of_another_form(client, requests_mock, document):
    requests_mock.get(BRIEF, json=document)
    with pytest.raises(BadAnswer, match=r"^Cannot list images: the service's answer has "):
        list(client.images())


def test_an_error_after_the_first_page_is_no_end(client, requests_mock):
    requests_mock.get(BRIEF, [{"json": {"images": briefs(3)}}, {"status_code": 500}])
    images = client.images()
    assert numbers(next(images) for _ in range(3)) == [0, 1, 2]
    with pytest.raises(ServerError):
        next(images)


# Images that are deleted while a list goes on


def test_a_deleted_marker_is_stepped_over(client, listing):
    service = listing(briefs(10))
    images = client.images(ImageQuery(page_size=4))
    found = [next(images) for _ in range(4)]
    service.deleted = {image_id(3), image_id(2)}
    found += list(images)
    assert numbers(found) == list(range(10))
    assert [params.get("marker") for params in service.params[1:4]] == [
        image_id(n) for n in (3, 2, 1)
    ]


def test_images_that_come_again_after_a_step_back_are_not_repeated(client, listing):
    service = listing(briefs(10))
    images = client.images(ImageQuery(page_size=4))
    found = [next(images) for _ in range(4)]

    service.deleted = {image_id(3)}
    page = service._page

    def forgetful(request, context):
        # Another process restores what was deleted, or the order has changed meanwhile.
        answer = page(request, context)
        service.deleted = set()
        return answer

    service.mock.get(BRIEF, json=forgetful)
    found += list(images)
    assert numbers(found) == list(range(10))


def test_a_whole_page_of_deleted_images_is_an_error(client, listing):
    service = listing(briefs(30))
    images = client.images(ImageQuery(page_size=12))
    next(images)
    service.deleted = {image_id(number) for number in range(12)}
    with pytest.raises(BadRequest, match="Invalid marker"):
        list(images)
    assert service.requests == 11


def test_a_first_marker_that_is_deleted_is_an_error(client, listing):
    service = listing(briefs(3))
    service.deleted = {image_id(0)}
    with pytest.raises(BadRequest, match="Invalid marker"):
        list(client.images(ImageQuery(marker=image_id(0))))
    assert service.requests == 1


# Text beyond ASCII, which Glance on Python 2 fails on


CAFE = "detail list ?is_public=none&limit=1000&name=caf%C3%A9%20%E2%98%83"


def fail_on_text(mock, url, records):
    """Serve records, but a 500 where text beyond ASCII is sent."""

    def page(request, context):
        params = params_of(request)
        if not "".join(params.values()).isascii():
            context.status_code = 500
            return captures.image_v1("04-list", CAFE).body
        ids = [record["id"] for record in records]
        begin = ids.index(params["marker"]) + 1 if "marker" in params else 0
        return json.dumps({"images": records[begin : begin + int(params["limit"])]}).encode()

    mock.get(url, content=page)


def test_a_name_that_the_service_fails_on_is_compared_here(client, requests_mock):
    fail_on_text(
        requests_mock, BRIEF, [brief(n, name="café ☃" if n % 3 == 0 else "x") for n in range(9)]
    )
    assert numbers(client.images(ImageQuery(name="café ☃", limit=2, page_size=2))) == [0, 3]
    sent = [params_of(request) for request in requests_mock.request_history]
    assert sent[0] == {"name": "café ☃", "limit": "2"}
    assert all("name" not in params for params in sent[1:])


def test_a_property_that_the_service_fails_on_is_compared_here(client, requests_mock):
    records = [detail(n, properties={"k": "é"} if n == 7 else {}) for n in range(9)]
    fail_on_text(requests_mock, DETAIL, records)
    assert numbers(client.images(ImageQuery(properties={"k": "é"}, limit=1, page_size=5))) == [7]
    assert requests_mock.call_count == 3


@pytest.mark.parametrize(("name", "status"), [("plain", 500), ("café", 501), ("café", 400)])
def test_other_failures_are_failures(client, requests_mock, name, status):
    requests_mock.get(BRIEF, status_code=status)
    with pytest.raises((ServerError, BadRequest)):
        list(client.images(ImageQuery(name=name)))
    assert requests_mock.call_count == 1


# One image


def test_an_image_by_its_id(client, requests_mock):
    requests_mock.head(f"{BRIEF}/{UUID}", **captures.image_v1("03-head-get", "HEAD active").mock)
    image = client.get(UUID)
    assert type(image) is ImageDetail
    assert (image.id, image.name, image.size) == (UUID, "active1", 1000)
    assert image.checksum == "427008b3fe192f663d665f56cd75716c"
    assert image.created_at.isoformat() == "2026-11-22T13:32:06.027457+00:00"
    assert requests_mock.call_count == 1


def test_no_image_of_that_id(client, requests_mock):
    answer = captures.image_v1("03-head-get", "HEAD unknown id")
    requests_mock.head(f"{BRIEF}/{UUID}", **answer.mock)
    with pytest.raises(ImageNotFound) as caught:
        client.get(UUID)
    request_id = answer.header("X-Openstack-Request-Id")
    assert str(caught.value) == f"No image has the ID {UUID} (HTTP 404, request {request_id})"


def test_no_image_and_no_request_id(client, requests_mock):
    requests_mock.head(f"{BRIEF}/a%1B", status_code=404)
    with pytest.raises(ImageNotFound, match=r"^No image has the ID a\\x1b \(HTTP 404\)$"):
        client.get("a\x1b")


def test_an_answer_without_metadata(client, requests_mock):
    requests_mock.head(f"{BRIEF}/{UUID}", headers={"X-Image-Meta-Name": "a"})
    with pytest.raises(BadAnswer, match="has no image metadata"):
        client.get(UUID)


def test_another_status_is_another_error(client, requests_mock):
    requests_mock.head(f"{BRIEF}/{UUID}", status_code=403)
    with pytest.raises(Forbidden, match=rf"^Cannot show image {UUID} \(HTTP 403\)$"):
        client.get(UUID)


def test_a_list_of_what_is_no_image_service(client, requests_mock):
    requests_mock.get(BRIEF, status_code=404, text="The resource could not be found.")
    with pytest.raises(ApiNotAvailable) as caught:
        list(client.images())
    assert str(caught.value) == (
        f"Cannot list images: The resource could not be found. (HTTP 404): is {IMAGE_URL}/v1 the "
        "Image API v1? If not, give its URL with --os-image-v1-endpoint-override or in clouds.yaml"
    )


def test_a_marker_that_is_not_found(client, requests_mock):
    requests_mock.get(BRIEF, status_code=404, text="No such marker")
    with pytest.raises(NotFound, match=r"^Cannot list images: No such marker \(HTTP 404\)$"):
        list(client.images(ImageQuery(marker=UUID)))


# One image by ID or name


def test_a_uuid_is_an_id_first(client, requests_mock):
    requests_mock.head(f"{BRIEF}/{UUID}", headers={"X-Image-Meta-Id": UUID})
    assert client.find(UUID).id == UUID
    assert requests_mock.call_count == 1


def test_a_uuid_may_be_a_name(client, requests_mock):
    requests_mock.head(f"{BRIEF}/{UUID}", status_code=404)
    requests_mock.get(DETAIL, json={"images": [detail(3, name=UUID)]})
    assert client.find(UUID).id == image_id(3)
    assert requests_mock.call_count == 2


def test_a_name_takes_one_request(client, requests_mock):
    requests_mock.get(DETAIL, json={"images": [detail(3, name="a b", is_public=False)]})
    image = client.find("a b")
    assert (image.id, image.is_public) == (image_id(3), False)
    assert params_of(requests_mock.last_request) == {
        "name": "a b",
        "is_public": "none",
        "limit": "1000",
    }
    assert requests_mock.call_count == 1


def test_a_name_is_looked_up_beyond_the_service_s_own_cap(client, requests_mock):
    # It ignores the name, too.
    records = [detail(n, name="a" if n == 40 else "A") for n in range(60)]
    service = ListService(requests_mock, records, cap=25)
    assert client.find("a").id == image_id(40)
    assert service.requests == 3


def test_a_name_of_several_images_beyond_the_service_s_own_cap(client, listing):
    listing([detail(n, name="a" if n in (1, 8) else "A") for n in range(9)], cap=2)
    with pytest.raises(AmbiguousName, match="2 images have the name"):
        client.find("a")


def test_a_name_on_the_only_page_of_a_service_that_ignores_the_marker(
    client, requests_mock, caplog
):
    requests_mock.get(DETAIL, json={"images": details(3)})
    assert client.find("image 1").id == image_id(1)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "The service ignores the marker: only its first 3 images were looked at"
    ]
    with pytest.raises(MarkerIgnored) as caught:
        client.find("image 4")
    assert str(caught.value) == (
        "Cannot look up image 'image 4': it is none of the 3 images that the service gives, which "
        "ignores the marker and so hides the others: use an ID"
    )


def test_a_name_with_a_colon(client, listing):
    service = listing([detail(n, name="in:a,b" if n == 8 else "a") for n in range(9)])
    assert client.find("in:a,b").id == image_id(8)
    assert "name" not in service.params[0]


def test_no_image_of_that_name(client, listing):
    listing([])
    with pytest.raises(ImageNotFound, match=r"^No image has the name or ID 'a\\x1b'$"):
        client.find("a\x1b")


def test_several_images_of_one_name(client, listing):
    listing([detail(n, name="a") for n in range(2)])
    with pytest.raises(AmbiguousName) as caught:
        client.find("a")
    assert caught.value.candidates == (image_id(0), image_id(1))
    assert str(caught.value) == (
        f"2 images have the name 'a', use an ID instead: {image_id(0)}, {image_id(1)}"
    )


def test_many_images_of_one_name(client, listing):
    listing([detail(n, name="a") for n in range(25)])
    with pytest.raises(AmbiguousName, match=r"^25 images have .* and 5 more$") as caught:
        client.find("a")
    assert len(caught.value.candidates) == 25


def test_an_empty_name_is_refused(client, requests_mock):
    with pytest.raises(InvalidInput, match="name or ID is empty"):
        client.find("")
    assert requests_mock.call_count == 0


# Sharing


def test_images_shared_with_a_project(client, requests_mock):
    answer = captures.image_v1("08-members", "shared-images t2 after delete")
    requests_mock.get(f"{IMAGE_URL}/v1/shared-images/t2", **answer.mock)
    (shared,) = client.shared_image_ids("t2")
    assert shared == answer.json["shared_images"][0]["image_id"]


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"shared_images": None}, {"shared_images": [{}]}, {"shared_images": {"a": 1}}],
)
def test_shared_images_of_another_form(client, requests_mock, document):
    requests_mock.get(f"{IMAGE_URL}/v1/shared-images/t2", json=document)
    with pytest.raises(BadAnswer, match=r"^Cannot list images shared with project t2: "):
        client.shared_image_ids("t2")


# The package's face


def test_each_public_name_is_loaded():
    for name in api.__all__:
        assert getattr(api, name).__name__ == name
    assert api.ImageClient is ImageClient
    assert sorted(api._HOMES) == sorted(api.__all__)


def test_other_names_are_unknown():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        api.Nothing  # noqa: B018


# An answer that a line break has cut off


def _cut_head():
    fields = ("X-Image-Meta-Id: " + image_id(7), "X-Image-Meta-Name: two\nlines")
    return loopback.http("200 OK", *fields, "X-Image-Meta-Status: active", "Content-Length: 0")


def _client(url):
    return ImageClient(Adapter(Session(NoAuth(endpoint=url)), service_type="image"))


def _page(*records):
    body = json.dumps({"images": records}).encode()
    return loopback.http("200 OK", f"Content-Length: {len(body)}", body=body)


def test_an_image_whose_headers_are_cut_off_is_looked_up_in_a_list():
    listed = _page(detail(3), detail(7, name="two\nlines"))
    with loopback.answering(_cut_head(), listed) as url:
        image = _client(url).get(image_id(7))
    assert image == ImageDetail.from_record(detail(7, name="two\nlines"))


def test_an_image_whose_headers_are_cut_off_and_that_no_list_has():
    answers = (_cut_head(), _page(detail(3)), _page())
    with (
        loopback.answering(*answers) as url,
        pytest.raises(BadAnswer, match="has no image metadata"),
    ):
        _client(url).get(image_id(7))


# Sorting by what may be null


def test_a_list_by_size_is_read_in_the_service_s_own_order_and_sorted_here(requests_mock, client):
    records = [brief(1, size=7), brief(2, size=None), brief(3, size=0)]
    requests_mock.get(BRIEF, [{"json": {"images": records}}, {"json": {"images": []}}])
    query = ImageQuery(sort_key="size", sort_dir="asc", page_size=2)
    images = list(client.images(query))
    assert numbers(images) == [2, 3, 1]
    assert [params_of(request) for request in requests_mock.request_history] == [
        {"limit": "1000"},
        {"limit": "1000", "marker": image_id(3)},
    ]


def test_an_id_in_upper_case_is_an_id(requests_mock, client):
    requests_mock.head(f"{BRIEF}/{UUID}", headers={"X-Image-Meta-Id": UUID})
    assert client.find(UUID.upper()).id == UUID


def test_a_lookup_that_fails_names_the_image(requests_mock, client):
    requests_mock.get(DETAIL, status_code=500, text="Oops")
    with pytest.raises(ServerError, match=r"^Cannot look up image 'my .x1b image': Oops \(HTTP"):
        client.find("my \x1b image")


# Pages for programs


@pytest.mark.parametrize("is_detailed", [False, True])
def test_pages_have_records_and_images(client, listing, is_detailed):
    listing(details(5) if is_detailed else briefs(5))
    pages = list(client.pages(ImageQuery(page_size=2), detail=is_detailed))
    assert [len(page) for page in pages] == [2, 2, 1]
    kind = ImageDetail if is_detailed else Image
    assert {type(image) for page in pages for image in page.images} == {kind}
    assert [page.next_marker for page in pages] == [image_id(number) for number in (1, 3, 4)]
    assert not any(page.is_empty for page in pages)


def test_a_list_is_walked_by_its_markers(client, listing):
    service = listing(briefs(5))
    query, seen = ImageQuery(limit=2), []
    while not (page := client.page(query)).is_empty:
        seen += numbers(page.images)
        query = replace(query, marker=page.next_marker)
    assert (seen, page.next_marker, service.requests) == ([0, 1, 2, 3, 4], None, 4)


def test_own_parameters_go_with_each_request(client, listing, requests_mock):
    @dataclass(frozen=True)
    class Query(ImageQuery):
        flavor: str | None = None

        def params(self, texts=True):
            return {**super().params(texts), "flavor": [self.flavor, "any"]}

    listing(briefs(3))
    assert len(list(client.images(Query(page_size=2, flavor="old")))) == 3
    for request in requests_mock.request_history:
        assert parse_qs(request.query)["flavor"] == ["old", "any"]
