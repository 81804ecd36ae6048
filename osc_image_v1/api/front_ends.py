"""Errors of what stands in front of a service: who speaks, and where its operator is to look.

A service's own answers have a request ID. A front end's have none, but a page that names it. The
releases of services that had no request IDs yet wrote pages of another make.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from osc_image_v1.api.errors import explanation
from osc_image_v1.text import printable, without_secrets

# How nginx and what was made of it or after it end a page, Apache, Squid and Varnish.
_SIGNATURES = (
    re.compile(r"<hr\s*/?><center>([^<>]{1,60})</center>", re.IGNORECASE),
    re.compile(r"<address>([^<>]{1,80}?)(?: Server)? at [^<>]{1,200}</address>", re.IGNORECASE),
    re.compile(r"\((squid/[\w.-]{1,40})\)", re.IGNORECASE),
    re.compile(r"<p>(Varnish) cache server</p>", re.IGNORECASE),
)
# All that HAProxy says is a heading and a sentence.
_HAPROXY = re.compile(r"\s*<html><body><h1>\d{3} [^<]*</h1>\s*[^<]*</body></html>\s*")
_FAMILIES = ("nginx", "openresty", "apache", "haproxy", "squid", "varnish")

_HEADERS = {
    "nginx": "large_client_header_buffers",
    "haproxy": "tune.bufsize and tune.http.maxhdr",
    "apache": "LimitRequestFields and LimitRequestFieldSize",
}
_TOO_MANY_HEADERS = (
    "where a request changes very many or long properties, it takes fewer or shorter headers"
)
# status -> what is the matter, and the setting of each that is to be looked at
_HINTS: Mapping[int, tuple[str, Mapping[str, str]]] = {
    400: (_TOO_MANY_HEADERS, _HEADERS),
    401: (
        "it wants a log-in of its own, which an endpoint override can have: "
        "https://<user>:<password>@<host>",
        {},
    ),
    403: ("it does not let this request through", {}),
    404: ("the URL does not lead to the service", {}),
    405: ("it does not let this request through", {}),
    407: (
        "the proxy wants a log-in: http://<user>:<password>@<proxy> in http_proxy or https_proxy",
        {},
    ),
    413: (
        "it takes no body of that size",
        {"nginx": "client_max_body_size", "apache": "LimitRequestBody"},
    ),
    414: (_TOO_MANY_HEADERS, _HEADERS),
    431: (_TOO_MANY_HEADERS, _HEADERS),
    502: (
        "the service does not answer it or, where it is this image alone, sends more metadata than "
        "its buffers for headers take",
        {
            "nginx": "proxy_buffer_size and proxy_buffers",
            "haproxy": "tune.bufsize and tune.http.maxhdr",
            "apache": "responsefieldsize",
        },
    ),
    503: ("it has no service to ask, or takes fewer requests at a time", {"nginx": "limit_req"}),
    504: (
        "it waits less long than the service takes",
        {"nginx": "proxy_read_timeout", "haproxy": "timeout server", "apache": "ProxyTimeout"},
    ),
}
_NO_GATEWAY = (502, 504)


def told_by_front_end(
    body: bytes, content_type: str, status: int, headers: Mapping[str, str]
) -> str | None:
    """Return what a front end said and what to look at, None where the service itself spoke.

    :param body: the body of an answer without a request ID, or the beginning of it
    :param content_type: the answer's Content-Type
    :param status: the HTTP status
    :param headers: the answer's headers
    """
    text = body.decode("utf-8", "replace")
    name = _name(text, headers)
    if name is None and status not in _NO_GATEWAY:
        return None
    words = explanation(body, content_type, status)
    if name:
        words = _without_name(words, name)
    words = words.rstrip("( .")
    who = f"{name}, no request ID" if name else "no request ID"
    said = f"something in front of the service answered, not the service itself ({who})"
    hint = _hint(words, status, name or "")
    return f"{said}{f': {words}' if words else ''}{f'; {hint}' if hint else ''}"


def _name(text: str, headers: Mapping[str, str]) -> str | None:
    for signature in _SIGNATURES:
        if found := signature.search(text):
            return printable(without_secrets(" ".join(found[1].split())))
    if _HAPROXY.fullmatch(text):
        return "HAProxy, by its page"
    return "Squid" if "X-Squid-Error" in headers else None


def _without_name(words: str, name: str) -> str:
    """Return a page's words without the line at its end that names who made it."""
    return words.partition(name)[0].strip() if name in words else words


def _hint(words: str, status: int, name: str) -> str:
    if "HTTPS port" in words or "SSL-enabled server port" in words:
        return "the service's URL begins with https://, give it so with an endpoint override"
    if "SSL certificate" in words:
        return "it wants a certificate of the client: give it with --os-cert and --os-key"
    hint, settings = _HINTS.get(status, ("", {}))
    family = next((one for one in _FAMILIES if one in name.lower()), "")
    setting = settings.get("nginx" if family == "openresty" else family)
    if setting:
        return f"{hint}: look at {setting} there"
    if family or not settings:
        return hint
    every = ", ".join(f"{other}'s {setting}" for other, setting in settings.items())
    return f"{hint}: look at its settings, as {every}"
