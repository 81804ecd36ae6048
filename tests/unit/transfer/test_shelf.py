"""What is put aside in a temporary file."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.exceptions import FileFailed
from osc_image_v1.transfer.shelf import Scratch, Shelf

# Any text that JSON can have, no Unicode among it.
TEXTS = st.text(st.characters())
_KEYS = st.sampled_from(["a", "B", "", "\ud800", "\x00", "ä", "\U0001f600"])


@given(st.lists(st.tuples(st.sampled_from(["set", "add", "pop"]), _KEYS, st.integers())))
def test_a_shelf_does_what_a_dict_does(steps: list[tuple[str, str, int]]) -> None:
    shelf, like = Shelf[int](), dict[str, int]()
    for step, key, value in steps:
        if step == "set":
            shelf[key] = like[key] = value
        elif step == "add":
            assert shelf.add(key, value) == (key not in like)
            like.setdefault(key, value)
        else:
            assert shelf.pop(key, None) == like.pop(key, None)
        assert len(shelf) == len(like)
        assert (key in shelf) == (key in like)
    assert list(shelf.items()) == list(like.items())
    assert list(shelf.in_order()) == sorted(like.items())


@given(TEXTS, st.recursive(st.none() | st.integers() | TEXTS, st.lists))
def test_what_json_has_comes_back(key: str, value: object) -> None:
    shelf = Shelf[object]()
    shelf[key] = value
    assert shelf[key] == value


def test_what_is_not_there_is_no_item() -> None:
    shelf = Shelf[None]()
    assert 1 not in shelf
    with pytest.raises(KeyError):
        shelf["a"]
    with pytest.raises(KeyError):
        del shelf["a"]


def test_its_file_goes_with_it() -> None:
    scratch = Scratch("CREATE TABLE one (number INTEGER)")
    database = scratch._db
    del scratch
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_rows_are_read_while_others_ask() -> None:
    scratch = Scratch("CREATE TABLE one (number INTEGER)")
    scratch.fill("INSERT INTO one VALUES (?)", ((number,) for number in range(3000)))

    def asking() -> Iterator[int]:
        for (number,) in scratch.rows("SELECT number FROM one ORDER BY number"):
            assert scratch.one("SELECT max(number) FROM one") == (2999,)
            yield number

    assert list(asking()) == list(range(3000))


def test_a_full_disk_is_one_line_that_says_what_to_do() -> None:
    scratch = Scratch("PRAGMA max_page_count=3", "CREATE TABLE one (text TEXT)")
    with pytest.raises(FileFailed) as caught:
        scratch.change("INSERT INTO one VALUES (?)", "x" * 100_000)
    assert str(caught.value) == (
        "Cannot put aside what is known of the images, where temporary files are: database or disk "
        "is full; TMPDIR names another place"
    )
