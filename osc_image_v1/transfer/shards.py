"""A stable n-th of the images, so that many machines share a job without talking to each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """One of several parts into which images are divided by their IDs.

    An image is in the same part on every machine, whatever other images there are, and in no
    other.

    :ivar index: which part, from 1
    :ivar count: how many parts there are
    """

    index: int = 1
    count: int = 1

    def __contains__(self, image_id: object) -> bool:
        """Tell whether an image belongs to this part, by its ID in any case."""
        return index_of(image_id, self.count) == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def index_of(image_id: object, count: int) -> int:
    """Return which of several parts an image belongs to, from 1.

    :param image_id: the image's ID, in any case
    :param count: how many parts there are
    """
    if count == 1:
        return 1
    digest = hashlib.sha256(str(image_id).lower().encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count + 1
