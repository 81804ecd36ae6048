"""The page of faults says what the tests show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.end_rows import ENDS, ENDS_ALONE
from tests.faults.many_rows import ALONE, COPIES, EXPORTS, IMPORTS, ManyRow
from tests.faults.rows import LISTS, SAVE, SAVE_ALONE
from tests.faults.tables import tables
from tests.faults.upload_rows import UPLOADS, UPLOADS_ALONE

_ROOT = Path(__file__).parents[2]


def test_page_has_the_tables() -> None:
    page = (_ROOT / "doc/source/reference/faults.rst").read_text()
    for table in tables().split("\n\n.. list-table"):
        assert table.strip() in page, "python -m tests.faults prints what the page should have"


_TABLES = {
    "test_save_alone.py": (SAVE, SAVE_ALONE),
    "test_upload.py": (UPLOADS, UPLOADS_ALONE),
    "test_lists.py": (LISTS, ()),
    "test_many.py": (EXPORTS, ()),
    "test_many_alone.py": ((), ALONE),
    "test_ends.py": (ENDS, ENDS_ALONE),
}


@pytest.mark.parametrize("module", _TABLES)
def test_rows_have_names_of_their_own(module: str) -> None:
    rows = [row for table in _TABLES[module] for row in table]
    names = [(getattr(row, "command", None), row.name) for row in rows]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", _TABLES)
def test_each_row_is_played(module: str) -> None:
    tests = Path(__file__).with_name(module).read_text()
    assert [row.name for row in _TABLES[module][1] if f'"{row.name}"' not in tests] == []


@pytest.mark.parametrize("rows", [COPIES, IMPORTS])
def test_rows_of_many_images_have_names_of_their_own(rows: Sequence[ManyRow]) -> None:
    assert len(rows) == len({row.name for row in rows})


def test_each_promise_names_tests_that_there_are() -> None:
    page = (_ROOT / "SECURITY.rst").read_text()
    promises = page.partition("What is promised")[2].partition("What is not")[0].split("\n- ")[1:]
    assert len(promises) > 5
    for promise in promises:
        tests = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", promise)
        assert tests, promise
        for path, name in tests:
            assert re.search(rf"^ *def {name}\(", (_ROOT / path).read_text(), re.MULTILINE), name
