from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import tracemalloc
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keystoneauth1 import exceptions as ksa_exceptions

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.models import Member
from osc_image_v1.archive import export as module
from osc_image_v1.archive.archive import Archive, ManifestWriter
from osc_image_v1.archive.export import Export, Summary
from osc_image_v1.archive.images import Images
from osc_image_v1.archive.manifest import StoredData, image_line
from osc_image_v1.cli.export import ExportImage
from osc_image_v1.cli.projects import ProjectNames
from osc_image_v1.exceptions import (
    BadManifest,
    FileFailed,
    ImageV1Error,
    InvalidInput,
    OwnFailures,
    TransferStopped,
)
from osc_image_v1.transfer.outage import Outage
from osc_image_v1.transfer.shards import Shard
from tests.unit.conftest import Shell, Terminal, adapter_at, detail, image_id
from tests.unit.keystone import Keystone, manager_of
from tests.unit.store import Store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def run(client: ImageClient, store: Store, directory: Path) -> Any:
    def run_once(plan: bool = False, **options: Any) -> Summary:
        export = Export(client, directory, **options)
        records = [dict(record) for record in store.records.values()]
        return export.plan(records) if plan else export.run(records)

    return run_once


def test_a_password_in_a_url_is_not_recorded(directory: Path) -> None:
    client = ImageClient(adapter_at("http://admin:secret@image.example/v1"))
    Export(client, directory, metadata_only=True).run([detail(0, is_public=True)])
    (one,) = Archive(directory)
    assert one.endpoint == "http://image.example/v1"


def test_images_with_data_members_and_names(store: Store, directory: Path, run: Any) -> None:
    first = store.add(1, b"one")
    second = store.add(2, b"zwei", is_public=True, properties={"a": None, "B c": "\u00fc"})
    store.members[first] = [
        {"member_id": "p3", "can_share": True},
        {"member_id": "p2", "can_share": False},
    ]
    assert run(project_name={"p1": "demo"}.get) == Summary(images=2, size=7, fetched=2)
    assert (directory / f"{first}.img").read_bytes() == b"one"
    one, two = list(Archive(directory))
    assert one.record == store.records[first]
    assert one.members == (Member("p2", False), Member("p3", True))
    assert one.owner_name == "demo"
    assert one.endpoint == "http://image.example:9292/v1"
    assert one.data is not None
    assert (one.data.size, one.data.verified) == (3, True)
    assert two.record == store.records[second]
    assert two.members == ()
    # The members of a public image are not asked for.
    assert store.asked[f"LIST /images/{second}/members"] == 0
    assert sorted(path.name for path in directory.iterdir()) == sorted(
        [f"{first}.img", f"{second}.img", "SHA256SUMS", "manifest.jsonl"]
    )


def asked_for(store: Store) -> list[str]:
    """The IDs of the images whose data was asked for, in that order."""
    return [path.split("/")[-1] for path in store.asked if path.startswith("GET /images/")]


def test_smallest_first(store: Store, run: Any) -> None:
    ids = [store.add(number, b"x" * size) for number, size in enumerate([300, 100, 0, 200])]
    run(parallel=1)
    assert asked_for(store) == [ids[1], ids[3], ids[0]]


@pytest.mark.parametrize(("tight", "order"), [(False, "543210"), (True, "512340")])
def test_one_of_several_begins_with_the_largest(
    store: Store, run: Any, monkeypatch: pytest.MonkeyPatch, tight: bool, order: str
) -> None:
    """While another one is at the smallest, this one does all the others from the other end."""
    ids = [store.add(number, b"x" * 10 * number, is_public=True) for number in range(1, 7)]
    rest = set(ids[1:])
    done = threading.Event()
    export = Images.export

    def waiting(self: Images, record: Any, advance: Any) -> Any:
        if record["id"] == ids[0]:
            assert done.wait(60)
        outcome = export(self, record, advance)
        # Where something was refused for want of room, the smallest are next.
        self.outage.tight = tight
        rest.discard(record["id"])
        if not rest:
            done.set()
        return outcome

    monkeypatch.setattr(Images, "export", waiting)
    summary = run(parallel=2)
    assert asked_for(store) == [ids[int(number)] for number in order]
    assert (summary.fetched, summary.size) == (6, 210)


def test_run_again_nothing_is_fetched(store: Store, directory: Path, run: Any) -> None:
    store.add(1)
    store.add(2, checksum=None)
    store.add(3, status="queued", size=None, checksum=None)
    run()
    before = (directory / "manifest.jsonl").read_bytes()
    assert run() == Summary(images=3, kept=2, without_data=1)
    assert store.downloads() == 2
    assert (directory / "manifest.jsonl").read_bytes() == before


def test_changed_metadata_is_recorded_without_fetching(
    store: Store, directory: Path, run: Any
) -> None:
    one = store.add(1)
    run()
    store.records[one].update(name="new", updated_at="2026-11-23T00:00:00")
    assert run() == Summary(images=1, kept=1)
    assert store.downloads() == 1
    assert next(iter(Archive(directory))).image.name == "new"


def test_changed_members_are_recorded(store: Store, directory: Path, run: Any) -> None:
    one = store.add(1)
    run()
    store.members[one] = [{"member_id": "p2", "can_share": False}]
    run()
    assert next(iter(Archive(directory))).members == (Member("p2"),)


def test_changed_data_is_fetched(store: Store, directory: Path, run: Any) -> None:
    one = store.add(1)
    two = store.add(2, checksum=None)
    run()
    store.add(1, b"other")
    store.records[two]["updated_at"] = "2026-11-23T00:00:00"
    assert run().fetched == 2
    assert (directory / f"{one}.img").read_bytes() == b"other"


@pytest.mark.parametrize("what", ["gone", "short", "link"])
def test_what_is_not_there_any_more_is_fetched(
    store: Store, directory: Path, run: Any, what: str
) -> None:
    path = directory / f"{store.add(1)}.img"
    run()
    path.unlink()
    if what == "short":
        path.write_bytes(b"dat")
    elif what == "link":
        (directory / "elsewhere").write_bytes(b"data 1")
        path.symlink_to(directory / "elsewhere")
    assert run() == Summary(images=1, size=6, fetched=1)
    assert path.read_bytes() == b"data 1"
    assert not path.is_symlink()


def test_a_file_that_was_not_recorded_yet_is_taken_over(
    store: Store, directory: Path, run: Any
) -> None:
    one, two = store.add(1), store.add(2)
    directory.mkdir()
    (directory / f"{one}.img").write_bytes(b"data 1")
    (directory / f"{two}.img").write_bytes(b"wrong!")
    assert run() == Summary(images=2, size=6, fetched=1, kept=1)
    assert store.downloads() == 1
    assert (directory / f"{two}.img").read_bytes() == b"data 2"


def test_without_data(store: Store, directory: Path, run: Any) -> None:
    for number, status in enumerate(["queued", "killed", "saving", "pending_delete"]):
        gone = status == "pending_delete"
        store.add(number, b"", status=status, size=None, checksum=None, deleted=gone)
    gone = store.add(9, status="deleted", deleted=True)
    assert run() == Summary(images=5, without_data=5)
    assert store.downloads() == 0
    exported = {image.id: image for image in Archive(directory)}
    assert all(image.data is None for image in exported.values())
    # Nobody tells the members of what is gone.
    assert exported[gone].members is None


def test_deactivated_images_are_handed_out_to_nobody(
    store: Store, directory: Path, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(1, status="deactivated")
    store.add(2, b"", status="deactivated")
    assert run() == Summary(images=2, fetched=1, failed=1)
    assert [image.data is None for image in Archive(directory)] == [True, False]
    assert f"Cannot export image {image_id(1)}" in caplog.text
    before = (directory / "manifest.jsonl").read_bytes()
    assert run() == Summary(images=2, kept=1, failed=1)
    assert (directory / "manifest.jsonl").read_bytes() == before


def test_deactivated_images_are_handed_out_to_an_admin(
    store: Store, directory: Path, run: Any
) -> None:
    one = store.add(1, status="deactivated")
    store.v2 = True
    assert run() == Summary(images=1, size=6, fetched=1)
    assert (directory / f"{one}.img").read_bytes() == b"data 1"


NOTHING = hashlib.md5(b"").hexdigest()


@pytest.mark.parametrize(
    ("fields", "data", "verified"),
    [
        ({"checksum": NOTHING}, b"", True),
        ({"checksum": None}, b"", False),
        ({"checksum": None}, b"all the same", False),
        ({"checksum": hashlib.md5(b"all the same").hexdigest()}, b"all the same", True),
        ({"checksum": None, "properties": {"block_device_mapping": "[]"}}, b"", True),
        ({"checksum": None, "properties": {"block_device_mapping": "[]"}}, b"data", False),
    ],
)
def test_a_size_of_0_is_no_proof(
    store: Store,
    directory: Path,
    run: Any,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
    data: bytes,
    verified: bool,
) -> None:
    one = store.add(1, data, **{"size": 0, **fields})
    assert run() == Summary(images=1, size=len(data), fetched=1)
    assert (directory / f"{one}.img").read_bytes() == data
    exported = Archive(directory).find(one)
    assert exported is not None
    assert exported.data is not None
    assert (exported.data.verified, exported.is_doubtful) == (verified, not verified)
    assert ("has 0 bytes, and has no checksum of it: nothing vouches" in caplog.text) != verified
    # Only the checksum of nothing makes a question needless.
    assert store.downloads() == (fields["checksum"] != NOTHING)
    assert run() == Summary(images=1, kept=1)


def test_what_old_releases_took_for_empty_is_asked_for(
    store: Store, directory: Path, run: Any
) -> None:
    one = store.add(1, b"all the same", size=0, checksum=None)
    run()
    manifest = directory / "manifest.jsonl"
    exported = Archive(directory).find(one)
    assert exported is not None
    nothing = StoredData(0, NOTHING, hashlib.sha256(b"").hexdigest(), True)
    lines = manifest.read_bytes().splitlines(keepends=True)
    lines.append(image_line(replace(exported, data=nothing)))
    manifest.write_bytes(b"".join(lines))
    (directory / f"{one}.img").write_bytes(b"")
    assert run() == Summary(images=1, size=12, fetched=1)
    assert (directory / f"{one}.img").read_bytes() == b"all the same"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_checksums_of_other_algorithms(
    store: Store, directory: Path, run: Any, caplog: pytest.LogCaptureFixture, algorithm: str
) -> None:
    one = store.add(1, b"data", checksum=hashlib.new(algorithm, b"data").hexdigest())
    two = store.add(2, b"data", checksum=hashlib.new(algorithm, b"other").hexdigest())
    assert run() == Summary(images=2, size=4, fetched=1, failed=1)
    assert f"the data's {algorithm.upper()} is " in caplog.text
    assert "nothing vouches" not in caplog.text
    exported = Archive(directory).find(one)
    assert exported is not None
    assert exported.data is not None
    assert exported.data.verified
    assert not (directory / f"{two}.img").exists()
    assert run() == Summary(images=2, kept=1, failed=1)
    # A run that was killed before it recorded the image.
    (directory / "manifest.jsonl").unlink()
    assert run() == Summary(images=2, kept=1, failed=1)


def test_a_checksum_of_no_known_algorithm(
    store: Store, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    one = store.add(1, checksum="crc32:0123", name="odd")
    assert run().fetched == 1
    assert (
        f"The checksum of image {one} (odd), crc32:0123, is of no known algorithm: nothing "
        "vouches for the content"
    ) in caplog.text


def test_metadata_only(store: Store, directory: Path, run: Any) -> None:
    store.add(1)
    store.add(2)
    assert run(metadata_only=True) == Summary(images=2, without_data=2)
    assert store.downloads() == 0
    assert run() == Summary(images=2, size=12, fetched=2)
    # Data that is there stays recorded.
    assert run(metadata_only=True) == Summary(images=2, kept=2)
    assert all(image.data for image in Archive(directory))


def test_a_failure_does_not_end_the_rest(
    store: Store, directory: Path, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = store.add(1, checksum="0" * 32)
    gone = store.add(2, name="bad\x1bname")
    store.refused[f"/images/{gone}"] = 404
    store.add(3)
    assert run() == Summary(images=3, size=6, fetched=1, failed=2)
    exported = {image.id: image for image in Archive(directory)}
    assert exported[image_id(3)].incomplete is None
    for one in (wrong, gone):
        assert exported[one].data is None
        assert exported[one].record == store.records[one]
        assert exported[one].incomplete in caplog.text.replace("\\\\", "\\")
    assert f"Cannot export image {wrong} (image 1): " in caplog.text
    assert f"Cannot export image {gone} (bad\\x1bname): " in caplog.text
    assert sorted(path.name for path in directory.iterdir()) == [
        f"{image_id(3)}.img",
        "SHA256SUMS",
        "manifest.jsonl",
    ]


def test_what_is_not_exported_yet_is_recorded_as_that(
    store: Store, directory: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever kills a run, the directory does not look whole after it."""
    one, two = store.add(1), store.add(2)
    store.add(3, status="queued", size=None, checksum=None)

    def dies(*_args: Any) -> Any:
        raise MemoryError

    def killed() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Images, "export", dies)
            with pytest.raises(MemoryError):
                run()

    killed()
    assert {image.incomplete for image in Archive(directory)} == {"not exported yet"}
    assert len(Archive(directory)) == 3
    assert run() == Summary(images=3, size=12, fetched=2, without_data=1)
    assert {image.incomplete for image in Archive(directory)} == {None}
    store.records[one].update(checksum="0" * 32, name="changed")
    # So it is with what has changed, and what is there stays recorded.
    killed()
    incomplete = Archive(directory).find(one)
    assert incomplete is not None
    assert incomplete.data is not None
    assert incomplete.image.name == "image 1"
    assert incomplete.incomplete == "what has changed since is not exported yet"
    assert run().failed == 1
    incomplete = Archive(directory).find(one)
    assert incomplete is not None
    assert incomplete.data is not None
    assert str(incomplete.incomplete).startswith("what has changed since could not be exported: ")
    store.add(1)
    assert run() == Summary(images=3, kept=2, without_data=1)
    assert {image.incomplete for image in Archive(directory)} == {None}
    assert store.downloads() == 3
    # An image that was queued before has data now.
    store.add(3)
    (directory / f"{two}.img").unlink()
    killed()
    assert {image.incomplete for image in Archive(directory)} == {
        None,
        "its data is not exported yet",
    }


def test_members_that_fail_leave_the_data_recorded(store: Store, directory: Path, run: Any) -> None:
    one = store.add(1)
    store.members[one] = [{"member_id": "p2", "can_share": False}]
    store.refused[f"/images/{one}/members"] = 400
    assert run() == Summary(images=1, failed=1)
    exported = next(iter(Archive(directory)))
    assert (exported.members, exported.data is None) == (None, False)
    assert "400" in str(exported.incomplete)
    del store.refused[f"/images/{one}/members"]
    assert run() == Summary(images=1, kept=1)
    store.refused[f"/images/{one}/members"] = 400
    assert run() == Summary(images=1, failed=1)
    exported = next(iter(Archive(directory)))
    # What was known is not forgotten.
    assert exported.members == (Member("p2", False),)
    assert exported.incomplete is not None


def test_another_manifest_that_has_it_counts(
    store: Store, client: ImageClient, directory: Path, run: Any, tmp_path: Path
) -> None:
    one = store.add(1)
    run()
    store.refused[f"/images/{one}"] = 404
    shard = Shard(1, 2) if one in Shard(1, 2) else Shard(2, 2)
    other = tmp_path / "other"
    assert Export(client, other, shard=shard).run(store.records.values()).failed == 1
    for path in other.iterdir():
        path.rename(directory / path.name)
    exported = Archive(directory).find(one)
    assert exported is not None
    assert exported.incomplete is None


@pytest.mark.parametrize(
    ("ahead", "later"),
    [
        (datetime(2999, 1, 1, tzinfo=timezone.utc), 1e-6),
        (datetime.max.replace(tzinfo=timezone.utc), 0),
    ],
)
def test_what_a_machine_with_a_clock_that_is_ahead_has_recorded(
    store: Store, directory: Path, run: Any, ahead: datetime, later: float
) -> None:
    image_id = store.add(1, status="queued", size=None, checksum=None)
    run()
    with ManifestWriter(directory, Shard(1, 2)) as writer:
        writer.add([replace(one, exported_at=ahead) for one in Archive(directory)])
    store.add(1, b"data")
    run()
    (one,) = Archive(directory)
    assert one.data is not None
    assert (one.exported_at - ahead).total_seconds() == later
    assert (directory / f"{image_id}.img").read_bytes() == b"data"
    assert run() == Summary(images=1, kept=1)


def test_a_service_that_is_gone_is_not_asked_for_each_image(
    store: Store, directory: Path, run: Any
) -> None:
    class Gone(dict[str, int]):
        def __contains__(self, _path: object) -> bool:
            return store.downloads() > 20

        def __getitem__(self, _path: str) -> int:
            return 503

    for number in range(100):
        store.add(number, b"7 bytes", is_public=True)
    store.refused = Gone()
    summary = run(parallel=2)
    # One that was asked for with the last one may have been counted with the next.
    assert 19 <= summary.fetched <= 20
    assert 10 <= summary.failed <= 20
    left = summary.failed + summary.not_tried
    assert (summary.images, left) == (100, 100 - summary.fetched)
    assert summary.why == "gone"
    assert len(Archive(directory)) == 100
    store.refused = {}
    again = Summary(images=100, fetched=left, kept=summary.fetched, size=left * 7)
    assert run(parallel=2) == again


def test_a_service_that_answers_is_asked_for_each_image(
    store: Store, directory: Path, run: Any
) -> None:
    """A front end answers 502 for the headers of some images alone."""
    for number in range(40):
        one = store.add(number, is_public=True)
        if number < 24:
            store.refused[f"/images/{one}"] = 502
    assert run(parallel=1) == Summary(images=40, size=16 * 7, fetched=16, failed=24, retryable=24)
    assert store.asked["GET /images"] == 2


def test_what_has_failed_before_comes_last(store: Store, directory: Path, run: Any) -> None:
    for number in range(12):
        store.add(number, b"x" * (number + 1), is_public=True)
    for number in range(10):
        store.refused[f"/images/{image_id(number)}"] = 503
    store.refused["/images"] = 503
    assert run(parallel=1) == Summary(images=12, failed=10, retryable=10, not_tried=2, why="gone")
    # Those that had no turn come first now.
    expected = Summary(images=12, size=23, fetched=2, failed=10, retryable=10)
    assert run(parallel=1) == expected


def test_a_token_that_is_not_taken_any_more_ends_the_run(
    store: Store, directory: Path, run: Any
) -> None:
    for number in range(142):
        store.refused[f"/images/{store.add(number, is_public=True)}"] = 401
    store.refused["/images"] = 401
    expected = Summary(images=142, failed=3, retryable=3, not_tried=139, why="unknown")
    assert run(parallel=1) == expected


@pytest.fixture
def _pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osc_image_v1.transfer.listed._PAUSES", (0.0, 0.0, 0.0))


def _deleting(store: Store, **then: Any) -> tuple[str, list[dict[str, Any]]]:
    """An image that the list has while Glance removes its data, and what becomes of it."""
    one = store.add(1, b"data", status="deleted", deleted=False)
    listed = [dict(record) for record in store.records.values()]
    store.records[one].update(then)
    return one, listed


@pytest.mark.usefixtures("_pauses")
def test_an_image_that_was_being_deleted_and_stays(
    store: Store, directory: Path, client: ImageClient
) -> None:
    one, listed = _deleting(store, status="active")
    assert Export(client, directory).run(listed) == Summary(images=1, size=4, fetched=1)
    assert (directory / f"{one}.img").read_bytes() == b"data"
    exported = Archive(directory).find(one)
    assert exported is not None
    assert exported.image.status == "active"


@pytest.mark.usefixtures("_pauses")
def test_an_image_that_is_being_deleted_all_the_time(
    store: Store, directory: Path, client: ImageClient, caplog: pytest.LogCaptureFixture
) -> None:
    one, listed = _deleting(store)
    assert Export(client, directory).run(listed) == Summary(images=1, failed=1)
    assert "is being deleted just now, and its data may stay" in caplog.text
    exported = Archive(directory).find(one)
    assert exported is not None
    assert exported.incomplete is not None
    # Without data there is nothing to wait for.
    everything = Export(client, directory, metadata_only=True).run(listed)
    assert everything == Summary(images=1, without_data=1)


@pytest.mark.usefixtures("_pauses")
def test_an_image_that_was_being_deleted_and_is_gone(
    store: Store, directory: Path, client: ImageClient
) -> None:
    _one, listed = _deleting(store, deleted=True)
    assert Export(client, directory).run(listed) == Summary(images=1, without_data=1)
    del store.records[image_id(1)]
    assert Export(client, directory / "2").run(listed) == Summary(images=1, without_data=1)


@pytest.mark.usefixtures("_pauses")
def test_an_image_that_is_being_deleted_comes_last(
    store: Store, directory: Path, client: ImageClient
) -> None:
    one, listed = _deleting(store, status="active")
    store.add(2, b"longer data")
    listed.append(dict(store.records[image_id(2)]))
    Export(client, directory, parallel=1).run(listed)
    asked = [path for path in store.asked if path.startswith("GET /images/")]
    assert asked == [f"GET /images/{image_id(2)}", f"GET /images/{one}"]


def test_nothing_vouches_for_it(
    store: Store, directory: Path, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store.add(1, checksum=None, name=None)
    run()
    exported = next(iter(Archive(directory)))
    assert exported.data is not None
    assert exported.data.verified is False
    assert "nothing vouches for the content" in caplog.text


@pytest.mark.parametrize("status", [403, 404])
def test_members_that_are_not_told(
    store: Store, directory: Path, run: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    one = store.add(1)
    store.refused[f"/images/{one}/members"] = status
    assert run().fetched == 1
    assert next(iter(Archive(directory))).members is None
    assert "members of image" in caplog.text


def test_a_name_of_a_project_that_is_not_told_any_more(
    store: Store, directory: Path, run: Any
) -> None:
    store.add(1)
    store.add(2, owner=None)
    run(project_name={"p1": "demo"}.get)
    run()
    assert [image.owner_name for image in Archive(directory)] == ["demo", None]
    store.records[image_id(1)]["owner"] = "p2"
    run()
    assert next(iter(Archive(directory))).owner_name is None


def test_an_image_that_is_listed_twice(store: Store, client: ImageClient, directory: Path) -> None:
    store.add(1)
    records = [*store.records.values()] * 2
    assert Export(client, directory).run(records).images == 1


def test_a_size_that_is_not_known(store: Store, run: Any, directory: Path) -> None:
    store.add(1, b"data", size=None)
    assert run().fetched == 1
    assert (directory / f"{image_id(1)}.img").read_bytes() == b"data"


@given(st.lists(st.uuids(), max_size=20, unique=True), st.integers(1, 6))
def test_parts_cover_all_images_once(ids: list[Any], count: int) -> None:
    found: list[str] = []
    for index in range(1, count + 1):
        part = Export(None, Path(), shard=Shard(index, count))  # type: ignore[arg-type]
        found += [record["id"] for record in part._chosen([{"id": str(one)} for one in ids])]
    assert sorted(found) == sorted(map(str, ids))


def test_parts_have_manifests_of_their_own(store: Store, directory: Path, run: Any) -> None:
    for number in range(20):
        store.add(number)
    summaries = [run(shard=Shard(index, 3)) for index in (1, 2, 3)]
    assert sum(summary.fetched for summary in summaries) == 20
    assert len(Archive(directory)) == 20
    assert len(Archive(directory).manifests) == 3
    # Whoever exports them all finds them there.
    assert run() == Summary(images=20, kept=20)


def test_the_plan(store: Store, directory: Path, run: Any) -> None:
    store.add(1)
    assert run(plan=True) == Summary(images=1, size=6, fetched=1)
    assert not directory.exists()
    run()
    store.add(2)
    store.add(3, status="queued", size=None)
    assert run(plan=True) == Summary(images=3, size=6, fetched=1, kept=1, without_data=1)
    assert store.downloads() == 1


@pytest.fixture
def nine_bytes_free(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(free=9)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _path: usage)


@pytest.mark.parametrize("plan", [True, False])
@pytest.mark.usefixtures("nine_bytes_free")
def test_no_room(store: Store, directory: Path, run: Any, plan: bool) -> None:
    store.add(1, disk_format="qcow2")
    store.add(2, disk_format="qcow2")
    with pytest.raises(FileFailed, match="needs 12 more bytes, and 9 are free"):
        run(plan=plan)
    # What an interrupted download brought takes no more room.
    directory.mkdir(exist_ok=True)
    (directory / f"{image_id(1)}.img.osc-image-v1.part").write_bytes(b"data")
    assert run(plan=plan).fetched == 2


@pytest.mark.usefixtures("nine_bytes_free")
def test_zeros_may_take_no_room(store: Store, run: Any, caplog: pytest.LogCaptureFixture) -> None:
    store.add(1, disk_format="raw")
    store.add(2, disk_format="raw")
    with pytest.raises(FileFailed, match="needs 12 more bytes, and 9 are free"):
        run(sparse=False)
    assert run().fetched == 2
    assert "may need 12 more bytes, and 9 are free" in caplog.text


def test_a_line_for_each_image(store: Store, run: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "osc_image_v1")
    ids = [
        store.add(1, b"12345"),
        store.add(2, b"", size=None, checksum=None, status="queued"),
        store.add(3, b"1", checksum=None),
        store.add(4, b"12", checksum=hashlib.sha512(b"12").hexdigest()),
        store.add(5, b"", checksum=None, properties={"block_device_mapping": "[]"}),
    ]
    run()
    run()
    told = [re.sub(r"\d+\.\d\d seconds", "t", m) for m in caplog.messages if m.startswith("Image ")]
    md5, none = "the service's MD5 vouches for it", "nothing vouches for its content"
    sha, volume = "the service's SHA-512 vouches for it", "its data is in a volume"
    assert sorted(told) == sorted(
        line
        for done in ("exported", "kept as it was exported")
        for line in (
            f"Image {ids[0]} {done}: 5 bytes, t, {md5}",
            f"Image {ids[1]} exported without data: 0 bytes, t, there is no data",
            f"Image {ids[2]} {done}: 1 bytes, t, {none}",
            f"Image {ids[3]} {done}: 2 bytes, t, {sha}",
            f"Image {ids[4]} {done}: 0 bytes, t, {volume}",
        )
    )


def test_a_damaged_manifest_stops_it(store: Store, directory: Path, run: Any) -> None:
    store.add(1)
    run()
    path = directory / "manifest.jsonl"
    path.write_bytes(path.read_bytes().replace(b"image 1", b"image 7"))
    with pytest.raises(BadManifest):
        run()
    with pytest.raises(BadManifest):
        run(plan=True)
    # As the error says: the file moved away, nothing is fetched again.
    path.rename(directory.parent / "damaged")
    assert run() == Summary(images=1, kept=1)


def test_a_directory_that_is_none(store: Store, directory: Path, run: Any) -> None:
    directory.write_text("file")
    with pytest.raises(FileFailed):
        run()
    with pytest.raises(FileFailed):
        run(plan=True)


def test_a_failing_list_raises(store: Store, client: ImageClient, directory: Path) -> None:
    def records() -> Any:
        yield store.records[store.add(1)]
        raise InvalidInput("broken")

    with pytest.raises(InvalidInput):
        Export(client, directory).run(records())


def test_stopping(store: Store, client: ImageClient, directory: Path) -> None:
    store.add(1, b"x" * 2**20)
    images = Images(client, directory, None, False, lambda _id: None, Outage(1))
    directory.mkdir()
    images.stop.set()
    with pytest.raises(TransferStopped):
        images.export(store.records[image_id(1)], lambda _count: None)


IDS = [
    "../../up",
    "/etc/passwd",
    "a/b",
    ".hidden",
    "nul",
    "CON",
    "manifest.jsonl",
    "\u0661",
    "a\0b",
]


def test_ids_never_become_paths(store: Store, tmp_path: Path, directory: Path, run: Any) -> None:
    for number, odd in enumerate(IDS):
        store.add(number, b"", size=0, id=odd, is_public=True)
    run()
    assert len(Archive(directory)) == len(IDS)
    assert list(tmp_path.iterdir()) == [directory]
    files = sorted({path.name for path in directory.iterdir()} - {"manifest.jsonl", "SHA256SUMS"})
    assert len(files) == len(IDS)
    assert all(file.startswith("id-") for file in files)


@pytest.fixture
def export_shell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(ProjectNames, "get", lambda _self, _id: None)
    return shell


def test_the_command(export_shell: Shell, store: Store, directory: Path) -> None:
    store.add(1)
    out = export_shell.run(ExportImage, "-f", "json", str(directory))
    assert json.loads(out) == {
        "directory": str(directory),
        "images": 1,
        "fetched": 1,
        "size": 6,
        "kept": 0,
        "without_data": 0,
        "failed": 0,
        "not_tried": 0,
    }


def test_the_command_fails_after_its_summary(
    export_shell: Shell, store: Store, directory: Path
) -> None:
    store.add(1, checksum="0" * 32)
    with pytest.raises(OwnFailures, match="1 of 1 images could not be exported, for reasons of"):
        export_shell.run(ExportImage, "-f", "json", str(directory))
    assert json.loads(export_shell.stdout.getvalue())["failed"] == 1


def test_what_another_run_may_bring_decides(
    export_shell: Shell, store: Store, directory: Path
) -> None:
    store.add(1, checksum="0" * 32)
    store.refused[f"/images/{store.add(2)}"] = 503
    with pytest.raises(ImageV1Error, match=r"2 of 2 images .* again to try them again") as raised:
        export_shell.run(ExportImage, str(directory))
    assert not isinstance(raised.value, OwnFailures)


def test_the_command_tells_what_it_has_not_tried(
    export_shell: Shell, store: Store, directory: Path
) -> None:
    for number in range(30):
        store.refused[f"/images/{store.add(number, is_public=True)}"] = 502
    store.refused["/images"] = 502
    with pytest.raises(ImageV1Error) as raised:
        export_shell.run(ExportImage, "-f", "json", "--parallel", "1", str(directory))
    assert str(raised.value) == (
        "10 of 30 images could not be exported, and 20 more were not tried, since a service does "
        "not answer any more: when it is back, run the same command again, and it goes on"
    )
    summary = json.loads(export_shell.stdout.getvalue())
    assert (summary["images"], summary["failed"], summary["not_tried"]) == (30, 10, 20)


def test_named_images_and_the_plan(export_shell: Shell, store: Store, directory: Path) -> None:
    store.add(1)
    store.add(2)
    out = export_shell.run(ExportImage, "-f", "json", "--dry-run", str(directory), image_id(1))
    assert json.loads(out)["images"] == 1
    assert not directory.exists()


@pytest.mark.parametrize(
    "argv",
    [
        ("--parallel", "0"),
        ("--parallel", "65"),
        ("--parallel", "x"),
        ("--shard", "0/3"),
        ("--shard", "4"),
        ("--max-rate", "64"),
        ("--max-rate", "fast"),
        ("--name-pattern", ""),
    ],
)
def test_wrong_options(shell: Shell, capsys: pytest.CaptureFixture[str], argv: Any) -> None:
    with pytest.raises(SystemExit):
        shell.run(ExportImage, *argv, "directory")
    assert argv[0] in capsys.readouterr().err


def test_names_and_filters_do_not_go_together(shell: Shell, directory: Path) -> None:
    with pytest.raises(InvalidInput, match="but not both"):
        shell.run(ExportImage, str(directory), "image", "--status", "active")


def test_names_of_projects_are_asked_for_once() -> None:
    answers = (200, 403, 404, ksa_exceptions.ConnectFailure())
    names = ProjectNames(manager_of(Keystone({"p1": "demo"}, *answers)))
    assert names.get("p1") == "demo"
    assert names.get("p1") == "demo"
    assert names.get("p2") is None
    assert names.get("p3") is None
    assert names.get("p4") is None
    # There is no Identity service within reach: it is not asked again.
    assert names.get("p1") == "demo"
    assert names.get("p5") is None


def test_no_identity_service() -> None:
    keystone = Keystone({}, ksa_exceptions.EndpointNotFound())
    names = ProjectNames(manager_of(keystone))
    assert names.get("p1") is None
    assert names.get("p2") is None
    assert keystone.asked == ["/projects/p1"]


def test_progress_is_shown(store: Store, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    store.add(1)
    store.add(2)
    run()
    assert "12 B of 12 B" in sys.stderr.getvalue()
    assert threading.active_count() < 10


def test_memory_is_bounded(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,500 images whose metadata takes 9 MB: what is in memory are IDs and sizes."""

    monkeypatch.setattr("osc_image_v1.transfer.many._MOST_WAITING", 16)

    def records() -> Any:
        for number in range(1_500):
            properties = {f"key_{n}": f"{number} {'x' * 200}" for n in range(25)}
            yield detail(number, is_public=True, properties=properties)

    client = SimpleNamespace(http=SimpleNamespace(shown_endpoint="http://image.example/v1"))
    export = Export(client, directory, metadata_only=True)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        assert export.run(records()).without_data == 1_500
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        tracemalloc.reset_peak()
        assert export.run(records()).without_data == 1_500
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert len(Archive(directory)) == 1_500


def test_names_are_on_the_disk_before_images_are_recorded(
    store: Store, directory: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flush of the directory for several files."""
    for number in range(20):
        store.add(number)
    flushed: set[str] = set()
    flushes: list[Path] = []
    recorded: set[str] = set()
    add = ManifestWriter.add

    def flush(path: Path) -> None:
        flushes.append(path)
        flushed.update(one.name for one in path.iterdir())

    def record(writer: ManifestWriter, images: Any) -> None:
        images = list(images)
        recorded.update(one.file for one in images if one.data)
        assert recorded <= flushed
        add(writer, images)

    monkeypatch.setattr(module, "flush_directory", flush)
    monkeypatch.setattr(ManifestWriter, "add", record)
    run()
    assert len(recorded) == 20
    assert 1 <= len(flushes) <= 20
