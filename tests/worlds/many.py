"""2,000 images that databases take for one another, written straight into the database.

Names by case, accents and spaces at their end, sizes that are null or equal, and times of which
there are only a few.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import cycle, islice

from tests.cloud import Cloud, id_of
from tests.cloud.configuration import GLANCE15

COUNT = 2000

NAMES = (
    *("cirros", "CIRROS", "CirrOS", "Cirros", "cirros ", "cirros  ", " cirros"),
    *("resume", "résumé", "RESUME", "RÉSUMÉ", "Résumé ", "re\u0301sume\u0301"),
    *("Σ", "σ", "ς", "ß", "ss", "SS", "ñ", "n", "N", "ø", "o", "ı", "i", "I", "İ"),
    *("a", "A", "ä", "Ä", "b", "B", "_", "-", "~", "%", "ubuntu", "ubuntu:24.04"),
    *("雲", "ёлка", "ЕЛКА", "елка", "", None, "10", "9", "０"),
)

_SIZES = (None, 0, 1, 1024, 1024, 1024, 65536, 2**40, None, 1024, 7)
_DISKS = ("raw", "RAW", "qcow2", "Qcow2", "iso", None, "raw")
_BOXES = ("bare", "BARE", "ovf", None, "bare")
_STATUSES = ("active", "active", "queued", "active", "deactivated", "saving")
_VISIBILITIES = ("public", "private", "private")
#: Many were made at the same moment; the last two differ by what MariaDB cuts off.
_MADE = ("2019-01-01 00:00:00.000000", "2020-02-02 02:02:02.000001", "2020-02-02 02:02:02.999999")
_CHANGED = ("2021-03-03 03:03:03.500000", "2021-03-03 03:03:03.250000")

_COLUMNS = (
    "id, name, size, status, visibility, disk_format, container_format, created_at, updated_at, "
    "min_ram, min_disk, owner, deleted, protected"
)
_TABLES = ("image_properties", "image_locations", "image_members", "image_tags")


def ids() -> list[str]:
    """The IDs of the images, in the order of their making."""
    return [id_of(f"many {number}") for number in range(COUNT)]


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    return text if isinstance(value, int) else "'" + text.replace("'", "''") + "'"


def _rows(owner: str) -> Iterator[str]:
    columns = (
        *(cycle(values) for values in (NAMES, _SIZES, _STATUSES, _VISIBILITIES, _DISKS, _BOXES)),
        *(cycle(values) for values in (_MADE, _CHANGED, (0, 0, 512, 2048), (0, 8, 0), (owner,))),
        *(cycle((flag,)) for flag in ("FALSE", "FALSE")),
    )
    for image_id, *values in islice(zip(ids(), *columns, strict=False), COUNT):
        words = [_literal(value) for value in (image_id, *values[:-2])]
        yield f"({', '.join([*words, *map(str, values[-2:])])})"


def _run(cloud: Cloud, statements: list[str]) -> None:
    text = ";\n".join([*statements, ""])
    if cloud.places.world.database != "sqlite":
        cloud.sql(text)
        return
    database = GLANCE15["api"].database(cloud.places)
    with closing(sqlite3.connect(database, timeout=30)) as glance, glance:
        glance.executescript(f"BEGIN; {text} COMMIT;")


@contextmanager
def many_images(cloud: Cloud) -> Iterator[None]:
    """Let them be there for a while."""
    mine = ", ".join(map(_literal, ids()))
    purge = [f"DELETE FROM {table} WHERE image_id IN ({mine})" for table in _TABLES]
    purge.append(f"DELETE FROM images WHERE id IN ({mine})")
    rows = ",\n".join(_rows(cloud.projects["admin"]))
    kinds = ", ".join(
        f"({_literal(image_id)}, 'image_type', {_literal(kind)}, '{_MADE[0]}', FALSE)"
        for image_id, kind in zip(ids()[::9], cycle(("snapshot", "Snapshot", "backup")))
    )
    names = "SET NAMES utf8" if cloud.places.world.database == "mariadb" else "SELECT 1"
    make = [
        names,
        f"INSERT INTO images ({_COLUMNS}) VALUES {rows}",
        "INSERT INTO image_properties (image_id, name, value, created_at, deleted) VALUES " + kinds,
    ]
    _run(cloud, [*purge, *make])
    try:
        yield
    finally:
        _run(cloud, purge)
