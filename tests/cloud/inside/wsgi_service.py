"""Serve a WSGI application under waitress: ``wsgi_service.py MODULE PORT ACCESS_LOG [THREADS]``."""

from __future__ import annotations

import importlib
import sys

#: waitress refuses bodies from 1 GiB on unless it is told; images are larger.
LARGEST_BODY = 2**50


def main(module: str, port: str, log: str, threads: str = "8") -> None:
    """Import the application, put the access log in front of it, and serve it until the end."""
    # Keystone, Nova and Glance read sys.argv themselves while they are imported.
    sys.argv[1:] = []
    application = importlib.import_module(module).application
    # A neighbour of this file, which is started by its path.
    access_log = importlib.import_module("access_log")
    waitress = importlib.import_module("waitress")
    waitress.serve(
        access_log.AccessLog(application, log),
        host="127.0.0.1",
        port=int(port),
        threads=int(threads),
        max_request_body_size=LARGEST_BODY,
        ident=None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:5])
