"""The same on a real Glance: some thousand images, and one of them by ID and by name."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.contenders import glance, openstack, own
from bench.measure import Contender, Sample, Section, builds_of, compare, run_once
from bench.transfers import MIB, make_file
from tests.cloud import BY_KEY, Cloud
from tests.cloud.configuration import password_of

_LIST = ("image", "v1", "list")
_COMMANDS = 40


def measure(count: int, size: int, rounds: int) -> Iterator[Section]:
    """Measure on a real cloud of its own, beside the one that the tests use."""
    with a_cloud() as cloud:
        # A request or two are little beside the shell's start.
        yield _show(cloud, 4 * rounds)
        yield _many_commands(cloud, rounds)
        _sow(cloud, count)
        yield _list(cloud, count, rounds)
        yield _copy(cloud, size)


@contextlib.contextmanager
def a_cloud() -> Iterator[Cloud]:
    """Run a real cloud, beside the one that the tests use, and remove it."""
    tests = Cloud()
    was_up = bool(tests.pids())
    tests.up()
    cloud = tests.twin("bench")
    cloud.up()
    try:
        yield cloud
    finally:
        cloud.destroy()
        if not was_up:
            tests.down()


def _sow(cloud: Cloud, count: int) -> None:
    """Make images without data."""
    session: Any = cloud.session()
    for number in range(count):
        headers = {
            "x-image-meta-name": f"bench {number}",
            "x-image-meta-disk_format": "raw",
            "x-image-meta-container_format": "bare",
            "x-image-meta-property-os_distro": "debian",
        }
        session.post(f"{cloud.urls['image']}/v1/images", headers=headers)


def _glance(cloud: Cloud, *command: str) -> list[str]:
    return glance(
        *("--os-auth-url", cloud.urls["identity"], "--os-username", "admin"),
        *("--os-password", password_of("admin"), "--os-project-name", "admin"),
        *("--os-user-domain-id", "default", "--os-project-domain-id", "default"),
        *("--os-region-name", "RegionOne", *command),
    )


def _on(cloud: Cloud, name: str, argv: list[str], output: Path | None = None) -> Contender:
    return Contender(name, argv, output, cloud.environ("admin"))


def _list(cloud: Cloud, count: int, rounds: int) -> Section:
    ours, peer = "image v1 list", "glance image-list"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        contenders = [
            _on(cloud, f"{ours} --limit 1", openstack(*_LIST, "--limit", "1", "-f", "csv")),
            _on(cloud, ours, openstack(*_LIST, "-f", "csv"), out / "ours"),
            _on(cloud, f"{ours} --long", openstack(*_LIST, "--long", "-f", "csv"), out / "long"),
            _on(cloud, peer, _glance(cloud, "image-list", "--page-size", "1000"), out / "glance"),
            _on(
                cloud,
                "openstack image list (v2)",
                own("image", "list", "-f", "csv"),
                out / "v2",
            ),
        ]
        section = Section(f"List of {count:,} images on a real Glance", compare(contenders, rounds))
        listed = {path.name: _made(path) for path in out.iterdir()}
        assert len(listed["ours"]) == count
        # Of what was there before, each lists another part by itself.
        for name, ids in listed.items():
            assert ids == listed["ours"], name
        for contender in contenders:
            requests = _requests(cloud, contender)
            section.figure(f"{contender.name}: image requests", requests)
    section.figure(f"{ours} / {peer}", section.fastest(ours) / section.fastest(peer))
    section.figure(
        f"{ours} / v2", section.fastest(ours) / section.fastest("openstack image list (v2)")
    )
    return section


def _made(path: Path) -> set[str]:
    """Return the IDs of the images that were made here, from a list of any form."""
    line = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\W+bench \d+")
    return set(line.findall(path.read_text()))


def _show(cloud: Cloud, rounds: int) -> Section:
    cirros = BY_KEY["cirros"]
    contenders = []
    for way, name_or_id in (("ID", cirros.id), ("name", cirros.name)):
        assert name_or_id is not None
        contenders += [
            _on(cloud, f"image v1 show, by {way}", openstack("image", "v1", "show", name_or_id)),
            _on(cloud, f"image show (v2), by {way}", own("image", "show", name_or_id)),
            _on(cloud, f"glance image-show, by {way}", _glance(cloud, "image-show", name_or_id)),
        ]
    section = Section("Show an image on a real Glance", compare(contenders, rounds))
    for way in ("ID", "name"):
        ours, theirs = f"image v1 show, by {way}", f"image show (v2), by {way}"
        section.figure(f"{ours} / v2", section.median(ours) / section.median(theirs), 1)
    requests = {contender.name: _requests(cloud, contender) for contender in contenders}
    for name, number in requests.items():
        at_most = requests[name.replace("image v1 show", "image show (v2)")] - 1
        section.figure(
            f"{name}: image requests", number, at_most if name.startswith("image v1") else None
        )
    return section


def _many_commands(cloud: Cloud, rounds: int) -> Section:
    """One command, and many in one shell, which starts and logs in once."""
    show = ("image", "v1", "show", str(BY_KEY["cirros"].id), "-f", "value", "-c", "name")
    one, many = "image v1 show", f"{_COMMANDS} of it in one shell"
    with tempfile.TemporaryDirectory() as folder:
        commands, out = Path(folder, "commands"), Path(folder, "out")
        commands.write_text(f"{' '.join(show)}\n" * _COMMANDS)
        # The shell ends with 1 when its commands are at their end, whatever came of them.
        feed = ["sh", "-c", 'from=$1; shift; "$@" < "$from" || test $? = 1', "sh", str(commands)]

        def check() -> None:
            lines = [line for line in out.read_text().splitlines() if line]
            assert lines == [BY_KEY["cirros"].name] * _COMMANDS

        contenders = [
            _on(cloud, one, openstack(*show)),
            replace(_on(cloud, many, [*feed, *openstack()], out), check=check),
        ]
        section = Section("Many commands in one shell", compare(contenders, rounds))
    section.figure(f"{many} / one", section.fastest(many) / section.fastest(one), 3)
    return section


def _copy(cloud: Cloud, size: int) -> Section:
    """Copy a tiny and a large image from the one Glance to the other, once: for the memory."""
    samples = {}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for name, bytes_ in (("1 byte", 1), (f"{size // MIB} MiB", size)):
            data = make_file(Path(folder) / "data", bytes_)
            formats = ("--disk-format", "raw", "--container-format", "bare", "--file", str(data))
            create = _on(cloud, "create", openstack("image", "v1", "create", *formats, name))
            copy = openstack("image", "v1", "copy", "--to-cloud", "target", name)
            for contender in builds_of(_on(cloud, f"copy of {name}", copy)):
                # What one of them has copied is no work for the next, and a name is one image's.
                run_once(create)
                samples[contender.name] = Sample([run_once(contender)])
                delete = openstack("image", "v1", "delete", name)
                run_once(_on(cloud, "delete", delete))
    section = Section("Copy from a real Glance to another", samples)
    least, most = (section.memory(f"copy of {name}") for name in ("1 byte", f"{size // MIB} MiB"))
    section.figure("memory beyond that of the tiny one", most - least, unit="MiB")
    return section


def _requests(cloud: Cloud, contender: Contender) -> int:
    """Count what a contender asks of the image service."""
    mark = cloud.mark("image")
    run_once(contender)
    return len(cloud.requests_since(mark, "image"))
