"""URLs that are decided on in the very form in which they are sent.

Two parsers read a URL on its way: urllib3's prepares it, and the standard library's or urllib3's
says where to connect. Where they differ, a URL could pass for one origin and be sent to another, so
only those count in which both see the same scheme, host and port.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3

_PORTS = {"http": 80, "https": 443}
# What parsers split at, drop or repair, each in its own way.
_AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\\s]")
# Segments that no parser changes, and what they can be added to.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_-]+)+")
_WITHOUT_QUERY = re.compile(r"[^?#]+")
_OUTSIDE_ASCII = re.compile(r"[^\x21-\x7e]")


class Origin(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int


class Address(NamedTuple):
    """An http URL, ready to be sent.

    :ivar url: the text that is sent, without user and password
    :ivar origin: where that text leads
    :ivar credentials: user and password that the URL was given with
    """

    url: str
    origin: Origin
    credentials: tuple[str, str] | None = None

    @property
    def site(self) -> str:
        """The beginning of the URL, up to its path."""
        return "{}://{}".format(*urlsplit(self.url))

    @property
    def path(self) -> str:
        """The URL's path."""
        return urlsplit(self.url).path

    def at(self, path: str) -> Address:
        """Return the address of another path of this origin, without a query.

        :param path: begins with a slash or is empty, quoted
        """
        return parse(self.site + path)._replace(credentials=self.credentials)

    def below(self, path: str, params: Mapping[str, str | list[str]] | None = None) -> Address:
        """Return the address of something below this one.

        :param path: begins with a slash, its segments quoted
        :param params: query parameters
        """
        url = self.url.rstrip("/") + path
        if params or not (_PLAIN.fullmatch(path) and _WITHOUT_QUERY.fullmatch(self.url)):
            return parse(url, params)._replace(credentials=self.credentials)
        # No parser changes any of it, nor where it leads.
        return self._replace(url=url)

    def redirected(self, location: str) -> Address:
        """Return what a redirect of this address points to, wherever that is.

        User and password of this address go along where the origin is the same.

        :param location: what the service has sent
        :raises ValueError: if it is no plain URL without user and password
        """
        if _OUTSIDE_ASCII.search(location) or "\\" in location:
            raise ValueError("characters that no URL has")
        target = urljoin(self.url, location)
        if "@" in urlsplit(target).netloc or urllib3.util.parse_url(target).auth is not None:
            raise ValueError("user or password")
        whole = parse(target)
        same = whole.origin == self.origin
        return whole._replace(credentials=self.credentials if same else None)


def parse(text: str, params: Mapping[str, str | list[str]] | None = None) -> Address:
    """Read an http URL as it will be sent.

    :param text: the URL
    :param params: query parameters that are added to it
    :raises ValueError: if it is none, or parsers differ on where it leads
    """
    if _AMBIGUOUS.search(text):
        raise ValueError("characters that no URL has")
    parts = urlsplit(text)
    user_info, _at, place = parts.netloc.rpartition("@")
    url = _prepared(parts._replace(netloc=place).geturl(), params)
    origin = _origin(url)
    # The session prepares what it is given once more.
    if _prepared(url) != url:
        raise ValueError("it changes on its way")
    user, _colon, password = user_info.partition(":")
    credentials = (unquote(user), unquote(password)) if user_info else None
    return Address(url, origin, credentials)


def _prepared(text: str, params: Mapping[str, str | list[str]] | None = None) -> str:
    request = requests.PreparedRequest()
    # Errors of requests about URLs are ValueErrors too.
    request.prepare_url(text, dict(params) if params else None)
    return str(request.url)


def _origin(url: str) -> Origin:
    """Return where a prepared URL leads, by both parsers."""
    standard = urlsplit(url)
    try:
        other = urllib3.util.parse_url(url)
    except urllib3.exceptions.HTTPError as error:
        raise ValueError(str(error)) from error
    if standard.scheme not in _PORTS or not standard.hostname or "@" in standard.netloc:
        raise ValueError("no http URL")
    port = standard.port or _PORTS[standard.scheme]
    # urllib3 keeps the brackets of an IPv6 address, and decodes the sign before its zone.
    host = standard.hostname.replace("%25", "%")
    seen = Origin(other.scheme or "", (other.host or "").strip("[]"), other.port or port)
    if seen != Origin(standard.scheme, host, port) or other.auth is not None:
        raise ValueError("parsers differ on where it leads")
    return seen


def as_curl(
    method: str, address: Address, options: Mapping[str, Any], session: Any, auth: Any
) -> str:
    """Return a request as a line for a shell, as keystoneauth1 logs it: with the token's SHA-256.

    :param method: the HTTP method
    :param address: where it goes
    :param options: ``headers``, and ``json`` or ``data``
    :param session: the keystoneauth1 session that sends it
    :param auth: what gives the session its token, None for nothing
    """
    words = ["curl", "-g", "-i", *(["--head"] if method == "HEAD" else ["-X", method])]
    if session.verify is False:
        words.append("--insecure")
    elif isinstance(session.verify, str):
        words += ["--cacert", session.verify]
    words.append(address.url)
    if address.credentials is not None:
        words += ["--user", "***"]
    for name, value in {**options["headers"]}.items():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        words += ["-H", f"{name}: {text}"]
    hidden = session.get_auth_headers(auth) if auth is not None else None
    for name, value in (hidden or {}).items():
        secret = value if isinstance(value, bytes) else str(value).encode()
        words += ["-H", f"{name}: {{SHA256}}{hashlib.sha256(secret).hexdigest()}"]
    if options.get("json") is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(options["json"])]
    elif options.get("data") is not None:
        words += ["--data-binary", "@-"]
    return shlex.join(words)
