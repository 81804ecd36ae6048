import pytest
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain text ~ \\", "plain text ~ \\"),
        ("café ☃ 日本語 🎉", "café ☃ 日本語 🎉"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\tb\r\nc\x00", "a\\x09b\\x0d\\x0ac\\x00"),
        ("\x7f\x80\x9b", "\\x7f\\x80\\x9b"),
        ("exe\u202efdp", "exe\\u202efdp"),
        ("\u200e\u200f\u061c\u2066\u2069", "\\u200e\\u200f\\u061c\\u2066\\u2069"),
        ("\u2028\u2029\ufeff", "\\u2028\\u2029\\ufeff"),
        ("\ud800\udfff", "\\ud800\\udfff"),
    ],
)
def test_what_drives_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_drives_a_terminal_is_left(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode() == shown
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert printable(shown) == shown
