"""What is put aside in a temporary file."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.exceptions import FileFailed
from osc_image_v1.transfer import shelf as shelf_module
from osc_image_v1.transfer.shelf import Entry, Scratch, Shelf, Waiting

# Any text that JSON can have, no Unicode among it.
TEXTS = st.text(st.characters())
_KEYS = st.sampled_from(["a", "B", "", "\ud800", "\x00", "ä", "\U0001f600"])


@given(
    st.sampled_from([0, 2, 1000]),
    st.lists(st.tuples(st.sampled_from(["set", "put", "add", "pop"]), _KEYS, st.integers())),
)
def test_a_shelf_does_what_a_dict_does(few: int, steps: list[tuple[str, str, int]]) -> None:
    with mock.patch.object(shelf_module, "_FEW", few):
        _do_the_same(Shelf[int](), {}, steps)


def _do_the_same(
    shelf: Shelf[int], like: dict[str, int], steps: list[tuple[str, str, int]]
) -> None:
    for step, key, value in steps:
        if step == "set":
            shelf[key] = like[key] = value
        elif step == "put":
            more = {key: value, f"{key} {value % 3}": value}
            shelf.put(more)
            like.update(more)
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
    with mock.patch.object(shelf_module, "_FEW", 0):
        shelf = Shelf[object]()
        shelf[key] = value
    assert shelf[key] == value


@pytest.mark.parametrize("few", [0, 1])
def test_what_is_not_there_is_no_item(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "_FEW", few)
    shelf = Shelf[None]()
    shelf["b"] = None
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
    for number in range(3000):
        scratch.change("INSERT INTO one VALUES (?)", number)

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


_ENTRIES = st.builds(Entry, st.integers(0, 2), st.integers(0, 3), _KEYS, st.integers(0, 9))


@given(st.lists(_ENTRIES, unique_by=lambda entry: entry.image_id), st.sets(_KEYS), st.sets(_KEYS))
def test_what_waits_comes_in_its_order(
    entries: list[Entry], preferred: set[str], delayed: set[str]
) -> None:
    waiting = Waiting()
    for entry in entries:
        waiting.add(entry)
    for image_id in preferred:
        waiting.prefer(image_id)
    for image_id in delayed:
        waiting.delay(image_id)
    assert (waiting.images, waiting.size) == (len(entries), sum(one.size for one in entries))
    late = [
        one._replace(turn=max(one.turn, 1)) if one.image_id in delayed and one.size else one
        for one in entries
    ]
    for first, line in zip((True, False), waiting.lines(), strict=True):
        wanted = sorted(one for one in late if (one.image_id in preferred) is first)
        assert list(line) == wanted
        assert [line[number] for number in range(len(line))] == wanted


def test_a_size_that_no_table_takes() -> None:
    waiting = Waiting()
    waiting.add(Entry(0, 10**30, "a", 0))
    assert waiting.size == 10**30
    assert waiting.lines()[1][0].size == 2**63 - 1
