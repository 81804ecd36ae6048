"""What the tests that write share: images that go again, and other ways to look at them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import Cloud

DATA = os.urandom(300_000)
FORMATS = ("--disk-format", "raw", "--container-format", "bare")


class Beside:
    """The same images by other ways than the commands under test.

    :ivar prefix: what the names of all images begin with that a test makes
    """

    def __init__(self, cloud: Cloud, session: Callable[[str], Any]) -> None:
        self.prefix = f"write-{uuid.uuid4().hex[:8]}"
        self._cloud = cloud
        self._session = session
        self.ids: list[str] = []

    def name(self, more: str = "") -> str:
        return f"{self.prefix} {more}".strip()

    def v1(self, method: str, path: str, user: str = "admin", **options: Any) -> Any:
        url = f"{self._cloud.urls['image']}/v1{path}"
        return self._session(user).request(url, method, raise_exc=False, **options)

    def v2(self, image_id: str, user: str = "admin") -> dict[str, Any]:
        """The image as the Image API v2 has it."""
        url = f"{self._cloud.urls['image']}/v2/images/{image_id}"
        answer = self._session(user).get(url, raise_exc=False)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def compute(self, image_id: str, user: str = "admin") -> dict[str, Any]:
        """The image as the Compute service has it."""
        url = f"{self._cloud.urls['compute']}/images/{image_id}"
        answer = self._session(user).get(url, raise_exc=False)
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["image"])

    def listed(self) -> list[dict[str, Any]]:
        """Records of all images that a test made."""
        pages = self.v1(
            "GET", "/images/detail?is_public=none&changes-since=1970-01-01T00:00:00&limit=1000"
        ).json()["images"]
        return [
            page
            for page in pages
            if not page["deleted"]
            and (str(page["name"]).startswith(self.prefix) or page["id"] in self.ids)
        ]

    def properties(self, image_id: str) -> dict[str, Any]:
        """Properties in their exact spelling."""
        (found,) = (record for record in self.listed() if record["id"] == image_id)
        return dict(found["properties"])

    def stored(self, image_id: str) -> bytes:
        """The bytes that the service keeps."""
        return (self._cloud.store / image_id).read_bytes()

    def make_v2(self, user: str = "admin", **fields: Any) -> str:
        """Make an image through the Image API v2, which allows more."""
        url = f"{self._cloud.urls['image']}/v2/images"
        body = {"name": self.name("v2"), "disk_format": "raw", "container_format": "bare", **fields}
        answer = self._session(user).post(url, json=body, raise_exc=False)
        assert answer.status_code == 201, answer.text
        self.ids.append(answer.json()["id"])
        return self.ids[-1]

    def gone(self, image_id: str) -> bool:
        answer = self.v1("HEAD", f"/images/{image_id}")
        return answer.status_code == 404 or answer.headers.get("X-Image-Meta-Status") == "deleted"

    def remove_all(self) -> None:
        for record in self.listed():
            path = f"/images/{record['id']}"
            if record["protected"]:
                self.v1("PUT", path, headers={"x-image-meta-protected": "false"})
            self.v1("DELETE", path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "image.raw"
    path.write_bytes(DATA)
    return str(path)


@pytest.fixture
def beside(cloud: Cloud, session: Callable[[str], Any]) -> Iterator[Beside]:
    other = Beside(cloud, session)
    yield other
    other.remove_all()
