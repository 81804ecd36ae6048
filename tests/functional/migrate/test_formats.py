"""What the real service says to the data of images, and what is said of it before it is sent."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from osc_image_v1.transfer.formats import inspect_file
from tests.cloud import Cloud
from tests.functional.conftest import Result
from tests.functional.relay import Relay
from tests.functional.target import Target, kept_clean
from tests.functional.writing import Beside

MIB = 2**20


def run(*command: str | Path) -> None:
    """Run a tool; where it is not here, the test says so."""
    tool = shutil.which(str(command[0]), path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if tool is None:
        pytest.skip(f"not run: {command[0]} is not here")
    for _turn in range(10):
        done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False)
        # For the key of a LUKS disk qemu-img measures the processor, which fails on a busy one.
        if "accurate CPU usage" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr


def made(kind: str, *options: str) -> Callable[[Path], None]:
    """Return what makes an empty disk of 1 MiB."""
    more = [word for option in options for word in ("-o", option)]
    secret = ("--object", "secret,id=key,data=secret") if kind == "luks" else ()
    return lambda path: run("qemu-img", "create", "-q", *secret, "-f", kind, *more, path, "1M")


def converted(kind: str, *options: str) -> Callable[[Path], None]:
    """Return what makes of noise a disk of a format."""
    more = [word for option in options for word in ("-o", option)]

    def make(path: Path) -> None:
        raw = path.with_suffix(".from")
        raw.write_bytes(os.urandom(MIB))
        run("qemu-img", "convert", "-q", "-f", "raw", "-O", kind, *more, raw, path)

    return make


def backed(path: Path) -> None:
    made("qcow2")(path.with_suffix(".base"))
    base = ("-b", path.with_suffix(".base"), "-F", "qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", *base, path, "1M")


def with_data_file(path: Path) -> None:
    made("qcow2", f"data_file={path.with_suffix('.data')}")(path)


def with_snapshot(path: Path) -> None:
    made("qcow2")(path)
    run("qemu-img", "snapshot", "-c", "one", path)


def written(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def packed(path: Path) -> None:
    converted("qcow2")(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def disk(*more: str) -> Callable[[Path], None]:
    """Return what makes a disk with a partition."""

    def make(path: Path) -> None:
        path.write_bytes(bytes(4 * MIB))
        run("sgdisk", "-n", "1:2048:4095", path)
        if more:
            run("sgdisk", *more, path)

    return make


def iso(*more: str) -> Callable[[Path], None]:
    """Return what makes an ISO 9660 file system, with partitions in front."""

    def make(path: Path) -> None:
        folder = path.with_suffix(".folder")
        folder.mkdir()
        (folder / "file").write_bytes(b"text")
        run("genisoimage", "-quiet", "-o", path, folder)
        if more:
            with path.open("ab") as file:
                file.write(bytes(MIB))
            run("sgdisk", "-a", "1", "-n", "1:64:200", path)
            if "-m" in more:
                run("sgdisk", *more, path)

    return make


# What it is, what makes it, as which disk formats the service takes it, as which it does not.
ROWS: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("noise", written(os.urandom(MIB)), "raw ploop", "qcow2 iso vmdk vhd vdi vhdx"),
    ("nothing", written(b""), "raw ploop", "qcow2 iso"),
    ("qcow2", converted("qcow2"), "qcow2 raw", "vmdk iso ploop"),
    ("qcow2 of version 2", converted("qcow2", "compat=0.10"), "qcow2 raw", "vdi"),
    ("qcow2 with zstd", converted("qcow2", "compression_type=zstd"), "qcow2", "vdi"),
    ("qcow2 with a snapshot", with_snapshot, "qcow2", "vdi"),
    ("qcow2 with a backing file", backed, "", "qcow2 raw"),
    ("qcow2 with a data file", with_data_file, "", "qcow2 raw"),
    ("qcow2 with extended L2", converted("qcow2", "extended_l2=on"), "", "qcow2 raw"),
    ("qcow2 of version 1", converted("qcow"), "", "qcow2 raw"),
    ("QED", converted("qed"), "", "raw qcow2"),
    ("sparse VMDK", converted("vmdk"), "vmdk raw", "qcow2"),
    ("VMDK as a stream", converted("vmdk", "subformat=streamOptimized"), "vmdk raw", "vdi"),
    ("VMDK of a flat file", made("vmdk", "subformat=monolithicFlat"), "", "vmdk raw"),
    ("VDI", converted("vdi"), "vdi raw", "vhd"),
    ("VHDX", converted("vhdx"), "vhdx raw", "vhd"),
    ("VHD that grows", converted("vpc", "subformat=dynamic"), "vhd raw", "vhdx"),
    ("VHD of a fixed size", converted("vpc", "subformat=fixed"), "raw", "vhd"),
    ("LUKS", made("luks", "key-secret=key", "iter-time=10"), "raw", "qcow2"),
    ("MBR", disk("-m", "1"), "raw", "qcow2 iso"),
    ("GPT", disk(), "raw", "qcow2"),
    ("hybrid GPT", disk("-h", "1"), "", "raw"),
    ("ISO", iso(), "iso raw", "qcow2"),
    ("ISO with a GPT in front", iso("-g"), "iso", "raw qcow2"),
    ("ISO with an MBR in front", iso("-m", "1"), "iso", "raw qcow2"),
    ("gzip of a qcow2", packed, "raw qcow2/compressed", "qcow2"),
    ("qcow2 in another container", converted("qcow2"), "vmdk/ovf iso/ova raw/docker qcow2", "iso"),
]


@pytest.fixture(scope="module")
def clean(cloud: Cloud) -> Iterator[None]:
    with kept_clean(cloud):
        yield


def sent(cloud: Cloud, session: Any, data: bytes, disk_format: str) -> int:
    """Give the service an image by hand, and return its answer to the data."""
    url, image_id = cloud.urls["target-image"] + "/v2/images", str(uuid.uuid4())
    name, _slash, container = disk_format.partition("/")
    record = {"id": image_id, "disk_format": name, "container_format": container or "bare"}
    assert session.post(url, json=record).status_code == 201
    headers = {"Content-Type": "application/octet-stream"}
    answer = session.put(f"{url}/{image_id}/file", data=data, headers=headers, raise_exc=False)
    return int(answer.status_code)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(("what", "make", "taken", "refused"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_said_before_is_what_the_service_does(
    cloud: Cloud,
    session: Callable[[str], Any],
    tmp_path: Path,
    what: str,
    make: Callable[[Path], None],
    taken: str,
    refused: str,
) -> None:
    path = tmp_path / "disk"
    make(path)
    seen = inspect_file(path)
    assert seen is not None
    data = path.read_bytes()
    for names, status in ((taken, 204), (refused, 415)):
        for name in names.split():
            assert sent(cloud, session("target"), data, name) == status, name
            if "/" not in name:
                reason = seen.refusal(name)
                assert (reason is None) is (status == 204), (name, reason)
    better = seen.better
    assert better is None or better in taken.split()
    if not taken:
        assert better is None


# The commands


@pytest.fixture
def relay(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A front end of the target."""
    with Relay(cloud.urls["target-image"]) as front_end:
        front_end.how = "done"
        settings = yaml.safe_load(cloud.clouds_yaml.read_text())
        settings["clouds"]["target"]["image_endpoint_override"] = front_end.url
        changed = tmp_path / "clouds.yaml"
        changed.write_text(yaml.safe_dump(settings))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(changed))
        yield front_end


def create(beside: Beside, data: bytes, disk_format: str) -> str:
    """Make an image in the Image API v1, which looks into nothing."""
    headers = {
        "Content-Type": "application/octet-stream",
        "x-image-meta-name": beside.name(disk_format),
        "x-image-meta-disk_format": disk_format,
        "x-image-meta-container_format": "bare",
    }
    answer = beside.v1("POST", "/images", headers=headers, data=data)
    return str(answer.json()["image"]["id"])


@pytest.fixture
def mislabelled(beside: Beside, tmp_path: Path) -> tuple[str, bytes]:
    """A qcow2 of 64 MiB of noise that is said to be a VMDK."""
    path = tmp_path / "disk"
    raw = tmp_path / "noise"
    raw.write_bytes(os.urandom(64 * MIB))
    run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, path)
    data = path.read_bytes()
    return create(beside, data, "vmdk"), data


@pytest.mark.usefixtures("clean")
def test_nothing_is_sent_of_a_mislabelled_image(
    openstack: Callable[..., Result],
    relay: Relay,
    session: Callable[[str], Any],
    cloud: Cloud,
    count: Callable[[str], Any],
    mislabelled: tuple[str, bytes],
) -> None:
    image, data = mislabelled
    copy = ("image", "v1", "copy", "--to-cloud", "target", image, "-f", "json")
    target = Target(cloud, session("target"))
    said = "it is said to be vmdk and is qcow2; --disk-format-from-data stores it as qcow2"
    for more in (("--dry-run",), ()):
        result = openstack(*copy, *more)
        (row,) = json.loads(result.out)
        assert (result.status, row["Action"]) == (3, "fail" if more else "failed")
        assert said in row["Notes"]
    problems = openstack("image", "v1", "usage", "--problems", "--name", "nothing", "-f", "json")
    assert problems.json == []
    assert (relay.written, relay.sent) == ([], 0)
    assert target.get(image) is None
    result = openstack(*copy, "--disk-format-from-data")
    assert result.status == 0, result.err
    record = target.get(image)
    assert record is not None
    assert (record["disk_format"], record["v1_disk_format"]) == ("qcow2", "vmdk")
    assert target.data(image) == data
    assert openstack(*copy, "--dry-run").json[0]["Action"] == "present"
    compare = ("image", "v1", "compare", "--with", "cloud:target", image)
    assert openstack(*compare).status == 0


@pytest.mark.usefixtures("clean")
def test_what_was_too_large_is_brought_by_the_next_run(
    openstack: Callable[..., Result],
    relay: Relay,
    session: Callable[[str], Any],
    cloud: Cloud,
    beside: Beside,
) -> None:
    image = create(beside, os.urandom(MIB), "raw")
    copy = ("image", "v1", "copy", "--to-cloud", "target", image, "-f", "json")
    relay.how = "large"
    result = openstack(*copy)
    assert result.status == 1
    assert "queued, is left for another run" in json.loads(result.out)[0]["Notes"]
    relay.how = "done"
    assert openstack(*copy).json[0]["Action"] == "copied"
    record = Target(cloud, session("target")).get(image)
    assert record is not None
    assert record["status"] == "active"


@pytest.mark.usefixtures("clean")
def test_a_record_that_holds_refused_data_is_not_sent_to_again(
    openstack: Callable[..., Result],
    relay: Relay,
    session: Callable[[str], Any],
    cloud: Cloud,
    beside: Beside,
) -> None:
    image = create(beside, os.urandom(MIB), "qcow2")
    copy = ("image", "v1", "copy", "--to-cloud", "target", image, "-f", "json")
    told = "holds the checksum of data that was refused"
    for more in (("--no-format-check",), ("--no-format-check",), ("--disk-format-from-data",)):
        result = openstack(*copy, *more)
        assert result.status == 3
        assert told in json.loads(result.out)[0]["Notes"]
    assert relay.written.count("PUT") == 1
    target = Target(cloud, session("target"))
    record = target.get(image)
    assert record is not None
    assert (record["status"], record["size"]) == ("queued", None)
    assert record["checksum"]
    result = openstack(*copy, "--clean-up")
    assert "its ID is used up: --new-ids makes another" in json.loads(result.out)[0]["Notes"]
    assert target.get(image) is None
    again = openstack(*copy, "--new-ids", "--disk-format-from-data")
    assert again.json[0]["Action"] == "copied"
