"""A service that is far away: export and copy of many small images, and how many at a time.

Beside an export: ``curl --parallel`` with as many connections, which fetches the same data and asks
for the same members; and the data alone.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from bench.contenders import FarAway, far_away, openstack, sh, shell, stand_in
from bench.measure import Contender, Section, compare, run_once
from bench.real import a_cloud
from bench.stand_in import detailed, image_id
from bench.transfers import MIB, check_files, make_file
from osc_image_v1.transfer.many import PARALLEL
from tests.cloud import Cloud

SMALL = MIB // 16
#: Milliseconds of the round trip.
ROUND_TRIP = 40.0
#: How many at a time are tried, and how far away.
TRIED, ROUND_TRIPS = (1, 2, 4, 8, 16, 32), (0.0, 10.0, ROUND_TRIP)
_FEW = 8


def export(folder: Path, count: int, rounds: int) -> Section:
    """Export many small images from far away."""
    data, tiny = make_file(folder / "data", SMALL), make_file(folder / "tiny", 1)
    single, exported, fetched = (folder / name for name in ("single", "exported", "fetched"))
    start, curl, alone = "start (export of 1 byte)", "curl --parallel", "the same, data alone"
    with (
        stand_in(count, data) as near,
        stand_in(1, tiny) as near_tiny,
        far_away(near, ROUND_TRIP) as far,
        far_away(near_tiny, ROUND_TRIP) as far_tiny,
    ):
        contenders = [
            _exporter(start, far_tiny.url, single, tiny, 1),
            _exporter("export", far.url, exported, data, count),
            _fetcher(curl, far.url, fetched, data, count, members=True),
            _fetcher(alone, far.url, fetched, data, count, members=False),
        ]
        samples = compare(contenders, rounds)
        used = {one.name: _connections(far, one) for one in contenders[1:]}
    title = f"Export of {count} images of {SMALL / MIB:g} MiB, {ROUND_TRIP:g} ms away"
    section = Section(title, samples)
    for name, target in ((curl, 1.3), (alone, None)):
        ratio = section.fastest("export", start) / section.fastest(name)
        section.figure(f"export beyond the start / {name}", ratio, target)
    section.figure("connections of the export", used["export"], PARALLEL)
    section.figure(f"connections of {curl}", used[curl])
    for path in (single, exported, fetched):
        shutil.rmtree(path)
    return section


def _exporter(name: str, url: str, target: Path, wanted: Path, count: int, *more: str) -> Contender:
    return Contender(
        name,
        shell(url, "image", "v1", "export", *more, str(target)),
        prepare=lambda: shutil.rmtree(target, ignore_errors=True),
        check=lambda: check_files(target.glob("*.img"), wanted, count),
    )


def _fetcher(
    name: str, url: str, folder: Path, data: Path, count: int, *, members: bool
) -> Contender:
    """Fetch each image, and who it is shared with where an export would ask that."""
    lines = []
    for number in range(count):
        image, asks = image_id(number), members and not detailed(number)["is_public"]
        for path, file in ((image, image), (f"{image}/members", f"{image}.json"))[: 1 + asks]:
            lines += [f'url = "{url}/v1/images/{path}"', f'output = "{file}"']
    listed = folder.with_name(f"{folder.name}-{'all' if members else 'data'}")
    listed.write_text("\n".join(lines) + "\n")

    def empty() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()

    def check() -> None:
        check_files((path for path in folder.iterdir() if not path.suffix), data, count)
        if len(list(folder.glob("*.json"))) != members * (count // 2):
            sys.exit("there are other files of members")

    fetch = ["curl", "-fsS", "--parallel", "--parallel-max", str(PARALLEL), "-K", listed]
    return Contender(name, sh(fetch, "sync *", "md5sum *", folder=folder), None, {}, empty, check)


def _connections(far: FarAway, contender: Contender) -> int:
    before = far.connections()
    run_once(contender)
    return far.connections() - before


class Clouds:
    """A real cloud, and the ways to its two image services.

    :param cloud: the cloud
    :param folder: takes its clouds.yaml with the ways
    :param milliseconds: of the round trip
    """

    def __init__(self, cloud: Cloud, folder: Path, milliseconds: float) -> None:
        self._cloud, self._folder, self._milliseconds = cloud, folder, milliseconds
        self._session: Any = cloud.session()
        self._sown = 0
        self.images = f"{cloud.urls['image']}/v1/images"

    def __enter__(self) -> Clouds:
        with contextlib.ExitStack() as stack:
            settings = yaml.safe_load(self._cloud.clouds_yaml.read_text())
            self.ways = {}
            for cloud, service in (("admin", "image"), ("target", "target-image")):
                way = stack.enter_context(far_away(self._cloud.urls[service], self._milliseconds))
                self.ways[service] = way
                settings["clouds"][cloud]["image_endpoint_override"] = way.url
            self._settings = self._folder / f"clouds-{self._milliseconds:g}.yaml"
            self._settings.write_text(yaml.safe_dump(settings))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def sow(self, count: int) -> None:
        """Make other images of what there is: no service takes an ID a second time."""
        for image in self._session.get(f"{self.images}/detail?limit=1000").json()["images"]:
            if (image["name"] or "").startswith("bench"):
                self._session.delete(f"{self.images}/{image['id']}")
        headers = {
            "Content-Type": "application/octet-stream",
            "x-image-meta-disk_format": "raw",
            "x-image-meta-container_format": "bare",
        }
        self._sown = count
        for number in range(count):
            headers["x-image-meta-name"] = f"bench {number}"
            self._session.post(self.images, headers=headers, data=b"x" * SMALL)

    def contender(
        self,
        name: str,
        *command: str,
        cloud: str = "admin",
        prepare: Callable[[], None] | None = None,
    ) -> Contender:
        """Return a command in one of the clouds, of the way there."""
        env = {**self._cloud.environ(cloud), "OS_CLIENT_CONFIG_FILE": str(self._settings)}
        return Contender(name, openstack("image", "v1", *command), None, env, prepare)

    def copy(self, name: str, count: int, *more: str) -> Contender:
        """Return a copy of that many images, new ones each time."""
        command = ("copy", "--to-cloud", "target", "--name-pattern", "bench*", *more)
        return self.contender(name, *command, prepare=lambda: self.sow(count))

    def export(self, name: str, count: int, *more: str) -> Contender:
        """Return an export of that many images."""
        archive = self._folder / "archive"

        def prepare() -> None:
            shutil.rmtree(archive, ignore_errors=True)
            if not self._sown:
                self.sow(count)

        command = ("export", "--name-pattern", "bench*", str(archive), *more)
        return self.contender(name, *command, prepare=prepare)

    def bring(self, name: str, count: int, *more: str) -> Contender:
        """Return an import of that many images, new ones each time."""
        export = self.export("export", count)

        def prepare() -> None:
            self.sow(count)
            run_once(export)

        command = ("import", str(self._folder / "archive"), *more)
        return self.contender(name, *command, cloud="target", prepare=prepare)

    def asked(self, contender: Contender) -> tuple[dict[str, int], dict[str, int]]:
        """Return the requests to each service, and the connections, of a contender."""
        if contender.prepare:
            contender.prepare()
        marks = {service: self._cloud.mark(service) for service in self.ways}
        before = {service: way.connections() for service, way in self.ways.items()}
        run_once(replace(contender, prepare=None))
        return (
            {name: len(self._cloud.requests_since(mark, name)) for name, mark in marks.items()},
            {name: way.connections() - before[name] for name, way in self.ways.items()},
        )


def copy(clouds: Clouds, count: int, rounds: int) -> Section:
    """Copy many small images between two services that are far away."""
    contenders = [clouds.copy("start (copy of 1)", 1), clouds.copy("copy", count)]
    section = Section(
        f"Copy of {count} images of {SMALL / MIB:g} MiB, {ROUND_TRIP:g} ms away",
        compare(contenders, rounds),
    )
    requests, connections = clouds.asked(contenders[1])
    for service, number in requests.items():
        section.figure(f"{service}: requests an image", number / count)
        # The target's server closes a connection after each upload, by itself.
        target = PARALLEL + (count if service == "target-image" else 0)
        section.figure(f"{service}: connections", connections[service], target)
    return section


def measure(folder: Path, count: int, rounds: int) -> Iterator[Section]:
    """Measure export and copy from far away, as many at a time as by default."""
    yield export(folder, count, rounds)
    with a_cloud() as cloud, Clouds(cloud, folder, ROUND_TRIP) as clouds:
        yield copy(clouds, count, max(1, rounds // 2))


def parallel(
    folder: Path,
    count: int,
    rounds: int,
    tried: Sequence[int] = TRIED,
    round_trips: Sequence[float] = ROUND_TRIPS,
) -> Iterator[Section]:
    """Measure how many images at a time are worth it, near and far."""
    data, target = make_file(folder / "data", SMALL), folder / "exported"
    for milliseconds in round_trips:
        with stand_in(count, data) as near, far_away(near, milliseconds) as far:
            contenders = [
                _exporter(f"{n} at a time", far.url, target, data, count, "--parallel", str(n))
                for n in tried
            ]
            yield Section(f"Export, {milliseconds:g} ms away", compare(contenders, rounds))
    with a_cloud() as cloud:
        for milliseconds in round_trips:
            with Clouds(cloud, folder, milliseconds) as clouds:
                for title, command in (
                    ("Export", clouds.export),
                    ("Copy", clouds.copy),
                    ("Import", clouds.bring),
                ):
                    contenders = [
                        command(f"{n} at a time", count // 2, "--parallel", str(n)) for n in tried
                    ]
                    samples = compare(contenders, rounds // 2)
                    yield Section(f"{title} on real services, {milliseconds:g} ms away", samples)
