import pytest

from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.paging import PageGuard, records_of
from osc_image_v1.exceptions import BadAnswer, MarkerIgnored
from tests.unit.conftest import IMAGE_URL, adapter_at, brief, image_id, params_of


def page(*numbers):
    return [brief(number) for number in numbers]


def test_the_records_of_a_page():
    assert records_of({"images": page(1, 2)}, "X") == page(1, 2)
    assert records_of({"images": [], "images_links": []}, "X") == []


@pytest.mark.parametrize(
    "document", [None, [], "images", 5, {}, {"images": None}, {"images": {}}, {"image": []}]
)
def test_a_document_without_a_list(document):
    with pytest.raises(
        BadAnswer, match=r"^Cannot list: the service's answer has no list of images$"
    ):
        records_of(document, "Cannot list")


@pytest.mark.parametrize(
    "record",
    [None, "a", [], {}, {"id": None}, {"id": ""}, {"id": True}, {"id": 5.0}, {"name": "a"}],
)
def test_a_record_without_an_id(record):
    with pytest.raises(BadAnswer, match=r"^Cannot list: .* has an image without an ID$"):
        records_of({"images": [brief(1), record]}, "Cannot list")


def test_the_ids_of_old_clouds_are_numbers():
    records = records_of({"images": [brief(1), brief(2, id=17), brief(3, id=0)]}, "Cannot list")
    assert [record["id"] for record in records] == [brief(1)["id"], "17", "0"]


def test_pages_that_lead_on():
    guard = PageGuard("Cannot list")
    assert guard.fresh(page(1, 2)) == page(1, 2)
    assert guard.fresh(page(3, 4)) == page(3, 4)
    assert guard.fresh([]) == []


def test_what_the_page_before_had_is_dropped():
    guard = PageGuard("Cannot list")
    guard.fresh(page(1, 2, 3))
    assert guard.fresh(page(3, 4)) == page(4)


@pytest.mark.parametrize(
    "pages",
    [
        [page(1, 2, 3), page(3)],
        [page(1, 2), page(3, 4), page(1, 2)],
        [page(1, 2), page(3, 4), page(5, 2)],
    ],
)
def test_pages_that_lead_back(pages):
    guard = PageGuard("Cannot list")
    *before, last = pages
    for earlier in before:
        guard.fresh(earlier)
    with pytest.raises(
        BadAnswer, match=r"^Cannot list: the service repeats a page .* not complete$"
    ):
        guard.fresh(last)


@pytest.mark.parametrize("again", [(1, 2), (2, 1)])
def test_the_same_page_again(again):
    guard = PageGuard("Cannot list")
    guard.fresh(page(1, 2))
    with pytest.raises(MarkerIgnored) as caught:
        guard.fresh(page(*again))
    assert str(caught.value) == (
        "Cannot list: the service repeats a page instead of going on, so the list is not complete: "
        "it ignores the marker, and gives 2 images whatever comes after them; a list with --limit "
        "up to 2 works"
    )


def test_a_first_page_with_the_marker():
    guard = PageGuard("Cannot list", image_id(2))
    with pytest.raises(MarkerIgnored) as caught:
        guard.fresh(page(1, 2))
    assert str(caught.value) == (
        "Cannot list: the service ignores the marker, its page begins elsewhere than after image "
        f"{image_id(2)}: list without a marker"
    )


def test_only_the_first_page_is_to_be_without_the_marker():
    guard = PageGuard("Cannot list", image_id(1))
    assert guard.fresh(page(2, 3)) == page(2, 3)
    assert guard.fresh(page(1)) == page(1)
    assert guard.seen == 3


def test_links_that_lead_back():
    guard = PageGuard("Cannot list")
    for marker in ("a", "b", None, None):
        guard.onward(marker)
    with pytest.raises(BadAnswer, match="repeats a page"):
        guard.onward("a")


def test_pages_without_images_lead_somewhere_before_long():
    guard = PageGuard("X")
    for number in range(3):
        for _ in range(100):
            assert guard.fresh([]) == []
        assert guard.fresh([{"id": str(number)}])
    for _ in range(100):
        guard.fresh([])
    with pytest.raises(BadAnswer, match=r"^X: the service sends page after page without an image$"):
        guard.fresh([])


# The Image API v2, whose full pages have a link to the next


def listed_by_v2(requests_mock, records, **service):
    """Return what is listed, and how many requests that took."""

    def answer(request, _context):
        params = params_of(request)
        ids = [record["id"] for record in records]
        start = (
            ids.index(params["marker"]) + 1
            if service.get("markers", True) and ("marker" in params)
            else 0
        )
        limit = int(params["limit"]) if service.get("limits", True) else len(records)
        return {"images": records[start : start + limit]}

    requests_mock.get(IMAGE_URL + "/v2/images", json=answer)
    pages = list(ImageV2Client(adapter_at(IMAGE_URL)).pages())
    return [record for page in pages for record in page], requests_mock.call_count


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (999, 1), (1000, 2), (1500, 2)])
def test_a_full_page_of_v2_without_a_link_is_followed(requests_mock, count, requests):
    records = page(*range(count))
    assert listed_by_v2(requests_mock, records) == (records, requests)


def test_a_service_of_v2_that_gives_all_at_once(requests_mock):
    records = page(*range(1001))
    listed = listed_by_v2(requests_mock, records, markers=False, limits=False)
    assert listed == (records, 2)


def test_a_service_of_v2_that_ignores_the_marker(requests_mock):
    with pytest.raises(MarkerIgnored, match="--limit up to 1000 works"):
        listed_by_v2(requests_mock, page(*range(1001)), markers=False)
