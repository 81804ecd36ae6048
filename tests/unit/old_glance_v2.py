"""An image service in memory that does with the Image API v2 what Glance did before Ocata."""

from __future__ import annotations

import json
import uuid
from typing import Any

import requests_mock as rm

from tests.unit import captures
from tests.unit.conftest import params_of
from tests.unit.glance_v2 import GlanceV2, Refusal

_VISIBILITIES = ("public", "private")


class OldGlanceV2(GlanceV2):
    """The service of a release.

    :param release: one of :data:`tests.unit.captures.RELEASES`, up to Newton
    """

    def __init__(self, mock: rm.Mocker, release: str) -> None:
        super().__init__(mock)
        self.release = release
        number = captures.RELEASES.index(release)
        self.is_of_juno, self.is_of_kilo, self.is_of_mitaka = number > 1, number > 2, number > 4

    def _schema(self, path: str, context: Any) -> bytes:
        if path == "/schemas/image":
            answer = captures.of_release(self.release, "v2-schema")
            context.headers.update(answer.headers)
            return answer.body
        context.status_code = 200 if self.is_of_juno else 404
        return b"{}"

    def _do(self, request: Any, context: Any, path: list[str]) -> Any:
        answer = super()._do(request, context, path)
        if isinstance(answer, dict) and "images" in answer:
            return {**answer, "images": [self._shown(record) for record in answer["images"]]}
        return self._shown(answer) if isinstance(answer, dict) and "id" in answer else answer

    def _shown(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record as the release shows it."""
        hidden = {"os_hash_algo", "os_hash_value"}
        if self.release == "havana":
            hidden |= {"owner", "virtual_size"}
        if not self.is_of_kilo:
            hidden |= {name for name, value in record.items() if value is None}
        return {name: value for name, value in record.items() if name not in hidden}

    def _list(self, request: Any) -> Any:
        params = params_of(request)
        if ":" in params.get("name", "") and self.is_of_mitaka:
            raise Refusal(400, "Unable to filter by unknown operator 'no-operator'.")
        visibility = params.get("visibility")
        if visibility not in (None, *_VISIBILITIES):
            raise Refusal(400, f"Invalid visibility value: {visibility}")
        return super()._list(request)

    def _check(self, fields: dict[str, Any]) -> None:
        if fields.get("visibility", "private") not in _VISIBILITIES:
            raise Refusal(400, "Provided object does not match schema 'image'")
        if not self.is_of_kilo and None in fields.values():
            raise Refusal(400, "Provided object does not match schema 'image'")

    def _create(self, request: Any) -> Any:
        fields = request.json()
        self._check(fields)
        if "owner" in fields and not self.is_of_mitaka:
            raise Refusal(403, "Attribute 'owner' is reserved.")
        if "id" in fields and not self.is_of_juno:
            # An error in the code, which says nothing.
            raise Refusal(500, "")
        fields.setdefault("id", str(uuid.uuid4()))
        if fields["id"] in self.records or fields["id"] in self.deleted:
            raise Refusal(409, f"Image ID {fields['id']} already exists!")
        return self.add(fields.pop("id"), **{"owner": "me", "visibility": "private", **fields})

    def _image(self, request: Any, record: dict[str, Any]) -> Any:
        if request.method == "PATCH":
            changes = json.loads(request.body)
            self._check({one["path"][1:]: one.get("value", "") for one in changes})
        return super()._image(request, record)

    def _members(self, request: Any, record: dict[str, Any], rest: list[str]) -> Any:
        if record["visibility"] == "public":
            raise Refusal(403, "Public images do not have members.")
        return super()._members(request, {**record, "visibility": "shared"}, rest)
