from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api import queries
from osc_image_v1.api.filters import all_of
from osc_image_v1.api.queries import (
    ComputeImageQuery,
    ImageQuery,
    SortDirection,
    SortKey,
)
from osc_image_v1.exceptions import InvalidInput
from tests.unit.conftest import detail, image_id
from tests.unit.fuzz import thorough

UTC = timezone.utc
SINCE = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
UUID = "6f162883-e770-47e5-ab99-9f672bc98fdf"


def passes(query, record):
    check = all_of(query.checks())
    return check is None or check(record)


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (ImageQuery(), {}),
        (ImageQuery(name="a b%"), {"name": "a b%"}),
        (ImageQuery(status="active"), {"status": "active"}),
        (
            ImageQuery(container_format="bare", disk_format="raw"),
            {"container_format": "bare", "disk_format": "raw"},
        ),
        (ImageQuery(min_size=0, max_size=5), {"size_min": "0", "size_max": "5"}),
        (ImageQuery(min_disk=0, min_ram=512), {"min_disk": "0", "min_ram": "512"}),
        # more than a database's column holds, which PostgreSQL fails on, is nowhere
        (
            ImageQuery(min_disk=10**10, min_ram=2**31, min_size=10**19, max_size=10**20),
            {
                "min_disk": "2147483647",
                "min_ram": "2147483647",
                "size_min": "9223372036854775807",
                "size_max": "9223372036854775807",
            },
        ),
        (ImageQuery(protected=True), {"protected": "true"}),
        (ImageQuery(protected=False), {"protected": "false"}),
        (ImageQuery(visibility="public"), {"is_public": "true"}),
        (ImageQuery(visibility="private"), {"is_public": "false"}),
        (ImageQuery(visibility="all"), {"is_public": "none"}),
        (ImageQuery(owner="p"), {"is_public": "none"}),
        (ImageQuery(owner="p", visibility="public"), {"is_public": "true"}),
        (ImageQuery(ids=frozenset()), {"is_public": "none"}),
        (ImageQuery(properties={"a": "1", "b": ""}), {"property-a": "1", "property-b": ""}),
        # a database may cut off fractions of a second
        (ImageQuery(changes_since=SINCE), {"changes-since": "2026-11-22T12:59:59Z"}),
        (
            ImageQuery(changes_since=SINCE + timedelta(seconds=5.5)),
            {"changes-since": "2026-11-22T13:00:04Z"},
        ),
        (
            ImageQuery(changes_since=datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))),
            {"changes-since": "1970-01-01T00:00:00Z"},
        ),
        (ImageQuery(sort_key="size", sort_dir="desc"), {"sort_key": "size", "sort_dir": "desc"}),
        (ImageQuery(sort_key="size"), {"sort_key": "size", "sort_dir": "asc"}),
        (ImageQuery(deleted=True), {"changes-since": "1970-01-01T00:00:00Z"}),
        (ImageQuery(deleted=False), {}),
        (
            ImageQuery(deleted=True, changes_since=SINCE),
            {"changes-since": "2026-11-22T12:59:59Z"},
        ),
        (
            ImageQuery(status="killed"),
            {"status": "killed", "changes-since": "1970-01-01T00:00:00Z"},
        ),
        (ImageQuery(checksum="a" * 32), {}),
        (ImageQuery(extra={"tag": "x"}), {"tag": "x"}),
        # paging is the pager's
        (ImageQuery(marker=UUID, limit=5, page_size=7), {}),
        # Glance reads operators before a colon
        (ImageQuery(name="in:a,b"), {}),
    ],
)
def test_parameters_of_the_image_service(query, params):
    assert query.params() == params


def test_without_texts_only_numbers_and_flags_are_sent():
    query = ImageQuery(name="a", status="active", min_ram=1, properties={"k": "v"})
    assert query.params(texts=False) == {"min_ram": "1"}


@pytest.mark.parametrize(
    "query",
    [
        ImageQuery(visibility="public"),
        ImageQuery(visibility="private"),
        ImageQuery(owner="p"),
        ImageQuery(deleted=False),
        ImageQuery(properties={"a": "b"}),
        ImageQuery(status="active"),
        ImageQuery(min_ram=0),
        ImageQuery(min_disk=5),
        ImageQuery(protected=False),
        ImageQuery(changes_since=SINCE),
    ],
)
def test_filters_that_need_detail(query):
    assert query.needs_detail


@pytest.mark.parametrize(
    "query",
    [
        ImageQuery(),
        ImageQuery(name="a", checksum="b", ids=frozenset("a")),
        ImageQuery(visibility="all"),
        ImageQuery(disk_format="raw", container_format="bare", min_size=1, max_size=2),
    ],
)
def test_filters_that_brief_records_do_for(query):
    assert not query.needs_detail


@pytest.mark.parametrize(
    ("query", "here"),
    [
        (ImageQuery(), False),
        (ImageQuery(name="a", status="active", min_size=1, properties={"a": "b"}), False),
        (ImageQuery(name="a:b"), True),
        (ImageQuery(container_format="a:b"), True),
        (ImageQuery(visibility="all"), False),
        (ImageQuery(visibility="public"), True),
        (ImageQuery(owner="p"), True),
        (ImageQuery(checksum="a"), True),
        (ImageQuery(deleted=False), True),
        (ImageQuery(ids=frozenset()), True),
    ],
)
def test_what_the_image_service_does_not_filter(query, here):
    assert query.narrows_here() is here


@pytest.mark.parametrize(
    "query",
    [ImageQuery(name="a"), ImageQuery(status="active"), ImageQuery(properties={"a": "b"})],
)
def test_without_texts_all_texts_are_compared_here(query):
    assert query.narrows_here(texts=False)
    assert not passes(query, detail(1, status="queued"))


@pytest.mark.parametrize(
    ("fields", "record", "kept"),
    [
        ({"name": "a"}, {"name": "a"}, True),
        ({"name": "a"}, {"name": "A"}, False),
        ({"name": "a"}, {"name": None}, False),
        ({"name": ""}, {"name": ""}, True),
        ({"name": "a:b"}, {"name": "a:b"}, True),
        ({"name": "a:b"}, {"name": "b"}, False),
        ({"disk_format": "a:b"}, {}, False),
        ({"properties": {"k": "v"}}, {"properties": {"k": "v", "l": "w"}}, True),
        ({"properties": {"k": "v"}}, {"properties": {"k": "V"}}, False),
        ({"properties": {"k": "v"}}, {"properties": None}, False),
        ({"properties": {"k": ""}}, {"properties": {"k": None}}, False),
        ({"visibility": "public"}, {"is_public": True}, True),
        ({"visibility": "public"}, {"is_public": False}, False),
        ({"visibility": "private"}, {"is_public": "False"}, True),
        ({"visibility": "private"}, {"is_public": None}, False),
        ({"owner": "p"}, {"owner": "p"}, True),
        ({"owner": "p"}, {"owner": None}, False),
        ({"checksum": "AB"}, {"checksum": "ab"}, True),
        ({"checksum": "ab"}, {"checksum": None}, False),
        ({"deleted": True}, {"deleted": True}, True),
        ({"deleted": True}, {"deleted": False}, False),
        ({"deleted": False}, {"deleted": True}, False),
        ({"ids": frozenset([image_id(1)])}, {}, True),
        ({"ids": frozenset([image_id(2)])}, {}, False),
        ({"checksum": "ab", "owner": "p"}, {"checksum": "ab", "owner": "q"}, False),
        ({"checksum": "ab", "owner": "p"}, {"checksum": "ab", "owner": "p"}, True),
        ({"checksum": "ab"}, {"checksum": "AB"}, True),
        ({"owner": "12"}, {"owner": 12}, True),
        ({"status": "active"}, {"status": "ACTIVE"}, True),
        ({"status": "killed"}, {"status": "active"}, False),
        ({"status": "killed"}, {"status": None}, False),
        ({"container_format": "bare"}, {"container_format": "Bare"}, False),
        ({"disk_format": "raw"}, {"disk_format": "raw "}, False),
        ({"min_ram": 64}, {"min_ram": "64"}, True),
        ({"min_ram": 64}, {"min_ram": 65}, False),
        ({"min_ram": 0}, {"min_ram": None}, False),
        ({"min_disk": 1}, {"min_disk": True}, False),
        ({"min_size": 5}, {"size": 5}, True),
        ({"min_size": 5}, {"size": "5"}, True),
        ({"min_size": 5}, {"size": 4}, False),
        ({"min_size": 0}, {"size": None}, False),
        ({"max_size": 5}, {"size": 5}, True),
        ({"max_size": 5}, {"size": 6}, False),
        ({"max_size": 5}, {"size": None}, False),
        ({"protected": True}, {"protected": "True"}, True),
        ({"protected": False}, {"protected": "False"}, True),
        ({"protected": False}, {"protected": None}, False),
        ({"properties": {"k": "64"}}, {"properties": {"k": 64}}, True),
        ({"properties": {"k": "true"}}, {"properties": {"k": True}}, True),
        ({"properties": {"k": "1"}}, {"properties": {"k": True}}, False),
        ({"properties": {"k": "[]"}}, {"properties": {"k": []}}, False),
    ],
)
def test_what_a_record_must_pass_here(fields, record, kept):
    assert passes(ImageQuery(**fields), detail(1, **record)) is kept


@pytest.mark.parametrize(
    "fields",
    [
        {"owner": "p"},
        {"name": "a"},
        {"status": "active"},
        {"min_ram": 0},
        {"min_disk": 0},
        {"min_size": 0},
        {"max_size": 0},
        {"protected": False},
        {"visibility": "private"},
        {"deleted": False},
        {"checksum": "0" * 32},
        {"disk_format": "raw"},
        {"container_format": "bare"},
        {"properties": {"k": ""}},
        {"changes_since": SINCE},
        {"ids": frozenset()},
    ],
)
def test_a_missing_field_passes_no_filter(fields):
    assert not passes(ImageQuery(**fields), {"id": "a"})


def test_nothing_is_compared_where_nothing_is_asked():
    query = ImageQuery(visibility="all", sort_key="id", marker=UUID, limit=3, extra={"a": "b"})
    assert all_of(query.checks()) is None


# Cut to a whole second, as MariaDB has it, 13:00:00 may have been 13:00:00.9.
@pytest.mark.parametrize(
    ("since", "changed", "kept"),
    [
        ("13:00:00", "13:00:00", True),
        ("13:00:00.5", "13:00:00", True),
        ("13:00:00.5", "12:59:59", False),
        ("13:00:00", "13:00:00.000001", True),
        ("13:00:00.5", "13:00:00.6", True),
        ("13:00:00.5", "13:00:00.4", False),
        ("13:00:00.5", "13:00:00.500000", None),
        ("13:00:00", "12:59:59.999999", False),
    ],
)
def test_what_has_changed_since(since, changed, kept):
    begin = (
        datetime.fromisoformat(f"2026-11-22T{since.ljust(15, '0')}+00:00")
        if ("." in since)
        else datetime.fromisoformat(f"2026-11-22T{since}+00:00")
    )
    record = {"updated_at": f"2026-11-22T{changed}", "updated": f"2026-11-22T{changed}Z"}
    # At that very moment: later for Glance, the same for Nova.
    assert passes(ImageQuery(changes_since=begin), record) is (kept or False)
    assert passes(ComputeImageQuery(changes_since=begin), record) is (kept is not False)


def test_what_was_deleted_since_has_changed_since():
    record = {"updated_at": "2020-01-01T00:00:00", "deleted_at": "2026-11-23T00:00:00"}
    assert passes(ImageQuery(changes_since=SINCE), record)
    assert not passes(ImageQuery(changes_since=SINCE), {**record, "deleted_at": None})


@pytest.mark.parametrize(
    ("fields", "delicate"),
    [
        ({}, False),
        ({"name": "abc"}, False),
        ({"name": "é"}, True),
        ({"name": "é:"}, False),
        ({"disk_format": "☃"}, True),
        ({"properties": {"k": "é"}}, True),
        ({"properties": {"é": "k"}}, True),
    ],
)
def test_delicate_text(fields, delicate):
    assert ImageQuery(**fields).has_delicate_text is delicate


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"limit": -1}, "limit is -1, must be 0 or more"),
        ({"limit": 1.5}, "limit is 1.5, must be a whole number"),
        ({"limit": "5"}, "limit is '5', must be a whole number"),
        ({"page_size": 0}, "page size is 0, must be from 1 to 1000"),
        ({"page_size": 1001}, "page size is 1001, must be from 1 to 1000"),
        ({"min_disk": -1}, "minimum disk is -1"),
        ({"min_ram": -1}, "minimum RAM is -1"),
        ({"changes_since": datetime(2026, 1, 1)}, "aware datetime"),
        ({"extra": {"limit": "5"}}, "'limit' is no extra parameter"),
        ({"extra": {"marker": "5"}}, "'marker' is no extra parameter"),
    ],
)
@pytest.mark.parametrize("kind", [ImageQuery, ComputeImageQuery])
def test_both_queries_refuse(kind, fields, message):
    with pytest.raises(InvalidInput, match=message):
        kind(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_size": -1}, "minimum size is -1, must be 0 or more"),
        ({"max_size": -5}, "maximum size is -5"),
        ({"min_size": 5, "max_size": 4}, "minimum size 5 is over maximum size 4"),
        ({"status": "ACTIVE"}, "status 'ACTIVE' is none of queued, saving, active"),
        ({"visibility": "shared"}, "visibility 'shared' is none of public, private, all"),
        ({"sort_key": "owner"}, "sort key 'owner' is none of name, status"),
        (
            {"sort_key": "name", "then_by": [("owner", "asc")]},
            "sort key 'owner' is none of name, status",
        ),
        ({"sort_key": "name", "then_by": [("id", "up")]}, "sort direction 'up' is neither"),
        ({"sort_key": "name", "then_by": [("name", "asc")]}, "sort key 'name' is given twice"),
        ({"then_by": [("name", "asc")]}, "then_by is for what is equal by sort_key"),
        ({"sort_dir": "up"}, "sort direction 'up' is neither asc nor desc"),
        ({"marker": "last"}, r"marker 'last' is no image ID \(a UUID\)"),
        ({"marker": ""}, "marker '' is no image ID"),
        ({"extra": {"size_min": "5"}}, "'size_min' is no extra parameter"),
        ({"status": "a\nb\x1b"}, r"status 'a\\x0ab\\x1b' is none of"),
    ],
)
def test_an_image_query_refuses(fields, message):
    with pytest.raises(InvalidInput, match=message):
        ImageQuery(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"status": "active"},
            "status 'active' is none of ACTIVE, SAVING, DELETED, ERROR, UNKNOWN",
        ),
        ({"marker": ""}, "the marker is empty"),
        ({"extra": {"minRam": "5"}}, "'minRam' is no extra parameter"),
    ],
)
def test_a_compute_query_refuses(fields, message):
    with pytest.raises(InvalidInput, match=message):
        ComputeImageQuery(**fields)


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (ComputeImageQuery(), {}),
        (ComputeImageQuery(name="a"), {"name": "a"}),
        (ComputeImageQuery(name="a:b"), {}),
        (ComputeImageQuery(name=""), {}),
        (ComputeImageQuery(status="ACTIVE"), {"status": "ACTIVE"}),
        (ComputeImageQuery(status="ERROR"), {}),
        (ComputeImageQuery(server=UUID, image_type="backup"), {"server": UUID, "type": "backup"}),
        (ComputeImageQuery(image_type="BASE"), {}),
        (ComputeImageQuery(min_disk=0, min_ram=64), {"minDisk": "0", "minRam": "64"}),
        (
            ComputeImageQuery(min_disk=2**31, min_ram=2**40),
            {"minDisk": "2147483647", "minRam": "2147483647"},
        ),
        (ComputeImageQuery(properties={"os_distro": "x"}), {}),
        (ComputeImageQuery(changes_since=SINCE), {"changes-since": "2026-11-22T12:59:59Z"}),
        (ComputeImageQuery(extra={"visibility": "public"}), {"visibility": "public"}),
        (ComputeImageQuery(marker="12345678", limit=5), {}),
    ],
)
def test_parameters_of_the_compute_service(query, params):
    assert query.params() == params


@pytest.mark.parametrize(
    ("query", "here"),
    [
        (ComputeImageQuery(name="a", status="ACTIVE", min_disk=5, server=UUID), False),
        (ComputeImageQuery(name=""), True),
        (ComputeImageQuery(name="a:b"), True),
        (ComputeImageQuery(status="SAVING"), True),
        (ComputeImageQuery(properties={"a": "b"}), True),
    ],
)
def test_what_the_compute_service_does_not_filter(query, here):
    assert query.narrows_here() is here


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"name": "n"}, True),
        ({"name": "N"}, False),
        ({"status": "ERROR"}, True),
        ({"status": "ACTIVE"}, False),
        ({"server": UUID}, True),
        ({"server": f"http://nova/v2.1/servers/{UUID}/"}, True),
        ({"server": image_id(1)}, False),
        ({"min_disk": 2}, True),
        ({"min_disk": 1}, False),
        ({"min_ram": 64}, True),
        ({"min_ram": 0}, False),
        ({"properties": {"k": "v"}}, True),
        ({"properties": {"k": "w"}}, False),
        ({"properties": {"l": "v"}}, False),
        ({"name": "n", "properties": {"k": "v"}}, True),
        ({"name": "n", "properties": {"k": "w"}}, False),
        ({"image_type": "snapshot"}, True),
        ({"image_type": "backup"}, False),
        ({"image_type": "ALL"}, True),
        ({"image_type": "SERVER"}, True),
        ({"image_type": "BASE"}, False),
        ({"changes_since": SINCE}, True),
        ({"changes_since": SINCE + timedelta(days=1)}, False),
    ],
)
def test_what_a_compute_record_must_pass_here(fields, kept):
    record = {
        "id": "a",
        "name": "n",
        "status": "ERROR",
        "server": {"id": UUID},
        "minDisk": 2,
        "minRam": "64",
        "metadata": {"k": "v", "image_type": "snapshot"},
        "updated": "2026-11-22T13:00:00Z",
    }
    assert passes(ComputeImageQuery(**fields), record) is kept
    anywhere = {**record, "status": "Error"}
    assert passes(ComputeImageQuery(**fields), anywhere) is kept


def test_compute_records_may_lack_everything():
    query = ComputeImageQuery(server=UUID, min_disk=1, properties={"k": "v"})
    assert not passes(query, {"id": "a", "server": None, "metadata": "none"})


_NUMBER = st.none() | st.integers(-2, 3000)
_TEXT = st.none() | st.text(max_size=8)
_EXTRA = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2)
_WHEN = st.none() | st.datetimes(
    timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=5))])
)

_IMAGE_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": _TEXT,
        "status": st.sampled_from([None, "killed", "x", *queries.STATUSES]),
        "container_format": _TEXT,
        "disk_format": _TEXT,
        "min_size": _NUMBER,
        "max_size": _NUMBER,
        "min_disk": _NUMBER,
        "min_ram": _NUMBER,
        "protected": st.none() | st.booleans(),
        "visibility": st.sampled_from([None, "public", "private", "all", "x"]),
        "owner": _TEXT,
        "checksum": _TEXT,
        "properties": _EXTRA,
        "changes_since": _WHEN,
        "deleted": st.none() | st.booleans(),
        "ids": st.none() | st.frozensets(st.text(max_size=3), max_size=2),
        "sort_key": st.sampled_from([None, "x", *queries.SORT_KEYS]),
        "sort_dir": st.sampled_from([None, "asc", "desc", "x"]),
        "marker": _TEXT | st.uuids().map(str),
        "limit": _NUMBER,
        "page_size": st.integers(-1, 1005),
        "extra": _EXTRA,
    },
)
_RECORD = st.fixed_dictionaries(
    {"id": st.text(min_size=1, max_size=3)},
    optional={
        key: st.none() | st.text(max_size=3) | st.integers() | st.booleans() | st.just({"k": []})
        for key in (
            "name",
            "owner",
            "is_public",
            "deleted",
            "checksum",
            "properties",
            "server",
            "metadata",
        )
    },
)


@thorough
@given(_IMAGE_FIELDS, _RECORD, st.booleans())
def test_any_image_query_is_whole_or_refused(fields, record, texts):
    try:
        query = ImageQuery(**fields)
    except InvalidInput:
        return
    params = query.params(texts)
    assert query.needs_detail in (True, False)
    assert all(type(item) is str for pair in params.items() for item in pair)
    assert params.keys() >= query.extra.keys()
    assert not params.keys() & {"limit", "marker"} - query.extra.keys()
    check = all_of(query.checks())
    assert check is None or check(record) in (True, False)
    assert not query.narrows_here(texts) or check is not None


_COMPUTE_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "name": _TEXT,
        "status": st.sampled_from([None, "x", *queries.COMPUTE_STATUSES]),
        "server": _TEXT,
        "image_type": _TEXT,
        "min_disk": _NUMBER,
        "min_ram": _NUMBER,
        "properties": _EXTRA,
        "changes_since": _WHEN,
        "marker": _TEXT,
        "limit": _NUMBER,
        "page_size": st.integers(-1, 1005),
        "extra": _EXTRA,
    },
)


@thorough
@given(_COMPUTE_FIELDS, _RECORD)
def test_any_compute_query_is_whole_or_refused(fields, record):
    try:
        query = ComputeImageQuery(**fields)
    except InvalidInput:
        return
    assert all(type(item) is str for pair in query.params().items() for item in pair)
    check = all_of(query.checks())
    assert check is None or check(record) in (True, False)
    assert not query.narrows_here() or check is not None


@pytest.mark.parametrize(
    "fields",
    [{"name": "caf\udce9"}, {"properties": {"a": "\udce9"}}, {"properties": {"\udce9": "a"}}],
)
def test_undecodable_bytes_are_refused(fields):
    for query in (ImageQuery, ComputeImageQuery):
        with pytest.raises(InvalidInput, match=r"\\udce9' is no valid text"):
            query(**fields)


def test_no_deleted_image_is_active():
    with pytest.raises(InvalidInput, match="no deleted image has the status active"):
        ImageQuery(deleted=True, status="active")
    assert ImageQuery(deleted=True, status="deleted").deleted is True


def test_names_are_the_words_of_the_service():
    query = ImageQuery(sort_key=SortKey.NAME, sort_dir=SortDirection.DESC)
    assert query == ImageQuery(sort_key="name", sort_dir="desc")
    assert query.params() == {"sort_key": "name", "sort_dir": "desc"}
    assert f"{SortKey.SIZE} {SortDirection.ASC}" == "size asc"


@pytest.mark.parametrize("kind", [ImageQuery, ComputeImageQuery])
def test_a_parameter_may_have_several_values(kind):
    query = kind(extra={"tag": ("a", "b"), "word": "c"})
    assert query.params() == {"tag": ["a", "b"], "word": "c"}
