"""No secret leaves by the wrong door, whatever a service does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Result
from tests.faults.rows import DATA, MIDDLE
from tests.faults.server import (
    IMAGE_ID,
    PASSWORD,
    FakeImage,
    Service,
    cut,
    expires,
    instead,
)

_COMMANDS = (
    ("image", "v1", "list"),
    ("image", "v1", "show", IMAGE_ID),
    ("image", "v1", "save", "--file", "<target>", IMAGE_ID),
    ("compute", "image", "list"),
)


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize("fails", [False, True])
def test_no_secret_is_shown(
    command: tuple[str, ...],
    fails: bool,
    shell: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The password by the environment: the shell itself shows its command line with --debug."""
    kinds = ("list", "head", "data", "rest", "compute")
    faults = {kind: [instead(401)] * 9 for kind in kinds} if fails else {"data": [cut(MIDDLE)]}
    command = tuple(word.replace("<target>", str(tmp_path / "x")) for word in command)
    with Service([FakeImage(data=DATA)], faults, keystone=True) as service:
        monkeypatch.setenv("OS_PASSWORD", PASSWORD)
        monkeypatch.setattr(service, "options", _without_password(service.options()))
        result = shell(service, "--debug", *command)
    assert bool(result.status) == fails
    output = result.out.decode() + result.err
    assert "REQ: curl -g -i -X GET " in output
    assert PASSWORD not in output
    assert "token-of-nobody" not in output


def _without_password(options: list[str]) -> Callable[[], list[str]]:
    at = options.index("--os-password")
    return lambda: options[:at] + options[at + 2 :]


@pytest.mark.parametrize("command", [_COMMANDS[0], _COMMANDS[1], _COMMANDS[3]], ids=" ".join)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_elsewhere(
    command: tuple[str, ...], status: int, shell: Callable[..., Result]
) -> None:
    with Service([FakeImage()]) as elsewhere:
        location = ("Location", elsewhere.url + "/v1/images")
        faults = {kind: [instead(status, "", location)] for kind in ("list", "head", "compute")}
        with Service([FakeImage()], faults, keystone=True) as service:
            result = shell(service, *command)
    assert result.status == 1
    assert re.search(r"redirects to \S+, which is not followed", result.err)
    assert elsewhere.asked == []
    assert len(service.kinds) == 1


def test_redirect_of_a_part(shell: Callable[..., Result], tmp_path: Path) -> None:
    """The rest of the data is asked of v2, whose redirects lead no further."""
    with Service([FakeImage(data=DATA)]) as elsewhere:
        location = ("Location", f"{elsewhere.url}/v2/images/{IMAGE_ID}/file")
        faults = {"data": [cut(MIDDLE)], "rest": [instead(302, "", location)]}
        with Service([FakeImage(data=DATA)], faults, keystone=True) as service:
            command = ("image", "v1", "save", "--file", str(tmp_path / "x"), IMAGE_ID)
            result = shell(service, *command)
    assert (result.status, result.err) == (0, "")
    assert elsewhere.asked == []
    assert [kind.split()[0] for kind in service.kinds] == ["head", "data", "rest", "data"]


def test_token_expires_once(shell: Callable[..., Result], tmp_path: Path) -> None:
    """One new token for one that is not taken any more."""
    faults = {"data": [expires(cut(MIDDLE))]}
    with Service([FakeImage(data=DATA)], faults, keystone=True) as service:
        command = ("image", "v1", "save", "--file", str(tmp_path / "x"), IMAGE_ID)
        assert shell(service, *command).status == 0
    assert [asked.kind for asked in service.asked].count("token") == 2


@pytest.mark.parametrize("command", [_COMMANDS[0], _COMMANDS[1]], ids=" ".join)
def test_table_does_not_drive_the_terminal(
    command: tuple[str, ...], shell: Callable[..., Result]
) -> None:
    evil = "a\x1b]0;title\x07\x9b31m\u202egnp.exe\u2028b"
    image = FakeImage(name=evil, more={"properties": {"p": evil}, "owner": evil})
    with Service([image]) as service:
        result = shell(service, *command, *(["--long"] if "list" in command else []))
    assert result.status == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", result.out.decode())


@pytest.mark.parametrize(
    "identifier", ["../../etc/passwd", "..", "/etc/passwd", "a\x00b", "con", "x" * 5000]
)
def test_an_id_is_no_path(identifier: str, shell: Callable[..., Result], tmp_path: Path) -> None:
    """An ID that a service makes up neither leads to a file nor to another URL."""
    image = FakeImage(id=identifier, name="wanted", data=b"data")
    with Service([image]) as service:
        target = tmp_path / "x"
        result = shell(service, "image", "v1", "save", "--file", str(target), "wanted")
    assert result.status in (0, 1)
    assert result.err.count("\n") == result.status
    assert [path.name for path in tmp_path.iterdir()] in ([], ["x"])
    assert all(asked.path.startswith("/v1/images") for asked in service.asked)


@pytest.mark.parametrize(
    "identifier", ["../../evil", "/tmp/evil", "a\x00b", "con", "nul.txt", "-rf", "x" * 1000]
)
def test_an_id_is_no_path_in_an_export(
    identifier: str, shell: Callable[..., Result], tmp_path: Path
) -> None:
    """Neither on the way out nor back in: each file is in the directory, under a safe name."""
    directory = tmp_path / "a" / "b" / "export"
    directory.parent.mkdir(parents=True)
    image = FakeImage(id=identifier, name="../../name", data=b"data")
    with Service([image]) as service:
        result = shell(service, "image", "v1", "export", str(directory))
    assert result.status == 0
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    names = sorted(path.name for path in files)
    assert {path.parent for path in files} == {Path("a/b/export")}
    sums, data, manifest = names
    assert re.fullmatch(r"id-[0-9a-f]{64}\.img", data)
    assert (sums, manifest) == ("SHA256SUMS", "manifest.jsonl")


def test_an_export_is_its_users_alone(shell: Callable[..., Result], tmp_path: Path) -> None:
    with Service([FakeImage(data=b"data")]) as service:
        assert shell(service, "image", "v1", "export", str(tmp_path / "export")).status == 0
    assert (tmp_path / "export").stat().st_mode & 0o777 == 0o700


_INJECTED = "x\r\nX-Auth-Token: evil"


@pytest.mark.parametrize(
    "command",
    [
        ("create", _INJECTED),
        ("create", "--property", f"p={_INJECTED}", "new"),
        ("create", "--property", f"{_INJECTED}=v", "new"),
        ("create", "--copy-from", f"http://{_INJECTED}", "new"),
        ("create", "--store", _INJECTED, "--location", "http://x", "new"),
        ("set", "--name", _INJECTED, IMAGE_ID),
        ("set", "--property", f"p={_INJECTED}", IMAGE_ID),
        ("set", "--disk-format", _INJECTED, IMAGE_ID),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_header_is_injected(command: tuple[str, ...], shell: Callable[..., Result]) -> None:
    with Service([FakeImage()]) as service:
        result = shell(service, "image", "v1", *command)
    assert result.status == 2
    assert result.err.count("\n") == 1
    assert "\r" not in result.err
    assert [asked for asked in service.asked if asked.kind not in ("head", "list")] == []


@pytest.mark.parametrize("text", [_INJECTED, "a/../../v2", "?x=y", "#f", "a b", "%2e%2e"])
@pytest.mark.parametrize("command", ["show", "delete", "member list", "add project"])
def test_what_a_person_gives_leads_to_no_other_url(
    command: str, text: str, shell: Callable[..., Result]
) -> None:
    words = [text, text] if "project" in command else [text]
    with Service([FakeImage()]) as service:
        assert shell(service, "image", "v1", *command.split(), *words).status == 1
    assert {asked.path for asked in service.asked} <= {"/", "/v1/images/detail", "/v1/images"}


@pytest.mark.parametrize("auth_type", ["v3token", "admin_token", "token"])
def test_no_token_of_the_environment_is_shown(
    auth_type: str, shell: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Service([FakeImage()]) as service:
        monkeypatch.setenv("OS_TOKEN", "token-of-the-environment")
        monkeypatch.setenv("OS_AUTH_URL", f"{service.url}/v3")
        monkeypatch.setenv("OS_ENDPOINT", service.url)
        if auth_type != "admin_token":
            monkeypatch.setenv("OS_PROJECT_NAME", "none")
            monkeypatch.setenv("OS_PROJECT_DOMAIN_ID", "default")
        monkeypatch.setattr(service, "options", lambda: ["--os-auth-type", auth_type])
        result = shell(service, "--debug", "image", "v1", "list")
    assert result.status == 0
    assert set(service.kinds) == {"list"}
    output = result.out.decode() + result.err
    assert "token-of-the-environment" not in output
    assert "token-of-nobody" not in output
