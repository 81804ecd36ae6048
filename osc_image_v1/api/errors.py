"""What a service, or what stands in front of it, says in an error, as one line of text.

A service's own answers have a request ID. A front end's have none, but a page that names it: so it
is said who speaks, and where its operator is to look. The releases of services that had no request
IDs yet wrote pages of another make.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any

from osc_image_v1.text import one_line, printable, without_secrets

#: What a service means that answers with 401, after a new token too where there is one.
NOT_ACCEPTED = (
    "the token is not accepted: it may have run out, or be another cloud's; get a new one with "
    "'openstack token issue', or log in anew"
)

#: How what a front end has said begins, if it is not the service that has answered.
IN_FRONT = "something in front of the service answered, not the service itself"

_LONGEST = 400
# What is left of webob's markup when it was escaped.
_BREAK = re.compile(r"<br ?/?>")

# What webob adds to every error of its kind before the service's own words.
_PHRASES = re.compile(
    r"The server could not comply with the request since it is either malformed or otherwise "
    r"incorrect\.|"
    r"The resource could not be found\.|"
    r"Access was denied to this resource\.|"
    r"This server could not verify that you are authorized to access the document you requested\."
    r" Either you supplied the wrong credentials \(e\.g\., bad password\), or your browser does "
    r"not understand how to supply the credentials required\.|"
    r"There was a conflict when trying to complete your request\.|"
    r"The server has either erred or is incapable of performing the requested operation\.|"
    r"The body of your request was too large for this server\.|"
    r"The request media type \S* ?is not supported by this server\."
)
# Names of statuses that are not those of each Python and each service.
_TITLES = {
    413: ("Request Entity Too Large", "Content Too Large", "Payload Too Large", "Over Limit"),
    414: ("Request-URI Too Long", "URI Too Long", "Request-URI Too Large"),
    416: ("Requested Range Not Satisfiable", "Range Not Satisfiable"),
    502: ("Proxy Error",),
    504: ("Gateway Time-out",),
}


# Comments, what a page does not show, and tags. Each alternative ends at the end of the text at the
# latest: a hostile page must not take longer than its length.
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|title)\b.*?(?:</\1\s*>|\Z)|</?[a-z!?][^<>]*>",
    re.DOTALL | re.IGNORECASE,
)


def explanation(body: bytes, content_type: str, status: int) -> str:
    """Return what the service said.

    :param body: the body of the answer, or the beginning of it
    :param content_type: the answer's Content-Type
    :param status: the HTTP status, which many a body repeats
    :returns: one line without markup, entities, control characters or keys in URLs, "" where
        nothing was said
    """
    text = without_secrets(body.decode("utf-8", "replace"))
    said = _from_json(text) if "json" in content_type or text[:1] in ("{", "[") else None
    if said is None:
        said = _from_markup(text) if "<" in text else text
    # Nova escapes once or twice.
    said = _BREAK.sub(" ", html.unescape(html.unescape(said)))
    return _one_line(without_secrets(said), status)


def _from_json(text: str) -> str | None:
    try:
        return _message(json.loads(text)) or ""
    except (ValueError, RecursionError):
        return None


def _message(value: Any) -> str | None:
    """Find the message in ``{"badRequest": {"message": ...}}`` and its kin."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    for key in ("message", "detail", "description", "title", "error"):
        if isinstance(value.get(key), str):
            return str(value[key])
    for inner in value.values():
        entry = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(entry, dict) and (found := _message(entry)):
            return found
    return None


def _from_markup(text: str) -> str:
    return html.unescape(_MARKUP.sub(" ", text))


def _one_line(text: str, status: int) -> str:
    line = " ".join(text.split())
    titles = (responses.get(status, ""), *_TITLES.get(status, ()))
    title = "|".join(re.escape(f" {name}".rstrip()) for name in titles)
    status_line = re.compile(rf"^(?:(?:HTTP )?{status}(?:{title})[ :]*)+", re.IGNORECASE)
    line = status_line.sub("", line)
    # Services of services repeat the status at the end.
    line = line.replace(f" (HTTP {status})", "")
    # Glance of Havana says it once more behind webob's words.
    shorter = status_line.sub("", " ".join(_PHRASES.sub(" ", line).split()))
    line = printable(shorter or line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def said_of(body: bytes, status: int, headers: Mapping[str, str], request_id: str | None) -> str:
    """Return who said what in an error, and what to do about it.

    :param body: the body of the answer, or the beginning of it
    :param status: its HTTP status
    :param headers: its headers
    :param request_id: the service's, None where the answer has none
    """
    kind = headers.get("Content-Type", "")
    if request_id is None and status >= HTTPStatus.BAD_REQUEST:
        in_front = _told_by_front_end(body, kind, status, headers)
        if in_front is not None:
            return in_front
    said = explanation(body, kind, status)
    if status < HTTPStatus.BAD_REQUEST:
        return said or "this status is not part of the API"
    if status == HTTPStatus.UNAUTHORIZED:
        return f"{said}; {NOT_ACCEPTED}" if said else NOT_ACCEPTED
    return said


# Front ends

# How nginx and what was made of it or after it end a page, Apache, Squid and Varnish.
_SIGNATURES = (
    re.compile(r"<hr\s*/?><center>([^<>]{1,60})</center>", re.IGNORECASE),
    re.compile(r"<address>([^<>]{1,80}?)(?: Server)? at [^<>]{1,200}</address>", re.IGNORECASE),
    re.compile(r"\((squid/[\w.-]{1,40})\)", re.IGNORECASE),
    re.compile(r"<p>(Varnish) cache server</p>", re.IGNORECASE),
)
# All that HAProxy says is a heading and a sentence.
_HAPROXY = re.compile(r"\s*<html><body><h1>\d{3} [^<]*</h1>\s*[^<]*</body></html>\s*")
# Without ServerSignature an Apache's pages do not name it.
_APACHE = re.compile(
    r'\s*<!DOCTYPE HTML PUBLIC "-//[^">]{1,40}"(?: "[^">]{1,80}")?>\s*<html><head>\s*'
    r"<title>\d{3} [^<]*</title>\s*</head><body>\s*<h1>",
    re.IGNORECASE,
)
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


def _told_by_front_end(
    body: bytes, content_type: str, status: int, headers: Mapping[str, str]
) -> str | None:
    """Return what a front end said and what to look at, None where the service itself spoke."""
    text = body.decode("utf-8", "replace")
    name = _name(text, headers)
    if name is None and status not in _NO_GATEWAY:
        return None
    name = name or _server(headers)
    words = explanation(body, content_type, status)
    if name:
        words = _without_name(words, name)
    words = words.rstrip("( .")
    who = f"{name}, no request ID" if name else "no request ID"
    said = f"{IN_FRONT} ({who})"
    hint = _hint(words, status, name or "")
    return f"{said}{f': {words}' if words else ''}{f'; {hint}' if hint else ''}"


def _name(text: str, headers: Mapping[str, str]) -> str | None:
    for signature in _SIGNATURES:
        if found := signature.search(text):
            return one_line(found[1])
    if _HAPROXY.fullmatch(text):
        return "HAProxy, by its page"
    if _APACHE.match(text):
        return _server(headers) or "Apache, by its page"
    return "Squid" if "X-Squid-Error" in headers else None


def _server(headers: Mapping[str, str]) -> str | None:
    """Return a front end's name where it has no page, as in an answer to HEAD."""
    server = headers.get("Server", "")
    known = any(family in server.lower() for family in _FAMILIES)
    return printable(without_secrets(server))[:80] if known else None


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
