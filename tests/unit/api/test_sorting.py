"""Lists that are sorted here, because the service loses images at the borders of its pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.paging import is_sorted_here, pages_in_order
from osc_image_v1.api.queries import SORT_KEYS, ImageQuery
from osc_image_v1.exceptions import ImageNotFound
from tests.unit.conftest import brief, image_id


@pytest.mark.parametrize("key", SORT_KEYS)
def test_which_lists_are_sorted_here(key):
    nullable = key in ("name", "container_format", "disk_format", "size")
    assert is_sorted_here(ImageQuery(sort_key=key)) is nullable
    assert is_sorted_here(ImageQuery(sort_key=key, limit=1001)) is nullable
    assert is_sorted_here(ImageQuery(sort_key=key, limit=5, marker=image_id(1))) is nullable
    assert is_sorted_here(ImageQuery(sort_key=key, limit=5, checksum="0" * 32)) is nullable
    assert is_sorted_here(ImageQuery(sort_key=key, limit=1)) is nullable
    assert is_sorted_here(ImageQuery()) is False
    others = [(other, "asc") for other in SORT_KEYS if other != key]
    assert is_sorted_here(ImageQuery(sort_key=key, then_by=others))


def _listed(sizes, **query):
    records = [brief(number, size=size) for number, size in enumerate(sizes)]
    pages = list(pages_in_order(records, ImageQuery(sort_key="size", **query)))
    assert all(len(page) <= query.get("page_size", 1000) for page in pages)
    return [int(record["checksum"], 16) for page in pages for record in page]


SIZES = (5, None, 0, 5, None, "odd")


def test_nulls_are_the_least_and_equals_stay_in_the_order_of_their_making():
    assert _listed(SIZES, sort_dir="asc") == [5, 4, 1, 2, 3, 0]
    assert _listed(SIZES, sort_dir="desc") == [0, 3, 2, 1, 4, 5]
    assert _listed(SIZES) == _listed(SIZES, sort_dir="asc")


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 3)), min_size=1, max_size=20),
    st.data(),
)
def test_marker_limit_and_pages_cut_the_same_order(sizes, data):
    direction = data.draw(st.sampled_from(["asc", "desc"]))
    whole = _listed(sizes, sort_dir=direction)
    position = data.draw(st.integers(0, len(whole) - 1))
    limit = data.draw(st.one_of(st.none(), st.integers(0, 20)))
    page_size = data.draw(st.integers(1, 7))
    marker = image_id(whole[position])
    cut = _listed(sizes, sort_dir=direction, marker=marker, limit=limit, page_size=page_size)
    assert cut == whole[position + 1 :][:limit]


def test_a_marker_that_is_not_listed():
    with pytest.raises(ImageNotFound, match="not among those that are listed"):
        _listed(SIZES, marker=image_id(99))
