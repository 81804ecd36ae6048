"""Make the seeds, through the APIs that the cloud is there for; those that are missing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from tests.cloud import engines, identities
from tests.cloud.configuration import urls
from tests.cloud.places import Places
from tests.cloud.reports import CloudError, say
from tests.cloud.seeds import SEEDS, STATIC_FILES, WRONG_CHECKSUM, Seed, bytes_of, seeds_in
from tests.cloud.swift import Swift

_BINARY = "application/octet-stream"


def write_static_files(places: Places) -> None:
    """Fill the static server's folder."""
    places.static.mkdir(parents=True, exist_ok=True)
    for name, size in STATIC_FILES.items():
        (places.static / name).write_bytes(bytes_of(name, size))


class Sower:
    """Logged in as everyone, in both regions."""

    def __init__(
        self, places: Places, ports: Mapping[str, int], projects: Mapping[str, str]
    ) -> None:
        self.places = places
        self.urls = urls(ports)
        self.engine = engines.engine(places, ports)
        has_swift = places.world.store == "swift"
        self.swift = Swift(self.urls["swift"], places.swift) if has_swift else None
        self.projects = projects
        self.sessions = {
            name: identities.session(self.urls["identity"], name, name)
            for name in ("admin", "demo", "other")
        }

    def sow(self) -> int:
        """Make all that is missing; how many that was."""
        there = {region: self._existing(region) for region in ("RegionOne", "RegionTwo")}
        made = 0
        for seed in seeds_in(self.places.world):
            if seed.id not in there[seed.region]:
                self._make(seed)
                made += 1
                if made % 25 == 0:
                    say(f"{made} of {len(SEEDS)} images")
        return made

    def _existing(self, region: str) -> set[str]:
        """The IDs of all images that were ever made, as far as an admin is told of them."""
        admin, image = self.sessions["admin"], self.urls["image"]
        if region == "RegionTwo":
            lists = [self.urls["target-image"] + "/v2/images?limit=1000"]
        else:
            ever = "is_public=none&changes-since=1970-01-01T00:00:00"
            lists = [
                f"{image}/v1/images?limit=1000&{ever}",
                f"{image}/v2/images?limit=1000&visibility=community",
            ]
        return {found["id"] for url in lists for found in admin.get(url).json()["images"]}

    def _ask(self, seed: Seed, method: str, path: str, service: str = "image", **more: Any) -> Any:
        """One request, as the seed's owner unless told otherwise; the answer, whatever it is."""
        session = self.sessions[more.pop("user", seed.owner) or "admin"]
        if seed.region == "RegionTwo":
            service = "target-image"
        return session.request(self.urls[service] + path, method, raise_exc=False, **more)

    def _must(self, seed: Seed, method: str, path: str, **more: Any) -> Any:
        answer = self._ask(seed, method, path, **more)
        if answer.status_code >= 300:
            raise CloudError(
                f"seed {seed.key}: {method} {path} answered {answer.status_code}: "
                f"{answer.text[:500]}"
            )
        return answer

    def _make(self, seed: Seed) -> None:
        if seed.through == "v2":
            self._make_v2(seed)
        else:
            self._make_v1(seed)
        path = f"/v1/images/{seed.id}"
        for project, can_share in seed.members.items():
            member = {"member": {"can_share": can_share}}
            self._must(seed, "PUT", f"{path}/members/{self.projects[project]}", json=member)
        if seed.compute_metadata:
            self._must(
                seed,
                "POST",
                f"/images/{seed.id}/metadata",
                service="compute",
                json={"metadata": dict(seed.compute_metadata)},
            )
        if seed.status == "deleted":
            self._must(seed, "DELETE", path)
        if seed.status == "deactivated":
            self._must(seed, "POST", f"/v2/images/{seed.id}/actions/deactivate", user="admin")
        if seed.accident:
            self._damage(seed)

    def _make_v1(self, seed: Seed) -> None:
        headers = self._headers(seed)
        body: bytes | None = None
        if seed.source == "location":
            headers["x-image-meta-location"] = f"{self.urls['static']}/{seed.file}"
        elif seed.source == "copy-from":
            headers["x-glance-api-copy-from"] = f"{self.urls['static']}/{seed.file}"
        elif seed.data is not None:
            body = seed.data
            headers["Content-Type"] = _BINARY
            headers["x-image-meta-size"] = str(len(body))
        if seed.status == "killed":
            headers["x-image-meta-checksum"] = WRONG_CHECKSUM
        # Only admins publish; an image that is another's and public is made in their name.
        user = "admin" if seed.visibility == "public" else seed.owner
        more: dict[str, Any] = {"headers": headers, "data": body, "user": user}
        if seed.status == "killed":
            answer = self._ask(seed, "POST", "/v1/images", **more)
            if answer.status_code != 400:
                raise CloudError(f"seed {seed.key}: a wrong checksum gave {answer.status_code}")
            return
        self._must(seed, "POST", "/v1/images", **more)
        if seed.source == "copy-from":
            self._wait_until_active(seed)

    def _headers(self, seed: Seed) -> dict[str, str]:
        fields: dict[str, object] = {
            "id": seed.id,
            "name": seed.name,
            "owner": self.projects[seed.owner] if seed.owner else "",
            "is-public": seed.visibility == "public",
            "disk-format": seed.disk_format,
            "container-format": seed.container_format,
            "min-ram": seed.min_ram,
            "min-disk": seed.min_disk,
            "protected": seed.protected,
        }
        headers = {
            f"x-image-meta-{name}": _as_header(str(value))
            for name, value in fields.items()
            if value is not None
        }
        for name, value in seed.properties.items():
            # Hyphens only: headers with underscores are dropped by some servers.
            header = "x-image-meta-property-" + name.replace("_", "-")
            headers[header] = _as_header(value or "")
        return headers

    def _make_v2(self, seed: Seed) -> None:
        body: dict[str, Any] = {
            "id": seed.id,
            "visibility": seed.visibility,
            "disk_format": seed.disk_format,
            "container_format": seed.container_format,
            "min_ram": seed.min_ram,
            "min_disk": seed.min_disk,
            "protected": seed.protected,
            "tags": list(seed.tags),
            **seed.properties,
        }
        if seed.name is not None:
            body["name"] = seed.name
        self._must(seed, "POST", "/v2/images", json=body)
        if seed.data is not None:
            headers = {"Content-Type": _BINARY}
            path = f"/v2/images/{seed.id}/file"
            self._must(seed, "PUT", path, headers=headers, data=seed.data)

    def _wait_until_active(self, seed: Seed, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            status = self._must(seed, "GET", f"/v2/images/{seed.id}").json()["status"]
            if status == "active":
                return
            if status == "killed" or time.monotonic() > deadline:
                raise CloudError(f"seed {seed.key}: its copy is {status}")
            time.sleep(0.1)

    def _damage(self, seed: Seed) -> None:
        if seed.accident == "interrupted":
            self._interrupt(seed)
            return
        data = bytearray(seed.data or b"")
        if seed.accident == "truncated":
            del data[len(data) // 2 :]
        else:
            data[len(data) // 2] ^= 0xFF
        stored = self.places.images / seed.id
        if seed.accident == "missing":
            self.swift.delete(seed.id) if self.swift else stored.unlink()
        else:
            self.swift.write(seed.id, bytes(data)) if self.swift else stored.write_bytes(data)

    def _interrupt(self, seed: Seed) -> None:
        """No API says it: the status that a service leaves behind when it dies."""
        if self.engine:
            self.engine.execute(f"UPDATE images SET status = 'saving' WHERE id = '{seed.id}'")
            return
        database = self.places.databases / "glance.sqlite"
        with closing(sqlite3.connect(database, timeout=30)) as glance, glance:
            glance.execute("UPDATE images SET status = 'saving' WHERE id = ?", (seed.id,))


def _as_header(value: str) -> str:
    """v1's headers are UTF-8; HTTP libraries send text as latin-1."""
    return value.encode("utf-8").decode("latin-1")
