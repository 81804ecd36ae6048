"""``image v1 save`` from a real Glance: the bytes that were stored, or a clear line and no file."""

from __future__ import annotations

import hashlib
import http.server
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter

from osc_image_v1.api import ImageClient, ImageQuery
from osc_image_v1.exceptions import ContentMismatch, NotFound
from osc_image_v1.transfer.download import Download
from tests.cloud import BY_KEY, Cloud
from tests.cloud.seeds import SEEDS, Seed
from tests.functional.writing import Beside

_HERE = [seed for seed in SEEDS if seed.region == "RegionOne" and seed.status == "active"]
_WHOLE = [seed for seed in _HERE if seed.accident is None]
_BIG = 64 * 2**20 + 12345
Openstack = Callable[..., Any]


@pytest.fixture(scope="module")
def client(session: Callable[..., Any]) -> ImageClient:
    return ImageClient(Adapter(session("admin"), service_type="image", interface="public"))


@pytest.fixture(scope="module")
def big(client: ImageClient) -> Iterator[tuple[str, bytes]]:
    """An image of 64 MiB, with its bytes."""
    data = random.Random(4).randbytes(_BIG)
    headers = {
        "x-image-meta-name": "big image to save",
        "x-image-meta-disk-format": "raw",
        "x-image-meta-container-format": "bare",
        "Content-Type": "application/octet-stream",
    }
    adapter = client.http.adapter
    url = client.http.endpoint + "/images"
    made = adapter.post(url, headers=headers, data=data)
    image_id = made.json()["image"]["id"]
    yield image_id, data
    adapter.delete(f"{url}/{image_id}")


def test_each_seed(client: ImageClient, tmp_path: Path) -> None:
    """Whatever its name, format, owner and place: the bytes that were uploaded."""
    images = {image.id: image for image in client.images_detail(ImageQuery(visibility="all"))}
    for seed in _WHOLE:
        image = images.get(seed.id) or client.get(seed.id)
        saved = Download(client, image).to_file(tmp_path / "x")
        data = seed.data or b""
        assert (tmp_path / "x").read_bytes() == data, seed.key
        assert saved.size == len(data)
        assert saved.md5 == hashlib.md5(data).hexdigest()
        vouched = seed.checksum is not None or "block_device_mapping" in seed.properties
        assert saved.verified == vouched, seed.key
        assert (saved.sha256 is None) == (seed.checksum is not None)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("key", ["ubuntu", "empty", "name-umlauts", "name-slash", "name-255"])
def test_by_name_and_by_id(key: str, openstack: Openstack, tmp_path: Path) -> None:
    seed = BY_KEY[key]
    for wanted in (seed.id, seed.name):
        result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), wanted)
        assert (result.status, result.out) == (0, "")
        # Glance computes no checksum where it gets no data.
        assert ("nothing vouches for the content" in result.err) == (key == "empty")
        assert result.err.count("\n") == (key == "empty")
        assert (tmp_path / "x").read_bytes() == seed.data
        (tmp_path / "x").unlink()


def test_requests(openstack: Openstack, count: Callable[[str], Any], tmp_path: Path) -> None:
    """One for the record, one for the data."""
    with count("image") as requests:
        openstack("image", "v1", "save", "--file", str(tmp_path / "x"), BY_KEY["ubuntu"].id)
    assert len(requests) == 2


def test_standard_output(run_openstack: Openstack, big: tuple[str, bytes]) -> None:
    image_id, data = big
    result = run_openstack("image", "v1", "save", image_id)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == data


def test_another_user(openstack: Openstack, tmp_path: Path) -> None:
    seed = BY_KEY["demo-shared"]
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), seed.id, cloud="other")
    assert result.status == 0
    assert (tmp_path / "x").read_bytes() == seed.data
    result = openstack(
        "image",
        "v1",
        "save",
        "--file",
        str(tmp_path / "y"),
        BY_KEY["demo-private"].id,
        cloud="other",
    )
    assert result.status == 1
    assert result.err.startswith("No image has the name or ID ")


_REFUSED = {
    "queued": "is queued: it has no data yet",
    "saving": "is saving: its data is still being stored, try again later",
    "killed": "is killed: storing its data failed",
    "deleted": "is deleted: its data is gone",
    "data-missing": r"Cannot download image .* \(HTTP 404, request req-",
    "data-truncated": r"is damaged, .*: the service sends \d+ bytes, but its size is 8192$",
    "data-corrupt": r"is damaged, .*: the data's MD5 is [0-9a-f]{32}, but its checksum is",
}


def test_an_admin_has_a_deactivated_image(openstack: Openstack, tmp_path: Path) -> None:
    seed = BY_KEY["deactivated"]
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), seed.id)
    assert (result.status, result.err) == (0, "")
    assert (tmp_path / "x").read_bytes() == seed.data
    refused = openstack("image", "v1", "save", "--file", str(tmp_path / "y"), seed.id, cloud="demo")
    assert refused.status == 1
    assert "its data is not handed out until an administrator reactivates it" in refused.err
    assert "HTTP 403, request req-" in refused.err
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize("key", _REFUSED)
def test_no_good_data(key: str, openstack: Openstack, tmp_path: Path) -> None:
    """One line, exit status 1, and an existing file as it was."""
    (tmp_path / "x").write_bytes(b"before")
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), BY_KEY[key].id)
    assert result.status == 1
    assert re.search(_REFUSED[key], result.err.rstrip("\n"))
    assert result.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x": b"before"}


def test_keep_partial_of_a_truncated_image(openstack: Openstack, tmp_path: Path) -> None:
    """What is left of an image can be had."""
    seed = BY_KEY["data-truncated"]
    target = tmp_path / "x"
    result = openstack("image", "v1", "save", "--keep-partial", "--file", str(target), seed.id)
    assert result.status == 1
    assert f"What came so far is kept in '{target}.osc-image-v1.part'" in result.err
    part = (tmp_path / "x.osc-image-v1.part").read_bytes()
    assert part
    assert seed.data is not None
    assert seed.data.startswith(part)
    assert not target.exists()


def test_no_checksum(openstack: Openstack, tmp_path: Path) -> None:
    seed: Seed = BY_KEY["location"]
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), seed.id)
    assert result.status == 0
    assert (tmp_path / "x").read_bytes() == seed.data
    sha256 = hashlib.sha256(seed.data or b"").hexdigest()
    assert result.err == (
        "The service has no checksum of this image: nothing vouches for the content "
        f"(SHA-256 {sha256})\n"
    )


def test_altered_while_stored(
    client: ImageClient, cloud: Cloud, big: tuple[str, bytes], tmp_path: Path
) -> None:
    """A bit that turns in the store is found, and a file that is lost."""
    image_id, data = big
    image = client.get(image_id)
    stored = cloud.store / image_id
    with stored.open("r+b") as file:
        file.seek(_BIG // 2)
        file.write(bytes([data[_BIG // 2] ^ 1]))
    try:
        with pytest.raises(ContentMismatch, match="MD5"):
            Download(client, image).to_file(tmp_path / "x")
        stored.rename(stored.with_suffix(".away"))
        with pytest.raises(NotFound):
            Download(client, image).to_file(tmp_path / "x")
        stored.with_suffix(".away").rename(stored)
    finally:
        stored.write_bytes(data)
    assert list(tmp_path.iterdir()) == []


def test_goes_on(
    openstack: Openstack, count: Callable[[str], Any], big: tuple[str, bytes], tmp_path: Path
) -> None:
    """What an earlier run left is gone on with, through v2 of the same Glance."""
    image_id, data = big
    (tmp_path / "x.osc-image-v1.part").write_bytes(data[: _BIG // 2])
    with count("image") as requests:
        result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), image_id)
    assert (result.status, result.err) == (0, "")
    assert (tmp_path / "x").read_bytes() == data
    assert len(requests) == 2
    assert "/v2/images/" in str(requests[-1])


def test_another_images_part(openstack: Openstack, big: tuple[str, bytes], tmp_path: Path) -> None:
    image_id, data = big
    (tmp_path / "x.osc-image-v1.part").write_bytes(b"of another image" * 1000)
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), image_id)
    assert (result.status, result.err) == (0, "")
    assert (tmp_path / "x").read_bytes() == data


def test_link_in_the_way(openstack: Openstack, tmp_path: Path) -> None:
    """A link in the part's place is not followed; one in the target's place is replaced."""
    seed = BY_KEY["cirros"]
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    (tmp_path / "x.osc-image-v1.part").symlink_to(victim)
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), seed.id)
    assert result.status == 1
    assert "is a symbolic link" in result.err
    (tmp_path / "x.osc-image-v1.part").unlink()
    (tmp_path / "x").symlink_to(victim)
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), seed.id)
    assert result.status == 0
    assert victim.read_bytes() == b"victim"
    assert not (tmp_path / "x").is_symlink()
    assert (tmp_path / "x").read_bytes() == seed.data


def test_umask(run_openstack: Openstack, tmp_path: Path) -> None:
    target = tmp_path / "x"
    command = ("image", "v1", "save", "--file", str(target), BY_KEY["cirros"].id)
    assert run_openstack(*command, umask=0o027).returncode == 0
    assert target.stat().st_mode & 0o777 == 0o640


def test_killed(cloud: Cloud, big: tuple[str, bytes], tmp_path: Path) -> None:
    """Killed at random moments: no file, or the whole one."""
    image_id, data = big
    target = tmp_path / "x"
    shell = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin"]
    command = [*shell, "image", "v1", "save", "--file", str(target), image_id]
    moments = random.Random(5)
    for _ in range(5):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        part = tmp_path / "x.osc-image-v1.part"
        while process.poll() is None and not part.exists():
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        process.kill()
        process.wait()
        if target.exists():
            assert target.read_bytes() == data
            target.unlink()
    assert subprocess.run(command, check=False).returncode == 0
    assert target.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


class _Unsized(http.server.BaseHTTPRequestHandler):
    """Data whose size nobody tells, as a store that does not answer in time leaves it unknown."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"data of the store")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def unsized() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Unsized) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/data"
        server.shutdown()
        thread.join()


def test_a_size_of_0_is_no_proof(
    openstack: Openstack, beside: Beside, unsized: str, tmp_path: Path
) -> None:
    """Glance makes an active image of 0 bytes of it, without a checksum."""
    formats = ("--disk-format", "raw", "--container-format", "bare")
    create = ("image", "v1", "create", *formats, "--location", unsized, beside.name())
    made = openstack(*create, "-f", "json").json
    assert (made["status"], made["size"], made["checksum"]) == ("active", 0, None)
    result = openstack("image", "v1", "save", "--file", str(tmp_path / "x"), made["id"])
    assert result.status == 0
    assert result.err.startswith(
        "The service says that this image has 0 bytes, and has no checksum of it: nothing vouches "
    )
    exported = openstack("image", "v1", "export", str(tmp_path / "all"), made["id"], "-f", "json")
    assert exported.json["fetched"] == 1
    manifest = (tmp_path / "all" / "manifest.jsonl").read_text().splitlines()
    assert json.loads(manifest[-1])["data"]["verified"] is False
