"""Every filter, key and direction gives what a full list, filtered in Python, gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter

from osc_image_v1.api import (
    ComputeImage,
    ComputeImageClient,
    ComputeImageQuery,
    ImageClient,
    ImageDetail,
    ImageQuery,
)
from osc_image_v1.api.records import format_time
from tests.cloud import BY_KEY
from tests.cloud.seeds import SERVER_A, SERVER_C

PAGE_SIZES = (1, 7, 1000)
# For filters that take a request for each image with a page size of 1, like others that have it.
FEWER_PAGES = (7, 1000)
Image = Any


@pytest.fixture
def images(session: Callable[..., Any]) -> Callable[..., ImageClient]:
    def client(cloud: str = "admin") -> ImageClient:
        return ImageClient(Adapter(session(cloud), service_type="image", interface="public"))

    return client


@pytest.fixture
def compute_images(session: Callable[..., Any]) -> Callable[..., ComputeImageClient]:
    def client(cloud: str = "admin") -> ComputeImageClient:
        return ComputeImageClient(Adapter(session(cloud), service_type="compute"))

    return client


@pytest.fixture(scope="module")
def whole(session: Callable[..., Any]) -> list[ImageDetail]:
    """All images, as the admin sees them."""
    client = ImageClient(Adapter(session("admin"), service_type="image", interface="public"))
    return list(client.images_detail(ImageQuery(visibility="all")))


@pytest.fixture(scope="module")
def compute_whole(session: Callable[..., Any]) -> list[ComputeImage]:
    """All images that the Compute service shows to the admin."""
    return list(ComputeImageClient(Adapter(session("admin"), service_type="compute")).images())


@dataclass(frozen=True)
class Case:
    """One combination of options, and the same in Python."""

    options: tuple[str, ...]
    query: Mapping[str, Any]
    keep: Callable[[Image], bool]
    #: Whether it must find something among the seeds.
    some: bool = True
    #: How many images a request asks for; the same filter with another value has fewer of these.
    page_sizes: tuple[int, ...] = PAGE_SIZES


def _is(attribute: str, value: object) -> Callable[[Image], bool]:
    return lambda image: getattr(image, attribute) == value


NAMES = [
    seed.name
    for seed in BY_KEY.values()
    if seed.kind in ("name", "duplicate") and seed.name is not None
]

CASES: dict[str, Case] = {
    **{
        f"name {name[:30]!r}": Case((f"--name={name}",), {"name": name}, _is("name", name))
        for name in NAMES
    },
    "name that is none": Case(
        ("--name", "no such"), {"name": "no such"}, _is("name", "no such"), some=False
    ),
    "name in another case": Case(
        ("--name", "CIRROS"), {"name": "CIRROS"}, _is("name", "CIRROS"), some=False
    ),
    **{
        f"status {status}": Case(
            ("--status", status),
            {"status": status},
            _is("status", status),
            page_sizes=FEWER_PAGES if status == "active" else PAGE_SIZES,
        )
        for status in ("queued", "saving", "active", "deactivated")
    },
    **{
        f"disk format {disk}": Case(
            ("--disk-format", disk),
            {"disk_format": disk},
            _is("disk_format", disk),
            some,
            FEWER_PAGES if disk in ("raw", "no:such") else PAGE_SIZES,
        )
        for disk, some in (("raw", True), ("qcow2", True), ("iso", True), ("no:such", False))
    },
    **{
        f"container format {box}": Case(
            ("--container-format", box),
            {"container_format": box},
            _is("container_format", box),
            some,
            FEWER_PAGES if box == "bare" else PAGE_SIZES,
        )
        for box, some in (("bare", True), ("aki", True), ("ovf", True), ("nosuch", False))
    },
    "min size": Case(
        ("--min-size", "64KiB"), {"min_size": 65536}, lambda image: (image.size or 0) >= 65536
    ),
    "max size": Case(
        ("--max-size", "1"),
        {"max_size": 1},
        lambda image: image.size is not None and image.size <= 1,
    ),
    "min and max size": Case(
        ("--min-size", "1024", "--max-size", "2K"),
        {"min_size": 1024, "max_size": 2048},
        lambda image: 1024 <= (image.size or 0) <= 2048,
    ),
    "min disk": Case(("--min-disk", "8"), {"min_disk": 8}, _is("min_disk", 8)),
    "min disk 0": Case(
        ("--min-disk", "0"), {"min_disk": 0}, _is("min_disk", 0), page_sizes=FEWER_PAGES
    ),
    "min ram": Case(("--min-ram", "2048"), {"min_ram": 2048}, _is("min_ram", 2048)),
    "min ram of none": Case(("--min-ram", "3"), {"min_ram": 3}, _is("min_ram", 3), some=False),
    "protected": Case(("--protected",), {"protected": True}, _is("protected", True)),
    "unprotected": Case(
        ("--unprotected",), {"protected": False}, _is("protected", False), page_sizes=FEWER_PAGES
    ),
    "checksum": Case(
        ("--checksum", str(BY_KEY["cirros"].checksum).upper()),
        {"checksum": BY_KEY["cirros"].checksum},
        _is("checksum", BY_KEY["cirros"].checksum),
    ),
    "property": Case(
        ("--property", "os_distro=debian"),
        {"properties": {"os_distro": "debian"}},
        lambda image: image.properties.get("os_distro") == "debian",
    ),
    "two properties": Case(
        ("--property", "image_type=backup", "--property", "backup_type=daily"),
        {"properties": {"image_type": "backup", "backup_type": "daily"}},
        lambda image: image.properties.get("backup_type") == "daily",
    ),
    **{
        f"property {key}": Case(
            ("--property", f"{key}={value}"),
            {"properties": {key: value}},
            lambda image, key=key, value=value: image.properties.get(key) == value,
            page_sizes=PAGE_SIZES if key in ("unicode", "Foo", "newline") else FEWER_PAGES,
        )
        for seed in ("properties-text", "properties-v2")
        for key, value in BY_KEY[seed].properties.items()
        if "=" not in key and len(str(value)) < 255
    },
    "property of another value": Case(
        ("--property", "os_distro=plan9"),
        {"properties": {"os_distro": "plan9"}},
        lambda image: False,
        some=False,
    ),
    "private": Case(("--private",), {"visibility": "private"}, _is("is_public", False)),
    "public": Case(("--public",), {"visibility": "public"}, _is("is_public", True)),
    "composed": Case(
        (
            "--disk-format",
            "raw",
            "--unprotected",
            "--min-size",
            "1K",
            "--property",
            "image_type=snapshot",
        ),
        {
            "disk_format": "raw",
            "protected": False,
            "min_size": 1024,
            "properties": {"image_type": "snapshot"},
        },
        lambda image: (
            image.properties.get("image_type") == "snapshot"
            and image.disk_format == "raw"
            and not image.protected
            and (image.size or 0) >= 1024
        ),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_filter(case: Case, whole: list[ImageDetail], images: Any, openstack: Any) -> None:
    client = images()
    wanted = [image for image in whole if case.keep(image)]
    assert bool(wanted) is case.some
    query = {"visibility": "all", **case.query}
    for page_size in case.page_sizes:
        found = list(client.images_detail(ImageQuery(**query, page_size=page_size)))
        assert found == wanted, page_size
    for limit in {1, len(wanted)}:
        found = list(client.images_detail(ImageQuery(**query, limit=limit, page_size=50)))
        assert found == wanted[:limit], limit
    assert [image.id for image in client.images(ImageQuery(**query))] == [i.id for i in wanted]
    scope = () if "visibility" in case.query else ("--all",)
    listed = openstack("image", "v1", "list", *scope, "-f", "json", *case.options).json
    assert [row["ID"] for row in listed] == [image.id for image in wanted]


def test_who_sees_what(images: Any, cloud: Any) -> None:
    everything = list(images("admin").images_detail(ImageQuery(visibility="all")))
    admin = cloud.projects["admin"]
    seen = {image.id for image in images("admin").images()}
    assert seen == {image.id for image in everything if image.is_public or image.owner == admin} | {
        BY_KEY["demo-shared-on"].id
    }
    for user, partner in (("demo", "other"), ("other", "demo")):
        shared = {seed.id for seed in BY_KEY.values() if user in seed.members}
        own = {image.id for image in everything if image.owner == cloud.projects[user]}
        public = {image.id for image in everything if image.is_public}
        # Made through v2; v1 lists such for its owner alone.
        community = {BY_KEY["community"].id} if user == "demo" else set()
        for visibility, wanted in (
            (None, own | public | shared | community),
            ("all", own | public | shared | community),
            ("public", public),
            ("private", (own | shared | community) - public),
        ):
            query = ImageQuery(visibility=visibility, page_size=7)
            assert {image.id for image in images(user).images(query)} == wanted, visibility
        assert BY_KEY[f"{partner}-private"].id not in own | public | shared


@pytest.mark.parametrize("project", ["admin", "demo", "other"])
def test_project(project: str, images: Any, openstack: Any, cloud: Any) -> None:
    owner = cloud.projects[project]
    everything = images().images_detail(ImageQuery(visibility="all"))
    wanted = [image.id for image in everything if image.owner == owner]
    assert wanted
    for name_or_id in (project, owner):
        rows = openstack("image", "v1", "list", "--project", name_or_id, "-f", "json").json
        assert [row["ID"] for row in rows] == wanted
    rows = openstack("image", "v1", "list", "--project", project, "--limit", "2", "-f", "json").json
    assert [row["ID"] for row in rows] == wanted[:2]


def test_project_that_a_user_may_not_look_up(openstack: Any, cloud: Any) -> None:
    own = cloud.projects["demo"]
    rows = openstack(
        "image", "v1", "list", "--project", own, "--long", "-f", "json", cloud="demo"
    ).json
    assert rows
    assert {row["Project"] for row in rows} == {own}


def test_shared_with(openstack: Any) -> None:
    rows = openstack("image", "v1", "list", "--shared-with", "other", "-f", "json").json
    assert {row["ID"] for row in rows} == {
        seed.id for seed in BY_KEY.values() if "other" in seed.members
    }
    rows = openstack("image", "v1", "list", "--shared-with", "service", "-f", "json").json
    assert rows == []


def test_deleted_and_killed(openstack: Any, images: Any) -> None:
    deleted = {BY_KEY[key].id for key in ("deleted", "demo-deleted")}
    rows = openstack("image", "v1", "list", "--deleted", "--all", "--long", "-f", "json").json
    assert deleted <= {row["ID"] for row in rows}
    assert all(row["Deleted At"] for row in rows)
    rows = openstack("image", "v1", "list", "--status", "killed", "--all", "-f", "json").json
    assert {BY_KEY[key].id for key in ("killed", "demo-killed")} <= {row["ID"] for row in rows}
    for page_size in PAGE_SIZES:
        query = ImageQuery(visibility="all", deleted=True, page_size=page_size)
        assert deleted <= {image.id for image in images().images(query)}


def test_changes_since(openstack: Any, images: Any) -> None:
    everything = list(
        images().images_detail(ImageQuery(visibility="all", changes_since=_long_ago()))
    )
    times = sorted(image.updated_at for image in everything)
    middle = times[len(times) // 2]
    wanted = [image.id for image in everything if image.updated_at > middle]
    assert wanted
    for page_size in PAGE_SIZES:
        query = ImageQuery(visibility="all", changes_since=middle, page_size=page_size)
        assert [image.id for image in images().images(query)] == wanted
    for text in (format_time(middle), middle.isoformat(), middle.replace(tzinfo=None).isoformat()):
        rows = openstack("image", "v1", "list", "--all", "--changes-since", text, "-f", "json").json
        assert [row["ID"] for row in rows] == wanted
    rows = openstack("image", "v1", "list", "--all", "--changes-since", "99w", "-f", "json").json
    assert len(rows) == len(everything)


def _long_ago() -> Any:
    from osc_image_v1.cli.values import parse_time

    return parse_time("2000-01-01")


_SORTS = {
    "name": lambda image: image.name or "",
    "status": lambda image: image.status,
    "container_format": lambda image: image.container_format or "",
    "disk_format": lambda image: image.disk_format or "",
    "size": lambda image: -1 if image.size is None else image.size,
    "id": lambda image: image.id,
    "created_at": lambda image: image.created_at,
    "updated_at": lambda image: image.updated_at,
}


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", _SORTS)
def test_sort(key: str, direction: str, images: Any, openstack: Any) -> None:
    everything = list(images().images_detail(ImageQuery(visibility="all")))
    value = _SORTS[key]
    wanted = sorted(map(value, everything), reverse=direction == "desc")
    orders = []
    for page_size in PAGE_SIZES:
        query = ImageQuery(visibility="all", sort_key=key, sort_dir=direction, page_size=page_size)
        found = list(images().images_detail(query))
        assert {image.id for image in found} == {image.id for image in everything}
        assert len(found) == len(everything)
        assert list(map(value, found)) == wanted
        orders.append([image.id for image in found])
    assert orders[0] == orders[1] == orders[2]
    rows = openstack("image", "v1", "list", "--all", "--sort", f"{key}:{direction}", "-f", "json")
    assert [row["ID"] for row in rows.json] == orders[0]


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_marker_and_limit(page_size: int, images: Any, openstack: Any) -> None:
    whole = [image.id for image in images().images()]
    for position, limit in ((0, 0), (0, 1), (3, 5), (10, 1000), (len(whole) - 1, None)):
        wanted = whole[position + 1 :][:limit]
        query = ImageQuery(marker=whole[position], limit=limit, page_size=page_size)
        assert [image.id for image in images().images(query)] == wanted
        limited = () if limit is None else ("--limit", str(limit))
        rows = openstack(
            *("image", "v1", "list", "--marker", whole[position], *limited),
            *("--page-size", str(page_size), "-f", "json"),
        ).json
        assert [row["ID"] for row in rows] == wanted


COMPUTE_CASES: dict[str, Case] = {
    **{
        f"name {name[:30]!r}": Case((f"--name={name}",), {"name": name}, _is("name", name))
        for name in NAMES
        if name
    },
    **{
        f"status {status}": Case(
            ("--status", status.lower()),
            {"status": status},
            _is("status", status),
            some,
            PAGE_SIZES if status == "SAVING" else FEWER_PAGES,
        )
        for status, some in (
            ("ACTIVE", True),
            ("SAVING", True),
            ("UNKNOWN", True),
            ("ERROR", False),
            ("DELETED", False),
        )
    },
    **{
        f"server {server[:8]}": Case(
            ("--server", server), {"server": server}, _is("server_id", server)
        )
        for server in (SERVER_A, SERVER_C)
    },
    "server by URL": Case(
        ("--server", f"http://127.0.0.1/v2.1/servers/{SERVER_A}"),
        {"server": SERVER_A},
        _is("server_id", SERVER_A),
    ),
    **{
        f"type {kind}": Case(
            ("--type", kind),
            {"image_type": kind},
            lambda image, kind=kind: image.metadata.get("image_type") == kind,
            kind != "base",
        )
        for kind in ("snapshot", "backup", "base")
    },
    "min disk": Case(("--min-disk", "40"), {"min_disk": 40}, _is("min_disk", 40)),
    "min ram": Case(("--min-ram", "512"), {"min_ram": 512}, _is("min_ram", 512)),
    **{
        f"property {key}": Case(
            ("--property", f"{key}={value}"),
            {"properties": {key: value}},
            lambda image, key=key, value=value: image.metadata.get(key) == value,
            page_sizes=PAGE_SIZES if key == "unicode" else FEWER_PAGES,
        )
        for seed in ("properties-usual", "properties-text", "properties-v2")
        for key, value in BY_KEY[seed].properties.items()
        if "=" not in key and len(str(value)) < 255
    },
    "composed": Case(
        ("--status", "active", "--type", "backup", "--property", "backup_type=daily"),
        {"status": "ACTIVE", "image_type": "backup", "properties": {"backup_type": "daily"}},
        lambda image: image.metadata.get("backup_type") == "daily",
    ),
}


@pytest.mark.parametrize("case", COMPUTE_CASES.values(), ids=list(COMPUTE_CASES))
def test_compute_filter(
    case: Case, compute_whole: list[ComputeImage], compute_images: Any, openstack: Any
) -> None:
    client = compute_images()
    wanted = [image for image in compute_whole if case.keep(image)]
    assert bool(wanted) is case.some
    for page_size in case.page_sizes:
        found = list(client.images(ComputeImageQuery(**case.query, page_size=page_size)))
        assert found == wanted, page_size
    for limit in {1, len(wanted)}:
        found = list(client.images(ComputeImageQuery(**case.query, limit=limit, page_size=50)))
        assert found == wanted[:limit], limit
    listed = openstack("compute", "image", "list", "-f", "json", *case.options).json
    assert [row["ID"] for row in listed] == [image.id for image in wanted]


def test_compute_changes_since(compute_images: Any, openstack: Any) -> None:
    whole = list(compute_images().images())
    middle = sorted(image.updated_at for image in whole)[len(whole) // 2]
    # Nova shows whole seconds of what is compared with microseconds.
    since = middle + timedelta(seconds=1)
    wanted = [image.id for image in whole if image.updated_at >= since]
    for page_size in PAGE_SIZES:
        query = ComputeImageQuery(changes_since=since, page_size=page_size)
        found = [image for image in compute_images().images(query) if image.status != "DELETED"]
        assert [image.id for image in found if image.id in {i.id for i in whole}] == wanted


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_compute_marker_and_limit(page_size: int, compute_images: Any, openstack: Any) -> None:
    whole = [image.id for image in compute_images().images()]
    for position, limit in ((0, 0), (0, 1), (3, 5), (10, 1000), (len(whole) - 1, None)):
        wanted = whole[position + 1 :][:limit]
        query = ComputeImageQuery(marker=whole[position], limit=limit, page_size=page_size)
        assert [image.id for image in compute_images().images(query)] == wanted
        limited = () if limit is None else ("--limit", str(limit))
        rows = openstack(
            *("compute", "image", "list", "--marker", whole[position], *limited),
            *("--page-size", str(page_size), "-f", "json"),
        ).json
        assert [row["ID"] for row in rows] == wanted


def test_callers_add_parameters_of_their_own(images: Any, compute_images: Any, count: Any) -> None:
    with count("image") as requests:
        found = list(images().images_detail(ImageQuery(extra={"size": "1"}, name="large")))
    assert [image.name for image in found] == ["large"]
    assert all("size=1" in request.target for request in requests)
    with count("compute") as requests:
        list(compute_images().images(ComputeImageQuery(extra={"x": "y z"}, page_size=50)))
    assert len(requests) > 1
    assert all("x=y+z" in request.target or "x=y%20z" in request.target for request in requests)


def test_images_are_what_was_sown(images: Any) -> None:
    whole = {image.id: image for image in images().images_detail(ImageQuery(visibility="all"))}
    for seed in BY_KEY.values():
        if seed.region != "RegionOne":
            continue
        if seed.status in ("killed", "deleted") or seed.visibility == "community":
            assert seed.id not in whole
            continue
        image: ImageDetail = whole[seed.id]
        assert image.name == seed.name
        assert (image.disk_format, image.container_format) == (
            seed.disk_format,
            seed.container_format,
        )
        assert (image.min_disk, image.min_ram) == (seed.min_disk, seed.min_ram)
        assert image.status == seed.status
        assert image.protected is seed.protected
        assert image.is_public is (seed.visibility == "public")
        assert image.created_at.tzinfo is not None
        for key, value in {**seed.properties, **seed.compute_metadata}.items():
            assert image.properties[key] == value
        if seed.source == "upload" and seed.checksum:
            assert image.checksum == seed.checksum
            assert image.size == len(seed.data or b"")
