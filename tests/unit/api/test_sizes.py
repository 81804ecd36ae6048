import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.api.sizes import parse_size
from osc_image_v1.exceptions import InvalidInput
from tests.unit.fuzz import thorough


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
