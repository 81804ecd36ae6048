"""Commands that do the same with several images, and go on after an error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from osc_image_v1.i18n import _

LOG = logging.getLogger(__name__)


def delete_images(
    client: Any, names_or_ids: Sequence[str], reason: Callable[[str, Exception], str]
) -> None:
    """Delete images one after the other, and fail at the end if one could not be deleted.

    :param client: a client with ``delete`` and ``find``
    :param names_or_ids: what the person wrote
    :param reason: makes of a name or ID and its error the text that is shown
    :raises ImageV1Error: if an image could not be deleted, with their count
    """
    from osc_image_v1.exceptions import ImageV1Error

    failed = 0
    for name_or_id in names_or_ids:
        try:
            _delete(client, name_or_id)
        except ImageV1Error as error:
            failed += 1
            LOG.error(reason(name_or_id, error))
    if failed:
        raise ImageV1Error(
            _("%(failed)d of %(total)d images could not be deleted")
            % {"failed": failed, "total": len(names_or_ids)}
        )


def _delete(client: Any, name_or_id: str) -> None:
    from osc_image_v1.exceptions import ImageNotFound
    from osc_image_v1.text import is_uuid

    if is_uuid(name_or_id):
        try:
            client.delete(name_or_id)
            return
        except ImageNotFound:
            # A name can look like an ID.
            pass
    client.delete(client.find(name_or_id).id)
