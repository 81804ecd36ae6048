"""In which worlds a test runs."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.cloud import World

DATABASES = ("sqlite", "mariadb", "postgresql")
FRONT_ENDS = ("nginx", "haproxy", "apache")

#: Three clouds in which every part is met once.
_WORLDS = (
    World(database="mariadb", front_end="nginx"),
    World(database="postgresql", front_end="apache"),
    World(store="swift", front_end="haproxy", identity="v2"),
)

_PARTS = {part for world in _WORLDS for part in asdict(world).values()}


def world_with(part: str) -> World:
    """The world that a part is in; what else is in it may be missing on this machine."""
    return next(world for world in _WORLDS if part in asdict(world).values())


def in_worlds(*parts: str) -> pytest.MarkDecorator:
    """Run a test once in a cloud with each of these parts: a database, a store, a front end, v2."""
    return pytest.mark.parametrize("cloud", parts, indirect=True, scope="session")


class WorldByWorld(LoadScopeScheduling):
    """Gives all tests of a world to one process: two cannot share a cloud."""

    def _split_scope(self, nodeid: str) -> str:
        # The part is what a test's own parameters are followed by.
        part = nodeid.removesuffix("]").split("[")[-1].split("-")[-1]
        return world_with(part).name if part in _PARTS else nodeid
