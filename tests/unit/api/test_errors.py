import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from osc_image_v1.api.errors import explanation
from tests.unit import captures
from tests.unit.fuzz import thorough


def said(answer: captures.Answer) -> str:
    return explanation(answer.body, answer.header("Content-Type"), answer.status)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("list ?limit=-1", "limit param must be positive"),
        ("list ?limit=x", "limit param must be an integer"),
        (
            "detail list ?is_public=none&limit=1000&marker=11111111-2222-3333-4444-555555555559",
            "Invalid marker. Image could not be found.",
        ),
        ("detail list ?is_public=none&limit=1000&marker=bogus", "Invalid marker format"),
        (
            "detail list ?is_public=none&limit=1000&sort_dir=bogus",
            "Unsupported sort_dir. Acceptable values: asc, desc",
        ),
    ],
)
def test_recorded_texts_of_glance(title, text):
    assert said(captures.image_v1("04-list", title)) == text


def test_a_text_that_says_no_more_than_its_status():
    answer = captures.image_v1(
        "04-list", "detail list ?is_public=none&limit=1000&name=caf%C3%A9%20%E2%98%83"
    )
    assert said(answer) == (
        "The server has either erred or is incapable of performing the requested operation."
    )
    nothing = captures.image_v1("01-versions", "GET /v1/nothing")
    assert said(nothing) == "The resource could not be found."


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("00-images-badtoken", "The request you have made requires authentication."),
        ("01-list-trailing-slash", "The resource could not be found."),
        ("03-show-missing", "Image not found."),
        ("11-marker-unknown", "No image found with ID 00000000-0000-4000-8000-000000000000"),
        (
            "11-marker-otherprivate",
            "Forbidding request, image 00000014-1111-4111-8111-000000000014 not visible",
        ),
        (
            "17-cs-detailbad",
            'Bad "updated_at" query filter format. Use ISO 8601 DateTime notation.',
        ),
        (
            "61-glancedown-list",
            "Unexpected API Error. Please contact the administrator "
            "<class 'nova.exception.GlanceConnectionFailed'>",
        ),
    ],
)
def test_recorded_answers_of_nova(file, text):
    assert said(captures.compute(file)) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "plain"}, "plain"),
        ({"badRequest": {"code": 400, "message": "a &amp;quot;b&amp;quot;"}}, 'a "b"'),
        ({"error": {"title": "T", "message": "M"}}, "M"),
        ({"error": "just words"}, "just words"),
        ({"errors": [{"status": 400, "detail": "D"}]}, "D"),
        ({"code": 1, "title": "T"}, "T"),
        ({"a": {"b": {"description": "deep"}}}, "deep"),
        ("text", "text"),
        ({"message": 5}, ""),
        ({"message": {"message": "inner"}}, "inner"),
        ([], ""),
        ([1, 2], ""),
        ({"a": [], "b": None}, ""),
        (None, ""),
        (5, ""),
    ],
)
def test_json(body, text):
    assert explanation(json.dumps(body).encode(), "application/json", 400) == text


def test_json_without_its_type():
    assert explanation(b'{"message": "M"}', "text/plain", 400) == "M"
    assert explanation(b"[broken", "text/plain", 400) == "[broken"


def test_what_is_called_json_and_is_not():
    assert explanation(b"Service Unavailable", "application/json", 502) == "Service Unavailable"
    assert explanation(b'{"message": "M', "application/json", 400) == '{"message": "M'


@pytest.mark.parametrize("depth", [500, 1000, 5000])
def test_json_of_any_depth(depth):
    body = b'{"a":' * depth + b'{"message": "deep"}' + b"}" * depth
    assert explanation(body, "application/json", 400)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<html><head><title>502 Bad Gateway</title></head><body>busy</body></html>", "busy"),
        ("<h1>502 Bad Gateway</h1><hr>nginx", "nginx"),
        ("<style>p {color: red}</style><SCRIPT x='y'>alert(1)</script><p>words</p>", "words"),
        ("<!-- <p>hidden</p> --><p>shown</p>", "shown"),
        ("<!DOCTYPE html><?xml version='1'?><p class='a\nb'>one<br/>two</p>", "one two"),
        ("a &lt;b&gt; &amp;lt;c&amp;gt; <br>", "a <b> <c>"),
        ("size < 5 and > 3", "size < 5 and > 3"),
        ("<p>open <b", "open <b"),
        ("<title>never closed", ""),
        ("<!-- never closed", ""),
        ("<![foo[bar]]>", ""),
        ("<>", "<>"),
    ],
)
def test_markup(body, text):
    assert explanation(body.encode(), "text/html", 502) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", ""),
        ("  \r\n ", ""),
        ("404 Not Found\n\n404 Not Found: really\n", "really"),
        ("one\n two\t three", "one two three"),
        ("\x1b[2Jgone \u202eback", "\\x1b[2Jgone \\u202eback"),
        ("&#27;[2J", "[2J"),
        ("&amp;#x202e;2J", "\\u202e2J"),
        ("Access was denied to this resource. Not yours.", "Not yours."),
    ],
)
def test_text(body, text):
    assert explanation(body.encode(), "text/plain", 404) == text


def test_bytes_that_are_no_utf_8():
    assert (
        explanation(b"caf\xe9", "text/plain; charset=latin-1", 400)
        == "caf\N{REPLACEMENT CHARACTER}"
    )


def test_long_texts_are_cut():
    text = explanation(b"x" * 65536, "", 500)
    assert text == "x" * 397 + "..."


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "</",
        "<a ",
        "<a b='",
        "<!",
        "<!--",
        "<?",
        "<![CDATA[",
        "<script>",
        "<style ",
        "</script ",
        "&",
        "&#",
        "&amp;",
        "400 Bad Request ",
        '{"a":',
        "[",
        "Access was denied ",
    ],
)
def test_a_hostile_body_takes_no_time(piece):
    body = (piece * 65536)[:65536].encode()
    begun = time.process_time()
    explanation(body, "text/html", 400)
    assert time.process_time() - begun < 2


@thorough
@given(
    st.one_of(
        st.binary(max_size=60), st.text("<>!-/&;#ax \"'[]{}:script", max_size=60).map(str.encode)
    ),
    st.sampled_from(["", "text/html", "application/json", "text/plain; charset=utf-8"]),
    st.integers(100, 599),
)
@example(b"<![x[", "text/html", 404)
def test_any_body_is_one_safe_line(body, content_type, status):
    text = explanation(body, content_type, status)
    assert len(text) <= 400
    assert len(text.splitlines()) <= 1
    assert not any(ord(char) < 32 for char in text)


def test_escaped_line_breaks_are_blanks():
    body = b"<html><body>Invalid marker.&lt;br /&gt;&lt;br /&gt;</body></html>"
    assert explanation(body, "text/html", 400) == "Invalid marker."
