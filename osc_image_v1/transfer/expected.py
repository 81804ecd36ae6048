"""What an image's record says of its data, and what that proves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from osc_image_v1.api.models import WITH_DATA, ImageDetail
from osc_image_v1.api.records import as_checksum, checksum_algorithm
from osc_image_v1.text import printable

_NAMES = {"sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}
# Where a snapshot of a server that boots from a volume says which volume has its data.
_IN_A_VOLUME = "block_device_mapping"


@dataclass(frozen=True)
class Expected:
    """What an image's data must be.

    A size of 0 alone proves nothing: services write it too where their store did not answer when
    the image was made.

    :ivar size: bytes, None where nobody knows
    :ivar checksum: hexadecimal, None where there is none of a known algorithm
    :ivar algorithm: the name that :mod:`hashlib` has for the checksum's algorithm
    :ivar said: the size and the checksum as the record has them
    :ivar in_a_volume: whether the image has no data of its own: a volume has it
    """

    size: int | None
    checksum: str | None
    algorithm: str | None
    said: tuple[int | None, str | None]
    in_a_volume: bool

    @property
    def md5(self) -> str | None:
        """The checksum where it is an MD5."""
        return self.checksum if self.algorithm == "md5" else None

    def fits(self, digest: str | None) -> bool:
        """Tell whether a checksum of data, by the same algorithm, can be this image's."""
        return self.checksum in (None, digest)

    def vouches_for(self, size: int) -> bool:
        """Tell whether data that fits is proven to be the image's.

        :param size: its bytes
        """
        return self.checksum is not None or (self.in_a_volume and size == 0)

    def vouching(self, size: int | None) -> str:
        """Return what vouches for data that fits, as a clause.

        :param size: its bytes, None where there is none
        """
        if size is None:
            return "there is no data"
        if not self.vouches_for(size):
            return "nothing vouches for its content"
        if self.algorithm is None:
            return "its data is in a volume"
        return f"the service's {_NAMES.get(self.algorithm, self.algorithm.upper())} vouches for it"

    def doubt(self, image: str) -> str:
        """Return why nothing vouches for the data, as the beginning of a sentence.

        :param image: what the image is called in it
        """
        size, checksum = self.said
        if checksum:
            return f"The checksum of {image}, {printable(checksum)[:130]}, is of no known algorithm"
        if size == 0:
            return f"The service says that {image} has 0 bytes, and has no checksum of it"
        return f"The service has no checksum of {image}"

    def lack(self) -> str | None:
        """Return what is lacking that would vouch for the data, None where nothing is."""
        size, checksum = self.said
        if self.checksum or self.in_a_volume:
            return None
        if checksum:
            return "a checksum of no known algorithm here"
        return "0 bytes and no checksum here" if size == 0 else "no checksum here"


def expected_of(image: ImageDetail) -> Expected:
    """Return what the data of an image must be.

    :param image: the image, as its record has it
    """
    checksum, algorithm = as_checksum(image.checksum), checksum_algorithm(image.checksum)
    proven = bool(image.size) or (algorithm is not None and checksum == _of_nothing(algorithm))
    return Expected(
        size=image.size if proven else None,
        checksum=checksum,
        algorithm=algorithm,
        said=(image.size, image.checksum),
        in_a_volume=is_in_a_volume(image.size, image.properties),
    )


def _of_nothing(algorithm: str) -> str:
    return hashlib.new(algorithm, usedforsecurity=False).hexdigest()


def is_in_a_volume(size: int | None, properties: Mapping[str, object]) -> bool:
    """Tell whether an image is the snapshot of a server whose data a volume has.

    :param size: of the image
    :param properties: of the image
    """
    return size == 0 and _IN_A_VOLUME in properties


def has_data(image: ImageDetail) -> bool:
    """Tell whether an image has data that its service hands out, at least to an admin."""
    return image.status in WITH_DATA
