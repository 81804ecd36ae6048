"""``image v1 save`` from a service that breaks on purpose: each row of the table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from osc_image_v1.transfer.part import part_of
from tests.faults import rows
from tests.faults.conftest import Result
from tests.faults.rows import DATA, SAVE, Row
from tests.faults.server import IMAGE_ID, Service

#: Before version 2 urllib3 hands out the beginning of a piece that breaks off, so that the rest
#: begins later, and sometimes at all.
KEEPS_WHOLE_PIECES = not urllib3.__version__.startswith("1.")


def said(result: Result, service: Service, directory: Path) -> str:
    """What a person read, without what differs from run to run."""
    text = result.err.rstrip("\n")
    for found, name in (
        (IMAGE_ID, "<image>"),
        (service.url, "<service>"),
        (str(part_of(directory / "x")), "<part>"),
        (str(directory), "<directory>"),
    ):
        text = text.replace(found, name)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", text)
    return re.sub(r"\b[0-9a-f]{32}\b", "<md5>", text)


def contents(directory: Path) -> dict[str, bytes | str]:
    """What is on disk."""
    return {
        path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else "other"
        for path in directory.iterdir()
    }


def check_disk(row: Row, directory: Path, before: dict[str, bytes | str]) -> None:
    left = contents(directory)
    expected: dict[str, dict[str, bytes | str]] = {
        rows.IMAGE: {"x": row.image.data},
        rows.NOTHING: {},
        rows.BEFORE: {"x": b"before"},
        rows.UNTOUCHED: before,
        "the image, and that file": {"x": row.image.data, **before},
    }
    if row.disk == rows.PART:
        assert list(left) == ["x.osc-image-v1.part"]
        part = left["x.osc-image-v1.part"]
        assert isinstance(part, bytes)
        assert part
        assert DATA.startswith(part)
    else:
        assert left == expected[row.disk]


@pytest.mark.parametrize("row", SAVE, ids=lambda row: row.name)
def test_save(row: Row, shell: Callable[..., Result], tmp_path: Path, waits: list[float]) -> None:
    row.before(tmp_path)
    before = contents(tmp_path)
    options = [option.replace("<directory>", str(tmp_path)) for option in row.options]
    with Service([row.image], row.faults, **row.service) as service:
        target = str(tmp_path / "x")
        command = ["image", "v1", "save", "--file", target, *options, IMAGE_ID]
        result = shell(service, "--os-image-v1-timeout", "0.5", *command)
    kept = f"What came so far is kept in '{part_of(tmp_path / 'x')}'\n"
    kept = kept if row.disk == rows.PART else ""
    assert result.err.startswith(kept)
    result = Result(result.status, result.out, result.err[len(kept) :])
    assert (said(result, service, tmp_path), result.status) == (row.says, row.status)
    assert result.err.count("\n") == bool(row.says)
    assert result.out == b""
    check_disk(row, tmp_path, before)
    if KEEPS_WHOLE_PIECES:
        assert service.kinds == list(row.asked)
    if row.waits is not None:
        assert waits == pytest.approx(row.waits)
