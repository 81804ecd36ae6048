"""An image service in memory that changes images as Glance 15 was seen to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

import requests
import requests_mock as rm

from tests.unit.conftest import IMAGE_URL, detail

_NUMBERS = ("size", "min_disk", "min_ram")
_BOOLEANS = ("is_public", "protected")


def fields_of_headers(headers: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Read ``x-image-meta-*`` as ``glance.common.utils.get_image_meta_from_headers`` does."""
    fields: dict[str, Any] = {"properties": {}}
    for name, value in headers:
        key = name.lower()
        # What Python's HTTP layer and the WSGI server between make of the value.
        text = value.encode("latin-1").strip(b" \t").decode()
        if key.startswith("x-image-meta-property-"):
            key = key.removeprefix("x-image-meta-property-").replace("-", "_")
            fields["properties"][key] = text or None
        elif key.startswith("x-image-meta-"):
            key = key.removeprefix("x-image-meta-").replace("-", "_")
            if key in _NUMBERS:
                fields[key] = int(text)
            elif key in _BOOLEANS:
                fields[key] = text == "True"
            else:
                fields[key] = text or None
    return fields


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Glance:
    """The service.

    :param v2: whether it has the Image API v2
    :ivar records: by ID
    :ivar asked: method and path of each request
    :ivar before: by method, what is done instead of a request
    :ivar after: by method, what is done when a request has done its work
    """

    def __init__(self, mock: rm.Mocker, v2: bool = True) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.before: dict[str, Callable[[], Any]] = {}
        self.after: dict[str, Callable[[], Any]] = {}
        self.is_admin = True
        self.v2 = v2
        mock.register_uri(rm.ANY, re.compile(re.escape(IMAGE_URL)), content=self._answer)

    def add(self, number: int, **fields: Any) -> str:
        record = detail(number, **fields)
        self.records[record["id"]] = record
        return str(record["id"])

    def _answer(self, request: Any, context: Any) -> bytes:
        path = unquote(request.path_url.partition("?")[0])
        self.asked.append(f"{request.method} {path}")
        self.headers.append(dict(request.headers))
        context.headers["X-Openstack-Request-Id"] = "req-1"
        try:
            self.before.pop(request.method, lambda: None)()
            answer = self._do(request, context, path.strip("/").split("/"))
            self.after.pop(request.method, lambda: None)()
        except Refusal as refusal:
            context.status_code = refusal.status
            return f"{refusal.status} No\n\n{refusal}\n".encode()
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def _do(self, request: Any, context: Any, path: list[str]) -> Any:
        if path[0] == "v2":
            return self._v2(request, path[2])
        if path[1:] == ["images"] and request.method == "POST":
            context.status_code = 201
            return self._post(request)
        if path[1:] == ["images", "detail"]:
            name = request.qs.get("name")
            return {
                "images": [
                    record
                    for record in self.records.values()
                    if name is None or str(record["name"]).lower() == name[0]
                ]
            }
        record = self.records.get(path[2])
        if record is None:
            raise Refusal(404, "No image")
        if request.method == "HEAD":
            context.headers.update(_as_headers(record))
            return b""
        if request.method == "PUT":
            return self._put(request, record)
        assert request.method == "DELETE"
        if record["protected"]:
            raise Refusal(403, "Image is protected")
        del self.records[path[2]]
        return b""

    def _post(self, request: Any) -> Any:
        fields = fields_of_headers(request.headers.items())
        if fields["id"] in self.records:
            raise Refusal(409, "An image with that identifier already exists")
        if fields.get("disk_format") == "bogus":
            raise Refusal(400, "Invalid disk format")
        if not self.is_admin:
            fields.pop("owner", None)
        fields.pop("store", None)
        location = fields.pop("location", None)
        status = "active" if location or fields.get("size") == 0 else "queued"
        record = detail(0, size=0, checksum=None, disk_format=None, container_format=None)
        record.update(fields, status=status)
        self.records[fields["id"]] = record
        return {"image": record}

    def _put(self, request: Any, record: dict[str, Any]) -> Any:
        fields = fields_of_headers(request.headers.items())
        purge = request.headers.get("x-glance-registry-purge-props") != "false"
        body = request._request.body
        if body is not None and record["status"] != "queued":
            raise Refusal(409, "Cannot upload to an unqueued image")
        if not self.is_admin:
            fields.pop("owner", None)
        fields.pop("store", None)
        properties = fields.pop("properties")
        if body is not None or not purge:
            properties = {**record["properties"], **properties}
        record.update(fields, properties=properties)
        if body is not None:
            self._store(record, body, fields)
        return {"image": record}

    def _store(self, record: dict[str, Any], body: Iterable[bytes], asked: Any) -> None:
        record["status"] = "killed"
        data = b"".join(body)
        self.bodies.append(data)
        md5 = hashlib.md5(data).hexdigest()
        if asked.get("checksum", md5) != md5:
            raise Refusal(400, "Supplied checksum did not match")
        record.update(status="active", size=len(data), checksum=md5)

    def _v2(self, request: Any, image_id: str) -> Any:
        if not self.v2 or image_id not in self.records:
            raise Refusal(404, "Not found")
        properties = self.records[image_id]["properties"]
        paths = [operation["path"][1:] for operation in json.loads(request.body)]
        names = [path.replace("~1", "/").replace("~0", "~") for path in paths]
        for name in names:
            if name not in properties:
                raise Refusal(409, f"Property {name} does not exist")
        for name in names:
            del properties[name]
        return {"id": image_id}


def _as_headers(record: dict[str, Any]) -> dict[str, str]:
    headers = {}
    for key, value in record.items():
        if key == "properties":
            for name, text in value.items():
                if text is not None and name.isascii() and " " not in name and "\n" not in text:
                    headers[f"X-Image-Meta-Property-{name.lower()}"] = _latin(text)
        elif value is not None:
            headers[f"X-Image-Meta-{key}"] = _latin(str(value))
    return headers


def _latin(text: str) -> str:
    return text.encode().decode("latin-1")


def no_answer() -> None:
    """Break the connection."""
    raise requests.exceptions.ConnectionError("Connection reset by peer")


def refuse(status: int, said: str = "Forbidden to do that") -> Callable[[], None]:
    """Answer with an error."""

    def answer() -> None:
        raise Refusal(status, said)

    return answer
