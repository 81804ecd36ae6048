"""Which images are meant, by patterns and names in a file; options that go with no others."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests_mock as rm

from osc_image_v1.archive.archive import Archive
from osc_image_v1.cli import options
from osc_image_v1.cli.compare import CompareImage
from osc_image_v1.cli.compute_image import ListComputeImage
from osc_image_v1.cli.copy import CopyImage, ImportImage
from osc_image_v1.cli.export import ExportImage
from osc_image_v1.cli.image import ListImage, ShowImage
from osc_image_v1.cli.image_write import CreateImage
from osc_image_v1.cli.member import AddProjectToImage, ListMember
from osc_image_v1.cli.projects import ProjectNames
from osc_image_v1.cli.usage import UsageOfImages
from osc_image_v1.exceptions import ImageNotFound, WrongUsage
from tests.unit.conftest import Shell, image_id
from tests.unit.store import Store

NAMES = ("ubuntu-16", "ubuntu-18", "Ubuntu-20", "debian", None, "[x]")


@pytest.fixture
def images(store: Store) -> list[str]:
    return [store.add(number, name=name) for number, name in enumerate(NAMES)]


@pytest.fixture
def export(shell: Shell, images: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Export, and return which images are there."""
    monkeypatch.setattr(ProjectNames, "get", lambda _self, _id: None)

    def run(*argv: str) -> list[int]:
        shell.run(ExportImage, str(tmp_path / "export"), *argv)
        return sorted(images.index(one) for one in Archive(tmp_path / "export").ids())

    return run


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (["--name-pattern", "ubuntu*"], [0, 1]),
        (["--name-pattern", "ubuntu*", "--name-pattern", "deb?an"], [0, 1, 3]),
        (["--name-pattern", "[uU]buntu-*", "--exclude", "*-16"], [1, 2]),
        (["--exclude", "*buntu*", "--exclude", "debian"], [4, 5]),
        (["--exclude", image_id(0), "--exclude", "*" + image_id(5)[-3:]], [1, 2, 3, 4]),
        (["--name-pattern", "*", "--exclude", "?*"], []),
        (["--name-pattern", "[[]x]"], [5]),
        (["--name-pattern", "ubuntu"], []),
        (["--name-pattern", "ubuntu*", "--limit", "1"], [0]),
        (["--name-pattern", "*18", "--name", "ubuntu-18"], [1]),
    ],
)
def test_patterns(shell: Shell, images: list[str], argv: list[str], found: list[int]) -> None:
    for long in ([], ["--long"]):
        listed = json.loads(shell.run(ListImage, "-f", "json", *long, *argv))
        assert [images.index(one["ID"]) for one in listed] == found


def test_patterns_of_other_commands(shell: Shell, images: list[str], export: Any) -> None:
    usage = ("--by", "status", "-f", "json", "--name-pattern", "ubuntu*")
    assert json.loads(shell.run(UsageOfImages, *usage))[0]["Images"] == 2
    assert export("--name-pattern", "ubuntu*", "--exclude", "*16") == [1]


LIST = f"\ufeff# old ones\r\n\n  ubuntu-16\t\r\n{image_id(3)}\n   # none\nubuntu-16"


@pytest.mark.parametrize("way", ["-", "file"])
def test_names_from_a_file(export: Any, stdin: Any, tmp_path: Path, way: str) -> None:
    (tmp_path / "file").write_text(LIST)
    stdin(LIST.encode())
    assert export("--images-from", "-" if way == "-" else str(tmp_path / "file")) == [0, 3]


def test_all_but_some_of_them(export: Any, stdin: Any) -> None:
    stdin(LIST.encode())
    assert export("--images-from", "-", "--exclude", "deb*") == [0]
    assert export("ubuntu-18", "debian", "--exclude", "deb*") == [0, 1]


def test_one_of_them_is_missing(export: Any, stdin: Any) -> None:
    stdin(b"ubuntu-16\nnone\n")
    with pytest.raises(ImageNotFound, match="none"):
        export("--images-from", "-")


COMMANDS: dict[type, list[str]] = {
    ExportImage: ["x"],
    CopyImage: ["--to-cloud", "x"],
    CompareImage: ["--with", "v2"],
    ImportImage: ["x"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("argv", "content", "said"),
    [
        (["image"], b"image", "not both"),
        (["--name-pattern", "a*"], b"image", "not both"),
        ([], b" \n# image\n", "'-' names no image"),
        ([], b"", "'-' names no image"),
        ([], b"\xff", "Cannot read '-': .*decode"),
        ([], None, "not a terminal"),
    ],
)
def test_nothing_is_asked(
    shell: Shell,
    requests_mock: rm.Mocker,
    stdin: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: type,
    argv: list[str],
    content: bytes | None,
    said: str,
) -> None:
    (tmp_path / "clouds.yaml").write_text("clouds: {x: {auth_type: none, endpoint: http://x}}")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    stdin(content or b"", terminal=content is None)
    with pytest.raises(WrongUsage, match=said):
        shell.run(command, *COMMANDS[command], *argv, "--images-from", "-")
    assert requests_mock.call_count == 0


def test_no_such_file(shell: Shell, requests_mock: rm.Mocker, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"Cannot read '.*none\\x1b': No such file"):
        shell.run(ExportImage, "x", "--images-from", str(tmp_path / "none\x1b"))
    assert requests_mock.call_count == 0


def test_exported_images(
    shell: Shell, export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stdin: Any
) -> None:
    export()
    seen: list[Any] = []
    target = SimpleNamespace(probes=lambda: ())
    monkeypatch.setattr("osc_image_v1.cli.clients.image_target", lambda *_args: target)
    monkeypatch.setattr("osc_image_v1.cli.identity.check_owner", lambda *_args: None)
    monkeypatch.setattr(shell.client_manager.session, "get_project_id", lambda: "p1")
    monkeypatch.setattr(
        "osc_image_v1.migrate.job.Job.preview",
        lambda _self, records: seen.extend(record["name"] for record in records) or iter(()),
    )
    shell.run(ImportImage, "--dry-run", str(tmp_path / "export"), "--name-pattern", "ubuntu*")
    assert seen == ["ubuntu-16", "ubuntu-18"]
    stdin(b"debian\nubuntu-18")
    seen.clear()
    argv = ("--dry-run", "--images-from", "-", "--exclude", "ub*")
    shell.run(ImportImage, *argv, str(tmp_path / "export"))
    assert seen == ["debian"]


COPY = (CopyImage, "--to-cloud", "x")
V1 = (*COPY, "--target", "v1")
IMPORT = (ImportImage, "x")
COMPARE = (CompareImage, "--with", "v2")
OF_COPIES = "--target, --project-map, --keep-project-ids and --visibility are for --with cloud"


@pytest.mark.parametrize(
    ("command", "argv", "said"),
    [
        (COPY, ["--no-look"], "--no-look is for --dry-run"),
        (IMPORT, ["--no-look"], "--no-look is for --dry-run"),
        (COPY, ["--disk-format-from-data", "--no-format-check"], "is a look at the data"),
        (V1, ["--accept-members"], "--accept-members is for --target v2"),
        (V1, ["--disk-format-from-data"], "--disk-format-from-data is for --target v2"),
        (V1, ["--no-format-check"], "--no-format-check is for --target v2"),
        (V1, ["--visibility", "community"], "no community images"),
        (COMPARE, ["--target", "v2"], OF_COPIES),
        (COMPARE, ["--project-map", "x"], OF_COPIES),
        (COMPARE, ["--keep-project-ids"], OF_COPIES),
        (COMPARE, ["--visibility", "private"], OF_COPIES),
        ((ExportImage, "x", "--metadata-only"), ["--max-rate", "1M"], "not for --metadata-only"),
        ((ExportImage, "x", "--metadata-only"), ["--no-sparse"], "not for --metadata-only"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    shell: Shell, requests_mock: rm.Mocker, command: Any, argv: list[str], said: str
) -> None:
    with pytest.raises(WrongUsage, match=said):
        shell.run(*command, *argv)
    assert requests_mock.call_count == 0


@pytest.mark.parametrize(
    "command",
    [
        COPY,
        IMPORT,
        COMPARE,
        (ListImage,),
        (ListComputeImage,),
        (UsageOfImages,),
        (UsageOfImages, "--shards", "2"),
        (UsageOfImages, "--problems"),
        (ExportImage, "x"),
        (ExportImage, "--replace-data", "x", "x", "x"),
        (CreateImage, "x"),
        (AddProjectToImage, "x", "x"),
        (ListMember, "x"),
    ],
)
def test_a_column_that_is_not_there_is_refused(
    shell: Shell, requests_mock: rm.Mocker, command: Any
) -> None:
    with pytest.raises(WrongUsage, match=r"There is no column 'size\\x1b', but .*\w, \w"):
        shell.run(*command, "-c", "size\x1b")
    assert requests_mock.call_count == 0


def test_a_field_that_an_image_has_not_is_refused(shell: Shell, images: list[str]) -> None:
    with pytest.raises(WrongUsage, match="There is no column 'colour', but checksum, "):
        shell.run(ShowImage, image_id(0), "-c", "colour")


def test_one_of_the_columns_is_enough(shell: Shell, images: list[str]) -> None:
    found = json.loads(shell.run(ListImage, "-c", "Size", "-c", "nothing", "-f", "json"))
    assert [list(one) for one in found] == [["Size"]] * len(images)


def test_the_rate() -> None:
    assert options.rate("50M") == 50 * 2**20
