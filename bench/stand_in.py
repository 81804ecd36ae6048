"""A stand-in for an image service, fast enough not to be what is measured.

It lists any number of images of the Image API v1, page by page, as Glance does, and serves and
takes one image's data. Each page is made once and kept. ``python -m bench.stand_in PORT IMAGES
[FILE]``.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

IMAGE_ID = "ffffffff-0000-4000-8000-000000000000"


def image_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def brief(number: int) -> dict[str, Any]:
    return {
        "id": image_id(number),
        "name": f"image number {number}",
        "container_format": "bare",
        "disk_format": "qcow2",
        "size": 1_000_000 + number,
        "checksum": hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest(),
    }


def detailed(number: int) -> dict[str, Any]:
    return {
        **brief(number),
        "status": "active",
        "is_public": number % 2 == 0,
        "protected": False,
        "owner": f"{number % 50:032x}",
        "min_disk": 0,
        "min_ram": 0,
        "created_at": f"2016-03-{number % 28 + 1:02}T12:34:56.{number % 10**6:06}",
        "updated_at": f"2017-04-{number % 28 + 1:02}T01:02:03.000000",
        "deleted": False,
        "deleted_at": None,
        "virtual_size": None,
        "properties": {"os_distro": "ubuntu", "architecture": "x86_64"},
    }


@functools.cache
def page(first: int, limit: int, total: int, detail: bool, data: tuple[int, str] | None) -> bytes:
    make = detailed if detail else brief
    images = [make(number) for number in range(first, min(first + limit, total))]
    if data:
        for image in images:
            image["size"], image["checksum"] = data
    return json.dumps({"images": images}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    images = 0
    file: Path | None = None
    md5 = ""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.rstrip("/") in ("/v1/images", "/v1/images/detail"):
            asked = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            first = int(asked["marker"][:8], 16) + 1 if "marker" in asked else 0
            limit = min(int(asked.get("limit", 25)), 1000)
            detail = parts.path.endswith("detail")
            self._answer(page(first, limit, self.images, detail, self._data()))
        elif parts.path.endswith("/members"):
            self._answer(b'{"members": []}')
        elif parts.path.startswith("/v1/images/"):
            self._send_file()
        elif parts.path in ("/", "/v1", "/v1/"):
            self._answer(json.dumps({"versions": [self._version()]}).encode(), 300)
        else:
            self._answer(b"{}", 404)

    def _version(self) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"http://{self.headers['Host']}/v1/"}]
        return {"id": "v1.1", "status": "SUPPORTED", "links": links}

    def do_HEAD(self) -> None:
        self.send_response(200)
        self._metadata()
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self._take()

    do_PUT = do_POST  # noqa: N815

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _data(self) -> tuple[int, str] | None:
        return (self.file.stat().st_size, self.md5) if self.file else None

    def _metadata(self) -> None:
        size, md5 = self._data() or (0, "")
        asked = urlsplit(self.path).path.rpartition("/")[2]
        fields = {**detailed(0), "id": asked, "name": "bench", "size": size, "checksum": md5}
        for name, value in fields.items():
            if value is not None and name != "properties":
                self.send_header(f"X-Image-Meta-{name}", str(value))

    def _send_file(self) -> None:
        assert self.file is not None
        size = self.file.stat().st_size
        self.send_response(200)
        self._metadata()
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.flush()
        with self.file.open("rb") as data:
            sent = 0
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), data.fileno(), sent, 2**24)

    def _take(self) -> None:
        """Take data and throw it away; its MD5 is known, it is the file's."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        left = int(self.headers.get("Content-Length") or 0)
        buffer = bytearray(2**20)
        while left:
            left -= self.rfile.readinto(memoryview(buffer)[: min(left, len(buffer))]) or sys.exit(1)
        size, md5 = self._data() or (0, "")
        record = {**detailed(0), "properties": {}, "size": size, "checksum": md5, "name": "bench"}
        record["id"] = urlsplit(self.path).path.rpartition("/")[2]
        for field in ("id", "name", "disk_format", "container_format"):
            record[field] = self.headers.get(
                "x-image-meta-" + field.replace("_", "-"), record[field]
            )
        self._answer(json.dumps({"image": record}).encode(), 201 if self.command == "POST" else 200)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def main() -> None:
    port, Handler.images = int(sys.argv[1]), int(sys.argv[2])
    if len(sys.argv) > 3:
        Handler.file = Path(sys.argv[3])
        with Handler.file.open("rb") as data:
            digest = hashlib.md5(usedforsecurity=False)
            while chunk := data.read(2**20):
                digest.update(chunk)
        Handler.md5 = digest.hexdigest()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
