"""The session's connections fit ``--parallel``."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from keystoneauth1 import session as ksa_session
from keystoneauth1 import token_endpoint

from osc_image_v1.api.http import ServiceClient, keep_connections
from osc_image_v1.cli import clients, options
from osc_image_v1.transfer import many
from tests.unit.conftest import IMAGE_URL, adapter_at, session_at

MANY = 24


def http_adapter(session):
    return session.session.get_adapter(IMAGE_URL)


def sizes(session):
    pool = http_adapter(session).poolmanager.connection_from_url(IMAGE_URL)
    return pool.pool.maxsize


class _Slow(BaseHTTPRequestHandler):
    """Answers when all are there, and keeps the connection."""

    protocol_version = "HTTP/1.1"
    all_here: threading.Barrier
    connections: list[object]

    def setup(self):
        super().setup()
        self.connections.append(self.client_address)

    def do_GET(self):
        self.all_here.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_text):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()

    def do_DELETE(self):
        self.send_response(204)
        self.end_headers()

    def do_PUT(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def slow():
    connections: list[object] = []
    shared = {"all_here": threading.Barrier(MANY), "connections": connections}
    handler = type("Handler", (_Slow,), shared)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", connections
        server.shutdown()


@pytest.mark.parametrize("kept", [True, False])
def test_no_connection_is_lost_or_warned_of(slow, caplog, kept):
    url, connections = slow
    adapter = adapter_at(url)
    if kept:
        keep_connections(adapter.session, MANY)
    client = ServiceClient(adapter, "v1")

    def work():
        client.get_json("/images", "X")

    for _ in range(2):
        threads = [threading.Thread(target=work) for _ in range(MANY)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    full = [record for record in caplog.records if "pool is full" in record.getMessage()]
    assert bool(full) != kept
    assert (len(connections) == MANY) == kept


def test_an_answer_without_a_body_leaves_its_connection_to_the_next_request(slow):
    url, connections = slow
    client = ServiceClient(adapter_at(url), "v1")
    for method in ("HEAD", "DELETE", "PUT", "HEAD"):
        client.request(method, "/images/1", "X", ok=(200, 204))
    assert len(connections) == 1


def test_the_default_is_one_for_the_commands_and_in_programs():
    assert options.PARALLEL == many.PARALLEL


def test_the_commands_sessions_have_enough(shell):
    assert 2 * options._MOST_PARALLEL <= clients.CONNECTIONS
    _client = shell.client_manager.image_v1
    assert sizes(shell.client_manager.session) == clients.CONNECTIONS
    pools = http_adapter(shell.client_manager.session).poolmanager
    clients.compute_image_client(shell.client_manager)
    assert http_adapter(shell.client_manager.session).poolmanager is pools


def test_a_session_that_came_with_adapters_keeps_them():
    class Own(requests.adapters.HTTPAdapter):
        pass

    own, blocking, large = Own(), Own(pool_block=True), Own(pool_maxsize=500)
    session = requests.Session()
    session.mount("http://", own)
    session.mount("https://", blocking)
    session.mount("https://large.example", large)
    session.mount("file://", other := requests.adapters.BaseAdapter())
    whole = ksa_session.Session(token_endpoint.Token(IMAGE_URL, "t"), session=session)
    before = [blocking.poolmanager, large.poolmanager]
    keep_connections(whole, 100)
    assert set(session.adapters.values()) == {own, blocking, large, other}
    assert [blocking.poolmanager, large.poolmanager] == before
    assert sizes(whole) == 100


def test_proxies_have_pools_of_that_size_too():
    session = session_at(IMAGE_URL)
    adapter = http_adapter(session)
    adapter.proxy_manager_for("http://proxy.example:3128")
    keep_connections(session, 100)
    manager = adapter.proxy_manager_for("http://proxy.example:3128")
    assert manager.connection_pool_kw["maxsize"] == 100


def test_a_client_leaves_a_callers_session_alone(requests_mock):
    adapter = adapter_at(IMAGE_URL)
    pools = adapter.session.session.adapters["http://"].poolmanager
    requests_mock.get(f"{IMAGE_URL}/v1/images", json=[])
    ServiceClient(adapter, "v1").get_json("/images", "X")
    assert adapter.session.session.adapters["http://"].poolmanager is pools


def test_the_environment_is_read_once_for_each_origin(monkeypatch, tmp_path, requests_mock):
    (tmp_path / "netrc").write_text("machine image.example login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "other.example")
    asked = []
    for name in ("get_environ_proxies", "get_netrc_auth"):
        for module in (requests.sessions, requests.utils):
            real = getattr(requests.utils, name)

            def count(url, *arguments, _real=real, **named):
                asked.append(url)
                return _real(url, *arguments, **named)

            monkeypatch.setattr(module, name, count)
    session = session_at(IMAGE_URL)
    keep_connections(session, 100)
    keep_connections(session, 100)
    sent = []
    for _ in range(3):
        for url in ("http://image.example/a", "http://other.example/b", "http://x:y@third.example"):
            sent.append(requests_mock.get(url, text=""))
            session.get(url)
    assert len([url for url in asked if "@" not in url]) == 4
    proxies = [one.last_request.proxies.get("http") for one in sent[-3:]]
    assert proxies == ["http://proxy.example:3128", None, "http://proxy.example:3128"]
    logins = [one.last_request.headers.get("Authorization") for one in sent[-3:]]
    assert logins == ["Basic bWU6c2VjcmV0", None, "Basic eDp5"]


def test_a_session_of_another_kind_stays_what_it_is():
    class Own(requests.Session):
        pass

    session = ksa_session.Session(token_endpoint.Token(IMAGE_URL, "t"), session=Own())
    keep_connections(session, 100)
    assert type(session.session) is Own
