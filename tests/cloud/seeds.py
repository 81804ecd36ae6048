"""The images that a fresh cloud holds: a table of data, for the sowing and for the tests.

``SEEDS`` is in the order of their making, so lists by creation show it backwards. Each seed has a
``key``, which is its handle here (``BY_KEY["cirros"]``), and from which its ID and its data follow:
they are the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tests.cloud.worlds import World

_NAMESPACE = uuid.UUID("6f736369-6d61-5765-8176-31a5eed50000")

#: Files of the static server, and their sizes.
STATIC_FILES = {"remote.img": 4096, "copied.img": 70_000, "empty.img": 0}


#: What killed images were said to have.
WRONG_CHECKSUM = "0" * 32


def id_of(key: str) -> str:
    """The image ID that a key stands for, whether there is such a seed or not."""
    return str(uuid.uuid5(_NAMESPACE, key))


def bytes_of(key: str, size: int, disk_format: str | None = None) -> bytes:
    """The data that a key stands for; noise, but a qcow2 image begins as one.

    Newer image services look into what they are given, and refuse what is not as it says.
    """
    head = _QCOW2 if disk_format == "qcow2" else b""
    return (head + random.Random(key).randbytes(size))[:size]


#: The header of an empty qcow2 image, version 3, of 1 GiB: magic, version, no backing file, 64 KiB
#: clusters, size, no encryption, tables, no snapshots, no features.
_QCOW2 = struct.pack(
    ">4sIQIIQIIQQIIQQQQII",
    *(b"QFI\xfb", 3, 0, 0, 16, 1 << 30, 0, 2, 3 << 16, 1 << 16, 1, 0, 0, 0, 0, 0, 4, 104),
)


@dataclass(frozen=True)
class Seed:
    """One image: what is asked for when it is made, and what it is then."""

    key: str
    #: What it is an example of.
    kind: str
    #: None is an image without a name.
    name: str | None
    #: The project it belongs to, and whose user makes it: admin, demo or other. None is nobody's.
    owner: str | None = "admin"
    #: public, private or (only through v2) community. Sharing is by ``members``.
    visibility: str = "public"
    #: Length of the data; None is an image without data.
    size: int | None = 1024
    disk_format: str | None = "raw"
    container_format: str | None = "bare"
    min_ram: int = 0
    min_disk: int = 0
    protected: bool = False
    #: None is a property without a value.
    properties: Mapping[str, str | None] = field(default_factory=dict)
    #: Projects that it is shared with, and whether they may share it on.
    members: Mapping[str, bool] = field(default_factory=dict)
    #: Seen in v2 alone.
    tags: tuple[str, ...] = ()
    #: active, queued, saving, killed, deleted or deactivated.
    status: str = "active"
    #: Which API makes it: v1, or v2 where v1's headers cannot say it.
    through: str = "v1"
    #: Where the data comes from: upload, location or copy-from (a file of the static server).
    source: str = "upload"
    file: str | None = None
    #: What happened to the stored data afterwards: missing, truncated or corrupt; or interrupted,
    #: which is what is left when the service dies during an upload.
    accident: str | None = None
    #: Set through the compute proxy afterwards.
    compute_metadata: Mapping[str, str] = field(default_factory=dict)
    region: str = "RegionOne"
    #: An ID of its own, where that is the point.
    fixed_id: str | None = None

    @property
    def id(self) -> str:
        return self.fixed_id or id_of(self.key)

    @property
    def data(self) -> bytes | None:
        """What was uploaded, linked or copied."""
        if self.file is not None:
            return bytes_of(self.file, STATIC_FILES[self.file])
        return None if self.size is None else bytes_of(self.key, self.size, self.disk_format)

    @property
    def checksum(self) -> str | None:
        """The MD5 that the image service shows, if it shows one."""
        if self.status == "killed":
            return WRONG_CHECKSUM
        # v1 makes an image of no bytes active without ever looking at data.
        nothing = self.size == 0 and self.through == "v1" and self.file is None
        if self.data is None or self.source == "location" or nothing:
            return None
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()


SERVER_A = id_of("server a")
SERVER_B = id_of("server b")
#: A server of demo's.
SERVER_C = id_of("server c")


def _snapshot(base: str, server: str, **more: str) -> dict[str, str | None]:
    return {
        "image_type": "snapshot",
        "instance_uuid": server,
        "base_image_ref": id_of(base),
        "image_location": "snapshot",
        "image_state": "available",
        **more,
    }


def _backup(base: str, server: str, rotation: str) -> dict[str, str | None]:
    return {**_snapshot(base, server), "image_type": "backup", "backup_type": rotation}


_NAMES: Iterable[tuple[str, str]] = (
    ("name-umlauts", "Übergröße für Jürgen"),
    ("name-cjk", "雲の画像"),
    ("name-combining", "cafe\u0301"),
    ("name-percent", "100%"),
    ("name-percent-20", "a%20b"),
    ("name-colon", "ubuntu:24.04"),
    ("name-in", "in:a,b"),
    ("name-comma", "a,b"),
    ("name-spaces-inside", "two  spaces"),
    ("name-dash", "-leading-dash"),
    ("name-option", "--help"),
    ("name-slash", "registry/image"),
    ("name-up", "../up"),
    ("name-quotes", "\"double\" 'single' `back`"),
    ("name-backslash", "back\\slash\\n"),
    ("name-html", "<b>&amp;"),
    ("name-equals", "key=value"),
    ("name-semicolon", "a; b"),
    ("name-rtl", "invoice\u202egpj.exe"),
    ("name-255", "n" * 255),
    ("name-uuid", "12345678-1234-4abc-8def-1234567890ab"),
    ("name-of-another-id", id_of("cirros")),
    ("name-digits", "12345678"),
    ("name-none", "None"),
    ("name-case", "CirrOS"),
    ("name-zero-width", "cir\u200bros"),
)

_NAMES_V2: Iterable[tuple[str, str]] = (
    ("name-leading-space", " leading"),
    ("name-trailing-space", "trailing "),
    ("name-escape", "\x1b[31mred\x1b[0m"),
    ("name-newline", "two\nlines"),
    ("name-tab", "a\tb"),
    ("name-return", "overwritten\rby this"),
    ("name-csi", "\x9b31mred"),
    ("name-empty", ""),
)

_FORMATS: Iterable[tuple[str, str]] = (
    ("vhd", "bare"),
    ("vhdx", "bare"),
    ("vmdk", "ovf"),
    ("qcow2", "docker"),
    ("vdi", "ova"),
    ("iso", "bare"),
    ("ploop", "bare"),
)

SEEDS: tuple[Seed, ...] = (
    # Ordinary images
    Seed("cirros", "plain", "cirros", size=65_536, disk_format="qcow2"),
    Seed(
        "ubuntu",
        "plain",
        "ubuntu",
        size=2 * 1024 * 1024 + 1,
        disk_format="qcow2",
        min_ram=512,
        min_disk=8,
        properties={"os_distro": "ubuntu", "os_version": "24.04", "architecture": "x86_64"},
    ),
    Seed("large", "plain", "large", size=5 * 1024 * 1024),
    Seed("empty", "size", "empty", size=0),
    Seed("one-byte", "size", "one-byte", size=1),
    Seed("min", "plain", "min", min_ram=2048, min_disk=40),
    *(Seed(f"page-{n:02}", "page", f"page-{n:02}", size=16 + n) for n in range(16)),
    # Who owns them, and who sees them
    Seed("admin-private", "private", "admin-private", visibility="private"),
    Seed("demo-private", "private", "demo-private", "demo", "private"),
    Seed("other-private", "private", "other-private", "other", "private"),
    Seed("demo-public", "public", "demo-public", "demo"),
    Seed("demo-shared", "shared", "demo-shared", "demo", "private", members={"other": False}),
    Seed(
        "demo-shared-on",
        "shared",
        "demo-shared-on",
        "demo",
        "private",
        members={"other": True, "admin": False},
    ),
    Seed(
        "other-shared",
        "shared",
        "other-shared",
        "other",
        "private",
        members={"demo": True},
    ),
    Seed("no-owner", "public", "no-owner", None),
    Seed("community", "community", "community", "demo", "community", through="v2"),
    Seed("protected", "protected", "protected", protected=True),
    Seed("demo-protected", "protected", "demo-protected", "demo", "private", protected=True),
    # The same name twice: in one project, and in two
    Seed("twin-1", "duplicate", "twin"),
    Seed("twin-2", "duplicate", "twin", size=2048),
    Seed("shared-name-demo", "duplicate", "same-name", "demo", "private"),
    Seed("shared-name-other", "duplicate", "same-name", "other", "private"),
    # Every status
    Seed("queued", "queued", "queued", size=None, status="queued"),
    Seed(
        "queued-bare",
        "queued",
        "queued-bare",
        size=None,
        disk_format=None,
        container_format=None,
        status="queued",
    ),
    Seed("demo-queued", "queued", "demo-queued", "demo", "private", size=None, status="queued"),
    Seed("killed", "killed", "killed", status="killed"),
    Seed("demo-killed", "killed", "demo-killed", "demo", "private", status="killed"),
    Seed("deleted", "deleted", "deleted", status="deleted"),
    Seed("demo-deleted", "deleted", "demo-deleted", "demo", "private", status="deleted"),
    Seed("queued-v2", "queued", "queued-v2", size=None, status="queued", through="v2"),
    Seed("saving", "saving", "saving", size=None, status="saving", accident="interrupted"),
    Seed("deactivated", "deactivated", "deactivated", status="deactivated"),
    # Where the data is
    Seed("location", "location", "location", source="location", file="remote.img"),
    Seed("copied", "copy-from", "copied", source="copy-from", file="copied.img"),
    Seed("data-missing", "accident", "data-missing", size=8192, accident="missing"),
    Seed("data-truncated", "accident", "data-truncated", size=8192, accident="truncated"),
    Seed("data-corrupt", "accident", "data-corrupt", size=8192, accident="corrupt"),
    # Formats
    *(
        Seed(f"format-{disk}", "format", f"format-{disk}", disk_format=disk, container_format=box)
        for disk, box in _FORMATS
    ),
    Seed("kernel", "format", "kernel", disk_format="aki", container_format="aki"),
    Seed("ramdisk", "format", "ramdisk", disk_format="ari", container_format="ari"),
    Seed(
        "machine",
        "format",
        "machine",
        disk_format="ami",
        container_format="ami",
        properties={"kernel_id": id_of("kernel"), "ramdisk_id": id_of("ramdisk")},
    ),
    # Servers' snapshots and backups
    Seed("snapshot-a", "snapshot", "snapshot-a", properties=_snapshot("cirros", SERVER_A)),
    Seed("snapshot-b", "snapshot", "snapshot-b", properties=_snapshot("ubuntu", SERVER_B)),
    Seed(
        "snapshot-c",
        "snapshot",
        "snapshot-c",
        "demo",
        "private",
        properties=_snapshot("cirros", SERVER_C),
    ),
    Seed(
        "snapshot-volume",
        "snapshot",
        "snapshot-volume",
        size=0,
        properties={
            **_snapshot("ubuntu", SERVER_B),
            "root_device_name": "/dev/vda",
            "bdm_v2": "True",
            "block_device_mapping": json.dumps(
                [{"device_name": "/dev/vda", "snapshot_id": id_of("volume"), "boot_index": 0}]
            ),
        },
    ),
    Seed(
        "snapshot-disk-config",
        "snapshot",
        "snapshot-disk-config",
        properties={**_snapshot("cirros", SERVER_B), "auto_disk_config": "True"},
    ),
    *(
        Seed(
            f"backup-a-{rotation}-{n}",
            "backup",
            f"backup-a-{rotation}",
            visibility="private",
            properties=_backup("cirros", SERVER_A, rotation),
        )
        for rotation, count in (("daily", 2), ("weekly", 1))
        for n in range(count)
    ),
    Seed(
        "backup-c-daily-0",
        "backup",
        "backup-c-daily",
        "demo",
        "private",
        properties=_backup("cirros", SERVER_C, "daily"),
    ),
    # Names
    Seed("no-name", "name", None),
    *(Seed(key, "name", name) for key, name in _NAMES),
    *(Seed(key, "name", name, through="v2") for key, name in _NAMES_V2),
    # Properties
    Seed(
        "properties-100",
        "property",
        "properties-100",
        properties={f"key_{n:03}": f"value {n}" for n in range(100)},
    ),
    Seed(
        "properties-127",
        "property",
        "properties-127",
        properties={f"key_{n:03}": f"value {n}" for n in range(127)},
    ),
    Seed(
        "properties-usual",
        "property",
        "properties-usual",
        properties={
            "os_distro": "debian",
            "os_version": "12",
            "owner_note": "keep",
            "architecture": "aarch64",
            "hw_disk_bus": "virtio",
        },
    ),
    Seed("properties-null", "property", "properties-null", properties={"nothing": None}),
    Seed(
        "properties-text",
        "property",
        "properties-text",
        properties={
            "unicode": "Grüße aus 東京",
            "comma": "a,b, c",
            "equals": "a=b=c",
            "quotes": "\"double\" 'single'",
            "percent": "%20 100%",
            "html": "<b>&amp;</b>",
            "json": '{"a": [1, "b"]}',
            "long": "x" * 2000,
        },
    ),
    Seed(
        "properties-v2",
        "property",
        "properties-v2",
        through="v2",
        properties={
            "empty": "",
            "spaces": "  around  ",
            "escape": "\x1b[31mred\x1b[0m",
            "Foo": "upper",
            "foo": "lower",
            "a-b": "hyphen",
            "a_b": "underscore",
            "UPPER": "upper only",
            "with-hyphen": "hyphen only",
            "ключ": "a key in Cyrillic",
            "key with spaces": "spaces",
            "key:colon": "colon",
            "key=equals": "equals",
        },
        tags=("one", "two words"),
    ),
    Seed(
        "properties-newline",
        "property",
        "properties-newline",
        through="v2",
        properties={"a_key": "before", "newline": "two\nlines", "z_key": "after"},
    ),
    Seed(
        "properties-compute",
        "property",
        "properties-compute",
        compute_metadata={"key with spaces": "spaces", "key:colon": "colon", "key.dot": "dot"},
    ),
    # The second region: what a copy may meet there
    Seed(
        "target-same-id",
        "target",
        "cirros",
        size=65_536,
        disk_format="qcow2",
        through="v2",
        region="RegionTwo",
        fixed_id=id_of("cirros"),
    ),
    Seed("target-same-name", "target", "ubuntu", through="v2", region="RegionTwo"),
    Seed(
        "target-demo-private",
        "target",
        "target-demo-private",
        "demo",
        "private",
        through="v2",
        region="RegionTwo",
    ),
    Seed("target-own", "target", "target-own", through="v2", region="RegionTwo", tags=("target",)),
)

#: The seeds by their handles.
BY_KEY: Mapping[str, Seed] = {seed.key: seed for seed in SEEDS}


def seeds_in(world: World) -> tuple[Seed, ...]:
    """The images of a cloud in this world: a database that folds names keeps one of two."""
    if world.database != "mariadb":
        return SEEDS
    return tuple(replace(seed, properties=_folded(seed.properties)) for seed in SEEDS)


def _folded(properties: Mapping[str, str | None]) -> dict[str, str | None]:
    kept: dict[str, str] = {}
    for name in properties:
        kept.setdefault(name.casefold(), name)
    return {name: properties[name] for name in kept.values()}


def seeds(kind: str) -> list[Seed]:
    """The seeds of one kind, in the order of their making."""
    return [seed for seed in SEEDS if seed.kind == kind]
