"""Make the databases, keep a pristine copy of the seeded ones, and bring it back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tests.cloud import engines, identities, keystone2
from tests.cloud.configuration import GLANCE15, password_of
from tests.cloud.environments import drivers
from tests.cloud.places import INSIDE, Places
from tests.cloud.reports import CloudError, tail
from tests.cloud.services import environment


def make_keystone(places: Places, urls: Mapping[str, str]) -> None:
    """Keystone's keys, tables, admin and RegionOne."""
    at = " ".join(
        f"--bootstrap-{interface}-url {identities.url_of(urls, 'identity', interface)}"
        for interface in ("public", "internal", "admin")
    )
    owner = f"--keystone-user {os.getuid()} --keystone-group {os.getgid()}"
    commands = (
        f"fernet_setup {owner}",
        f"credential_setup {owner}",
        "db_sync",
        f"bootstrap --bootstrap-password {password_of('admin')} "
        f"--bootstrap-region-id RegionOne {at}",
    )
    config = places.config / "keystone" / "keystone.conf"
    if places.world.identity != "v2":
        _manage(places, "keystone", config, *commands)
        return
    for command in commands:
        words = ("--config-file", str(config), *command.split())
        env = keystone2.environment(places)
        _run(places, "make-keystone", keystone2.command("manage", *words), **env)


def make_nova(places: Places) -> None:
    """Nova's tables: the API's, and two cells'."""
    base = f"sqlite:///{places.databases}"
    _manage(
        places,
        "nova",
        places.config / "nova" / "nova.conf",
        "api_db sync",
        f"cell_v2 map_cell0 --database_connection {base}/nova-cell0.sqlite",
        "db sync",
        "cell_v2 create_cell --name cell1 --transport-url fake:// "
        f"--database_connection {base}/nova.sqlite",
    )


def make_target(places: Places) -> None:
    """Glance 33's tables."""
    _manage(places, "glance", places.config / "target" / "glance-api.conf", "db_sync")


def make_glance15(places: Places) -> None:
    """Glance 15's tables, in both regions that have one; RegionOne's server runs by now."""
    if places.world.database == "sqlite":
        _sync_glance15(places, "api")
        _copy_database(*(GLANCE15[part].database(places) for part in ("api", "old-target")))
    else:
        _sync_glance15(places, "api")
        _sync_glance15(places, "old-target")


def _sync_glance15(places: Places, part: str) -> None:
    config = str(places.config / f"glance-{part}.conf")
    program = (str(INSIDE / "glance15.py"), "db-sync", config)
    _run(places, "make-glance15", (str(places.python("pike")), *program), **drivers(places))


def _manage(places: Places, project: str, config: Path, *commands: str) -> None:
    program = (str(INSIDE / "commands.py"), f"{project}.cmd.manage", str(config), *commands)
    _run(places, f"make-{config.parent.name}", (str(places.python("modern")), *program))


def _run(places: Places, name: str, command: Sequence[str], **more: str) -> None:
    log = places.log(name)
    with log.open("ab") as out:
        env = environment(OS_NOVA_DISABLE_EVENTLET_PATCHING="true", **more)
        status = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
        ).returncode
    if status:
        raise CloudError(f"{name} ended with {status}. {tail(log)}")


#: Where they are in SQLite's header: changes, schema cookie, changes again, SQLite's version.
_COUNTERS = (24, 40, 92, 96)


def _folders(places: Places) -> list[Path]:
    return [places.images, places.target_images, places.old_target_images, places.static]


def _behind(places: Places) -> dict[str, Path]:
    """Where a world's servers keep what Glance 15 gave them."""
    found = {}
    if places.world.database != "sqlite":
        found["engine"] = engines.folder_of(places) / "data"
    if places.world.store == "swift":
        found["swift"] = places.swift / "devices"
    return found


def _copy_tree(source: Path, destination: Path) -> None:
    """Copy a folder with its owners and the attributes of its files."""
    shutil.rmtree(destination, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(destination)], check=True)


def keep(places: Places) -> None:
    """Take the pristine copy; servers behind Glance 15 do not run meanwhile."""
    shutil.rmtree(places.pristine, ignore_errors=True)
    places.pristine.mkdir(parents=True)
    for database in places.databases.glob("*.sqlite"):
        _copy_database(database, places.pristine / database.name)
    for folder in _folders(places):
        shutil.copytree(folder, places.pristine / folder.name)
    for name, folder in _behind(places).items():
        _copy_tree(folder, places.pristine / name)


def restore(places: Places) -> list[str]:
    """Bring the pristine copy back, under running services; the names of the changed databases.

    SQLite's own backup is what writes: it takes the locks, and whoever has a database open sees
    that its pages have changed. Servers behind Glance 15 do not run meanwhile.
    """
    changed = []
    for name, folder in _behind(places).items():
        _copy_tree(places.pristine / name, folder)
        changed.append(name)
    for kept in sorted(places.pristine.glob("*.sqlite")):
        database = places.databases / kept.name
        if _content(database) != _content(kept):
            _copy_database(kept, database)
            changed.append(database.stem)
    for folder in _folders(places):
        _restore_folder(places.pristine / folder.name, folder)
    return changed


def _copy_database(source: Path, destination: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=30)) as reader,
        closing(sqlite3.connect(destination, timeout=30)) as writer,
    ):
        reader.backup(writer)


def _content(database: Path) -> bytes:
    """A database's bytes without the counters that tell only how often it was written."""
    content = bytearray(database.read_bytes()) if database.exists() else bytearray()
    for counter in _COUNTERS:
        content[counter : counter + 4] = bytes(4)
    return bytes(content)


def _restore_folder(kept: Path, folder: Path) -> None:
    """Make a folder what it was; files that did not change stay as they are."""
    wanted = {path.relative_to(kept): path for path in kept.rglob("*") if path.is_file()}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(folder) not in wanted:
            path.unlink()
    for name, source in wanted.items():
        destination = folder / name
        if not destination.exists() or _differ(source, destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            draft = destination.with_name(destination.name + ".draft")
            shutil.copy2(source, draft)
            draft.replace(destination)


def _differ(one: Path, two: Path) -> bool:
    a, b = one.stat(), two.stat()
    return (a.st_size, a.st_mtime_ns) != (b.st_size, b.st_mtime_ns)
