"""The commands that bring images into a cloud: from another one, or from a directory."""

from __future__ import annotations

import argparse
import gc
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from osc_image_v1.cli import base, columns, image, options
from osc_image_v1.cli.columns import Column
from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)

_COLUMNS = (
    Column("ID", "image_id"),
    Column("Name", "name"),
    Column("Size", "size", kind="size"),
    Column("Action", "action"),
    Column("Notes", "notes", "; ".join),
)
# For programs, which do not read notes.
_REASONS = Column("Reasons", "reasons", list)

# So many entries of a map that are of no use are named.
_MOST_TOLD = 10
# What chooses the owners of many images.
_MAPPED = "--project-map or --keep-project-ids"


def _add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how images are written into a service."""
    options.add_target(parser, _("Image API to write with: v2 (default) or v1"))
    parser.add_argument(
        "--new-ids",
        action="store_true",
        help=_(
            "Give the images new IDs; each gets a property v1_image_id with the one it had, by "
            "which this command finds it when it is run again"
        ),
    )
    options.add_changes(
        parser,
        _(
            "File that says which project here is which there, by name or ID: lines 'old,new', or "
            "YAML 'old: new' in a file whose name ends in .yaml"
        ),
        _(
            "Projects that are not in the map have the same IDs there (default where both clouds "
            "have the same Identity service)"
        ),
        _(
            "Make all images public, private, shared or community there (default: as they are "
            "here; shared where they have members)"
        ),
    )
    parser.add_argument(
        "--accept-members",
        action="store_true",
        help=_("Accept images for the projects that they are shared with (admin, v2)"),
    )
    _add_formats(parser)
    _add_allowed(parser)


def _add_formats(parser: argparse.ArgumentParser) -> None:
    """Add the options for data that is not of its format, and for what it leaves."""
    parser.add_argument(
        "--disk-format-from-data",
        action="store_true",
        help=_(
            "Give images the disk format that their data has, where it is another than they are "
            "said to have; a property v1_disk_format keeps that"
        ),
    )
    parser.add_argument(
        "--format-map",
        metavar="<file>",
        type=options.not_empty,
        help=_(
            "File that says which disk format images get there: lines 'old,new' or YAML as for "
            "--project-map, old a disk format or the ID of an image, new a disk format, or a disk "
            "and a container format: qcow2/bare"
        ),
    )
    parser.add_argument(
        "--no-format-check",
        action="store_true",
        help=_("Send data without a look at it: the service there does not refuse any (v2)"),
    )
    parser.add_argument(
        "--clean-up",
        action="store_true",
        help=_(
            "Remove records of failed runs that take no data any more; their IDs are used up then "
            "(default: nothing is removed there but an image whose data is damaged)"
        ),
    )


def _add_allowed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="<reason>",
        choices=("accept", "members", "owner", "properties", "size", "visibility"),
        help=_(
            "Try what services refuse unless they are set up otherwise: properties or members "
            "(over 128), size (over 1 TiB); and where you are no admin, owner (other projects), "
            "visibility (public), accept (members); may be repeated"
        ),
    )


def _add_how(parser: argparse.ArgumentParser, parallel: str) -> None:
    """Add the options that say how the work is done."""
    options.add_parallel(parser, parallel)
    options.add_rate(parser)
    options.add_shard(parser)
    options.add_progress(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help=_("Only show what would be done, and what would fail and why"),
    )
    parser.add_argument(
        "--no-look",
        action="store_true",
        help=_("With --dry-run: read nothing of the data, whose format is not known then"),
    )
    parser.add_argument(
        "--report",
        dest="reports",
        action="append",
        default=[],
        metavar="<file>",
        type=options.not_empty,
        help=_(
            "Write what came of each image to a file: JSON lines, added to it as they come, or a "
            "page to read if its name ends in .html; may be repeated"
        ),
    )
    options.add_human_readable(parser)


def _plan_of(
    parsed_args: argparse.Namespace,
    manager: Any,
    projects: Mapping[str, str],
    keep: bool,
    cloud: str | None = None,
) -> Any:
    """Return how images are to be written; refuse to make such as would belong to nobody.

    :param projects: IDs of projects, there by the ID that they have here
    :param keep: whether projects that are not among these have the same IDs there
    :param cloud: the name of the cloud that they go to, if it is not the shell's own
    """
    from osc_image_v1.cli import identity
    from osc_image_v1.migrate.drafts import Plan

    identity.check_owner(manager, bool(projects) or keep, _MAPPED, cloud)
    look = not parsed_args.no_format_check and parsed_args.target == "v2"
    if parsed_args.dry_run and parsed_args.no_look:
        look = False
    return Plan(
        new_ids=parsed_args.new_ids,
        visibility=parsed_args.new_visibility,
        accept_members=parsed_args.accept_members,
        projects=projects,
        keep_projects=keep,
        clean_up=parsed_args.clean_up,
        look=base.looking(look),
        formats=parsed_args.format_map,
        format_from_data=parsed_args.disk_format_from_data,
        allowed=frozenset(parsed_args.allow),
    )


def _check_options(parsed_args: argparse.Namespace) -> None:
    """Refuse options that would do nothing beside the others."""
    from osc_image_v1.exceptions import WrongUsage

    if parsed_args.no_look and not parsed_args.dry_run:
        raise WrongUsage(
            _("--no-look is for --dry-run; --no-format-check copies without a look at the data")
        )
    if parsed_args.disk_format_from_data and parsed_args.no_format_check:
        raise WrongUsage(
            _("--disk-format-from-data is a look at the data, and --no-format-check forbids that")
        )
    if parsed_args.target == "v1":
        for option in ("--accept-members", "--disk-format-from-data", "--no-format-check"):
            if getattr(parsed_args, option[2:].replace("-", "_")):
                raise WrongUsage(_("%s is for --target v2") % option)
        if parsed_args.new_visibility == "community":
            raise WrongUsage(_("The Image API v1 has no community images: use --target v2"))


def _format_map(path: str | None) -> Mapping[str, str]:
    """Return the formats that images get, by the formats or IDs that they have.

    :raises WrongUsage: if the file is wrong
    """
    import re
    from pathlib import Path

    from osc_image_v1.cli.projects import read_project_map
    from osc_image_v1.exceptions import WrongUsage
    from osc_image_v1.text import printable

    formats = read_project_map(Path(path), _("formats")) if path else {}
    for new in formats.values():
        if not re.fullmatch(f"{options.DISK_FORMAT}(/[a-z0-9]+)?", new):
            wrong = _("'%s' is no disk format, and no disk and container format: qcow2/bare")
            raise WrongUsage(wrong % printable(new))
    return formats


class OutcomeLister(base.Lister):
    """A command that does the same with many images, and lists what came of each."""

    #: What the command is called in a report.
    word = ""
    #: What is said in the end if some failed.
    failure = ""

    def check(self, parsed_args: argparse.Namespace) -> None:
        """Refuse options and files that are wrong; nothing is asked of anyone.

        :param parsed_args: what they are; of maps they have the contents then, and of a file of
            images the names
        :raises WrongUsage: if they are wrong
        """
        from osc_image_v1.cli.projects import read_map
        from osc_image_v1.report.runs import Reports
        from osc_image_v1.transfer.files import temporary_directory

        columns.check_columns((*_COLUMNS, _REASONS), parsed_args)
        _check_options(parsed_args)
        options.read_images(parsed_args)
        read_map(parsed_args)
        parsed_args.format_map = _format_map(parsed_args.format_map)
        temporary_directory()
        with base.usage():
            self._reports = Reports(parsed_args.reports)

    def rows(
        self, source: Any, target: Any, plan: Any, records: Any, parsed_args: argparse.Namespace
    ) -> columns.Table:
        """Return column names and rows.

        :param source: what images are read from
        :param target: what they are written into
        :param plan: how they are written
        :param records: those of the images
        :param parsed_args: how the work is done
        """
        from osc_image_v1.migrate.job import Job
        from osc_image_v1.report.runs import Tally, head_of

        self._tally = Tally()
        self._job = Job(
            source,
            target,
            plan,
            shard=parsed_args.shard,
            parallel=parsed_args.parallel,
            rate=options.rate_of(parsed_args),
        )
        self._reports.begin(
            head_of(
                plan,
                command=self.word,
                cloud=getattr(parsed_args, "to_cloud", None),
                api=parsed_args.target,
                dry_run=parsed_args.dry_run,
            )
        )
        work = self._job.preview if parsed_args.dry_run else self._job.run
        typed = parsed_args.formatter in ("json", "yaml") or _REASONS.title in parsed_args.columns
        table = (*_COLUMNS, _REASONS) if typed else _COLUMNS
        return columns.tabled(self._counted(work(records)), table, parsed_args)

    def produce_output(self, parsed_args: Any, column_names: Any, data: Any) -> Any:
        """Write what came of each image, and fail after that if one could not be copied."""
        from osc_image_v1.exceptions import ImageV1Error

        interrupted = _("Interrupted: run the same command again, and it goes on")
        with base.ended_by_signals(interrupted, self._job.interrupt):
            try:
                super().produce_output(parsed_args, column_names, data)
            except BaseException:
                self._end(interrupted=True)
                raise
            summary = self._end(interrupted=self._job.interrupted)
        counts = summary["images"]
        total = sum(counts.values())
        told = ", ".join(f"{number} {word}" for word, number in counts.items())
        LOG.warning("%s%s", _("Images: %d") % total, f" ({told})" if told else "")
        if summary["ids_unclear"]:
            unclear = _("Whether an ID is used up there, the service tells an admin alone: %d")
            LOG.warning(unclear, summary["ids_unclear"])
        self._tell_unmet(parsed_args)
        left = counts.get("not tried", 0)
        if summary["failed"] or left:
            sentence = self.failure % {"failed": summary["failed"], "total": total}
            own = not summary["retryable"] and not self._reports.failed
            raise base.failure_of(sentence, own=own, left=left, why=self._job.why_not_all)
        if self._reports.failed:
            raise ImageV1Error(_("The report is not complete"))

    def _tell_unmet(self, parsed_args: argparse.Namespace) -> None:
        """Name what of the map of formats is of no image, where all images were looked at."""
        from osc_image_v1.text import printable

        unmet = sorted(self._job.unmet)
        some = image.chosen_by(parsed_args) - {"visibility"} or parsed_args.images
        if not unmet or some or getattr(parsed_args, "visibility", None) not in (None, "all"):
            return
        told = [printable(entry) for entry in unmet[:_MOST_TOLD]]
        if len(unmet) > _MOST_TOLD:
            told.append(_("%d more") % (len(unmet) - _MOST_TOLD))
        # All shards see all images: each of many machines would say the same.
        level = logging.INFO if parsed_args.shard else logging.WARNING
        text = _("Entries of --format-map that no image has as its disk format or ID: %s")
        LOG.log(level, text, ", ".join(told))

    def _end(self, *, interrupted: bool) -> dict[str, Any]:
        """Return the summary, which the reports have then."""
        job = self._job
        summary: dict[str, Any] = self._tally.summary(
            job.images, interrupted=interrupted, why=job.why_not_all, unclear=job.unclear
        )
        self._reports.end(summary)
        return summary

    def _counted(self, outcomes: Any) -> Iterator[dict[str, Any]]:
        # Lists do without the collector while they are written; requests and errors need it.
        gc.enable()
        for outcome in outcomes:
            self._tally.add(outcome)
            self._reports.add(outcome)
            yield {**vars(outcome), "reasons": outcome.reasons}


class CopyImage(OutcomeLister):
    _description = _(
        "Copy images with all their metadata into another cloud of clouds.yaml: those that the "
        "options choose, as for 'image v1 list', or those that are named. The data flows through "
        "memory and is verified on both ends. Run again, the command copies only what is missing. "
        "The exit status is 3 if all images were tried and some failed for reasons of their own, "
        "such as damaged data or what the target refuses; it is 1 if running it again may help. "
        "Without --all an admin copies public images and those of the own project."
    )
    word = "copy"
    failure = _("%(failed)d of %(total)d images could not be copied")
    _epilog = base.examples(
        "openstack image v1 copy --to-cloud new --all --dry-run",
        "openstack image v1 copy --to-cloud new --all --project-map projects.csv \\",
        "    --accept-members --parallel 8",
        "openstack image v1 copy --to-cloud new --visibility private ubuntu debian",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(
            parser, _("Image to copy (name or ID; default: all that the options choose)"), "*"
        )
        parser.add_argument(
            "--to-cloud",
            metavar="<cloud>",
            required=True,
            type=options.not_empty,
            help=_("Cloud of clouds.yaml to copy to"),
        )
        _add_plan(parser)
        image.add_filters(parser)
        _add_how(parser, _("Copy this many images at a time"))

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from osc_image_v1.cli.clients import OtherCloud, image_target
        from osc_image_v1.cli.projects import mapped
        from osc_image_v1.migrate.sources import ServiceSource

        self.check(parsed_args)
        manager = self.app.client_manager
        cloud = OtherCloud(parsed_args.to_cloud, manager)
        records = image.records(parsed_args, manager)
        cloud.log_in()
        plan = _plan_of(parsed_args, cloud, *mapped(parsed_args, manager, cloud), cloud.name)
        target = image_target(cloud, parsed_args.target)
        return self.rows(ServiceSource(manager.image_v1), target, plan, records, parsed_args)


class ImportImage(OutcomeLister):
    _description = _(
        "Bring images that were exported to a directory into this cloud, by the Image API v2 or "
        "v1: all of them, or those that are named. The data is verified against the manifest on "
        "its way, and against the service's checksum after that. Run again, the command imports "
        "only what is missing. The exit status is 3 if all images were tried and some failed for "
        "reasons of their own, such as damaged data or what the service refuses; it is 1 if "
        "running it again may help."
    )
    word = "import"
    failure = _("%(failed)d of %(total)d images could not be imported")
    _epilog = base.examples(
        "openstack --os-cloud new image v1 import --dry-run archive",
        "openstack --os-cloud new image v1 import --project-map projects.csv archive",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_directory(parser, _("Directory that images were exported to"))
        options.add_image(parser, _("Image to import (name or ID; default: all)"), "*")
        options.add_patterns(parser)
        _add_plan(parser)
        _add_how(parser, _("Import this many images at a time"))

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from pathlib import Path

        from osc_image_v1.api.filters import all_of
        from osc_image_v1.api.queries import ImageQuery
        from osc_image_v1.archive.archive import Archive
        from osc_image_v1.cli.clients import image_target
        from osc_image_v1.exceptions import WrongUsage
        from osc_image_v1.migrate.sources import ArchiveSource, exported_records

        self.check(parsed_args)
        if parsed_args.images and parsed_args.name_patterns:
            raise WrongUsage(_("Name images, or choose them by options, but not both"))
        chosen = all_of(ImageQuery(**options.patterns_of(parsed_args)).checks())
        manager = self.app.client_manager
        archive = Archive(Path(parsed_args.directory))
        archive.check_not_empty()
        projects = _projects(parsed_args, manager, archive)
        plan = _plan_of(parsed_args, manager, projects, parsed_args.keep_project_ids)
        target = image_target(manager, parsed_args.target)
        records = filter(chosen, exported_records(archive, parsed_args.images))
        return self.rows(ArchiveSource(archive), target, plan, records, parsed_args)


def _projects(parsed_args: argparse.Namespace, manager: Any, archive: Any) -> Mapping[str, str]:
    """Return the IDs of projects, in the export -> here.

    A project that this cloud has by the same ID is the same one: no two clouds give one ID.
    """
    from osc_image_v1.cli.projects import ProjectNames, project_id
    from osc_image_v1.migrate.sources import exported_projects

    exported = exported_projects(archive)
    projects: dict[str, str] = {}
    for old, new in parsed_args.project_map.items():
        for known in _named(exported, old):
            projects[known] = project_id(manager, new, domain_option=False)
    if not parsed_args.keep_project_ids:
        names = ProjectNames(manager)
        own = manager.session.get_project_id()
        for known in exported:
            if known not in projects and (known == own or names.get(known) is not None):
                projects[known] = known
    return projects


def _named(exported: Mapping[str, str | None], name_or_id: str) -> list[str]:
    """Return the ID of an exported project, none where the export has nothing of it."""
    from osc_image_v1.exceptions import InvalidInput
    from osc_image_v1.text import printable

    if name_or_id in exported:
        return [name_or_id]
    ids = [known for known, name in exported.items() if name == name_or_id]
    if len(ids) > 1:
        raise InvalidInput(
            _("Several exported projects have the name '%(name)s', use an ID instead: %(ids)s")
            % {"name": printable(name_or_id), "ids": ", ".join(map(printable, ids))}
        )
    return ids
