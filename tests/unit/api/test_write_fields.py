"""Fields on their way into headers: what arrives is what was given, or it is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from osc_image_v1.api import ImageFields
from osc_image_v1.api.fields import (
    amazon_pair,
    check_formats,
    check_properties,
    folding,
    headers_from_fields,
    not_stored,
    too_long,
)
from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable
from tests.unit import captures
from tests.unit.fuzz import thorough
from tests.unit.glance import fields_of_headers

# Surrogates too: what a shell makes of arguments that are no UTF-8.
any_text = st.text(st.characters(exclude_categories=()), max_size=40)
good_text = st.text(
    st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc")), max_size=40
).filter(lambda text: text == text.strip(" \t"))
good_names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.!#$%&'*+^`|~", min_size=1, max_size=20)
good_properties = st.dictionaries(good_names, good_text | st.none(), max_size=5)
good_fields = st.fixed_dictionaries(
    {},
    optional={
        "name": good_text,
        "disk_format": st.sampled_from(["raw", "qcow2"]),
        "container_format": st.sampled_from(["bare", "ovf"]),
        "min_disk": st.integers(0, 2**31 - 1),
        "min_ram": st.integers(0, 2**31 - 1),
        "size": st.integers(0, 2**63 - 1),
        "checksum": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        "owner": good_text,
        "is_public": st.booleans(),
        "protected": st.booleans(),
        "properties": good_properties,
    },
)


@given(good_fields)
@example({"properties": {"os_distro": "à", "a": "Å", "b": "\u0085".join("xy")}})
@example({"name": "="})
def test_what_is_written_is_what_the_service_reads(values):
    fields = ImageFields(**values)
    record = fields_of_headers(headers_from_fields(fields).items())
    assert not_stored(fields, record) == []
    assert record["properties"] == {name: text or None for name, text in fields.properties.items()}
    for name, value in values.items():
        if name != "properties":
            assert record[name] == (None if value == "" else value)


@thorough
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": any_text,
            "disk_format": any_text,
            "container_format": any_text,
            "min_disk": st.integers(),
            "min_ram": st.integers(),
            "size": st.integers(),
            "checksum": any_text,
            "owner": any_text,
            "store": any_text,
            "copy_from": any_text,
            "location": any_text,
            "properties": st.dictionaries(any_text, any_text | st.none(), max_size=5),
        },
    )
)
@example({"name": "a\r\nX-Auth-Token: b"})
@example({"name": "\ud800"})
@example({"properties": {"\ud800": "x"}})
@example({"properties": {"a\n": "x"}})
@example({"properties": {"ﬀ": "x"}})
@example({"properties": {"K": "kelvin"}})
@example({"name": "\U000e0000"})
def test_whatever_comes_is_refused_or_arrives_whole(values):
    try:
        fields = ImageFields(**values)
    except InvalidInput as error:
        said = str(error)
    else:
        said = ""
    assert printable(said) == said
    if said:
        return
    headers = headers_from_fields(fields)
    for name, text in headers.items():
        assert name.isascii()
        assert "_" not in name
        assert not set(text) & set("\r\n\0")
        text.encode("latin-1")
    assert not_stored(fields, fields_of_headers(headers.items())) == []


@given(st.dictionaries(st.text("aAbB-_", min_size=1, max_size=3), st.just("x"), max_size=9))
def test_two_properties_never_become_one_header(properties):
    try:
        fields = ImageFields(properties=properties)
    except InvalidInput:
        return
    assert len(headers_from_fields(fields)) == len(properties)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "a\nb"}, "a line break"),
        ({"name": "a\rb"}, "a line break"),
        ({"name": "a\0b"}, r"the control character \\x00"),
        ({"name": "a\x7fb"}, r"\\x7f"),
        ({"name": "🐧"}, r"'🐧' \(U\+1F427\)"),
        ({"name": "a" * 256}, "has 256 characters, 255 is the most"),
        ({"name": " a"}, "begins or ends with white space"),
        ({"name": "a\t"}, "begins or ends with white space"),
        ({"name": "\udc80"}, "is no valid text"),
        ({"owner": "a\nb"}, "the owner has a line break"),
        ({"min_disk": -1}, "min_disk is -1, must be from 0 to 2147483647"),
        ({"min_ram": 2**31}, "min_ram is 2147483648"),
        ({"size": 2**63}, "size is"),
        ({"checksum": "00"}, "is no MD5"),
        ({"checksum": "A" * 32}, "is no MD5"),
        ({"copy_from": "http://a/b", "location": "http://a/b"}, "one source"),
        ({"location": "bogus"}, "location 'bogus' is no URL"),
        ({"copy_from": ""}, "copy_from '' is no URL"),
        ({"disk_format": "ami", "container_format": "bare"}, "do not go together"),
        ({"disk_format": "ami", "container_format": "aki"}, "do not go together"),
        ({"properties": {"": "x"}}, "the name of a property is empty"),
        ({"properties": {"Foo": "x"}}, "would store the property 'Foo' as 'foo'"),
        ({"properties": {"a-b": "x"}}, "would store the property 'a-b' as 'a_b'"),
        ({"properties": {"a b": "x"}}, "has ' ', which the Image API v1 cannot carry"),
        ({"properties": {"a:b": "x"}}, "has ':'"),
        ({"properties": {"ключ": "x"}}, "cannot carry"),
        ({"properties": {"n" * 256: "x"}}, "has 256 characters"),
        ({"properties": {"a": "x\ny"}}, "value of property 'a' has a line break"),
        ({"properties": {"a": "x" * 16384}}, "too long"),
        ({"properties": {f"k{i}": "" for i in range(129)}}, "128 properties at most, not 129"),
        ({"properties": {f"k{i}": "y" * 15000 for i in range(5)}}, "bytes in all"),
    ],
)
def test_a_refusal_says_what_is_wrong(values, said):
    with pytest.raises(InvalidInput, match=said):
        ImageFields(**values)


def test_ami_aki_and_ari_go_for_both_formats():
    assert ImageFields(disk_format="ami").container_format == "ami"
    assert ImageFields(container_format="ari").disk_format == "ari"
    assert amazon_pair("raw", None) == ("raw", None)


@pytest.mark.parametrize(
    ("disk", "container", "said"),
    [
        (None, None, "data needs a disk and a container format"),
        ("raw", None, "data needs a container format"),
        (None, "bare", "data needs a disk format"),
        ("raw", "ami", "do not go together"),
    ],
)
def test_data_needs_both_formats(disk, container, said):
    with pytest.raises(InvalidInput, match=said):
        check_formats(disk, container)


def test_formats_that_go_together_are_taken():
    check_formats("raw", "bare")
    check_formats("ami", "ami")


def test_a_source_needs_no_second_one():
    assert ImageFields(location="http://a/b").has_source
    assert not ImageFields(name="x").has_source


def test_header_lines_are_what_the_recorded_service_took():
    fields = ImageFields(
        name="queued2",
        disk_format="raw",
        container_format="bare",
        min_disk=3,
        min_ram=512,
        protected=True,
        properties={"arch_type": "x86", "two_words": "v 2", "empty": ""},
    )
    assert headers_from_fields(fields) == {
        "x-image-meta-name": "queued2",
        "x-image-meta-disk-format": "raw",
        "x-image-meta-container-format": "bare",
        "x-image-meta-min-disk": "3",
        "x-image-meta-min-ram": "512",
        "x-image-meta-protected": "True",
        "x-image-meta-property-arch-type": "x86",
        "x-image-meta-property-two-words": "v 2",
        "x-image-meta-property-empty": "",
    }
    record = captures.image_v1("02-create", "metadata only, props").json["image"]
    assert not_stored(fields, record) == []


def test_what_a_service_did_not_store_is_told():
    fields = ImageFields(name="a", owner="p2", properties={"x": "1", "y": "", "z": None})
    record = {"name": "a", "owner": "p1", "properties": {"x": "2", "y": "", "z": None}}
    assert not_stored(fields, record) == ["owner", "property x", "property y"]
    assert not_stored(fields, {"name": "a"}) == []


def test_numbers_and_booleans_may_come_back_as_text():
    fields = ImageFields(
        min_ram=64,
        min_disk=0,
        size=10**12,
        is_public=True,
        protected=False,
        owner="17",
        checksum="ab" * 16,
        properties={"n": "5", "e": ""},
    )
    record = {
        "min_ram": "64",
        "min_disk": "0",
        "size": 1e12,
        "is_public": "True",
        "protected": "false",
        "owner": 17,
        "checksum": "AB" * 16,
        "properties": {"n": 5, "e": None},
    }
    assert not_stored(fields, record) == []
    wrong = {"min_ram": "65", "is_public": "False", "protected": "?", "owner": 18, "size": None}
    found = ["min_ram", "size", "owner", "is_public", "protected"]
    assert not_stored(fields, wrong) == found
    assert not_stored(ImageFields(name=""), {"name": ""}) == []


def test_location_and_source_have_headers_of_their_own():
    assert headers_from_fields(ImageFields(copy_from="http://a/b", store="file")) == {
        "x-glance-api-copy-from": "http://a/b",
        "x-image-meta-store": "file",
    }
    assert headers_from_fields(ImageFields(location="http://a/b")) == {
        "x-image-meta-location": "http://a/b"
    }


def test_properties_alone_can_be_checked():
    check_properties({"a": None, "b": ""})


# What a database like MySQL does with properties


def test_names_that_such_a_database_takes_for_the_same():
    names = ["os_distro", "OS_Distro", "clé", "cle", "Cle ", "other", "os-distro", "σ", "ς", "ß"]
    assert folding(names) == [["os_distro", "OS_Distro"], ["clé", "cle", "Cle "], ["σ", "ς"]]
    assert folding(["a", "b", "a", " a"]) == []


def test_values_that_are_longer_than_such_a_database_stores():
    most = "é" * 32767
    properties = {"null": None, "most": most + "x", "over": most + "xy", "wrong": "\udcff" * 9}
    assert too_long(properties) == ["over"]
