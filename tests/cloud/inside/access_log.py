"""A WSGI filter in front of everything else in a service: one line a request, never a token.

The fields of a line are separated by tabs::

    2026-01-31T12:00:00.123456Z  200  GET  /v1/images?limit=1  compute 2.1  openstacksdk/4.0

that is when it was answered, the status, the method, the target, the ``OpenStack-API-Version`` (or
Nova's own older header) and the ``User-Agent``; ``-`` where there is none. The line is written
before the answer's first byte is sent: who has read the answer finds the line.
"""

from __future__ import annotations

import datetime
import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

_TOKEN = re.compile(r"gAAAA[\w%=-]{20,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _plain(value: str | None) -> str:
    """A header's value as one field of a line."""
    return (
        _CONTROL.sub("?", value or "").encode("latin-1", "replace").decode("utf-8", "replace")
        or "-"
    )


class AccessLog:
    """The filter, and the file that it appends to."""

    def __init__(self, app: Callable[..., Iterable[bytes]], path: str) -> None:
        self.app = app
        self.path = path
        self.lock = threading.Lock()

    @classmethod
    def factory(cls, _global_conf: dict[str, str], path: str) -> Callable[..., AccessLog]:
        """What a paste configuration names as ``paste.filter_factory``."""
        return lambda app: cls(app, path)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        # The applications behind this filter change environ: what was asked is read now.
        query = environ.get("QUERY_STRING")
        target = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        target = quote(target.encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~")
        if query:
            target += "?" + query
        request = (
            environ.get("REQUEST_METHOD", "-"),
            _TOKEN.sub("TOKEN", _plain(target)),
            _plain(
                environ.get("HTTP_OPENSTACK_API_VERSION")
                or environ.get("HTTP_X_OPENSTACK_NOVA_API_VERSION")
            ),
            _TOKEN.sub("TOKEN", _plain(environ.get("HTTP_USER_AGENT"))),
        )
        answered = False

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal answered
            if not answered:
                answered = True
                self.write(status, *request)
            return start_response(status, headers, *rest)

        try:
            return self.app(environ, answer)
        except Exception:
            if not answered:
                self.write("500", *request)
            raise

    def write(self, status: str, *request: str) -> None:
        """Append one line, at once: there is no buffer between this and the file."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = "\t".join((now, status.split(" ")[0], *request)) + "\n"
        with self.lock:
            log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(log, line.encode())
            finally:
                os.close(log)
