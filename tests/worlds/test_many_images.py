"""2,000 images that differ in what databases do not tell apart: filters, sorts, limits, markers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter

from osc_image_v1.api import ImageClient, ImageDetail, ImageQuery
from tests.cloud import Cloud
from tests.functional.api.test_read_filters import CASES, Case
from tests.worlds.many import COUNT, NAMES, many_images
from tests.worlds.worlds import DATABASES, in_worlds

pytestmark = in_worlds(*DATABASES)

_KEYS: dict[str, Callable[[Any], Any]] = {
    "name": lambda image: (image.name is not None, image.name or ""),
    "status": lambda image: image.status,
    "container_format": lambda image: (bool(image.container_format), image.container_format or ""),
    "disk_format": lambda image: (bool(image.disk_format), image.disk_format or ""),
    "size": lambda image: -1 if image.size is None else image.size,
    "id": lambda image: image.id,
    "created_at": lambda image: image.created_at,
    "updated_at": lambda image: image.updated_at,
}

#: Of a walk; there are two.
_STEP = 1100


def _named(name: str) -> Callable[[ImageDetail], bool]:
    return lambda image: image.name == name


_CASES = {
    **CASES,
    **{
        f"name {name!r} of many": Case(("--name", name), {"name": name}, _named(name))
        for name in NAMES
        if name
    },
}


@pytest.fixture(scope="module")
def client(cloud: Cloud, session: Callable[..., Any]) -> Iterator[ImageClient]:
    with many_images(cloud):
        yield ImageClient(Adapter(session("admin"), service_type="image", interface="public"))


@pytest.fixture(scope="module")
def whole(client: ImageClient) -> list[ImageDetail]:
    """All images, in the service's own order."""
    found = list(client.images_detail(ImageQuery(visibility="all", page_size=1000)))
    assert len({image.id for image in found}) == len(found) > COUNT
    return found


def _ids(client: ImageClient, **query: Any) -> list[str]:
    return [image.id for image in client.images(ImageQuery(**{"visibility": "all", **query}))]


@pytest.mark.parametrize("case", _CASES.values(), ids=list(_CASES))
def test_a_filter_finds_what_it_says(
    case: Case, whole: list[ImageDetail], client: ImageClient
) -> None:
    wanted = [image.id for image in whole if case.keep(image)]
    query = {**case.query, "page_size": 1000}
    assert _ids(client, **query) == wanted
    if len(wanted) > 1:
        middle = len(wanted) // 2
        assert _ids(client, **query, marker=wanted[middle - 1], limit=2) == wanted[middle:][:2]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", _KEYS)
def test_a_walk_by_markers_gives_each_image_once(
    key: str, direction: str, whole: list[ImageDetail], client: ImageClient
) -> None:
    by_id = {image.id: image for image in whole}
    query = {"sort_key": key, "sort_dir": direction, "page_size": 1000}
    walked = _ids(client, **query, limit=_STEP)
    while len(walked) % _STEP == 0:
        walked += _ids(client, **query, limit=_STEP, marker=walked[-1]) or ["the end"]
    assert sorted(walked) == sorted(by_id)
    values = [_KEYS[key](by_id[image_id]) for image_id in walked]
    assert values == sorted(values, reverse=direction == "desc")
    # Without a limit it is all that is left.
    assert _ids(client, **query, marker=walked[_STEP // 2]) == walked[_STEP // 2 + 1 :]
