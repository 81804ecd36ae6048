"""Options that the commands on many images share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from osc_image_v1.cli import image, options, output
from osc_image_v1.i18n import _

if TYPE_CHECKING:
    from osc_image_v1.transfer.shards import Shard

_MOST_PARALLEL = 64


def parallel(text: str) -> int:
    """Parse how many images are worked on at a time."""
    number = options.count(text)
    if not 1 <= number <= _MOST_PARALLEL:
        raise argparse.ArgumentTypeError(
            _("%(number)d is not from 1 to %(most)d") % {"number": number, "most": _MOST_PARALLEL}
        )
    return number


def shard(text: str) -> Shard:
    """Parse a part of the images, ``<i>/<n>``."""
    from osc_image_v1.transfer.shards import parse_shard

    try:
        return parse_shard(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_parallel(parser: argparse.ArgumentParser, help_text: str, default: int | None = 4) -> None:
    """Add ``--parallel``.

    :param parser: the command's parser
    :param help_text: what is done at a time
    :param default: how many, None where the command decides
    """
    parser.add_argument("--parallel", metavar="<n>", type=parallel, default=default, help=help_text)


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


def left_over(images: int) -> str:
    """Return what is added to a failure's sentence where images were not tried.

    :param images: how many
    """
    if not images:
        return ""
    text: str = _(
        ", and %d more were not tried, since a service does not answer any more: when it is back, "
        "run the same command again, and it goes on"
    )
    return text % images


def records(parsed_args: argparse.Namespace, manager: Any) -> Iterator[Any]:
    """Return the records of the images that are named, or that filters choose.

    :param parsed_args: ``images``, and what :func:`~osc_image_v1.cli.image.add_filters` took
    :param manager: the shell's client manager
    :returns: an iterator, its first page fetched
    :raises InvalidInput: if there are both names and filters
    """
    from osc_image_v1.api.queries import ImageQuery
    from osc_image_v1.exceptions import InvalidInput
    from osc_image_v1.transfer.export import named_records

    query = image.query_of(parsed_args, manager)
    if parsed_args.images:
        if query != ImageQuery():
            raise InvalidInput(_("Name images, or choose them by options, but not both"))
        return output.started(named_records(manager.image_v1, parsed_args.images))
    pages = output.started(manager.image_v1.pages(query, detail=True))
    return (record for page in pages for record in page)
