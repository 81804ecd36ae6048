"""Commands that bring many images to a directory, check them there, and bring them back."""

from __future__ import annotations

import argparse
import logging
from typing import Any

from osc_image_v1.cli import base, columns, image, options
from osc_image_v1.cli.columns import Column
from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)

_SUMMARY = tuple("directory images fetched size kept without_data failed not_tried".split())
_REPLACED = tuple("directory id name disk_format size checksum".split())


class ExportImage(base.ShowOne):
    _description = _(
        "Save images with all their metadata to a directory: those that the options choose, as "
        "for 'image v1 list', or those that are named. Size and MD5 of each are checked. Run "
        "again, the command goes on where it was interrupted, and fetches only what is missing "
        "or has changed. The exit status is 3 if all images were tried and some failed for "
        "reasons of their own, such as damaged data; it is 1 if running it again may help. Without "
        "--all an admin exports public images and those of the own project."
    )
    _epilog = base.examples(
        "openstack image v1 export --all --dry-run --human-readable archive",
        "openstack image v1 export --all --parallel 8 archive",
        "openstack image v1 export --all --shard 3/16 archive",
    )

    _summary: Any = None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_directory(parser, _("Directory to export to, made if it is not there"))
        options.add_image(
            parser, _("Image to export (name or ID; default: all that the options choose)"), "*"
        )
        image.add_filters(parser)
        options.add_parallel(parser, _("Fetch this many images at a time"))
        options.add_rate(parser)
        options.add_no_sparse(parser)
        options.add_shard(parser)
        options.add_progress(parser)
        parser.add_argument(
            "--metadata-only", action="store_true", help=_("Export no data, only metadata")
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help=_(
                "Only count what would be fetched, and check that there is room for it; with "
                "--replace-data only tell what would be recorded"
            ),
        )
        parser.add_argument(
            "--replace-data",
            metavar="<file>",
            type=options.not_empty,
            help=_(
                "Ask for no image: put a file, converted or unpacked, in the place of the data of "
                "an image that was exported; the manifest keeps what that was"
            ),
        )
        parser.add_argument(
            "--replace-format",
            metavar="<disk-format>",
            type=options.disk_format,
            help=_("With --replace-data: disk format of the file (default: what is found in it)"),
        )
        options.add_human_readable(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Shown:
        """Return column names and values of the summary."""
        from pathlib import Path

        if parsed_args.replace_data or parsed_args.replace_format:
            return _replaced(parsed_args)
        columns.check_named(_SUMMARY, parsed_args)

        from osc_image_v1.archive.export import Export
        from osc_image_v1.cli.projects import ProjectNames
        from osc_image_v1.exceptions import WrongUsage

        if parsed_args.metadata_only and (parsed_args.max_rate or not parsed_args.sparse):
            raise WrongUsage(_("--max-rate and --no-sparse are for data: not for --metadata-only"))
        manager = self.app.client_manager
        records = image.records(parsed_args, manager)
        export = Export(
            manager.image_v1,
            Path(parsed_args.directory),
            shard=parsed_args.shard,
            parallel=parsed_args.parallel,
            metadata_only=parsed_args.metadata_only,
            project_name=ProjectNames(manager).get,
            sparse=parsed_args.sparse,
            rate=options.rate_of(parsed_args),
        )
        interrupted = _("Interrupted: run the same command again, and it goes on")
        with base.ended_by_signals(interrupted, export.interrupt):
            summary = export.plan(records) if parsed_args.dry_run else export.run(records)
        self._summary = summary
        counted = {name: getattr(summary, name) for name in _SUMMARY[1:]}
        values = {"directory": parsed_args.directory, **counted}
        return columns.shown(values, parsed_args)

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write the summary, and fail after that if an image failed."""
        super().produce_output(parsed_args, column_names, data)
        summary = self._summary
        if summary is None:
            return
        if summary.failed or summary.not_tried:
            sentence = _("%(failed)d of %(total)d images could not be exported") % {
                "failed": summary.failed,
                "total": summary.images,
            }
            raise base.failure_of(
                sentence, own=not summary.retryable, left=summary.not_tried, why=summary.why
            )


def _replaced(parsed_args: argparse.Namespace) -> columns.Shown:
    """Put other data in the place of an exported image's; return what is recorded now."""
    from pathlib import Path

    from osc_image_v1.archive.archive import Archive
    from osc_image_v1.archive.replace import replace_data
    from osc_image_v1.exceptions import WrongUsage
    from osc_image_v1.migrate.sources import exported_records

    columns.check_named(_REPLACED, parsed_args)
    options.read_images(parsed_args)
    if not parsed_args.replace_data or len(parsed_args.images) != 1:
        raise WrongUsage(_("--replace-data takes a file, and needs the one image that it is for"))
    how = (parsed_args.max_rate, parsed_args.shard, parsed_args.metadata_only)
    if any(how) or not parsed_args.sparse or image.chosen_by(parsed_args):
        raise WrongUsage(
            _("--replace-data fetches nothing: leave the options that choose images, and say how")
        )
    directory, file = Path(parsed_args.directory), Path(parsed_args.replace_data)
    (record,) = exported_records(Archive(directory), parsed_args.images)
    done = replace_data(
        directory,
        str(record["id"]),
        file,
        parsed_args.replace_format,
        dry_run=parsed_args.dry_run,
    )
    said = (done.id, done.name, done.disk_format, done.image.size, done.image.checksum)
    found = zip(_REPLACED, (parsed_args.directory, *said), strict=True)
    return columns.shown(dict(found), parsed_args)


_FINDING = (
    Column("Problem", "problem"),
    Column("File", "file"),
    Column("ID", "image_id"),
    Column("Name", "name"),
    Column("Detail", "detail"),
    Column("Repaired", "repaired"),
)


class VerifyExport(base.Lister):
    _description = _(
        "Check a directory that images were exported to, without asking any service: hash all "
        "files, and list what is missing, short, altered or unknown, and images whose export is "
        "incomplete. The exit status is 3 if there is any. What today's Glance would refuse, "
        "since its data is not of the disk format that it is said to have, is listed too."
    )
    # Only --repair asks a service.
    auth_required = False
    _epilog = base.examples(
        "openstack image v1 verify archive -f json",
        "openstack image v1 verify --repair archive",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_directory(parser, _("Directory that images were exported to"))
        parser.add_argument(
            "--repair",
            action="store_true",
            help=_(
                "Fetch again what is missing, short or altered, if it still is what was exported; "
                "unknown files stay"
            ),
        )
        parser.add_argument(
            "--all", action="store_true", help=_("List the files that are as they were, too")
        )
        options.add_no_look(parser)
        options.add_parallel(
            parser, _("Hash this many files at a time"), _("default: one for each processor")
        )
        options.add_progress(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from pathlib import Path

        from osc_image_v1.archive.verify import Verification

        verification = Verification(
            Path(parsed_args.directory),
            parallel=parsed_args.parallel,
            client=self._client() if parsed_args.repair else None,
            look=base.looking(not parsed_args.no_look),
        )
        with base.ended_by_signals(_("Interrupted: not all files were checked")):
            found = [
                finding
                for finding in verification.findings()
                if finding.problem is not None or parsed_args.all
            ]
        self._broken = sum(finding.is_broken for finding in found)
        self._retryable = verification.retryable
        found.sort(key=lambda finding: finding.file)
        self._tell(verification)
        return columns.tabled(map(vars, found), _FINDING, parsed_args)

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write what was found, and fail after that if something is broken."""
        super().produce_output(parsed_args, column_names, data)
        if self._broken:
            from osc_image_v1.exceptions import ImageV1Error, OwnFailures

            kind = ImageV1Error if self._retryable else OwnFailures
            raise kind(_("Not as it was exported, problems: %d") % self._broken)

    def _client(self) -> Any:
        """Return the client, after the shell has authenticated as it does for other commands."""
        self.auth_required = True
        self.app.prepare_to_run_command(self)
        return self.app.client_manager.image_v1

    def _tell(self, verification: Any) -> None:
        from osc_image_v1.text import human_size

        text = _("Whole files: %(whole)d (%(size)s); images without data: %(without)d") % {
            "whole": verification.whole,
            "size": human_size(verification.size),
            "without": verification.without_data,
        }
        if verification.active_without_data:
            text += _("; of these the service has data: %d") % verification.active_without_data
        if verification.doubtful:
            text += _("; whole files that no checksum vouched for when they were exported: %d")
            text %= verification.doubtful
        if verification.refused:
            text += _("; whole files that today's Glance refuses: %d") % verification.refused
        LOG.warning(text)
        if verification.parts_in_doubt:
            LOG.warning(
                _(
                    "Not there: %s, the manifest of a part; only if manifest.jsonl is of an export "
                    "of all images there is nothing missing"
                ),
                verification.parts_in_doubt[0],
            )
