"""Sizes as people write them."""

import re

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable

_SIZE = re.compile(r"(\d{1,30}(?:\.\d{1,30})?)\s*([kmgtpe]?)(i?b)?", re.IGNORECASE | re.ASCII)
_POWERS = " kmgtpe"
_LARGEST = 2**63 - 1


def parse_size(text: str) -> int:
    """Return the number of bytes that a person wrote.

    ``K``, ``M``, ``G``, ``T``, ``P``, ``E`` and ``KiB``, ``MiB``... are powers of 1024; ``KB``,
    ``MB``... are powers of 1000.

    :param text: a number, with or without a unit: ``512``, ``10G``, ``1.5GiB``, ``700MB``
    :returns: bytes; a fraction of a byte is cut off
    :raises InvalidInput: if it is no size, or above 2**63 - 1 bytes
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or ((match[3] or "").lower() == "ib" and not match[2]):
        raise InvalidInput(
            f"'{printable(text)}' is no size: use bytes or a number with a unit (512, 10G, 512MiB)"
        )
    number, unit, suffix = match[1], match[2].lower(), (match[3] or "").lower()
    base = 1000 if suffix == "b" else 1024
    factor = base ** _POWERS.index(unit) if unit else 1
    whole, _, fraction = number.partition(".")
    size = int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)
    if size > _LARGEST:
        raise InvalidInput(f"'{printable(text)}' is too large: 2**63 - 1 bytes is the most")
    return size
