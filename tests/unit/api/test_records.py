import hashlib
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from osc_image_v1.api.records import (
    as_checksum,
    bool_or_none,
    checksum_algorithm,
    format_time,
    int_or_none,
    mapping,
    parse_server_time,
    text_or_none,
)
from tests.unit.fuzz import thorough

UTC = timezone.utc


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        ("a", "a"),
        (5, "5"),
        (True, "True"),
        ({"é": 1}, '{"é": 1}'),
        ([None, "a"], '[null, "a"]'),
    ],
)
def test_text(value, text):
    assert text_or_none(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (-1, -1),
        (10**30, 10**30),
        ("25", 25),
        ("9" * 19, int("9" * 19)),
        (str(10**19), 10**19),
        (" 64 ", 64),
        ("9" * 40, None),
        (1e19, 10**19),
        (64.0, 64),
        (float("inf"), None),
        (float("nan"), None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        (1.5, None),
        (True, None),
        (False, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_whole_numbers(value, number):
    found = int_or_none(value)
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (True, True),
        (False, False),
        ("True", True),
        (" true ", True),
        ("true", True),
        ("1", True),
        (1, True),
        ("False", False),
        ("no", False),
        (0, False),
        ("", None),
        ("perhaps", None),
        (None, None),
        (2, None),
        ({}, None),
        ([True], None),
    ],
)
def test_booleans(value, answer):
    assert bool_or_none(value) is answer


def test_objects():
    assert mapping({"a": 1}) == {"a": 1}
    for value in (None, "a", 5, [("a", 1)], True):
        assert mapping(value) == {}


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_the_algorithm_of_a_checksum(name):
    digest = hashlib.new(name, b"data").hexdigest()
    for text in (digest, digest.upper(), f'"{digest}"'):
        assert checksum_algorithm(text) == name
        assert as_checksum(text) == digest


@pytest.mark.parametrize("text", [None, "", "0" * 31, "0" * 96, "g" * 32, "md5:" + "0" * 28])
def test_no_checksum_of_a_known_algorithm(text):
    assert checksum_algorithm(text) is None
    assert as_checksum(text) is None


@given(st.datetimes())
def test_a_time_survives_being_written_and_read(naive):
    moment = naive.replace(tzinfo=UTC)
    text = format_time(moment)
    assert text.endswith("Z")
    assert parse_server_time(text) == moment


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


def test_times_are_written_in_utc():
    east = timezone(timedelta(hours=2))
    assert format_time(datetime(2026, 11, 22, 13, 0, tzinfo=east)) == "2026-11-22T11:00:00Z"
    assert format_time(datetime(2026, 1, 2, 3, 4, 5, 6, UTC)) == "2026-01-02T03:04:05.000006Z"
