"""``image v1 export``, ``copy`` and ``import`` with services that break on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from osc_image_v1.migrate import delivery
from osc_image_v1.transfer import patience
from tests.faults import many_rows
from tests.faults.conftest import Result
from tests.faults.many_rows import COPIES, EXPORTS, IDS, IMAGES, IMPORTS, ManyRow
from tests.faults.server import Service
from tests.faults.test_save import said

_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
Shell = Callable[..., Result]

EXPORT = ("image", "v1", "export", "--parallel", "1", "-f", "json", "<directory>")
COPY = ("image", "v1", "copy", "--parallel", "1", "-f", "json", "--to-cloud", "there")
IMPORT = ("image", "v1", "import", "--parallel", "1", "-f", "json", "<directory>")


def command_of(words: Sequence[str], directory: Path) -> list[str]:
    command = [word.replace("<directory>", str(directory)) for word in words]
    return ["--os-image-v1-timeout", "0.5", *command]


def plain(text: str, service: Service, directory: Path) -> str:
    """A line without what differs from run to run, or from image to image."""
    text = said(Result(0, b"", text), service, directory)
    return re.sub(r"\b\d{5,}\b", "<n>", _UUID.sub("<image>", text))


def expected(row: ManyRow) -> list[str]:
    return [_UUID.sub("<image>", line) for line in row.says]


def clouds(monkeypatch: pytest.MonkeyPatch, path: Path, target: Service) -> None:
    """A clouds.yaml with the target, and one more, so that neither is taken without a word."""
    there = {"auth_type": "none", "endpoint": target.url, "image_endpoint_override": target.url}
    path.write_text(json.dumps({"clouds": {"there": there, "other": {"auth_type": "none"}}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_POLL", 0.01)
    monkeypatch.setattr(delivery, "_AFTER_AN_ERROR", 0.1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "export"
    path.mkdir()
    return path


def whole_files(directory: Path) -> list[str]:
    """The IDs of the images whose files are whole."""
    if not directory.is_dir():
        return []
    return [
        image.id
        for image in IMAGES
        if (file := directory / f"{image.id}.img").is_file()
        and not file.is_symlink()
        and file.read_bytes() == image.data
    ]


def exported(shell: Shell, directory: Path) -> None:
    """Export all images, as they should be."""
    with Service(IMAGES) as service:
        assert shell(service, *command_of(EXPORT, directory)).status == 0


def check_left(left: str, whole: list[str]) -> None:
    others = {
        many_rows.ALL: IDS,
        many_rows.OTHERS: [IDS[0], IDS[2]],
        many_rows.NO_IMAGE: [],
    }
    if left in others:
        assert whole == others[left]


@pytest.mark.parametrize("row", EXPORTS, ids=lambda row: row.name)
def test_export(row: ManyRow, shell: Shell, directory: Path) -> None:
    if row.name == "The manifest is damaged":
        exported(shell, directory)
    row.before(directory)
    victim = directory.parent / "victim"
    with Service(IMAGES, row.faults, keystone=row.keystone) as service:
        result = shell(service, *command_of(EXPORT, directory))
    lines = [plain(line, service, directory) for line in result.err.splitlines()]
    assert (lines, result.status) == (expected(row), row.status)
    check_left(row.left, whole_files(directory))
    if result.out:
        summary = json.loads(result.out)
        failed = len(row.says[1:])
        assert (summary["images"], summary["fetched"]) == (3, 3 - failed)
        assert summary["failed"] == failed
    assert not victim.exists() or victim.read_bytes() == b"theirs"
    row.mend(directory)
    exported(shell, directory)
    assert whole_files(directory) == IDS
    with Service() as nobody:
        result = shell(nobody, "image", "v1", "verify", str(directory))
    assert result.status == 0
    assert nobody.asked == []


def on_target(target: Service) -> list[str]:
    """The IDs of the images that the target has whole, and nothing more to be done with."""
    return [
        image.id
        for image in IMAGES
        if (record := target.v2_images.get(image.id))
        and (record["status"], record["tags"]) == ("active", [])
        and target.v2_data[image.id] == image.data
    ]


def check_outcomes(row: ManyRow, result: Result, service: Service, directory: Path) -> None:
    """Check what is said of each image, and in the end."""
    outcomes = json.loads(result.out)
    assert [outcome["ID"] for outcome in outcomes] == IDS
    failed = [outcome for outcome in outcomes if outcome["Action"] == "failed"]
    notes = [plain(outcome["Notes"], service, directory) for outcome in failed]
    assert (notes, result.status) == (expected(row), row.status)
    assert [outcome["ID"] for outcome in failed] == IDS[1:2] * len(row.says)
    summary, *last = result.err.splitlines()
    assert summary.startswith("Images: 3 (")
    assert [line[: len("1 of 3 images could not be")] for line in last] == (
        ["1 of 3 images could not be"] * len(row.says)
    )


def check_target(target: Service, row: ManyRow) -> None:
    check_left(row.left, on_target(target))
    # What is left of a failure is nothing, or an empty record that the next run fills.
    for image_id in set(target.v2_images) - set(on_target(target)):
        assert any("empty record" in words or "is left" in words for words in (row.name, *row.says))
        assert (image_id, target.v2_images[image_id]["status"]) == (IDS[1], "queued")


@pytest.mark.parametrize("row", COPIES, ids=lambda row: row.name)
def test_copy(row: ManyRow, shell: Shell, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Service(IMAGES, row.faults) as service, Service([], row.target_faults) as target:
        clouds(monkeypatch, directory / "clouds.yaml", target)
        result = shell(service, *command_of(COPY, directory))
        said_of = replace_url(result, target)
        check_outcomes(row, said_of, service, directory)
        check_target(target, row)
        again = shell(service, *command_of(COPY, directory))
        assert (again.status, on_target(target)) == (0, IDS)


def replace_url(result: Result, target: Service) -> Result:
    return replace(result, out=result.out.replace(target.url.encode(), b"<service>"))


@pytest.mark.parametrize("row", IMPORTS, ids=lambda row: row.name)
def test_import(row: ManyRow, shell: Shell, directory: Path) -> None:
    exported(shell, directory)
    row.before(directory)
    with Service([], row.target_faults) as target:
        result = shell(target, *command_of(IMPORT, directory))
        check_outcomes(row, result, target, directory)
        check_target(target, row)
        row.mend(directory)
        again = shell(target, *command_of(IMPORT, directory))
        assert (again.status, on_target(target)) == (0, IDS)
