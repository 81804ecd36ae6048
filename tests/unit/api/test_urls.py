"""URLs are decided on as they are sent."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
import requests
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st

from osc_image_v1.api.urls import Origin, parse
from tests.unit.fuzz import thorough

BASE = parse("http://image.example:9292/v1/images")

HOSTILE = [
    "http://evil.example\\@image.example:9292/v1/images",
    "http://evil.example\\.image.example:9292/",
    "http:\\\\evil.example/",
    "\\\\evil.example/",
    "/\\evil.example/",
    "http://image.example:9292@evil.example/",
    "http://user@image.example:9292/",
    "http://user:key@image.example:9292/",
    "//user@image.example:9292/",
    "http://@image.example:9292/",
    "http://evil.example#@image.example:9292/",
    "http://image.example:9292\t@evil.example/",
    "http://ima\nge.example:9292/",
    " http://image.example:9292/",
    "http://image.example:9292/ x",
    "http://image.example:9292/\x00",
    "http://image.example:9292/\x7f",
    "http://image.example:9292/\xe9",
    "http://image.example:9292\u2028/",
    "http://image\u3002example:9292/",
    "http://[::1",
    "http://[image.example]:9292/",
    "http://image.example:port/",
    "http://image.example:99999/",
    "http://image.example:-9292/",
    "http:///image.example:9292/",
    "httpx://image.example:9292/",
    "ftp://image.example:9292/",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("location", HOSTILE)
def test_a_hostile_target_is_refused_or_is_another_origin(location):
    try:
        target = BASE.redirected(location)
    except ValueError:
        return
    sent = urllib3.util.parse_url(target.url)
    if target.origin == BASE.origin:
        assert (sent.host, sent.port, sent.auth) == ("image.example", 9292, None)
        # As a path of the same origin it is harmless.
        assert urlsplit(location).hostname is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v1/images/", "http://image.example:9292/v1/images/"),
        ("images/", "http://image.example:9292/v1/images/"),
        ("?a=b%20c&d=@", "http://image.example:9292/v1/images?a=b%20c&d=@"),
        ("//image.example:9292/x@y", "http://image.example:9292/x@y"),
        ("HTTP://IMAGE.example:9292/x", "http://image.example:9292/x"),
        ("http://image.example:09292/x", "http://image.example:9292/x"),
        ("../../../x", "http://image.example:9292/x"),
    ],
)
def test_a_target_of_the_same_origin(location, url):
    target = BASE.redirected(location)
    assert target.url == url
    assert target.origin == BASE.origin == Origin("http", "image.example", 9292)


@pytest.mark.parametrize(
    "location",
    [
        "https://image.example:9292/",
        "http://image.example/",
        "http://image.example:9293/",
        "http://image.example.:9292/",
        "http://evil.example:9292/",
        "//evil.example:9292/",
    ],
)
def test_a_target_of_another_origin(location):
    assert BASE.redirected(location).origin != BASE.origin


def test_a_port_that_is_the_schemes_own():
    assert parse("https://a").origin == parse("https://a:443/x").origin
    assert parse("http://a").redirected("http://a:80/").origin == Origin("http", "a", 80)


def test_user_and_password_go_with_their_origin_alone():
    given = parse("http://us%40er:pa%2Fss@image.example/v1")
    assert given.url == "http://image.example/v1"
    assert given.credentials == ("us@er", "pa/ss")
    assert given.below("/images", {"name": "a b@c"}).credentials == given.credentials
    assert given.below("/images", {"name": "a b@c"}).url.endswith("/images?name=a+b%40c")
    assert given.redirected("/v2").credentials == given.credentials
    assert given.redirected("http://image.example:80/v2").credentials == given.credentials
    assert given.redirected("http://other.example/v2").credentials is None
    assert parse("http://image.example/").credentials is None


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://[::1]:9/v1", "::1"),
        ("http://[fe80::1%25eth0]:9/v1", "fe80::1%eth0"),
        ("http://192.0.2.1:9", "192.0.2.1"),
        ("http://b\u00fccher.example:9", "xn--bcher-kva.example"),
    ],
)
def test_hosts(text, host):
    assert parse(text).origin == Origin("http", host, 9)


# Texts near to URLs, out of what parsers disagree on.
_PIECES = st.one_of(
    st.sampled_from(
        ["http", "https", "ftp", "image.example", "image.example:9292", "evil.example"]
    ),
    st.sampled_from(
        [*":/\\@#?[]%;. \t\n\x00\x1b\xa0\xe9\u2028\u3002\uff0f\ufe64a", "//", "..", "::1"]
    ),
    st.sampled_from(["%40", "%2f", "%5c", ":9292"]),
)
_TEXTS = st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=30)


@thorough
@given(_TEXTS | _TEXTS.map("http://{}".format) | _TEXTS.map("http://image.example:9292{}".format))
@example("http://evil.example\\@image.example:9292/v1/images")
@example("http://image.example:9292#@evil.example/")
@example("//image.example:9292\\@evil.example/")
def test_both_parsers_agree_on_all_that_is_followed(location):
    try:
        target = BASE.redirected(location)
    except ValueError:
        return
    sent = requests.Request("GET", target.url).prepare().url
    standard, other = urlsplit(sent), urllib3.util.parse_url(sent)
    assert sent == target.url
    assert (standard.username, standard.password, other.auth) == (None, None, None)
    assert standard.scheme == other.scheme == target.origin.scheme
    assert standard.port == other.port
    assert (standard.port or {"http": 80, "https": 443}[standard.scheme]) == target.origin.port
    host = (standard.hostname or "").replace("%25", "%")
    assert host == (other.host or "").strip("[]") == target.origin.host
    if target.origin == BASE.origin:
        # Nor does the text as it came lead elsewhere, for who reads it plainly.
        assert (urlsplit(urljoin(BASE.url, location)).hostname or "").lower() == "image.example"


_PATHS = st.lists(st.text("aZ09_-.%/?#~ é", max_size=5)).map(lambda parts: "/" + "/".join(parts))


@thorough
@given(st.sampled_from(["", "/v1", "/a/../b%20/", "/v1?a=b", "/v1#x"]), _PATHS)
def test_what_is_below_an_address_is_what_its_whole_text_is(begin, path):
    base = parse(f"http://me:secret@Image.example:9292{begin}")
    try:
        whole = parse(base.url.rstrip("/") + path)
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            base.below(path)
    else:
        assert base.below(path) == whole._replace(credentials=base.credentials)


@thorough
@given(_TEXTS.map("http://{}".format))
@example("http://u:p@h\\@evil/")
def test_an_endpoint_is_sent_where_it_leads(text):
    try:
        address = parse(text)
    except ValueError:
        return
    assert parse(address.url) == address._replace(credentials=None)
