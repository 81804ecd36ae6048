import unicodedata

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.text import human_size, is_uuid, one_line, printable, without_secrets
from tests.unit.fuzz import thorough

UUID = "6f162883-e770-47e5-ab99-9f672bc98fdf"


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
        ("ci\xadrros\u2060\u2063", "ci\\xadrros\\u2060\\u2063"),
        ("a\u034fb\u3164c\ufe0fd", "a\\u034fb\\u3164c\\ufe0fd"),
        ("cirros\U000e0041\U000e0100", "cirros\\U000e0041\\U000e0100"),
        ("cir\u200dros\u200c\u200b", "cir\\u200dros\\u200c\\u200b"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\u0645\u200c\u200c", "\u0645\u200c\\u200c"),
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


@given(st.characters(exclude_categories=("Mn", "Mc", "Me", "Zs", "Cn", "Co")))
def test_nothing_without_width_is_left(character):
    # Arabic and Egyptian signs of the kind "format" are seen; so are marks, and vowels of Hangul,
    # that join a letter, to which wcwidth gives no width of their own.
    name = unicodedata.name(character, "")
    joins = name.startswith("HANGUL J") and "FILLER" not in name
    if character == "\x00" or (wcwidth.wcwidth(character) == 0 and not joins):
        assert printable(character) != character


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing", "nothing"),
        ("mail a@b.example", "mail a@b.example"),
        ("http://a/b c@d", "http://a/b c@d"),
        ("http://u:p@h/x", "http://***@h/x"),
        ("see swift+http://u:k/e@y/@h/x now", "see swift+http://***@h/x now"),
        (
            '{"url":"swift+https://u:k@h/c/o","b":"x@y"}',
            '{"url":"swift+https://***@h/c/o","b":"x@y"}',
        ),
        ("[u'http://u:k@h','http://v:l@i']", "[u'http://***@h','http://***@i']"),
        ("http://h/\thttp://u:k@h", "http://h/\thttp://***@h"),
        ("swift://\xe0\xa0:key@h", "swift://***@h"),
        ('"swift+http:\\/\\/u:k@h"', '"swift+http:\\/\\/***@h"'),
        ("?url=http%3A%2F%2Fu%3Ak%40h", "?url=http%3A%2F%2F***%40h"),
        ("//@h", "//***@h"),
        ("a@b//c", "a@b//c"),
    ],
)
def test_keys_in_urls_are_left_out(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text", ["/" * 2**20 + "@", "//@" * 2**19, "@ " * 2**19, "@" + "%2f" * 2**18]
)
def test_a_hostile_text_takes_no_longer_than_its_length(text):
    assert len(without_secrets(text)) <= len(text) + 3


@given(
    st.text("kK/:@%+=é\xa0\u2028<>&;,", max_size=12),
    st.sampled_from(["", "see ", "'", '"x": "']),
    st.sampled_from(["", " ", "'", '"', "/v1 b@c"]),
)
def test_no_key_is_left(key, before, after):
    shown = without_secrets(f"{before}swift+http://user:S{key}E@host{after}")
    assert shown.startswith(f"{before}swift+http://***@")
    assert "user" not in shown
    assert "S" not in shown


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (UUID, True),
        (UUID.upper(), True),
        (UUID.replace("-", ""), True),
        ("", False),
        (UUID[:-1], False),
        ("{" + UUID + "}", False),
        ("urn:uuid:" + UUID, False),
        (UUID.replace("6", "６"), False),
        ("ubuntu", False),
    ],
)
def test_uuids(text, answer):
    assert is_uuid(text) is answer


@thorough
@given(st.text(max_size=50))
def test_any_text_is_a_uuid_or_not(text):
    assert is_uuid(text) in (True, False)


def test_what_a_library_says_is_one_line_without_a_password():
    error = Exception("Unable to reach\nhttp://user:se/cret@host/v3")
    assert one_line(error) == "Unable to reach http://***@host/v3"
    assert one_line(error, 14) == "Unable to reac"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2 - 60, "1023.9 KiB"),
        (1024**2, "1.0 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**40, "1.0 TiB"),
        (2**50, "1.0 PiB"),
        (2**63, "8.0 EiB"),
        (10**19, "8.7 EiB"),
        (2**70, "1.0 ZiB"),
        (2**80, "1.0 YiB"),
        (2**90, "1024.0 YiB"),
        (-5, "-5 B"),
        (-2048, "-2.0 KiB"),
        (None, None),
        (True, True),
        ("many", "many"),
        (1.5, 1.5),
    ],
)
def test_sizes_for_a_person(size, text):
    assert human_size(size) == text


def test_absurd_sizes():
    assert human_size(10**400).endswith(" YiB")
