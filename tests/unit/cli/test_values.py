from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.records import format_time
from osc_image_v1.cli.values import parse_server, parse_shard, parse_size, parse_sort, parse_time
from osc_image_v1.exceptions import InvalidInput
from tests.unit.fuzz import thorough

UUID = "6f162883-e770-47e5-ab99-9f672bc98fdf"
UTC = timezone.utc
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("007", 7),
        (" 10G ", 10 * 2**30),
        ("10g", 10 * 2**30),
        ("512MiB", 512 * 2**20),
        ("512 MiB", 512 * 2**20),
        ("700MB", 700 * 10**6),
        ("700mb", 700 * 10**6),
        ("1K", 1024),
        ("1KB", 1000),
        ("2T", 2 * 2**40),
        ("3P", 3 * 2**50),
        ("7E", 7 * 2**60),
        ("12B", 12),
        ("1.5GiB", 3 * 2**29),
        ("0.1K", 102),
        ("1.9", 1),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", " ", "-1", "+1", "x", "G", "10X", "10GG", "1,5G", ".5G", "1.G", "1e3", "0x10", "5iB", "١"],
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(InvalidInput, match="is no size: use bytes or a number with a unit"):
        parse_size(text)


@pytest.mark.parametrize("text", ["9223372036854775808", "8E", "9" * 30 + "E"])
def test_too_large_a_size_is_refused(text):
    with pytest.raises(InvalidInput, match="too large"):
        parse_size(text)


@given(st.integers(0, 2**63 - 1))
def test_bytes_are_bytes(size):
    assert parse_size(str(size)) == size


@given(st.integers(0, 2**13 - 1), st.sampled_from("KMGTP"))
def test_units(number, unit):
    power = "KMGTP".index(unit) + 1
    binary = number * 1024**power
    assert parse_size(f"{number}{unit}") == parse_size(f"{number} {unit.lower()}iB") == binary
    assert parse_size(f"{number}{unit}B") == number * 1000**power


@thorough
@given(st.one_of(st.text(max_size=20), st.from_regex(r"[0-9. ]{0,12}[kmgtpeib]{0,4}")))
def test_any_text_is_a_size_or_refused(text):
    try:
        size = parse_size(text)
    except InvalidInput as error:
        lines = str(error).splitlines()
    else:
        lines = [str(size)]
        assert 0 <= size < 2**63
    assert len(lines) == 1


@given(st.datetimes())
def test_a_time_that_was_written_is_read(naive):
    moment = naive.replace(tzinfo=UTC)
    assert parse_time(format_time(moment)) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22", datetime(2026, 11, 22, tzinfo=UTC)),
        (" 2026-11-22T10:00:00 ", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00+01:00", datetime(2026, 11, 22, 9, tzinfo=UTC)),
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("0s", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("5m", NOW - timedelta(minutes=5)),
        ("36h", NOW - timedelta(hours=36)),
        ("7d", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(days=14)),
    ],
)
def test_times_of_people(text, moment):
    assert parse_time(text, NOW) == moment


def test_an_age_counts_from_the_present():
    before = datetime.now(UTC) - timedelta(days=1)
    assert before <= parse_time("1d") <= datetime.now(UTC) - timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "-7d", "7 d", "7x", "7.5d", "2026-02-30", "13:00"],
)
def test_a_wrong_time_is_refused_with_what_would_be_right(text):
    with pytest.raises(InvalidInput, match="is no time: use ISO 8601"):
        parse_time(text, NOW)


@thorough
@given(st.one_of(st.text(max_size=30), st.from_regex(r"[-0-9TZ:.+smhdw ]{0,30}", fullmatch=True)))
def test_any_text_is_a_time_or_refused(text):
    try:
        moment = parse_time(text, NOW)
    except InvalidInput:
        return
    assert moment.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["999999999w", "999999d"])
def test_an_age_before_all_calendars(text):
    with pytest.raises(InvalidInput, match=f"'{text}' is too long ago"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("name", ("name", "asc")),
        ("size:desc", ("size", "desc")),
        ("created-at:asc", ("created_at", "asc")),
    ],
)
def test_sorts(text, sort):
    assert parse_sort(text) == [sort]
    assert parse_sort(f"id:desc,{text}") == [("id", "desc"), sort]


@pytest.mark.parametrize(
    "text", ["", ":", "owner", "name:", "name:up", "name:asc:desc", "Name", "name,", "name,owner"]
)
def test_wrong_sorts_are_refused(text):
    with pytest.raises(InvalidInput, match=r"sort (key|direction) '.*' is n"):
        parse_sort(text)


@pytest.mark.parametrize("text", [UUID, f"http://nova/v2.1/servers/{UUID}", f"/servers/{UUID}/"])
def test_servers(text):
    assert parse_server(text) == UUID


@pytest.mark.parametrize("text", ["", "web1", "http://nova/servers/", f"{UUID}/x"])
def test_wrong_servers_are_refused(text):
    with pytest.raises(InvalidInput, match="is no server ID"):
        parse_server(text)


@thorough
@given(st.text(max_size=50))
def test_any_text_is_parsed_or_refused(text):
    for parse in (parse_sort, parse_server):
        try:
            assert parse(text)
        except InvalidInput as error:
            reason = str(error)
        else:
            reason = "right"
        assert len(reason.splitlines()) == 1


# Parts of the images


@pytest.mark.parametrize("text", ["1/1", " 2/3 ", "7/7"])
def test_shards(text: str) -> None:
    assert str(parse_shard(text)) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "a/b", "-1/3", "1/3/5", "1/9999999"]
)
def test_wrong_shards(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_shard(text)
