"""The Image API v1 against what Glance from Havana to Queens answered."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.api.fields import ImageFields
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import Image, ImageDetail, Member, detail_of
from osc_image_v1.api.queries import ImageQuery
from osc_image_v1.exceptions import ApiNotAvailable, BadRequest, ImageV1Error, NotFound, NotStored
from osc_image_v1.transfer.upload import create_image
from tests.unit import captures
from tests.unit.captures import RELEASES
from tests.unit.conftest import IMAGE_URL, adapter_at, params_of
from tests.unit.glance import Glance, refuse

IMAGES = f"{IMAGE_URL}/v1/images"
DETAIL = f"{IMAGES}/detail"
CIRROS = "1459eaba-02a4-5500-95f1-633fcc8b8c4f"
UBUNTU = "19945364-3729-59ba-a981-9fb919bbfe72"
ADMIN = "497f9b0a765745308cd71803d2ce4be2"
DEMO = "728db48849a045369f550bd3f1c7190c"


def releases(title: str) -> pytest.MarkDecorator:
    """Run a test with each release that has an answer of its own."""
    there = []
    for release in RELEASES:
        try:
            captures.of_release(release, title)
        except LookupError:
            continue
        there.append(release)
    assert there
    return pytest.mark.parametrize("release", there)


# Lists


@releases("list-brief")
def test_brief_lists(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    answer = captures.of_release(release, "list-brief")
    requests_mock.get(IMAGES, **answer.mock)
    images = list(client.images(ImageQuery(limit=2)))
    assert [image.id for image in images] == [one["id"] for one in answer.json["images"]]
    assert all(image.checksum and image.size and not image.extra for image in images)


@releases("list-detail")
def test_detailed_lists(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    answer = captures.of_release(release, "list-detail")
    requests_mock.get(DETAIL, **answer.mock)
    for image in client.images_detail(ImageQuery(limit=2)):
        assert image.status == "active"
        assert image.owner == ADMIN
        assert (image.is_public, image.deleted, image.protected) == (True, False, False)
        assert image.created_at is not None
        assert image.created_at.utcoffset() is not None
        # Havana does not have the field.
        assert image.virtual_size is None
        assert not image.extra


@releases("sort-id")
def test_an_order_by_id_is_one_by_id(requests_mock: rm.Mocker, release: str) -> None:
    """Up to Juno the service gives the order of creation, whatever it is asked for."""
    first = captures.of_release(release, "sort-id").json["images"]
    by_id = sorted(first, key=lambda record: str(record["id"]))
    assert (first == by_id) is (release not in ("havana", "icehouse", "juno"))
    by_creation = first[::-1]

    def page(request: Any, context: Any) -> Any:
        params = params_of(request)
        marker = params.get("marker")
        listed = first if "sort_key" in params else by_creation
        ids = [record["id"] for record in listed]
        rest = listed[ids.index(marker) + 1 :] if marker else listed
        return {"images": rest[: int(params["limit"])]}

    requests_mock.get(IMAGES, json=page)
    client = ImageClient(adapter_at(IMAGE_URL))
    ids = [record["id"] for record in by_id]
    for size in (1, 2, 1000):
        walked: list[str] = []
        while size < len(ids) and len(walked) < len(ids):
            marker = walked[-1] if walked else None
            query = ImageQuery(sort_key="id", limit=size, marker=marker, page_size=size)
            walked += [image.id for image in client.images(query)]
        assert walked in ([], ids)
        assert [image.id for image in client.images(ImageQuery(sort_key="id"))] == ids


@releases("filter-name-empty")
def test_an_empty_name(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    """Havana finds nothing by an empty name: it is not asked to."""
    answer = captures.of_release("kilo", "filter-name-empty")
    nothing = captures.of_release(release, "filter-name-empty")

    def page(request: Any, context: Any) -> Any:
        return (nothing if "name" in params_of(request) else answer).json

    requests_mock.get(IMAGES, json=page)
    assert [image.name for image in client.images(ImageQuery(name="", limit=1))] == [""]


@releases("filter-unknown")
def test_a_filter_that_the_service_ignores(
    client: ImageClient, requests_mock: rm.Mocker, release: str
) -> None:
    pages = [captures.of_release(release, "list-detail").mock, {"json": {"images": []}}]
    requests_mock.get(DETAIL, pages)
    assert list(client.images(ImageQuery(owner="x", limit=2))) == []


@pytest.mark.parametrize("title", ["filter-name-in", "filter-name-colon"])
@releases("filter-name-in")
def test_a_name_with_a_colon(
    client: ImageClient, requests_mock: rm.Mocker, release: str, title: str
) -> None:
    """Up to Liberty it is text, from Mitaka on an operator: it is compared here with both."""
    answer = captures.of_release(release, title)
    (record,) = answer.json["images"]
    requests_mock.get(IMAGES, **answer.mock)
    (image,) = client.images(ImageQuery(name=record["name"], limit=1))
    assert image == Image.from_record(record)
    assert "name" not in params_of(requests_mock.last_request)


@releases("filter-name-utf8")
def test_a_name_beyond_ascii(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    answer = captures.of_release(release, "filter-name-utf8")
    requests_mock.get(IMAGES, **answer.mock)
    name = "Übergröße für Jürgen"
    images = list(client.images(ImageQuery(name=name, limit=len(answer.json["images"]))))
    assert {image.name for image in images} == {name}
    assert requests_mock.call_count == 1


@releases("limit-0")
def test_an_empty_list(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.get(IMAGES, **captures.of_release(release, "limit-0").mock)
    assert list(client.images()) == []


@pytest.mark.parametrize("version", ["v1.0", "v1.1"])
@releases("v1.0-list")
def test_a_version_that_was_given_on_purpose(
    requests_mock: rm.Mocker, release: str, version: str
) -> None:
    url = f"{IMAGE_URL}/{version}"
    requests_mock.get(f"{url}/images", **captures.of_release(release, f"{version}-list").mock)
    client = ImageClient(adapter_at(IMAGE_URL), endpoint_override=url)
    assert len(list(client.images(ImageQuery(limit=1)))) == 1


@releases("versions")
def test_a_path_that_leads_to_no_version(
    client: ImageClient, requests_mock: rm.Mocker, release: str
) -> None:
    """Asked for as such they come with 300, from Liberty on with 200; never with a request ID."""
    answer = captures.of_release(release, "versions")
    assert (answer.status == 300) is (release in RELEASES[:4])
    requests_mock.get(IMAGES, **{**answer.mock, "status_code": 300})
    with pytest.raises(ApiNotAvailable, match=r"offers v1\.0, v1\.1, v2\.0, .*: is the path"):
        list(client.images())


def test_rocky_has_no_v1(client: ImageClient, requests_mock: rm.Mocker) -> None:
    requests_mock.get(IMAGES, **captures.of_release("rocky", "v1-images").mock)
    with pytest.raises(ApiNotAvailable, match=r"has no API v1, it offers v2\.0, .*, v2\.7: use"):
        list(client.images())


# One image


@releases("head")
def test_an_image(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.head(f"{IMAGES}/{UBUNTU}", **captures.of_release(release, "head").mock)
    image = client.get(UBUNTU)
    assert (image.name, image.size, image.min_disk, image.min_ram) == ("ubuntu", 2097153, 8, 512)
    assert (image.disk_format, image.container_format) == ("qcow2", "bare")
    assert (image.status, image.is_public, image.deleted) == ("active", True, False)
    assert image.properties == {
        "os_distro": "ubuntu",
        "os_version": "24.04",
        "architecture": "x86_64",
    }
    assert not image.extra


@releases("head-null")
def test_an_image_without_a_name(
    client: ImageClient, requests_mock: rm.Mocker, release: str
) -> None:
    requests_mock.head(f"{IMAGES}/{UBUNTU}", **captures.of_release(release, "head-null").mock)
    image = client.get(UBUNTU)
    assert (image.name, image.properties) == (None, {})


@releases("head-deleted")
def test_a_deleted_image(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.head(f"{IMAGES}/{UBUNTU}", **captures.of_release(release, "head-deleted").mock)
    image = client.get(UBUNTU)
    assert (image.status, image.deleted) == ("deleted", True)
    assert image.deleted_at is not None


@releases("get-empty")
def test_data_of_no_bytes(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    """It has no checksum, and no ETag."""
    answer = captures.of_release(release, "get-empty")
    image_id = answer.header("X-Image-Meta-Id")
    requests_mock.get(f"{IMAGES}/{image_id}", **answer.mock)
    with client.data(image_id) as data:
        assert b"".join(data.chunks()) == b""
    assert data.image is not None
    assert (data.size, data.image.size, data.image.checksum) == (0, 0, None)


@releases("get-missing")
def test_data_that_is_lost(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    answer = captures.of_release(release, "get-missing")
    requests_mock.get(f"{IMAGES}/{UBUNTU}", **answer.mock)
    with pytest.raises(NotFound, match=r"not found \(HTTP 404, request req-"):
        client.data(UBUNTU)


@releases("v2-range")
def test_the_rest_of_data_is_all_of_it(
    client: ImageClient, requests_mock: rm.Mocker, release: str
) -> None:
    """Before Pike v2 sends no parts: whoever asks for one is told where the data begins."""
    answer = captures.of_release(release, "v2-range")
    content = bytes(65536)
    requests_mock.get(f"{IMAGE_URL}/v2/images/{CIRROS}/file", **{**answer.mock, "content": content})
    image = Image(CIRROS, size=65536, checksum=hashlib.md5(content).hexdigest())
    with client.rest_of_data(image, 65530) as data:
        assert (data.start, data.size) == (0, 65536)
        assert b"".join(data.chunks()) == content


# Members


@pytest.mark.parametrize("title", ["members", "members-public"])
@releases("members")
def test_members(client: ImageClient, requests_mock: rm.Mocker, release: str, title: str) -> None:
    requests_mock.get(f"{IMAGES}/{CIRROS}/members", **captures.of_release(release, title).mock)
    assert client.members(CIRROS) == [Member(DEMO, can_share=False)]


@releases("shared-images")
def test_nothing_is_shared(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.get(
        f"{IMAGE_URL}/v1/shared-images/nosuch", **captures.of_release(release, "shared-images").mock
    )
    assert client.shared_image_ids("nosuch") == []


@releases("member-put-bad")
def test_a_member_is_added(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    """An answer without a body, with the type of a page."""
    answer = captures.of_release(release, "member-put-bad")
    requests_mock.put(f"{IMAGES}/{CIRROS}/members/x", **answer.mock)
    client.add_member(CIRROS, "x", can_share=True)
    assert requests_mock.last_request.json() == {"member": {"can_share": True}}


@releases("member-delete-404")
def test_a_member_that_is_none(client: ImageClient, requests_mock: rm.Mocker, release: str) -> None:
    """Havana says its status twice."""
    answer = captures.of_release(release, "member-delete-404")
    requests_mock.delete(f"{IMAGES}/{CIRROS}/members/nosuch", **answer.mock)
    with pytest.raises(NotFound) as caught:
        client.remove_member(CIRROS, "nosuch")
    assert "Membership could not be found." in str(caught.value)
    assert "404 Not Found" not in str(caught.value)


# Writes


def made(requests_mock: rm.Mocker, release: str, title: str, fields: ImageFields) -> ImageDetail:
    answer = captures.of_release(release, title)
    requests_mock.post(IMAGES, **answer.mock)
    client = ImageClient(adapter_at(IMAGE_URL))
    return client.create(fields, answer.json["image"]["id"])


@releases("create-nothing")
def test_a_record_is_made(requests_mock: rm.Mocker, release: str) -> None:
    image = made(requests_mock, release, "create-nothing", ImageFields())
    assert (image.status, image.name, image.size, image.checksum) == ("queued", None, 0, None)
    fields = ImageFields(name="h2-nobody", disk_format="raw", container_format="bare", size=0)
    image = made(requests_mock, release, "create-empty-body", fields)
    assert (image.status, image.size, image.checksum) == ("active", 0, None)


@releases("create-owner-demo")
def test_an_owner_that_is_dropped_in_silence(requests_mock: rm.Mocker, release: str) -> None:
    fields = ImageFields(name="h2-own", owner="somebody")
    with pytest.raises(NotStored, match=r"has not stored owner \(only an admin chooses"):
        made(requests_mock, release, "create-owner-demo", fields)


@releases("create-size-bad")
def test_a_refusal_is_told_in_its_own_words(requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.post(IMAGES, **captures.of_release(release, "create-size-bad").mock)
    with pytest.raises(BadRequest) as caught:
        ImageClient(adapter_at(IMAGE_URL)).create(ImageFields(name="a"))
    assert ": Incoming image size of x was not convertible to an integer. (HTTP 400" in str(
        caught.value
    )


@pytest.mark.parametrize("clean_up", [False, True])
def test_a_record_that_was_made_before_it_was_refused(
    client: ImageClient, requests_mock: rm.Mocker, clean_up: bool
) -> None:
    """Havana makes the record, and then refuses a store that it does not have."""
    glance = Glance(requests_mock)
    glance.after["POST"] = refuse(400, "Requested store nosuch not available on this Glance server")
    with pytest.raises(ImageV1Error, match=r"Requested store nosuch .* 400") as caught:
        create_image(client, ImageFields(store="nosuch"), clean_up=clean_up)
    assert ("is left, queued" in str(caught.value)) is not clean_up
    assert len(glance.records) == (not clean_up)


def test_havana_knows_no_quota_of_properties() -> None:
    assert captures.of_release("havana", "create-129-properties").status == 201


# The Image API v2


@releases("v2-images")
def test_v2_lists(requests_mock: rm.Mocker, release: str) -> None:
    answer = captures.of_release(release, "v2-images")
    (record,) = answer.json["images"]
    requests_mock.get(f"{IMAGE_URL}/v2/images", [answer.mock, {"json": {"images": []}}])
    (page,) = ImageV2Client(adapter_at(IMAGE_URL)).pages()
    assert page == [record]
    assert params_of(requests_mock.last_request)["marker"] == record["id"]
    image = detail_of(record)
    assert (image.status, image.size or 0, image.checksum) == ("queued", 0, None)
    assert image.protected is False
    assert image.created_at is not None
    assert image.properties == {}


@releases("v2-show")
def test_v2_shows(requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.get(
        f"{IMAGE_URL}/v2/images/{UBUNTU}", **captures.of_release(release, "v2-show").mock
    )
    image = detail_of(ImageV2Client(adapter_at(IMAGE_URL)).get(UBUNTU))
    assert (image.name, image.size, image.min_disk, image.min_ram) == ("ubuntu", 2097153, 8, 512)
    assert (image.disk_format, image.container_format, image.is_public) == ("qcow2", "bare", True)
    assert image.owner == (None if release == "havana" else ADMIN)
    assert sorted(image.properties) == ["architecture", "os_distro", "os_version"]


@releases("v2-community")
def test_v2_without_community(requests_mock: rm.Mocker, release: str) -> None:
    requests_mock.get(f"{IMAGE_URL}/v2/images", **captures.of_release(release, "v2-community").mock)
    client = ImageV2Client(adapter_at(IMAGE_URL))
    with pytest.raises(BadRequest, match=": Invalid visibility value: community \\(HTTP 400"):
        list(client.pages({"visibility": "community"}))
