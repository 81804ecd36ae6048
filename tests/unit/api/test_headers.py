import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from osc_image_v1.api.fields import record_from_headers
from osc_image_v1.api.models import ImageDetail
from tests.unit import captures
from tests.unit.fuzz import thorough


def raw(text: str) -> str:
    """UTF-8 as Python's HTTP layer shows it."""
    return text.encode().decode("latin-1")


def test_a_recorded_image():
    record = record_from_headers(captures.image_v1("03-head-get", "HEAD queued with props").headers)
    assert record == {
        "id": "bd6c6ab0-9faa-40fa-a0c4-084ded97e953",
        "name": "queued2",
        "status": "queued",
        "disk_format": "raw",
        "container_format": "bare",
        "size": 0,
        "min_disk": 3,
        "min_ram": 512,
        "is_public": False,
        "protected": True,
        "deleted": False,
        "created_at": "2026-11-22T13:32:06.003166",
        "updated_at": "2026-11-22T13:32:06.003170",
        "properties": {"two_words": "v 2", "arch_type": "x86"},
    }


def test_a_recorded_image_with_a_checksum():
    record = record_from_headers(captures.image_v1("03-head-get", "HEAD active").headers)
    assert record["checksum"] == "427008b3fe192f663d665f56cd75716c"
    assert record["size"] == 1000
    assert "etag" not in record


@pytest.mark.parametrize(
    "name", ["X-Image-Meta-Min_disk", "x-image-meta-min-disk", "X-IMAGE-META-MIN_DISK"]
)
def test_neither_case_nor_hyphens_matter_in_fields(name):
    assert record_from_headers([(name, "7")])["min_disk"] == 7


def test_only_case_is_lost_in_property_names():
    record = record_from_headers(
        [("X-Image-Meta-Property-OS_Distro", "A b"), ("x-image-meta-property-a-b", "")]
    )
    assert record == {"properties": {"os_distro": "A b", "a-b": ""}}


def test_text_is_utf_8():
    record = record_from_headers(
        [
            ("x-image-meta-name", raw("café ☃ %20")),
            (raw("x-image-meta-property-größe"), raw("10 µ")),
        ]
    )
    assert record == {"name": "café ☃ %20", "properties": {"größe": "10 µ"}}


def test_text_that_is_no_utf_8_stays():
    assert record_from_headers([("x-image-meta-name", "caf\xe9")])["name"] == "café"
    assert record_from_headers([("x-image-meta-name", "☃")])["name"] == "☃"


def test_wrong_values_are_null():
    record = record_from_headers(
        [
            ("x-image-meta-size", "lots"),
            ("x-image-meta-min_ram", "-1"),
            ("x-image-meta-protected", "?"),
        ]
    )
    assert record == {"size": None, "min_ram": None, "protected": None, "properties": {}}


def test_an_empty_header_is_a_null():
    """Of a name and of a property it is not: these may be empty."""
    names = ("name", "owner", "checksum", "deleted_at", "size", "disk_format", "property-a")
    assert record_from_headers([(f"x-image-meta-{name}", "") for name in names]) == {
        "name": "",
        "owner": None,
        "checksum": None,
        "deleted_at": None,
        "size": None,
        "disk_format": None,
        "properties": {"a": ""},
    }


def test_other_headers_do_not_count():
    assert record_from_headers([("Content-Length", "5"), ("x-image-meta", "a"), ("", "")]) == {
        "properties": {}
    }


def test_unknown_fields_are_kept():
    record = record_from_headers(
        [("x-image-meta-store", "rbd"), ("x-image-meta-properties", "none")]
    )
    assert record == {"store": "rbd", "properties": {}}


@thorough
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_.-]{0,30}", fullmatch=True),
        st.text(st.characters(codec="utf-8")),
    )
)
def test_properties_come_back_as_they_are(properties):
    headers = [(f"x-image-meta-property-{key}", raw(value)) for key, value in properties.items()]
    assert record_from_headers(headers) == {"properties": properties}


_FIELDS = st.sampled_from(
    "id name size min_disk min-ram virtual_size is_public protected deleted created_at deleted_at "
    "status owner checksum extra properties property- property-a".split()
)
_LINES = st.tuples(
    st.one_of(_FIELDS.map("X-Image-Meta-".__add__), st.text(st.characters(max_codepoint=255))),
    st.text(st.characters(exclude_categories=())),
)


@thorough
@given(st.lists(_LINES))
@example([("x-image-meta-size", "１２")])
def test_no_headers_break_the_reader(lines):
    image = ImageDetail.from_record(record_from_headers(lines))
    assert isinstance(image.id, str)
    assert image.size is None or isinstance(image.size, int)
    assert all(isinstance(value, str) for value in image.properties.values())
