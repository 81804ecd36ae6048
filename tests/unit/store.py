"""An image service that hands out images with their data and members."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote

import requests_mock as rm

from tests.unit.conftest import IMAGE_URL, detail


class Store:
    """The service.

    :ivar records: by ID
    :ivar data: bytes by ID
    :ivar members: by ID
    :ivar refused: statuses that are answered instead, by path below /v1
    :ivar v2: whether it has the Image API v2, as far as data goes
    :ivar unlisted: IDs of images that no list has
    :ivar asked: how often each path below /v1 was asked for
    """

    def __init__(self, mock: rm.Mocker) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.members: dict[str, list[dict[str, Any]]] = {}
        self.refused: dict[str, int] = {}
        self.v2 = False
        self.unlisted: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.mock = mock
        mock.register_uri(rm.ANY, re.compile(re.escape(IMAGE_URL)), content=self._answer)

    def add(self, number: int, data: bytes | None = None, **fields: Any) -> str:
        """Add an image; an ID may be given."""
        data = b"data %d" % number if data is None else data
        md5 = hashlib.md5(data).hexdigest()
        record = {**detail(number, size=len(data), checksum=md5), **fields}
        self.records[record["id"]] = record
        self.data[record["id"]] = data
        return str(record["id"])

    def downloads(self) -> int:
        """How many times data was asked for."""
        return sum(n for path, n in self.asked.items() if path.startswith("GET /images/"))

    def _answer(self, request: Any, context: Any) -> bytes:
        path = unquote(request.path_url.partition("?")[0]).removeprefix("/v1")
        kind = "LIST" if path == "/images/detail" or path.endswith("/members") else request.method
        self.asked[f"{kind} {path}"] += 1
        if path in self.refused:
            context.status_code = self.refused[path]
            return b""
        if path in ("/images", "/images/detail"):
            return self._list(request)
        image_id = path.split("/")[2]
        if path.startswith("/v2") and self.v2:
            return self.data[path.split("/")[3]]
        if image_id not in self.records or path.startswith("/v2"):
            context.status_code = 404
            return b""
        if path.endswith("/members"):
            return _json({"members": self.members.get(image_id, [])})
        record = self.records[image_id]
        context.headers.update(
            {
                f"X-Image-Meta-{key}": str(value).encode().decode("latin-1")
                for key, value in record.items()
                if value is not None and key != "properties"
            }
        )
        return self.data[image_id] if request.method == "GET" else b""

    def _list(self, request: Any) -> bytes:
        if "marker" in request.qs:
            return _json({"images": []})
        wanted = request.qs.get("name")
        return _json(
            {
                "images": [
                    record
                    for record in self.records.values()
                    if (wanted is None or str(record["name"]).lower() == wanted[0])
                    and record["id"] not in self.unlisted
                ]
            }
        )


def _json(document: Any) -> bytes:
    import json

    return json.dumps(document).encode()
