"""The body of an answer in pieces of bounded size, however a front end has encoded it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from http import HTTPStatus

import requests
import urllib3

from osc_image_v1.exceptions import BadAnswer, ConnectionFailed
from osc_image_v1.text import printable

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
