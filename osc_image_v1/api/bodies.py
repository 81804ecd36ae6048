"""The body of an answer in pieces of bounded size, however a front end has encoded it.

That of some answers is the data of an image.
"""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
import urllib3

from osc_image_v1.api.models import Image, ImageDetail
from osc_image_v1.api.records import as_md5
from osc_image_v1.exceptions import BadAnswer, ConnectionFailed
from osc_image_v1.text import printable

if TYPE_CHECKING:
    from osc_image_v1.api.http import ServiceClient

#: Sent with every request. Some front ends encode all the same.
NOT_ENCODED = {"Accept-Encoding": "identity"}

# What zlib is to expect: 31 a gzip's header, 15 its own.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_ENDED = "the answer broke off: it ended early, try again"


def pieces_of(response: requests.Response, action: str, most: int) -> Iterator[bytes]:
    """Yield the body of an answer as it was before it was encoded, and fail where it ends early.

    urllib3 before version 2.6 decodes a piece of a body in one go, whatever becomes of it: a
    megabyte can be a gigabyte. So it is not asked to.

    :param response: an answer that was asked for with ``stream``
    :param action: what is being done, as the beginning of an error's sentence
    :param most: bytes of a piece
    :raises ConnectionFailed: if the body ends early
    :raises BadAnswer: if it is encoded in a way that is not known here
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    plain = encoding in ("", "identity")
    partial = response.status_code == HTTPStatus.PARTIAL_CONTENT
    if not plain and (partial or encoding not in _WINDOWS):
        raise BadAnswer(
            f"{action}: the answer is encoded ({printable(encoding)[:40]}), which was not asked "
            "for: turn compression off in what stands in front of the service"
        )
    sent = _counted(response, action, most)
    yield from sent if plain else _decoded(sent, _WINDOWS[encoding], action, most)


def _counted(response: requests.Response, action: str, most: int) -> Iterator[bytes]:
    """Yield the body as it was sent."""
    received = 0
    raw = response.raw
    streams = hasattr(raw, "stream")
    for piece in raw.stream(most, decode_content=False) if streams else iter(raw):
        received += len(piece)
        yield piece
    # Before version 2 urllib3 takes a connection that was closed early for the end.
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and received < int(length):
        raise ConnectionFailed(f"{action}: {_ENDED}")


def _decoded(sent: Iterable[bytes], window: int, action: str, most: int) -> Iterator[bytes]:
    """Yield what pieces of encoded data stand for; there may be several streams in a row."""
    inflate = None
    for data in sent:
        rest, piece = data, b""
        # A full piece may leave more behind in the decoder.
        while rest or len(piece) == most:
            if inflate is None or inflate.eof:
                if not rest:
                    break
                inflate = zlib.decompressobj(window)
            try:
                piece = inflate.decompress(rest, most)
            except zlib.error:
                raise urllib3.exceptions.DecodeError(
                    "it is not encoded as its Content-Encoding says"
                ) from None
            rest = inflate.unconsumed_tail or inflate.unused_data
            if piece:
                yield piece
    if inflate is not None and not inflate.eof:
        raise ConnectionFailed(f"{action}: {_ENDED}")


def are_headers_whole(response: requests.Response) -> bool:
    """Tell whether all headers were read: a line break in a value ends them early."""
    message = getattr(getattr(response.raw, "_original_response", None), "msg", None)
    return not getattr(message, "defects", None)


def header_lines(response: requests.Response) -> Iterator[tuple[str, str]]:
    """Yield each header line; requests' own mapping joins those that differ in case alone."""
    raw = getattr(response.raw, "headers", None)
    yield from (raw.items() if raw is not None else response.headers.items())


# The data of an image

#: Bytes. Larger pieces were slower: they leave the processor's cache.
CHUNK_SIZE = 256 * 2**10

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


class ImageData:
    """An answer whose body is the data of an image, or the rest of it.

    It is read once, and closed by leaving its ``with`` block.

    :ivar start: which byte of the data comes first
    :ivar size: bytes of the whole data as the answer tells, or None
    """

    def __init__(
        self,
        http: ServiceClient,
        response: requests.Response,
        action: str,
        image: Callable[[], ImageDetail] | None = None,
        start: int = 0,
        size: int | None = None,
    ) -> None:
        self._image = image
        self.start = start
        self.size = size
        self._http = http
        self._response = response
        self._action = action

    def __enter__(self) -> ImageData:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    @functools.cached_property
    def image(self) -> ImageDetail | None:
        """The image's metadata, None where the answer has none (v2)."""
        return None if self._image is None else self._image()

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
