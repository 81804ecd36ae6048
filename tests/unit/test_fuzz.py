"""The tests with made-up input are those that doc/source/reference/faults.rst lists."""

from __future__ import annotations

import configparser
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fuzz import EXAMPLES

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "doc/source/reference/faults.rst").read_text()
LISTED = re.findall(r"- ``(tests/unit/[\w/]+\.py)::([\w:]+)``", _PAGE)


def test_what_is_listed_is_what_there_is() -> None:
    there = []
    for path in Path(__file__).parent.rglob("test_*.py"):
        text = path.read_text()
        tests = re.findall(r"^ *@thorough\n.*?def (\w+)\(", text, re.DOTALL | re.MULTILINE)
        there += [(str(path.relative_to(_ROOT)), name) for name in tests]
    assert sorted(there) == sorted((module, name.split("::")[-1]) for module, name in LISTED)


@pytest.mark.parametrize(("module", "name"), LISTED)
def test_each_tries_as_many(module: str, name: str) -> None:
    found: Any = importlib.import_module(module.removesuffix(".py").replace("/", "."))
    for part in name.split("::"):
        found = getattr(found, part)
    assert found.is_hypothesis_test
    assert found._hypothesis_internal_use_settings.max_examples == EXAMPLES


def test_a_thousand_where_faults_are_tested() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(_ROOT / "tox.ini")
    faults = tox["testenv:faults"]
    assert "OSC_IMAGE_V1_EXAMPLES = 1000" in faults["set_env"]
    assert "python -m pytest -n auto -m thorough tests/unit" in faults["commands"]
