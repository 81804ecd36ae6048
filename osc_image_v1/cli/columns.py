"""What each output shows of a record, and how.

Three kinds of readers are served. Programs that read JSON or YAML get real types. Those that read
csv or value get exact text, mappings as JSON. A person in front of a table gets text that cannot
drive the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from osc_image_v1.text import printable

#: Turns a record's value into a cell.
Render = Callable[[Any], Any]

#: Formats whose values are types, and formats whose values are exact text.
TYPED = frozenset(("json", "yaml"))
EXACT = frozenset(("csv", "value", "shell"))

_SIZES = frozenset(("size", "virtual_size", "OS-EXT-IMG-SIZE:size"))
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def human_size(size: Any) -> Any:
    """Return bytes with a unit, powers of 1024; what is no number stays as it is."""
    if not isinstance(size, int) or isinstance(size, bool):
        return size
    number = float(size)
    for unit in _UNITS:
        if abs(number) < 1024 or unit == _UNITS[-1]:
            break
        number /= 1024
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


def utc(value: Any) -> Any:
    """Return a service's time as ISO 8601 with ``Z``; what is no time stays as it is."""
    from osc_image_v1.api.times import format_time, parse_server_time

    moment = parse_server_time(value)
    return value if moment is None else format_time(moment)


def visibility(is_public: Any) -> Any:
    """Return ``public`` or ``private``."""
    return {True: "public", False: "private"}.get(is_public) if is_public is not None else None


def as_json(value: Any) -> Any:
    """Return mappings and lists as JSON text, anything else as it is."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value


def for_table(value: Any) -> Any:
    """Return what a table may show of a value."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(key))}={_quoted(value[key])}" for key in sorted(value))
    if isinstance(value, list):
        return printable(as_json(value))
    return value


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + printable(text) + "'" if isinstance(value, str) else printable(text)


def _chain(first: Render | None, second: Render | None) -> Render | None:
    if first is None or second is None:
        return first or second
    return lambda value: second(first(value))


def renders(
    fields: Sequence[tuple[str, Render | None]], output_format: str, human_readable: bool
) -> list[Render | None]:
    """Return how each field becomes a cell of an output format.

    :param fields: name of the field, and what makes a reader's value of it
    :param output_format: the name of cliff's formatter
    :param human_readable: whether sizes have units
    """
    last = None if output_format in TYPED else as_json if output_format in EXACT else for_table
    made = []
    for name, render in fields:
        with_unit = human_readable and name in _SIZES
        made.append(_chain(human_size if with_unit else render, last))
    return made


def rows(
    records: Iterable[Mapping[str, Any]],
    fields: Sequence[tuple[str, Render | None]],
    output_format: str,
    human_readable: bool = False,
) -> Iterator[Sequence[Any]]:
    """Yield a row for each record.

    :param records: records as the service sent them; a missing field is None
    :param fields: name of the field, and what makes a reader's value of it
    :param output_format: the name of cliff's formatter
    :param human_readable: whether sizes have units
    """
    names = [name for name, _ in fields]
    how = renders(fields, output_format, human_readable)
    pick = itemgetter(*names)
    changed = [(index, render) for index, render in enumerate(how) if render is not None]
    # Most cells of an exact format need no work: text and numbers are what they are.
    if output_format in EXACT:
        changed = [item for item in changed if item[1] is not as_json] + [
            (index, render)
            for index, render in changed
            if render is as_json and names[index] in _NESTED
        ]
    for record in records:
        try:
            row = pick(record)
        except KeyError:
            row = tuple(map(record.get, names))
        if changed:
            cells = list(row)
            for index, render in changed:
                cells[index] = render(cells[index])
            yield cells
        else:
            yield row


_NESTED = frozenset(("properties", "metadata"))


def shown(
    values: Mapping[str, Any], output_format: str, human_readable: bool = False
) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """Return column names and cells of one image.

    :param values: what is shown, in order
    :param output_format: the name of cliff's formatter
    :param human_readable: whether sizes have units
    """
    how = renders([(name, None) for name in values], output_format, human_readable)
    cells = tuple(
        value if render is None else render(value)
        for render, value in zip(how, values.values(), strict=True)
    )
    return tuple(values), cells


def fields_of(image: Any, renamed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the fields of a model in alphabetical order, unknown ones after them.

    :param image: a model's instance
    :param renamed: names that differ in the output
    """
    from dataclasses import fields
    from datetime import datetime

    from osc_image_v1.api.times import format_time

    renamed = renamed or {}
    known = {
        renamed.get(field.name, field.name): getattr(image, field.name) for field in fields(image)
    }
    extra = known.pop("extra")
    ordered = {name: known[name] for name in sorted(known)}
    for name, value in ordered.items():
        if isinstance(value, datetime):
            ordered[name] = format_time(value)
        elif isinstance(value, Mapping):
            ordered[name] = dict(value)
    return {**ordered, **{name: extra[name] for name in sorted(extra) if name not in ordered}}
