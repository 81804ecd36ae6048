"""The command that compares images with what another service has of them."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from typing import Any

from osc_image_v1.cli import base, columns, image, options
from osc_image_v1.cli.columns import Column
from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)

_COLUMNS = (
    Column("ID", "image_id"),
    Column("Name", "name"),
    Column("Difference", "difference"),
    Column("Here", "here"),
    Column("There", "there"),
)
# What is known of copies.
_OF_COPIES = (Column("Explained", "explained"), Column("Why", "why"))
_PEERS = _("compute, v2, cloud:<name> or directory:<path>")


def _peer(text: str) -> tuple[str, str]:
    """Parse what to compare with."""
    kind, colon, rest = text.partition(":")
    named = kind in ("cloud", "directory")
    if (named and rest) or (kind in ("compute", "v2") and not colon):
        return kind, rest
    raise argparse.ArgumentTypeError(_("use %s") % _PEERS)


class CompareImage(base.Lister):
    _description = _(
        "Compare images with what the Compute service, the Image API v2, another cloud or a "
        "directory of exported images has of them: those that the options choose, as for 'image "
        "v1 list', those that are named, or all that this user may see. Lists what is missing, "
        "what is extra, and each field that differs, as far as the other side can know it. Another "
        "cloud is compared with what a copy has; what is another there because it was to be is "
        "shown as explained. The exit status is 0 if all is the same or explained, else 1."
    )
    _epilog = base.examples(
        "openstack image v1 compare --all --with cloud:new --members \\",
        "    --project-map projects.csv",
        "openstack image v1 compare --all --with compute -f json",
        "openstack image v1 compare --with directory:archive --ignore-extra ubuntu",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(
            parser, _("Image to compare (name or ID; default: all that the options choose)"), "*"
        )
        parser.add_argument(
            "--with",
            dest="peer",
            metavar="<other>",
            required=True,
            type=_peer,
            help=_("What to compare with: %s") % _PEERS,
        )
        options.add_target(parser, _("Image API of the other cloud: v2 (default) or v1"))
        parser.set_defaults(target=None)
        options.add_changes(
            parser,
            _("File that says which project here is which in the other cloud, as for copy"),
            _("Projects that are not in the map have the same IDs in the other cloud"),
            _("Visibility that all images were given in the other cloud, as for copy"),
        )
        parser.add_argument(
            "--plan",
            metavar="<report>",
            type=options.not_empty,
            help=_(
                "Report of 'image v1 copy' or 'image v1 import' in JSON lines: it says how images "
                "were written, instead of the last options, under which IDs, and what failed and "
                "why"
            ),
        )
        parser.add_argument(
            "--members",
            action="store_true",
            help=_("Compare whom images are shared with, too (two more requests an image)"),
        )
        parser.add_argument(
            "--ignore-extra",
            action="store_true",
            help=_("Images that only the other side has are no difference"),
        )
        image.add_filters(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from osc_image_v1.api.queries import ImageQuery
        from osc_image_v1.cli.projects import read_map
        from osc_image_v1.report.compare import Comparison

        table = (*_COLUMNS, *_OF_COPIES) if parsed_args.peer[0] == "cloud" else _COLUMNS
        columns.check_columns(table, parsed_args)
        self._check(parsed_args)
        read_map(parsed_args)
        self._runs = self._read_plan(parsed_args)
        manager = self.app.client_manager
        options.read_images(parsed_args)
        other_side = self._other_side(parsed_args)
        whole = not parsed_args.images and image.query_of(parsed_args, manager) == ImageQuery()
        if whole:
            parsed_args.visibility = "all"
        records = image.records(parsed_args, manager)
        self._comparison = Comparison(manager.image_v1, other_side, parsed_args.members)
        differences = self._comparison.differences(
            records,
            listed=not parsed_args.images,
            extra=whole and not parsed_args.ignore_extra,
        )
        return columns.tabled(self._counted(base.started(differences)), table, parsed_args)

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the differences, and fail after that if there are any."""
        from osc_image_v1.exceptions import ImageV1Error

        super().produce_output(parsed_args, column_names, data)
        numbers = {"number": self._differences, "images": self._comparison.images}
        left_out = ""
        if self._explained:
            left_out += _("; explained by how images were copied: %d") % self._explained
        if self._comparison.left_out:
            no_state = _("; not compared, since they are in no state to be copied: %d")
            left_out += no_state % self._comparison.left_out
        if self._comparison.doubtful:
            doubtful = _("; no checksum tells whether the data is the same: %d")
            left_out += doubtful % self._comparison.doubtful
        if self._comparison.untold:
            untold = _("; not compared, since the other side does not tell it: %s")
            left_out += untold % ", ".join(sorted(self._comparison.untold))
        if self._differences:
            text = _("Differences: %(number)d; images compared: %(images)d") % numbers
            raise ImageV1Error(text + left_out)
        text = _("No differences; images compared: %(images)d") % numbers
        LOG.warning("%s%s", text, left_out)

    def _counted(self, differences: Any) -> Iterator[dict[str, Any]]:
        self._differences = self._explained = 0
        for difference in differences:
            self._differences += not difference.explained
            self._explained += difference.explained and difference.difference != "not copied"
            yield vars(difference)

    def _other_side(self, parsed_args: argparse.Namespace) -> Any:
        from pathlib import Path

        from osc_image_v1.cli import clients
        from osc_image_v1.report import peers

        manager = self.app.client_manager
        kind, name = parsed_args.peer
        if kind == "compute":
            return peers.ComputePeer(clients.compute_image_client(manager))
        if kind == "v2":
            return peers.V2Peer(clients.image_v2_client(manager))
        if kind == "directory":
            from osc_image_v1.archive.archive import Archive

            archive = Archive(Path(name))
            archive.check_not_empty()
            return peers.DirectoryPeer(archive)
        return self._cloud(parsed_args, name)

    def _cloud(self, parsed_args: argparse.Namespace, name: str) -> Any:
        from osc_image_v1.cli.clients import OtherCloud, image_target
        from osc_image_v1.cli.projects import mapped
        from osc_image_v1.migrate.drafts import Plan
        from osc_image_v1.report.peers import CloudPeer

        manager = self.app.client_manager
        runs = self._runs
        cloud = OtherCloud(name, manager)
        cloud.log_in()
        if runs is not None:
            return CloudPeer(image_target(cloud, runs.api), runs.plan(), manager.image_v1, runs)
        projects, keep = mapped(parsed_args, manager, cloud)
        plan = Plan(visibility=parsed_args.new_visibility, projects=projects, keep_projects=keep)
        target = image_target(cloud, parsed_args.target or "v2")
        return CloudPeer(target, plan, manager.image_v1)

    def _check(self, parsed_args: argparse.Namespace) -> None:
        """Refuse options that would do nothing beside the others."""
        from osc_image_v1.exceptions import WrongUsage

        said = (parsed_args.project_map, parsed_args.new_visibility, parsed_args.target)
        of_copies = parsed_args.keep_project_ids or any(said)
        if parsed_args.peer[0] == "cloud":
            if parsed_args.plan and of_copies:
                raise WrongUsage(
                    _(
                        "With --plan it is the report that says --project-map and the like: leave "
                        "them"
                    )
                )
        elif parsed_args.plan:
            raise WrongUsage(_("--plan is for --with cloud:<name>"))
        elif of_copies:
            raise WrongUsage(
                _(
                    "--target, --project-map, --keep-project-ids and --visibility are for --with "
                    "cloud:<name>"
                )
            )

    def _read_plan(self, parsed_args: argparse.Namespace) -> Any:
        """Return what the report tells, None where none is named.

        :raises WrongUsage: if it is none
        """
        from pathlib import Path

        from osc_image_v1.exceptions import FileFailed, InvalidInput, WrongUsage
        from osc_image_v1.report.runs import read_runs

        if parsed_args.plan is None:
            return None
        try:
            return read_runs(Path(parsed_args.plan))
        except (FileFailed, InvalidInput) as error:
            raise WrongUsage(str(error)) from error
