"""A small image service on loopback that breaks on purpose.

It speaks the Image API v1, as much of v2 as it takes to bring images in, the compute proxy and
enough of Keystone to hand out tokens. Each kind of request has a row of faults: the n-th request of
a kind meets the n-th fault, and those after the last are answered as they should be.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

IMAGE_ID = "9137e9cc-c0aa-4faf-a056-3df6f3245fdc"
PASSWORD = "pass-word-of-nobody"
# How long a stalled answer waits for the test to end, at most.
_STALL = 60


@dataclass(frozen=True)
class FakeImage:
    """An image; what is None follows from the data."""

    id: str = IMAGE_ID
    name: str = "an image"
    data: bytes = b""
    status: str = "active"
    size: int | None = None
    checksum: str | None = None
    has_checksum: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The record as a list has it."""
        md5 = hashlib.md5(self.data).hexdigest()
        return {
            "id": self.id,
            "name": self.name,
            "disk_format": "raw",
            "container_format": "bare",
            "size": len(self.data) if self.size is None else self.size,
            "checksum": (self.checksum or md5) if self.has_checksum else None,
            "status": self.status,
            **self.more,
        }

    def headers(self) -> list[tuple[str, str]]:
        """The record as a HEAD has it: text is UTF-8, nulls are absent."""
        record = self.record()
        properties = record.pop("properties", {})
        record.update({f"property-{name}": value for name, value in properties.items()})
        return [
            (f"X-Image-Meta-{name}", str(value).encode().decode("latin-1"))
            for name, value in record.items()
            if value is not None
        ]


@dataclass
class Answer:
    """An answer on its way out.

    :ivar length: what Content-Length says; None sends chunks instead
    :ivar cut: after how many bytes of the body the answer ends, None after the last
    :ivar ending: how it ends: "" goes on, "close", "reset" or "stall"
    :ivar raw: sent instead of everything else
    """

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    length: int | None = -1
    cut: int | None = None
    ending: str = ""
    raw: Iterable[bytes] | None = None

    def __post_init__(self) -> None:
        if self.length == -1:
            self.length = len(self.body)


@dataclass
class Asked:
    """A request that came, and the status of its answer."""

    kind: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    method: str = "GET"
    status: int = 0

    def __str__(self) -> str:
        wanted = self.headers.get("range")
        return f"{self.kind} {wanted}" if wanted else self.kind


#: Makes a broken answer of the right one.
Fault = Callable[[Answer, "Service"], Answer]


@dataclass(frozen=True)
class Undone:
    """A fault of a request whose work is not done.

    :ivar fault: what is answered
    :ivar after: how many bytes of the body are read before that, None for all
    :ivar status: what becomes of the image that was to get the body
    """

    fault: Fault
    after: int | None = None
    status: str | None = None

    def __call__(self, answer: Answer, service: Service) -> Answer:
        return self.fault(answer, service)


_ONE = r"/v1/images/[^/]+"
_NOVA = r"/v2\.1/images"
_KINDS = (
    ("POST", r"/v3/auth/tokens", "token"),
    ("GET", r"/v3/?", "identity"),
    ("HEAD", _ONE, "head"),
    ("GET", r"/v1/images(/detail)?", "list"),
    ("GET", _ONE, "data"),
    ("POST", r"/v1/images", "create"),
    ("PUT", _ONE, "change"),
    ("DELETE", _ONE, "delete"),
    ("GET", _ONE + "/members", "members"),
    ("PUT", _ONE + "/members", "share"),
    ("PUT", _ONE + "/members/[^/]+", "share"),
    ("DELETE", _ONE + "/members/[^/]+", "share"),
    ("GET", "/v1/shared-images/[^/]+", "shared"),
    ("GET", r"/v2/images/[^/]+/file", "rest"),
    ("GET", r"/v2/images", "list2"),
    ("GET", r"/v2/images/[^/]+", "show2"),
    ("POST", r"/v2/images", "create2"),
    ("PATCH", r"/v2/images/[^/]+", "change2"),
    ("PUT", r"/v2/images/[^/]+/file", "upload2"),
    ("DELETE", r"/v2/images/[^/]+", "delete2"),
    ("GET", _NOVA + "/detail", "compute"),
    ("GET", _NOVA + "/[^/]+", "nova_show"),
    ("DELETE", _NOVA + "/[^/]+", "nova_change"),
    ("POST", _NOVA + "/[^/]+/metadata", "nova_change"),
    ("PUT", _NOVA + "/[^/]+/metadata", "nova_change"),
    ("PUT", _NOVA + "/[^/]+/metadata/[^/]+", "nova_change"),
    ("DELETE", _NOVA + "/[^/]+/metadata/[^/]+", "nova_change"),
)
_NUMBERS = ("size", "min_disk", "min_ram")
_BOOLEANS = ("is_public", "protected")


def _kind_of(method: str, path: str, headers: Mapping[str, str]) -> str:
    for its_method, form, kind in _KINDS:
        if method == its_method and re.fullmatch(form, path):
            data = headers.get("content-type") == "application/octet-stream"
            return "upload" if kind == "change" and data else kind
    return "other"


class Service:
    """The service, up within a ``with`` block.

    :param images: what it has
    :param faults: faults by the kind of request: head, data, rest, list, create, upload...
    :param v2: whether it has the Image API v2
    :param keystone: whether requests need a token of its Keystone
    :param page: the most images of a page
    :param every: the fault of each request that is not for Keystone
    :param certificate: a file with a key and a certificate, for TLS
    :ivar v2_images: records of the Image API v2; what it makes is there alone
    :ivar v2_data: their data
    """

    def __init__(
        self,
        images: Sequence[FakeImage] = (),
        faults: Mapping[str, Sequence[Fault]] | None = None,
        *,
        v2: bool = True,
        keystone: bool = False,
        page: int = 1000,
        certificate: Path | None = None,
        every: Fault | None = None,
    ) -> None:
        self.v2_images: dict[str, dict[str, Any]] = {}
        self.v2_data: dict[str, bytes] = {}
        self._certificate = certificate
        self._every = every
        self.images = {image.id: image for image in images}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self.tokens: list[str] = []
        self.reached = threading.Event()
        self._faults = {kind: list(row) for kind, row in (faults or {}).items()}
        self._v2 = v2
        self._keystone = keystone
        self._page = page
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._idle = threading.Event()
        self._idle.set()

    def __enter__(self) -> Service:
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        scheme = "http"
        if self._certificate:
            scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def kinds(self) -> list[str]:
        """What was asked, in order, without what the shell asks for a token."""
        return [str(asked) for asked in self.asked if asked.kind not in ("token", "identity")]

    def options(self) -> list[str]:
        """The shell's options that lead here."""
        if self._keystone:
            words = f"--os-auth-url {self.url}/v3 --os-username nobody --os-password {PASSWORD}"
            words += " --os-project-name none --os-user-domain-id default"
            words += " --os-project-domain-id default --os-region-name here"
            return words.split()
        return ["--os-auth-type", "none", "--os-endpoint", self.url]

    def next_fault(self, kind: str) -> Fault | None:
        """Take the fault that a request of this kind meets."""
        with self._lock:
            row = self._faults.get(kind)
            if row:
                return row.pop(0)
        return None if kind in ("token", "identity") else self._every

    def answer(self, asked: Asked, fault: Fault | None) -> Answer:
        """Return the answer to a request, broken as the fault has it."""
        with self._lock:
            self.asked.append(asked)
            if self._keystone and asked.kind not in ("token", "identity"):
                token = asked.headers.get("x-auth-token")
                if token not in self.tokens:
                    return text(401, "This server could not verify that you are authorized")
        if isinstance(fault, Undone):
            image = self._image(asked) if asked.kind == "upload" else None
            if image is not None and fault.status is not None:
                self.images[image.id] = replace(image, status=fault.status)
            return fault(Answer(), self)
        with self._working:
            right: Answer = getattr(self, f"_{asked.kind}")(asked)
        return fault(right, self) if fault else right

    def _give_up(self, kind: str, path: str) -> None:
        """Do as Glance does with an image whose data ends early."""
        image_id = path.split("/")[3] if path.count("/") > 2 else ""
        if kind == "upload" and image_id in self.images:
            self.images[image_id] = replace(self.images[image_id], status="killed")

    def _other(self, asked: Asked) -> Answer:
        if asked.path.startswith("/v2/"):
            return text(404, "The resource could not be found.")
        versions = [{"id": name, "status": "SUPPORTED", "links": []} for name in ("v1.1", "v1.0")]
        return as_json({"versions": versions}, 300)

    def _image(self, asked: Asked) -> FakeImage | None:
        return self.images.get(unquote(asked.path.split("/")[3]))

    @contextlib.contextmanager
    def receiving(self, kind: str, path: str) -> Iterator[None]:
        """Data comes in; who looks at an image meanwhile waits for the end of that."""
        if kind == "upload":
            self._idle.clear()
        try:
            yield
        except OSError:
            self._give_up(kind, path)
            raise
        finally:
            self._idle.set()

    def _head(self, asked: Asked) -> Answer:
        image = self._image(asked)
        # Data that a client has broken off may not have been looked at yet.
        for _ in range(8):
            if image is None or image.status != "queued":
                break
            threading.Event().wait(0.02)
            self._idle.wait(5)
            image = self._image(asked)
        if image is None:
            return Answer(404)
        return Answer(headers=image.headers())

    def _data(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, f"Image with identifier {asked.path.split('/')[3]} not found")
        if image.status != "active":
            return text(404, f"Image {image.id} is not active")
        return Answer(headers=image.headers(), body=image.data)

    def _rest(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if not self._v2:
            return self._other(asked)
        if image is None:
            return text(404, "No image found with that ID")
        if "range" not in asked.headers:
            return Answer(body=image.data)
        start = int(asked.headers["range"][len("bytes=") : -1])
        size = len(image.data)
        if start >= size:
            return text(416, "Requested range not satisfiable")
        said = image.record()["checksum"]
        headers = [("Content-Range", f"bytes {start}-{size - 1}/{size}")]
        headers += [("Content-MD5", said)] if said else []
        return Answer(206, headers, image.data[start:])

    def _list(self, asked: Asked) -> Answer:
        images = list(self.images.values())
        if "name" in asked.params:
            images = [image for image in images if image.name == asked.params["name"]]
        marker = asked.params.get("marker")
        ids = [image.id for image in images]
        if marker is not None and marker not in ids:
            return text(400, "Invalid marker. Image could not be found.")
        start = ids.index(marker) + 1 if marker is not None else 0
        page = images[start : start + min(self._page, int(asked.params.get("limit", "25")))]
        return as_json({"images": [image.record() for image in page]})

    def _create(self, asked: Asked) -> Answer:
        fields, properties = _fields(asked.headers)
        image_id = fields.pop("id")
        if image_id in self.images:
            return text(409, f"Image identifier {image_id} already exists!")
        image = FakeImage(id=image_id, status="queued", has_checksum=False)
        self.images[image_id] = _changed(image, fields, properties)
        return as_json({"image": self.images[image_id].record()}, 201)

    def _change(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found")
        fields, properties = _fields(asked.headers)
        if asked.headers.get("x-glance-registry-purge-props") != "true":
            properties = {**image.more.get("properties", {}), **properties}
        self.images[image.id] = _changed(image, fields, properties)
        return as_json({"image": self.images[image.id].record()})

    def _upload(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found")
        if image.status != "queued":
            return text(409, f"Image status {image.status} does not allow that")
        filled = replace(image, status="active", data=asked.body, has_checksum=True)
        more = {name: value for name, value in image.more.items() if name not in ("size",)}
        self.images[image.id] = replace(filled, more=more)
        return as_json({"image": self.images[image.id].record()})

    def _delete(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found")
        if image.more.get("protected"):
            return text(403, "Image is protected")
        del self.images[image.id]
        return Answer()

    def _members(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found")
        return as_json({"members": image.more.get("members", [])})

    def _share(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found")
        document = json.loads(asked.body or b"{}")
        members = {one["member_id"]: one for one in image.more.get("members", ())}
        if asked.path.endswith("/members"):
            members = {one["member_id"]: one for one in document["memberships"]}
        elif asked.method == "PUT":
            can_share = document.get("member", {}).get("can_share", False)
            member_id = asked.path.split("/")[5]
            members[member_id] = {"member_id": member_id, "can_share": can_share}
        else:
            members.pop(asked.path.split("/")[5], None)
        more = {**image.more, "members": list(members.values())}
        self.images[image.id] = replace(image, more=more)
        return Answer(204)

    def _shared(self, asked: Asked) -> Answer:
        return as_json({"shared_images": [{"image_id": one} for one in self.images]})

    def _list2(self, asked: Asked) -> Answer:
        community = asked.params.get("visibility") == "community"
        return as_json({"images": [] if community else list(self.v2_images.values())})

    def _show2(self, asked: Asked) -> Answer:
        record = self.v2_images.get(asked.path.split("/")[3])
        return as_json(record) if record else text(404, "No image found with that ID")

    def _create2(self, asked: Asked) -> Answer:
        record = json.loads(asked.body)
        if record["id"] in self.v2_images:
            return text(409, f"Image ID {record['id']} already exists!")
        base = {"status": "queued", "size": None, "checksum": None, "protected": False}
        self.v2_images[record["id"]] = {**base, **record}
        return as_json(self.v2_images[record["id"]], 201)

    def _change2(self, asked: Asked) -> Answer:
        record = self.v2_images.get(asked.path.split("/")[3])
        if record is None:
            return self._other(asked) if not self._v2 else text(404, "No image found")
        for change in json.loads(asked.body):
            name = change["path"][1:].replace("~1", "/").replace("~0", "~")
            if change["op"] == "remove":
                del record[name]
            else:
                record[name] = change["value"]
        return as_json(record)

    def _upload2(self, asked: Asked) -> Answer:
        record = self.v2_images.get(asked.path.split("/")[3])
        if record is None:
            return text(404, "No image found")
        if record["status"] != "queued":
            return text(409, f"Image status transition from {record['status']} is not allowed")
        md5 = hashlib.md5(asked.body).hexdigest()
        record.update(status="active", size=len(asked.body), checksum=md5)
        self.v2_data[record["id"]] = asked.body
        return Answer(204)

    def _delete2(self, asked: Asked) -> Answer:
        gone = self.v2_images.pop(asked.path.split("/")[3], None)
        return Answer(204) if gone else text(404, "No image found")

    def _nova_show(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found.")
        record = {"id": image.id, "name": image.name, "status": "ACTIVE"}
        return as_json({"image": {**record, "metadata": image.more.get("properties", {})}})

    def _nova_change(self, asked: Asked) -> Answer:
        image = self._image(asked)
        if image is None:
            return text(404, "Image not found.")
        *_, last = asked.path.split("/")
        if last == image.id:
            del self.images[image.id]
            return Answer(204)
        metadata = dict(image.more.get("properties", {}))
        if asked.method == "DELETE":
            metadata.pop(last, None)
        else:
            metadata |= json.loads(asked.body)["metadata"]
        self.images[image.id] = replace(image, more={**image.more, "properties": metadata})
        return Answer(204) if asked.method == "DELETE" else as_json({"metadata": metadata})

    def _compute(self, asked: Asked) -> Answer:
        images = [
            {"id": image.id, "name": image.name, "status": "ACTIVE"}
            for image in self.images.values()
        ]
        ids = [image["id"] for image in images]
        marker = asked.params.get("marker")
        if marker is not None and marker not in ids:
            return text(400, "marker not found")
        start = ids.index(marker) + 1 if marker is not None else 0
        page = images[start : start + self._page]
        document: dict[str, Any] = {"images": page}
        if page and start + len(page) < len(images):
            href = f"{self.url}/v2.1/images/detail?marker={page[-1]['id']}"
            document["images_links"] = [{"rel": "next", "href": href}]
        return as_json(document)

    def _identity(self, asked: Asked) -> Answer:
        links = [{"rel": "self", "href": f"{self.url}/v3/"}]
        return as_json({"version": {"id": "v3.8", "status": "stable", "links": links}})

    def _token(self, asked: Asked) -> Answer:
        with self._lock:
            self.tokens = [f"token-of-nobody-{len(self.asked)}"]
        endpoint = {"url": self.url, "interface": "public", "region": "here", "region_id": "here"}
        services = [
            {"type": kind, "name": kind, "id": kind, "endpoints": [{**endpoint, "id": kind}]}
            for kind in ("image", "compute")
        ]
        domain = {"id": "default", "name": "Default"}
        token = {
            "methods": ["password"],
            "user": {"id": "nobody", "name": "nobody", "domain": domain},
            "project": {"id": "none", "name": "none", "domain": domain},
            "roles": [{"id": "member", "name": "member"}],
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "catalog": services,
        }
        answer = as_json({"token": token}, 201)
        answer.headers.append(("X-Subject-Token", self.tokens[0]))
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, which they do here."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    service: Service
    protocol_version = "HTTP/1.1"
    # Else each answer's body waits 40 ms for the client's word on its headers.
    disable_nagle_algorithm = True

    def _do(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        parts = urlsplit(self.path)
        kind = _kind_of(self.command, parts.path, headers)
        fault = self.service.next_fault(kind)
        limit = fault.after if isinstance(fault, Undone) else None
        with self.service.receiving(kind, parts.path):
            body = b"".join(self._body(headers, limit))
        if limit is not None:
            # Of the rest of the body nothing is read.
            self.close_connection = True
        asked = Asked(kind, parts.path, dict(parse_qsl(parts.query)), headers, body, self.command)
        answer = self.service.answer(asked, fault)
        asked.status = answer.status
        with contextlib.suppress(ConnectionError):
            self._send(answer)
            self.wfile.flush()
        self._end(answer.ending)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815

    def _body(self, headers: Mapping[str, str], limit: int | None) -> Iterator[bytes]:
        """Read the body, as it comes, or its beginning."""
        chunked = headers.get("transfer-encoding") == "chunked"
        left = sys.maxsize if limit is None else limit
        length = 0 if chunked else int(headers.get("content-length") or 0)
        while left and (chunked or length):
            if chunked:
                length = int(self._line() or b"", 16)
            piece = self._read(min(length, left, 2**16) if not chunked else length)
            yield piece
            left -= min(left, len(piece))
            length -= len(piece)
            if chunked:
                self._line()
                if not piece:
                    return

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line:
            raise ConnectionError("the body ended early")
        return line

    def _read(self, size: int) -> bytes:
        piece = self.rfile.read(size)
        self.service.reached.set()
        if len(piece) < size:
            raise ConnectionError("the body ended early")
        return piece

    def _send(self, answer: Answer) -> None:
        if answer.raw is not None:
            for piece in answer.raw:
                self.wfile.write(piece)
            return
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        chunked = answer.length is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(answer.length))
        self.send_header("X-Openstack-Request-Id", "req-1")
        self.end_headers()
        if self.command == "HEAD":
            return
        body = answer.body if answer.cut is None else answer.body[: answer.cut]
        if chunked and body:
            self.wfile.write(b"%x\r\n" % len(answer.body) + body)
        else:
            self.wfile.write(body)
        if chunked and answer.cut is None:
            self.wfile.write((b"\r\n" if body else b"") + b"0\r\n\r\n")

    def _end(self, ending: str) -> None:
        if not ending:
            return
        self.close_connection = True
        self.service.reached.set()
        if ending == "stall":
            self.service.closing.wait(_STALL)
        if ending == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _fields(headers: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return fields and properties that the headers of a request carry."""
    fields: dict[str, Any] = {}
    properties = {}
    for header_name, raw in headers.items():
        name, value = header_name.removeprefix("x-image-meta-"), raw.encode("latin-1").decode()
        if name == header_name:
            continue
        name = name.replace("-", "_")
        if name.startswith("property_"):
            properties[name.removeprefix("property_")] = value
        elif name in _NUMBERS:
            fields[name] = int(value)
        else:
            fields[name] = value == "True" if name in _BOOLEANS else value
    return fields, properties


def _changed(
    image: FakeImage, fields: Mapping[str, Any], properties: Mapping[str, str]
) -> FakeImage:
    named = {name: value for name, value in fields.items() if name == "name"}
    others = {name: value for name, value in fields.items() if name not in ("name", "store")}
    return replace(image, **named, more={**image.more, **others, "properties": dict(properties)})


def as_json(document: Any, status: int = 200) -> Answer:
    """An answer with a JSON document."""
    headers = [("Content-Type", "application/json")]
    return Answer(status, headers, json.dumps(document).encode())


def text(status: int, explanation: str, *headers: tuple[str, str]) -> Answer:
    """An error as Glance words it."""
    body = f"{status} {responses[status]}\n\n{explanation}\n\n".encode()
    return Answer(status, [("Content-Type", "text/plain; charset=UTF-8"), *headers], body)


# The faults.


def cut(after: int, ending: str = "close") -> Fault:
    """The body ends too early; a negative number counts from the end."""

    def fault(answer: Answer, service: Service) -> Answer:
        at = after if after >= 0 else len(answer.body) + after
        return replace(answer, cut=at, ending=ending)

    return fault


def lost(ending: str = "close") -> Fault:
    """The request has done its work, and no answer comes."""
    return lambda answer, service: Answer(raw=(), ending=ending)


def front_end(status: int, explanation: str = "busy") -> Fault:
    """A page of something in front of the service; its own answers have a request ID."""
    page = f"<html><head><title>{status}</title></head><body>{explanation}</body></html>".encode()
    head = (
        f"HTTP/1.1 {status} {responses[status]}\r\nContent-Type: text/html\r\n"
        f"Content-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    )
    return lambda answer, service: Answer(status, raw=(head.encode(), page), ending="close")


def status_is(status: str) -> Fault:
    """The service shows an image in another status, and not as deleted for good."""

    def fault(answer: Answer, service: Service) -> Answer:
        if answer.status != 200:
            # The image is gone already: as it was shown before that.
            shown = FakeImage(status=status, more={"deleted": False})
            return Answer(headers=shown.headers())
        headers = [pair for pair in answer.headers if pair[0] != "X-Image-Meta-status"]
        return replace(answer, headers=[*headers, ("X-Image-Meta-status", status)])

    return fault


def midway(fault: Fault, after: int = 2**18, status: str | None = "killed") -> Fault:
    """The service breaks an upload off after so many bytes."""
    return Undone(fault, after, status)


def stores(**fields: Any) -> Fault:
    """The Image API v2 has stored the last image otherwise."""

    def fault(answer: Answer, service: Service) -> Answer:
        list(service.v2_images.values())[-1].update(fields)
        return answer

    return fault


def chunked(fault: Fault | None = None) -> Fault:
    """Chunks instead of a Content-Length, and then another fault."""

    def both(answer: Answer, service: Service) -> Answer:
        in_chunks = replace(answer, length=None)
        return fault(in_chunks, service) if fault else in_chunks

    return both


def longer(answer: Answer, service: Service) -> Answer:
    """More data than the record says, in chunks."""
    return replace(answer, body=answer.body + b"more", length=None)


def longer_by_length(answer: Answer, service: Service) -> Answer:
    """More data than the record says, with a Content-Length that is true."""
    return replace(answer, body=answer.body + b"more", length=len(answer.body) + 4)


def shorter_by_length(answer: Answer, service: Service) -> Answer:
    """Less data than the record says, with a Content-Length that is true: a truncated store."""
    half = answer.body[: len(answer.body) // 2]
    headers = [pair for pair in answer.headers if pair[0] != "X-Image-Meta-Size"]
    headers.append(("X-Image-Meta-Size", str(len(half))))
    return replace(answer, body=half, length=len(half), headers=headers)


def length_says(extra: int) -> Fault:
    """A Content-Length that is not the body's; the connection is closed after the body."""

    def fault(answer: Answer, service: Service) -> Answer:
        return replace(answer, length=len(answer.body) + extra, ending="close")

    return fault


def altered(answer: Answer, service: Service) -> Answer:
    """One byte is another."""
    middle = len(answer.body) // 2
    other = bytes([answer.body[middle] ^ 1])
    return replace(answer, body=answer.body[:middle] + other + answer.body[middle + 1 :])


def instead(status: int, explanation: str = "", *headers: tuple[str, str]) -> Fault:
    """Another answer."""
    return lambda answer, service: text(status, explanation, *headers)


def header(name: str, value: str) -> Fault:
    """A header more, or with another value."""

    def fault(answer: Answer, service: Service) -> Answer:
        rest = [pair for pair in answer.headers if pair[0].lower() != name.lower()]
        return replace(answer, headers=[*rest, (name, value)])

    return fault


def deletes(fault: Fault) -> Fault:
    """A fault, and the image is gone."""

    def both(answer: Answer, service: Service) -> Answer:
        service.images.clear()
        return fault(answer, service)

    return both


def expires(fault: Fault) -> Fault:
    """A fault, and the token is not taken any more."""

    def both(answer: Answer, service: Service) -> Answer:
        service.tokens.clear()
        return fault(answer, service)

    return both


def body(content: bytes, content_type: str = "application/json") -> Fault:
    """Another body."""
    return lambda answer, service: Answer(200, [("Content-Type", content_type)], content)


def document(change: Callable[[dict[str, Any]], Any]) -> Fault:
    """A JSON document that is changed."""

    def fault(answer: Answer, service: Service) -> Answer:
        whole = json.loads(answer.body)
        return as_json(change(whole))

    return fault


def one_line(size: int) -> Fault:
    """A page of so many bytes on one line: a list without images."""

    def fault(answer: Answer, service: Service) -> Answer:
        begin, end = b'{"images": [], "padding": "', b'"}'
        piece = b"x" * 2**20

        def pieces() -> Iterator[bytes]:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}"
            yield head.encode() + b"\r\n\r\n" + begin
            left = size - len(begin) - len(end)
            while left:
                yield piece[:left]
                left -= min(left, len(piece))
            yield end

        return replace(answer, raw=pieces(), ending="close")

    return fault


def dripping(pieces: int, pause: float) -> Fault:
    """The body piece by piece, with pauses."""

    def fault(answer: Answer, service: Service) -> Answer:
        size = len(answer.body) // pieces + 1

        def drip() -> Iterator[bytes]:
            lines = [f"HTTP/1.1 {answer.status} OK", *map(": ".join, answer.headers)]
            yield "\r\n".join([*lines, f"Content-Length: {answer.length}", "", ""]).encode()
            service.reached.set()
            for start in range(0, len(answer.body), size):
                yield answer.body[start : start + size]
                service.closing.wait(pause)

        return replace(answer, raw=drip(), ending="close")

    return fault


def html(status: int, page: str) -> Fault:
    """An error as a front proxy words it."""
    headers = [("Content-Type", "text/html; charset=UTF-8")]
    return lambda answer, service: Answer(status, headers, page.encode())


def versions(*names: str) -> Fault:
    """A list of versions, as a service without this one answers."""
    listed = {"versions": [{"id": name} for name in names]}
    return lambda answer, service: as_json(listed, 300)


def odd_headers(answer: Answer, service: Service) -> Answer:
    """Names in odd case, and 200 properties."""
    odd = [(name.swapcase(), value) for name, value in answer.headers]
    odd += [(f"x-IMAGE-meta-Property-P{number}", str(number)) for number in range(200)]
    return replace(answer, headers=odd)


def many_headers(count: int) -> Fault:
    """Very many headers."""
    more = [(f"X-Image-Meta-Property-P{number}", "v") for number in range(count)]
    return lambda answer, service: replace(answer, headers=answer.headers + more)
