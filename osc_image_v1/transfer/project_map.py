"""Files that tell which project of one cloud is which of another."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable
from osc_image_v1.transfer.files import shown

_LARGEST = 16 * 2**20
_YAML = frozenset((".yaml", ".yml", ".json"))
_TITLES = ("old", "new")


def read_project_map(path: Path) -> dict[str, str]:
    """Return projects by name or ID: old -> new.

    A file whose name ends in ``.yaml``, ``.yml`` or ``.json`` has a mapping, any other one lines of
    two values with a comma between; a first line ``old,new``, empty lines and lines that begin with
    ``#`` do not count.

    :param path: the file
    :raises InvalidInput: if it cannot be read, or has another form
    """
    try:
        with path.open("rb") as file:
            body = file.read(_LARGEST + 1)
        text = body.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"Cannot read {shown(path)}: {printable(reason)}") from error
    if len(body) > _LARGEST:
        raise InvalidInput(f"{shown(path)} is no project map: it is over {_LARGEST // 2**20} MiB")
    pairs = _yaml(path, text) if path.suffix.lower() in _YAML else _csv(path, text)
    if not pairs:
        raise InvalidInput(f"{shown(path)} has no projects")
    projects: dict[str, str] = {}
    for old, new in pairs:
        if not old or not new:
            raise InvalidInput(f"{shown(path)} has a project without a name or ID")
        if projects.setdefault(old, new) != new:
            raise InvalidInput(f"{shown(path)} has two projects for '{printable(old)}'")
    return projects


def _csv(path: Path, text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    first = True
    try:
        rows = list(csv.reader(text.splitlines(), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InvalidInput(f"{shown(path)} is no CSV: {error}") from error
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) != len(_TITLES):
            raise InvalidInput(f"{shown(path)}, line {number}: not two values, old and new")
        if not first or tuple(cell.lower() for cell in cells) != _TITLES:
            pairs.append((cells[0], cells[1]))
        first = False
    return pairs


def _yaml(path: Path, text: str) -> list[tuple[str, str]]:
    import yaml

    try:
        # All scalars as text: an ID may look like a number.
        document: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (makes text alone)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{shown(path)} is no YAML: {printable(reason)}") from error
    if not isinstance(document, dict) or not all(
        isinstance(item, str) for pair in document.items() for item in pair
    ):
        raise InvalidInput(f"{shown(path)} is no mapping of old to new projects")
    return [(old.strip(), new.strip()) for old, new in document.items()]
