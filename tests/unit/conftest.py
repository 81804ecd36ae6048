"""What the unit tests share: sessions, clients and commands in front of requests-mock."""

from __future__ import annotations

import inspect
import io
import sys
import threading
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import hypothesis
import pytest
import requests_mock as rm
from cliff import lister
from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import session as ksa_session
from keystoneauth1 import token_endpoint
from openstack.config.cloud_region import CloudRegion

from osc_image_v1 import plugin
from osc_image_v1.api.compute_images import ComputeImageClient
from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.cli import base
from osc_image_v1.exceptions import OwnFailures, WrongUsage

IMAGE_URL = "http://image.example:9292"
COMPUTE_URL = "http://compute.example:8774/v2.1"

# The warning about what cannot be sorted was an IndexError in the first releases of cliff 4.
SORT_FAILS = "sort_columns[index]" in inspect.getsource(lister)

hypothesis.settings.register_profile("unit", deadline=None, max_examples=100, database=None)
hypothesis.settings.load_profile("unit")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: tries many inputs, see tests/unit/fuzz.py")


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the code wanted to sleep; it does not."""
    taken: list[float] = []
    monkeypatch.setattr("time.sleep", taken.append)
    return taken


class Terminal(io.StringIO):
    """An output that is a terminal."""

    def isatty(self) -> bool:
        return True


def session_at(url: str) -> ksa_session.Session:
    return ksa_session.Session(auth=token_endpoint.Token(url, "secret-token"))


def adapter_at(url: str, service_type: str = "image", **options: Any) -> ksa_adapter.Adapter:
    return ksa_adapter.Adapter(session_at(url), service_type=service_type, **options)


@pytest.fixture
def client() -> ImageClient:
    return ImageClient(adapter_at(IMAGE_URL))


@pytest.fixture
def glance(requests_mock: rm.Mocker) -> Any:
    """A service with the Image API v2, where images are brought."""
    from tests.unit.glance_v2 import GlanceV2

    return GlanceV2(requests_mock)


@pytest.fixture
def store(requests_mock: rm.Mocker) -> Any:
    """A service with the Image API v1 whose images have data and members."""
    from tests.unit.store import Store

    return Store(requests_mock)


@pytest.fixture
def compute_client() -> ComputeImageClient:
    return ComputeImageClient(adapter_at(COMPUTE_URL, "compute"))


def image_id(number: int) -> str:
    return str(uuid.UUID(int=number + 1))


def brief(number: int, **fields: Any) -> dict[str, Any]:
    """A record as a brief list has it."""
    return {
        "id": image_id(number),
        "name": f"image {number}",
        "disk_format": "raw",
        "container_format": "bare",
        "size": 1000 + number,
        "checksum": f"{number:032x}",
        **fields,
    }


def detail(number: int, **fields: Any) -> dict[str, Any]:
    """A record as a detailed list has it."""
    return {
        **brief(number),
        "status": "active",
        "created_at": "2026-11-22T13:32:06.003166",
        "updated_at": "2026-11-22T13:32:07.000000",
        "deleted_at": None,
        "deleted": False,
        "is_public": False,
        "protected": False,
        "min_disk": 0,
        "min_ram": 0,
        "owner": "p1",
        "properties": {},
        "virtual_size": None,
        **fields,
    }


def params_of(request: Any) -> dict[str, str]:
    """The query of a request; requests-mock's own is in lower case."""
    return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))


class ListService:
    """Lists as Glance v1 makes them: marker, limit, a cap, and no link to the next page."""

    def __init__(self, mock: rm.Mocker, records: list[dict[str, Any]], cap: int = 1000) -> None:
        self.records = records
        self.cap = cap
        self.mock = mock
        self.deleted: set[str] = set()
        self.params: list[dict[str, str]] = []
        for path in ("/v1/images", "/v1/images/detail"):
            mock.get(IMAGE_URL + path, json=self._page)

    @property
    def requests(self) -> int:
        return len(self.params)

    def _page(self, request: Any, context: Any) -> Any:
        params = params_of(request)
        self.params.append(params)
        ids = [record["id"] for record in self.records]
        begin = 0
        if "marker" in params:
            if params["marker"] not in ids or params["marker"] in self.deleted:
                context.status_code = 400
                return {"message": "Invalid marker"}
            begin = ids.index(params["marker"]) + 1
        after = [record for record in self.records[begin:] if record["id"] not in self.deleted]
        return {"images": after[: min(int(params.get("limit", 25)), self.cap)]}


@pytest.fixture
def listing(requests_mock: rm.Mocker) -> Callable[..., ListService]:
    def serve(records: list[dict[str, Any]], cap: int = 1000) -> ListService:
        return ListService(requests_mock, records, cap)

    return serve


class Shell:
    """A shell around commands: real clients behind a client manager, and an output."""

    def __init__(self, session: ksa_session.Session, **settings: Any) -> None:
        region = CloudRegion(name="test", region_name="RegionOne", config=settings)
        self.stdout = io.StringIO()
        self.client_manager = _Manager(session, region)

    def run(self, command: type, *argv: str) -> str:
        """Run a command and return what it wrote.

        :raises WrongUsage: if the command says that, and ends with 2
        :raises OwnFailures: if images have failed for reasons of their own, and it ends with 3
        """
        self.stdout.seek(0)
        self.stdout.truncate()
        runner = command(self, None)
        said: list[str] = []

        def note(text: object) -> None:
            said.append(str(text))
            logged(text)

        logged = base.LOG.error
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(base.LOG, "error", note)
            status = runner.run(runner.get_parser("openstack").parse_args(argv))
        for error in (WrongUsage, OwnFailures):
            if status == error.exit_status:
                raise error(said[-1])
        assert not status
        return self.stdout.getvalue()


class _Manager:
    def __init__(self, session: ksa_session.Session, region: CloudRegion) -> None:
        self.session = session
        self.sdk_connection = SimpleNamespace(config=region)

    @property
    def image_v1(self) -> ImageClient:
        return plugin.make_client(self)


@pytest.fixture
def shell() -> Shell:
    return Shell(session_at(IMAGE_URL))


@pytest.fixture
def compute_shell() -> Shell:
    return Shell(session_at(COMPUTE_URL))


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make bytes the standard input, or a terminal."""

    def be(data: bytes, terminal: bool = False) -> None:
        stream = io.TextIOWrapper(io.BytesIO(data))
        monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
        monkeypatch.setattr(sys, "stdin", stream)

    be(b"not to be read")
    return be


class Clock(threading.Event):
    """A clock that stands still until somebody waits, and what ends the waiting, in one."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self.now += timeout or 0
        return self.is_set()


@pytest.fixture
def clock() -> Clock:
    return Clock()
