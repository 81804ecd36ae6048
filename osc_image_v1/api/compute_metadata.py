"""What the Compute service's proxy can write as an image's metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from osc_image_v1.exceptions import InvalidInput
from osc_image_v1.text import printable

_KEY = re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}", re.ASCII)
_LONGEST_VALUE = 255
_MOST_KEYS = 128
_FOUR_BYTES = re.compile("[\U00010000-\U0010ffff]")

# Nova hands metadata to the image service as fields of the image. Those that it sets itself win,
# without a word (seen with Nova 34).
_DROPPED = frozenset(
    "id image_id name owner visibility checksum container_format disk_format min_disk min_ram "
    "remove_props".split()
)
# These the image service refuses: Nova answers 403 or 500, for location only after it has changed
# the image.
_REFUSED = frozenset(
    "status size virtual_size location locations created_at updated_at deleted deleted_at "
    "protected tags file self schema direct_url".split()
)
# Nova leaves these as they are when they are to be one of these values.
_BOOT_IMAGES = frozenset(("kernel_id", "ramdisk_id"))
_NO_BOOT_IMAGE = frozenset(("", "none"))
# These it decodes each time that it reads the image, and fails with all else than JSON.
_JSON = frozenset(("block_device_mapping", "mappings"))


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Refuse metadata that the Compute service would refuse, or drop in silence.

    :param metadata: keys and values
    :raises InvalidInput: if there is too much, or a key or value cannot be written
    """
    if len(metadata) > _MOST_KEYS:
        raise InvalidInput(f"an image has {_MOST_KEYS} properties at most, not {len(metadata)}")
    for key, value in metadata.items():
        _check_key(key)
        _check_value(key, value)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        _refuse(
            key, "is no key of metadata: use 1 to 255 of a-z, A-Z, 0-9, '-', '_', ':', '.', ' '"
        )
    if key != key.strip():
        _refuse(key, "begins or ends with a blank, which would be cut off")
    if key in (".", ".."):
        _refuse(key, "could never be removed again: no URL can name it")
    if key in _DROPPED:
        _refuse(
            key,
            "is a field of the image, and the Compute service would drop it without a word: use "
            "'openstack image set' or 'openstack image v1 set'",
        )
    if key in _REFUSED:
        _refuse(key, "is a field of the image, which the Compute service cannot change")


def _check_value(key: str, value: str) -> None:
    if len(value) > _LONGEST_VALUE:
        _refuse(key, f"has {len(value)} characters, {_LONGEST_VALUE} is the most here")
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse(key, "is no valid text")
    if "\0" in value or _FOUR_BYTES.search(value):
        _refuse(key, "has a character that the image service does not take: NUL or above U+FFFF")
    if key in _JSON and not _is_json(value):
        _refuse(key, "must be JSON, else the Compute service can no longer read the image")
    if key in _BOOT_IMAGES and value.strip().lower() in _NO_BOOT_IMAGE:
        _refuse(
            key,
            f"cannot be '{printable(value)}', which the Compute service would drop without a "
            "word: remove it with 'openstack compute image unset'",
        )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(key: str, why: str) -> NoReturn:
    shown = printable(key) if len(key) <= _LONGEST_VALUE else printable(key[:40]) + "..."
    raise InvalidInput(f"property '{shown}' {why}")
