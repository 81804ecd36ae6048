"""One image into a service: what is made, what is compared, what a failure leaves."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
import requests_mock as rm

from osc_image_v1.api.models import ImageDetail, Member
from osc_image_v1.exceptions import (
    ConnectionFailed,
    ContentMismatch,
    Forbidden,
    ForeignAnswer,
    ImageHasNoData,
    ImageV1Error,
    InvalidInput,
    TargetOccupied,
    TransferStopped,
)
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan, TargetImage, state_of
from osc_image_v1.migrate.ours import new_id_of
from osc_image_v1.transfer.sending import ImageSource, Sending
from tests.unit.conftest import detail, image_id
from tests.unit.glance_v2 import TARGET_URL, GlanceV2, Page, Refusal, failing

DATA = b"some data" * 1000
PIECES = [DATA[:5000], DATA[5000:]]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def an_image(**fields: Any) -> ImageDetail:
    record = detail(0, size=len(DATA), checksum=md5(DATA), **fields)
    return ImageDetail.from_record(record)


def a_source(data: bytes = DATA, **fields: Any) -> ImageSource:
    known = {"size": len(DATA), "md5": md5(DATA), **fields}
    return ImageSource(read=lambda: iter([data[:5000], data[5000:]]), **known)


ID = image_id(0)


def paging() -> None:
    """Answer with a page of something in front of the service."""
    raise Page


# What comes of an image


def test_an_image_is_copied_with_all_its_metadata(glance: GlanceV2) -> None:
    image = an_image(
        name="an image",
        min_disk=3,
        min_ram=4,
        is_public=True,
        protected=True,
        properties={"a": "b", "null": None, "status": "mine"},
    )
    written = glance.target().write(image, [], a_source(), Plan())
    assert (written.image_id, written.action, written.verified) == (ID, "copied", True)
    assert written.notes == ("property status is v1_status there",)
    record = glance.records[ID]
    expected = {
        "name": "an image",
        "status": "active",
        "visibility": "public",
        "protected": True,
        "owner": "p1",
        "disk_format": "raw",
        "container_format": "bare",
        "min_disk": 3,
        "min_ram": 4,
        "tags": [],
        "checksum": md5(DATA),
        "a": "b",
        "null": "",
        "v1_status": "mine",
    }
    assert {name: record[name] for name in expected} == expected
    assert glance.data[ID] == DATA


def test_nothing_is_asked_for_twice(glance: GlanceV2) -> None:
    glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.asked == [
        f"GET /images/{ID}",
        "GET /info/usage",
        "POST /images",
        f"PUT /images/{ID}/file",
        f"GET /images/{ID}",
        f"PATCH /images/{ID}",
    ]


def test_a_second_time_there_is_nothing_to_do(glance: GlanceV2) -> None:
    target = glance.target()
    target.write(an_image(), [], a_source(), Plan())
    glance.asked.clear()
    assert target.write(an_image(), [], a_source(), Plan()).action == "present"
    assert glance.asked == [f"GET /images/{ID}"]


def test_a_record_without_data(glance: GlanceV2) -> None:
    image = an_image(status="queued", disk_format=None, container_format=None)
    image = replace(image, size=0, checksum=None)
    assert glance.target().write(image, [], None, Plan()).action == "recorded"
    assert glance.records[ID]["status"] == "queued"
    assert glance.target().write(image, [], None, Plan()).action == "present"


def test_no_bytes_are_data_too(glance: GlanceV2) -> None:
    image = replace(an_image(), size=0, checksum=None)
    source = ImageSource(0, md5(b""), lambda: iter(()))
    assert glance.target().write(image, [], source, Plan()).action == "copied"
    assert glance.data[ID] == b""


def test_without_a_checksum_it_is_said(glance: GlanceV2) -> None:
    written = glance.target().write(
        replace(an_image(), checksum=None), [], a_source(md5=None), Plan()
    )
    assert (written.action, written.verified) == ("copied", False)


def test_data_must_be_at_hand(glance: GlanceV2) -> None:
    with pytest.raises(ImageHasNoData):
        glance.target().write(an_image(), [], None, Plan())
    assert glance.records == {}


def test_deactivated_stays_deactivated(glance: GlanceV2) -> None:
    glance.target().write(an_image(status="deactivated"), [], a_source(), Plan())
    assert glance.records[ID]["status"] == "deactivated"


# Visibility, members, owners


def test_members(glance: GlanceV2) -> None:
    plan = Plan(projects={"old": "new"}, accept_members=True)
    members = [Member("old"), Member("p9", True)]
    glance.target().write(an_image(), members, a_source(), plan)
    assert glance.members[ID] == {"new": "accepted", "p9": "accepted"}
    assert glance.records[ID]["visibility"] == "shared"
    # A record that this run has made has no members yet that a list could tell of.
    assert [one.split()[0] for one in glance.asked if "/members" in one] == ["POST", "PUT"] * 2


@pytest.mark.parametrize(
    "how", ["earlier run", "found after a 409", "answer lost", "another run's data", "again"]
)
def test_members_are_listed_where_there_may_be_some(glance: GlanceV2, how: str) -> None:
    def shared(data: bytes | None = None) -> None:
        glance.add(ID, data, tags=[UNFINISHED])
        glance.members[ID] = {"p8": "pending"}

    def lost() -> None:
        shared()
        raise Refusal(502)

    if how == "earlier run":
        shared()
    elif how == "found after a 409":
        glance.before["POST /images"] = [shared]
    elif how == "answer lost":
        glance.after["POST /images"] = [lost]
    elif how == "another run's data":
        glance.before["PUT /file"] = [lambda: shared(DATA)]
    else:
        glance.after["POST /members"] = [failing(502)]
    missing = how == "found after a 409"
    glance.target().write(an_image(), [Member("p8")], a_source(), Plan(), missing=missing)
    assert glance.members[ID] == {"p8": "pending"}
    asked = [one.split()[0] for one in glance.asked if "/members" in one]
    assert asked == (["POST", "GET"] if how == "again" else ["GET"])


def test_members_that_are_there_stay_as_they_are(glance: GlanceV2) -> None:
    glance.add(ID, DATA, tags=[UNFINISHED, "mine"], visibility="private")
    glance.members[ID] = {"p8": "accepted", "p9": "rejected"}
    written = glance.target().write(an_image(), [Member("p8"), Member("p9")], a_source(), Plan())
    assert written.action == "finished"
    assert glance.members[ID] == {"p8": "accepted", "p9": "rejected"}
    assert glance.records[ID]["tags"] == ["mine"]


def test_another_run_may_have_added_the_member(glance: GlanceV2) -> None:
    glance.before["POST /members"] = [failing(409)]
    assert glance.target().write(an_image(), [Member("p8")], a_source(), Plan()).action == "copied"


@pytest.mark.parametrize(
    ("fields", "members", "plan", "visibility", "notes"),
    [
        ({}, [], Plan(), "private", ()),
        ({"is_public": True}, [], Plan(), "public", ()),
        ({}, [Member("m")], Plan(), "shared", ()),
        ({}, [], Plan(visibility="community"), "community", ("private here, community there",)),
        (
            {},
            [Member("m")],
            Plan(visibility="private"),
            "private",
            (
                "shared here, private there",
                "not shared with 1 projects: it is private there",
            ),
        ),
        (
            {"owner": None},
            [Member("m")],
            Plan(keep_projects=False),
            "shared",
            ("no project here, your own there", "not shared with project m"),
        ),
    ],
)
def test_visibility(
    glance: GlanceV2,
    fields: Any,
    members: list[Member],
    plan: Plan,
    visibility: str,
    notes: tuple[str, ...],
) -> None:
    written = glance.target().write(an_image(**fields), members, a_source(), plan)
    assert glance.records[ID]["visibility"] == visibility
    assert written.notes == notes


@pytest.mark.parametrize(
    ("owner", "plan", "there"),
    [
        ("p1", Plan(), "p1"),
        ("p1", Plan(projects={"p1": "p2"}, keep_projects=False), "p2"),
        ("p1", Plan(keep_projects=False), "me"),
        (None, Plan(), None),
        (None, Plan(keep_projects=False), "me"),
        (None, Plan(projects={"p1": "p2"}, keep_projects=False), None),
    ],
)
def test_owner(glance: GlanceV2, owner: str | None, plan: Plan, there: str | None) -> None:
    glance.target().write(an_image(owner=owner), [], a_source(), plan)
    assert glance.records[ID]["owner"] == there


def test_an_owner_that_the_map_lacks_is_refused(glance: GlanceV2) -> None:
    plan = Plan(projects={"p8": "p9"}, keep_projects=False)
    with pytest.raises(InvalidInput, match="project map has nothing for project p1"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert glance.asked == [f"GET /images/{ID}"]


def test_what_is_public_is_so_last(glance: GlanceV2) -> None:
    glance.before["PATCH "] = [failing(403, "not authorized to publicize")]
    with pytest.raises(Forbidden):
        glance.target().write(an_image(is_public=True), [], a_source(), Plan())
    assert glance.records[ID]["visibility"] == "shared"
    # Another run finishes it, without the data.
    glance.asked.clear()
    plan = Plan(visibility="private")
    assert glance.target().write(an_image(is_public=True), [], a_source(), plan).action == (
        "finished"
    )
    assert f"PUT /images/{ID}/file" not in glance.asked


# New IDs


def test_new_ids(glance: GlanceV2) -> None:
    plan = Plan(new_ids=True)
    target = glance.target()
    written = target.write(an_image(), [], a_source(), plan)
    assert written.image_id == new_id_of(ID) != ID
    assert glance.records[written.image_id][renames.SOURCE_ID] == ID
    assert plan.image_ids == {ID: written.image_id}
    assert target.write(an_image(), [], a_source(), plan).action == "present"
    found = target.copy_of(ID, "p1")
    assert found is not None
    assert found.image_id == written.image_id
    assert [one.source_id for one in target.everything()] == [ID]


def test_a_new_id_that_was_deleted_is_passed_over(glance: GlanceV2) -> None:
    glance.deleted.add(new_id_of(ID))
    written = glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    assert written.image_id == new_id_of(ID, 1)


def test_of_several_copies_the_whole_one_counts(glance: GlanceV2) -> None:
    glance.add("a", status="killed", **{renames.SOURCE_ID: ID})
    glance.add("b", **{renames.SOURCE_ID: ID}, tags=[UNFINISHED])
    glance.add("c", DATA, **{renames.SOURCE_ID: ID}, visibility="community")
    written = glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    assert (written.image_id, written.action) == ("c", "present")


def test_kernels_get_their_new_ids(glance: GlanceV2) -> None:
    other = image_id(7)
    image = an_image(properties={"kernel_id": other, "ramdisk_id": "none"})
    plan = Plan(image_ids={other: image_id(8)})
    glance.target().write(image, [], a_source(), plan)
    assert glance.records[ID]["kernel_id"] == image_id(8)
    assert glance.records[ID]["v1_ramdisk_id"] == "none"


# What is there already


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"data": b"other"}, "another image .*--new-ids"),
        ({"status": "killed"}, "is killed in the target: it takes no data any more; --new-ids"),
        ({"status": "saving"}, "is saving in the target: another run may be at it"),
    ],
)
def test_taken_ids(glance: GlanceV2, fields: Any, match: str) -> None:
    glance.add(ID, **fields)
    with pytest.raises(TargetOccupied, match=match):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert ID in glance.records


def test_an_id_that_was_deleted(glance: GlanceV2) -> None:
    glance.deleted.add(ID)
    with pytest.raises(TargetOccupied, match=r"gives no ID a second time.*: --new-ids"):
        glance.target().write(an_image(), [], a_source(), Plan())


def test_an_empty_record_is_made_right_and_filled(glance: GlanceV2) -> None:
    glance.add(ID, name="old", stale="x", tags=[UNFINISHED], **{"a/b~c": "old"})
    image = an_image(name="new", properties={"a/b~c": "new", "more": "y"})
    assert glance.target().write(image, [], a_source(), Plan()).action == "copied"
    record = glance.records[ID]
    assert (record["name"], record["a/b~c"], record["more"]) == ("new", "new", "y")
    assert "stale" not in record


def test_an_empty_record_that_is_right_needs_no_change(glance: GlanceV2) -> None:
    glance.target().write(an_image(), [], a_source(), Plan())
    fresh = glance.records[ID]
    fresh.update(status="queued", tags=[UNFINISHED], visibility="shared", size=None)
    fresh.update(checksum=None, os_hash_value=None)
    glance.asked.clear()
    glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.asked[:3] == [f"GET /images/{ID}", "GET /info/usage", f"PUT /images/{ID}/file"]


def test_what_the_service_is_busy_with_is_waited_for(glance: GlanceV2, naps: list[float]) -> None:
    record = glance.add(ID, status="saving", tags=[UNFINISHED])

    def done() -> None:
        record["status"] = "queued"

    glance.before["GET "] = [lambda: None, lambda: None, done]
    target = glance.target(patience=60.0)
    assert target.write(an_image(), [], a_source(), Plan()).action == "copied"
    assert naps


def found(**fields: Any) -> TargetImage:
    return TargetImage(
        **{
            "image_id": ID,
            "status": "active",
            "size": len(DATA),
            "checksum": None,
            "unfinished": False,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("image", "there", "state"),
    [
        (an_image(), None, "missing"),
        (an_image(), found(), "complete"),
        (an_image(), found(checksum="0" * 32), "other"),
        (an_image(), found(size=1), "other"),
        (an_image(status="queued"), found(), "complete"),
        (an_image(), found(unfinished=True), "unfinished"),
        (an_image(), found(status="queued"), "empty"),
        (an_image(status="queued"), found(status="queued", unfinished=True), "unfinished"),
        (an_image(), found(status="uploading"), "busy"),
        (an_image(), found(status="deleted"), "dead"),
        (an_image(), found(status=None), "dead"),
    ],
)
def test_states(image: ImageDetail, there: TargetImage | None, state: str) -> None:
    assert state_of(image, there) == state


# Failures


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (a_source(DATA[:-1] + b"!"), "its MD5 is"),
        (a_source(DATA[:-1]), "8999 bytes came, not 9000"),
        (a_source(DATA + b"!"), "more than 9000 bytes"),
    ],
)
def test_damaged_data_leaves_an_empty_record(
    glance: GlanceV2, source: ImageSource, match: str
) -> None:
    with pytest.raises(ContentMismatch, match=match + ".*queued, is left for another run"):
        glance.target().write(an_image(), [], source, Plan())
    assert glance.data == {}
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"


def test_damaged_data_leaves_a_record_that_the_service_is_still_at(glance: GlanceV2) -> None:
    def read() -> Any:
        yield DATA[:5000]
        glance.records[ID]["status"] = "saving"
        yield b"!"

    # What is looked at before is read before.
    plan = Plan(look=False)
    with pytest.raises(ContentMismatch, match=r"5001 bytes came.*saving, is left"):
        glance.target().write(an_image(), [], ImageSource(9000, md5(DATA), read), plan)
    assert glance.deleted == set()


def _refused(glance: GlanceV2, image_id: str = ID) -> Callable[[], None]:
    """Return what Glance does when it has taken all data, and its format is another."""

    def refuse() -> None:
        record = glance.records[image_id]
        record.update(checksum=md5(DATA), os_hash_algo="sha512", os_hash_value="0" * 128)
        failing(415, "disk_format qcow2 does not match")()

    return refuse


@pytest.mark.parametrize("new_ids", [False, True])
def test_what_the_target_refuses_is_not_sent_to_again(glance: GlanceV2, new_ids: bool) -> None:
    """A record that holds refused data takes no other: every upload to it is a 500."""
    plan = Plan(new_ids=new_ids)
    there = new_id_of(ID) if new_ids else ID
    glance.before["PUT /file"] = [_refused(glance, there)]
    told = r"holds the checksum of data that was refused: it takes no data any more; --clean-up"
    with pytest.raises(ImageV1Error, match=rf"does not match.*{there} is queued and {told}"):
        glance.target().write(an_image(), [], a_source(), plan)
    with pytest.raises(TargetOccupied, match=rf"{there} is queued in the target and {told}"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert glance.asked.count(f"PUT /images/{there}/file") == 1
    assert glance.deleted == set()


def test_a_refusal_whose_answer_is_lost_is_not_sent_again(glance: GlanceV2) -> None:
    def lost() -> None:
        with contextlib.suppress(Refusal):
            _refused(glance)()
        failing(502)()

    glance.before["PUT /file"] = [lost]
    with pytest.raises(ImageV1Error, match=r"502.*holds the checksum of data that was refused"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.asked.count(f"PUT /images/{ID}/file") == 1


def test_records_that_take_no_data_are_removed_where_that_is_wanted(glance: GlanceV2) -> None:
    plan = Plan(clean_up=True)
    glance.before["PUT /file"] = [_refused(glance)]
    with pytest.raises(ImageV1Error, match=r"is removed, and its ID is used up: --new-ids"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert glance.deleted == {ID}
    glance.deleted.clear()
    glance.add(ID, tags=[UNFINISHED], checksum="0" * 32)
    with pytest.raises(TargetOccupied, match=r"is removed, and its ID is used up: --new-ids"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert glance.deleted == {ID}
    # What has no mark is someone else's.
    glance.add(ID, checksum="0" * 32)
    with pytest.raises(TargetOccupied, match="takes no data any more; --new-ids makes another"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert ID in glance.records


def test_with_a_new_id_another_record_is_made_at_once(glance: GlanceV2) -> None:
    first, second = new_id_of(ID), new_id_of(ID, 1)
    glance.add(first, tags=[UNFINISHED], checksum="0" * 32, **{renames.SOURCE_ID: ID})
    plan = Plan(new_ids=True, clean_up=True)
    written = glance.target().write(an_image(), [], a_source(), plan)
    assert (written.action, written.image_id) == ("copied", second)
    assert written.notes == (f"the record {first}, which took no data any more, is removed there",)


@pytest.mark.parametrize("status", [400, 403, 409, 413])
def test_a_record_whose_data_was_refused_is_filled_later(glance: GlanceV2, status: int) -> None:
    """Its ID would be used up with it; a 409 means that someone else may be at it."""
    glance.before["PUT /file"] = [failing(status, "no room")]
    with pytest.raises(ImageV1Error, match=r"is left for another run|is being written"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["status"] == "queued"
    assert glance.deleted == set()
    written = glance.target().write(an_image(), [], a_source(), Plan())
    assert (written.image_id, written.action) == (ID, "copied")


def test_what_the_target_stores_otherwise_leaves_nothing(glance: GlanceV2) -> None:
    def spoil() -> None:
        glance.records[ID]["checksum"] = "0" * 32

    glance.after["PUT /file"] = [spoil]
    with pytest.raises(ContentMismatch, match=f"checksum {'0' * 32}.*is removed, and its ID"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records == {}


@pytest.mark.parametrize("status", ["queued", "killed"])
def test_what_is_not_active_after_the_data_is_left(glance: GlanceV2, status: str) -> None:
    def spoil() -> None:
        glance.records[ID]["status"] = status

    glance.after["PUT /file"] = [spoil]
    with pytest.raises(ContentMismatch, match=f"but the image is {status}.*no data any more"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.deleted == set()


def test_gone_after_the_data(glance: GlanceV2) -> None:
    glance.after["PUT /file"] = [glance.records.clear]
    with pytest.raises(ContentMismatch, match=r"but the image is gone$"):
        glance.target().write(an_image(), [], a_source(), Plan())


def test_what_cannot_be_removed_is_said(glance: GlanceV2) -> None:
    glance.before["PUT /file"] = [_refused(glance)]
    glance.before["DELETE "] = [failing(403, "protected by someone")]
    with pytest.raises(ImageV1Error, match=r"look for what is left of image.*protected by someone"):
        glance.target().write(an_image(), [], a_source(), Plan(clean_up=True))


def test_what_cannot_be_read_makes_no_record(glance: GlanceV2) -> None:
    def read() -> Any:
        raise ImageHasNoData("gone")

    with pytest.raises(ImageHasNoData):
        glance.target().write(an_image(), [], ImageSource(1, None, read), Plan())
    assert glance.asked == [f"GET /images/{ID}"]


def test_an_upload_that_breaks_off_is_begun_again(glance: GlanceV2, naps: list[float]) -> None:
    counted: list[int] = []
    glance.before["PUT /file"] = [failing(503), failing(500)]
    written = glance.target().write(an_image(), [], a_source(), Plan(), advance=counted.append)
    assert written.action == "copied"
    assert sum(counted) == len(DATA)
    assert naps


def test_an_upload_that_breaks_off_for_good_leaves_an_empty_record(glance: GlanceV2) -> None:
    glance.before["PUT /file"] = [failing(503)] * 3
    with pytest.raises(ImageV1Error, match="queued, is left for another run"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["status"] == "queued"
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"


def test_what_a_failed_service_calls_saving_for_ever_is_left(glance: GlanceV2) -> None:
    def fail() -> None:
        glance.records[ID]["status"] = "saving"
        failing(500)()

    glance.before["PUT /file"] = [fail, fail]
    with pytest.raises(ImageV1Error, match=r"HTTP 500.*saving, is left for another run"):
        glance.target().write(an_image(), [], a_source(), Plan())
    glance.records[ID]["status"] = "queued"
    with pytest.raises(ImageV1Error, match=r"HTTP 500.*is removed, and its ID is used up"):
        glance.target().write(an_image(), [], a_source(), Plan(clean_up=True))
    assert glance.records == {}


def test_what_a_silent_service_may_still_be_saving_is_left(glance: GlanceV2) -> None:
    def fail() -> None:
        glance.records[ID]["status"] = "saving"
        raise requests.exceptions.ReadTimeout

    glance.before["PUT /file"] = [fail]
    with pytest.raises(ImageV1Error, match=r"saving, is left for another run"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["status"] == "saving"


def test_with_new_ids_an_empty_record_is_left_too(glance: GlanceV2) -> None:
    glance.before["PUT /file"] = [failing(503)] * 3
    with pytest.raises(ImageV1Error, match="queued, is left for another run"):
        glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    written = glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    assert (written.image_id, written.action) == (new_id_of(ID), "copied")


def test_the_source_breaks_off(glance: GlanceV2) -> None:
    tries: list[int] = []

    def read() -> Any:
        yield DATA[:5000]
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionFailed("the source is away")
        yield DATA[5000:]

    source = ImageSource(len(DATA), md5(DATA), read)
    assert glance.target().write(an_image(), [], source, Plan(look=False)).action == "copied"
    assert len(tries) == 3


@pytest.mark.parametrize("method", ["POST /images", "PATCH "])
def test_requests_that_fail_at_the_service_are_repeated(glance: GlanceV2, method: str) -> None:
    glance.before[method] = [failing(500), failing(503)]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"
    assert glance.records[ID]["tags"] == []


@pytest.mark.parametrize("method", ["POST /images", "PATCH "])
def test_but_not_for_ever(glance: GlanceV2, method: str) -> None:
    glance.before[method] = [failing(500)] * 3
    with pytest.raises(ImageV1Error):
        glance.target().write(an_image(), [], a_source(), Plan())


def test_a_create_whose_answer_is_lost(glance: GlanceV2) -> None:
    glance.after["POST /images"] = [failing(502)]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"
    assert glance.asked.count("POST /images") == 1


def test_an_upload_whose_answer_is_lost(glance: GlanceV2) -> None:
    glance.after["PUT /file"] = [failing(502)]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"
    assert glance.asked.count(f"PUT /images/{ID}/file") == 1


def test_stopped(glance: GlanceV2) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ImageV1Error, match=r"stopped.*is left for another run"):
        glance.target().write(an_image(), [], a_source(), Plan(), stop=stop)
    assert glance.records[ID]["status"] == "queued"
    with pytest.raises(TransferStopped):
        list(Sending(a_source(), stop=stop))


# Two at once


def _other_run(glance: GlanceV2, data: bytes | None) -> Callable[[], None]:
    def run() -> None:
        glance.records.pop(ID, None)
        glance.add(ID, data)

    return run


@pytest.mark.parametrize("request_", ["POST /images", "PUT /file"])
def test_the_other_run_was_faster(glance: GlanceV2, request_: str) -> None:
    glance.before[request_] = [_other_run(glance, DATA)]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "present"
    assert glance.data[ID] == DATA


def test_the_other_run_is_at_it(glance: GlanceV2) -> None:
    def saving() -> None:
        glance.add(ID, status="saving")

    glance.before["PUT /file"] = [saving]
    with pytest.raises(TargetOccupied, match="being written by someone else"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["status"] == "saving"


def test_the_other_run_changes_the_record(glance: GlanceV2) -> None:
    glance.add(ID, tags=[UNFINISHED])

    def other() -> None:
        _other_run(glance, DATA)()
        failing(409)()

    glance.before["PATCH "] = [other]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "present"


# What vouches for the data there


def test_a_target_without_md5_is_read_back_once(glance: GlanceV2) -> None:
    glance.md5 = False
    target = glance.target()
    target.write(an_image(), [], a_source(), Plan())
    assert f"GET /images/{ID}/file" in glance.asked
    glance.records.clear()
    glance.asked.clear()
    # From now on SHA-512 is computed on the way.
    assert target.write(an_image(), [], a_source(), Plan()).action == "copied"
    assert f"GET /images/{ID}/file" not in glance.asked


def test_a_target_that_shows_no_checksum_at_all(glance: GlanceV2) -> None:
    def hide() -> None:
        glance.records[ID].update(checksum=None, os_hash_algo=None, os_hash_value=None)

    glance.after["PUT /file"] = [hide]
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"
    assert f"GET /images/{ID}/file" in glance.asked


def test_a_checksum_that_nobody_here_can_compute(glance: GlanceV2) -> None:
    def odd() -> None:
        glance.records[ID].update(checksum=None, os_hash_algo="shake_128", os_hash_value="x")

    glance.after["PUT /file"] = [odd, odd]
    target = glance.target()
    assert target.write(an_image(), [], a_source(), Plan()).action == "copied"
    glance.records.clear()
    assert target.write(an_image(), [], a_source(), Plan()).action == "copied"


def test_lists_have_pages(requests_mock: rm.Mocker) -> None:
    glance = GlanceV2(requests_mock, page_size=2)
    for number in range(5):
        glance.add(image_id(number))
    assert len(list(glance.target().everything())) == 5


@pytest.mark.parametrize("link", ["/v2/images?x=1", "http://[/?marker=1"])
def test_a_next_page_without_a_marker(requests_mock: rm.Mocker, link: str) -> None:
    glance = GlanceV2(requests_mock)
    requests_mock.get(TARGET_URL + "/v2/images", json={"images": [], "next": link})
    with pytest.raises(ImageV1Error, match="no marker"):
        list(glance.target().everything())


@pytest.mark.parametrize("body", [b"no json", b"[]", b'{"id": 5}'])
def test_answers_of_another_form(requests_mock: rm.Mocker, body: bytes) -> None:
    glance = GlanceV2(requests_mock)
    requests_mock.post(TARGET_URL + "/v2/images", content=body, status_code=201)
    with pytest.raises(ImageV1Error, match="Cannot create image"):
        glance.target().write(an_image(), [], a_source(), Plan())


# Answers that are lost


@pytest.mark.parametrize("request_", ["POST /images", "PUT /file", "PATCH "])
def test_a_page_in_front_of_the_service_is_no_answer(glance: GlanceV2, request_: str) -> None:
    for done in (True, False):
        glance.records.clear()
        hooks = glance.after if done else glance.before
        hooks[request_] = [paging]
        assert glance.target().write(an_image(), [], a_source(), Plan()).action == "copied"
        assert glance.records[ID]["tags"] == []


@pytest.mark.parametrize("new_ids", [True, False])
def test_what_may_still_be_stored_is_never_removed(glance: GlanceV2, new_ids: bool) -> None:
    plan = Plan(new_ids=new_ids)
    there = new_id_of(ID) if new_ids else ID

    def at_it() -> None:
        glance.records[there]["status"] = "saving"
        failing(504)()

    glance.before["PUT /file"] = [at_it]
    with pytest.raises(ImageV1Error, match=r"saving there after 0 seconds.*, saving, is left"):
        glance.target().write(an_image(), [], a_source(), plan)
    assert glance.records[there]["status"] == "saving"
    # Nor where the service has taken it, and then takes its time.
    glance.records.clear()
    glance.after["PUT /file"] = [lambda: glance.records[there].update(status="saving")]
    with pytest.raises(ContentMismatch, match=r"but the image is saving; .* is left for another"):
        glance.target().write(an_image(), [], a_source(), plan)
    glance.records[there]["status"] = "active"
    assert glance.target().write(an_image(), [], a_source(), plan).action == "finished"


def test_a_service_that_stores_for_longer_than_a_front_end_waits(
    glance: GlanceV2, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    def at_it() -> None:
        glance.records[ID]["status"] = "saving"
        glance.before["GET "] = [lambda: None, lambda: None, done]

    def done() -> None:
        glance.records[ID]["status"] = "active"

    glance.after["PUT /file"] = [lambda: (at_it(), failing(504)())]
    assert glance.target(patience=60.0).write(an_image(), [], a_source(), Plan()).action == "copied"
    assert glance.asked.count(f"PUT /images/{ID}/file") == 1
    assert "is saving there: waiting for that, 60 seconds at most" in caplog.messages[-1]


def test_an_image_that_is_whole_is_never_removed(glance: GlanceV2) -> None:
    """The look after the upload is not answered."""
    glance.after["PUT /file"] = [lambda: glance.before.update({"GET ": [failing(401)] * 2})]
    with pytest.raises(ImageV1Error, match="401") as error:
        glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    assert glance.records[new_id_of(ID)]["status"] == "active"
    glance.before.clear()
    again = glance.target().write(an_image(), [], a_source(), Plan(new_ids=True))
    assert again.action == "finished"
    assert "has its data in the target" in str(error.value)


def test_a_whole_image_is_told(glance: GlanceV2) -> None:
    glance.after["PUT /file"] = [lambda: glance.before.update({"GET ": [failing(403)]})]
    with pytest.raises(ImageV1Error, match=f"403.*{ID} has its data in the target"):
        glance.target().write(an_image(), [], a_source(), Plan())
    assert glance.records[ID]["status"] == "active"


def test_an_own_upload_that_ends_behind_a_lost_answer_is_finished(glance: GlanceV2) -> None:
    """A front end that took all of the data hands it on after it has given up on the answer."""

    def later() -> None:
        glance._store(glance.records[ID], DATA)

    glance.before["PUT /file"] = [failing(504), later]
    written = glance.target().write(an_image(is_public=True), [], a_source(), Plan())
    assert written.action == "finished"
    assert (glance.records[ID]["tags"], glance.records[ID]["visibility"]) == ([], "public")


def test_a_delete_that_a_service_puts_off_is_waited_for(
    glance: GlanceV2, naps: list[float]
) -> None:
    record = glance.add(ID)

    def deleting() -> None:
        record["status"] = "deleted"
        glance.before["GET "] = [lambda: None, glance.records.clear]
        failing(504)()

    glance.before["DELETE "] = [deleting]
    glance.client().delete(ID)
    assert naps
    record = glance.add(ID)
    glance.before["DELETE "] = [paging]
    with pytest.raises(ForeignAnswer, match="a page of something in front of it"):
        glance.client().delete(ID)


# Waiting


def test_data_that_is_being_stored_is_waited_for_within_bounds(
    glance: GlanceV2, naps: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    glance.add(ID, status="saving", tags=[UNFINISHED])
    image = replace(an_image(), size=100 * 2**30)
    with pytest.raises(TargetOccupied, match="another run may be at it"):
        glance.target(patience=60.0).write(image, [], a_source(), Plan())
    assert 800 < sum(naps) < 1000
    assert caplog.messages == [f"Image {ID} is saving there: waiting for that, 900 seconds at most"]


@pytest.mark.parametrize("how", ["busy", "lost", "failed"])
def test_waiting_ends_at_once_when_it_is_stopped(glance: GlanceV2, how: str) -> None:
    stop = threading.Event()
    glance.after["GET "] = [lambda: None]

    def at_it() -> None:
        glance.records[ID]["status"] = "saving"
        stop.set()
        raise requests.exceptions.ReadTimeout

    if how == "busy":
        glance.add(ID, status="saving", tags=[UNFINISHED])
        glance.after["GET "] = [stop.set]
    elif how == "lost":
        glance.before["PUT /file"] = [at_it]
    else:
        glance.before["POST /images"] = [lambda: (stop.set(), failing(500)())] * 2
    target = glance.target(patience=600.0)
    with pytest.raises(ImageV1Error, match="stopped"):
        target.write(an_image(), [], a_source(), Plan(), stop=stop)
    if how != "failed":
        assert glance.records[ID]["status"] == "saving"


def test_members_of_another_form(requests_mock: rm.Mocker) -> None:
    glance = GlanceV2(requests_mock)
    requests_mock.get(f"{TARGET_URL}/v2/images/{ID}/members", json={"members": [1]})
    with pytest.raises(ImageV1Error, match="another form"):
        glance.client().members(ID)


def test_a_silent_create_that_made_nothing(requests_mock: rm.Mocker) -> None:
    glance = GlanceV2(requests_mock)
    requests_mock.post(TARGET_URL + "/v2/images", exc=requests.exceptions.ReadTimeout)
    with pytest.raises(ConnectionFailed):
        glance.target().write(an_image(), [], a_source(), Plan())


def test_odd_tags(glance: GlanceV2) -> None:
    glance.add(ID, DATA, tags=None)
    assert glance.target().write(an_image(), [], a_source(), Plan()).action == "present"
