"""Lists are exact whatever a service makes of filters, limits and links."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.filters import Sieve, number_is, property_is, text_is
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.queries import ComputeImageQuery, ImageQuery
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, adapter_at, brief, detail, image_id
from tests.unit.fuzz import thorough

NOON = datetime(2026, 11, 22, 12, tzinfo=timezone.utc)
BRIEF = frozenset(brief(0))

_WORD = st.sampled_from(["a", "A", "b", "a ", "é"])
_NUMBER = st.integers(0, 3)
# As a database that cuts off fractions has it, and as one that does not.
_SECOND = st.integers(0, 3)
_CHANGED = st.tuples(_SECOND, st.sampled_from(["", ".250000", ".750000"]))


def _either(number: int, as_text: bool) -> Any:
    return str(number) if as_text else number


@st.composite
def _images(draw: Any) -> list[dict[str, Any]]:
    count = draw(st.integers(0, 12))
    images = []
    for number in range(count):
        second, fraction = draw(_CHANGED)
        as_text = draw(st.booleans())
        flag = draw(st.booleans())
        images.append(
            detail(
                number,
                name=draw(st.none() | _WORD),
                status=draw(st.sampled_from(["active", "ACTIVE", "queued"])),
                disk_format=draw(_WORD),
                size=draw(st.none() | _NUMBER),
                min_ram=_either(draw(_NUMBER), as_text),
                protected=str(flag) if as_text else flag,
                owner=draw(st.none() | _WORD),
                properties=draw(st.dictionaries(st.just("k"), _WORD)),
                created_at="2026-11-22T00:00:00",
                updated_at=f"2026-11-22T12:00:0{second}{fraction}",
            )
        )
    return images


_QUERY = {
    "name": _WORD,
    "name_patterns": st.sampled_from([("[ab]",), ("?", "a*"), ("*",)]),
    "excluded": st.sampled_from([("a",), ("*1", "b*"), ("",)]),
    "status": st.sampled_from(["active", "queued"]),
    "disk_format": _WORD,
    "min_size": st.integers(0, 1),
    "max_size": st.integers(1, 3),
    "min_ram": _NUMBER,
    "protected": st.booleans(),
    "owner": _WORD,
    "properties": st.dictionaries(st.just("k"), _WORD, max_size=1),
    "changes_since": st.integers(0, 7).map(lambda half: NOON + timedelta(seconds=half / 2)),
}
_LIMIT = st.none() | st.integers(1, 14)
_PAGE_SIZE = st.sampled_from([1, 2, 3, 5, 1000])
_CAP = st.sampled_from([2, 3, 5, 1000])


def _latest(text: str) -> datetime:
    """The latest moment that a time may mean."""
    moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
    return moment if moment.microsecond else moment + timedelta(microseconds=999_999)


def wanted(record: dict[str, Any], query: dict[str, Any]) -> bool:
    """What the filters mean."""
    size = record["size"]
    meanings = {
        "name": lambda value: record["name"] == value,
        "name_patterns": lambda value: any(fnmatchcase(record["name"] or "", p) for p in value),
        "excluded": lambda value: (
            not any(
                fnmatchcase(text or "", p) for p in value for text in (record["name"], record["id"])
            )
        ),
        "status": lambda value: record["status"].lower() == value,
        "disk_format": lambda value: record["disk_format"] == value,
        "min_size": lambda value: size is not None and size >= value,
        "max_size": lambda value: size is not None and size <= value,
        "min_ram": lambda value: int(record["min_ram"]) == value,
        "protected": lambda value: (str(record["protected"]) == "True") is value,
        "owner": lambda value: record["owner"] == value,
        "properties": lambda value: record["properties"].items() >= value.items(),
        "changes_since": lambda value: _latest(record["updated_at"]) > value,
    }
    return all(meanings[name](value) for name, value in query.items())


class Service:
    """A service that ignores filters, knows no case, caps its pages, and gives links or none."""

    def __init__(
        self, records: list[dict[str, Any]], knows: frozenset[str], cap: int, linked: bool = False
    ) -> None:
        self.records = records
        self.knows = knows
        self.cap = cap
        self.linked = linked
        self.requests = 0

    def get_json(self, path: str, action: str, params: dict[str, str]) -> Any:
        self.requests += 1
        records = [record for record in self.records if self._lists(record, params)]
        start = 0
        if "marker" in params:
            begin = [record["id"] for record in self.records].index(params["marker"]) + 1
            after = {record["id"] for record in self.records[begin:]}
            start = sum(record["id"] not in after for record in records)
        limit = min(int(params["limit"]), self.cap)
        page = records[start : start + limit]
        if path == "/images":
            page = [{key: record[key] for key in BRIEF} for record in page]
        document: dict[str, Any] = {"images": page}
        if self.linked and len(page) == limit:
            link = f"http://x/?limit={limit}&marker={page[-1]['id']}"
            document["images_links"] = [{"rel": "next", "href": link}]
        return document

    def _lists(self, record: dict[str, Any], params: dict[str, str]) -> bool:
        loose = {
            "name": lambda value: _fold(record["name"]) == _fold(value),
            "status": lambda value: _fold(record["status"]) == _fold(value),
            "disk_format": lambda value: _fold(record["disk_format"]) == _fold(value),
            "size_min": lambda value: record["size"] is not None and record["size"] >= int(value),
            "size_max": lambda value: record["size"] is not None and record["size"] <= int(value),
            "min_ram": lambda value: int(record["min_ram"]) == int(value),
            "minRam": lambda value: int(record["minRam"]) == int(value),
            "protected": lambda value: str(record["protected"]).lower() == value,
            "property-k": lambda value: _fold(record["properties"].get("k")) == _fold(value),
            "type": lambda value: _fold(record["metadata"].get("image_type")) == _fold(value),
            "changes-since": lambda value: (
                record.get("updated_at", record.get("updated")) > value.rstrip("Z")
            ),
        }
        return all(
            loose[key](value) for key, value in params.items() if key in loose and key in self.knows
        )


_KNOWN = (
    "name status disk_format size_min size_max min_ram minRam protected property-k type "
    "changes-since"
).split()
_KNOWS = st.frozensets(st.sampled_from(_KNOWN)) | st.just(frozenset(_KNOWN))


def _fold(value: str | None) -> str | None:
    return value and value.lower().rstrip().replace("é", "e")


@thorough
@given(
    _images(),
    st.fixed_dictionaries({}, optional=_QUERY),
    _KNOWS,
    _LIMIT,
    _PAGE_SIZE,
    _CAP,
    st.data(),
)
def test_a_list_is_exact(
    images: Any, query: Any, knows: Any, limit: Any, page_size: Any, cap: Any, data: Any
) -> None:
    client = ImageClient(adapter_at(IMAGE_URL))
    service = Service(images, knows, cap)
    client.http = service  # type: ignore[assignment]
    right = [record["id"] for record in images if wanted(record, query)]
    asked = ImageQuery(**query, limit=limit, page_size=page_size)
    assert [image.id for image in client.images(asked)] == right[:limit]
    assert [image.id for image in client.images_detail(asked)] == right[:limit]
    if right:
        marker = data.draw(st.sampled_from(right))
        asked = ImageQuery(**query, limit=limit, page_size=page_size, marker=marker)
        after = right[right.index(marker) + 1 :]
        assert [image.id for image in client.images(asked)] == after[:limit]


@thorough
@given(_images(), st.fixed_dictionaries({}, optional=_QUERY), st.just(frozenset(_KNOWN)), _LIMIT)
def test_checks_cost_no_request_where_the_service_was_right(
    images: Any, query: Any, knows: Any, limit: Any
) -> None:
    query.pop("owner", None)
    right = [record for record in images if wanted(record, query)]
    services = []
    for records, fields in ((images, query), (right, {})):
        client = ImageClient(adapter_at(IMAGE_URL))
        service = Service(records, knows, 1000)
        if len([one for one in records if service._lists(one, ImageQuery(**fields).params())]) != (
            len(right)
        ):
            return
        client.http = service  # type: ignore[assignment]
        assert len(list(client.images(ImageQuery(**fields, limit=limit)))) == len(right[:limit])
        services.append(service.requests)
    assert services[0] == services[1]


_COMPUTE_QUERY = {
    "name": _WORD,
    "status": st.sampled_from(["ACTIVE", "SAVING"]),
    "image_type": _WORD,
    "min_ram": _NUMBER,
    "properties": st.dictionaries(st.just("k"), _WORD, max_size=1),
    "changes_since": _QUERY["changes_since"],
}


def _of_nova(record: dict[str, Any], links: bool) -> dict[str, Any]:
    metadata = dict(record["properties"])
    if record["owner"]:
        metadata["image_type"] = record["owner"]
    made = {
        "id": record["id"],
        "name": record["name"],
        "status": {"queued": "SAVING"}.get(record["status"], record["status"]),
        "minRam": record["min_ram"],
        "metadata": metadata,
        "updated": record["updated_at"],
    }
    return {**made, "OS-EXT-IMG-SIZE:size": 0} if links else made


@thorough
@given(
    _images(),
    st.fixed_dictionaries({}, optional=_COMPUTE_QUERY),
    _KNOWS,
    *(_LIMIT, _PAGE_SIZE, _CAP, st.booleans()),
)
def test_a_list_of_the_compute_service_is_exact(
    images: Any, query: Any, knows: Any, limit: Any, page_size: Any, cap: Any, linked: Any
) -> None:
    client = ComputeImageClient(adapter_at(COMPUTE_URL, "compute"))
    records = [_of_nova(record, linked) for record in images]
    client.http = Service(records, knows, cap, linked)  # type: ignore[assignment]
    meant = {**query, "status": query.get("status", "").replace("SAVING", "queued").lower()}
    meant["owner"] = meant.pop("image_type", None)
    # Nova counts the very moment, which here is never one of a record's.
    meant = {name: value for name, value in meant.items() if value}
    if "min_ram" in query:
        meant["min_ram"] = query["min_ram"]
    right = [record["id"] for record in images if wanted(record, meant)]
    asked = ComputeImageQuery(**query, limit=limit, page_size=page_size)
    assert [image.id for image in client.images(asked)] == right[:limit]


def test_what_records_do_not_tell_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    sieve = Sieve(
        [number_is("min_ram", 0), text_is("name", "a"), property_is("properties", "k", "")]
    )
    page = [{"id": image_id(1), "name": "a"}, {"id": image_id(2), "name": "a", "min_ram": 5}]
    with caplog.at_level(logging.WARNING):
        assert sieve.kept(page) == []
        assert sieve.kept(page) == []
    assert caplog.messages == [
        "The service does not tell min_ram of each image: those without it are left out"
    ]


def test_a_page_is_as_it_came_where_nothing_is_filtered() -> None:
    page = [brief(1)]
    assert Sieve([]).kept(page) is page
