"""The tables of doc/source/reference/faults.rst, from the rows that the tests play."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

from osc_image_v1.api.retries import RetryPolicy
from osc_image_v1.exceptions import ConnectionFailed, TlsFailed, http_error
from osc_image_v1.migrate.targets import Target
from osc_image_v1.transfer.download import _PROGRESS
from tests.faults.end_rows import ENDS, ENDS_ALONE
from tests.faults.many_rows import ALONE, COPIES, EXPORTS, IMPORTS, TARGETS, ManyRow
from tests.faults.rows import LISTS, SAVE, SAVE_ALONE
from tests.faults.upload_rows import UPLOADS, UPLOADS_ALONE
from tests.faults.write_rows import CHANGES

_NOTHING = "nothing"
_LEFT = ("What happens", "What one reads", "Exit status", "What is left")


def retries() -> str:
    """Return the table of retries, from the policy's own values."""
    policy = RetryPolicy()
    error = ConnectionFailed("")
    with mock.patch("random.uniform", side_effect=lambda least, most: least):
        pauses = [f"{policy.wait(n, error):g}" for n in range(1, policy.attempts)]
    with mock.patch("random.uniform", side_effect=lambda least, most: most):
        chance = policy.wait(1, error)
    methods = [f"``{method}``" for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")]
    again = [method for method in methods if policy.allows(method.strip("`"), 1, error)]
    never = [method for method in methods if method not in again]
    statuses = [str(n) for n in range(100, 600) if policy.allows("GET", 1, http_error("", n))]
    final = not policy.allows("GET", 1, TlsFailed(""))
    uploads = Target.attempts
    lines = (
        ("What is sent again", ", ".join(again)),
        (
            "After what",
            "no answer: refused, reset, timed out, broken off; the statuses " + ", ".join(statuses),
        ),
        ("How often", f"{policy.attempts} times in all"),
        (
            "After how long",
            f"{', '.join(pauses)} seconds, each with up to {chance:g} more by chance; or what "
            f"``Retry-After`` says, in seconds or as a date, up to {policy.longest_wait:g} seconds",
        ),
        (
            "Downloads",
            f"the same; another {_PROGRESS // 2**20} MiB of data, and it counts anew",
        ),
        (
            "After a rate limit, 429 or 413 with ``Retry-After``",
            f"any method, {policy.attempts} times in all: nothing was done; but no stream of data",
        ),
        ("Otherwise never sent again", ", ".join(never) + "; after TLS failures nothing" * final),
        (
            "Where the answer to one of these is lost",
            "the service is asked what became of it, and the command goes by that",
        ),
        (
            "Copies and imports",
            f"what may be done twice, and an upload that broke off and has left an empty record, "
            f"{uploads} times in all, after a look at the image",
        ),
    )
    return _table("Retries", ("Question", "Answer"), lines)


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
            retries(),
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
            _table(
                "``image v1 set``, ``delete``, ``compute image set``, ``delete``",
                ("What happens", "What one reads", "Exit status", "Whether it was done"),
                [
                    (row.name, _literal(row.says), str(row.status), "yes" if row.done else "no")
                    for row in CHANGES
                ],
            ),
            _table("``image v1 export <directory>``", _LEFT, _many("export", EXPORTS)),
            _table("``image v1 copy --to-cloud <cloud>``", _LEFT, _many("copy", COPIES)),
            _table(
                "``image v1 import <directory>``",
                _LEFT,
                _many("import", [row for row in IMPORTS if row not in TARGETS]),
            ),
            _table(
                "SIGTERM, in whatever a command is at",
                ("What it is at", "What one reads", "Exit status"),
                [
                    (row.name, " ".join(map(_literal, row.says or [""])), "143")
                    for row in (*ENDS, *ENDS_ALONE)
                ],
            ),
            _table(
                "Lists of five images, two a page",
                ("What happens", "What one reads", "Exit status", "What is shown"),
                lists,
            ),
        )
    )
