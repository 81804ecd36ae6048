"""Files that tell which project of one cloud is which of another."""

from __future__ import annotations

import contextlib
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.cli.projects import mapped, read_map, read_project_map
from osc_image_v1.exceptions import InvalidInput, WrongUsage
from tests.unit.keystone import Keystone, manager_of


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.csv", "old,new\n# a comment\n\na, b\n c ,d\n"),
        ("map", "a,b\nc,d\n"),
        ("map.txt", '\ufeffa,b\n"c","d"\na,b'),
        ("map.yaml", "a: b\nc: d\n"),
        ("map.YML", '{"a": b, c: "d"}'),
        ("map.json", '{"a": "b", "c": "d"}'),
    ],
)
def test_project_maps(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_project_map(tmp_path / name) == {"a": "b", "c": "d"}


def test_ids_that_look_like_numbers_are_text(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("1e10: 007\n")
    assert read_project_map(tmp_path / "map.yaml") == {"1e10": "007"}


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("map.csv", "a,b,c\n", "line 1: not two values"),
        ("map.csv", "a\n", "line 1: not two values"),
        ("map.csv", "old,new\n", "has no projects"),
        ("map.csv", "a,\n", "without a name"),
        ("map.csv", "a,b\na,c\n", "two projects for 'a'"),
        ("map.csv", 'a,"b\n', "no CSV"),
        ("map.yaml", "- a\n", "no mapping"),
        ("map.yaml", "a: [b]\n", "no mapping"),
        ("map.yaml", "a: {", "no YAML"),
        ("map.yaml", "[" * 5000, "no YAML"),
        ("none.csv", None, "Cannot read"),
        ("map.csv", "x" * (16 * 2**20 + 1), "over 16 MiB"),
    ],
)
def test_wrong_project_maps(tmp_path: Path, name: str, text: str | None, match: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(WrongUsage, match=match):
        read_project_map(tmp_path / name)


@given(st.binary(), st.sampled_from(["map.csv", "map.yaml"]))
def test_any_file_is_a_project_map_or_refused(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("maps") / name
    path.write_bytes(body)
    with contextlib.suppress(WrongUsage):
        assert all(old and new for old, new in read_project_map(path).items())


def _projects(**known: str) -> Any:
    return manager_of(Keystone({project: name for name, project in known.items()}))


def _mapped(path: Path, here: Any, there: Any) -> Any:
    options = Namespace(project_map=str(path), keep_project_ids=True)
    read_map(options)
    projects, keep = mapped(options, here, there)
    assert keep
    return projects


def test_maps_by_name(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text(f"demo,demo2\n{'0' * 32},demo2\n")
    found = _mapped(path, _projects(demo="d1"), _projects(demo2="d2"))
    assert found == {"d1": "d2", "0" * 32: "d2"}


def test_maps_of_projects_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("gone,demo2\n")
    with pytest.raises(InvalidInput, match="'gone'"):
        _mapped(path, _projects(), _projects(demo2="d2"))
    path.write_text("demo,gone\n")
    with pytest.raises(InvalidInput, match="'gone'"):
        _mapped(path, _projects(demo="d1"), _projects())
