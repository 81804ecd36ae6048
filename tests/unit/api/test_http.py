"""Endpoints, redirects, retries, errors and bodies."""

import hashlib
import http.client
import io
import logging
import re
import shlex
import ssl
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import requests
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st
from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import fixture, noauth
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import generic, v3

from osc_image_v1 import exceptions
from osc_image_v1.api import http as api_http
from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.errors import NOT_ACCEPTED
from osc_image_v1.api.http import ServiceClient, path_of
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.api.image_v2 import ImageV2Client
from osc_image_v1.api.retries import RetryPolicy
from tests.unit import captures, loopback
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, adapter_at
from tests.unit.fuzz import thorough

KEYSTONE = "http://keystone.example:5000/v3"
ROOT = "http://cloud.example"
URL = IMAGE_URL + "/v1/images"


def catalog_session(mock, *services):
    """A session whose catalog has services: (type, region, public URL)."""
    token = fixture.V3Token()
    token.set_project_scope()
    for kind, region, url in services:
        token.add_service(kind).add_endpoint("public", url, region=region)
    mock.post(f"{KEYSTONE}/auth/tokens", json=token, headers={"X-Subject-Token": "secret-token"})
    auth = v3.Password(
        KEYSTONE, username="u", password="p", user_domain_id="d", project_id=token.project_id
    )
    return ksa_session.Session(auth)


def in_catalog(mock, url, service_type="image"):
    """A client of a service that a catalog has at a URL."""
    session = catalog_session(mock, (service_type, "R", url))
    kind = ImageClient if service_type == "image" else ComputeImageClient
    return kind(ksa_adapter.Adapter(session, service_type=service_type, interface="public"))


def logged_in(session):
    return ImageClient(ksa_adapter.Adapter(session, service_type="image"))


def image_client(url, **options):
    return ImageClient(adapter_at(url), **options)


@pytest.fixture
def service():
    return ServiceClient(adapter_at(IMAGE_URL), "v1")


# Endpoints


@pytest.mark.parametrize(
    ("found", "endpoint"),
    [
        (ROOT, f"{ROOT}/v1"),
        (f"{ROOT}/", f"{ROOT}/v1"),
        (f"{ROOT}:9292", f"{ROOT}:9292/v1"),
        (f"{ROOT}/v1", f"{ROOT}/v1"),
        (f"{ROOT}/v1/", f"{ROOT}/v1"),
        (f"{ROOT}/v1.0", f"{ROOT}/v1.0"),
        (f"{ROOT}/v1.1//", f"{ROOT}/v1.1"),
        (f"{ROOT}/image/v1.1", f"{ROOT}/image/v1.1"),
        (f"{ROOT}/v1.1/p", f"{ROOT}/v1.1/p/v1"),
        (f"{ROOT}/v2", f"{ROOT}/v1"),
        (f"{ROOT}/v2.0/", f"{ROOT}/v1"),
        (f"{ROOT}/image", f"{ROOT}/image/v1"),
        (f"{ROOT}/image/v2", f"{ROOT}/image/v1"),
        (f"{ROOT}/v2/image/", f"{ROOT}/v2/image/v1"),
        (f"{ROOT}/vmware", f"{ROOT}/vmware/v1"),
        ("https://[::1]:9292/v2", "https://[::1]:9292/v1"),
        ("http://v1", "http://v1/v1"),
        ("http://v2:9292/v2", "http://v2:9292/v1"),
        (f"{ROOT}/v2?x=1#y", f"{ROOT}/v1"),
    ],
)
def test_spellings_of_the_image_endpoint(requests_mock, found, endpoint):
    client = in_catalog(requests_mock, found)
    requests_mock.get(f"{endpoint}/images", json={"images": []})
    assert list(client.images()) == []
    assert client.http.endpoint == endpoint
    assert requests_mock.call_count == 2
    assert requests_mock.last_request.url == f"{endpoint}/images?limit=1000"


@pytest.mark.parametrize(
    ("found", "endpoint"),
    [
        (ROOT, f"{ROOT}/v2.1"),
        (f"{ROOT}/", f"{ROOT}/v2.1"),
        (f"{ROOT}/v2.1", f"{ROOT}/v2.1"),
        (f"{ROOT}/v2.1/", f"{ROOT}/v2.1"),
        (f"{ROOT}/v2.1/0123abcd", f"{ROOT}/v2.1/0123abcd"),
        (f"{ROOT}/v2", f"{ROOT}/v2"),
        (f"{ROOT}/v2/0123abcd/", f"{ROOT}/v2/0123abcd"),
        (f"{ROOT}/compute", f"{ROOT}/compute/v2.1"),
        (f"{ROOT}/compute/v2.1/AUTH_1", f"{ROOT}/compute/v2.1/AUTH_1"),
    ],
)
def test_spellings_of_the_compute_endpoint(requests_mock, found, endpoint):
    client = in_catalog(requests_mock, found, "compute")
    requests_mock.get(f"{endpoint}/images/detail", json={"images": []})
    assert list(client.images()) == []
    assert requests_mock.call_count == 2
    assert requests_mock.last_request.url == f"{endpoint}/images/detail?limit=1000"


OTHER_VERSIONS = ["/v1.1/123456", "/v1.1", "/v1.0/p", "/v2.0", "/v2.0/p", "/v3", "/x/v2.2/p"]


@pytest.mark.parametrize("path", OTHER_VERSIONS)
def test_a_compute_endpoint_of_another_version_says_so(requests_mock, path):
    client = in_catalog(requests_mock, ROOT + path, "compute")
    with pytest.raises(exceptions.ApiNotAvailable) as caught:
        list(client.images())
    version = re.search(r"v[\d.]+", path)[0]
    assert str(caught.value) == (
        f"The catalog has the compute service at {ROOT}{path}, which is {version} and not v2.1: "
        "choose another region, or another service with compute_service_name in clouds.yaml, or "
        "give a URL, this one or another, with compute_endpoint_override in clouds.yaml"
    )
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("path", OTHER_VERSIONS)
def test_a_version_that_is_given_on_purpose_is_kept(requests_mock, path):
    adapter = adapter_at("http://catalog", "compute", endpoint_override=ROOT + path)
    requests_mock.get(f"{ROOT}{path}/images/detail", json={"images": []})
    assert list(ComputeImageClient(adapter).images()) == []


def test_an_override_is_filled_in(requests_mock):
    session = catalog_session(requests_mock, ("compute", "R", "http://catalog"))
    override = f"{ROOT}/v2.1/%(project_id)s"
    adapter = ksa_adapter.Adapter(session, service_type="compute", endpoint_override=override)
    client = ComputeImageClient(adapter)
    assert client.http.endpoint == f"{ROOT}/v2.1/{session.get_project_id()}"


def test_v2_beside_a_version_that_is_kept():
    client = image_client(f"{ROOT}/v1.1")
    assert client.http.endpoint == f"{ROOT}/v1.1"
    assert client._v2.http.endpoint == f"{ROOT}/v2"


def test_region_and_interface_choose_the_endpoint(requests_mock):
    session = catalog_session(requests_mock, ("image", "A", "http://a"), ("image", "B", "http://b"))
    adapter = ksa_adapter.Adapter(
        session, service_type="image", interface="public", region_name="B"
    )
    assert ImageClient(adapter).http.endpoint == "http://b/v1"


def test_an_override_of_the_adapter_comes_before_the_catalog(requests_mock):
    adapter = adapter_at("http://catalog", endpoint_override="http://adapter/v2")
    assert ImageClient(adapter).http.endpoint == "http://adapter/v1"


def test_an_override_of_the_client_comes_first(requests_mock):
    adapter = adapter_at("http://catalog", endpoint_override="http://adapter/v2")
    client = ImageClient(adapter, endpoint_override="http://mine/glance")
    requests_mock.get("http://mine/glance/v1/images", json={"images": []})
    assert list(client.images()) == []
    assert requests_mock.call_count == 1


def test_without_authentication(requests_mock):
    adapter = ksa_adapter.Adapter(ksa_session.Session(noauth.NoAuth(endpoint="http://all/v1")))
    requests_mock.get("http://all/v1/images", json={"images": []})
    assert list(ImageClient(adapter).images()) == []
    assert requests_mock.last_request.headers["X-Auth-Token"] == "notused"


def test_a_catalog_without_the_service(requests_mock):
    session = catalog_session(requests_mock, ("compute", "R", COMPUTE_URL))
    adapter = ksa_adapter.Adapter(session, service_type="image", region_name="R")
    with pytest.raises(
        exceptions.ApiNotAvailable, match=r"^The catalog has no image service in region R: choose"
    ):
        list(ImageClient(adapter).images())
    with pytest.raises(exceptions.ApiNotAvailable, match=r"has no image service: choose"):
        list(logged_in(session).images())


@pytest.mark.parametrize(
    ("kind", "service_type", "setting"),
    [
        (ImageClient, "image", "--os-image-v1-endpoint-override or in clouds.yaml"),
        (ImageV2Client, "image", "image_endpoint_override in clouds.yaml"),
        (ComputeImageClient, "compute", "compute_endpoint_override in clouds.yaml"),
    ],
)
def test_a_catalog_without_the_service_says_how_to_give_its_url(
    requests_mock, kind, service_type, setting
):
    session = catalog_session(requests_mock, ("network", "R", "http://network"))
    client = kind(ksa_adapter.Adapter(session, service_type=service_type))
    with pytest.raises(exceptions.ApiNotAvailable, match=f"or give its URL with {setting}$"):
        client.get("x")


@pytest.mark.parametrize(
    "url",
    [
        "cloud.example",
        "/v1",
        "ftp://cloud",
        "http://",
        "http:///v1",
        "http://[::1",
        "http://a:b",
        "\x1b[2J",
    ],
)
def test_an_endpoint_that_is_no_url(requests_mock, url):
    with pytest.raises(exceptions.ApiNotAvailable, match=r"is no http URL$") as caught:
        image_client(url).get("a")
    assert "\x1b" not in str(caught.value)
    assert requests_mock.call_count == 0


def test_a_failing_authentication_is_an_error_of_ours(requests_mock):
    session = catalog_session(requests_mock)
    requests_mock.post(
        f"{KEYSTONE}/auth/tokens",
        status_code=401,
        json={"error": {"message": "wrong\npassword", "code": 401, "title": "U"}},
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(exceptions.Unauthorized) as caught:
        list(logged_in(session).images())
    assert str(caught.value) == (
        "Cannot find the service: the Identity service says: wrong password; log in anew, and "
        "check user, password and project (HTTP 401)"
    )


RAN_OUT = "the token has run out or is not valid any more"


def token_session(mock, kind, *answers):
    """A session that logs in with a token, and what the Identity service says to that."""
    token = fixture.V3Token()
    token.set_project_scope()
    token.add_service("image").add_endpoint("public", IMAGE_URL, region="R")
    good = {"json": token, "headers": {"X-Subject-Token": "secret-token"}}
    mock.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
    mock.post(f"{KEYSTONE}/auth/tokens", [good if one is None else one for one in answers])
    return ksa_session.Session(kind(KEYSTONE, token="old", project_id="p"))


def said(status, words):
    return {
        "status_code": status,
        "json": {"error": {"message": words, "code": status, "title": "T"}},
        "headers": {"Content-Type": "application/json", "X-Openstack-Request-Id": "req-k"},
    }


@pytest.mark.parametrize("kind", [v3.Token, generic.Token])
@pytest.mark.parametrize("answer", [said(404, "Failed to\nvalidate token"), said(401, "No")])
@pytest.mark.parametrize("begun", [True, False])
def test_a_token_that_has_run_out_and_cannot_be_renewed(requests_mock, kind, answer, begun):
    session = token_session(requests_mock, kind, *([None, answer] if begun else [answer]))
    requests_mock.get(URL, status_code=401)
    with pytest.raises(exceptions.Unauthorized, match=RAN_OUT) as caught:
        list(logged_in(session).images())
    assert caught.value.status == 401
    assert "openstack token issue" in str(caught.value)
    assert str(caught.value).endswith("(HTTP 401, request req-k)")
    assert len(str(caught.value).splitlines()) == 1


def test_a_password_that_is_refused_in_the_middle(requests_mock):
    session = catalog_session(requests_mock, ("image", "R", IMAGE_URL))
    requests_mock.get(URL, status_code=401)
    session.get_token()
    requests_mock.post(f"{KEYSTONE}/auth/tokens", **said(401, "The account is locked"))
    with pytest.raises(exceptions.Unauthorized, match="The account is locked; log in anew"):
        list(logged_in(session).images())


def test_an_identity_service_without_the_page_is_no_refusal(requests_mock):
    session = catalog_session(requests_mock)
    requests_mock.post(f"{KEYSTONE}/auth/tokens", status_code=404)
    with pytest.raises(exceptions.ImageV1Error, match="HTTP 404") as caught:
        list(logged_in(session).images())
    assert not isinstance(caught.value, exceptions.HttpError)


def test_a_silent_identity_service_is_named(requests_mock):
    session = catalog_session(requests_mock)
    requests_mock.post(f"{KEYSTONE}/auth/tokens", exc=requests.exceptions.ConnectionError("dead"))
    adapter = ksa_adapter.Adapter(session, service_type="image", endpoint_override=IMAGE_URL)
    with pytest.raises(
        exceptions.ConnectionFailed, match="no answer from the Identity service: dead"
    ):
        list(ImageClient(adapter).images())


def test_a_token_that_the_service_does_not_take(requests_mock, service):
    requests_mock.get(URL, status_code=401, headers={"X-Openstack-Request-Id": "req-1"})
    with pytest.raises(exceptions.Unauthorized) as caught:
        service.get_json("/images", "X")
    assert str(caught.value).startswith("X: the token is not accepted: it may have run out")
    assert str(caught.value).endswith("or log in anew (HTTP 401, request req-1)")


def test_no_authentication_at_all_is_an_error_of_ours():
    adapter = ksa_adapter.Adapter(ksa_session.Session(), service_type="image")
    with pytest.raises(exceptions.ImageV1Error, match=r"^Cannot find the service: "):
        list(ImageClient(adapter).images())


# Requests


def test_a_request_carries_token_and_headers(requests_mock):
    client = ServiceClient(adapter_at(IMAGE_URL), "v1", headers={"X-Ours": "1"})
    requests_mock.get(URL, json={})
    assert client.get_json("/images", "Cannot do it", {"name": "a b/é&"}) == {}
    sent = requests_mock.last_request
    assert sent.url == f"{URL}?name=a+b%2F%C3%A9%26"
    assert sent.headers["X-Auth-Token"] == "secret-token"
    assert sent.headers["X-Ours"] == "1"
    assert sent.headers["Accept"] == "application/json"
    assert sent.timeout == 60.0


def test_the_time_out_of_the_session_comes_first(requests_mock):
    requests_mock.get(URL, json={})
    ServiceClient(adapter_at(IMAGE_URL), "v1", timeout=5).get_json("/images", "X")
    assert requests_mock.last_request.timeout == 5
    adapter = adapter_at(IMAGE_URL)
    adapter.session.timeout = 7.0
    ServiceClient(adapter, "v1", timeout=5).get_json("/images", "X")
    assert requests_mock.last_request.timeout == 7.0


def test_no_microversion_of_the_session_gets_in(requests_mock):
    requests_mock.get(f"{COMPUTE_URL}/images/detail", json={"images": []})
    adapter = adapter_at(COMPUTE_URL, "compute", default_microversion="2.90")
    assert list(ComputeImageClient(adapter).images()) == []
    assert requests_mock.last_request.headers["OpenStack-API-Version"] == "compute 2.1"


def test_an_expired_token_is_renewed(requests_mock):
    client = in_catalog(requests_mock, IMAGE_URL)
    requests_mock.get(URL, [{"status_code": 401}, {"json": {"images": []}}])
    assert list(client.images()) == []
    assert requests_mock.call_count == 4


def test_ids_cannot_lead_anywhere_else():
    assert path_of("images", "a/../b?c#d%") == "/images/a%2F..%2Fb%3Fc%23d%25"
    assert path_of("images", "é ☃") == "/images/%C3%A9%20%E2%98%83"
    for segment in ("", ".", ".."):
        with pytest.raises(exceptions.InvalidInput, match=f"'{re.escape(segment)}' is no ID"):
            path_of("images", segment)


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target", [f"{IMAGE_URL}/new/images", "/new/images", "//image.example:9292/new/images"]
)
def test_a_redirect_within_the_service_is_followed(requests_mock, service, status, target):
    requests_mock.get(URL, status_code=status, headers={"Location": target})
    requests_mock.get(f"{IMAGE_URL}/new/images", json={"images": []})
    assert service.get_json("/images", "X", {"limit": "1"}) == {"images": []}
    assert requests_mock.last_request.url == f"{IMAGE_URL}/new/images"


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/v1/images",
        "https://image.example:9292/v1/images",
        "http://image.example/v1/images",
        "http://image.example:9293/v1/images",
        "//evil.example/",
        "http://[::1",
        "http://image.example:port/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://image.example:9292@evil.example/",
        "http://evil.example/\x1b[2J",
        "http://evil.example/\xe9",
    ],
)
def test_the_token_goes_to_no_other_origin(requests_mock, service, target):
    requests_mock.get(URL, status_code=302, headers={"Location": target})
    requests_mock.get(re.compile("evil"), json={"images": []})
    with pytest.raises(
        exceptions.BadAnswer, match=r"redirects to .* not followed|malformed"
    ) as caught:
        service.get_json("/images", "Cannot do it")
    assert len(str(caught.value).splitlines()) == 1
    assert requests_mock.call_count == 1


HOSTILE = [
    "http://evil.example\\@image.example:9292/v1/images",
    "http://evil.example\\.image.example:9292/",
    "\\\\evil.example/",
    "http://user:key@image.example:9292/",
    "http://@image.example:9292/",
    "http://evil.example#@image.example:9292/",
    "http://image.example:9292\t@evil.example/",
    " http://image.example:9292/v1",
    "http://image.example:9292/a b",
    "http://image.example:9292/\x7f",
    "http://image.example:9292/\xa0",
]


@pytest.mark.parametrize("target", HOSTILE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_target_that_parsers_may_read_differently_is_not_followed(
    requests_mock, service, target, method
):
    requests_mock.register_uri(method, URL, status_code=302, headers={"Location": target})
    requests_mock.register_uri(method, re.compile("evil|/v1$|/$"), json={"images": []})
    with pytest.raises(exceptions.BadAnswer, match=r"redirects to .* not followed") as caught:
        service.request(method, "/images", "X")
    assert requests_mock.call_count == 1
    assert "key" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_redirect_that_leads_to_the_server_that_a_stdlib_parser_does_not_see(naps):
    """On real sockets: the token would go to the server before the backslash."""
    with loopback.answering(loopback.http("200 OK", body=b'{"images": []}')) as evil:
        place = evil.partition("//")[2]
        with loopback.answering(b"") as image:
            location = f"Location: http://{place}\\@{image.partition('//')[2]}/v1/images"
        port = int(image.rpartition(":")[2])
        with loopback.answering(loopback.http("302 Found", location), port=port) as image:
            client = image_client(image, retry=RetryPolicy(attempts=1))
            with pytest.raises(exceptions.BadAnswer, match="which is not followed"):
                list(client.images())


def test_the_body_of_a_redirect_is_not_read():
    endless = loopback.http("302 Found", "Location: /new", "Content-Length: 9999999999", body=b"x")
    found = loopback.http("200 OK", body=b'{"images": []}')
    with loopback.answering(endless, found) as url:
        assert image_client(url).http.get_json("/images", "X") == {"images": []}


def test_user_and_password_of_an_override_are_sent_to_it_and_shown_nowhere(requests_mock, caplog):
    caplog.set_level("DEBUG")
    client = image_client("http://us%40er:s%2Fcret@image.example:9292")
    requests_mock.get(URL, status_code=302, headers={"Location": "/v1/other"})
    requests_mock.get(f"{IMAGE_URL}/v1/other", status_code=400, text="no")
    with pytest.raises(exceptions.BadRequest) as caught:
        client.http.get_json("/images", "X")
    for sent in requests_mock.request_history:
        assert sent.headers["Authorization"] == f"Basic {b64encode(b'us@er:s/cret').decode()}"
        assert sent.headers["X-Auth-Token"] == "secret-token"
    assert [sent.url for sent in requests_mock.request_history] == [URL, f"{IMAGE_URL}/v1/other"]
    shown = caplog.text + str(caught.value) + client.http.endpoint + client.http.shown_endpoint
    assert "cret" not in shown
    assert b64encode(b"us@er:s/cret").decode() not in shown


def test_hooks_of_the_callers_session_still_run(requests_mock, service):
    seen = []
    requests_mock.get(URL, json={})
    hooks = service.adapter.session.session.hooks
    hooks["response"].append(lambda response, **_options: seen.append(response.status_code))
    service.get_json("/images", "X")
    assert seen == [200]
    assert len(hooks["response"]) == 1


KEY = "swift+http://user:se/cret@swift.example/v1/c/o"


@pytest.mark.parametrize("status", [200, 302, 400, 404])
@pytest.mark.parametrize(
    "body",
    [
        f'{{"error": {{"message": "no store for {KEY} here"}}}}',
        f'{{"images": [{{"locations": [{{"url": "{KEY}"}}]}}]}}',
        f"<html><p>no <b>{KEY}</b></p></html>",
        f"x{' ' * 4000}{KEY * 20}",
        KEY.replace("@", "&#64;").replace(":", "&amp;#58;"),
    ],
)
def test_the_key_of_a_store_is_not_shown(requests_mock, service, caplog, status, body):
    caplog.set_level("DEBUG")
    headers = {"X-Location": KEY, "Location": f"http://other.example/?{KEY}"}
    requests_mock.get(URL, status_code=status, text=body, headers=headers)
    error = ""
    try:
        service.get_json("/images", "X")
    except exceptions.ImageV1Error as caught:
        error = str(caught)
    assert "cret" not in error
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("osc_")]
    assert len(ours) >= 2
    assert "cret" not in "".join(ours)


def test_a_write_is_not_redirected(requests_mock, service):
    requests_mock.put(URL, status_code=307, headers={"Location": f"{URL}/new"})
    with pytest.raises(exceptions.BadAnswer, match="redirects to"):
        service.request("PUT", "/images", "X")
    assert requests_mock.call_count == 1


def test_redirects_in_circles_end(requests_mock, service):
    requests_mock.get(URL, status_code=302, headers={"Location": URL})
    with pytest.raises(exceptions.BadAnswer, match="redirects in circles"):
        service.get_json("/images", "X")
    assert requests_mock.call_count == 4


def test_a_redirect_to_nowhere_is_an_error(requests_mock, service):
    requests_mock.get(URL, status_code=302)
    with pytest.raises(
        exceptions.HttpError, match=r"this status is not part of the API \(HTTP 302\)"
    ):
        service.get_json("/images", "X")


# Statuses


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (204, exceptions.HttpError),
        (206, exceptions.HttpError),
        (304, exceptions.HttpError),
        (400, exceptions.BadRequest),
        (401, exceptions.Unauthorized),
        (403, exceptions.Forbidden),
        (404, exceptions.NotFound),
        (409, exceptions.Conflict),
        (413, exceptions.TooLarge),
        (418, exceptions.HttpError),
        (500, exceptions.ServerError),
        (501, exceptions.ServerError),
        (503, exceptions.ServerError),
    ],
)
@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        ("{status} Title\n\nthe words\n", "text/plain", "{status} Title the words"),
        ("<html><title>x</title><p>the &lt;words&gt;</p></html>", "text/html", "the <words>"),
        ('{"error": {"message": "the &quot;words&quot;"}}', "application/json", 'the "words"'),
        ('{"error": ', "application/json", '{"error":'),
        ("", "text/plain", ""),
    ],
)
def test_an_error_status(requests_mock, service, status, kind, body, content_type, said):
    headers = {"Content-Type": content_type, "X-Openstack-Request-Id": "req-1"}
    requests_mock.get(
        URL, status_code=status, text=body.replace("{status}", str(status)), headers=headers
    )
    with pytest.raises(exceptions.HttpError) as caught:
        service.get_json("/images", "Cannot do it")
    assert type(caught.value) is kind
    said = said.replace("{status}", str(status)) or (
        "this status is not part of the API" if status < 400 else ""
    )
    if status == 401:
        said += f"{'; ' if said else ''}{NOT_ACCEPTED}"
    assert str(caught.value) == (
        f"Cannot do it{': ' if said else ''}{said} (HTTP {status}, request req-1)"
    )


def test_a_recorded_error(requests_mock, service):
    requests_mock.get(URL, **captures.image_v1("04-list", "list ?limit=-1").mock)
    with pytest.raises(exceptions.BadRequest) as caught:
        service.get_json("/images", "Cannot list images")
    assert str(caught.value) == (
        "Cannot list images: limit param must be positive "
        "(HTTP 400, request req-6e7b83ce-0c9c-43e5-a8c2-90bde821bcba)"
    )


def test_the_compute_service_has_another_name_for_the_request_id(requests_mock, service):
    requests_mock.get(URL, status_code=400, headers={"X-Compute-Request-Id": "req-2"})
    with pytest.raises(exceptions.BadRequest) as caught:
        service.get_json("/images", "X")
    assert caught.value.request_id == "req-2"


def test_an_error_whose_body_breaks_off_is_that_error():
    answer = loopback.http("409 Conflict", "Content-Length: 100", body=b"the words")
    with loopback.answering(answer) as url, pytest.raises(exceptions.Conflict):
        image_client(url).http.get_json("/images", "X")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            400,
            '{"badRequest": {"message": "Bad value (HTTP 400)", "code": 400}}',
            "X: Bad value (HTTP 400)",
        ),
        (
            400,
            '{"badRequest": {"message": "Bad value (HTTP 409)", "code": 400}}',
            "X: Bad value (HTTP 409) (HTTP 400)",
        ),
        (
            415,
            "415 Unsupported Media Type\n\n"
            "The request media type a/b is not supported by this server.\n\n No store for it",
            "X: No store for it (HTTP 415)",
        ),
    ],
)
def test_nothing_is_said_twice(requests_mock, service, status, body, said):
    kind = "application/json" if body.startswith("{") else "text/plain"
    requests_mock.get(URL, status_code=status, text=body, headers={"Content-Type": kind})
    with pytest.raises(exceptions.HttpError) as caught:
        service.get_json("/images", "X")
    assert str(caught.value) == said


def test_a_token_in_a_request_id_is_not_shown(requests_mock, service):
    headers = {"X-Openstack-Request-Id": "req-secret-token"}
    requests_mock.get(URL, status_code=400, headers=headers)
    with pytest.raises(exceptions.BadRequest, match=r"^X \(HTTP 400, request req-\*\*\*\)$"):
        service.get_json("/images", "X")


def test_a_token_that_the_service_repeats_is_not_shown(requests_mock, service, caplog):
    caplog.set_level("DEBUG")
    shows = {"text": "wrong token secret-token", "headers": {"X-Debug": "secret-token"}}
    requests_mock.get(URL, [{"status_code": 400, **shows}, {**shows, "status_code": 302}, shows])
    with pytest.raises(exceptions.BadRequest, match=r"^X: wrong token \*\*\* \(HTTP 400\)$"):
        service.get_json("/images", "X")
    shows["headers"]["Location"] = "http://192.0.2.1/secret-token"
    with pytest.raises(exceptions.BadAnswer, match=r"redirects to http://192.0.2.1/\*\*\*, which"):
        service.get_json("/images", "X")
    with pytest.raises(exceptions.BadAnswer):
        service.get_json("/images", "X")
    ours = [record for record in caplog.records if record.name.startswith("osc_image_v1")]
    assert len(ours) > 6
    assert not [record for record in ours if "secret-token" in record.getMessage()]


# A service without the API


def test_a_service_with_other_versions(requests_mock):
    body = {"versions": [{"id": "v2.10"}, {"id": "v2.9"}, {"id": "v2.0"}]}
    requests_mock.get(URL, status_code=300, json=body)
    with pytest.raises(exceptions.ApiNotAvailable) as caught:
        list(image_client(IMAGE_URL).images())
    assert str(caught.value) == (
        f"The service at {IMAGE_URL}/v1 has no API v1, it offers v2.0, v2.9, v2.10: use "
        "'openstack image' for the Image API v2"
    )


def test_a_recorded_list_of_versions(requests_mock):
    requests_mock.get(URL, **captures.image_v1("01-versions", "GET /v3/images").mock)
    with pytest.raises(exceptions.ApiNotAvailable, match=r"offers v1\.0, v1\.1: is the path"):
        list(image_client(IMAGE_URL).images())


def test_a_head_has_no_body_so_the_versions_are_asked_for(requests_mock):
    requests_mock.head(f"{URL}/a", status_code=300)
    requests_mock.get(f"{URL}/a", status_code=300, json={"versions": [{"id": "v2.0"}]})
    with pytest.raises(exceptions.ApiNotAvailable, match=r"it offers v2\.0: use"):
        image_client(IMAGE_URL).get("a")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "no",
        '{"versions": {}}',
        '{"versions": [{}]}',
        '{"versions": ["v2"]}',
        "[" * 100_000,
    ],
)
def test_a_service_that_does_not_say_its_versions(requests_mock, body):
    requests_mock.get(URL, status_code=300, text=body)
    with pytest.raises(exceptions.ApiNotAvailable, match="it offers other versions: use"):
        list(image_client(IMAGE_URL).images())


# Retries


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_get_is_sent_again(requests_mock, service, naps, status):
    requests_mock.get(URL, [{"status_code": status}] * 3 + [{"json": {"a": 1}}])
    assert service.get_json("/images", "X") == {"a": 1}
    assert len(naps) == 3
    assert 0 <= naps[0] <= 0.25
    assert 0.5 <= naps[1] <= 0.75
    assert 1 <= naps[2] <= 1.25


def test_a_get_is_not_sent_for_ever(requests_mock, service, naps):
    requests_mock.get(URL, status_code=503)
    with pytest.raises(exceptions.ServerError):
        service.get_json("/images", "X")
    assert requests_mock.call_count == 4
    assert len(naps) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500, 501])
def test_other_statuses_are_final(requests_mock, service, naps, status):
    requests_mock.get(URL, status_code=status)
    with pytest.raises(exceptions.HttpError):
        service.get_json("/images", "X")
    assert naps == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "answer", [{"status_code": 503}, {"exc": requests.exceptions.ConnectionError("reset")}]
)
def test_a_write_is_sent_once(requests_mock, service, naps, method, answer):
    requests_mock.register_uri(method, URL, **answer)
    with pytest.raises((exceptions.ServerError, exceptions.ConnectionFailed)):
        service.request(method, "/images", "X")
    assert requests_mock.call_count == 1
    assert naps == []


OVER_LIMIT = {
    "status_code": 413,
    "json": {"overLimit": {"message": "This request was rate-limited.", "code": 413}},
    "headers": {"Retry-After": "7", "Content-Type": "application/json"},
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("refusal", [OVER_LIMIT, {"status_code": 429}])
@pytest.mark.parametrize("body", [{}, {"json": {"a": 1}}, {"data": b"whole"}])
def test_a_rate_limit_is_waited_for(requests_mock, service, naps, method, refusal, body):
    """It refused for sure, so whatever it was can be sent again."""
    requests_mock.register_uri(method, URL, [refusal, {"status_code": 200}])
    service.request(method, "/images", "X", **body).close()
    assert requests_mock.call_count == 2
    bodies = [request.body for request in requests_mock.request_history]
    assert bodies[0] == bodies[1]
    assert naps == ([7] if refusal is OVER_LIMIT else naps)


def test_a_rate_limit_is_not_waited_for_without_end(requests_mock, service, naps):
    requests_mock.post(URL, **OVER_LIMIT)
    with pytest.raises(
        exceptions.TooLarge, match=r"^X: This request was rate-limited\. \(HTTP 413"
    ):
        service.request("POST", "/images", "X", json={})
    assert (requests_mock.call_count, naps) == (4, [7, 7, 7])


@pytest.mark.parametrize("data", [iter([b"once"]), io.BytesIO(b"once")])
def test_a_stream_is_not_sent_again(requests_mock, service, naps, data):
    requests_mock.put(URL, **OVER_LIMIT)
    with pytest.raises(exceptions.TooLarge):
        service.request("PUT", "/images", "X", data=data)
    assert (requests_mock.call_count, naps) == (1, [])


@pytest.mark.parametrize("headers", [{}, {"Retry-After": ""}, {"Retry-After": "soon"}])
def test_413_without_a_time_is_final(requests_mock, service, naps, headers):
    requests_mock.get(URL, status_code=413, headers=headers)
    with pytest.raises(exceptions.TooLarge):
        service.get_json("/images", "X")
    assert naps == []


def test_a_head_is_sent_again(requests_mock, service):
    requests_mock.head(URL, [{"status_code": 503}, {"exc": requests.exceptions.ConnectTimeout}, {}])
    with service.request("HEAD", "/images", "X") as response:
        assert response.status_code == 200


def test_what_the_service_asks_for_comes_first(requests_mock, service, naps):
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=10), usegmt=True)
    answers = [
        {"status_code": 503, "headers": {"Retry-After": wait}} for wait in ("7", date, "3600")
    ]
    requests_mock.get(URL, [*answers, {"json": {}}])
    assert service.get_json("/images", "X") == {}
    assert naps[0] == 7
    assert 7 < naps[1] <= 10
    assert naps[2] == 30


def test_a_date_in_the_past_means_at_once(requests_mock, service, naps):
    headers = {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}
    requests_mock.get(URL, [{"status_code": 503, "headers": headers}, {"json": {}}])
    assert service.get_json("/images", "X") == {}
    assert naps == [0]


@thorough
@given(st.text(max_size=40) | st.text("FriDecGMT0123456789 ,:+-", max_size=40))
@example("9" * 400)
@example("9" * 5000)
@example("Fri, 31 Dec 99999999999 23:59:59 GMT")
@example("Fri, 31 Dec 2026 99:99:99 +9999999")
@example("-5")
@example("nan")
def test_no_retry_after_breaks_the_wait(text):
    error = exceptions.http_error("X", 503)
    error.retry_after = text
    assert 0 <= RetryPolicy().wait(1, error) <= 30


def test_a_policy_of_ones_own(requests_mock, naps):
    client = ServiceClient(
        adapter_at(IMAGE_URL), "v1", retry=RetryPolicy(attempts=2, longest_wait=0.1)
    )
    requests_mock.get(URL, status_code=503, headers={"Retry-After": "9"})
    with pytest.raises(exceptions.ServerError):
        client.get_json("/images", "X")
    assert naps == [0.1]


def test_an_attempt_that_fails_is_logged(requests_mock, service, caplog):
    caplog.set_level(logging.DEBUG, "osc_image_v1")
    requests_mock.get(URL, [{"status_code": 503}, {"json": {}}])
    service.get_json("/images", "Cannot do it")
    assert "Cannot do it (HTTP 503); trying again" in caplog.text


# No answer


TOO_LONG = "it took too long, try again or raise --os-image-v1-timeout"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (requests.exceptions.ConnectTimeout("x"), TOO_LONG),
        (requests.exceptions.ReadTimeout("x"), TOO_LONG),
        (requests.exceptions.ConnectionError("Read timed out."), TOO_LONG),
        (requests.exceptions.ConnectionError("reset by\npeer \x1b"), "reset by peer \\x1b"),
        (requests.exceptions.InvalidURL("bad"), "bad"),
        (requests.exceptions.ConnectionError(), "ConnectionError"),
        (OSError(111, "Connection refused"), "Connection refused"),
        (urllib3.exceptions.ProtocolError("x"), "x"),
    ],
)
def test_no_answer(requests_mock, service, naps, error, reason):
    requests_mock.get(URL, exc=error)
    with pytest.raises(exceptions.ConnectionFailed) as caught:
        service.get_json("/images", "Cannot do it")
    assert str(caught.value).startswith("Cannot do it: no answer from http://image.example:9292: ")
    assert str(caught.value).endswith(reason)
    assert len(naps) == 3


def test_the_innermost_reason_counts(requests_mock, service):
    try:
        try:
            raise ConnectionResetError(104, "Connection reset by peer")
        except OSError as inner:
            raise urllib3.exceptions.ProtocolError("Connection aborted.", inner) from inner
    except urllib3.exceptions.ProtocolError as outer:
        error = requests.exceptions.ConnectionError(outer)
        error.__cause__ = outer
    requests_mock.get(URL, exc=error)
    with pytest.raises(exceptions.ConnectionFailed, match=r"9292: Connection reset by peer$"):
        service.get_json("/images", "X")


def test_reasons_are_not_dug_for_without_end(requests_mock, service):
    error = innermost = requests.exceptions.ConnectionError("0")
    for number in range(1, 12):
        innermost.__cause__ = OSError(str(number))
        innermost = innermost.__cause__
    requests_mock.get(URL, exc=error)
    with pytest.raises(exceptions.ConnectionFailed, match=r": \d+$"):
        service.get_json("/images", "X")


def test_tls_failures_are_final(requests_mock, naps):
    client = ServiceClient(adapter_at("https://image.example"), "v1")
    error = requests.exceptions.SSLError(ssl.SSLError(1, "certificate verify failed"))
    requests_mock.get("https://image.example/v1/images", exc=error)
    with pytest.raises(
        exceptions.TlsFailed, match=r"TLS with https://image.example failed: .*--os-cacert"
    ):
        client.get_json("/images", "X")
    assert requests_mock.call_count == 1
    assert naps == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named_without_its_password(monkeypatch, naps, scheme):
    port = loopback.free_port()
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:se%2Fcret@127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")
    client = image_client(f"{scheme}://image.example", retry=RetryPolicy(attempts=1))
    with pytest.raises(exceptions.ConnectionFailed) as caught:
        list(client.images())
    assert str(caught.value) == (
        f"Cannot list images: no answer from the proxy http://***@127.0.0.1:{port}: Connection "
        "refused; is http_proxy or https_proxy of the environment right, or has no_proxy to name "
        "the service?"
    )


def test_a_proxy_that_wants_a_log_in(monkeypatch, naps):
    page = b"<html><body>Proxy <address>Apache/2.4 Server at p Port 1</address></body></html>"
    refusal = loopback.http("407 Proxy Authentication Required", body=page)
    with loopback.answering(refusal) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(exceptions.HttpError, match="the proxy wants a log-in"):
            list(image_client("http://image.example").images())
        with pytest.raises(exceptions.ConnectionFailed, match=f"the proxy {proxy}: .* 407 Proxy"):
            list(image_client("https://i.example", retry=RetryPolicy(attempts=1)).images())


@pytest.mark.parametrize("setting", ["verify", "cert"])
def test_a_file_of_certificates_that_is_not_there(naps, setting):
    adapter = adapter_at("https://127.0.0.1:9")
    setattr(adapter.session, setting, "/nowhere/ca.pem")
    with pytest.raises(
        exceptions.InvalidInput, match=r"^X: there is no file /nowhere/ca\.pem of certificates"
    ):
        ServiceClient(adapter, "v1").get_json("/images", "X")
    assert naps == []


def test_other_errors_are_not_hidden(requests_mock, service):
    requests_mock.get(URL, exc=ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        service.get_json("/images", "X")


# Bodies


@pytest.mark.parametrize(
    "body", [b"", b"no", b"<html>", b'{"images": [', b"\xff\xfe", b"[" * 100_000, b"9" * 5000]
)
def test_a_body_that_is_no_json(requests_mock, service, body):
    requests_mock.get(URL, content=body)
    with pytest.raises(exceptions.BadAnswer, match=r"^X: the service's answer is no JSON$"):
        service.get_json("/images", "X")
    assert requests_mock.call_count == 1


def test_a_body_that_ends_early_is_asked_for_again(requests_mock, service):
    half = {"text": '{"images"', "headers": {"Content-Length": "100"}}
    requests_mock.get(URL, [half, {"json": {"images": []}}])
    assert service.get_json("/images", "X") == {"images": []}


def test_a_body_that_always_ends_early(requests_mock, service):
    requests_mock.get(URL, text="[]", headers={"Content-Length": "100"})
    with pytest.raises(exceptions.ConnectionFailed, match="ended early, try again"):
        service.get_json("/images", "X")
    assert requests_mock.call_count == 4


def test_a_length_that_is_no_number_does_not_count(requests_mock, service):
    requests_mock.get(URL, text="[]", headers={"Content-Length": "-5"})
    assert service.get_json("/images", "X") == []


def test_a_body_that_ends_early_is_noticed_whatever_the_http_library_does(service):
    response = requests.Response()
    response.raw = io.BytesIO(b"[]")
    response.headers["Content-Length"] = "3"
    with pytest.raises(exceptions.ConnectionFailed, match=r"X: .*ended early"):
        service.read(response, "X")


def test_a_body_that_never_ends(requests_mock, service, monkeypatch):
    monkeypatch.setattr(api_http, "_LARGEST_PAGE", 2**20)
    requests_mock.get(URL, text=" " * (2**20 + 1))
    with pytest.raises(exceptions.BadAnswer, match="over 1 MiB, ask for smaller pages"):
        service.get_json("/images", "X")


# On a real socket


def test_a_refused_connection(naps):
    url = f"http://127.0.0.1:{loopback.free_port()}"
    with pytest.raises(
        exceptions.ConnectionFailed, match=rf"no answer from {url}: Connection refused$"
    ):
        list(image_client(url).images())
    assert len(naps) == 3


@pytest.mark.parametrize(
    "answer",
    [
        loopback.http("200 OK", "Content-Length: 100", body=b'{"images": ['),
        loopback.http("200 OK", "Transfer-Encoding: chunked", body=b"5\r\n[]"),
        loopback.http("200 OK", "Transfer-Encoding: chunked", body=b"zz\r\n[]"),
        loopback.http("200 OK", "Content-Encoding: gzip", body=b"no gzip"),
        loopback.http("200 OK", *(f"X-{n}: {n}" for n in range(1001))),
        loopback.http("200 OK", "X-Long: " + "x" * 70_000),
        b"",
        b"\x16\x03\x01 no http\r\n\r\n",
        b"HTTP/1.1 2000 Odd\r\n\r\n",
    ],
)
def test_answers_that_are_no_http(answer):
    with loopback.answering(answer) as url, pytest.raises(exceptions.ConnectionFailed) as caught:
        image_client(url, retry=RetryPolicy(attempts=1)).http.get_json("/images", "X")
    assert str(caught.value).startswith("X: ")
    assert str(caught.value).isprintable()


def test_tls_to_a_server_without_it():
    with loopback.answering(loopback.http("400 Bad Request")) as url:
        client = image_client(url.replace("http:", "https:"))
        with pytest.raises(exceptions.TlsFailed, match="TLS with https://127"):
            client.http.get_json("/images", "X")


def test_an_image_with_more_headers_than_python_reads_by_default():
    properties = [f"X-Image-Meta-Property-Key_{n}: v{n}" for n in range(200)]
    answer = loopback.http("200 OK", "X-Image-Meta-Id: a", "Content-Length: 0", *properties)
    with loopback.answering(answer) as url:
        image = image_client(url).get("a")
    assert image.properties == {f"key_{n}": f"v{n}" for n in range(200)}
    assert http.client._MAXHEADERS >= 1000


def test_properties_that_differ_in_more_than_case_are_two():
    answer = loopback.http(
        "200 OK",
        "X-Image-Meta-Id: a",
        "X-Image-Meta-Property-A: 1, 2",
        "X-Image-Meta-Property-B: 3",
    )
    with loopback.answering(answer) as url:
        assert image_client(url).get("a").properties == {"a": "1, 2", "b": "3"}


def test_no_password_of_a_url_is_shown(caplog):
    caplog.set_level("DEBUG")
    url = f"http://user:secret@127.0.0.1:{loopback.free_port()}"
    client = image_client(url, retry=RetryPolicy(attempts=1))
    with pytest.raises(exceptions.ConnectionFailed, match=r"http://127\.0\.0\.1") as caught:
        client.http.request(
            "POST", "/images", "X", headers={"x-glance-api-copy-from": "http://u:secret@host/"}
        )
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("osc_")]
    assert ours
    assert "secret" not in str(caught.value) + "".join(ours)


def test_undecodable_bytes_are_no_id():
    with pytest.raises(exceptions.InvalidInput, match="no valid text"):
        image_client(IMAGE_URL).get("caf\udce9")


def test_a_request_is_logged_as_others_are_and_can_be_sent_again(requests_mock, service, caplog):
    caplog.set_level("DEBUG")
    service.adapter.session.verify = "/etc/ca it.pem"
    requests_mock.get(URL, json={})
    requests_mock.put(URL, json={})
    requests_mock.head(URL)
    service.get_json("/images", "X", {"name": "it's $HOME"})
    service.request("PUT", "/images", "X", json={"a": "b c"})
    service.request("PUT", "/images", "X", data=iter([b"x"]), headers={"x-image-meta-name": "é"})
    service.request("HEAD", "/images", "X")
    lines = [text.removeprefix("REQ: ") for text in caplog.messages if text.startswith("REQ: ")]
    listed, written, sent, asked = map(shlex.split, lines)
    token = f"X-Auth-Token: {{SHA256}}{hashlib.sha256(b'secret-token').hexdigest()}"
    common = ["curl", "-g", "-i", "-X", "GET", "--cacert", "/etc/ca it.pem"]
    query = "?name=it%27s%20%24HOME"
    assert listed[:8] in ([*common, URL + query], [*common, URL + query.replace("%20", "+")])
    assert {"Accept: application/json", "Accept-Encoding: identity", token} <= set(listed[8:])
    assert listed[8::2] == ["-H"] * (len(listed[8:]) // 2)
    assert written[4] == "PUT"
    assert written[-2:] == ["-d", '{"a": "b c"}']
    assert "Content-Type: application/json" in written
    assert sent[-2:] == ["--data-binary", "@-"]
    assert "x-image-meta-name: é" in sent
    assert asked[:4] == ["curl", "-g", "-i", "--head"]
    assert "secret-token" not in "".join(lines)
