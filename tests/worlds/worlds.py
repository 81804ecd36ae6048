"""In which worlds a test runs."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from tests.cloud import World

DATABASES = ("sqlite", "mariadb", "postgresql")
FRONT_ENDS = ("nginx", "haproxy", "apache")

#: Three clouds in which every part is met once.
_WORLDS = (
    World(database="mariadb", front_end="nginx"),
    World(database="postgresql", front_end="apache"),
    World(store="swift", front_end="haproxy", identity="v2"),
)


def world_with(part: str) -> World:
    """The world that a part is in; what else is in it may be missing on this machine."""
    return next(world for world in _WORLDS if part in asdict(world).values())


def in_worlds(*parts: str) -> pytest.MarkDecorator:
    """Run a test once in a cloud with each of these parts: a database, a store, a front end, v2.

    All tests of a world are one process's: two cannot share a cloud.
    """
    rows = [
        pytest.param(part, marks=pytest.mark.xdist_group(world_with(part).name)) for part in parts
    ]
    return pytest.mark.parametrize("cloud", rows, indirect=True, scope="session")
