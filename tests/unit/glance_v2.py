"""An image service in memory that does with the Image API v2 what Glance 33 was seen to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

import requests_mock as rm

from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.models import V2_FIELDS
from osc_image_v1.migrate.target_v2 import V2Target
from tests.unit.conftest import adapter_at, params_of

TARGET_URL = "http://target.example:9292"


class Refusal(Exception):
    """An error answer."""

    def __init__(self, status: int, said: str = "no") -> None:
        super().__init__(said)
        self.status = status


class Page(Exception):
    """A page of something in front of the service, with a status that says that all is well."""


class GlanceV2:
    """The service.

    :ivar records: by ID
    :ivar schemas: how often it was asked for a schema, which is not among what was asked
    :ivar deleted: IDs that are not given again
    :ivar asked: method and path of each request
    :ivar usage: what it says of its quota, None where it says nothing
    :ivar before: by method and end of the path, what is done instead of or before a request; each
        list is used up
    """

    def __init__(self, mock: rm.Mocker, page_size: int = 1000) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.members: dict[str, dict[str, str]] = {}
        self.deleted: set[str] = set()
        self.asked: list[str] = []
        self.before: dict[str, list[Callable[[], Any]]] = {}
        self.after: dict[str, list[Callable[[], Any]]] = {}
        self.md5 = True
        self.usage: dict[str, Any] | None = None
        self.page_size = page_size
        self.schemas = 0
        mock.register_uri(rm.ANY, re.compile(re.escape(TARGET_URL)), content=self._answer)

    def client(self) -> ImageV2Client:
        return ImageV2Client(adapter_at(TARGET_URL))

    def target(self, patience: float = 0.0) -> V2Target:
        target = V2Target(self.client())
        target.patience = patience
        # Whoever logs in.
        target.own_project = "me"
        return target

    def add(self, image_id: str, data: bytes | None = None, **fields: Any) -> dict[str, Any]:
        record = {
            "id": image_id,
            "name": None,
            "status": "queued",
            "visibility": "shared",
            "protected": False,
            "tags": [],
            "size": None,
            "checksum": None,
            "os_hash_algo": None,
            "os_hash_value": None,
            "owner": "p1",
            "disk_format": None,
            "container_format": None,
            "min_disk": 0,
            "min_ram": 0,
            "self": f"/v2/images/{image_id}",
            "created_at": "2026-11-22T13:32:06Z",
            "updated_at": "2026-11-22T13:32:07Z",
        }
        self.records[image_id] = {**record, **fields}
        if data is not None:
            self._store(self.records[image_id], data)
            self.records[image_id].update(fields)
        return self.records[image_id]

    def _store(self, record: dict[str, Any], data: bytes) -> None:
        self.data[record["id"]] = data
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        record.update(
            status="active",
            size=len(data),
            checksum=md5 if self.md5 else None,
            os_hash_algo="sha512",
            os_hash_value=hashlib.sha512(data).hexdigest(),
        )

    def _answer(self, request: Any, context: Any) -> bytes:
        path = unquote(request.path_url.partition("?")[0]).removeprefix("/v2")
        if path.startswith("/schemas/"):
            self.schemas += 1
            return self._schema(path, context)
        self.asked.append(f"{request.method} {path}")
        context.headers["X-Openstack-Request-Id"] = "req-1"
        try:
            self._hook(self.before, request.method, path)
            answer = self._do(request, context, path.strip("/").split("/"))
            self._hook(self.after, request.method, path)
        except Refusal as refusal:
            context.status_code = refusal.status
            # Tests that refuse with 502 to 504 mean something in front of the service.
            del context.headers["X-Openstack-Request-Id"]
            return str(refusal).encode()
        except Page:
            del context.headers["X-Openstack-Request-Id"]
            context.headers["Content-Type"] = "text/html"
            return b"<html>Log in here</html>"
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def _schema(self, path: str, context: Any) -> bytes:
        context.status_code = 404
        return b""

    def _hook(self, hooks: dict[str, list[Callable[[], Any]]], method: str, path: str) -> None:
        for key, waiting in hooks.items():
            verb, _space, end = key.partition(" ")
            if verb == method and path.endswith(end) and waiting:
                waiting.pop(0)()
                return

    def _do(self, request: Any, context: Any, path: list[str]) -> Any:
        if path == ["images"]:
            return self._list(request) if request.method == "GET" else self._create(request)
        if path == ["info", "usage"] and self.usage is not None:
            return {"usage": self.usage}
        record = self.records.get(path[1])
        if record is None:
            raise Refusal(404)
        rest = path[2:]
        if not rest:
            return self._image(request, record)
        if rest[0] == "file":
            return self._file(request, record)
        if rest[0] == "actions":
            record["status"] = "deactivated"
            return b""
        return self._members(request, record, rest[1:])

    def _list(self, request: Any) -> Any:
        filters = params_of(request)
        limit, marker = int(filters.pop("limit")), filters.pop("marker", None)
        visibility, tag = filters.pop("visibility", None), filters.pop("tag", None)
        found = [
            record
            for record in self.records.values()
            if (record["visibility"] == "community") is (visibility == "community")
            and all(record.get(name) == value for name, value in filters.items())
            and (tag is None or tag in record["tags"])
        ]
        ids = [record["id"] for record in found]
        if marker and marker not in ids and marker not in self.deleted:
            raise Refusal(400, f"No image found with ID {marker}")
        begin = ids.index(marker) + 1 if marker in ids else 0
        page = found[begin : begin + min(limit, self.page_size)]
        answer: dict[str, Any] = {"images": page}
        if begin + len(page) < len(found):
            answer["next"] = f"/v2/images?marker={page[-1]['id']}"
        return answer

    def _create(self, request: Any) -> Any:
        fields = request.json()
        if fields["id"] in self.records or fields["id"] in self.deleted:
            raise Refusal(409, f"Image ID {fields['id']} already exists!")
        if len(fields.keys() - V2_FIELDS) > 128:
            raise Refusal(413, "The limit has been exceeded on the number of allowed properties")
        return self.add(fields.pop("id"), **{"owner": "me", **fields})

    def _image(self, request: Any, record: dict[str, Any]) -> Any:
        if request.method == "PATCH":
            for change in json.loads(request.body):
                name = change["path"][1:].replace("~1", "/").replace("~0", "~")
                if change["op"] == "remove":
                    del record[name]
                else:
                    assert (change["op"] == "replace") is (name in record)
                    record[name] = change["value"]
        elif request.method == "DELETE":
            if record["protected"]:
                raise Refusal(403, "Image is protected")
            del self.records[record["id"]]
            self.deleted.add(record["id"])
            return b""
        return record

    def _file(self, request: Any, record: dict[str, Any]) -> Any:
        if request.method == "GET":
            return self.data[record["id"]]
        if record["status"] != "queued":
            raise Refusal(409, "Image status transition is not allowed")
        self._store(record, b"".join(_pieces(request.body)))
        return b""

    def _members(self, request: Any, record: dict[str, Any], rest: list[str]) -> Any:
        if record["visibility"] != "shared":
            raise Refusal(403, "Only shared images have members.")
        members = self.members.setdefault(record["id"], {})
        if request.method == "POST":
            project = request.json()["member"]
            if project in members:
                raise Refusal(409, "duplicated")
            members[project] = "pending"
        elif request.method == "PUT":
            members[rest[0]] = request.json()["status"]
        return {"members": [{"member_id": name, "status": said} for name, said in members.items()]}


def _pieces(body: Any) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
    elif body is not None:
        yield from body


def failing(status: int, said: str = "no") -> Callable[[], Any]:
    """Return what answers with an error status."""

    def fail() -> None:
        raise Refusal(status, said)

    return fail
