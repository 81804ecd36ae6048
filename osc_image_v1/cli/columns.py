"""What each output shows of a record, and how.

Three kinds of readers are served. Programs that read JSON or YAML get real types. Those that read
csv or value get exact text, mappings as JSON. A person in front of a table gets text that cannot
drive the terminal.
"""

from __future__ import annotations

import argparse
import functools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, Literal

from osc_image_v1.i18n import _
from osc_image_v1.text import human_size, printable

#: Turns a record's value into a cell.
_Render = Callable[[Any], Any]

#: Reads the cells of a column.
_Reader = Callable[[Sequence[Any]], Sequence[Any]]

#: What a field holds, where a service may write it otherwise, or people may want it otherwise.
Kind = Literal["any", "text", "number", "size", "flag", "object", "properties"]

#: Titles and cells of a list; names and values of one thing.
Table = tuple[tuple[str, ...], Iterator[Sequence[Any]]]
Shown = tuple[tuple[str, ...], tuple[Any, ...]]

#: Formats whose values are types, and formats whose values are exact text.
_TYPED = frozenset(("json", "yaml"))
_EXACT = frozenset(("csv", "value", "shell"))


class Column:
    """A field of an image, or of what this package has found out itself.

    :ivar title: of the column in a list
    :ivar field: the name that a record has for it
    :ivar render: makes a reader's value of it
    :ivar kind: what it holds
    :ivar shown: what it is called where one image is shown, by default as in the record
    """

    # A named tuple takes longer to make, at each start of the shell.
    __slots__ = ("field", "kind", "render", "shown", "title")

    def __init__(
        self,
        title: str,
        field: str,
        render: _Render | None = None,
        kind: Kind = "any",
        shown: str = "",
    ) -> None:
        self.title, self.field, self.render = title, field, render
        self.kind, self.shown = kind, shown


def utc(value: Any) -> Any:
    """Return a service's time as ISO 8601 with ``Z``; what is no time stays as it is."""
    if value is None:
        # Hardly an image is deleted, and an exception takes its time.
        return None
    try:
        naive = datetime.fromisoformat(value)
        if naive.tzinfo is None:
            # The form that services use, a hundred thousand times in a long list.
            if len(value) == 26 and value[4:20:3] == "--T::.":
                return (value if naive.microsecond else value[:19]) + "Z"
            return naive.isoformat() + "Z"
    except (TypeError, ValueError):
        pass
    from osc_image_v1.api.records import format_time, parse_server_time

    moment = parse_server_time(value)
    return value if moment is None else format_time(moment)


def visibility(is_public: Any) -> Any:
    """Return ``public`` or ``private``; what is no boolean is None."""
    if isinstance(is_public, bool):
        return "public" if is_public else "private"
    from osc_image_v1.api.records import bool_or_none

    public = bool_or_none(is_public)
    return None if public is None else "public" if public else "private"


def _server_id(server: Any) -> Any:
    from osc_image_v1.api.records import mapping, text_or_none

    return text_or_none(mapping(server).get("id"))


# What records of a brief list have.
_IMAGE_LEAST = (
    Column("ID", "id"),
    Column("Name", "name", kind="text"),
    Column("Disk Format", "disk_format", kind="text"),
    Column("Container Format", "container_format", kind="text"),
    Column("Size", "size", kind="size"),
    Column("Checksum", "checksum", kind="text"),
)
#: Images of the Image API v1 in lists; :func:`fields_of` shows one.
IMAGE_BRIEF = (*_IMAGE_LEAST, Column("Status", "status", kind="text"))
IMAGE = (
    *IMAGE_BRIEF,
    Column("Visibility", "is_public", visibility),
    Column("Protected", "protected", kind="flag"),
    Column("Project", "owner", kind="text"),
    Column("Min Disk", "min_disk", kind="number"),
    Column("Min RAM", "min_ram", kind="number"),
    Column("Created At", "created_at", utc),
    Column("Updated At", "updated_at", utc),
    Column("Deleted At", "deleted_at", utc),
    Column("Virtual Size", "virtual_size", kind="size"),
    Column("Properties", "properties", kind="properties"),
)
#: The same of the Compute service's image proxy.
COMPUTE_IMAGE_BRIEF = (
    Column("ID", "id"),
    Column("Name", "name", kind="text"),
    Column("Status", "status", kind="text"),
    Column("Server", "server", _server_id, shown="server_id"),
)
COMPUTE_IMAGE = (
    *COMPUTE_IMAGE_BRIEF,
    Column("Progress", "progress", kind="number"),
    Column("Size", "OS-EXT-IMG-SIZE:size", kind="size", shown="size"),
    Column("Min Disk", "minDisk", kind="number", shown="min_disk"),
    Column("Min RAM", "minRam", kind="number", shown="min_ram"),
    Column("Created At", "created", utc, shown="created_at"),
    Column("Updated At", "updated", utc, shown="updated_at"),
    Column("Properties", "metadata", kind="object", shown="properties"),
)
#: Titles of columns of IDs: in two lines they cannot be copied.
IDS = frozenset(("ID", "Image ID", "Server", "Project"))

# One name for the same thing, whichever service it comes from.
_SHOWN_AS = {column.field: column.shown for column in COMPUTE_IMAGE if column.shown}
_SIZES = frozenset(column.field for column in IMAGE if column.kind == "size")


def as_json(value: Any) -> Any:
    """Return mappings and lists as JSON text, anything else as it is."""
    if isinstance(value, dict):
        # Text by text: the encoder sets itself up anew for each object, at twice the cost.
        pairs = [f"{_text_to_json(name)}: {_cell_to_json(value[name])}" for name in sorted(value)]
        return "{" + ", ".join(pairs) + "}"
    return _to_json(value) if isinstance(value, list) else value


_to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
_text_to_json = json.encoder.encode_basestring


def _cell_to_json(value: Any) -> str:
    return _text_to_json(value) if type(value) is str else _to_json(value)


def for_table(value: Any) -> Any:
    """Return what a table may show of a value."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(key)}={_quoted(value[key])}" for key in sorted(value))
    if isinstance(value, list):
        return printable(as_json(value))
    return value


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + printable(text) + "'" if isinstance(value, str) else printable(text)


def _render(
    render: _Render | None, is_size: bool, output_format: str, human_readable: bool
) -> _Render | None:
    """Return how a field becomes a cell of an output format, None where it is one already."""
    first = human_size if human_readable and is_size else render
    if output_format in _TYPED:
        return first
    if output_format in _EXACT:
        return as_json if first is None else first
    return for_table if first is None else lambda value: for_table(first(value))


def _rows(
    pages: Iterable[Sequence[Mapping[str, Any]]],
    table: Sequence[Column],
    output_format: str,
    human_readable: bool,
    read_by: Mapping[str, _Reader],
) -> Iterator[Sequence[Any]]:
    """Return a row for each record of each page; a field that a record lacks is None.

    :param read_by: what gives cells their types, by what they hold
    """
    names = [column.field for column in table]
    read = [(i, read_by[column.kind]) for i, column in enumerate(table) if column.kind in read_by]
    renders = [
        (i, _render(column.render, column.kind == "size", output_format, human_readable))
        for i, column in enumerate(table)
    ]
    changed = [
        (index, render)
        for index, render in renders
        # Of the fields that go out as they are, these alone hold more than text and numbers.
        if render is not None
        and (render is not as_json or table[index].kind in ("object", "properties"))
    ]
    pick = itemgetter(*names)

    def rows_of(page: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Any]]:
        try:
            picked = list(map(pick, page))
        except KeyError:
            picked = [tuple(map(record.get, names)) for record in page]
        if not picked or not (read or changed):
            return picked
        # By columns, so that the loop over a page's records runs inside map and zip.
        sent: list[Sequence[Any]] = list(zip(*picked, strict=True))
        cells: list[Iterable[Any]] = list(sent)
        for index, reader in read:
            cells[index] = reader(sent[index])
        for index, render in changed:
            cells[index] = map(render, cells[index])
        as_sent = all(map(operator.is_, cells, sent))
        return picked if as_sent else zip(*cells, strict=True)

    return chain.from_iterable(map(rows_of, pages))


def chosen(
    brief: Sequence[Column], whole: Sequence[Column], parsed_args: argparse.Namespace
) -> Sequence[Column]:
    """Return the columns of a list: all where it is a long one, or one of the others is named.

    :param brief: those that it has else
    :param whole: all that there are
    :param parsed_args: ``long``, and the columns that cliff shows and sorts by
    """
    check_columns(whole, parsed_args)
    named = _named(parsed_args)
    further = any(_plain(column.title) in named for column in whole if column not in brief)
    return whole if parsed_args.long or further else brief


def needs(table: Sequence[Column], parsed_args: argparse.Namespace) -> Sequence[Column]:
    """Return the columns of a list that are shown or sorted by.

    :param table: the columns of the list
    :param parsed_args: the columns that cliff shows and sorts by
    """
    named = _named(parsed_args)
    every = not parsed_args.columns
    return [column for column in table if every or _plain(column.title) in named]


def needs_detail(table: Sequence[Column], parsed_args: argparse.Namespace) -> bool:
    """Tell whether columns are needed that the Image API v1 does not send in brief lists.

    :param table: the columns of the list
    :param parsed_args: the columns that cliff shows and sorts by
    """
    return any(column not in _IMAGE_LEAST for column in needs(table, parsed_args))


def check_columns(table: Sequence[Column], parsed_args: argparse.Namespace) -> None:
    """Refuse columns of which a table does not have one, before its rows cost anything.

    :param table: the columns that there are
    :param parsed_args: with the columns that are to be shown
    :raises WrongUsage: if there is none of them
    """
    check_named((column.title for column in table), parsed_args)


def check_named(titles: Iterable[str], parsed_args: argparse.Namespace) -> None:
    """Refuse columns of which there is not one; cliff would, when all is done.

    :param titles: of all columns that there are
    :param parsed_args: with the columns that are to be shown
    :raises WrongUsage: if there is none of them
    """
    from osc_image_v1.exceptions import WrongUsage

    named, there = getattr(parsed_args, "columns", ()), list(titles)
    if named and set(map(_plain, named)).isdisjoint(map(_plain, there)):
        raise WrongUsage(
            _("There is no column '%(named)s', but %(there)s")
            % {"named": printable("', '".join(named)), "there": ", ".join(sorted(there))}
        )


def _named(parsed_args: argparse.Namespace) -> set[str]:
    return set(map(_plain, (*parsed_args.columns, *(parsed_args.sort_columns or ()))))


def _plain(title: str) -> str:
    """Return a title as cliff compares it."""
    return title.replace(" ", "_").lower()


def listed(
    pages: Iterable[Sequence[Mapping[str, Any]]],
    table: Sequence[Column],
    parsed_args: argparse.Namespace,
) -> Table:
    """Return the titles and rows of a list command, values read as the models do it.

    :param pages: pages of records as the service sent them
    :param table: the columns
    :param parsed_args: with the name of cliff's formatter, and whether sizes have units
    """
    human_readable = parsed_args.human_readable
    rows = _rows(pages, table, parsed_args.formatter, human_readable, _readers())
    return tuple(column.title for column in table), rows


def tabled(
    records: Iterable[Mapping[str, Any]], table: Sequence[Column], parsed_args: argparse.Namespace
) -> Table:
    """Return the titles and rows of what this package found out itself.

    :param records: what was found; a missing field is None
    :param table: the columns
    :param parsed_args: with the name of cliff's formatter, and maybe whether sizes have units
    """
    human_readable = getattr(parsed_args, "human_readable", False)
    pages = ([record] for record in records)
    rows = _rows(pages, table, parsed_args.formatter, human_readable, {})
    return tuple(column.title for column in table), rows


@functools.cache
def _readers() -> dict[str, _Reader]:
    """Return what gives columns the types that the models have, by what they hold.

    Services write numbers and booleans as text too, and ``"False"`` is true in a script. To read
    each cell would take longer than all the rest of a long list: a column whose types are right is
    left as it is.
    """
    from osc_image_v1.api.records import bool_or_none, int_or_none, mapping, text_or_none

    def of_type(right: type, read: Callable[[Any], Any]) -> _Reader:
        types = frozenset((right, type(None)))
        return lambda cells: cells if types.issuperset(map(type, cells)) else list(map(read, cells))

    def objects(cells: Sequence[Any]) -> Sequence[Any]:
        return cells if {dict}.issuperset(map(type, cells)) else list(map(mapping, cells))

    def properties(cells: Sequence[Any]) -> Sequence[Any]:
        read = objects(cells)
        values = chain.from_iterable(map(dict.values, read))
        if {str, type(None)}.issuperset(map(type, values)):
            return read
        return [{name: text_or_none(value) for name, value in one.items()} for one in read]

    number = of_type(int, int_or_none)
    return {
        "number": number,
        "size": number,
        "flag": of_type(bool, bool_or_none),
        "text": of_type(str, text_or_none),
        "object": objects,
        "properties": properties,
    }


def shown(values: Mapping[str, Any], parsed_args: argparse.Namespace) -> Shown:
    """Return names and cells of one thing.

    :param values: what is shown, in order
    :param parsed_args: with the name of cliff's formatter, and maybe whether sizes have units
    """
    output_format = parsed_args.formatter
    cells = []
    for name, value in values.items():
        human_readable = getattr(parsed_args, "human_readable", False)
        render = _render(None, name in _SIZES, output_format, human_readable)
        cells.append(value if render is None else render(value))
    # Fields that are not known here have the names that the service gives them.
    names = tuple(values) if output_format != "table" else tuple(map(printable, values))
    return names, tuple(cells)


def names_of(model: Any) -> dict[str, str]:
    """Return how the fields that a model knows are shown, by their names.

    :param model: a model, or an instance
    """
    from dataclasses import fields

    names = {field.name for field in fields(model)} - {"extra"}
    return {name: _SHOWN_AS.get(name, name) for name in names}


def fields_of(image: Any) -> dict[str, Any]:
    """Return the fields of a model in alphabetical order, unknown ones after them.

    :param image: a model's instance
    """
    from osc_image_v1.api.records import format_time

    known = {shown: getattr(image, name) for name, shown in names_of(image).items()}
    extra = image.extra
    ordered = {name: known[name] for name in sorted(known)}
    for name, value in ordered.items():
        if isinstance(value, datetime):
            ordered[name] = format_time(value)
        elif isinstance(value, Mapping):
            ordered[name] = dict(value)
    return {**ordered, **{name: extra[name] for name in sorted(extra) if name not in ordered}}
