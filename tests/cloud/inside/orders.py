"""A paste filter that makes a service do what was ordered: see ``tests/cloud/orders.py``.

Glance 15 and Swift both run on eventlet, whose sleep holds back one request and not the others.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any


class Orders:
    """The filter, and the file in which it looks for orders at each request."""

    def __init__(self, app: Callable[..., Iterable[bytes]], path: str) -> None:
        self.app = app
        self.path = Path(path)
        self.written = 0
        self.orders: list[dict[str, Any]] = []
        self.seen: list[int] = []
        self.sleep = importlib.import_module("eventlet").sleep

    @classmethod
    def factory(
        cls, _global_conf: dict[str, str], path: str, **_local_conf: str
    ) -> Callable[..., Orders]:
        """What a paste configuration names as ``paste.filter_factory``."""
        return lambda app: cls(app, path)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        order = self.order_for(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        what = order["do"]
        if what == "answer":
            headers = [("Content-Type", "text/plain"), ("Content-Length", "8")]
            start_response(f"{order['status']} Ordered", headers)
            return [b"ordered\n"]
        if what == "slow":
            self.sleep(order["seconds"])
        if what == "hold body":
            environ["wsgi.input"] = _HeldBody(environ["wsgi.input"], self, order)
        answer = self.app(environ, start_response)
        if what == "late":
            self.sleep(order["seconds"])
        if what == "cut":
            return self.cut(answer, order["after"])
        return self.held(answer, order) if what == "hold" else answer

    def order_for(self, method: str, path: str) -> dict[str, Any]:
        """The first order that such a request meets."""
        self.look()
        for number, order in enumerate(self.orders):
            if order["method"] not in ("", method) or order["path"] not in path:
                continue
            self.seen[number] += 1
            turn = self.seen[number] - order["skip"]
            if turn > 0 and (not order["count"] or turn <= order["count"]):
                return order
        return {"do": "pass"}

    def look(self) -> None:
        """Read the file again if it is another one."""
        try:
            written = self.path.stat().st_mtime_ns
            if written != self.written:
                self.orders = json.loads(self.path.read_text())
                self.seen = [0] * len(self.orders)
                self.written = written
        except OSError:
            self.orders = []

    def cut(self, answer: Iterable[bytes], after: int) -> Iterator[bytes]:
        """Pass on so many bytes, then break off."""
        left = after
        for chunk in answer:
            if len(chunk) >= left:
                yield chunk[:left]
                raise OSError("ordered to break off")
            left -= len(chunk)
            yield chunk

    def held(self, answer: Iterable[bytes], order: dict[str, Any]) -> Iterator[bytes]:
        """Pass on so many bytes, then wait, then the rest."""
        left = order["after"]
        for chunk in answer:
            if 0 <= left < len(chunk):
                yield chunk[:left]
                self.hold(order["seconds"])
                yield chunk[left:]
            else:
                yield chunk
            left -= len(chunk)
        if left >= 0:
            self.hold(order["seconds"])

    def hold(self, seconds: float) -> None:
        """Wait until there are other orders, or for so many seconds."""
        written, until = self.written, time.monotonic() + seconds
        self.path.with_suffix(".held").touch()
        while self.written == written and time.monotonic() < until:
            self.sleep(0.02)
            self.look()


class _HeldBody:
    """The body of a request, whose reader has to wait in the middle of it."""

    def __init__(self, body: Any, orders: Orders, order: dict[str, Any]) -> None:
        self._body = body
        self._orders = orders
        self._order = order
        self._left = order["after"]

    def read(self, *size: int) -> bytes:
        data: bytes = self._body.read(*size)
        if 0 <= self._left < len(data):
            self._orders.hold(self._order["seconds"])
        self._left -= len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)
