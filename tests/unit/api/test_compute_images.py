"""Reading images of the Compute service's proxy."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api import compute_images, image_v2
from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.queries import ComputeImageQuery
from osc_image_v1.exceptions import (
    AmbiguousName,
    ApiNotAvailable,
    BadAnswer,
    BadRequest,
    Forbidden,
    ImageNotFound,
    InvalidInput,
    MarkerIgnored,
    ServerError,
)
from tests.unit import captures
from tests.unit.conftest import COMPUTE_URL, adapter_at, image_id, params_of
from tests.unit.fuzz import thorough

IMAGES = COMPUTE_URL + "/images"
DETAIL = IMAGES + "/detail"
UUID = "00000004-1111-4111-8111-000000000004"


def record(number, **fields):
    return {
        "id": image_id(number),
        "name": f"image {number}",
        "status": "ACTIVE",
        "metadata": {},
        "OS-EXT-IMG-SIZE:size": 0,
        **fields,
    }


def old_record(number, **fields):
    """A record as Nova of 2011 has it."""
    made = record(number, **fields)
    del made["OS-EXT-IMG-SIZE:size"]
    return made


class Nova:
    """Lists as Nova makes them: a full page has a link to the next, even where that is empty."""

    def __init__(self, mock, records, host="http://inside:8774/v2.1", linked=True, cap=1000):
        self.records = records
        self.linked = linked
        self.cap = cap
        self.host = host
        self.params = []
        mock.get(DETAIL, json=self._page)

    def _page(self, request, context):
        params = params_of(request)
        self.params.append(params)
        limit = min(int(params["limit"]), self.cap)
        ids = [entry["id"] for entry in self.records]
        begin = ids.index(params["marker"]) + 1 if "marker" in params else 0
        page = self.records[begin : begin + limit]
        if len(page) < limit or not self.linked:
            return {"images": page}
        query = f"limit={limit}&marker={page[-1]['id']}"
        links = [
            {"rel": "self", "href": "x"},
            {"rel": "next", "href": f"{self.host}/images/detail?{query}"},
        ]
        return {"images": page, "images_links": links}


@pytest.fixture
def nova(requests_mock):
    return lambda records, **options: Nova(requests_mock, records, **options)


def records(count):
    return [record(number) for number in range(count)]


def numbers(images):
    return [int(image.name.split()[1]) for image in images]


# Lists


@pytest.mark.parametrize(
    ("count", "requests"), [(0, 1), (1, 1), (999, 1), (1000, 2), (1001, 2), (2500, 3)]
)
def test_a_list_is_whole_along_the_links(compute_client, nova, count, requests):
    service = nova(records(count))
    assert numbers(compute_client.images()) == list(range(count))
    assert len(service.params) == requests


@pytest.mark.parametrize("page_size", [1, 2, 3, 7])
def test_pages_of_another_size(compute_client, nova, page_size):
    service = nova(records(7))
    assert numbers(compute_client.images(ComputeImageQuery(page_size=page_size))) == list(range(7))
    assert {params["limit"] for params in service.params} == {str(page_size)}


@pytest.mark.parametrize("limit", [1, 5, 7, 9])
def test_a_limit_takes_one_request(compute_client, nova, limit):
    service = nova(records(7))
    assert numbers(compute_client.images(ComputeImageQuery(limit=limit))) == list(
        range(min(limit, 7))
    )
    assert service.params == [{"limit": str(limit)}]


def test_a_limit_of_nothing_takes_none(compute_client, requests_mock):
    assert list(compute_client.images(ComputeImageQuery(limit=0))) == []
    assert requests_mock.call_count == 0


def test_a_limit_over_a_page(compute_client, nova):
    service = nova(records(3000))
    assert numbers(compute_client.images(ComputeImageQuery(limit=1500))) == list(range(1500))
    assert len(service.params) == 2


@pytest.mark.parametrize("page_size", [1, 4, 1000])
@pytest.mark.parametrize("limit", [None, 1, 3, 9])
def test_filters_that_are_made_here_compose_with_a_limit(compute_client, nova, limit, page_size):
    nova([record(n, metadata={"os_distro": "x"} if n % 4 == 3 else {}) for n in range(20)])
    query = ComputeImageQuery(properties={"os_distro": "x"}, limit=limit, page_size=page_size)
    assert numbers(compute_client.images(query)) == [3, 7, 11, 15, 19][:limit]


def test_rows_that_the_service_reads_loosely_do_not_count(compute_client, nova):
    service = nova([record(n, name="a" if n % 2 else "A") for n in range(20)])
    query = ComputeImageQuery(name="a", limit=3)
    found = [image.id for image in compute_client.images(query)]
    assert found == [image_id(number) for number in (1, 3, 5)]
    assert [params["limit"] for params in service.params] == ["3", "1000"]


def test_a_list_begins_after_the_marker(compute_client, nova):
    service = nova(records(4))
    assert numbers(compute_client.images(ComputeImageQuery(marker=image_id(1)))) == [2, 3]
    assert service.params == [{"limit": "1000", "marker": image_id(1)}]


def test_parameters_go_with_each_page(compute_client, nova):
    # Nova drops from its links what it does not know.
    service = nova(records(3))
    query = ComputeImageQuery(page_size=2, min_ram=None, extra={"visibility": "public", "x": ""})
    assert numbers(compute_client.images(query)) == [0, 1, 2]
    assert [
        params.items() >= {"visibility": "public", "x": ""}.items() for params in service.params
    ] == [True, True]


def test_pages_are_as_the_service_sent_them(compute_client, nova):
    nova(records(2))
    assert list(compute_client.pages()) == [records(2)]


def test_a_recorded_list(compute_client, requests_mock):
    requests_mock.get(DETAIL, **captures.compute("02-detail").mock)
    listed = list(compute_client.images())
    assert len(listed) == len(captures.compute("02-detail").json["images"])
    images = {image.name: image for image in listed}
    assert images["comma,name:colon"].metadata["k.dot"] == "x=y"
    assert images["pending"].status == "DELETED"
    assert images[None].size == 12


def test_a_recorded_link_is_followed_on_the_endpoint_that_is_ours(requests_mock):
    client = ComputeImageClient(adapter_at("https://public.example/compute/v2.1/p1", "compute"))
    first = captures.compute("10-detail-limit-2b")
    url = "https://public.example/compute/v2.1/p1/images/detail"
    requests_mock.get(url, [first.mock, {"json": {"images": []}}])
    assert len(list(client.images(ComputeImageQuery(page_size=2)))) == 2
    assert requests_mock.last_request.url.startswith(url)
    assert params_of(requests_mock.last_request) == {
        "limit": "2",
        "status": "ACTIVE",
        "marker": "00000016-1111-4111-8111-000000000016",
    }


# Services without links


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 2), (999, 2), (1000, 2), (1500, 2)])
def test_a_page_without_a_link_is_followed_by_its_last_image(compute_client, nova, count, requests):
    service = nova([old_record(number) for number in range(count)], linked=False)
    assert numbers(compute_client.images()) == list(range(count))
    assert len(service.params) == requests


@pytest.mark.parametrize("limit", [None, 1, 9, 10, 11, 25, 40])
def test_a_cap_of_a_service_without_links_is_not_the_end(compute_client, nova, limit):
    nova([old_record(number) for number in range(30)], linked=False, cap=10)
    query = ComputeImageQuery(limit=limit)
    assert numbers(compute_client.images(query)) == list(range(30))[:limit]


def test_a_cap_of_a_service_with_links_is_not_the_end(compute_client, nova):
    service = nova(records(30), cap=10)
    assert numbers(compute_client.images(ComputeImageQuery(limit=25))) == list(range(25))
    assert len(service.params) == 3


def test_a_full_page_without_a_link_is_followed_whatever_its_records_tell(compute_client, nova):
    nova(records(5), linked=False)
    assert numbers(compute_client.images(ComputeImageQuery(page_size=2))) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("filters", [{}, {"name": "image 1"}])
def test_a_service_without_links_that_ignores_the_marker(
    compute_client, requests_mock, caplog, filters
):
    requests_mock.get(DETAIL, json={"images": [old_record(number) for number in range(3)]})
    query = ComputeImageQuery(page_size=3, **filters)
    assert numbers(compute_client.images(query)) == ([1] if filters else [0, 1, 2])
    assert [entry.message for entry in caplog.records if entry.levelname == "WARNING"] == [
        "The Compute service ignores the marker: of its images the first 3 are listed"
    ]


def test_a_service_that_gives_all_at_once(compute_client, requests_mock, caplog):
    requests_mock.get(DETAIL, json={"images": [old_record(number) for number in range(3)]})
    assert numbers(compute_client.images(ComputeImageQuery(page_size=2))) == [0, 1, 2]
    assert not [entry for entry in caplog.records if entry.levelname == "WARNING"]


@pytest.mark.parametrize("linked", [True, False])
def test_a_first_page_that_still_has_the_marker(compute_client, requests_mock, linked):
    links = [{"rel": "next", "href": f"?marker={image_id(1)}"}] if linked else []
    requests_mock.get(DETAIL, json={"images": records(2), "images_links": links})
    with pytest.raises(MarkerIgnored, match="begins elsewhere than after image"):
        list(compute_client.images(ComputeImageQuery(marker=image_id(1))))
    assert requests_mock.call_count == 1


# Services that lead astray


@pytest.mark.parametrize("host", ["http://evil.example", "//evil.example", "", "file://"])
def test_no_link_leads_to_another_host(compute_client, nova, requests_mock, host):
    nova(records(3), host=host)
    assert numbers(compute_client.images(ComputeImageQuery(page_size=2))) == [0, 1, 2]
    assert {request.netloc for request in requests_mock.request_history} == {"compute.example:8774"}


@pytest.mark.parametrize(
    "links",
    [
        None,
        {},
        "next",
        [],
        [None],
        [{}],
        [{"rel": "next"}],
        [{"rel": "next", "href": 5}],
        [{"rel": "prev", "href": "?marker=a"}],
    ],
)
def test_what_is_no_link_ends_a_list(compute_client, requests_mock, links):
    requests_mock.get(DETAIL, json={"images": records(2), "images_links": links})
    assert numbers(compute_client.images()) == [0, 1]
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("href", ["", "http://x/images?limit=2", "http://[::1", "?markers=a"])
def test_a_link_without_a_marker(compute_client, requests_mock, href):
    requests_mock.get(
        DETAIL, json={"images": records(2), "images_links": [{"rel": "next", "href": href}]}
    )
    with pytest.raises(BadAnswer, match="link to the next page has no marker"):
        list(compute_client.images())


def page_of(entries, marker):
    return {
        "json": {"images": entries, "images_links": [{"rel": "next", "href": f"?marker={marker}"}]}
    }


def test_a_service_that_ignores_the_marker(compute_client, requests_mock):
    requests_mock.get(DETAIL, **page_of(records(2), image_id(1)))
    with pytest.raises(BadAnswer, match="repeats a page"):
        list(compute_client.images())
    assert requests_mock.call_count == 2


def test_a_cycle_of_pages(compute_client, requests_mock):
    pages = [
        page_of(records(4)[:2], "a"),
        page_of(records(4)[2:], "b"),
        page_of(records(4)[:2], "c"),
    ]
    requests_mock.get(DETAIL, pages)
    with pytest.raises(BadAnswer, match="repeats a page"):
        list(compute_client.images())
    assert requests_mock.call_count == 3


def test_empty_pages_that_lead_on_and_on(compute_client, requests_mock):
    requests_mock.get(DETAIL, [page_of([], "a"), page_of([], "b"), page_of([], "a")])
    with pytest.raises(BadAnswer, match="repeats a page"):
        list(compute_client.images())
    assert requests_mock.call_count == 3


def test_an_empty_page_may_lead_on(compute_client, requests_mock):
    requests_mock.get(DETAIL, [page_of([], "a"), {"json": {"images": records(1)}}])
    assert numbers(compute_client.images()) == [0]


@pytest.mark.parametrize("document", [[], 5, {}, {"images": None}, {"images": [{}]}])
def test_answers_of_another_form(compute_client, requests_mock, document):
    requests_mock.get(DETAIL, json=document)
    with pytest.raises(BadAnswer, match=r"^Cannot list images of the Compute service: "):
        list(compute_client.images())


# Errors, recorded


def test_a_service_without_the_proxy(compute_client, requests_mock):
    answer = captures.compute("20-mv-detail-2.36")
    requests_mock.get(DETAIL, **answer.mock)
    with pytest.raises(ApiNotAvailable) as caught:
        list(compute_client.images())
    assert str(caught.value) == (
        f"The Compute service at {COMPUTE_URL} has no image proxy (HTTP 404, request "
        f"{answer.header('X-Openstack-Request-Id')}): use 'openstack image' or 'openstack image v1'"
    )


def test_a_password_in_a_url_is_not_told(requests_mock):
    adapter = adapter_at("http://admin:secret@compute.example/v2.1", "compute")
    requests_mock.get("http://compute.example/v2.1/images/detail", status_code=404)
    with pytest.raises(ApiNotAvailable) as caught:
        list(ComputeImageClient(adapter).images())
    assert "http://compute.example/v2.1 has no image proxy" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "kind", "said"),
    [
        (
            "11-marker-unknown",
            BadRequest,
            "No image found with ID 00000000-0000-4000-8000-000000000000 ",
        ),
        ("11-marker-otherprivate", Forbidden, "not visible "),
        ("17-cs-detailbad", BadRequest, 'Bad "updated_at" query filter format. '),
        ("61-glancedown-list", ServerError, "GlanceConnectionFailed'> "),
    ],
)
def test_recorded_errors(compute_client, requests_mock, file, kind, said):
    requests_mock.get(DETAIL, **captures.compute(file).mock)
    with pytest.raises(kind) as caught:
        list(compute_client.images())
    assert said in str(caught.value)
    assert str(caught.value).startswith("Cannot list images of the Compute service: ")
    assert requests_mock.call_count == 1


# One image


def test_an_image_by_its_id(compute_client, requests_mock):
    requests_mock.get(f"{IMAGES}/{UUID}", **captures.compute("03-show-04").mock)
    assert compute_client.get(UUID).name == "web1-snap"
    assert requests_mock.last_request.headers["OpenStack-API-Version"] == "compute 2.1"


def test_no_image_of_that_id(compute_client, requests_mock):
    answer = captures.compute("03-show-missing")
    requests_mock.get(f"{IMAGES}/{UUID}", **answer.mock)
    with pytest.raises(ImageNotFound) as caught:
        compute_client.get(UUID)
    assert str(caught.value) == (
        f"The Compute service has no image with the ID {UUID} "
        f"(HTTP 404, request {answer.header('X-Openstack-Request-Id')})"
    )


@pytest.mark.parametrize(
    "document", [[], 5, "image", {}, {"image": None}, {"image": []}, {"image": {"id": None}}]
)
def test_an_answer_that_is_no_image(compute_client, requests_mock, document):
    requests_mock.get(f"{IMAGES}/{UUID}", text=json.dumps(document))
    with pytest.raises(BadAnswer, match=r"has no image$"):
        compute_client.get(UUID)


@pytest.mark.parametrize("name", [UUID, "12345678"])
def test_what_looks_like_an_id_is_one_first(compute_client, requests_mock, name):
    requests_mock.get(f"{IMAGES}/{name}", json={"image": record(1, id=name)})
    assert compute_client.find(name).id == name
    assert requests_mock.call_count == 1


def test_what_looks_like_an_id_may_be_a_name(compute_client, nova, requests_mock):
    nova([record(1, name="2024")])
    requests_mock.get(f"{IMAGES}/2024", status_code=404)
    assert compute_client.find("2024").id == image_id(1)
    assert requests_mock.call_count == 2


def test_a_name_takes_one_request(compute_client, nova):
    service = nova([record(1, name="a b")])
    assert compute_client.find("a b").id == image_id(1)
    assert service.params == [{"name": "a b", "limit": "1000"}]


def test_a_name_takes_one_request_without_links_too(compute_client, nova):
    service = nova([old_record(1, name="a b")], linked=False)
    assert compute_client.find("a b").id == image_id(1)
    assert len(service.params) == 1


def test_a_name_is_looked_up_on_all_pages(compute_client, requests_mock):
    old = [old_record(n, name="a" if n == 8 else "A") for n in range(9)]
    Nova(requests_mock, old, linked=False, cap=2)
    assert compute_client.find("a").id == image_id(8)


def test_an_odd_id_is_found_when_no_name_is(compute_client, nova, requests_mock):
    nova([])
    requests_mock.get(f"{IMAGES}/ami-1f.x_2", json={"image": record(1, id="ami-1f.x_2")})
    assert compute_client.find("ami-1f.x_2").id == "ami-1f.x_2"
    assert requests_mock.call_count == 2


def test_no_image_of_that_name(compute_client, nova, requests_mock):
    nova([])
    with pytest.raises(ImageNotFound, match=r"^No image has the name or ID 'a b'$"):
        compute_client.find("a b")
    assert requests_mock.call_count == 1


def test_neither_image_nor_name(compute_client, nova, requests_mock):
    nova([])
    requests_mock.get(f"{IMAGES}/nothing", status_code=404)
    with pytest.raises(ImageNotFound, match="nothing"):
        compute_client.find("nothing")


def test_several_images_of_one_name(compute_client, nova):
    nova([record(n, name="a") for n in range(2)])
    with pytest.raises(
        AmbiguousName, match=r"^2 images have the name 'a', use an ID instead: "
    ) as caught:
        compute_client.find("a")
    assert caught.value.candidates == (image_id(0), image_id(1))


def test_an_empty_name_is_refused(compute_client, requests_mock):
    with pytest.raises(InvalidInput, match="name or ID is empty"):
        compute_client.find("")
    assert requests_mock.call_count == 0


def test_a_lookup_that_fails_names_the_image(requests_mock, compute_client):
    requests_mock.get(COMPUTE_URL + "/images/detail", status_code=500, text="Oops")
    said = r"^Cannot look up image 'my image' of the Compute service: Oops \(HTTP"
    with pytest.raises(ServerError, match=said):
        compute_client.find("my image")


_URLS = st.text("http:/[]@?&=#marker%.\x00\ud800 ", max_size=40) | st.text(max_size=40)


@thorough
@given(st.lists(st.none() | st.dictionaries(st.sampled_from(["rel", "href"]), _URLS)), _URLS)
def test_any_link_is_a_marker_or_refused(links, link):
    for document in ({"images_links": [*links, {"rel": "next", "href": link}]}, {"next": link}):
        try:
            found = compute_images._next_params(document, "X")
            marker = image_v2._next_marker(document)
        except BadAnswer:
            continue
        assert all(isinstance(part, str) for pair in found.items() for part in pair)
        assert marker is None or isinstance(marker, str)


# Pages for programs


def test_a_list_is_walked_by_its_markers(compute_client, nova):
    service = nova([record(number) for number in range(5)])
    query, seen = ComputeImageQuery(limit=2), []
    while not (page := compute_client.page(query)).is_empty:
        seen += [image.name for image in page.images]
        query = replace(query, marker=page.next_marker)
    assert seen == [f"image {number}" for number in range(5)]
    assert (page.next_marker, len(service.params)) == (None, 4)


def test_what_a_link_names_twice_is_sent_twice(compute_client, requests_mock):
    link = {"rel": "next", "href": f"http://inside/images/detail?marker={UUID}&tag=a&tag=b"}
    first = {"images": [record(4)], "images_links": [link]}
    requests_mock.get(DETAIL, [{"json": first}, {"json": {"images": []}}])
    list(compute_client.images(ComputeImageQuery(extra={"own": ("c", "d")})))
    sent = parse_qs(requests_mock.last_request.query)
    assert (sent["tag"], sent["own"], sent["marker"]) == (["a", "b"], ["c", "d"], [UUID])
