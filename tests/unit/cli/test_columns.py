import argparse
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.models import ComputeImage, Image, ImageDetail
from osc_image_v1.cli import columns
from osc_image_v1.cli.columns import IMAGE_BRIEF, Column
from tests.unit.api.test_models import JSON
from tests.unit.conftest import brief, detail
from tests.unit.fuzz import thorough

FORMATS = ["table", "csv", "value", "json", "yaml"]


def args_of(output_format, human_readable):
    return argparse.Namespace(formatter=output_format, human_readable=human_readable)


def rows(records, table, output_format, human_readable=False):
    return columns.tabled(records, table, args_of(output_format, human_readable))[1]


@given(st.datetimes(), st.sampled_from(["T", " "]), st.sampled_from(["auto", "microseconds"]))
def test_a_time_is_the_same_one_whatever_its_form(moment, separator, timespec):
    assert columns.utc(moment.isoformat(separator, timespec)) == moment.isoformat() + "Z"


@given(st.recursive(JSON, lambda inner: st.dictionaries(st.text(), inner)))
def test_objects_are_json(value):
    if isinstance(value, (dict, list)):
        assert columns.as_json(value) == json.dumps(value, ensure_ascii=False, sort_keys=True)
    else:
        assert columns.as_json(value) is value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-11-22T13:32:06.003166", "2026-11-22T13:32:06.003166Z"),
        ("2026-11-22T13:32:06.000000", "2026-11-22T13:32:06Z"),
        ("2026-11-22T13:32:06", "2026-11-22T13:32:06Z"),
        ("2026-11-22 13:32:06.003166", "2026-11-22T13:32:06.003166Z"),
        ("2026-11-22T13:32:06.003166Z", "2026-11-22T13:32:06.003166Z"),
        ("2026-11-22T13:32:06+02:00", "2026-11-22T11:32:06Z"),
        ("2026-13-22T13:32:06.003166", "2026-13-22T13:32:06.003166"),
        ("0000-00-00", "0000-00-00"),
        (None, None),
        ({"a": 1}, {"a": 1}),
    ],
)
def test_times(value, text):
    assert columns.utc(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "public"),
        (False, "private"),
        ("True", "public"),
        (None, None),
        ({}, None),
        ([], None),
        ("x", None),
    ],
)
def test_visibility(value, text):
    assert columns.visibility(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\x1b[31m\u202e", "a\\x1b[31m\\u202e"),
        ({}, ""),
        (
            {"b": "x\x00", "a\n": 1, "c": None, "d": {"e": "\x9b"}},
            'a\\x0a=1, b=\'x\\x00\', c=null, d={"e": "\\x9b"}',
        ),
        (["x\u202e", 1], '["x\\u202e", 1]'),
        (5, 5),
        (None, None),
        (False, False),
    ],
)
def test_tables_are_safe(value, text):
    assert columns.for_table(value) == text


@given(JSON)
def test_no_value_drives_a_terminal(value):
    shown = str(columns.for_table(value))
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


def test_rows_of_a_table():
    record = brief(1, name="\x1b[2J")
    assert list(map(list, rows([record], IMAGE_BRIEF[:-1], "table"))) == [
        [record["id"], "\\x1b[2J", "raw", "bare", 1001, record["checksum"]]
    ]


@pytest.mark.parametrize("output_format", ["csv", "value", "json", "yaml"])
def test_rows_of_programs_are_exact(output_format):
    record = brief(1, name="\x1b[2J\u202e", checksum=None)
    assert [tuple(row) for row in rows([record], IMAGE_BRIEF[:-1], output_format)] == [
        tuple(record.values())
    ]


@pytest.mark.parametrize("output_format", FORMATS)
def test_missing_fields_are_none(output_format):
    records = [brief(1), {"id": "a"}, brief(2)]
    middle = list(rows(records, IMAGE_BRIEF[:-1], output_format))[1]
    assert list(middle) == ["a", None, None, None, None, None]


def test_properties_are_types_or_json_or_text():
    table = [Column("ID", "id"), columns.IMAGE[-1]]
    records = [{"id": "a", "properties": {"k": "é", "a": None}}]
    assert [next(rows(records, table, form))[1] for form in FORMATS] == [
        "a=null, k='é'",
        '{"a": null, "k": "é"}',
        '{"a": null, "k": "é"}',
        {"k": "é", "a": None},
        {"k": "é", "a": None},
    ]


@pytest.mark.parametrize("output_format", FORMATS)
def test_sizes_have_units_on_request(output_format):
    names = ("id", "size", "virtual_size", "min_disk")
    table = [column for column in columns.IMAGE if column.field in names]
    record = {"id": "a", "size": 2048, "virtual_size": None, "min_disk": 2048}
    (row,) = rows([record], table, output_format, human_readable=True)
    assert list(row) == ["a", "2.0 KiB", 2048, None]


def test_times_of_rows():
    (row,) = rows([detail(1)], [Column("ID", "id"), Column("At", "created_at", columns.utc)], "csv")
    assert row[1] == "2026-11-22T13:32:06.003166Z"


@thorough
@given(
    st.dictionaries(st.sampled_from([*detail(1)]), JSON), st.sampled_from(FORMATS), st.booleans()
)
def test_no_record_breaks_a_row(record, output_format, human_readable):
    names = ("id", "name", "size", "is_public", "created_at", "properties")
    table = [column for column in columns.IMAGE if column.field in names]
    (row,) = rows([record], table, output_format, human_readable)
    assert len(row) == 6
    if output_format != "table":
        assert row[1] is record.get("name")


def test_fields_are_shown_in_order():
    image = ImageDetail.from_record(
        detail(1, zone="z", a_new="n", deleted_at="2026-01-02T03:04:05")
    )
    shown = columns.fields_of(image)
    known = sorted(field.name for field in dataclasses.fields(image) if field.name != "extra")
    assert list(shown) == [*known, "a_new", "zone"]
    assert shown["deleted_at"] == "2026-01-02T03:04:05Z"
    assert shown["properties"] == {}
    assert (shown["a_new"], shown["zone"]) == ("n", "z")


def test_the_same_things_have_the_same_names():
    v1 = columns.fields_of(ImageDetail("a", properties={"k": "v"}))
    compute = columns.fields_of(ComputeImage("a", metadata={"k": "v"}))
    assert v1["properties"] == compute["properties"] == {"k": "v"}
    assert "metadata" not in compute
    assert compute.keys() & v1.keys() >= {
        "id",
        "name",
        "size",
        "status",
        "min_disk",
        "min_ram",
        "created_at",
        "updated_at",
    }
    assert columns.fields_of(Image("a")).keys() == brief(1).keys()


@pytest.mark.parametrize(
    ("table", "model", "unlisted"),
    [
        (columns.IMAGE, ImageDetail("a"), {"deleted"}),
        (columns.COMPUTE_IMAGE, ComputeImage("a"), {"disk_config"}),
    ],
)
def test_lists_and_show_are_of_one_table(table, model, unlisted):
    assert {column.shown or column.field for column in table} | unlisted == {
        *columns.fields_of(model)
    }


def test_an_unknown_field_does_not_hide_a_known_one():
    image = ComputeImage("a", metadata={"k": "v"}, extra={"properties": "x", "y": 1})
    assert columns.fields_of(image)["properties"] == {"k": "v"}
    assert columns.fields_of(image)["y"] == 1


@pytest.mark.parametrize(
    ("output_format", "cells"),
    [
        ("table", ("a\\x1b", "b='1'", "2.0 KiB", "[1]")),
        ("value", ("a\x1b", '{"b": "1"}', "2.0 KiB", "[1]")),
        ("shell", ("a\x1b", '{"b": "1"}', "2.0 KiB", "[1]")),
        ("json", ("a\x1b", {"b": "1"}, "2.0 KiB", [1])),
        ("yaml", ("a\x1b", {"b": "1"}, "2.0 KiB", [1])),
    ],
)
def test_one_image(output_format, cells):
    values = {"name": "a\x1b", "properties": {"b": "1"}, "size": 2048, "new": [1]}
    assert columns.shown(values, args_of(output_format, True)) == (
        ("name", "properties", "size", "new"),
        cells,
    )
