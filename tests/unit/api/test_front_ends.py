"""Pages of nginx, HAProxy, Apache and Squid are told as theirs."""

import pytest

from osc_image_v1 import exceptions
from osc_image_v1.api.http import ServiceClient
from osc_image_v1.api.retries import RetryPolicy
from tests.unit.conftest import IMAGE_URL, adapter_at

URL = IMAGE_URL + "/v1/images"


def nginx(title, words="", name="nginx/1.22.1"):
    """A page as nginx and its kin make it."""
    more = f"<center>{words}</center>\r\n" if words else ""
    head = title[:4] + words if words else title
    return (
        f"<html>\r\n<head><title>{head}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n{more}<hr><center>{name}</center>\r\n</body>\r\n"
        "</html>\r\n"
    )


def haproxy(title, words):
    return f"<html><body><h1>{title}</h1>\n{words}\n</body></html>\n"


def apache(title, words):
    return (
        '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
        f"<title>{title}</title>\n</head><body>\n<h1>{title.partition(' ')[2]}</h1>\n"
        f"<p>{words}<br />\n</p>\n<hr>\n"
        "<address>Apache/2.4.71 (Debian) Server at 127.0.0.1 Port 38101</address>\n"
        "</body></html>\n"
    )


def squid(words):
    return (
        "<!DOCTYPE html><html><head><style>body { color: red }</style><title>ERROR</title></head>"
        f"<body id=ERR><p>{words}</p><p>Generated Sun, 29 Nov 2026 by here (squid/5.7)</p></body>"
    )


@pytest.fixture
def service():
    return ServiceClient(adapter_at(IMAGE_URL), "v1", retry=RetryPolicy(attempts=1))


def told(requests_mock, service, status, page, method="GET", **headers):
    headers = {"Content-Type": "text/html", **headers}
    requests_mock.register_uri(method, URL, status_code=status, text=page, headers=headers)
    with pytest.raises(exceptions.HttpError) as caught:
        service.request(method, "/images", "X")
    message = str(caught.value)
    assert message.endswith(f" (HTTP {status})")
    assert "None" not in message
    return message.removesuffix(f" (HTTP {status})")


BEGINS = "X: something in front of the service answered, not the service itself "


@pytest.mark.parametrize(
    ("status", "page", "said"),
    [
        (
            413,
            nginx("413 Request Entity Too Large"),
            "(nginx/1.22.1, no request ID); it takes no body of that size: look at "
            "client_max_body_size there",
        ),
        (
            413,
            nginx("413 Request Entity Too Large", name="openresty"),
            "(openresty, no request ID); it takes no body of that size: look at "
            "client_max_body_size there",
        ),
        (
            502,
            nginx("502 Bad Gateway"),
            "(nginx/1.22.1, no request ID); the service does not answer it or, where it is this "
            "image alone, sends more metadata than its buffers for headers take: look at "
            "proxy_buffer_size and proxy_buffers there",
        ),
        (
            504,
            nginx("504 Gateway Time-out"),
            "(nginx/1.22.1, no request ID); it waits less long than the service takes: "
            "look at proxy_read_timeout there",
        ),
        (
            400,
            nginx("400 Bad Request", "The plain HTTP request was sent to HTTPS port"),
            "(nginx/1.22.1, no request ID): The plain HTTP request was sent to HTTPS port; the "
            "service's URL begins with https://, give it so with an endpoint override",
        ),
        (
            400,
            nginx("400 Bad Request", "No required SSL certificate was sent"),
            "(nginx/1.22.1, no request ID): No required SSL certificate was sent; it wants a "
            "certificate of the client: give it with --os-cert and --os-key",
        ),
        (
            401,
            nginx("401 Authorization Required"),
            "(nginx/1.22.1, no request ID): 401 Authorization Required; it wants a log-in of its "
            "own, which an endpoint override can have: https://<user>:<password>@<host>",
        ),
        (429, nginx("429 Too Many Requests"), "(nginx/1.22.1, no request ID)"),
        (
            504,
            haproxy("504 Gateway Time-out", "The server didn't respond in time."),
            "(HAProxy, by its page, no request ID): The server didn't respond in time; it waits "
            "less long than the service takes: look at timeout server there",
        ),
        (
            503,
            haproxy("503 Service Unavailable", "No server is available to handle this request."),
            "(HAProxy, by its page, no request ID): No server is available to handle this "
            "request; it has no service to ask, or takes fewer requests at a time",
        ),
        (
            400,
            haproxy("400 Bad request", "Your browser sent an invalid request."),
            "(HAProxy, by its page, no request ID): Your browser sent an invalid request; where a "
            "request changes very many or long properties, it takes fewer or shorter headers: "
            "look at tune.bufsize and tune.http.maxhdr there",
        ),
        (
            502,
            apache("502 Proxy Error", "The proxy server received an invalid response"),
            "(Apache/2.4.71 (Debian), no request ID): Proxy Error The proxy server received an "
            "invalid response; the service does not answer it or, where it is this image alone, "
            "sends more metadata than its buffers for headers take: look at responsefieldsize "
            "there",
        ),
        (
            407,
            squid("Cache access denied."),
            "(squid/5.7, no request ID): Cache access denied. Generated Sun, 29 Nov 2026 by here; "
            "the proxy wants a log-in: http://<user>:<password>@<proxy> in http_proxy or "
            "https_proxy",
        ),
        (
            504,
            "",
            "(no request ID); it waits less long than the service takes: look at its settings, "
            "as nginx's proxy_read_timeout, haproxy's timeout server, apache's ProxyTimeout",
        ),
    ],
)
def test_who_speaks_and_what_to_look_at(requests_mock, service, status, page, said):
    assert told(requests_mock, service, status, page) == BEGINS + said


@pytest.mark.parametrize("status", [400, 403, 404, 405, 407, 413, 414, 418, 429, 500, 502, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_any_status_of_a_front_end(requests_mock, service, status, method):
    page = "" if method == "HEAD" else nginx(f"{status} So")
    said = told(requests_mock, service, status, page, method)
    assert said.startswith(BEGINS) == (method != "HEAD" or status in (502, 504))
    assert "nginx/1.22.1;" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("server", ["Apache/2.4.71 (Debian)", "waiting"])
@pytest.mark.parametrize(
    "kind",
    [
        '"-//IETF//DTD HTML 2.0//EN"',
        '"-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd"',
    ],
)
def test_an_apache_whose_pages_do_not_name_it(requests_mock, service, server, kind):
    page = (
        f"<!DOCTYPE HTML PUBLIC {kind}>\n<html><head>\n<title>400 Bad Request"
        "</title>\n</head><body>\n<h1>Bad Request</h1>\n<p>The number of request header fields "
        "exceeds this server's limit.</p>\n</body></html>\n"
    )
    name = server if "Apache" in server else "Apache, by its page"
    said = told(requests_mock, service, 400, page, Server=server)
    assert said.startswith(f"{BEGINS}({name}, no request ID): Bad Request The number of request")
    assert said.endswith("look at LimitRequestFields and LimitRequestFieldSize there")


@pytest.mark.parametrize("name", ["nginx/1.22.1", "Apache/2.4.71 (Debian)"])
def test_an_answer_to_head_is_told_by_its_server(requests_mock, service, name):
    said = told(requests_mock, service, 502, "", "HEAD", Server=name)
    assert said.startswith(f"{BEGINS}({name}, no request ID); ")
    assert "BaseHTTP" not in told(requests_mock, service, 502, "", "HEAD", Server="BaseHTTP")


def test_the_services_own_pages_are_its_own(requests_mock, service):
    """WebOb's and Paste's, also of releases without request IDs; and whatever has an ID."""
    webob = (
        "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n"
        "  <h1>404 Not Found</h1>\n  No image found with ID a<br /><br />\n\n\n\n </body>\n</html>"
    )
    paste = (
        "<html>\r\n<head><title>Not Found</title></head>\r\n<body>\r\n<h1>Not Found</h1>\r\n"
        "<p>The resource could not be found.\r\n<br/>/v9\r\n</p>\r\n<hr noshade>\r\n"
        '<div align="right">WSGI Server</div>\r\n</body>\r\n</html>'
    )
    assert told(requests_mock, service, 404, webob) == "X: No image found with ID a"
    assert "in front of" not in told(requests_mock, service, 404, paste)
    assert told(requests_mock, service, 503, "down", Server="nginx") == "X: down"
    requests_mock.get(
        URL, status_code=502, text=nginx("502 Bad"), headers={"X-Openstack-Request-Id": "req-1"}
    )
    with pytest.raises(exceptions.ServerError) as caught:
        service.get_json("/images", "X")
    assert "in front of" not in str(caught.value)


def test_a_page_cannot_drive_the_terminal_or_tell_a_key(requests_mock, service):
    name = "nginx \x1b[2J\u202e http://u:se/cret@h"
    said = told(requests_mock, service, 502, nginx("502 Bad Gateway", name=name))
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "cret" not in said
