import dataclasses
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.models import ComputeImage, Image, ImageDetail, Member
from tests.unit import captures
from tests.unit.conftest import brief, detail
from tests.unit.fuzz import thorough

UTC = timezone.utc

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=4,
)


def records(*names: str) -> st.SearchStrategy[dict]:
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=9), JSON, max_size=12)


def test_a_recorded_brief_image():
    (record,) = captures.image_v1("04-list", "list").json["images"]
    assert Image.from_record(record) == Image(
        id="d9cbe1af-3a2a-4b69-bb83-aa86276d2063",
        name="adm-public",
        disk_format="raw",
        container_format="bare",
        size=1000,
        checksum="427008b3fe192f663d665f56cd75716c",
    )


def test_a_recorded_detailed_image():
    answer = captures.image_v1("04-list", "detail list ?is_public=none&limit=1000&protected=True")
    (record,) = answer.json["images"]
    image = ImageDetail.from_record(record)
    assert image == ImageDetail(
        id=record["id"],
        name="queued2",
        disk_format="raw",
        container_format="bare",
        size=0,
        status="queued",
        created_at=datetime(2026, 11, 22, 13, 32, 6, 3166, UTC),
        updated_at=datetime(2026, 11, 22, 13, 32, 6, 3170, UTC),
        deleted=False,
        is_public=False,
        protected=True,
        min_disk=3,
        min_ram=512,
        properties={"arch_type": "x86", "two_words": "v 2", "empty": None},
    )


def test_a_recorded_compute_image():
    image = ComputeImage.from_record(captures.compute("03-show-04").json["image"])
    assert image.name == "web1-snap"
    assert image.status == "ACTIVE"
    assert image.progress == 100
    assert image.size == 3000
    assert (image.min_disk, image.min_ram) == (1, 64)
    assert image.created_at == datetime(2026, 11, 22, 13, 31, 7, tzinfo=UTC)
    assert image.server_id == "5f0e8a3c-0000-4000-8000-00000000aaaa"
    assert image.metadata["image_type"] == "snapshot"
    assert image.disk_config == "AUTO"
    assert image.extra == {}


def test_compute_metadata_keeps_its_types():
    image = ComputeImage.from_record(captures.compute("03-show-16").json["image"])
    assert image.metadata["block_device_mapping"][0]["volume_size"] == 1


def test_a_name_may_be_null():
    assert ComputeImage.from_record(captures.compute("03-show-10").json["image"]).name is None
    assert Image.from_record(brief(1, name=None)).name is None


def test_missing_fields_are_none():
    assert ImageDetail.from_record({"id": "a"}) == ImageDetail(id="a")
    assert Image.from_record({"id": "a"}) == Image(id="a")
    assert ComputeImage.from_record({"id": "12345678"}) == ComputeImage(id="12345678")


def test_unknown_fields_are_kept():
    assert Image.from_record(detail(1)).extra.keys() == detail(1).keys() - brief(1).keys()
    assert ImageDetail.from_record(detail(1, store="rbd")).extra == {"store": "rbd"}
    record = {"id": "a", "links": [], "created_at": "x", "OS-X:y": {"z": 1}}
    assert ComputeImage.from_record(record).extra == {"created_at": "x", "OS-X:y": {"z": 1}}


def test_properties_may_be_null_or_no_text():
    image = ImageDetail.from_record(detail(1, properties={"a": None, "b": 5, "c": "", "d": [1]}))
    assert image.properties == {"a": None, "b": "5", "c": "", "d": "[1]"}
    assert ImageDetail.from_record(detail(1, properties=None)).properties == {}


def test_images_cannot_be_changed():
    for image in (Image("a"), ImageDetail("a"), ComputeImage("a"), Member("p")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            image.name = "b"  # type: ignore[misc]


def check_types(image: object) -> None:
    for field in dataclasses.fields(image):
        value = getattr(image, field.name)
        kinds = {
            "str": str,
            "str | None": (str, type(None)),
            "int | None": (int, type(None)),
            "bool | None": (bool, type(None)),
            "datetime | None": (datetime, type(None)),
        }.get(str(field.type), dict)
        assert isinstance(value, kinds), (field.name, value)


@thorough
@given(records(*brief(1)))
def test_no_brief_record_breaks_the_model(record):
    check_types(Image.from_record(record))


@thorough
@given(records(*detail(1)))
def test_no_detailed_record_breaks_the_model(record):
    image = ImageDetail.from_record(record)
    check_types(image)
    assert image.extra == {key: record[key] for key in record if key not in detail(1)}


@thorough
@given(
    records(
        "id", "name", "OS-EXT-IMG-SIZE:size", "minDisk", "created", "metadata", "server", "progress"
    )
)
def test_no_compute_record_breaks_the_model(record):
    check_types(ComputeImage.from_record(record))


def test_records_nested_to_the_limit_do_not_break_the_model():
    deep: object = []
    for _ in range(100_000):
        deep = [deep]
    check_types(ImageDetail.from_record(detail(1, name=deep, properties={"a": deep})))
