"""The names of columns and fields are those of the documentation: programs rely on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import id_of

REFERENCE = Path(__file__).parents[3] / "doc" / "source" / "reference" / "output.rst"
LARGE = id_of("large")


def section(command: str) -> str:
    """What the page says of a command."""
    text = REFERENCE.read_text()
    parts = re.split(r"^(``.*``)\n=+\n", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    (title,) = (title for title in found if f"``{command}``" in title.split(", "))
    return found[title]


def columns(command: str, *conditions: str) -> list[str]:
    """The columns that the page names, with these words beside them."""
    rows = section(command).split("\n=====")[2].splitlines()[1:]
    named = [(row[:21].strip(), row[22:36].strip()) for row in rows if row[:1].strip()]
    assert len(named) > 3
    return [column for column, condition in named if condition in ("always", *conditions)]


def fields(command: str) -> list[str]:
    """The fields that the page names."""
    return re.findall(r"``(\w+)``", re.split(r"\.\s", section(command))[0])


MEMBER = ["Project", "Can Share", "Project Name", "Image ID"]
LISTS = [
    ("image v1 list", (), ("--limit", "1"), columns("image v1 list")),
    ("image v1 list", ("--long",), ("--limit", "1"), columns("image v1 list", "``--long``")),
    ("compute image list", (), ("--limit", "1"), columns("compute image list")),
    (
        "compute image list",
        ("--long",),
        ("--limit", "1"),
        columns("compute image list", "``--long``"),
    ),
    ("image v1 member list", (), ("demo-shared",), MEMBER),
    ("image v1 copy", ("--dry-run",), ("--to-cloud", "target", "min"), columns("image v1 copy")),
    (
        "image v1 compare",
        (),
        ("--with", "cloud:target", "min"),
        columns("image v1 compare", "a cloud"),
    ),
    ("image v1 compare", (), ("--with", "v2", "min"), columns("image v1 compare")),
    ("image v1 usage", ("--shards", "2"), (), columns("image v1 usage", "``--shards``")),
    ("image v1 usage", ("--problems",), ("--name", "twin"), columns("image v1 usage --problems")),
] + [
    ("image v1 usage", ("--by", by), (), columns("image v1 usage", *conditions))
    for by, conditions in {
        "project": ("by project",),
        "status": ("by status",),
        "visibility": ("by visibility",),
        "year": ("by year",),
    }.items()
]


@pytest.mark.parametrize(("command", "options", "arguments", "names"), LISTS)
def test_lists(
    openstack: Callable[..., Any],
    command: str,
    options: tuple[str, ...],
    arguments: tuple[str, ...],
    names: list[str],
) -> None:
    result = openstack(*command.split(), *options, *arguments, "-f", "csv")
    header = result.out.splitlines()[0]
    # What a table alone shows.
    assert header == ",".join(f'"{name}"' for name in names if name != "Bar"), result.err


@pytest.mark.parametrize("by", ["disk-format", "container-format"])
def test_usage_by_format(openstack: Callable[..., Any], by: str) -> None:
    row = openstack("image", "v1", "usage", "--by", by, "-f", "json").json[0]
    title = by.replace("-", " ").title()
    assert title in columns("image v1 usage", "by that")
    assert list(row) == [title, *columns("image v1 usage")[:-1]]


def test_an_export_and_what_reads_it(openstack: Callable[..., Any], tmp_path: Path) -> None:
    archive = str(tmp_path / "archive")
    exported = openstack("image", "v1", "export", archive, LARGE, "-f", "json").json
    assert list(exported) == fields("image v1 export")
    (row,) = openstack("image", "v1", "verify", "--all", archive, "-f", "json").json
    assert list(row) == columns("image v1 verify")
    imported = openstack(
        *("--os-cloud", "target"),
        *("image", "v1", "import", "--dry-run", archive, "-f", "json"),
        cloud=None,
    )
    assert list(imported.json[0]) == columns("image v1 import", "json, yaml")


@pytest.mark.parametrize("command", ["image v1 show", "compute image show"])
def test_single_images(openstack: Callable[..., Any], command: str) -> None:
    found = openstack(*command.split(), LARGE, "-f", "json").json
    assert sorted(found) == fields(command)


def test_one_thing_has_one_name() -> None:
    """Fields of both services are called alike, and columns as fields, but for case and spaces."""
    shown = {command: set(fields(command)) for command in ("image v1 show", "compute image show")}
    both = shown["image v1 show"] & shown["compute image show"]
    assert both >= {"id", "name", "status", "size", "min_disk", "min_ram", "created_at"}
    for command, single in (
        ("image v1 list", "image v1 show"),
        ("compute image list", "compute image show"),
    ):
        titles = {title.lower().replace(" ", "_") for title in columns(command, "``--long``")}
        # The list has words for a person where the field is an ID or a flag.
        assert titles - shown[single] <= {"visibility", "project", "server"}
