"""What a service says in the body of an error, as one line of text."""

from __future__ import annotations

import html
import json
import re
from http.client import responses
from typing import Any

from osc_image_v1.text import printable, without_secrets

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
    line = re.sub(rf"^(?:(?:HTTP )?{status}(?:{title})[ :]*)+", "", line, flags=re.IGNORECASE)
    # Services of services repeat the status at the end.
    line = line.replace(f" (HTTP {status})", "")
    shorter = " ".join(_PHRASES.sub(" ", line).split())
    line = printable(shorter or line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
