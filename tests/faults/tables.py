"""The tables of doc/source/reference/faults.rst, from the rows that the tests play."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.many_rows import ALONE, COPIES, EXPORTS, IMPORTS, TARGETS, ManyRow
from tests.faults.rows import LISTS, SAVE, SAVE_ALONE
from tests.faults.upload_rows import UPLOADS, UPLOADS_ALONE

_NOTHING = "nothing"
_LEFT = ("What happens", "What one reads", "Exit status", "What is left")


def _table(title: str, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    made = [f".. list-table:: {title}", "   :header-rows: 1", "   :widths: auto", ""]
    for cells in (columns, *lines):
        made.append(f"   * - {cells[0]}")
        made.extend(f"     - {cell}" for cell in cells[1:])
    return "\n".join(made) + "\n"


def _literal(says: str) -> str:
    return f"``{says}``" if says else _NOTHING


def _many(command: str, rows: Sequence[ManyRow]) -> list[tuple[str, ...]]:
    """The lines of a command's table, with what a test of its own plays."""
    lines = [
        (row.name, " ".join(map(_literal, row.says or [""])), str(row.status), row.left)
        for row in rows
    ]
    return lines + [
        (row.name, _literal(row.says), _status(row.status), row.left)
        for row in ALONE
        if row.command == command
    ]


def _status(status: int) -> str:
    return "none, it is killed" if status < 0 else str(status)


def _shown(count: int) -> str:
    if count < 0:
        return f"{-count} images"
    return {0: _NOTHING, 5: "all"}.get(count, "what came before")


def tables() -> str:
    """Return the tables, in the order of the page."""
    saves = [
        (row.name, _literal(row.says), _status(row.status), row.disk)
        for row in (*SAVE, *SAVE_ALONE)
    ]
    uploads = [
        (row.name, _literal(row.says), _status(row.status), row.on_service)
        for row in (*UPLOADS, *UPLOADS_ALONE)
    ]
    lists = [(row.name, _literal(row.says), str(row.status), _shown(row.shown)) for row in LISTS]
    return "\n".join(
        (
            _table(
                "``image v1 save --file <directory>/x <image>``",
                _LEFT,
                saves,
            ),
            _table(
                "``image v1 create --file <directory>/source <name>``",
                ("What happens", "What one reads", "Exit status", "What is left on the service"),
                uploads,
            ),
            _table("``image v1 export <directory>``", _LEFT, _many("export", EXPORTS)),
            _table("``image v1 copy --to-cloud <cloud>``", _LEFT, _many("copy", COPIES)),
            _table(
                "``image v1 import <directory>``",
                _LEFT,
                _many("import", [row for row in IMPORTS if row not in TARGETS]),
            ),
            _table(
                "Lists of five images, two a page",
                ("What happens", "What one reads", "Exit status", "What is shown"),
                lists,
            ),
        )
    )
