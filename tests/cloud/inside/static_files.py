"""A plain HTTP file server on loopback: ``static_files.py FOLDER PORT ACCESS_LOG``.

It is where images with a location live, and what ``copy-from`` copies from.
"""

from __future__ import annotations

import functools
import http.server
import importlib
import sys
from typing import Any


class Handler(http.server.SimpleHTTPRequestHandler):
    """The standard library's handler, writing the cloud's kind of access log."""

    log: Any

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        status = str(getattr(code, "value", code))
        agent = self.headers.get("User-Agent") or "-"
        self.log.write(status, self.command or "-", self.path, "-", agent)

    def log_message(self, *_: Any) -> None:
        """Errors are in the access log, by their status."""


def main(folder: str, port: str, log: str) -> None:
    """Serve the folder until the end."""
    # A neighbour of this file, which is started by its path.
    Handler.log = importlib.import_module("access_log").AccessLog(lambda *_: [], log)
    handler = functools.partial(Handler, directory=folder)
    http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:4])
