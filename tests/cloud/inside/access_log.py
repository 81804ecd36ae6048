"""A WSGI filter in front of everything else in a service: one line a request, never a token.

The fields of a line are separated by tabs::

    2026-01-31T12:00:00.123456Z  200  GET  /v1/images?limit=1  compute 2.1  openstacksdk/4.0

that is when it was answered, the status, the method, the target as it was sent, the
``OpenStack-API-Version`` (or Nova's own older header) and the ``User-Agent``; ``-`` where there is
none. The line is written before the answer's first byte is sent: who has read the answer finds the
line.
"""

from __future__ import annotations

import datetime
import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

#: The user agent that asks whether a service is up; that is no request of anyone's.
PROBE = "tests.cloud probe"

_TOKEN = re.compile(r"gAAAA[\w%=-]{20,}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


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
        request = (
            environ.get("REQUEST_METHOD", "-"),
            _target(environ),
            environ.get("HTTP_OPENSTACK_API_VERSION")
            or environ.get("HTTP_X_OPENSTACK_NOVA_API_VERSION")
            or "-",
            environ.get("HTTP_USER_AGENT") or "-",
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
        if request[-1] == PROBE:
            return
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields = (_TOKEN.sub("TOKEN", _CONTROL.sub("?", field)) for field in request)
        line = "\t".join((now, status.split(" ")[0], *fields)) + "\n"
        with self.lock:
            log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(log, line.encode("utf-8", "replace"))
            finally:
                os.close(log)


def _target(environ: dict[str, Any]) -> str:
    """Path and query as they were sent: waitress tells them in one word, eventlet in two."""
    if "REQUEST_URI" in environ:
        return str(environ["REQUEST_URI"])
    path = environ.get("RAW_PATH_INFO") or quote(environ.get("PATH_INFO", "").encode("latin-1"))
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else str(path)
