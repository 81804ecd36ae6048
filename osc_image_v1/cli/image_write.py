"""Commands that make, change and delete images of the Image API v1."""

from __future__ import annotations

import argparse
import contextlib
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from osc_image_v1.cli import base, columns, options
from osc_image_v1.i18n import _

if TYPE_CHECKING:
    from osc_image_v1.api.fields import ImageFields
    from osc_image_v1.transfer.sending import Sending, StreamSource


# Options of `openstack image` that v1 cannot have.
_NO_TAGS = {"--tag": _("the Image API v1 has no tags: use --property")}
_REFUSED = {
    **_NO_TAGS,
    "--community --shared": _(
        "an image of the Image API v1 is public or private: share a private one with 'openstack "
        "image v1 add project'"
    ),
}
_REFUSED_NEW = {
    **_REFUSED,
    "--import": _("the Image API v1 has no import: use --file, --stdin or --copy-from"),
    "--volume --force": _(
        "the Image API v1 makes no image of a volume: 'openstack image create --volume' asks the "
        "Block Storage service for one"
    ),
    "--sign-key-path --sign-cert-id": _(
        "this command signs nothing: give img_signature and what belongs to it with --property"
    ),
}
_REFUSED_CHANGES = {
    **_REFUSED,
    "--visibility": _("use --public or --private"),
    "--activate --deactivate": _(
        "the Image API v1 cannot do that: 'openstack image set' can, where the service has v2"
    ),
    "--hidden --unhidden": _(
        "the Image API v1 hides no images: 'openstack image set' does, where the service has v2"
    ),
    "--accept --reject --pending": _(
        "a member of the Image API v1 accepts nothing, it has the image as soon as that is shared: "
        "'openstack image v1 remove project' ends it"
    ),
}
# Properties that `openstack image set` has options for.
_NAMED_PROPERTIES = {
    "os_distro": _("Distribution of the operating system, say debian"),
    "os_version": _("Version of the operating system"),
    "architecture": _("Architecture, say x86_64"),
    "kernel_id": _("ID of the image that is its kernel"),
    "ramdisk_id": _("ID of the image that is its ramdisk"),
    "instance_uuid": _("ID of the server that it was made from"),
}


def _add_named_properties(parser: argparse.ArgumentParser) -> None:
    for name, text in _NAMED_PROPERTIES.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(
            *((option, "--instance-id") if name == "instance_uuid" else (option,)),
            metavar=f"<{option[2:]}>",
            type=options.not_empty,
            help=_("%(what)s: sets the property %(name)s") % {"what": text, "name": name},
        )


def _with_named_properties(parsed_args: argparse.Namespace) -> None:
    """Put properties with options of their own among the others.

    :raises WrongUsage: if one is given in two ways, with two values
    """
    from osc_image_v1.exceptions import WrongUsage

    for name in _NAMED_PROPERTIES:
        value = getattr(parsed_args, name)
        if value is None:
            continue
        if parsed_args.properties.get(name, value) != value:
            raise WrongUsage(_("The property %s is given twice, with two values") % name)
        parsed_args.properties = {**parsed_args.properties, name: value}


def _add_formats(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--container-format",
        metavar="<container-format>",
        type=options.not_empty,
        help=_(
            "Container format: ami, ari, aki, bare, docker, ova or ovf, and what else the service "
            "is set up for. Needed as soon as there is data. ami, ari and aki go for the disk "
            "format too"
        ),
    )
    parser.add_argument(
        "--disk-format",
        metavar="<disk-format>",
        type=options.not_empty,
        help=_(
            "Disk format: ami, ari, aki, iso, qcow2, raw, vdi, vhd, vhdx or vmdk, and what else "
            "the service is set up for. Needed as soon as there is data. ami, ari and aki go for "
            "the container format too"
        ),
    )


def _add_fields(parser: argparse.ArgumentParser) -> None:
    _add_formats(parser)
    parser.add_argument(
        "--min-disk",
        metavar="<gb>",
        type=options.count,
        help=_("Disk that a server needs to boot from the image, in GB"),
    )
    parser.add_argument(
        "--min-ram",
        metavar="<mb>",
        type=options.count,
        help=_("RAM that a server needs to boot from the image, in MB"),
    )
    options.add_flag_pair(
        parser,
        "protected",
        {
            "--protected": (True, _("Keep the image from being deleted")),
            "--unprotected": (False, _("Allow the image to be deleted (default of a new image)")),
        },
    )
    options.add_flag_pair(
        parser,
        "is_public",
        {
            "--public": (True, _("All projects may use the image; most clouds let only admins")),
            "--private": (
                False,
                _("Only the own project and members may use it (default of a new image)"),
            ),
        },
    )
    options.add_property(
        parser,
        _(
            "Set a property of the image (repeat for several). Names are in lower case and have "
            "no hyphens, the service would change them; an empty value is stored as null"
        ),
    )
    parser.add_argument(
        "--project",
        "--owner",
        metavar="<project>",
        dest="project",
        type=options.not_empty,
        help=_("Project that owns the image (name or ID); only an admin may choose"),
    )
    options.add_project_domain(parser)


def _add_sources(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_mutually_exclusive_group()
    sources.add_argument(
        "--file",
        metavar="<file>",
        type=options.not_empty,
        help=_("Upload the data from this file"),
    )
    sources.add_argument(
        "--stdin",
        action="store_true",
        help=_("Upload the data from standard input, which is read only with this option"),
    )
    sources.add_argument(
        "--copy-from",
        metavar="<url>",
        type=options.not_empty,
        help=_(
            "Let the service copy the data from this URL. It does so in the background, see --wait"
        ),
    )
    sources.add_argument(
        "--location",
        metavar="<url>",
        type=options.not_empty,
        help=_("The data stays at this URL, and the service gets it from there each time"),
    )
    options.add_rate(parser)
    parser.add_argument(
        "--store",
        metavar="<store>",
        type=options.not_empty,
        help=_("Store of the service that takes the data: file, swift, rbd..."),
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help=_("With --copy-from, wait until the service has copied the data, or has given up"),
    )
    parser.add_argument(
        "--timeout",
        metavar="<seconds>",
        type=options.count,
        help=_("With --wait, wait this long at most (default: 3600)"),
    )


def _fields(parsed_args: argparse.Namespace, **more: Any) -> ImageFields:
    """Return what the options say, but for the owner."""
    from osc_image_v1.api.fields import ImageFields

    names = (
        "name disk_format container_format min_disk min_ram is_public protected properties store "
        "copy_from location".split()
    )
    with base.usage():
        return ImageFields(**{name: getattr(parsed_args, name) for name in names}, **more)


def _with_owner(fields: ImageFields, parsed_args: argparse.Namespace, manager: Any) -> ImageFields:
    """Return the fields with the owner's ID, which the Identity service is asked for."""
    from dataclasses import replace

    from osc_image_v1.cli import projects

    domain = projects.domain_of(parsed_args, "project")
    if parsed_args.project is None:
        return fields
    return replace(fields, owner=projects.project_id(manager, parsed_args.project, domain))


def _waiting_time(parsed_args: argparse.Namespace) -> float | None:
    from osc_image_v1.exceptions import WrongUsage

    if parsed_args.timeout is not None and not parsed_args.wait:
        raise WrongUsage(_("--timeout is for --wait"))
    if not parsed_args.wait:
        return None
    if parsed_args.copy_from is None:
        raise WrongUsage(_("--wait is for --copy-from: all else is done when the command ends"))
    return float(3600 if parsed_args.timeout is None else parsed_args.timeout)


def _data(
    parsed_args: argparse.Namespace, size: int | None = None
) -> AbstractContextManager[StreamSource | None]:
    """Open what --file or --stdin names; None where there is neither."""
    from osc_image_v1.exceptions import WrongUsage
    from osc_image_v1.transfer.sending import StreamSource, open_file

    if parsed_args.file == "-":
        raise WrongUsage(_("For standard input use --stdin: '-' is the name of no file here"))
    if parsed_args.file is not None:
        return open_file(parsed_args.file, size)
    if not parsed_args.stdin:
        if parsed_args.max_rate is not None:
            raise WrongUsage(_("--max-rate is for --file and --stdin"))
        return contextlib.nullcontext()
    if sys.stdin is None or sys.stdin.isatty():
        raise WrongUsage(_("--stdin wants data from a pipe or a file, not from a terminal"))
    return contextlib.nullcontext(StreamSource(sys.stdin.buffer, size, _("standard input")))


def _sending(data: StreamSource | None, parsed_args: argparse.Namespace) -> Sending | None:
    import threading

    from osc_image_v1.transfer.sending import Sending

    rate = options.rate_of(parsed_args)
    if data is None or rate is None:
        return None if data is None else Sending(data)
    # A signal ends the waiting.
    return Sending(rate.source(data, threading.Event()))


def _refuse_nothing(data: StreamSource, size: int | None) -> None:
    """Refuse data of no bytes, which mostly is what a command left that failed."""
    from osc_image_v1.exceptions import InvalidInput

    if size != 0 and data.is_empty():
        raise InvalidInput(
            _("%s has no data at all: if the image is to be empty, give --size 0") % data.label
        )


class CreateImage(base.ShowOne):
    _description = _(
        "Create an image with the Image API v1: its record alone, or with data from a file, from "
        "standard input or from a URL. The service's MD5 and size of the data are compared with "
        "what was sent. If it fails, the last line says what is left of the image"
    )
    _epilog = base.examples(
        "openstack image v1 create --file disk.qcow2 --disk-format qcow2 \\",
        "    --container-format bare --property os_distro=debian debian",
        "zcat disk.raw.gz | openstack image v1 create --stdin --disk-format raw \\",
        "    --container-format bare --clean-up debian",
        "openstack image v1 create --copy-from http://files.example/disk --wait \\",
        "    --disk-format raw --container-format bare --public debian",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        parser.add_argument(
            "name", metavar="<name>", type=options.not_empty, help=_("Name of the new image")
        )
        parser.add_argument(
            "--id",
            metavar="<id>",
            type=options.image_id,
            help=_("ID of the new image, a UUID (default: a new one)"),
        )
        _add_fields(parser)
        _add_sources(parser)
        parser.add_argument(
            "--size",
            metavar="<size>",
            type=options.size,
            help=_(
                "Size of the data, in bytes or with a unit (10G, 512MiB). What is uploaded must "
                "have it; data of no bytes is refused without --size 0. Without data it is only "
                "noted, but 0 makes an empty image active"
            ),
        )
        parser.add_argument(
            "--checksum",
            metavar="<md5>",
            type=options.md5,
            help=_(
                "MD5 of the data. The service refuses an upload that has another one; without an "
                "upload it is only noted"
            ),
        )
        parser.add_argument(
            "--clean-up",
            action="store_true",
            help=_("Remove what is left of the image if it cannot be created"),
        )
        options.add_progress(parser)
        options.add_human_readable(parser)
        options.add_refused(parser, _REFUSED_NEW)

    def take_action(self, parsed_args: argparse.Namespace) -> columns.Shown:
        """Return column names and values of the new image."""
        from osc_image_v1.api.fields import check_formats
        from osc_image_v1.api.models import ImageDetail
        from osc_image_v1.cli import identity
        from osc_image_v1.transfer.upload import create_image

        columns.check_named(columns.names_of(ImageDetail).values(), parsed_args)
        manager = self.app.client_manager
        fields = _fields(parsed_args, size=parsed_args.size, checksum=parsed_args.checksum)
        wait = _waiting_time(parsed_args)
        identity.check_owner(manager, parsed_args.project is not None, "--project")
        interrupted = base.ended_by_signals(_("Interrupted"))
        with interrupted, _data(parsed_args, parsed_args.size) as data:
            if data is not None or fields.has_source:
                with base.usage():
                    check_formats(fields.disk_format, fields.container_format)
            if data is not None:
                _refuse_nothing(data, parsed_args.size)
            image = create_image(
                manager.image_v1,
                _with_owner(fields, parsed_args, manager),
                parsed_args.id,
                _sending(data, parsed_args),
                parsed_args.clean_up,
                wait,
            )
        return columns.shown(columns.fields_of(image), parsed_args)


class SetImage(base.Command):
    _description = _(
        "Change an image of the Image API v1. Properties are added to those that it has. A queued "
        "image can be given its data"
    )
    _epilog = base.examples(
        "openstack image v1 set --name debian-12 --property os_version=12 debian",
        "openstack image v1 set --purge-properties --property arch=aarch64 debian",
        "openstack image v1 set --file disk.raw --disk-format raw \\",
        "    --container-format bare queued",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image to change (name or ID)"))
        parser.add_argument(
            "--name", metavar="<name>", type=options.not_empty, help=_("New name of the image")
        )
        _add_fields(parser)
        _add_named_properties(parser)
        options.add_purge_properties(parser)
        _add_sources(parser)
        parser.add_argument(
            "--size",
            metavar="<size>",
            type=options.size,
            help=_(
                "Size that the data must have which is uploaded, in bytes or with a unit (10G, "
                "512MiB). Data of no bytes is refused without --size 0"
            ),
        )
        options.add_progress(parser)
        options.add_refused(parser, _REFUSED_CHANGES)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Change the image."""
        from osc_image_v1.api.fields import ImageFields
        from osc_image_v1.exceptions import WrongUsage
        from osc_image_v1.transfer.upload import check_pair, fill_image

        manager = self.app.client_manager
        _with_named_properties(parsed_args)
        fields = _fields(parsed_args)
        wait = _waiting_time(parsed_args)
        interrupted = base.ended_by_signals(
            _("Interrupted: an image that was just given data is killed, and must be created anew")
        )
        with interrupted, _data(parsed_args, parsed_args.size) as data:
            filled = data is not None or fields.has_source
            if fields.store is not None and not filled:
                raise WrongUsage(_("--store is for --file, --stdin and --copy-from"))
            asked = fields != ImageFields() or parsed_args.project or parsed_args.purge_properties
            if data is None and parsed_args.size is not None:
                raise WrongUsage(_("--size is for --file and --stdin"))
            if data is None and not asked:
                raise WrongUsage(_("Nothing to change: give at least one option"))
            if data is not None:
                _refuse_nothing(data, parsed_args.size)
            fields = _with_owner(fields, parsed_args, manager)
            image = manager.image_v1.find(parsed_args.image)
            check_pair(image, fields)
            purge = parsed_args.purge_properties
            if filled:
                fill_image(
                    manager.image_v1, image, fields, _sending(data, parsed_args), purge, wait
                )
            else:
                manager.image_v1.update(image.id, fields, purge)


class UnsetImage(base.Command):
    _description = _(
        "Remove properties of an image of the Image API v1, exactly those that are named and no "
        "others. Where the service has the Image API v2 as well, that removes them; v1 can only "
        "write all the others anew, which is refused where it would change one. Through v1, what "
        "someone else changes in the image's properties at the same moment is lost"
    )
    _epilog = base.examples(
        "openstack image v1 unset --property os_version --property os_distro debian",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image to change (name or ID)"))
        options.add_property_names(parser)
        options.add_refused(parser, _NO_TAGS)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove the properties."""
        client = self.app.client_manager.image_v1
        image = client.find(parsed_args.image)
        client.remove_properties(image, list(dict.fromkeys(parsed_args.properties)))


class DeleteImage(base.Command):
    _description = _(
        "Delete images of the Image API v1. An image that cannot be deleted keeps none of the "
        "others from being deleted, but the exit status is 1 then"
    )
    _epilog = base.examples(
        "openstack image v1 delete debian ubuntu",
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments and options."""
        options.add_image(parser, _("Image to delete (name or ID)"), "+")
        in_one = _("the Image API v1 has an image in one store, and deletes it there: leave it out")
        options.add_refused(parser, {"--store": in_one})

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete the images."""
        client = self.app.client_manager.image_v1

        def reason(name_or_id: str, error: Exception) -> str:
            return str(error) + _unprotect(client, name_or_id, error)

        base.delete_images(client, parsed_args.images, reason)


def _unprotect(client: Any, name_or_id: str, error: Exception) -> str:
    """Say how an image is unprotected, if that is what keeps it from being deleted."""
    from osc_image_v1.exceptions import Forbidden, ImageV1Error
    from osc_image_v1.text import printable

    if not isinstance(error, Forbidden):
        return ""
    try:
        image = client.find(name_or_id)
    except ImageV1Error:
        return ""
    if not image.protected:
        return ""
    command_line = f"openstack image v1 set --unprotected {printable(image.id)}"
    return str(_("; unprotect it first: %s") % command_line)
