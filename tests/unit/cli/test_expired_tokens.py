"""A token that runs out in the middle of a run of many images, and cannot be renewed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
import requests_mock as rm
from keystoneauth1 import fixture
from keystoneauth1 import session as ksa_session
from keystoneauth1.identity import v3

from osc_image_v1.cli.copy import CopyImage
from osc_image_v1.cli.export import ExportImage
from osc_image_v1.exceptions import ImageV1Error
from tests.unit.conftest import IMAGE_URL, Shell, image_id
from tests.unit.store import Store

KEYSTONE = "http://keystone.example:5000/v3"
IMAGES = 142


@pytest.fixture
def store(requests_mock: rm.Mocker) -> Store:
    store = Store(requests_mock)
    for number in range(IMAGES):
        store.add(number)
    return store


@pytest.fixture
def shell(requests_mock: rm.Mocker) -> Shell:
    """A shell with a token alone, of which Keystone makes one other, and then none."""
    token = fixture.V3Token()
    token.set_project_scope()
    token.add_service("image").add_standard_endpoints(public=IMAGE_URL, region="RegionOne")
    requests_mock.post(
        f"{KEYSTONE}/auth/tokens",
        [
            {"json": token, "headers": {"X-Subject-Token": "t"}, "status_code": 201},
            {"json": {"error": {"message": "Failed to validate token"}}, "status_code": 404},
        ],
    )
    return Shell(ksa_session.Session(v3.Token(KEYSTONE, "first", project_id="p1")))


def runs_out(requests_mock: rm.Mocker, status: int, body: str = "") -> list[str]:
    """From the sixth image on the service does not take the token; return who was asked for."""
    asked: list[str] = []

    def refuses(request: Any) -> bool:
        if re.search(r"/v1/images/[0-9a-f-]{36}$", request.path):
            asked.append(request.path)
            return len(set(asked)) > 5
        return False

    requests_mock.register_uri(
        rm.ANY,
        re.compile(f"{IMAGE_URL}/"),
        additional_matcher=refuses,
        status_code=status,
        text=body,
    )
    return asked


def test_an_export_ends_early(
    shell: Shell,
    store: Store,
    requests_mock: rm.Mocker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = runs_out(requests_mock, 401)
    with pytest.raises(ImageV1Error, match=r"more were not tried"):
        shell.run(ExportImage, str(tmp_path / "export"))
    assert len(set(asked)) < 30
    assert "the token has run out" in caplog.text
    assert "get a new one with 'openstack token issue'" in caplog.text


CLOUDS = f"""
clouds:
  old:
    auth_type: admin_token
    auth: {{endpoint: "{IMAGE_URL}", token: of-another-time}}
"""


def test_a_copy_into_a_service_that_lets_everybody_read_ends_early(
    shell: Shell,
    store: Store,
    requests_mock: rm.Mocker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes the user for nobody, and does not say why."""
    (tmp_path / "clouds.yaml").write_text(CLOUDS.replace(IMAGE_URL, "http://there.example"))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    there = re.compile("http://there.example/v1/images")
    requests_mock.get(there, json={"images": []})
    requests_mock.head(there, status_code=404)
    requests_mock.post(there, status_code=403, text="Read-only access")
    command = CopyImage(shell, None)
    argv = ("--to-cloud", "old", "--target", "v1", "-f", "csv")
    with pytest.raises(ImageV1Error, match="more were not tried"):
        command.run(command.get_parser("openstack").parse_args(argv))
    rows = list(csv.DictReader(io.StringIO(shell.stdout.getvalue())))
    failed = [row for row in rows if row["Action"] == "failed"]
    assert len(failed) < 30
    assert "the service takes you for nobody" in failed[0]["Notes"]
    assert len({row["ID"] for row in rows}) == IMAGES
    assert image_id(0) in {row["ID"] for row in rows}
