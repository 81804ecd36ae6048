"""What data is, and what today's Glance says to it; the real one: tests/functional/migrate."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from typing import Any

import pytest

from osc_image_v1.transfer import formats
from osc_image_v1.transfer.formats import Seen, inspect
from tests.unit import disks

NOISE = os.urandom(2**17)


def seen(data: bytes, end: bool = True) -> Seen:
    found = inspect(
        (data[at : at + 50_000] for at in range(0, len(data), 50_000)),
        len(data),
        (lambda size: data[-size:]) if end else None,
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("data", "kind", "better"),
    [
        (NOISE, "raw", "raw"),
        (b"", "empty", "raw"),
        (b"x", "raw", "raw"),
        (b"some text\n" * 20, "raw", "raw"),
        (disks.qcow2(), "qcow2", "qcow2"),
        (disks.qcow2(version=2), "qcow2", "qcow2"),
        (disks.qcow2(backing=512), "qcow2", None),
        (disks.qcow2(features=1 << 2), "qcow2", None),
        (disks.qcow2(features=1 << 4), "qcow2", None),
        (disks.qcow2(version=1), "qcow2", None),
        (disks.vmdk(), "vmdk", "vmdk"),
        (disks.vmdk("streamOptimized", footer=True), "vmdk", "vmdk"),
        (disks.vmdk("monolithicFlat"), "vmdk", None),
        (disks.flat_vmdk(), "vmdk", None),
        (disks.vdi(), "vdi", "vdi"),
        (disks.vhd(), "vhd", "vhd"),
        (disks.vhd(fixed=True), "raw", "raw"),
        (disks.vhdx(), "vhdx", "vhdx"),
        (disks.vhdx(whole=False), "vhdx", None),
        (disks.luks(), "luks", "raw"),
        (disks.qed(), "qed", None),
        (disks.iso(), "iso", "iso"),
        (disks.iso(disks.partitions()), "gpt and iso", "iso"),
        (disks.disk(), "gpt", "raw"),
        (disks.disk(protective=True), "gpt", "raw"),
        (disks.disk(protective=True, more=True), "gpt", None),
        (disks.iso(b"QFI\xfb" + bytes(508)), "iso and qcow2", None),
        (gzip.compress(disks.qcow2()), "packed with gzip", None),
    ],
)
def test_what_data_is_and_as_what_it_is_taken(data: bytes, kind: str, better: str | None) -> None:
    found = seen(data)
    assert (str(found), found.better, found.doubt) == (kind, better, "")
    if better is not None:
        assert found.refusal(better) is None
    elif not found.packed:
        assert found.refusal("raw")


@pytest.mark.parametrize(
    ("data", "declared", "reason"),
    [
        (NOISE, "raw", None),
        (NOISE, "ami", None),
        (NOISE, "ploop", None),
        (NOISE, "qcow2", "said to be qcow2 and is raw"),
        (b"", "qcow2", "said to be qcow2 and is empty"),
        (disks.qcow2(), "raw", None),
        (disks.qcow2(), "vmdk", "said to be vmdk and is qcow2"),
        (disks.qcow2(), "ami", "said to be ami and is qcow2"),
        (disks.qcow2(backing=512), "qcow2", "such a qcow2: Image has a backing file"),
        (disks.qcow2(backing=512), "raw", "such a qcow2: Image has a backing file"),
        (disks.qed(), "raw", "such a qed"),
        (disks.iso(disks.partitions()), "iso", None),
        (disks.iso(disks.partitions()), "raw", "said to be raw and has the marks of gpt and iso"),
        (disks.iso(b"QFI\xfb" + bytes(508)), "iso", "the marks of iso and qcow2"),
        (disks.disk(protective=True, more=True), "raw", "extra partitions"),
        (gzip.compress(NOISE), "raw", None),
        (gzip.compress(NOISE), "qcow2", "said to be qcow2 and is packed with gzip"),
        (NOISE, None, None),
    ],
)
def test_what_glance_says_to_a_name(data: bytes, declared: str | None, reason: str | None) -> None:
    said = seen(data).refusal(declared)
    assert (said is None) if reason is None else (said is not None and reason in said)


@pytest.mark.parametrize(
    ("data", "declared", "remedy"),
    [
        (disks.qcow2(), "vmdk", "--disk-format-from-data stores it as qcow2"),
        (disks.luks(), "qcow2", "--disk-format-from-data stores it as raw"),
        (disks.qed(), "raw", "qemu-img convert"),
        (gzip.compress(NOISE), "qcow2", "unpack it"),
    ],
)
def test_what_is_done_about_it(data: bytes, declared: str, remedy: str) -> None:
    assert remedy in seen(data).remedy(declared)


def test_an_end_that_cannot_be_had_is_no_refusal() -> None:
    """A service of v1 sends no part of an image."""
    found = seen(disks.vmdk("streamOptimized", footer=True), end=False)
    assert (found.refusal("vmdk"), found.better) == (None, None)
    assert found.doubt == "a vmdk of its kind has something at its end, which is not looked at"


def test_an_end_that_is_wrong_is_one() -> None:
    data = bytearray(disks.vmdk("streamOptimized", footer=True))
    data[-1] = 1
    assert "End-of-stream marker is invalid" in str(seen(bytes(data)).refusal("vmdk"))


def test_what_is_too_far_behind_the_beginning_is_not_known() -> None:
    found = seen(disks.vhdx(metadata_at=6 * disks.MIB))
    assert "too far behind its beginning" in found.doubt
    assert found.refusal("vhdx") is None


@pytest.mark.parametrize("data", [NOISE * 100, disks.qcow2() * 40, disks.disk() * 10])
def test_a_few_kib_are_read(data: bytes) -> None:
    taken: list[int] = []

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(data), 8192):
            taken.append(8192)
            yield data[at : at + 8192]

    assert inspect(pieces(), len(data)) is not None
    assert sum(taken) == 2**16


def test_what_inspectors_warn_of_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    seen(disks.qcow2(backing=512))
    assert caplog.messages == []


@pytest.mark.parametrize("known", [None, {"qcow2": object}])
def test_without_inspectors_nothing_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, Any] | None
) -> None:
    formats.inspectors.cache_clear()
    if known is None:

        def no_module(name: str, *_args: object) -> Any:
            raise ImportError(name)

        monkeypatch.setattr(formats.importlib, "import_module", no_module)
    else:
        module = type("module", (), {"ALL_FORMATS": known})
        monkeypatch.setattr(formats.importlib, "import_module", lambda _name: module)
    try:
        assert inspect(iter([NOISE])) is None
    finally:
        monkeypatch.undo()
        formats.inspectors.cache_clear()
