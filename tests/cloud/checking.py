"""Ask the services whether they hold what the table of seeds says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.cloud.cloud import Cloud
from tests.cloud.seeds import Seed, seeds_in

_COMPUTE_STATUS = {
    "active": "ACTIVE",
    "queued": "SAVING",
    "saving": "SAVING",
    "killed": "ERROR",
    "deactivated": "UNKNOWN",
}


def differences(cloud: Cloud) -> Iterator[str]:
    """What is not as the table says, a line each."""
    admin, urls = cloud.session(), cloud.urls
    every = f"{urls['image']}/v1/images/detail?limit=1000&is_public=none"
    ever = f"{every}&changes-since=1970-01-01T00:00:00"
    v1 = {image["id"]: image for image in admin.get(ever).json()["images"]}
    compute_list = f"{urls['compute']}/images/detail?limit=1000"
    compute = {image["id"]: image for image in admin.get(compute_list).json()["images"]}
    for seed in seeds_in(cloud.places.world):
        if seed.region == "RegionTwo":
            image = admin.get(f"{urls['target-image']}/v2/images/{seed.id}", raise_exc=False)
            yield from _compare(seed, "v2", _v2(seed), image.json() if image.ok else None)
            continue
        if seed.visibility == "community":
            # v1 lists them to their owners alone.
            image = admin.get(f"{urls['image']}/v2/images/{seed.id}").json()
            yield from _compare(seed, "v2", _v2(seed), image)
            continue
        yield from _compare(seed, "v1", _v1(seed, cloud.projects), v1.get(seed.id))
        if seed.status not in ("killed", "deleted"):
            yield from _compare(seed, "compute", _compute(seed), compute.get(seed.id))
        for project, can_share in seed.members.items():
            members = admin.get(f"{urls['image']}/v1/images/{seed.id}/members").json()["members"]
            wanted = {"member_id": cloud.projects[project], "can_share": can_share}
            if wanted not in members:
                yield f"{seed.key}: {project} is not its member as it should be: {members}"
        # v2 again: v1 tells the properties in headers, and a client may not take so many.
        whole = seed.data and seed.status == "active" and seed.accident is None
        if whole and admin.get(f"{urls['image']}/v2/images/{seed.id}/file").content != seed.data:
            yield f"{seed.key}: its data differs"


def _compare(
    seed: Seed, api: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterator[str]:
    if found is None:
        yield f"{seed.key}: not in {api}"
        return
    for name, value in wanted.items():
        if found.get(name) != value:
            yield f"{seed.key}: {name} in {api} is {found.get(name)!r}, not {value!r}"


def _v1(seed: Seed, projects: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": seed.name,
        "status": seed.status,
        "owner": projects[seed.owner] if seed.owner else None,
        "is_public": seed.visibility == "public",
        "disk_format": seed.disk_format,
        "container_format": seed.container_format,
        "min_ram": seed.min_ram,
        "min_disk": seed.min_disk,
        "protected": seed.protected,
        "checksum": seed.checksum,
        # Made through v2, an image without data has no size; through v1, it has none of it.
        "size": len(seed.data) if seed.data is not None else None if seed.through == "v2" else 0,
        "properties": {**seed.properties, **seed.compute_metadata},
    }


def _v2(seed: Seed) -> dict[str, Any]:
    return {
        "name": seed.name,
        "status": seed.status,
        "visibility": seed.visibility,
        "disk_format": seed.disk_format,
        "container_format": seed.container_format,
        "checksum": seed.checksum,
        **seed.properties,
    }


def _compute(seed: Seed) -> dict[str, Any]:
    # What is null is empty there, and one property is no text.
    metadata: dict[str, Any] = {name: value or "" for name, value in seed.properties.items()}
    if "block_device_mapping" in metadata:
        metadata["block_device_mapping"] = json.loads(metadata["block_device_mapping"])
    return {
        "name": seed.name,
        "status": _COMPUTE_STATUS[seed.status],
        "minRam": seed.min_ram,
        "minDisk": seed.min_disk,
        "OS-EXT-IMG-SIZE:size": len(seed.data or b""),
        "metadata": {**metadata, **seed.compute_metadata},
    }
