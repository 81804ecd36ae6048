"""A front end on loopback that passes requests on, holds them, or loses answers to writes."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP = frozenset(("connection", "transfer-encoding", "content-length", "host", "expect"))
_DATA = re.compile(r"/v1/images/([0-9a-f-]{36})")
_PAGE = b"<html><head><title>504</title></head><body>Gateway Time-out</body></html>"


class Relay:
    """The front end, up within a ``with`` block.

    :param url: the service behind it
    :ivar how: what becomes of a request that writes: "done" is answered as the service does;
        "lost" is done, and answered with a 504 of the front end; "reset" is done, and the
        connection ends; "never" is not done, and answered with 504; "slow" is answered with 504 at
        once, and done in the background, the body bit by bit; "page" is not done, and answered with
        200 and a page; "large" is not done where it has a body of data, and answered with 413
    :ivar written: the methods of requests that write, in order
    :ivar sent: bytes of their bodies
    :ivar busy: threads that still write in the background
    :ivar gate: while it is cleared, reads of an image's data are held
    :ivar asked: of which images data was asked for, in order
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), parts.port
        self.path = parts.path
        self.how = "lost"
        self.written: list[str] = []
        self.sent = 0
        self.busy: list[threading.Thread] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []

    def __enter__(self) -> Relay:
        handler = type("Handler", (_Handler,), {"relay": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{self.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for thread in self.busy:
            thread.join(30)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes, pause: float = 0.0
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Ask the service; pause in the middle of the body, which it stores meanwhile."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            half = len(body) // 2
            connection.send(body[:half])
            time.sleep(pause)
            connection.send(body[half:])
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()


class _Handler(BaseHTTPRequestHandler):
    relay: Relay
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        body = b"".join(self._body())
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        request = (self.command, self.path, headers, body)
        how = "done"
        if self.command == "GET" and (data := _DATA.fullmatch(self.path)):
            self.relay.asked.append(data[1])
            self.relay.gate.wait(300)
        if self.command not in ("GET", "HEAD"):
            how = self.relay.how
            self.relay.written.append(self.command)
            self.relay.sent += len(body)
            if how == "large" and self.command != "PUT":
                how = "done"
        if how == "slow":
            thread = threading.Thread(target=self.relay.ask, args=(*request, 2.0))
            self.relay.busy.append(thread)
            thread.start()
        elif how not in ("never", "page", "large"):
            answer = self.relay.ask(*request)
        if how == "done":
            # Who asked may have been killed while it was held.
            with contextlib.suppress(ConnectionError):
                self._send(*answer)
        elif how == "reset":
            self.close_connection = True
        else:
            status = {"page": 200, "large": 413}.get(how, 504)
            self._send(status, [("Content-Type", "text/html")], _PAGE)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _do  # noqa: N815

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP or (name.lower() == "content-length" and not body):
                self.send_header(name, value)
        if body:
            self.send_header("Content-Length", str(len(body)))
        elif status != 204 and not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
