"""What the commands on many images share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from osc_image_v1.cli import base, image
from osc_image_v1.i18n import _


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
        return base.started(named_records(manager.image_v1, parsed_args.images))
    pages = base.started(manager.image_v1.pages(query, detail=True))
    return (record for page in pages for record in page)
