"""Columns of a list as the models read their fields, whatever types a service writes.

Services write numbers and booleans as text too, and ``"False"`` is true in a script. To read each
cell would take longer than all the rest of a long list: a column whose types are right is left as
it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from osc_image_v1.api.records import bool_or_none, int_or_none, mapping, text_or_none
from osc_image_v1.cli.columns import Reader


def _of_types(read: Callable[[Any], Any], right: type) -> Reader:
    types = frozenset((right, type(None)))

    def column(cells: Sequence[Any]) -> Sequence[Any]:
        return cells if types.issuperset(map(type, cells)) else list(map(read, cells))

    return column


def _objects(cells: Sequence[Any]) -> Sequence[Any]:
    return cells if {dict}.issuperset(map(type, cells)) else list(map(mapping, cells))


def _properties(cells: Sequence[Any]) -> Sequence[Any]:
    objects = _objects(cells)
    if _TEXT.issuperset(map(type, chain.from_iterable(map(dict.values, objects)))):
        return objects
    return [{name: text_or_none(value) for name, value in one.items()} for one in objects]


_TEXT = frozenset((str, type(None)))

_NUMBERS = "size virtual_size min_disk min_ram OS-EXT-IMG-SIZE:size minDisk minRam progress"
_BOOLEANS = "protected deleted"
_TEXTS = "name disk_format container_format checksum status owner"

#: Readers by the name that a field has in a record of either service.
READERS: dict[str, Reader] = {
    **dict.fromkeys(_NUMBERS.split(), _of_types(int_or_none, int)),
    **dict.fromkeys(_BOOLEANS.split(), _of_types(bool_or_none, bool)),
    **dict.fromkeys(_TEXTS.split(), _of_types(text_or_none, str)),
    "metadata": _objects,
    "properties": _properties,
}
