"""Lists show what the models have, whatever types a service writes."""

from __future__ import annotations

import argparse
import csv
import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.models import ComputeImage, ImageDetail
from osc_image_v1.api.paging import records_of
from osc_image_v1.cli import columns, outputs
from osc_image_v1.cli.compute_image import ListComputeImage, ShowComputeImage
from osc_image_v1.cli.image import ListImage, ShowImage
from tests.unit.api.test_models import JSON
from tests.unit.cli.test_columns import FORMATS, args_of
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, Shell, detail, image_id

AS_TEXT = {
    "size": "1000",
    "virtual_size": "2000",
    "min_disk": "8",
    "min_ram": "64",
    "protected": "False",
    "is_public": "True",
    "deleted": "false",
    "owner": 17,
    "name": 5,
    "checksum": "5F" * 32,
    "properties": {"n": 5, "b": True, "z": None},
}


def listed(fmt: str, table: Any, *pages: list[dict[str, Any]]) -> list[list[Any]]:
    _names, rows = columns.listed(iter(pages), table, args_of(fmt, False))
    return [list(row) for row in rows]


@pytest.mark.parametrize("fmt", ["json", "yaml"])
def test_types(fmt: str, shell: Shell, requests_mock: Any) -> None:
    record = detail(1, id=17, **AS_TEXT)
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [record, detail(2)]})
    argv = ("--long", "--limit", "2", "-f", fmt)
    first, second = yaml.safe_load(shell.run(ListImage, *argv))
    wanted = {
        "ID": "17",
        "Name": "5",
        "Size": 1000,
        "Virtual Size": 2000,
        "Min Disk": 8,
        "Min RAM": 64,
        "Protected": False,
        "Visibility": "public",
        "Project": "17",
        "Checksum": "5F" * 32,
        "Properties": {"n": "5", "b": "True", "z": None},
    }
    assert {name: first[name] for name in wanted} == wanted
    assert (second["ID"], second["Size"], second["Protected"]) == (image_id(2), 1002, False)


def test_types_of_programs_and_people(shell: Shell, requests_mock: Any) -> None:
    record = detail(1, **AS_TEXT)
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [record]})
    argv = ("--long", "--limit", "1", "-c", "Size", "-c", "Protected", "-c", "Properties")
    written = shell.run(ListImage, *argv, "-f", "csv")
    properties = '{"b": "True", "n": "5", "z": null}'
    assert list(csv.reader(io.StringIO(written)))[1] == ["1000", "False", properties]
    # What is no text has no quotes.
    assert written.splitlines()[1].startswith("1000,")
    assert shell.run(ListImage, *argv, "-f", "value") == f"1000 False {properties}\n"
    human = shell.run(ListImage, *argv, "--human-readable")
    assert "| 1000 B | False     | b='True', n='5', z=null |" in human


def test_types_of_compute_images(compute_shell: Shell, requests_mock: Any) -> None:
    record = {
        "id": 17,
        "name": 5,
        "status": "ACTIVE",
        "server": {"id": 3},
        "progress": "100",
        "OS-EXT-IMG-SIZE:size": "1000",
        "minDisk": "8",
        "minRam": "64",
        "metadata": {"n": 5},
    }
    url = COMPUTE_URL + "/images"
    requests_mock.get(url + "/detail", json={"images": [record, {"id": "b", "metadata": None}]})
    first, second = json.loads(
        compute_shell.run(ListComputeImage, "--long", "--limit", "2", "-f", "json")
    )
    numbers = {"Progress": 100, "Size": 1000, "Min Disk": 8, "Min RAM": 64}
    assert {name: first[name] for name in numbers} == numbers
    assert (first["ID"], first["Name"], first["Server"]) == ("17", "5", "3")
    assert first["Properties"] == {"n": 5}
    assert second["Properties"] == {}
    requests_mock.get(url + "/17", json={"image": record})
    shown = json.loads(compute_shell.run(ShowComputeImage, "17", "-f", "json"))
    assert (shown["id"], shown["min_ram"], shown["progress"]) == ("17", 64, 100)
    assert (shown["size"], shown["server_id"]) == (1000, "3")


_NAMES = sorted({column.field for column in columns.IMAGE})
_NOVA = sorted({column.field for column in columns.COMPUTE_IMAGE})
_VALUES = JSON | st.sampled_from(["64", "True", "no", "", " 1 ", "9" * 50, 17, 1e19, "2026-01-01"])


def some_records(names: list[str]) -> Any:
    """Lists of records, with values of any type."""
    fields = {name: _VALUES for name in names if name != "id"}
    ids = st.text(min_size=1) | st.integers()
    one = st.fixed_dictionaries({"id": ids}, optional=fields)
    return st.lists(one, min_size=1, max_size=3)


@given(some_records(_NAMES), st.sampled_from(FORMATS))
def test_lists_and_models_agree(records: list[dict[str, Any]], fmt: str) -> None:
    records = records_of({"images": records}, "x")
    rows = listed(fmt, columns.IMAGE, records)
    assert len(rows) == len(records)
    at = {column.field: index for index, column in enumerate(columns.IMAGE)}
    for row, record in zip(rows, records, strict=True):
        model = ImageDetail.from_record(record)
        for name in ("size", "virtual_size", "min_disk", "min_ram", "protected"):
            assert row[at[name]] == getattr(model, name)
            assert type(row[at[name]]) is type(getattr(model, name))
        if fmt in ("json", "yaml"):
            for name in ("id", "name", "checksum", "status", "owner", "properties"):
                assert row[at[name]] == getattr(model, name)


@given(some_records(_NOVA), st.sampled_from(FORMATS))
def test_compute_lists_and_models_agree(records: list[dict[str, Any]], fmt: str) -> None:
    records = records_of({"images": records}, "x")
    rows = listed(fmt, columns.COMPUTE_IMAGE, records)
    for row, record in zip(rows, records, strict=True):
        model = ComputeImage.from_record(record)
        numbers = (model.progress, model.size, model.min_disk, model.min_ram)
        assert tuple(row[4:8]) == numbers
        if fmt in ("json", "yaml"):
            assert (row[0], row[1], row[3]) == (model.id, model.name, model.server_id)
            assert row[-1] == model.metadata


@given(st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), _VALUES))
def test_any_record_is_written_in_any_format(record: dict[str, Any]) -> None:
    (record,) = records_of({"images": [{**record, "id": "a"}]}, "x")
    for fmt, formatter in outputs.FORMATTERS.items():
        stdout = io.StringIO()
        args = argparse.Namespace(
            formatter=fmt,
            human_readable=True,
            quote_mode="all",
            noindent=False,
            max_width=0,
            fit_width=False,
            print_empty=False,
        )
        names, rows = columns.listed(iter([[record]]), columns.IMAGE, args)
        formatter().emit_list(names, rows, stdout, args)
        assert stdout.getvalue()
    for fmt in (*FORMATS, "shell"):
        fields = columns.fields_of(ImageDetail.from_record(record))
        assert len(columns.shown(fields, args_of(fmt, True))[1]) >= 18


def test_a_record_of_odd_types_is_shown(shell: Shell, requests_mock: Any) -> None:
    record = detail(1, name="odd", size={}, owner=[1], created_at=5, status=None, properties=[1])
    requests_mock.get(IMAGE_URL + "/v1/images/detail", json={"images": [record]})
    shown = json.loads(shell.run(ShowImage, "odd", "-f", "json"))
    assert (shown["size"], shown["owner"], shown["properties"]) == (None, "[1]", {})
