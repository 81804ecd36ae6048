from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from osc_image_v1.exceptions import FileFailed, TransferStopped
from osc_image_v1.transfer.digests import Digests, FileHashes, hash_file


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    counted: list[int] = []
    hashes = hash_file(tmp_path / "file", ("md5", "sha256", None), counted.append)
    assert hashes.size == sum(counted) == 4
    assert hashes.of("md5") == "8d777f385d3dfec8815d20f7496026dc"
    sha256 = str(hashes.of("sha256"))
    assert sha256.startswith("3a6eb0790f39ac87c94f3856b2dd2c5d")
    assert hash_file(tmp_path / "file", ["sha256"]) == FileHashes(4, {"sha256": sha256})
    with pytest.raises(FileFailed):
        hash_file(tmp_path / "nothing", ["md5"])


def test_hashing_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    stop = threading.Event()
    assert hash_file(tmp_path / "file", ["md5"], stop=stop).size == 4
    stop.set()
    with pytest.raises(TransferStopped):
        hash_file(tmp_path / "file", ["md5"], stop=stop)


@pytest.mark.parametrize(("pieces", "threads"), [(0, 0), (1, 0), (2, 2), (20, 2)])
def test_what_flows_by(pieces: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes in one piece, as small images do, needs no thread."""
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    with Digests("md5", None, "sha512") as digests:
        for number in range(pieces):
            digests.update(b"%d" % number)
        data = b"".join(b"%d" % number for number in range(pieces))
        for _ in range(2):
            assert digests.of("md5") == hashlib.md5(data).hexdigest()
            assert digests.of("sha512") == hashlib.sha512(data).hexdigest()
        assert digests.of("sha256") is None
    assert started == ["digests"] * threads
