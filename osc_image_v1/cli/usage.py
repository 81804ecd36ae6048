"""The command that counts images, and looks for what is wrong with them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from osc_image_v1.cli import base, columns, image, options
from osc_image_v1.cli.columns import Column
from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)

_PROBLEM = (
    Column("Problem", "kind"),
    Column("ID", "image_id"),
    Column("Name", "name"),
    Column("Project", "project"),
    Column("Detail", "detail"),
)
_BAR = 30


class UsageOfImages(base.Lister):
    _description = _(
        "Count images and their bytes, list what is wrong with them, or tell how evenly they are "
        "divided among machines: those that the options choose, as for 'image v1 list', or all "
        "that this user may see"
    )
    _epilog = base.examples(
        "openstack image v1 usage --all --by year --human-readable",
        "openstack image v1 usage --all --problems -f csv",
        "openstack image v1 usage --all --shards 64 -f value -c Part",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        from osc_image_v1.report.usage import GROUPS

        group = parser.add_mutually_exclusive_group()
        group.add_argument(
            "--by",
            metavar="<field>",
            choices=tuple(GROUPS),
            default="project",
            help=_("What to count by: %s (default: project)") % ", ".join(GROUPS),
        )
        group.add_argument(
            "--problems",
            action="store_true",
            help=_(
                "List what is wrong instead: duplicate names within a project, duplicate data, no "
                "checksum, active without data, queued or saving for over a day, killed, a "
                "kernel or ramdisk that is missing, an owner that is gone (where this user may "
                "list projects), data that cannot be read, or that today's Glance refuses"
            ),
        )
        group.add_argument(
            "--shards",
            metavar="<n>",
            type=options.shards,
            help=_(
                "Count what is in each of n parts instead, the largest first: those that --shard "
                "of 'image v1 export', 'import' and 'copy' takes. All images count, as export "
                "records all, and the bytes of those that are active or deactivated: others have "
                "no data. Parts begun in this order end at about the same time on all machines"
            ),
        )
        options.add_no_look(parser)
        options.add_human_readable(parser)
        image.add_filters(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from osc_image_v1.api.queries import ImageQuery
        from osc_image_v1.exceptions import WrongUsage

        if parsed_args.no_look and not parsed_args.problems:
            raise WrongUsage(_("--no-look is for --problems: nothing else reads data"))
        table = _table(parsed_args)
        columns.check_columns(table, parsed_args)
        manager = self.app.client_manager
        query = image.query_of(parsed_args, manager)
        if query == ImageQuery():
            query = ImageQuery(visibility="all")
        pages = base.started(manager.image_v1.pages(query, detail=True))
        records = (record for page in pages for record in page)
        if parsed_args.problems:
            found = columns.tabled(self._problems(parsed_args, records), table, parsed_args)
            return found[0], base.started(found[1])
        return columns.tabled(self._groups(parsed_args, records), table, parsed_args)

    def _groups(self, parsed_args: argparse.Namespace, records: Any) -> Iterator[dict[str, Any]]:
        from osc_image_v1.cli.projects import all_projects
        from osc_image_v1.report.usage import count, count_parts

        if parsed_args.shards:
            groups = count_parts(records, parsed_args.shards)
        else:
            groups = count(records, parsed_args.by)
        unsized = sum(group.unsized for group in groups)
        if unsized:
            told = _("Images with data whose size nobody knows, and which count as 0 bytes: %d")
            LOG.warning(told, unsized)
        by_project = not parsed_args.shards and parsed_args.by == "project"
        names = (all_projects(self.app.client_manager, whole=False) if by_project else {}) or {}
        return _rows(groups, names)

    def _problems(self, parsed_args: argparse.Namespace, records: Any) -> Iterator[Any]:
        from osc_image_v1.cli.projects import all_projects
        from osc_image_v1.report.usage import Looks, problems

        names = all_projects(self.app.client_manager)
        client = self.app.client_manager.image_v1
        look = Looks(client) if base.looking(not parsed_args.no_look) else None
        projects = None if names is None else set(names)
        return map(vars, problems(records, projects, self._exists, look=look))

    def _exists(self, image_id: str) -> bool:
        from osc_image_v1.api.models import HIDDEN

        found = self.app.client_manager.image_v1.by_id(image_id)
        return found is not None and found.status not in HIDDEN


def _table(parsed_args: argparse.Namespace) -> Sequence[Column]:
    """Return the columns."""
    if parsed_args.problems:
        return _PROBLEM
    person = parsed_args.formatter == "table"
    table = [
        Column("Images", "images"),
        Column("Size", "size", kind="size"),
        Column("Share", "share", _percent if person else None),
    ]
    if parsed_args.shards:
        return [Column("Part", "key"), *table]
    by_project = parsed_args.by == "project"
    title = "Project Name" if by_project else parsed_args.by.replace("-", " ").title()
    table.insert(0, Column(title, "key"))
    if person:
        table.append(Column("Bar", "bar"))
    elif by_project:
        # Names need not be unique.
        table.insert(0, Column("Project", "id"))
    return table


def _rows(groups: Sequence[Any], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield groups of images as rows; a key may be the ID of what has a name."""
    from osc_image_v1.report.usage import share

    size = sum(group.size for group in groups)
    for group in groups:
        yield {
            "id": group.key,
            "key": names.get(group.key or "", group.key),
            "images": group.images,
            "size": group.size,
            "share": share(group.size, size),
            "bar": _bar(group.size, size),
        }


def _bar(part: int, whole: int) -> str:
    """Return a bar, in eighths of a character."""
    eighths = part * _BAR * 8 // whole if whole else 0
    rest = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return "█" * (eighths // 8) + (rest or ("▏" if part and not eighths else ""))


def _percent(share: float) -> str:
    return f"{share} %"
