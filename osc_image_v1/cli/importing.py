"""The command that brings exported images into the cloud that the shell works with."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from osc_image_v1.cli import base, options
from osc_image_v1.cli.copy import OutcomeLister, add_how, add_plan, plan_of
from osc_image_v1.i18n import _


class ImportImage(OutcomeLister):
    _description = _(
        "Bring images that were exported to a directory into this cloud, by the Image API v2 or "
        "v1: all of them, or those that are named. The data is verified against the manifest on "
        "its way, and against the service's checksum after that. Run again, the command imports "
        "only what is missing. The exit status is 1 if an image could not be imported."
    )
    failure = _("%(failed)d of %(total)d images could not be imported")
    _epilog = base.examples(
        "openstack --os-cloud new image v1 import --dry-run archive",
        "openstack --os-cloud new image v1 import --project-map projects.csv archive",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_directory(parser, _("Directory that images were exported to"))
        options.add_image(parser, _("Image to import (name or ID; default: all)"), "*")
        add_plan(parser)
        add_how(parser, _("Import this many images at a time (default: 4)"))

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Iterator[Any]]:
        """Return column names and rows."""
        from pathlib import Path

        from osc_image_v1.archive.archive import Archive
        from osc_image_v1.cli.clients import image_target
        from osc_image_v1.migrate.sources import ArchiveSource, exported_records

        manager = self.app.client_manager
        archive = Archive(Path(parsed_args.directory))
        archive.check_not_empty()
        projects = _projects(parsed_args, manager, archive)
        plan = plan_of(parsed_args, manager, projects, parsed_args.keep_project_ids)
        target = image_target(manager, parsed_args.target)
        records = exported_records(archive, parsed_args.images)
        return self.rows(ArchiveSource(archive), target, plan, records, parsed_args)


def _projects(parsed_args: argparse.Namespace, manager: Any, archive: Any) -> Mapping[str, str]:
    """Return the IDs of projects, in the export -> here.

    A project that this cloud has by the same ID is the same one: no two clouds give one ID.
    """
    from pathlib import Path

    from osc_image_v1.cli.projects import ProjectNames, project_id, read_project_map
    from osc_image_v1.migrate.sources import exported_projects

    exported = exported_projects(archive)
    projects: dict[str, str] = {}
    if parsed_args.project_map:
        for old, new in read_project_map(Path(parsed_args.project_map)).items():
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
