"""The page of faults says what the tests show."""

from __future__ import annotations

from pathlib import Path

from tests.faults.rows import LISTS, SAVE, SAVE_ALONE
from tests.faults.tables import tables

_ROOT = Path(__file__).parents[2]


def test_page_has_the_tables() -> None:
    page = (_ROOT / "doc/source/reference/faults.rst").read_text()
    for table in tables().split("\n\n.. list-table"):
        assert table.strip() in page, "python -m tests.faults prints what the page should have"


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in (*SAVE, *SAVE_ALONE)]
    assert len(names) == len(set(names))
    assert len(LISTS) == len({row.name for row in LISTS})


def test_each_row_is_played() -> None:
    tests = (Path(__file__).with_name("test_save_alone.py")).read_text()
    assert [row.name for row in SAVE_ALONE if f'"{row.name}"' not in tests] == []
