"""What is known of many images, in a temporary file instead of in memory."""

from __future__ import annotations

import itertools
import json
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from osc_image_v1.exceptions import FileFailed

_T = TypeVar("_T")

# KiB of the file that are in memory at most.
_KEPT = 4096
_ROWS_AT_ONCE = 1000
_LARGEST = 2**63 - 1
# So many items are no matter of memory, and a file would take them longer.
_FEW = 1000

#: A row of a table.
Row = tuple[Any, ...]


def packed(text: str) -> bytes:
    """Return a text as it is stored: a service's may be no Unicode; the order stays the same."""
    return text.encode("utf-8", "surrogatepass")


def unpacked(stored: bytes) -> str:
    """Return the text that was stored."""
    return stored.decode("utf-8", "surrogatepass")


class _Guard:
    """Lets one thread at a time ask a database, and says what is to be done where that fails.

    :param error: what the database raises
    """

    def __init__(self, error: type[Exception]) -> None:
        self._error = error
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        self._lock.release()
        if isinstance(error, self._error):
            raise FileFailed(
                "Cannot put aside what is known of the images, where temporary files are: "
                f"{error}; TMPDIR names another place"
            ) from error


class Scratch:
    """Tables in a temporary file that has no name; it goes with this object.

    What is little stays in memory. Several threads may ask.

    :param tables: statements that make them
    """

    def __init__(self, *tables: str) -> None:
        # Most runs of the shell need none.
        import sqlite3

        self._guard = _Guard(sqlite3.Error)
        with self._guard:
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

    def change(self, statement: str, *values: object) -> int:
        """Carry out a statement; return how many rows it has changed."""
        with self._guard:
            return self._db.execute(statement, values).rowcount

    def change_each(self, statement: str, rows: Iterable[Row]) -> None:
        """Carry out a statement with each of some rows of values."""
        with self._guard:
            self._db.executemany(statement, rows)

    def one(self, statement: str, *values: object) -> Row | None:
        """Return the first row of a query, None where there is none."""
        with self._guard:
            row: Row | None = self._db.execute(statement, values).fetchone()
            return row

    def rows(self, statement: str, *values: object) -> Iterator[Row]:
        """Yield the rows of a query; until its end nothing is to be changed."""
        with self._guard:
            found = self._db.execute(statement, values)
        while True:
            with self._guard:
                some = found.fetchmany(_ROWS_AT_ONCE)
            if not some:
                return
            yield from some


class Shelf(MutableMapping[str, _T], Generic[_T]):
    """A mapping like a dict of texts, whose items are in a temporary file once they are many.

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
        self._few: dict[str, _T] = {}
        self._scratch: Scratch | None = None
        self._length = 0
        self._lock = threading.RLock()

    def __setitem__(self, key: str, value: _T) -> None:
        with self._lock:
            if self.add(key, value):
                return
            if self._scratch is None:
                self._few[key] = value
            else:
                stored = json.dumps(self._dump(value))
                self._scratch.change("UPDATE items SET value=? WHERE key=?", stored, packed(key))

    def add(self, key: str, value: _T) -> bool:
        """Put an item there unless there is one of that key; return whether there was none."""
        with self._lock:
            new = self._added(key, value)
            self._length += new
        return new

    def _added(self, key: str, value: _T) -> bool:
        if self._scratch is None:
            if len(self._few) < _FEW or key in self._few:
                self._few.setdefault(key, value)
                return len(self._few) > self._length
            self._scratch = self._moved()
        row = self._row(key, value)
        return bool(self._scratch.change("INSERT OR IGNORE INTO items VALUES (?, ?)", *row))

    def _moved(self) -> Scratch:
        """Put into a file what is in memory."""
        scratch = Scratch("CREATE TABLE items (key BLOB UNIQUE, value TEXT)")
        rows = itertools.starmap(self._row, self._few.items())
        scratch.change_each("INSERT INTO items VALUES (?, ?)", rows)
        self._scratch, self._few = scratch, {}
        return scratch

    def put(self, items: Mapping[str, _T]) -> None:
        """Put many items there at a time, each in the place of the one of its key.

        :param items: the items
        """
        with self._lock:
            if self._scratch is None and len(self._few) + len(items) <= _FEW:
                self._few.update(items)
                self._length = len(self._few)
                return
            scratch = self._scratch or self._moved()
            before = _last(scratch)
            scratch.change_each(
                "INSERT INTO items VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value=excluded.value",
                itertools.starmap(self._row, items.items()),
            )
            # Rows are numbered; what was there keeps its number.
            self._length += _last(scratch) - before

    def _there(self) -> tuple[dict[str, _T], Scratch | None]:
        # In this order: another thread may just now have put all of them into the file.
        return self._few, self._scratch

    def _row(self, key: str, value: _T) -> Row:
        return packed(key), json.dumps(self._dump(value))

    def __getitem__(self, key: str) -> _T:
        few, scratch = self._there()
        if scratch is None:
            return few[key]
        row = scratch.one("SELECT value FROM items WHERE key=?", packed(key))
        if row is None:
            raise KeyError(key)
        return self._load(json.loads(row[0]))

    def __delitem__(self, key: str) -> None:
        with self._lock:
            if self._scratch is None:
                del self._few[key]
            elif not self._scratch.change("DELETE FROM items WHERE key=?", packed(key)):
                raise KeyError(key)
            self._length -= 1

    def __contains__(self, key: object) -> bool:
        few, scratch = self._there()
        if scratch is None or not isinstance(key, str):
            return key in few
        return scratch.one("SELECT 1 FROM items WHERE key=?", packed(key)) is not None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        """Yield the keys as they came."""
        few, scratch = self._there()
        if scratch is None:
            return iter(list(few))
        rows = scratch.rows("SELECT key FROM items ORDER BY rowid")
        return (unpacked(key) for (key,) in rows)

    def in_order(self) -> Iterator[tuple[str, _T]]:
        """Yield the items in the order of their keys."""
        few, scratch = self._there()
        if scratch is None:
            yield from sorted(few.items(), key=lambda item: item[0])
            return
        for key, stored in scratch.rows("SELECT key, value FROM items ORDER BY key"):
            yield unpacked(key), self._load(json.loads(stored))


def _last(scratch: Scratch) -> int:
    row = scratch.one("SELECT coalesce(max(rowid), 0) FROM items")
    return int(row[0]) if row else 0


class Entry(NamedTuple):
    """An image that waits for its turn, in the order of size.

    :ivar turn: 0, or more where others come first
    :ivar size: bytes
    :ivar place: where its record waits
    """

    turn: int
    size: int
    image_id: str
    place: int


class Waiting:
    """Images that wait, in a temporary file.

    :ivar images: how many there are
    :ivar size: their bytes
    """

    def __init__(self) -> None:
        self.images = self.size = 0
        self._scratch = Scratch(
            "CREATE TABLE waiting (id BLOB UNIQUE, turn INTEGER, size INTEGER, place INTEGER, "
            "first INTEGER DEFAULT 0)"
        )

    def add(self, entry: Entry) -> None:
        """Let an image wait."""
        self.images += 1
        self.size += entry.size
        insert = "INSERT INTO waiting (id, turn, size, place) VALUES (?, ?, ?, ?)"
        size = min(entry.size, _LARGEST)
        self._scratch.change(insert, packed(entry.image_id), entry.turn, size, entry.place)

    def prefer(self, image_id: str) -> None:
        """Let an image be among the first, if it waits."""
        self._scratch.change("UPDATE waiting SET first=1 WHERE id=?", packed(image_id))

    def delay(self, image_id: str) -> None:
        """Let an image that has data come after the others, if it waits."""
        later = "UPDATE waiting SET turn=max(turn, 1) WHERE size>0 AND id=?"
        self._scratch.change(later, packed(image_id))

    def lines(self) -> tuple[Sequence[Entry], Sequence[Entry]]:
        """Return those that are among the first, and the others, each in their order."""
        return _Sorted(self._scratch, 1), _Sorted(self._scratch, 0)


class _Sorted(Sequence[Entry]):
    """Images in the order of turn, size and ID; one thread at a time may ask.

    :param scratch: the tables
    :param first: which of the images
    """

    def __init__(self, scratch: Scratch, first: int) -> None:
        self._scratch = scratch
        self._table = ("others", "first")[first]
        scratch.change(
            f"CREATE TABLE {self._table} AS SELECT turn, size, id, place FROM waiting "  # noqa: S608
            f"WHERE first={first} ORDER BY turn, size, id"
        )
        row = scratch.one(f"SELECT count(*) FROM {self._table}")  # noqa: S608
        self._length: int = row[0] if row else 0
        self._blocks: dict[int, list[Entry]] = {}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        number, within = divmod(range(self._length)[index], _ROWS_AT_ONCE)
        if number not in self._blocks:
            # Whoever takes from both ends is at two of them.
            for old in list(self._blocks)[:-1]:
                del self._blocks[old]
            begun = number * _ROWS_AT_ONCE
            rows = self._scratch.rows(
                f"SELECT * FROM {self._table} WHERE rowid>? ORDER BY rowid LIMIT {_ROWS_AT_ONCE}",  # noqa: S608
                begun,
            )
            self._blocks[number] = list(itertools.starmap(_entry, rows))
        return self._blocks[number][within]

    def __iter__(self) -> Iterator[Entry]:
        rows = self._scratch.rows(f"SELECT * FROM {self._table} ORDER BY rowid")  # noqa: S608
        return itertools.starmap(_entry, rows)


def _entry(turn: int, size: int, image_id: bytes, place: int) -> Entry:
    return Entry(turn, size, unpacked(image_id), place)
