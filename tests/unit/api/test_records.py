import hashlib

import pytest

from osc_image_v1.api.records import (
    as_checksum,
    bool_or_none,
    checksum_algorithm,
    int_or_none,
    mapping,
    text_or_none,
)


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
