"""Lists and single images from a service that breaks on purpose: each row of the table."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.faults.conftest import Result
from tests.faults.rows import LIST_IMAGES, LISTS, ListRow
from tests.faults.server import Service
from tests.faults.test_save_alone import Start, ended


def shown(row: ListRow, out: bytes) -> list[str]:
    """The IDs that a person saw."""
    if "json" not in row.command or not out:
        return out.decode().splitlines()
    document = json.loads(out)
    if isinstance(document, dict):
        return [document["id"]]
    return [image["ID"] for image in document]


@pytest.mark.parametrize("row", LISTS, ids=lambda row: row.name)
def test_list(row: ListRow, shell: Callable[..., Result]) -> None:
    with Service(LIST_IMAGES, row.faults, page=row.page) as service:
        result = shell(service, "--os-image-v1-timeout", "0.5", *row.command)
    err = result.err.replace(service.url, "<service>")
    assert (err.rstrip("\n"), result.status) == (row.says, row.status)
    assert result.err.count("\n") == bool(row.says)
    rows = shown(row, result.out)
    if row.shown < 0:
        assert len(rows) == -row.shown
    else:
        assert rows == [image.id for image in LIST_IMAGES[: row.shown]]
    assert service.kinds == list(row.asked)


def test_a_list_without_end_and_a_reader_that_has_enough(start: Start) -> None:
    row = next(row for row in LISTS if row.name.startswith("A list without end"))
    with Service([], row.faults, page=2) as service:
        process = start(service, *row.command[:-2])
        assert process.stdout
        assert process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        result = ended(process)
    assert (result.status, result.err) == (141, "")
