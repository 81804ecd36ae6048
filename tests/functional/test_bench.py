"""The stand-in of ``bench/`` answers in the form of a real Glance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from bench import far
from bench.contenders import far_away, stand_in
from osc_image_v1.api.models import V2_FIELDS
from tests.cloud import BY_KEY, Cloud

CIRROS = BY_KEY["cirros"]


@pytest.fixture(scope="module")
def imitation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data: Path = tmp_path_factory.mktemp("bench") / "data"
    data.write_bytes(b"data")
    with stand_in(60, data, strict=True) as url:
        yield f"{url}/v1/images"


@pytest.fixture
def real(cloud: Cloud, session: Callable[..., Any]) -> Callable[..., Any]:
    def ask(path: str = "", method: str = "GET", **more: Any) -> Any:
        return session("admin").request(f"{cloud.urls['image']}/v1/images{path}", method, **more)

    return ask


@pytest.mark.parametrize("detail", ["", "/detail"])
def test_records_have_the_same_fields_of_the_same_types(
    detail: str, real: Callable[..., Any], imitation: str
) -> None:
    theirs = real(f"{detail}?limit=1000")
    ours = requests.get(f"{imitation}{detail}?limit=1000", timeout=10)
    (record,) = (one for one in theirs.json()["images"] if one["id"] == CIRROS.id)
    for image in ours.json()["images"]:
        assert {name: type(value) for name, value in image.items()} == {
            name: type(value) for name, value in record.items()
        }
    assert ours.json().keys() == theirs.json().keys()
    assert ours.headers["Content-Type"] == theirs.headers["Content-Type"].partition(";")[0]


def test_v2_lists_the_same_images_as_a_target_does(
    cloud: Cloud, session: Callable[..., Any], imitation: str
) -> None:
    real_url, url = f"{cloud.urls['target-image']}/v2/images", imitation.replace("/v1/", "/v2/")
    theirs = session("target").get(f"{real_url}?limit=1000").json()
    ours, listed = (requests.get(f"{at}?limit=7", timeout=10).json() for at in (url, imitation))
    assert [one["id"] for one in ours["images"]] == [one["id"] for one in listed["images"]]
    assert ours.keys() - {"next"} == theirs.keys() - {"next"}
    (record,) = (one for one in theirs["images"] if one["id"] == CIRROS.id)
    own = {name: type(value) for name, value in record.items() if name in V2_FIELDS}
    for image in ours["images"]:
        assert own == {name: type(value) for name, value in image.items() if name in V2_FIELDS}
    unknown = "limit=1&marker=f0000000-0000-4000-8000-00f000000000"
    assert session("target").get(f"{real_url}?{unknown}", raise_exc=False).status_code == 400
    assert requests.get(f"{url}?{unknown}", timeout=10).status_code == 400


@pytest.mark.parametrize("asked", ["", "?limit=7", "/detail?limit=0"])
def test_pages_are_as_long(asked: str, real: Callable[..., Any], imitation: str) -> None:
    theirs, ours = real(asked), requests.get(imitation + asked, timeout=10)
    assert len(ours.json()["images"]) == len(theirs.json()["images"])


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_headers_are_the_same(method: str, real: Callable[..., Any], imitation: str) -> None:
    theirs = real(f"/{CIRROS.id}", method)
    listed = requests.get(f"{imitation}?limit=1", timeout=10).json()["images"][0]
    ours = requests.request(method, f"{imitation}/{listed['id']}", timeout=10)
    for answer in (theirs, ours):
        assert answer.status_code == 200
    names = [
        {name.lower() for name in answer.headers if name.lower().startswith("x-image-meta-")}
        for answer in (theirs, ours)
    ]
    own = {name for name in names[0] if not name.startswith("x-image-meta-property-")}
    assert {name for name in names[1] if not name.startswith("x-image-meta-property-")} == own
    if method == "GET":
        assert ours.content == b"data"


def test_members_are_the_same(real: Callable[..., Any], imitation: str) -> None:
    members = f"/{CIRROS.id}/members"
    assert requests.get(imitation + members, timeout=10).json() == real(members).json()


def test_what_is_made_has_the_same_fields(real: Callable[..., Any], imitation: str) -> None:
    fields = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
    headers = {f"x-image-meta-{name.replace('_', '-')}": text for name, text in fields.items()}
    theirs = [real("", "POST", headers=headers)]
    path = f"/{theirs[0].json()['image']['id']}"
    data = {"data": b"data", "headers": {"Content-Type": "application/octet-stream"}}
    theirs.append(real(path, "PUT", **data))
    real(path, "DELETE")
    ours = [
        requests.request("POST", imitation, headers=headers, timeout=10),
        requests.request("PUT", imitation + path, timeout=10, **data),
    ]
    for their, our in zip(theirs, ours, strict=True):
        assert our.status_code == their.status_code
        assert our.json()["image"].keys() == their.json()["image"].keys()
    made, filled = (their.json()["image"] for their in theirs)
    assert {name: made[name] for name in fields} == fields
    assert ours[1].json()["image"]["checksum"] == filled["checksum"]
    assert ours[1].json()["image"]["id"] == filled["id"]


def test_other_data_is_refused(imitation: str) -> None:
    url = f"{imitation}/{CIRROS.id}"
    assert requests.put(url, data=b"atad", timeout=10).status_code == 400
    assert requests.put(url, data=b"dat", timeout=10).status_code == 400


def test_requests_are_counted(imitation: str) -> None:
    count = imitation.replace("/v1/images", "/requests")
    before = int(requests.get(count, timeout=10).text)
    requests.get(f"{imitation}?limit=1", timeout=10)
    requests.get(f"{imitation}/detail", timeout=10)
    assert int(requests.get(count, timeout=10).text) == before + 2


def test_all_comes_over_a_long_way_and_connections_are_counted(imitation: str) -> None:
    with far_away(imitation, 1) as way:
        with requests.Session() as session:
            for _ in range(2):
                listed = session.get(f"{way.url}?limit=7", timeout=10).json()["images"]
                assert len(listed) == 7
            assert session.put(f"{way.url}/{CIRROS.id}", b"data", timeout=10).status_code == 200
            assert (
                session.put(f"{way.url}/{CIRROS.id}", b"x" * 2**22, timeout=10).status_code == 400
            )
        assert way.connections() == 1
        assert requests.get(f"{way.url}?limit=1", timeout=10).ok
        assert way.connections() == 2


def test_an_export_from_far_away_keeps_a_connection_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far, "ROUND_TRIP", 5.0)
    section = far.export(tmp_path, 40, 1)
    figures = {figure.name: figure.value for figure in section.figures}
    assert 1 <= figures["connections of the export"] <= far.PARALLEL
