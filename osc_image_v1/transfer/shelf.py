"""What is known of many images, in a temporary file instead of in memory."""

from __future__ import annotations

import contextlib
import json
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, Generic, TypeVar

from osc_image_v1.exceptions import FileFailed

_T = TypeVar("_T")

# KiB of the file that are in memory at most.
_KEPT = 4096
_ROWS_AT_ONCE = 1000

#: A row of a table.
Row = tuple[Any, ...]


def packed(text: str) -> bytes:
    """Return a text as it is stored: a service's may be no Unicode; the order stays the same."""
    return text.encode("utf-8", "surrogatepass")


def unpacked(stored: bytes) -> str:
    """Return the text that was stored."""
    return stored.decode("utf-8", "surrogatepass")


class Scratch:
    """Tables in a temporary file that has no name; it goes with this object.

    What is little stays in memory. Several threads may ask.

    :param tables: statements that make them
    """

    def __init__(self, *tables: str) -> None:
        # Most runs of the shell need none.
        import sqlite3

        self._error = sqlite3.Error
        self._lock = threading.RLock()
        with self._errors():
            self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._db.close)
            for statement in (
                f"PRAGMA cache_size=-{_KEPT}",
                "PRAGMA journal_mode=OFF",
                "PRAGMA temp_store=FILE",
                "BEGIN",
                *tables,
            ):
                self._db.execute(statement)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise FileFailed(
                "Cannot put aside what is known of the images, where temporary files are: "
                f"{error}; TMPDIR names another place"
            ) from error

    def change(self, statement: str, *values: object) -> int:
        """Carry out a statement; return how many rows it has changed."""
        with self._lock, self._errors():
            return self._db.execute(statement, values).rowcount

    def fill(self, statement: str, rows: Iterable[Row]) -> None:
        """Carry out a statement for many rows."""
        with self._lock, self._errors():
            self._db.executemany(statement, rows)

    def one(self, statement: str, *values: object) -> Row | None:
        """Return the first row of a query, None where there is none."""
        with self._lock, self._errors():
            row: Row | None = self._db.execute(statement, values).fetchone()
            return row

    def rows(self, statement: str, *values: object) -> Iterator[Row]:
        """Yield the rows of a query; until its end nothing is to be changed."""
        with self._lock, self._errors():
            found = self._db.execute(statement, values)
        while True:
            with self._lock, self._errors():
                some = found.fetchmany(_ROWS_AT_ONCE)
            if not some:
                return
            yield from some


class Shelf(MutableMapping[str, _T], Generic[_T]):
    """A mapping like a dict of texts, whose items are in a temporary file.

    :param dump: makes what JSON has of a value
    :param load: makes the value of that again
    """

    def __init__(
        self,
        dump: Callable[[_T], Any] = lambda value: value,
        load: Callable[[Any], _T] = lambda stored: stored,
    ) -> None:
        self._dump = dump
        self._load = load
        self._scratch = Scratch("CREATE TABLE items (key BLOB UNIQUE, value TEXT)")
        self._length = 0

    def __setitem__(self, key: str, value: _T) -> None:
        if not self.add(key, value):
            stored = json.dumps(self._dump(value))
            self._scratch.change("UPDATE items SET value=? WHERE key=?", stored, packed(key))

    def add(self, key: str, value: _T) -> bool:
        """Put an item there unless there is one of that key; return whether there was none."""
        stored = json.dumps(self._dump(value))
        new = self._scratch.change("INSERT OR IGNORE INTO items VALUES (?, ?)", packed(key), stored)
        self._length += new
        return bool(new)

    def __getitem__(self, key: str) -> _T:
        row = self._scratch.one("SELECT value FROM items WHERE key=?", packed(key))
        if row is None:
            raise KeyError(key)
        return self._load(json.loads(row[0]))

    def __delitem__(self, key: str) -> None:
        if not self._scratch.change("DELETE FROM items WHERE key=?", packed(key)):
            raise KeyError(key)
        self._length -= 1

    def __contains__(self, key: object) -> bool:
        found = isinstance(key, str) and self._scratch.one(
            "SELECT 1 FROM items WHERE key=?", packed(key)
        )
        return bool(found)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        """Yield the keys as they came."""
        return (
            unpacked(key) for (key,) in self._scratch.rows("SELECT key FROM items ORDER BY rowid")
        )

    def in_order(self) -> Iterator[tuple[str, _T]]:
        """Yield the items in the order of their keys."""
        for key, stored in self._scratch.rows("SELECT key, value FROM items ORDER BY key"):
            yield unpacked(key), self._load(json.loads(stored))
