"""The data of an image on its way from the service."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import requests

from osc_image_v1.api.http import ServiceClient
from osc_image_v1.api.models import Image, ImageDetail
from osc_image_v1.api.records import as_md5
from osc_image_v1.exceptions import BadAnswer

#: Bytes. Larger pieces were slower: they leave the processor's cache.
CHUNK_SIZE = 256 * 2**10

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


class ImageData:
    """An answer whose body is the data of an image, or the rest of it.

    It is read once, and closed by leaving its ``with`` block.

    :ivar image: the image's metadata, None where the answer has none (v2)
    :ivar start: which byte of the data comes first
    :ivar size: bytes of the whole data as the answer tells, or None
    """

    def __init__(
        self,
        http: ServiceClient,
        response: requests.Response,
        action: str,
        image: ImageDetail | None = None,
        start: int = 0,
        size: int | None = None,
    ) -> None:
        self.image = image
        self.start = start
        self.size = size
        self._http = http
        self._response = response
        self._action = action

    def __enter__(self) -> ImageData:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """End the request, also before all data has come."""
        self._response.close()

    def chunks(self, chunk_size: int = CHUNK_SIZE) -> Iterator[bytes]:
        """Yield the data while it comes in.

        :param chunk_size: bytes
        :raises ConnectionFailed: if it ends early, or nothing comes for too long
        """
        return self._http.iter_body(self._response, self._action, chunk_size)


def body_size(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes an answer's body has, None where its headers do not tell."""
    length = headers.get("Content-Length", "")
    plain = headers.get("Content-Encoding", "identity") == "identity"
    return int(length) if plain and length.isdecimal() and len(length) < 20 else None


def check_rest(image: Image, start: int, headers: Mapping[str, str], action: str) -> int | None:
    """Check that a partial answer is the rest of an image's data.

    :param image: the image, with size and checksum as its record has them
    :param start: the first byte that was asked for
    :param headers: the answer's headers
    :param action: what is being done, as the beginning of an error's sentence
    :returns: bytes of the whole data, None where the answer does not tell
    :raises BadAnswer: if it is another part, or a part of something else
    """
    match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
    if match is None:
        raise BadAnswer(f"{action}: the service's partial answer does not say which part it is")
    first, last, total = int(match[1]), int(match[2]), match[3]
    size = None if total == "*" else int(total)
    known = image.size if size is None else size
    if first != start or (known is not None and last != known - 1):
        raise BadAnswer(f"{action}: the service sends another part than was asked for")
    said = as_md5(headers.get("Content-MD5")) or as_md5(headers.get("ETag"))
    changed = said is not None and as_md5(image.checksum) not in (None, said)
    if changed or (image.size is not None and size not in (None, image.size)):
        raise BadAnswer(f"{action}: the service sends a part of other data")
    return size
