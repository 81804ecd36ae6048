"""The real shell in front of clouds that are made as clouds in production are.

A test says in which by ``@in_worlds("mariadb", "postgresql")``: it runs once in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest
from xdist.remote import Producer
from xdist.scheduler import Scheduling

from tests.cloud import Cloud, World, WorldUnavailable
from tests.functional.conftest import _environment as _environment
from tests.functional.conftest import count as count
from tests.functional.conftest import openstack as openstack
from tests.functional.conftest import run_openstack as run_openstack
from tests.functional.conftest import session as session
from tests.functional.writing import beside as beside
from tests.worlds.worlds import WorldByWorld, world_with

_DEFAULT = asdict(World())

_up: dict[World, Cloud] = {}
_ours: list[Cloud] = []


def _missing(kind: str, part: str) -> str:
    """Why a part of a world cannot be had; empty if it can."""
    try:
        World(**{kind: part}).need()
    except WorldUnavailable as error:
        return str(error).removeprefix("World unavailable: ")
    return ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Share the tests out among processes by the worlds that they need."""
    return WorldByWorld(config, log)


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The cloud of the world that the parameter is a part of.

    It is up until the last test; one that was up before stays so.
    """
    world = world_with(request.param)
    there = asdict(world)
    for kind, part in asdict(world).items():
        why = _missing(kind, part)
        if why and part == request.param:
            pytest.skip(f"not run: {why}")
        if why:
            there[kind] = _DEFAULT[kind]
    world = World(**there)
    if world not in _up:
        made = _up[world] = Cloud().world(**there)
        if not made.places.ready.exists() or not made.pids():
            _ours.append(made)
        made.up()
    return _up[world]


@pytest.fixture(scope="session", autouse=True)
def _down_at_the_end() -> Iterator[None]:
    yield
    for cloud in _ours:
        cloud.down()
