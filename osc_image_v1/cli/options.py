"""Options that several commands share, and the types of their values.

A type refuses a wrong value with argparse's own usage and a line that says what would be right.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from osc_lib.cli import parseractions

from osc_image_v1.i18n import _
from osc_image_v1.text import printable

if TYPE_CHECKING:
    from osc_image_v1.transfer.rate import Rate
    from osc_image_v1.transfer.shards import Shard

_T = TypeVar("_T")

#: That of :mod:`~osc_image_v1.transfer.many`, which is not imported for it.
PARALLEL = 8
#: What a name of a disk format looks like; a service may know others than Glance has itself.
DISK_FORMAT = "[a-z0-9][a-z0-9._-]*"
_MOST_PARALLEL = 64
_MOST_SHARDS = 100_000
_LEAST_RATE = 64 * 2**10


def _checked(parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(printable(error)) from None


def count(text: str) -> int:
    """Parse a whole number from 0."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise argparse.ArgumentTypeError(_("'%s' is no whole number, 0 or more") % printable(text))
    return int(text)


def _up_to(most: int, text: str) -> int:
    number = count(text)
    if not 1 <= number <= most:
        raise argparse.ArgumentTypeError(
            _("%(number)d is not from 1 to %(most)d") % {"number": number, "most": most}
        )
    return number


def parallel(text: str) -> int:
    """Parse how many images are worked on at a time."""
    return _up_to(_MOST_PARALLEL, text)


def shards(text: str) -> int:
    """Parse how many parts there are."""
    return _up_to(_MOST_SHARDS, text)


def shard(text: str) -> Shard:
    """Parse a part of the images, ``<i>/<n>``."""
    from osc_image_v1.cli.values import parse_shard

    return _checked(parse_shard, text)


def page_size(text: str) -> int:
    """Parse the size of a page, 1 to 1000."""
    return _up_to(1000, text)


def size(text: str) -> int:
    """Parse a number of bytes, with or without a unit."""
    from osc_image_v1.cli.values import parse_size

    return _checked(parse_size, text)


def rate(text: str) -> int:
    """Parse how many bytes may flow in a second."""
    number = size(text)
    if number < _LEAST_RATE:
        raise argparse.ArgumentTypeError(
            _("'%s' is less than 64K: services give up on who is so slow") % printable(text)
        )
    return number


def time(text: str) -> datetime:
    """Parse a time, a date or an age."""
    from osc_image_v1.cli.values import parse_time

    return _checked(parse_time, text)


def sort(text: str) -> list[tuple[str, Literal["asc", "desc"]]]:
    """Parse sort keys, each with or without a direction."""
    from osc_image_v1.cli.values import parse_sort

    return _checked(parse_sort, text)


def image_id(text: str) -> str:
    """Parse the UUID of an image."""
    from osc_image_v1.text import is_uuid

    if not is_uuid(text):
        raise argparse.ArgumentTypeError(_("'%s' is no image ID (a UUID)") % printable(text))
    return text.lower()


def marker(text: str) -> str:
    """Parse the ID of an image after which a list begins."""
    from osc_image_v1.api.queries import ids_like

    if not ids_like(text):
        raise argparse.ArgumentTypeError(_("'%s' is no image ID (a UUID)") % printable(text))
    return text


def server_id(text: str) -> str:
    """Parse the ID or URL of a server."""
    from osc_image_v1.cli.values import parse_server

    return _checked(parse_server, text)


def not_empty(text: str) -> str:
    """Refuse an empty value."""
    if not text:
        raise argparse.ArgumentTypeError(_("the value is empty"))
    return text


def disk_format(text: str) -> str:
    """Refuse what cannot be the name of a disk format; which there are is the service's to say."""
    import re

    if not re.fullmatch(DISK_FORMAT, text):
        raise argparse.ArgumentTypeError(_("'%s' is no disk format") % printable(text))
    return text


def md5(text: str) -> str:
    """Parse an MD5, 32 hexadecimal digits."""
    if len(text) != 32 or set(text.lower()) - set("0123456789abcdef"):
        raise argparse.ArgumentTypeError(
            _("'%s' is no MD5 (32 hexadecimal digits)") % printable(text)
        )
    return text.lower()


def checksum(text: str) -> str:
    """Parse a checksum of one of the algorithms that services have."""
    from osc_image_v1.api.records import as_checksum

    found = as_checksum(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            _("'%s' is no MD5 (32 hexadecimal digits), SHA-1 (40), SHA-256 (64) or SHA-512 (128)")
            % printable(text)
        )
    return found


def add_flag_pair(
    parser: argparse.ArgumentParser, dest: str, flags: dict[str, tuple[object, str]]
) -> None:
    """Add flags of which at most one may be given.

    :param parser: the command's parser
    :param dest: the attribute that they set, None where none is given
    :param flags: flag -> value that it sets, help
    """
    group = parser.add_mutually_exclusive_group()
    for flag, (value, text) in flags.items():
        group.add_argument(
            flag, dest=dest, action="store_const", const=value, default=None, help=text
        )


def add_image(
    parser: argparse.ArgumentParser, help_text: str, many: Literal["+", "*"] | None = None
) -> None:
    """Add the argument ``<image>``.

    :param parser: the command's parser
    :param help_text: what is done to the image
    :param many: ``+`` or ``*`` where there may be several; the attribute is ``images`` then
    """
    parser.add_argument(
        "images" if many else "image", metavar="<image>", nargs=many, type=not_empty, help=help_text
    )
    if many == "*":
        parser.add_argument(
            "--images-from",
            metavar="<file>",
            type=not_empty,
            help=_(
                "File that names the images, by name or ID, one a line; - is standard input. Empty "
                "lines and those that begin with # count for nothing"
            ),
        )


def add_directory(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add the argument ``<directory>``."""
    parser.add_argument("directory", metavar="<directory>", type=not_empty, help=help_text)


def add_property(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add ``--property`` with a value, which may be repeated."""
    parser.add_argument(
        "--property",
        metavar="<key=value>",
        dest="properties",
        action=parseractions.KeyValueAction,
        default={},
        help=help_text,
    )


def add_property_names(parser: argparse.ArgumentParser) -> None:
    """Add ``--property`` without a value, for what is removed."""
    parser.add_argument(
        "--property",
        metavar="<key>",
        dest="properties",
        action="append",
        required=True,
        type=not_empty,
        help=_("Remove this property, in exactly this spelling (repeat for several)"),
    )


def add_purge_properties(parser: argparse.ArgumentParser) -> None:
    """Add ``--purge-properties``."""
    parser.add_argument(
        "--purge-properties",
        action="store_true",
        help=_("Remove all properties but those that are set here"),
    )


def add_status(
    parser: argparse.ArgumentParser, words: Sequence[str], read: Callable[[str], str]
) -> None:
    """Add ``--status`` as a filter.

    :param parser: the command's parser
    :param words: the states that images have
    :param read: makes one of them of what is written in another case
    """
    named = _("%(some)s or %(last)s") % {"some": ", ".join(words[:-1]), "last": words[-1]}
    parser.add_argument(
        "--status",
        metavar="<status>",
        type=read,
        choices=tuple(words),
        help=_("Only images in this state: %s") % named,
    )


def add_project_domain(parser: argparse.ArgumentParser) -> None:
    """Add ``--project-domain``."""
    parser.add_argument(
        "--project-domain",
        metavar="<project-domain>",
        type=not_empty,
        help=_(
            "Domain of the project (name or ID), where projects of several domains have the name"
        ),
    )


def add_requirements(parser: argparse.ArgumentParser) -> None:
    """Add ``--min-disk`` and ``--min-ram`` as filters."""
    parser.add_argument(
        "--min-disk",
        metavar="<gb>",
        type=count,
        help=_("Only images whose minimum disk is exactly this many GB"),
    )
    parser.add_argument(
        "--min-ram",
        metavar="<mb>",
        type=count,
        help=_("Only images whose minimum RAM is exactly this many MB"),
    )


def add_changes_since(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add ``--changes-since``."""
    parser.add_argument("--changes-since", metavar="<time>", type=time, help=help_text)


def add_paging(parser: argparse.ArgumentParser) -> None:
    """Add ``--limit``, which has another name too, and ``--page-size``."""
    parser.add_argument(
        "--limit",
        "--max-items",
        dest="limit",
        metavar="<n>",
        type=count,
        help=_("Show at most this many images in all (default: all)"),
    )
    parser.add_argument(
        "--page-size",
        metavar="<n>",
        type=page_size,
        default=1000,
        help=_("Ask for this many images at a time, 1 to 1000 (default: 1000)"),
    )


def add_target(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add ``--target``: the Image API of a service that images go to."""
    parser.add_argument(
        "--target", metavar="<version>", choices=("v2", "v1"), default="v2", help=help_text
    )


def add_changes(
    parser: argparse.ArgumentParser, project_map: str, keep_project_ids: str, visibility: str
) -> None:
    """Add the options that say what of images is another in another cloud, by their help."""
    parser.add_argument("--project-map", metavar="<file>", type=not_empty, help=project_map)
    parser.add_argument("--keep-project-ids", action="store_true", help=keep_project_ids)
    parser.add_argument(
        "--visibility",
        dest="new_visibility",
        metavar="<visibility>",
        choices=("public", "private", "shared", "community"),
        help=visibility,
    )


def add_human_readable(parser: argparse.ArgumentParser) -> None:
    """Add ``--human-readable``."""
    parser.add_argument(
        "--human-readable",
        action="store_true",
        help=_("Show sizes with a unit (1.5 GiB) instead of bytes"),
    )


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add ``--progress`` and ``--no-progress``."""
    flags: dict[str, tuple[object, str]] = {
        "--progress": (
            True,
            _("Show how far it is: a bar on a terminal (default there), else a line now and then"),
        ),
        "--no-progress": (False, _("Show no bar and no such lines, as with -q")),
    }
    add_flag_pair(parser, "progress", flags)


class _Refused(argparse.Action):
    """An option of ``openstack image`` that the Image API v1 cannot have: says why, in a line."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, _values: object, option: Any = ""
    ) -> None:
        """Say so, and end with 2."""
        parser.exit(2, f"{option}: {self.const}\n")


def add_refused(parser: argparse.ArgumentParser, reasons: Mapping[str, str]) -> None:
    """Add options that are refused, and are in no help: each says why, and what to do.

    :param parser: the command's parser
    :param reasons: several options with blanks between -> what is said of each
    """
    for names, reason in reasons.items():
        for name in names.split():
            parser.add_argument(
                name,
                action=_Refused,
                nargs="?",
                const=reason,
                dest=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
            )


def add_parallel(
    parser: argparse.ArgumentParser, help_text: str, otherwise: str | None = None
) -> None:
    """Add ``--parallel``.

    :param parser: the command's parser
    :param help_text: what is done at a time
    :param otherwise: how many where it is not given and the command decides
    """
    more = otherwise or _(
        "default: %(number)d; more helps where the service is far away and images are small, "
        "fewer where the disk is slow or the service busy"
    ) % {"number": PARALLEL}
    parser.add_argument(
        "--parallel",
        metavar="<n>",
        type=parallel,
        default=None if otherwise else PARALLEL,
        help=_("%(what)s (%(more)s)") % {"what": help_text, "more": more},
    )


def add_patterns(parser: argparse.ArgumentParser) -> None:
    """Add ``--name-pattern`` and ``--exclude``."""
    parser.add_argument(
        "--name-pattern",
        metavar="<pattern>",
        dest="name_patterns",
        action="append",
        default=[],
        type=not_empty,
        help=_(
            "Only images whose name fits this pattern: * for any text, ? for a character, [abc] "
            "for one of these, in the case that is written (repeat for several; quote it for the "
            "shell)"
        ),
    )
    parser.add_argument(
        "--exclude",
        metavar="<pattern>",
        dest="excluded",
        action="append",
        default=[],
        type=not_empty,
        help=_("Leave out images whose name or ID fits this pattern (repeat for several)"),
    )


def patterns_of(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a query that :func:`add_patterns` took."""
    return {name: tuple(getattr(parsed_args, name)) for name in ("name_patterns", "excluded")}


def add_rate(parser: argparse.ArgumentParser) -> None:
    """Add ``--max-rate``."""
    parser.add_argument(
        "--max-rate",
        metavar="<size>",
        type=rate,
        help=_(
            "Transfer at most this much data a second in all, in bytes or with a unit (50M, 1GiB)"
        ),
    )


def add_no_sparse(parser: argparse.ArgumentParser) -> None:
    """Add ``--no-sparse``."""
    parser.add_argument(
        "--no-sparse",
        dest="sparse",
        action="store_false",
        help=_("Write zeros to the disk, too, instead of leaving holes: for file systems without"),
    )


def rate_of(parsed_args: argparse.Namespace) -> Rate | None:
    """Return the rate that :func:`add_rate` took, None where there is no limit."""
    from osc_image_v1.transfer.rate import Rate

    return None if parsed_args.max_rate is None else Rate(parsed_args.max_rate)


def read_images(parsed_args: argparse.Namespace) -> None:
    """Let ``images`` have what the file names that ``--images-from`` does.

    :param parsed_args: what :func:`add_image` took
    :raises WrongUsage: if it cannot be read, names no image, or images are named besides
    """
    from osc_image_v1.cli.values import read_lines
    from osc_image_v1.exceptions import WrongUsage

    source, parsed_args.images_from = parsed_args.images_from, None
    if source is None:
        return
    if parsed_args.images:
        raise WrongUsage(_("Name images, or take them from a file, but not both"))
    parsed_args.images = read_lines(source)
    if not parsed_args.images:
        raise WrongUsage(_("'%s' names no image") % printable(source))


def add_shard(parser: argparse.ArgumentParser) -> None:
    """Add ``--shard``."""
    parser.add_argument(
        "--shard",
        metavar="<i>/<n>",
        type=shard,
        help=_(
            "Only the i-th of n parts of the images, chosen by their IDs: n machines, each with "
            "another i, share the work without talking to each other"
        ),
    )


def add_no_look(parser: argparse.ArgumentParser) -> None:
    """Add ``--no-look``."""
    parser.add_argument(
        "--no-look",
        action="store_true",
        help=_("Do not look whether today's Glance takes the data for what it is said to be"),
    )
