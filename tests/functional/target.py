"""The second image service as the target of copies, left as it was found.

An image service gives no ID a second time, and a copy keeps IDs. So what tests bring there is taken
out of its database, as if it had never been.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.cloud import BY_KEY, SEEDS, Cloud

#: What cannot go to a newer service: it is damaged here; and one whose ID is another image's there.
STAY = {
    seed.id
    for seed in SEEDS
    if seed.region == "RegionOne"
    and (seed.key == "cirros" or seed.accident in ("missing", "truncated", "corrupt"))
}
#: What goes there in another disk format: its data is not what it is said to be.
MISLABELLED = {BY_KEY[f"format-{name}"].id: name for name in ("iso", "vhd", "vhdx")}

SEEDED = frozenset(seed.id for seed in SEEDS if seed.region == "RegionTwo")


def purge(cloud: Cloud) -> None:
    """Remove all images of the target that were not sown, and what reminds of deleted ones."""
    database = cloud.places.databases / "target-glance.sqlite"
    with closing(sqlite3.connect(database, timeout=30)) as glance, glance:
        found = {row[0] for row in glance.execute("SELECT id FROM images")}
        for image_id in found - SEEDED:
            for table in ("image_properties", "image_locations", "image_members", "image_tags"):
                glance.execute(f"DELETE FROM {table} WHERE image_id = ?", (image_id,))
            glance.execute("DELETE FROM images WHERE id = ?", (image_id,))
    for path in cloud.places.target_images.rglob("*"):
        if path.is_file() and path.name not in SEEDED:
            path.unlink(missing_ok=True)


@contextmanager
def kept_clean(cloud: Cloud) -> Iterator[None]:
    """Purge the target before and after."""
    purge(cloud)
    try:
        yield
    finally:
        purge(cloud)


class Target:
    """The target's API, as an admin."""

    def __init__(self, cloud: Cloud, session: Any) -> None:
        self._session = session
        self._url = cloud.urls["target-image"] + "/v2/images"

    def get(self, image_id: str) -> dict[str, Any] | None:
        answer = self._session.get(f"{self._url}/{image_id}", raise_exc=False)
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found or None

    def data(self, image_id: str) -> bytes:
        content: bytes = self._session.get(f"{self._url}/{image_id}/file").content
        return content

    def members(self, image_id: str) -> dict[str, str]:
        found = self._session.get(f"{self._url}/{image_id}/members").json()["members"]
        return {member["member_id"]: member["status"] for member in found}

    def change(self, image_id: str, **fields: Any) -> None:
        patch = [
            {"op": "replace", "path": f"/{name}", "value": value} for name, value in fields.items()
        ]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self._session.patch(f"{self._url}/{image_id}", json=patch, headers=headers)
