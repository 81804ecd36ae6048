"""Commands on images as the Compute service's proxy has them."""

from __future__ import annotations

import argparse

from osc_image_v1.cli import base, columns, options
from osc_image_v1.i18n import _

# Options that a query has fields for, by the same names.
_FILTERS = (
    "name status server image_type min_disk min_ram properties changes_since marker limit "
    "page_size".split()
)


class ListComputeImage(base.Lister):
    expendable = ("Server",)
    _description = _("List images as the Compute service reports them")
    _epilog = base.examples(
        "openstack compute image list --type snapshot --changes-since 36h --long",
        "openstack compute image list -f json \\",
        "    --server 2b762698-5f25-587d-b981-91a1de9efa07",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        from osc_image_v1.api.queries import COMPUTE_STATUSES

        parser.add_argument(
            "--long", action="store_true", help=_("Show all fields that the service lists")
        )
        options.add_human_readable(parser)
        parser.add_argument("--name", metavar="<name>", help=_("Only images of exactly this name"))
        options.add_status(parser, COMPUTE_STATUSES, str.upper)
        parser.add_argument(
            "--server",
            metavar="<server>",
            type=options.server_id,
            help=_("Only snapshots and backups of this server (ID or URL)"),
        )
        parser.add_argument(
            "--type",
            metavar="<type>",
            dest="image_type",
            type=options.not_empty,
            help=_(
                "Only images of this type: snapshot or backup; or SERVER (made from a server), "
                "BASE (not made from one) or ALL, as in the old API"
            ),
        )
        options.add_requirements(parser)
        options.add_property(
            parser, _("Only images with this property, exactly (repeat for several)")
        )
        options.add_changes_since(
            parser,
            _(
                "Only images changed at this time or later: ISO 8601 (UTC unless it has a zone), a "
                "date, or an age (7d, 36h)"
            ),
        )
        parser.add_argument(
            "--marker",
            metavar="<image-id>",
            type=options.not_empty,
            help=_("Begin after the image with this ID"),
        )
        options.add_paging(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Table:
        """Return column names and rows."""
        from osc_image_v1.api.queries import ComputeImageQuery
        from osc_image_v1.cli import identity
        from osc_image_v1.cli.clients import compute_image_client

        table = columns.chosen(columns.COMPUTE_IMAGE_BRIEF, columns.COMPUTE_IMAGE, parsed_args)
        with base.usage():
            query = ComputeImageQuery(**{name: getattr(parsed_args, name) for name in _FILTERS})
        identity.tell_scope(self.app.client_manager)
        client = compute_image_client(self.app.client_manager)
        pages = base.started(client.pages(query))
        return columns.listed(pages, table, parsed_args)


class ShowComputeImage(base.ShowOne):
    _description = _("Show an image as the Compute service reports it")
    _epilog = base.examples(
        "openstack compute image show ubuntu -f json -c id -c server_id",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_human_readable(parser)
        options.add_image(parser, _("Image to show (name or ID)"))

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Shown:
        """Return column names and values."""
        from osc_image_v1.cli.clients import compute_image_client

        image = compute_image_client(self.app.client_manager).find(parsed_args.image)
        return columns.shown(columns.fields_of(image), parsed_args)


class DeleteComputeImage(base.Command):
    _description = _(
        "Delete images through the Compute service. An image that cannot be deleted keeps none of "
        "the others from being deleted, but the exit status is 1 then"
    )
    _epilog = base.examples(
        "openstack compute image delete backup-a-daily backup-b-daily",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image to delete (name or ID)"), "+")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete the images."""
        from osc_image_v1.cli.clients import compute_image_client
        from osc_image_v1.exceptions import Forbidden

        def reason(_name_or_id: str, error: Exception) -> str:
            # The Compute service does not tell one from the other.
            hint = _(
                "; it may be another project's, or protected: 'openstack image v1 set "
                "--unprotected' or 'openstack image set --unprotected' ends that"
            )
            return str(error) + (hint if isinstance(error, Forbidden) else "")

        client = compute_image_client(self.app.client_manager)
        base.delete_images(client, parsed_args.images, reason)


_UNSHARES = _(
    "The Compute service makes an image private with it that was shared with other projects"
)


class SetComputeImage(base.Command):
    _description = (
        _(
            "Set properties of an image through the Compute service, which can change nothing else "
            "of it."
        )
        + " "
        + _UNSHARES
    )
    _epilog = base.examples(
        "openstack compute image set --property os_distro=debian debian",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image to change (name or ID)"))
        options.add_property(
            parser,
            _(
                "Set a property of the image (repeat for several). Fields of the image, such as "
                "name or min_ram, are refused: the Compute service cannot change them"
            ),
        )
        options.add_purge_properties(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Set the properties."""
        from osc_image_v1.api.fields import check_metadata
        from osc_image_v1.cli.clients import compute_image_client
        from osc_image_v1.exceptions import WrongUsage

        if not (parsed_args.properties or parsed_args.purge_properties):
            raise WrongUsage(_("Nothing to change: give --property or --purge-properties"))
        with base.usage():
            check_metadata(parsed_args.properties)
        client = compute_image_client(self.app.client_manager)
        image = client.find(parsed_args.image)
        client.set_metadata(image.id, parsed_args.properties, parsed_args.purge_properties)


class UnsetComputeImage(base.Command):
    _description = (
        _(
            "Remove properties of an image through the Compute service, exactly those that are "
            "named and no others."
        )
        + " "
        + _UNSHARES
    )
    _epilog = base.examples(
        "openstack compute image unset --property os_version --property arch debian",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image to change (name or ID)"))
        options.add_property_names(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove the properties."""
        from osc_image_v1.cli.clients import compute_image_client
        from osc_image_v1.exceptions import InvalidInput
        from osc_image_v1.text import printable

        client = compute_image_client(self.app.client_manager)
        image = client.find(parsed_args.image)
        keys = list(dict.fromkeys(parsed_args.properties))
        missing = ", ".join(f"'{printable(key)}'" for key in keys if key not in image.metadata)
        if missing:
            raise InvalidInput(
                _("Image %(image)s has no property %(missing)s; nothing was removed")
                % {"image": printable(image.id), "missing": missing}
            )
        for key in keys:
            client.remove_metadata(image.id, key)
