"""A stand-in for an image service, fast enough not to be what is measured.

It lists any number of images of the Image API v1, page by page, as Glance does, and serves and
takes one image's data. Each page is made once and kept. The Image API v2 lists the same images, as
a copy of all of them would be. ``python -m bench.stand_in IMAGES [FILE] [--strict] [--public]``
prints its URL, and ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import os
import sys
import threading
from collections.abc import Iterator
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
        "is_public": Handler.public or number % 2 == 0,
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


def of_v2(number: int) -> dict[str, Any]:
    """Return the record of an image as the Image API v2 has it."""
    old = detailed(number)
    left_out = ("is_public", "deleted", "deleted_at", "properties")
    hashed = hashlib.sha512(b"%d" % number).hexdigest()
    return {
        **{name: value for name, value in old.items() if name not in left_out},
        **{name: f"{old[name][:19]}Z" for name in ("created_at", "updated_at")},
        **old["properties"],
        "visibility": "public" if old["is_public"] else "shared",
        "os_hash_algo": "sha512",
        "os_hash_value": hashed,
        "os_hidden": False,
        "virtual_size": old["size"],
        "stores": "default",
        "tags": [],
        "self": f"/v2/images/{image_id(number)}",
        "file": f"/v2/images/{image_id(number)}/file",
        "schema": "/v2/schemas/image",
    }


@functools.cache
def page_of_v2(first: int, limit: int, total: int) -> bytes:
    images = [of_v2(number) for number in range(first, min(first + limit, total))]
    document = {"images": images, "first": "/v2/images", "schema": "/v2/schemas/images"}
    if images and len(images) == limit:
        document["next"] = f"/v2/images?marker={images[-1]['id']}&limit={limit}"
    return json.dumps(document).encode()


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
    # An answer is two packets, of which the second would wait for the client to confirm the first.
    disable_nagle_algorithm = True
    images = 0
    file: Path | None = None
    md5 = ""
    strict = False
    public = False
    requests = 0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/requests":
            self._answer(b"%d" % Handler.requests)
        elif parts.path.rstrip("/") in ("/v1/images", "/v1/images/detail", "/v2/images"):
            self._list(parts.path, parts.query)
        elif parts.path.endswith("/members"):
            self._answer(b'{"members": []}')
        elif parts.path.startswith("/v1/images/"):
            self._send_file()
        elif parts.path in ("/", "/v1", "/v1/"):
            self._answer(json.dumps({"versions": [self._version()]}).encode(), 300)
        else:
            self._answer(b"{}", 404)

    def _list(self, path: str, query: str) -> None:
        Handler.requests += 1
        asked = {key: values[-1] for key, values in parse_qs(query).items()}
        first = int(asked["marker"][:8], 16) + 1 if "marker" in asked else 0
        limit = min(int(asked.get("limit", 25)), 1000)
        if not path.startswith("/v2"):
            body = page(first, limit, self.images, path.endswith("detail"), self._data())
        else:
            total = 0 if asked.get("visibility") == "community" else self.images
            body = page_of_v2(first, limit, total)
        # No list of v2 goes on after an image that has never been.
        is_there = first <= self.images or not path.startswith("/v2")
        self._answer(body if is_there else b"{}", 200 if is_there else 400)

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
        # Who has been interrupted takes no more of it.
        with self.file.open("rb") as data, contextlib.suppress(ConnectionError):
            sent = 0
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), data.fileno(), sent, 2**24)

    def _take(self) -> None:
        """Take data and throw it away; its MD5 is known, it is the file's."""
        digest = hashlib.md5(usedforsecurity=False)
        taken = 0
        for chunk in self._chunks():
            taken += len(chunk)
            if self.strict:
                digest.update(chunk)
        size, md5 = self._data() or (0, "")
        if taken and (taken != size or (self.strict and digest.hexdigest() != md5)):
            self._answer(b"{}", 400)
            return
        record = {**detailed(0), "properties": {}, "size": size, "checksum": md5, "name": "bench"}
        record["id"] = urlsplit(self.path).path.rpartition("/")[2]
        for field in ("id", "name", "disk_format", "container_format"):
            record[field] = self.headers.get(
                "x-image-meta-" + field.replace("_", "-"), record[field]
            )
        self._answer(json.dumps({"image": record}).encode(), 201 if self.command == "POST" else 200)

    def _chunks(self) -> Iterator[bytes | memoryview]:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        left = int(self.headers.get("Content-Length") or 0)
        buffer = memoryview(bytearray(2**20))
        while left:
            count = self.rfile.readinto(buffer[: min(left, len(buffer))])
            if not count:
                sys.exit(1)
            left -= count
            yield buffer[:count]

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def end_with_input(server: http.server.ThreadingHTTPServer) -> None:
    sys.stdin.read()
    server.shutdown()


def main() -> None:
    Handler.images, Handler.strict = int(sys.argv[1]), "--strict" in sys.argv
    Handler.public = "--public" in sys.argv
    files = [Path(name) for name in sys.argv[2:] if not name.startswith("--")]
    if files:
        Handler.file = files[0]
        with Handler.file.open("rb") as data:
            digest = hashlib.md5(usedforsecurity=False)
            while chunk := data.read(2**20):
                digest.update(chunk)
        Handler.md5 = digest.hexdigest()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=end_with_input, args=(server,), daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
