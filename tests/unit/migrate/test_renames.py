"""The rule by which properties get other names in v2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.models import V2_FIELDS
from osc_image_v1.migrate.renames import SOURCE_ID, for_v1, for_v2
from tests.unit.conftest import image_id


@pytest.mark.parametrize(
    "name",
    [*sorted(V2_FIELDS), "", "deleted", "deleted_at", "is_public", "location", "os_glance_x"],
)
def test_reserved_names_get_a_prefix(name: str) -> None:
    assert for_v2({name: "x"}) == ({f"v1_{name}": "x"}, {name: f"v1_{name}"})


@pytest.mark.parametrize(
    "name", ["os_distro", "owner_specified.openstack.md5", "os_hash_x", "Status", "v1_owner", "a/b"]
)
def test_other_names_stay(name: str) -> None:
    assert for_v2({name: "x"}) == ({name: "x"}, {})


def test_null_becomes_an_empty_text() -> None:
    assert for_v2({"a": None}) == ({"a": ""}, {})


@pytest.mark.parametrize("name", ["kernel_id", "ramdisk_id"])
def test_references_must_be_ids(name: str) -> None:
    assert for_v2({name: image_id(1)}) == ({name: image_id(1)}, {})
    assert for_v2({name: "nokernel"}) == ({f"v1_{name}": "nokernel"}, {name: f"v1_{name}"})
    assert for_v2({name: None}) == ({f"v1_{name}": ""}, {name: f"v1_{name}"})


def test_names_that_are_taken() -> None:
    written, renamed = for_v2({"tags": "a", "v1_tags": "b", "v1_v1_tags": "c"})
    assert renamed == {"tags": "v1_v1_v1_tags"}
    assert written == {"v1_v1_v1_tags": "a", "v1_tags": "b", "v1_v1_tags": "c"}


def test_long_names_are_cut() -> None:
    written, renamed = for_v2({"n" * 256: "x", "n" * 257: "y"})
    assert len(written) == 2
    assert all(len(new) == 255 for new in renamed.values())
    _written, again = for_v2({"n" * 256: "x"})
    assert again["n" * 256] == renamed["n" * 256]


@given(st.dictionaries(st.text() | st.sampled_from(sorted(V2_FIELDS)), st.none() | st.text()))
def test_nothing_is_lost_and_nothing_is_reserved(properties: dict[str, str | None]) -> None:
    written, renamed = for_v2(properties)
    assert len(written) == len(properties)
    assert not V2_FIELDS & written.keys()
    assert all(1 <= len(name) <= 255 for name in written)
    for name, value in properties.items():
        assert written[renamed.get(name, name)] == (value or "")


@given(
    st.dictionaries(
        st.text() | st.sampled_from([SOURCE_ID, "v1_v1_image_id", "v1_v1_v1_image_id", "tags"]),
        st.none() | st.text(),
    )
)
def test_with_a_new_id_there_is_room_for_the_old_one(properties: dict[str, str | None]) -> None:
    for written, renamed in (for_v1(properties, True), for_v2(properties, True)):
        assert len(written) == len(properties)
        assert SOURCE_ID not in written
        for name, value in properties.items():
            assert (written[renamed.get(name, name)] or "") == (value or "")
    assert for_v1(properties, False) == (properties, {})
