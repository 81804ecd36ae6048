"""Commands that share images of the Image API v1 with projects."""

from __future__ import annotations

import argparse
import contextlib

from osc_image_v1.cli import base, columns, options
from osc_image_v1.cli.columns import Column
from osc_image_v1.i18n import _

_MEMBER = (
    Column("Project", "member_id"),
    Column("Can Share", "can_share"),
    Column("Project Name", "name"),
    Column("Image ID", "image_id"),
)


def _add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "project", metavar="<project>", type=options.not_empty, help=_("Project (name or ID)")
    )
    options.add_project_domain(parser)


class ListMember(base.Lister):
    expendable = ("Image ID",)
    _description = _("List the projects that an image of the Image API v1 is shared with")
    _epilog = base.examples(
        "openstack image v1 member list debian -f value -c Project",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image (name or ID)"))
        parser.add_argument(
            "--project-domain",
            metavar="<project-domain>",
            help=_("No project is named here: of no effect, as in 'openstack image member list'"),
        )

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from osc_image_v1.cli.projects import ProjectNames

        columns.check_columns(_MEMBER, parsed_args)
        manager = self.app.client_manager
        image_id = manager.image_v1.find(parsed_args.image).id
        rows = [
            {**vars(member), "image_id": image_id} for member in manager.image_v1.members(image_id)
        ]
        if any(column.field == "name" for column in columns.needs(_MEMBER, parsed_args)):
            names = ProjectNames(manager)
            for row in rows:
                row["name"] = names.get(row["member_id"])
        return columns.tabled(rows, _MEMBER, parsed_args)


_MEMBERSHIP = ("image_id", "member_id", "can_share")


class AddProjectToImage(base.ShowOne):
    _description = _("Share an image of the Image API v1 with a project, and show the membership")
    _epilog = base.examples(
        "openstack image v1 add project --can-share debian demo",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image (name or ID)"))
        _add_project(parser)
        options.add_flag_pair(
            parser,
            "can_share",
            {
                "--can-share": (True, _("The project may share the image with others in turn")),
                "--no-can-share": (
                    False,
                    _("The project may not share the image in turn (default of a new member)"),
                ),
            },
        )

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Shown:
        """Share the image, and return column names and values of the membership."""
        from osc_image_v1.cli import projects

        columns.check_named(_MEMBERSHIP, parsed_args)
        client, can_share = self.app.client_manager.image_v1, parsed_args.can_share
        project = projects.project_id(
            self.app.client_manager, parsed_args.project, parsed_args.project_domain
        )
        image_id = client.find(parsed_args.image).id
        client.add_member(image_id, project, can_share)
        if can_share is None:
            can_share = self._can_share(image_id, project)
        values = zip(_MEMBERSHIP, (image_id, project, can_share), strict=True)
        return columns.shown(dict(values), parsed_args)

    def _can_share(self, image_id: str, project: str) -> bool | None:
        """Return whether a member may share, None where the service does not tell."""
        from osc_image_v1.exceptions import ImageV1Error

        # What is done stays done, whatever comes of this.
        with contextlib.suppress(ImageV1Error):
            for member in self.app.client_manager.image_v1.members(image_id):
                if member.member_id == project:
                    return bool(member.can_share)
        return None


class RemoveProjectFromImage(base.Command):
    _description = _("End that an image of the Image API v1 is shared with a project")
    _epilog = base.examples(
        "openstack image v1 remove project debian demo",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image (name or ID)"))
        _add_project(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Unshare the image."""
        from osc_image_v1.cli import projects

        manager = self.app.client_manager
        client, project = manager.image_v1, parsed_args.project
        image = client.find(parsed_args.image)
        # A project that is gone can still be a member.
        if project not in [member.member_id for member in client.members(image.id)]:
            project = projects.project_id(manager, project, parsed_args.project_domain, gone=True)
        client.remove_member(image.id, project)


class SetMember(base.Command):
    _description = _(
        "Share an image of the Image API v1 with exactly these projects; all others lose it. "
        "Without a project, it is shared with none"
    )
    _epilog = base.examples(
        "openstack image v1 member set --can-share debian demo other",
        "openstack image v1 member set debian",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image (name or ID)"))
        parser.add_argument(
            "projects",
            metavar="<project>",
            nargs="*",
            type=options.not_empty,
            help=_("Project to share the image with (name or ID)"),
        )
        options.add_project_domain(parser)
        parser.add_argument(
            "--can-share",
            action="store_true",
            help=_("The projects may share the image with others in turn"),
        )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Replace the members."""
        from osc_image_v1.api.models import Member
        from osc_image_v1.cli import projects

        manager = self.app.client_manager
        chosen: dict[str, None] = {}
        gone: list[projects.GoneProject] = []
        for name in parsed_args.projects:
            try:
                chosen[projects.project_id(manager, name, parsed_args.project_domain)] = None
            except projects.GoneProject as error:
                gone.append(error)
                chosen[error.project] = None
        image = manager.image_v1.find(parsed_args.image)
        # Who writes back what 'member list' has shown does not give an image to nobody.
        members = {m.member_id for m in manager.image_v1.members(image.id)} if gone else set()
        for stranger in gone:
            if stranger.project not in members:
                raise stranger
        manager.image_v1.set_members(
            image.id, [Member(project, parsed_args.can_share) for project in chosen]
        )
