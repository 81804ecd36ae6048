"""One order, whatever the service's database thinks of text and nulls."""

from __future__ import annotations

from functools import partial
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import ImageDetail
from osc_image_v1.api.paging import TELLING
from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.exceptions import ImageNotFound
from tests.unit.conftest import IMAGE_URL, adapter_at, brief, detail, image_id
from tests.unit.fuzz import thorough

KEYS = ("name", "disk_format", "container_format", "size", "id", "created_at")


class Service:
    """A Glance on a database that sorts text without case and nulls as it likes.

    :param records: in the order of their making
    """

    def __init__(
        self,
        records: list[dict[str, Any]],
        nulls_last: bool = False,
        knows_ids: bool = True,
        cap: int = 1000,
    ) -> None:
        self.records = records
        self.nulls_last = nulls_last
        self.knows_ids = knows_ids
        self.cap = cap
        self.params: list[dict[str, str]] = []
        self.heads = 0

    def get_json(self, path: str, action: str, params: dict[str, str]) -> Any:
        self.params.append(params)
        records = self._ordered(params)
        least = int(params.get("size_min", -1))
        if "marker" in params:
            ids = [record["id"] for record in records]
            records = records[ids.index(params["marker"]) + 1 :]
        if least >= 0:
            records = [record for record in records if (record["size"] or -1) >= least]
        return {"images": records[: min(int(params["limit"]), self.cap)]}

    def _ordered(self, params: dict[str, str]) -> list[dict[str, Any]]:
        key = params.get("sort_key", "created_at")
        if key == "id" and not self.knows_ids:
            key = "created_at"
        reverse = params.get("sort_dir", "desc") == "desc"

        def place(record: dict[str, Any]) -> tuple[bool, Any]:
            value = record[key]
            folded = value.lower() if isinstance(value, str) else value
            return (
                (value is None) is self.nulls_last,
                folded or 0 if key == "size" else folded or "",
            )

        newest = self.records[::-1] if reverse else self.records
        return sorted(newest, key=place, reverse=reverse)

    def client(self) -> ImageClient:
        client = ImageClient(adapter_at(IMAGE_URL))
        client.http = self  # type: ignore[assignment]
        client.get = client._lists._get = self._get  # type: ignore[method-assign]
        return client

    def _get(self, wanted: str) -> ImageDetail:
        self.heads += 1
        for record in self.records:
            if record["id"] == wanted:
                shown = {key: value for key, value in record.items() if value is not None}
                return ImageDetail.from_record(shown)
        raise ImageNotFound(wanted)


def in_order(records: list[dict[str, Any]], *keys: tuple[str, str]) -> list[str]:
    """The IDs in the documented order: code points, nulls least, equals as they were made."""

    def place(key: str, record: dict[str, Any]) -> tuple[bool, Any]:
        value = record[key]
        return (value is not None, value if value is not None else 0)

    ordered = records[::-1] if keys[0][1] == "desc" else records
    for key, direction in reversed(keys):
        ordered = sorted(ordered, key=partial(place, key), reverse=direction == "desc")
    return [record["id"] for record in ordered]


_NAME = st.none() | st.sampled_from(["", "a", "A", "b", "B", "é", "e", "_", "Z"])


@st.composite
def _records(draw: Any) -> list[dict[str, Any]]:
    numbers = draw(st.lists(st.integers(0, 99), unique=True, max_size=9))
    return [
        detail(
            number,
            name=draw(_NAME),
            disk_format=draw(st.sampled_from([None, "raw", "RAW"])),
            container_format=draw(_NAME),
            size=draw(st.none() | st.integers(0, 2)),
            created_at=f"2026-11-22T12:00:{position:02}",
        )
        for position, number in enumerate(numbers)
    ]


_SERVICE = st.fixed_dictionaries(
    {"nulls_last": st.booleans(), "knows_ids": st.booleans(), "cap": st.sampled_from([3, 1000])}
)


@thorough
@given(
    _records(),
    _SERVICE,
    st.lists(
        st.tuples(st.sampled_from(KEYS), st.sampled_from(["asc", "desc"])),
        min_size=1,
        max_size=3,
        unique_by=itemgetter(0),
    ),
    st.integers(1, 10),
)
def test_a_walk_by_markers_gives_each_image_once(
    records: Any, made: Any, keys: Any, limit: int
) -> None:
    (key, direction), *then_by = keys
    # The order of creation may be that of the IDs by chance.
    ids = [record["id"] for record in records]
    if key == "id" and (ids == sorted(ids) or ids == sorted(ids)[::-1] or made["cap"] < TELLING):
        made["knows_ids"] = True
    service = Service(records, **made)
    client = service.client()
    whole = in_order(records, *keys)
    query: Any = {"sort_key": key, "sort_dir": direction, "then_by": then_by}
    assert [image.id for image in client.images(ImageQuery(**query))] == whole
    walked: list[str] = []
    while True:
        marker = walked[-1] if walked else None
        asked = ImageQuery(**query, limit=limit, marker=marker, page_size=limit)
        page = [image.id for image in client.images(asked)]
        walked += page
        if len(page) < limit:
            break
    assert walked == whole


def _many(count: int) -> list[dict[str, Any]]:
    return [
        brief(number, size=number * 7919 % count, created_at=f"{number:09}")
        for number in range(count)
    ]


@pytest.mark.parametrize("page_size", [1, 20, 1000])
def test_the_largest_of_many_take_few_requests(page_size: int) -> None:
    service = Service(_many(20_000))
    query = ImageQuery(sort_key="size", sort_dir="desc", limit=20, page_size=page_size)
    found = [image.size for image in service.client().images(query)]
    assert found == list(range(19_999, 19_979, -1))
    # Three pages, a look at the largest, and the images that are as large.
    assert len(service.params) == 6


@pytest.mark.parametrize("page_size", [1, 20, 1000])
def test_others_take_the_pages_of_the_whole_list(page_size: int) -> None:
    service = Service(_many(4_500))
    query = ImageQuery(sort_key="size", sort_dir="asc", limit=20, page_size=page_size)
    assert [image.size for image in service.client().images(query)] == list(range(20))
    assert [params["limit"] for params in service.params] == ["1000"] * 5


def test_the_largest_where_the_service_ignores_sizes() -> None:
    records = _many(5_000)
    service = Service(records)
    service.get_json = lambda path, action, params: Service.get_json(  # type: ignore[method-assign]
        service, path, action, {k: v for k, v in params.items() if k in ("limit", "marker")}
    )
    query = ImageQuery(sort_key="size", sort_dir="desc", limit=3)
    found = [image.size for image in service.client().images(query)]
    assert found == [4_999, 4_998, 4_997]


def test_a_marker_on_the_first_page_is_not_asked_for() -> None:
    service = Service(_many(2_500))
    query = ImageQuery(sort_key="size", limit=2, marker=image_id(2_499))
    place = 2_499 * 7919 % 2_500
    found = [image.size for image in service.client().images(query)]
    assert (found, service.heads) == ([place + 1, place + 2], 0)
    query = ImageQuery(sort_key="size", limit=2, marker=image_id(0))
    assert [image.size for image in service.client().images(query)] == [1, 2]
    assert service.heads == 1


def test_a_marker_that_is_not_listed() -> None:
    client = Service(_many(10)).client()
    with pytest.raises(ImageNotFound):
        list(client.images(ImageQuery(sort_key="size", limit=2, marker=image_id(99))))


def test_an_order_of_creation_is_none_by_id() -> None:
    records = [brief(number, created_at=f"{99 - number:09}") for number in range(30)]
    service = Service(records[::-1], knows_ids=False)
    found = [image.id for image in service.client().images(ImageQuery(sort_key="id", limit=2))]
    assert found == [image_id(0), image_id(1)]
