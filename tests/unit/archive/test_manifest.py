from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.models import Member
from osc_image_v1.archive import manifest
from osc_image_v1.archive.manifest import (
    ExportedImage,
    StoredData,
    file_name,
    header_line,
    image_line,
    read_line,
)
from osc_image_v1.exceptions import BadManifest
from tests.unit.conftest import detail
from tests.unit.fuzz import thorough

MOMENT = datetime(2026, 11, 24, 14, 32, 44, 5, timezone.utc)
DATA = StoredData(5, "5" * 32, "a" * 64, verified=True)


def exported(**fields: Any) -> ExportedImage:
    values: dict[str, Any] = {
        "record": detail(1),
        "members": (Member("p2", can_share=True),),
        "owner_name": "demo",
        "data": DATA,
        "endpoint": "http://image.example/v1",
        "exported_at": MOMENT,
    }
    return ExportedImage(**{**values, **fields})


def sealed(document: object) -> bytes:
    """A line with a right digest, whatever it says."""
    text = json.dumps(document, separators=(",", ":")).encode()
    return b'%b,"digest":"%b"}\n' % (text[:-1], hashlib.sha256(text).hexdigest().encode())


def unsealed(line: bytes) -> Any:
    document = json.loads(line)
    del document["digest"]
    return document


texts = st.text(st.characters(exclude_categories=()), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
records = st.builds(
    lambda more, image_id, properties: {**more, "id": image_id, "properties": properties},
    st.dictionaries(texts, values, max_size=4),
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=40),
    st.dictionaries(texts, st.none() | texts, max_size=4),
)


@given(
    st.builds(
        ExportedImage,
        record=records,
        members=st.none() | st.lists(st.builds(Member, texts, st.booleans())).map(tuple),
        owner_name=st.none() | texts,
        data=st.none()
        | st.builds(
            StoredData,
            st.integers(0, 2**63 - 1),
            st.text("0123456789abcdef", min_size=32, max_size=32),
            st.text("0123456789abcdef", min_size=64, max_size=64),
            st.booleans(),
        ),
        endpoint=texts,
        exported_at=st.datetimes(timezones=st.just(timezone.utc)),
        incomplete=st.none() | texts,
    )
)
def test_what_is_written_is_read(image: ExportedImage) -> None:
    line = image_line(image)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert read_line(line) == image


def test_a_header() -> None:
    line = header_line("2/4")
    assert read_line(line, first=True) is None
    document = json.loads(line)
    assert document["format"] == "osc-image-v1 manifest"
    assert document["version"] == 1
    assert document["part"] == "2/4"


def test_an_image() -> None:
    image = read_line(image_line(exported()))
    assert image is not None
    assert (image.id, image.file) == (detail(1)["id"], f"{detail(1)['id']}.img")
    assert image.image.name == "image 1"


@pytest.mark.parametrize(
    "image_id",
    ["1459eaba-02a4-5500-95f1-633fcc8b8c4f", "1459eaba02a4550095f1633fcc8b8c4f", "17", "a-b"],
)
def test_plain_ids_name_their_files(image_id: str) -> None:
    assert file_name(image_id) == f"{image_id}.img"


NASTY = [
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\0b",
    "con",
    "nul",
    ".hidden",
    "-rf",
    "",
    "A" * 32,
    "a" * 65,
    "ab ",
    "ab\n",
    "manifest.jsonl",
    "id-" + "a" * 64,
    "\ud800",
    "c:",
    "\u0661",
]


@pytest.mark.parametrize("image_id", NASTY)
def test_other_ids_never_become_paths(image_id: str) -> None:
    name = file_name(image_id)
    digest = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()
    assert name == f"id-{digest}.img"


@given(st.text(st.characters(exclude_categories=())), st.text())
def test_file_names_are_safe_and_their_own(one: str, other: str) -> None:
    name = file_name(one)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert not name.startswith((".", "-"))
    assert len(name) <= 80
    assert (name == file_name(other)) is (one == other)


@thorough
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_found(place: int, bit: int) -> None:
    line = bytearray(image_line(exported()).rstrip(b"\n"))
    line[place % len(line)] ^= 1 << bit
    with pytest.raises(BadManifest):
        read_line(bytes(line))


@thorough
@given(st.binary(max_size=200) | st.text().map(str.encode), st.booleans())
def test_any_bytes_are_refused(line: bytes, first: bool) -> None:
    with pytest.raises(BadManifest):
        read_line(line, first)


@thorough
@given(values, st.booleans())
def test_any_document_is_refused(document: Any, first: bool) -> None:
    with pytest.raises(BadManifest):
        read_line(sealed(document), first)


GOOD = unsealed(image_line(exported()))
PATHS = (
    *((key,) for key in GOOD),
    *(("data", key) for key in GOOD["data"]),
    *(("image", key) for key in ("id", "properties", "size", "checksum", "name")),
    ("members", 0),
    ("members", 0, "member_id"),
    ("members", 0, "can_share"),
)


@thorough
@given(st.sampled_from(PATHS), values | st.just(NASTY[0]), st.booleans())
def test_a_wrong_value_anywhere(path: Any, value: Any, remove: bool) -> None:
    document = json.loads(json.dumps(GOOD))
    place = document
    for key in path[:-1]:
        place = place[key]
    if remove:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with contextlib.suppress(BadManifest):
        image = read_line(sealed(document))
        assert image is not None
        assert isinstance(image.id, str)
        assert image.file == file_name(image.id)
        assert image.image.id == image.id
        assert image.data is None or 0 <= image.data.size < 2**63


def altered(**fields: Any) -> dict[str, Any]:
    return {**json.loads(json.dumps(GOOD)), **fields}


def with_data(**fields: Any) -> dict[str, Any]:
    return altered(data={**GOOD["data"], **fields})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"format": "another"}, "another format"),
        ({"format": manifest.FORMAT}, "no whole number"),
        ({"format": manifest.FORMAT, "version": True}, "no whole number"),
        ({"format": manifest.FORMAT, "version": 0}, "no whole number"),
        ({"format": manifest.FORMAT, "version": 2}, "use a newer release"),
        ({}, "no image"),
        (altered(image={"id": ""}), "without an ID"),
        (altered(image={"id": "a" * 1025}), "without an ID"),
        (altered(image={"id": 5}), "without an ID"),
        (altered(image={"id": "a", "properties": []}), "no object"),
        (altered(exported_at="yesterday"), "no time"),
        (altered(owner_name=5), "owner_name"),
        (altered(source=[]), "source"),
        (altered(members={}), "no list"),
        (altered(members=["p2"]), "a member"),
        (altered(members=[{"member_id": "p2", "can_share": "yes"}]), "a member"),
        (altered(data=[]), "no object"),
        (with_data(file="../up.img"), "file name"),
        (with_data(size=-1), "no number of bytes"),
        (with_data(size=True), "no number of bytes"),
        (with_data(size=2**63), "no number of bytes"),
        (with_data(size=5.0), "no number of bytes"),
        (with_data(verified=None), "neither verified nor not"),
        (with_data(md5="A" * 32), "md5"),
        (with_data(sha256="a" * 63), "sha256"),
    ],
)
def test_what_is_wrong_is_said(document: Any, said: str) -> None:
    with pytest.raises(BadManifest, match=said):
        read_line(sealed(document))


def test_the_first_line_must_be_a_header() -> None:
    with pytest.raises(BadManifest, match="this is no manifest"):
        read_line(image_line(exported()), first=True)


@pytest.mark.parametrize("text", [b'{"a":NaN}', b'{"a":1e', b'{"a":%b}' % (b"9" * 5000)])
def test_odd_json(text: bytes) -> None:
    line = b'%b,"digest":"%b"}' % (text[:-1], hashlib.sha256(text).hexdigest().encode())
    with pytest.raises(BadManifest):
        read_line(line)


def test_deep_json() -> None:
    text = b"[" * 100_000 + b"}"
    line = b'%b,"digest":"%b"}' % (text[:-1], hashlib.sha256(text).hexdigest().encode())
    with pytest.raises(BadManifest, match="no JSON"):
        read_line(line)


def test_long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "LONGEST_LINE", 100)
    with pytest.raises(BadManifest, match="over 0 MiB"):
        read_line(image_line(exported()))


def test_unknown_fields_are_left_alone() -> None:
    assert read_line(sealed(altered(future={"a": 1}))) == exported()
