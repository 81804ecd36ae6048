"""The format that an image gets in a service that looks into its data."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from osc_image_v1.api.models import ImageDetail
from osc_image_v1.exceptions import FormatRefused, ImageV1Error
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.formats import CONTAINER_FORMAT, DISK_FORMAT
from osc_image_v1.transfer.sending import ImageSource
from tests.unit import disks
from tests.unit.conftest import detail, image_id
from tests.unit.glance_v2 import GlanceV2, failing

ID = image_id(0)
FROM_DATA = Plan(format_from_data=True)
QCOW2 = disks.qcow2()


def an_image(data: bytes, **fields: Any) -> tuple[ImageDetail, ImageSource]:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    image = ImageDetail.from_record(detail(0, size=len(data), checksum=md5, **fields))
    pieces = [data[at : at + 2**16] for at in range(0, len(data), 2**16)]
    return image, ImageSource(len(data), md5, lambda: iter(pieces))


def write(glance: GlanceV2, data: bytes, plan: Plan, **fields: Any) -> tuple[str, tuple[str, ...]]:
    image, source = an_image(data, **fields)
    written = glance.target().write(image, [], source, plan)
    return written.action, written.notes


def test_what_would_be_refused_gets_no_record(glance: GlanceV2) -> None:
    reason = (
        r"it is said to be vmdk and is qcow2; --disk-format-from-data stores it as qcow2; "
        r"--no-format-check sends it all the same$"
    )
    with pytest.raises(FormatRefused, match=reason):
        write(glance, QCOW2, Plan(), disk_format="vmdk")
    assert glance.asked == [f"GET /images/{ID}"]
    assert write(glance, QCOW2, Plan(look=False), disk_format="vmdk") == ("copied", ())


@pytest.mark.parametrize("container_format", ["ovf", "docker"])
def test_other_containers_are_not_looked_into(glance: GlanceV2, container_format: str) -> None:
    fields = {"disk_format": "vmdk", "container_format": container_format}
    assert write(glance, QCOW2, Plan(), **fields) == ("copied", ())


def test_the_format_of_the_data_is_stored_and_the_old_one_kept(glance: GlanceV2) -> None:
    note = "disk format vmdk here, qcow2 there: its data is qcow2"
    assert write(glance, QCOW2, FROM_DATA, disk_format="vmdk") == ("copied", (note,))
    record = glance.records[ID]
    assert (record["disk_format"], record[DISK_FORMAT]) == ("qcow2", "vmdk")
    assert glance.data[ID] == QCOW2
    # Any other run knows it.
    for plan in (FROM_DATA, Plan()):
        assert write(glance, QCOW2, plan, disk_format="vmdk") == ("present", ())


@pytest.mark.parametrize(
    ("data", "declared", "stored"),
    [
        (QCOW2, "raw", "qcow2"),
        (disks.vhd(fixed=True), "vhd", "raw"),
        (disks.luks(), "qcow2", "raw"),
        (disks.disk(), "qcow2", "raw"),
        (disks.iso(disks.partitions()), "raw", "iso"),
        # Nothing that is taken under its name is called another one.
        (disks.disk(), "raw", "raw"),
        (disks.luks(), "raw", "raw"),
        (b"kernel", "ploop", "ploop"),
    ],
)
def test_formats_of_data(glance: GlanceV2, data: bytes, declared: str, stored: str) -> None:
    write(glance, data, FROM_DATA, disk_format=declared)
    assert glance.records[ID]["disk_format"] == stored


def test_what_is_refused_by_any_name_is_to_be_converted(glance: GlanceV2) -> None:
    with pytest.raises(FormatRefused, match=r"backing file; convert it: image v1 export, qemu-img"):
        write(glance, disks.qcow2(backing=512), FROM_DATA, disk_format="qcow2")
    assert glance.records == {}


def test_what_cannot_be_known_is_told(glance: GlanceV2) -> None:
    """A service of v1 sends no part of an image."""
    data = disks.vmdk("streamOptimized", footer=True)
    _action, notes = write(glance, data, Plan(), disk_format="vmdk")
    assert notes == (
        "whether the target takes its data is not known: a vmdk of its kind has something at its "
        "end, which is not looked at",
    )


def test_an_empty_image_goes_as_raw(glance: GlanceV2) -> None:
    """Nova labels the empty snapshots of servers that boot from a volume by the server's image."""
    note = "disk format qcow2 here, raw there: it is empty"
    assert write(glance, b"", Plan(), disk_format="qcow2") == ("copied", (note,))
    assert glance.records[ID]["disk_format"] == "raw"
    assert write(glance, b"", Plan(), disk_format="qcow2")[0] == "present"


@pytest.mark.parametrize("key", ["vmdk", ID])
def test_formats_that_are_asked_for(glance: GlanceV2, key: str) -> None:
    plan = Plan(formats={key: "qcow2/compressed", "raw": "iso"})
    action, notes = write(glance, QCOW2, plan, disk_format="vmdk")
    assert (action, notes) == (
        "copied",
        (
            "disk format vmdk here, qcow2 there: as it was asked for",
            "container format bare here, compressed there: as it was asked for",
        ),
    )
    record = glance.records[ID]
    assert (record["disk_format"], record["container_format"]) == ("qcow2", "compressed")
    assert (record[DISK_FORMAT], record[CONTAINER_FORMAT]) == ("vmdk", "bare")
    for again in (plan, Plan()):
        assert write(glance, QCOW2, again, disk_format="vmdk")[0] == "present"


def test_a_format_that_differs_otherwise_is_told(glance: GlanceV2) -> None:
    glance.add(ID, QCOW2, name="image 0", disk_format="iso", container_format="bare")
    _action, notes = write(glance, QCOW2, Plan(), disk_format="vmdk")
    assert notes == ("differs: disk_format ('vmdk' in a copy, 'iso' there)",)


def test_what_an_earlier_run_stored_otherwise_is_finished_as_it_is(glance: GlanceV2) -> None:
    """Glance lets nobody change the format of an image that has data."""
    glance.before["PATCH "] = [failing(500)] * 3
    with pytest.raises(ImageV1Error):
        write(glance, QCOW2, FROM_DATA, disk_format="vmdk")
    assert glance.records[ID]["tags"] == [UNFINISHED]
    assert write(glance, QCOW2, Plan(), disk_format="vmdk")[0] == "finished"
    assert glance.records[ID]["disk_format"] == "qcow2"


def test_an_empty_record_gets_the_format_of_the_data(glance: GlanceV2) -> None:
    glance.add(ID, tags=[UNFINISHED], disk_format="vmdk", container_format="bare")
    assert write(glance, QCOW2, FROM_DATA, disk_format="vmdk")[0] == "copied"
    assert glance.records[ID]["disk_format"] == "qcow2"


def test_a_property_of_that_name_is_the_image_s_own(glance: GlanceV2) -> None:
    write(glance, QCOW2, FROM_DATA, disk_format="vmdk", properties={DISK_FORMAT: "mine"})
    assert glance.records[ID][DISK_FORMAT] == "mine"


def test_an_image_with_all_properties_gets_no_more(glance: GlanceV2) -> None:
    properties = {f"p{number}": "x" for number in range(128)}
    assert write(glance, QCOW2, FROM_DATA, disk_format="vmdk", properties=properties)[0] == "copied"
    assert DISK_FORMAT not in glance.records[ID]


def test_with_new_ids(glance: GlanceV2) -> None:
    plan = replace(FROM_DATA, new_ids=True)
    assert write(glance, QCOW2, plan, disk_format="vmdk")[0] == "copied"
    assert write(glance, QCOW2, plan, disk_format="vmdk")[0] == "present"
    (record,) = glance.records.values()
    assert (record[renames.SOURCE_ID], record["disk_format"]) == (ID, "qcow2")


def test_what_is_read_to_look_is_sent_too(glance: GlanceV2) -> None:
    data = disks.vhdx()
    assert write(glance, data, Plan(), disk_format="vhdx")[0] == "copied"
    assert glance.data[ID] == data
