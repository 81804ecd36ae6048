"""Every command in front of a service that is after the terminal, the token or another host."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from osc_image_v1.migrate import delivery
from osc_image_v1.transfer import patience
from tests.faults.commands import COMMANDS
from tests.faults.conftest import Result
from tests.faults.server import IMAGE_ID, PASSWORD, Answer, FakeImage, Service, instead, text
from tests.faults.test_save_alone import Shell

EVIL = "a\x1b]0;title\x07\x9b31m\u202egnp.exe\u2028b"
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")
_IMAGE = FakeImage(data=b"data", more={"properties": {"p": "v"}})
_EVIL_IMAGE = FakeImage(
    name=EVIL,
    data=b"data",
    more={"properties": {"p": "v", EVIL: EVIL}, "owner": EVIL, "disk_format": EVIL},
)
_KEY = "swift+http://user:of/the@store@swift.example/v1/c/o"
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:4]))


def test_these_are_all_commands() -> None:
    points = metadata.entry_points(group="openstack.image_v1.v1")
    lines = [" ".join(words) for words in COMMANDS]
    for point in points:
        name = point.name.replace("_", " ")
        assert sum(f"{line} ".startswith(f"{name} ") for line in lines) == 1, name
    assert len(COMMANDS) == len(points)


def run(shell: Shell, service: Service, command: Sequence[str], directory: Path) -> Result:
    """Run a command with what it needs: a file, an export, another cloud."""
    (directory / "source").write_bytes(b"data")
    if "export" in command[-1]:
        with Service([_IMAGE]) as good:
            assert shell(good, "image", "v1", "export", str(directory / "export")).status == 0
        (directory / f"export/{IMAGE_ID}.img").unlink()
    words = [word.replace("<directory>", str(directory)) for word in command]
    if words[2] == "import":
        (directory / f"export/{IMAGE_ID}.img").write_bytes(b"data")
    return shell(service, "--debug", *words)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_FIRST_POLL", 0.01)
    monkeypatch.setattr(delivery, "_AFTER_AN_ERROR", 0.05)


@pytest.fixture
def other_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The password by the environment: the shell itself shows its command line with --debug."""
    monkeypatch.setenv("OS_PASSWORD", PASSWORD)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))


class _Keystone(Service):
    """A service that wants tokens, and the other cloud of a copy."""

    def options(self) -> list[str]:
        options = super().options()
        at = options.index("--os-password")
        return options[:at] + options[at + 2 :]

    def write_clouds(self, path: Path) -> None:
        there = {"auth_type": "none", "endpoint": self.url, "image_endpoint_override": self.url}
        path.write_text(json.dumps({"clouds": {"there": there, "other": {"auth_type": "none"}}}))


def check_safe(result: Result) -> None:
    """Nothing that was written drives a terminal or has a secret."""
    for output in (result.out.decode(), result.err):
        assert not _CONTROL.search(output.replace("\t", " "))
        assert PASSWORD not in output
        assert "token-of-nobody" not in output
        assert "user:of/the" not in output


@each_command
def test_what_a_service_says_is_safe(
    command: Sequence[str], shell: Shell, tmp_path: Path, other_cloud: None
) -> None:
    """Names, properties and owners that would drive the terminal; with --debug nothing secret."""
    with _Keystone([_EVIL_IMAGE], keystone=True) as service:
        service.write_clouds(tmp_path / "clouds.yaml")
        result = run(shell, service, command, tmp_path)
    assert "GET http" in result.err or "http" in result.err
    assert service.kinds
    check_safe(result)


@each_command
def test_what_a_service_refuses_with_is_safe(
    command: Sequence[str], shell: Shell, tmp_path: Path, other_cloud: None
) -> None:
    """An error that would drive the terminal, repeats the token and tells the key of a store."""

    def refuses(answer: Answer, service: Service) -> Answer:
        headers = [("X-Debug", str(service.tokens)), ("X-Location", _KEY)]
        return text(400, f"<b>{EVIL}</b> {service.tokens} {_KEY}", *headers)

    with _Keystone([_IMAGE], keystone=True, every=refuses) as service:
        service.write_clouds(tmp_path / "clouds.yaml")
        result = run(shell, service, command, tmp_path)
    assert service.kinds
    # 3 where that is an answer to one image of many.
    assert result.status in (1, 3)
    assert "HTTP 400" in result.err + result.out.decode()
    check_safe(result)


@each_command
@pytest.mark.parametrize("target", ["{0}/v1/images", "{0}\\@{1}/v1/images", "{0}\\.{1}/v1/images"])
def test_a_redirect_elsewhere_is_not_followed(
    command: Sequence[str], target: str, shell: Shell, tmp_path: Path, other_cloud: None
) -> None:
    """Nor where one reader of URLs takes it for the service itself."""
    with Service([_IMAGE]) as elsewhere:

        def redirects(answer: Answer, service: Service) -> Answer:
            location = target.format(elsewhere.url, service.url.partition("//")[2])
            return instead(307, "", ("Location", location))(answer, service)

        with _Keystone([_IMAGE], keystone=True, every=redirects) as service:
            service.write_clouds(tmp_path / "clouds.yaml")
            result = run(shell, service, command, tmp_path)
    assert elsewhere.asked == []
    assert service.kinds
    assert result.status == 1
    assert "which is not followed" in result.err + result.out.decode()
    check_safe(result)
