from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from osc_image_v1.api.times import format_time, parse_server_time, parse_time
from osc_image_v1.exceptions import InvalidInput
from tests.unit.fuzz import thorough

UTC = timezone.utc
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T13:32:06.003166", datetime(2026, 11, 22, 13, 32, 6, 3166, UTC)),
        ("2026-11-22T13:32:06", datetime(2026, 11, 22, 13, 32, 6, tzinfo=UTC)),
        ("2026-11-22T13:32:06Z", datetime(2026, 11, 22, 13, 32, 6, tzinfo=UTC)),
        ("2026-11-22T13:32:06+02:00", datetime(2026, 11, 22, 11, 32, 6, tzinfo=UTC)),
        ("2026-11-22T13:32:06.5Z", datetime(2026, 11, 22, 13, 32, 6, 500000, UTC)),
        ("2026-11-22 13:32:06", datetime(2026, 11, 22, 13, 32, 6, tzinfo=UTC)),
        ("20261122T133206Z", datetime(2026, 11, 22, 13, 32, 6, tzinfo=UTC)),
    ],
)
def test_times_of_services(text, moment):
    parsed = parse_server_time(text)
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "never",
        "0000-00-00T00:00:00",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+10:00",
        "9999-12-31T23:59:59-10:00",
        "9999-12-31T24:00:00",
        "2026-11-22T13:32:06+99:99",
        "２０２６-11-22T13:32:06",
        "\ud800",
        20261122,
        1.5,
        True,
        {"at": "2026-11-22"},
        ["2026-11-22"],
    ],
)
def test_what_is_no_time_is_none(value):
    assert parse_server_time(value) is None


@thorough
@given(st.one_of(st.text(max_size=40), st.from_regex(r"[-0-9TZ:.+W ]{0,32}", fullmatch=True)))
@example("2026-11-22T13:32:06-23:59:59.999999")
def test_a_server_cannot_break_the_reader_of_times(text):
    moment = parse_server_time(text)
    assert moment is None or moment.utcoffset() == timedelta(0)


@given(st.datetimes())
def test_a_time_survives_being_written_and_read(naive):
    moment = naive.replace(tzinfo=UTC)
    text = format_time(moment)
    assert text.endswith("Z")
    assert parse_server_time(text) == moment
    assert parse_time(text) == moment


def test_times_are_written_in_utc():
    east = timezone(timedelta(hours=2))
    assert format_time(datetime(2026, 11, 22, 13, 0, tzinfo=east)) == "2026-11-22T11:00:00Z"
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, 6, UTC)) == "2026-01-02T03:04:05.000006Z"


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
