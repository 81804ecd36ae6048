"""IDs as old clouds write them: in upper case, or numbers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests_mock as rm

from osc_image_v1.api.queries import ids_like
from osc_image_v1.cli.compute_image import DeleteComputeImage, ListComputeImage, ShowComputeImage
from osc_image_v1.cli.image import ListImage, ShowImage
from osc_image_v1.cli.image_write import DeleteImage, SetImage
from osc_image_v1.transfer.listed import named_records
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, ListService, Shell, detail, params_of

LOWER = "9137e9cc-c0aa-4faf-a056-3df6f3245fdc"
UPPER = LOWER.upper()
KINDS = [UPPER, LOWER, 17]


class Old:
    """A service of images that compares IDs exactly, and says them as it has them."""

    def __init__(self, mock: rm.Mocker, image_id: Any) -> None:
        self.id = image_id
        self.deleted = False
        mock.register_uri(rm.ANY, rm.ANY, json=self._answer)

    def _answer(self, request: Any, context: Any) -> Any:
        last = unquote(urlsplit(request.url).path.rpartition("/")[2])
        context.status_code = 200
        if request.url.startswith(COMPUTE_URL):
            record = {"id": self.id, "name": "an image", "status": "ACTIVE"}
        else:
            record = detail(1, id=self.id, name="an image")
        if last in ("detail", "images"):
            return {"images": [] if self.deleted else [record]}
        if last != str(self.id) or self.deleted:
            context.status_code = 404
            return {}
        if request.method == "DELETE":
            self.deleted = True
            context.status_code = 204 if request.url.startswith(COMPUTE_URL) else 200
            return None
        context.headers.update({"x-image-meta-id": last, "x-image-meta-name": "an image"})
        context.headers["x-image-meta-min_ram"] = "64"
        return {"image": {**record, "min_ram": 64}}


def typed(image_id: Any) -> list[str]:
    """What a person may type for an ID; only what is in lower case is found in two spellings."""
    return [str(image_id)] if image_id != LOWER else [LOWER, UPPER]


CASES = [(image_id, text) for image_id in KINDS for text in typed(image_id)]


@pytest.mark.parametrize(("image_id", "text"), CASES)
def test_image_v1(image_id: Any, text: str, shell: Shell, requests_mock: rm.Mocker) -> None:
    service = Old(requests_mock, image_id)
    assert json.loads(shell.run(ShowImage, text, "-f", "json"))["id"] == str(image_id)
    (record,) = named_records(shell.client_manager.image_v1, [text])
    assert record["id"] == str(image_id)
    shell.run(SetImage, "--min-ram", "64", text)
    assert urlsplit(requests_mock.request_history[-1].url).path.endswith(f"/{image_id}")
    shell.run(DeleteImage, text)
    assert service.deleted


@pytest.mark.parametrize(("image_id", "text"), CASES)
def test_compute(image_id: Any, text: str, compute_shell: Shell, requests_mock: rm.Mocker) -> None:
    service = Old(requests_mock, image_id)
    shown = json.loads(compute_shell.run(ShowComputeImage, text, "-f", "json"))
    assert shown["id"] == str(image_id)
    compute_shell.run(DeleteComputeImage, text)
    assert service.deleted


@pytest.mark.parametrize(("image_id", "text"), CASES)
def test_markers(image_id: Any, text: str, shell: Shell, requests_mock: rm.Mocker) -> None:
    Old(requests_mock, image_id)
    service = ListService(requests_mock, [detail(1, id=str(image_id)), detail(2, id="b")])
    for sort in ((), ("--sort", "name")):
        argv = ("--marker", text, *sort, "-f", "value", "-c", "ID")
        assert shell.run(ListImage, *argv) == "b\n"
    assert service.params[0]["marker"] == str(image_id)


@pytest.mark.parametrize(("image_id", "text"), CASES)
def test_markers_of_compute(
    image_id: Any, text: str, compute_shell: Shell, requests_mock: rm.Mocker
) -> None:
    Old(requests_mock, image_id)
    markers = []

    def page(request: Any, _context: Any) -> Any:
        markers.append(params_of(request).get("marker"))
        return {"images": [{"id": "b"}] if len(markers) == 1 else []}

    requests_mock.get(COMPUTE_URL + "/images/detail", json=page)
    argv = ("--marker", text, "--limit", "1", "-f", "value", "-c", "ID")
    assert compute_shell.run(ListComputeImage, *argv) == "b\n"
    assert markers[0] == str(image_id)


def test_a_name_may_be_a_number(shell: Shell, requests_mock: rm.Mocker) -> None:
    requests_mock.head(IMAGE_URL + "/v1/images/17", status_code=404)
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [detail(1, name="17")]})
    assert json.loads(shell.run(ShowImage, "17", "-f", "json"))["name"] == "17"


def test_what_may_be_an_id() -> None:
    assert ids_like(LOWER) == [LOWER]
    assert ids_like(UPPER) == [UPPER, LOWER]
    assert ids_like("17") == ["17"]
    assert ids_like("١٧") == ids_like("ubuntu") == ids_like("") == []


def test_by_name_and_by_id_are_the_same(shell: Shell, requests_mock: rm.Mocker) -> None:
    """By ID, nulls are no headers or, in one cloud, empty ones; the list has them as nulls."""
    record = detail(
        1, id=LOWER, name="n", owner=None, checksum=None, properties={"a": "1", "b": "", "c": None}
    )
    listed = {key: value for key, value in record.items() if key != "properties"}
    sent = {f"x-image-meta-{key}": str(value) for key, value in listed.items() if value is not None}
    properties = {"x-image-meta-property-a": "1", "x-image-meta-property-b": ""}
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [record]})
    by_name = shell.run(ShowImage, "n", "-f", "json")
    for empty in ({}, {"x-image-meta-owner": "", "x-image-meta-checksum": ""}):
        headers = {**sent, **properties, **empty}
        requests_mock.head(f"{IMAGE_URL}/v1/images/{LOWER}", headers=headers)
        assert shell.run(ShowImage, LOWER, "-f", "json") == by_name
    assert json.loads(by_name)["properties"] == {"a": "1", "b": ""}


def test_lists_and_show_agree_on_missing_properties(shell: Shell, requests_mock: rm.Mocker) -> None:
    record = detail(1, id=LOWER, name="n")
    for properties in (None, [], "x"):
        changed = {**record, "properties": properties}
        requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [changed]})
        assert json.loads(shell.run(ShowImage, "n", "-f", "json"))["properties"] == {}
        argv = ("--long", "--limit", "1", "-f", "json", "-c", "Properties")
        assert json.loads(shell.run(ListImage, *argv)) == [{"Properties": {}}]
