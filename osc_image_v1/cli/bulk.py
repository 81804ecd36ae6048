"""What the commands on many images share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from osc_image_v1.cli import base, image
from osc_image_v1.i18n import _


def left_over(images: int, why: str | None) -> str:
    """Return what is added to a failure's sentence where images were not tried.

    :param images: how many
    :param why: what :class:`~osc_image_v1.transfer.outage.Outage` says
    """
    if not images:
        return ""
    since = {
        "unknown": _("the token is not accepted any more: when you have a new one"),
        "failing": _("one after the other fails, and each takes long: when that is mended"),
        "full": _("the target has no room or no quota left: when there is more"),
    }
    gone = _("a service does not answer any more: when it is back")
    text: str = _(
        ", and %(images)d more were not tried, since %(since)s, run the same command again, and it "
        "goes on"
    )
    return text % {"images": images, "since": since.get(why or "", gone)}


def records(parsed_args: argparse.Namespace, manager: Any) -> Iterator[Any]:
    """Return the records of the images that are named, or that filters choose.

    :param parsed_args: ``images``, and what :func:`~osc_image_v1.cli.image.add_filters` took
    :param manager: the shell's client manager
    :returns: an iterator, its first page fetched
    :raises InvalidInput: if there are both names and filters
    """
    from osc_image_v1.api.queries import ImageQuery
    from osc_image_v1.archive.export import named_records
    from osc_image_v1.exceptions import InvalidInput

    query = image.query_of(parsed_args, manager)
    if parsed_args.images:
        if query != ImageQuery():
            raise InvalidInput(_("Name images, or choose them by options, but not both"))
        return base.started(named_records(manager.image_v1, parsed_args.images))
    pages = base.started(manager.image_v1.pages(query, detail=True))
    return (record for page in pages for record in page)
