"""Tokens for a project, a domain, the system, or nothing at all."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from keystoneauth1 import access, fixture

from osc_image_v1.cli import clients, identity
from osc_image_v1.cli.image import ListImage
from osc_image_v1.cli.image_write import CreateImage
from osc_image_v1.exceptions import InvalidInput
from tests.unit.conftest import IMAGE_URL, Shell, brief, session_at
from tests.unit.glance import Glance
from tests.unit.keystone import Keystone

PROJECT = "d" * 32


def v3(**scoped: Any) -> access.AccessInfoV3:
    token = fixture.V3Token()
    if "project" in scoped:
        token.set_project_scope(PROJECT)
    if "domain" in scoped:
        token.set_domain_scope()
    # keystoneauth1 5.0 looks for it in every token.
    if "system" in scoped:
        token.set_system_scope()
    return access.AccessInfoV3(body=token, auth_token="t")


def v2(**scoped: Any) -> access.AccessInfoV2:
    token = fixture.V2Token()
    if "project" in scoped:
        token.set_scope(PROJECT)
    return access.AccessInfoV2(body=token)


TOKENS = {
    "project": v3(project=1),
    "domain": v3(domain=1),
    "system": v3(system=1),
    "nothing": v3(),
}


@pytest.fixture
def logged_in(shell: Shell) -> Any:
    def to(token: Any) -> Shell:
        shell.client_manager.auth_ref = token
        shell.client_manager.sdk_connection.identity = Keystone({PROJECT: "demo"})
        return shell

    return to


@pytest.mark.parametrize("name", TOKENS)
def test_scopes(logged_in: Any, name: str) -> None:
    assert identity.scope_of(logged_in(TOKENS[name]).client_manager) == name


def test_scopes_of_old_identity_services(logged_in: Any) -> None:
    assert identity.scope_of(logged_in(v2(project=1)).client_manager) == "project"
    assert identity.scope_of(logged_in(v2()).client_manager) == "nothing"


@pytest.mark.parametrize("token", [None, TOKENS["project"]])
def test_a_project_is_enough(logged_in: Any, token: Any, caplog: Any) -> None:
    manager = logged_in(token).client_manager
    identity.tell_scope(manager)
    identity.check_owner(manager, False, "--project")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("name", "chosen", "said"),
    [
        (
            "nothing",
            False,
            "to no project: a new image would belong to nobody. Log in to a project",
        ),
        ("nothing", True, "to no project: a new image would belong to nobody. Log in to a project"),
        ("domain", False, "but to a domain: .*choose the owner with --project"),
        ("system", False, "but to the whole system: .*choose the owner with --project"),
        ("domain", True, None),
        ("system", True, None),
    ],
)
def test_no_image_is_made_for_nobody(
    logged_in: Any, requests_mock: Any, name: str, chosen: bool, said: str | None
) -> None:
    shell = logged_in(TOKENS[name])
    argv = ["--project", "demo"] if chosen else []
    if said:
        with pytest.raises(InvalidInput, match=said):
            shell.run(CreateImage, "new", *argv)
        assert requests_mock.call_count == 0
        return
    Glance(requests_mock)
    made = json.loads(shell.run(CreateImage, "new", *argv, "-f", "json"))
    assert made["owner"] == PROJECT


def test_the_cloud_is_named(logged_in: Any) -> None:
    for name in ("nothing", "domain"):
        manager = logged_in(TOKENS[name]).client_manager
        with pytest.raises(InvalidInput, match="project in cloud 'new'"):
            identity.check_owner(manager, False, "--project-map", "new")


@pytest.mark.parametrize(
    ("name", "level"),
    [("nothing", logging.WARNING), ("domain", logging.INFO), ("system", logging.INFO)],
)
def test_lists_say_what_is_seen(
    logged_in: Any, listing: Any, caplog: Any, name: str, level: int
) -> None:
    listing([brief(0)])
    shell = logged_in(TOKENS[name])
    with caplog.at_level(logging.INFO, "osc_image_v1.cli.identity"):
        shell.run(ListImage, "-f", "json")
    (record,) = caplog.records
    assert record.levelno == level
    assert "logged in to no project" in record.getMessage()


def test_other_clients_say_it_too(logged_in: Any, caplog: Any) -> None:
    manager = logged_in(TOKENS["nothing"]).client_manager
    for version in ("v1", "v2"):
        clients.image_target(manager, version)
    assert len(caplog.messages) == 2


def test_without_an_identity_service() -> None:
    assert identity.scope_of(Shell(session_at(IMAGE_URL)).client_manager) is None
