"""Commands on the metadata of images of the Image API v1."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from osc_image_v1.cli import base, columns, options
from osc_image_v1.i18n import _

# Options that a query has fields for, by the same names.
_FILTERS = (
    "name status container_format disk_format min_size max_size min_disk min_ram protected "
    "visibility checksum properties changes_since".split()
)


# Options of `openstack image list` that v1 cannot have.
_REFUSED = {
    "--tag": _("the Image API v1 has no tags: use --property"),
    "--hidden": _(
        "the Image API v1 hides no images: 'openstack image list --hidden' lists them where the "
        "service has v2"
    ),
    "--community": _(
        "the Image API v1 knows public and private images alone: 'openstack image list "
        "--community' lists the others where the service has v2"
    ),
    "--member-status": _(
        "a member of the Image API v1 accepts nothing, it has the image as soon as that is shared: "
        "use --shared"
    ),
}


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose images.

    :param parser: a command's parser
    """
    _add_text_filters(parser)
    options.add_patterns(parser)
    _add_sizes(parser)
    options.add_requirements(parser)
    _add_flags(parser)
    options.add_property(parser, _("Only images with this property, exactly (repeat for several)"))
    options.add_changes_since(
        parser,
        _(
            "Only images changed later than this, deleted ones too: ISO 8601 (UTC unless it has a "
            "zone), a date, or an age (7d, 36h)"
        ),
    )
    parser.add_argument(
        "--deleted", action="store_true", help=_("Only deleted images, as far as they are kept")
    )
    parser.add_argument(
        "--shared-with",
        metavar="<project>",
        type=options.not_empty,
        help=_("Only images that are shared with this project (name or ID)"),
    )
    options.add_project_domain(parser)


def _add_sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-size",
        metavar="<size>",
        type=options.size,
        help=_("Only images of at least this size, in bytes or with a unit (10G, 512MiB)"),
    )
    parser.add_argument(
        "--max-size",
        metavar="<size>",
        type=options.size,
        help=_("Only images of at most this size, in bytes or with a unit (10G, 512MiB)"),
    )


def _add_flags(parser: argparse.ArgumentParser) -> None:
    options.add_flag_pair(
        parser,
        "protected",
        {
            "--protected": (True, _("Only images that are protected from being deleted")),
            "--unprotected": (False, _("Only images that are not protected")),
        },
    )
    options.add_flag_pair(
        parser,
        "visibility",
        {
            "--public": ("public", _("Only public images")),
            "--private": ("private", _("Only private images; an admin sees all projects'")),
            "--shared": ("shared", _("Only images that other projects share with one's own")),
            "--all": ("all", _("Public and private images of all projects (admin)")),
        },
    )


def _add_text_filters(parser: argparse.ArgumentParser) -> None:
    from osc_image_v1.api.queries import STATUSES

    parser.add_argument("--name", metavar="<name>", help=_("Only images of exactly this name"))
    options.add_status(parser, STATUSES, str.lower)
    parser.add_argument(
        "--container-format",
        metavar="<container-format>",
        help=_("Only images of this container format (bare, ovf, ami...)"),
    )
    parser.add_argument(
        "--disk-format",
        metavar="<disk-format>",
        help=_("Only images of this disk format (raw, qcow2, vmdk...)"),
    )
    parser.add_argument(
        "--checksum",
        metavar="<checksum>",
        type=options.checksum,
        help=_("Only images with this MD5, or what else the service has: SHA-1, SHA-256, SHA-512"),
    )
    parser.add_argument(
        "--project",
        metavar="<project>",
        type=options.not_empty,
        help=_("Only images that this project owns (name or ID)"),
    )


def query_of(parsed_args: argparse.Namespace, manager: Any, **paging: Any) -> Any:
    """Return the query that the filter options ask for.

    :param parsed_args: what :func:`add_filters` took
    :param manager: the shell's client manager, for the names of projects
    :param paging: further fields of the query
    :raises WrongUsage: if the values contradict each other
    """
    from dataclasses import replace

    from osc_image_v1.api.queries import ImageQuery
    from osc_image_v1.cli import projects
    from osc_image_v1.exceptions import WrongUsage

    shared = parsed_args.visibility == "shared"
    if shared and parsed_args.shared_with:
        raise WrongUsage(_("--shared is --shared-with one's own project: give one of them"))
    filters = {name: getattr(parsed_args, name) for name in _FILTERS}
    if shared:
        filters["visibility"] = None
    with base.usage():
        query = ImageQuery(
            **filters,
            **options.patterns_of(parsed_args),
            deleted=True if parsed_args.deleted else None,
            **paging,
        )
    # Asked of the services only when all that can be checked here is right.
    domain = projects.domain_of(parsed_args, "project", "shared_with")
    if parsed_args.project:
        owner = projects.project_id(manager, parsed_args.project, domain, gone=True)
        query = replace(query, owner=owner)
    if shared or parsed_args.shared_with:
        project = (
            projects.own_id(manager)
            if shared
            else projects.project_id(manager, parsed_args.shared_with, domain, gone=True)
        )
        query = replace(query, ids=frozenset(manager.image_v1.shared_image_ids(project)))
    return query


def chosen_by(parsed_args: argparse.Namespace) -> set[str]:
    """Return the attributes of the options that choose images, as far as they are given.

    :param parsed_args: what :func:`add_filters` took, or a part of that
    """
    values = vars(parsed_args)
    more = "project project_domain shared_with name_patterns excluded".split()
    given = {name for name in (*_FILTERS, *more) if values.get(name) not in (None, [], {})}
    return given | ({"deleted"} if values.get("deleted") else set())


def records(parsed_args: argparse.Namespace, manager: Any) -> Iterator[Any]:
    """Return the records of the images that are named, or that filters choose.

    :param parsed_args: ``images``, and what :func:`add_filters` took
    :param manager: the shell's client manager
    :returns: an iterator, its first page fetched
    :raises WrongUsage: if there are both names and filters, but for what is left out
    """
    from dataclasses import replace

    from osc_image_v1.api.filters import all_of
    from osc_image_v1.api.queries import ImageQuery
    from osc_image_v1.exceptions import WrongUsage
    from osc_image_v1.transfer.listed import named_records

    options.read_images(parsed_args)
    query = query_of(parsed_args, manager)
    if parsed_args.images:
        if replace(query, excluded=()) != ImageQuery():
            raise WrongUsage(_("Name images, or choose them by options, but not both"))
        named = named_records(manager.image_v1, parsed_args.images)
        return base.started(filter(all_of(query.checks()), named))
    pages = base.started(manager.image_v1.pages(query, detail=True))
    return (record for page in pages for record in page)


class ListImage(base.Lister):
    expendable = ("Checksum", "Container Format", "Disk Format")
    _description = _(
        "List images of the Image API v1: all of them, or those that the options choose. Without "
        "--all an admin sees public images and those of the own project."
    )
    _epilog = base.examples(
        "openstack image v1 list --all --long --sort size:desc --limit 20",
        "openstack image v1 list --all --changes-since 7d -f json",
        "openstack image v1 list --property os_distro=debian --min-size 1G -c ID",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        parser.add_argument(
            "--long", action="store_true", help=_("Show all fields that the service lists")
        )
        options.add_human_readable(parser)
        add_filters(parser)
        parser.add_argument(
            "--sort",
            metavar="<key>[:<direction>]",
            type=options.sort,
            action="extend",
            default=[],
            help=_(
                "Sort by name, status, container_format, disk_format, size, id, created_at or "
                "updated_at, asc (default) or desc, several with commas between (or repeat this "
                "option); without this option, newest first"
            ),
        )
        parser.add_argument(
            "--marker",
            metavar="<image-id>",
            type=options.marker,
            help=_("Begin after the image with this ID"),
        )
        options.add_paging(parser)
        options.add_refused(parser, _REFUSED)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        table = columns.chosen(columns.IMAGE_BRIEF, columns.IMAGE, parsed_args)
        manager = self.app.client_manager
        (sort_key, sort_dir), *then_by = parsed_args.sort or [(None, None)]
        paging = {name: getattr(parsed_args, name) for name in ("marker", "limit", "page_size")}
        order = {"sort_key": sort_key, "sort_dir": sort_dir, "then_by": then_by}
        query = query_of(parsed_args, manager, **order, **paging)
        detail = columns.needs_detail(table, parsed_args)
        pages = base.started(manager.image_v1.pages(query, detail=detail))
        return columns.listed(pages, table, parsed_args)


class ShowImage(base.ShowOne):
    _description = _(
        "Show an image of the Image API v1, without the properties that have no value. By ID, the "
        "service gives property names in lower case."
    )
    _epilog = base.examples(
        "openstack image v1 show ubuntu --human-readable",
        "openstack image v1 show ubuntu -f json -c id -c properties",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_human_readable(parser)
        options.add_image(parser, _("Image to show (name or ID)"))

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Shown:
        """Return column names and values."""
        image = self.app.client_manager.image_v1.find(parsed_args.image)
        fields = columns.fields_of(image)
        # By ID the service leaves them out.
        properties = fields["properties"].items()
        fields["properties"] = {name: text for name, text in properties if text is not None}
        return columns.shown(fields, parsed_args)
