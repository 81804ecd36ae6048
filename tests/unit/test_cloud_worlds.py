"""What the test cloud can be made of, and what it says where a server is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cloud import Cloud, CloudError, World, WorldUnavailable, interpreters


def test_its_name_is_what_it_is_made_of() -> None:
    assert World().name == ""
    assert World("mariadb", "swift", "nginx").name == "mariadb-swift-nginx"
    assert World(front_end="haproxy").parts == ("haproxy",)
    with pytest.raises(CloudError, match="no such part of a world: oracle"):
        World(database="oracle")


@pytest.mark.parametrize(
    ("world", "program", "package"),
    [
        (World(database="mariadb"), "mariadbd", "mariadb-server"),
        (World(database="postgresql"), "postgres", "postgresql"),
        (World(store="swift"), "swift-proxy-server", "swift-proxy"),
        (World(front_end="nginx"), "nginx", "nginx-light"),
        (World(front_end="haproxy"), "haproxy", "haproxy"),
        (World(front_end="apache"), "apache2", "apache2"),
    ],
)
def test_a_server_that_is_missing_is_named(
    world: World, program: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    expected = f"^World unavailable: {program} is not here \\(in Debian: {package}"
    with pytest.raises(WorldUnavailable, match=expected):
        Cloud(tmp_path).world(world.database, world.store, world.front_end)
    # Nothing was begun.
    assert not (tmp_path / "twins").exists()


def test_a_python_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interpreters, "python2", lambda: None)
    with pytest.raises(WorldUnavailable, match=r"^World unavailable: Python 2\.7 is not here$"):
        Cloud(tmp_path).world(identity="v2")


def test_the_default_world_needs_nothing(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    assert cloud.world() is cloud


def test_a_world_remembers_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: f"/usr/sbin/{name}")
    made = Cloud(tmp_path).world(store="swift", front_end="apache")
    assert made.places.root == tmp_path / "twins" / "swift-apache"
    again = Cloud(made.places.root).places
    assert again.world == World(store="swift", front_end="apache")
    assert {"swift", "swift-object", "front-tls-identity"} < set(again.listeners)
    assert "database" not in again.listeners
