"""Zeros become holes, and holes are read as what they stand for."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.exceptions import FileFailed
from osc_image_v1.transfer.digests import hash_file
from osc_image_v1.transfer.files import check_room
from osc_image_v1.transfer.holes import may_have_holes, pieces, runs
from osc_image_v1.transfer.part import PartFile, part_of

BLOCK = 64 * 2**10
# Of many blocks nine of ten are zeros, and so is the end.
DATA = b"".join(b"%05d" % n + bytes(10 * BLOCK - 5) for n in range(4)) + bytes(1000)


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 3 * BLOCK)), max_size=6),
    st.integers(0, 2 * BLOCK),
)
def test_runs_are_all_of_a_chunk(parts: list[tuple[bool, int]], offset: int) -> None:
    chunk = b"".join(bytes(size) if zeros else b"x" * size for zeros, size in parts)
    found = list(runs(chunk, offset))
    assert [begin for begin, _end, _zeros in found] == [0, *(end for _b, end, _z in found)][:-1]
    assert (found[-1][1] if found else 0) == len(chunk)
    for begin, end, zeros in found:
        assert begin < end
        if zeros:
            assert not chunk[begin:end].strip(b"\0")
        # What is within a block of zeros is never written.
        first = -(-(offset + begin) // BLOCK) * BLOCK - offset
        while not zeros and first + BLOCK <= end:
            assert chunk[first : first + BLOCK].strip(b"\0")
            first += BLOCK


@pytest.mark.parametrize("size", [1000, BLOCK, 256 * 1024, len(DATA)])
def test_a_file_of_zeros_for_the_most_part(tmp_path: Path, size: int) -> None:
    with PartFile(tmp_path / "x") as part:
        for at in range(0, len(DATA), size):
            part.write(DATA[at : at + size])
            assert part.size == min(at + size, len(DATA))
        part.commit()
    assert (tmp_path / "x").read_bytes() == DATA
    assert on_disk(tmp_path / "x") <= 4 * BLOCK


def test_a_file_of_nothing_but_zeros(tmp_path: Path) -> None:
    with PartFile(tmp_path / "x") as part:
        part.write(bytes(BLOCK + 1))
        part.commit()
    assert (tmp_path / "x").read_bytes() == bytes(BLOCK + 1)


def test_zeros_are_written_where_that_is_wanted(tmp_path: Path) -> None:
    with PartFile(tmp_path / "x", sparse=False) as part:
        part.write(DATA)
        part.commit()
    assert (tmp_path / "x").read_bytes() == DATA
    assert on_disk(tmp_path / "x") >= len(DATA)


@pytest.mark.parametrize("end", [5, BLOCK, 10 * BLOCK, 15 * BLOCK, len(DATA)])
def test_a_part_holds_what_came(tmp_path: Path, end: int) -> None:
    """Its size says where the rest begins: a hole at its end counts."""
    with PartFile(tmp_path / "x", keep=True) as part:
        part.write(DATA[:end])
    assert part_of(tmp_path / "x").stat().st_size == end
    with PartFile(tmp_path / "x") as part:
        assert part.size == end
        assert b"".join(part.read()) == DATA[:end]
        part.write(DATA[end:])
        part.commit()
    assert (tmp_path / "x").read_bytes() == DATA


def test_what_was_not_the_images_leaves_nothing_in_a_hole(tmp_path: Path) -> None:
    part_of(tmp_path / "x").write_bytes(b"other" * BLOCK)
    with PartFile(tmp_path / "x") as part:
        assert b"".join(part.read()) == b"other" * BLOCK
        part.clear()
        part.write(DATA)
        part.commit()
    assert (tmp_path / "x").read_bytes() == DATA


@pytest.fixture(params=["holes are known", "no holes are known", "not for this file"])
def sparse(tmp_path: Path, request: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with holes, also at its end."""
    if request.param == "no holes are known":
        monkeypatch.delattr(os, "SEEK_DATA")
    elif request.param == "not for this file":
        seek = os.lseek

        def fail(fd: int, at: int, how: int) -> int:
            if how == os.SEEK_DATA:
                raise OSError(errno.EINVAL, "no")
            return seek(fd, at, how)

        monkeypatch.setattr(os, "lseek", fail)
    with PartFile(tmp_path / "sparse") as part:
        part.write(DATA)
        part.commit()
    return tmp_path / "sparse"


def test_holes_are_read_as_zeros(sparse: Path, tmp_path: Path) -> None:
    (tmp_path / "dense").write_bytes(DATA)
    assert hash_file(sparse, ["md5"]) == hash_file(tmp_path / "dense", ["md5"])
    with sparse.open("rb") as file:
        read = list(pieces(file.fileno(), 1000))
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == len(DATA)
    assert b"".join(read) == DATA
    assert max(map(len, read)) == 1000


def test_a_file_that_is_cut_off_while_it_is_read(sparse: Path) -> None:
    with sparse.open("rb+") as file:
        read = pieces(file.fileno(), BLOCK)
        first = next(read)
        file.truncate(BLOCK + 5)
        assert len(first + b"".join(read)) <= len(DATA)


def test_what_may_have_holes() -> None:
    formats = ("raw", "ami", "aki", "ari", None, "qcow2", "vmdk", "iso", "vhd", "vdi")
    assert [form for form in formats if may_have_holes(form)] == ["raw", "ami", "aki", "ari", None]


def test_room(caplog: pytest.LogCaptureFixture) -> None:
    check_room("write 'x'", 10, 10, 10)
    check_room("write 'x'", 10, 0, 10)
    assert not caplog.records
    check_room("write 'x'", 11, 10, 10)
    assert caplog.messages == [
        "To write 'x' may need 11 more bytes, and 10 are free: that is enough only if much of it "
        "is zeros"
    ]
    with pytest.raises(FileFailed, match="Cannot write 'x': it needs 11 more bytes, and 10 are"):
        check_room("write 'x'", 12, 11, 10)
