"""``python -m tests.walk [NAME ...]``: walk with some clients, by default with all."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests import examples
from tests.cloud import Cloud, CloudError
from tests.walk import clients, steps
from tests.walk.clients import Client, Failed, NotHere

#: The libraries whose versions are told.
SHOWN = (
    "python-openstackclient osc-lib cliff keystoneauth1 openstacksdk python-dateutil requests tqdm"
).split()

#: What the examples set; nothing else of this process goes along.
SETTINGS = ("OS_CLIENT_CONFIG_FILE", "OS_CLOUD", "CLIFF_MAX_TERM_WIDTH", "LC_ALL")


@dataclass
class Walk:
    """One client's way, and what is to be said of it."""

    name: str
    folder: Path
    client: Client | None = None
    told: str = ""
    wrong: list[str] = field(default_factory=list)

    def install(self) -> None:
        """Make the environment, and install the plugin there."""
        try:
            client = clients.make(self.name, self.folder / "client")
            # Whoever builds the package leaves files in the checkout, so each walk has its own.
            new = clients.install(client, clients.copy_of_the_checkout(self.folder / "checkout"))
        except NotHere as error:
            self.told = f"not walked, {self.name}: {error}"
            return
        except Failed as error:
            self.wrong.append(str(error))
            return
        versions = client.installed()
        libraries = ", ".join(f"{library} {versions[library]}" for library in SHOWN)
        self.told = (
            f"walked {self.name}: Python {client.python}, {libraries}; new: {', '.join(new)}"
        )
        self.client = client

    def read(self, settings: dict[str, str]) -> None:
        """Do what the page for getting started shows."""
        if self.client and not self.wrong:
            self.wrong += steps.on_the_page({**self.client.env, **settings})

    def write(self, settings: dict[str, str]) -> None:
        """Do the rest."""
        if self.client and not self.wrong:
            place = self.folder / "place"
            place.mkdir()
            self.wrong += steps.after_it(self.name, {**self.client.env, **settings}, place)


def side_by_side(what: Callable[[Walk], None], walks: Iterable[Walk]) -> None:
    """Do a part of all walks, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(what, walks))


def run(names: Sequence[str], cloud: Cloud, folder: Path) -> list[Walk]:
    """Walk with some clients."""
    walks = [Walk(name, folder / name) for name in names]
    for walk in walks:
        walk.folder.mkdir()
    cloud.reset()
    settings = {name: examples.settings(cloud)[name] for name in SETTINGS}
    settings["PYTHONUNBUFFERED"] = "1"
    try:
        side_by_side(Walk.install, walks)
        # What the page shows has none of the images that the rest makes.
        side_by_side(lambda walk: walk.read(settings), walks)
        side_by_side(lambda walk: walk.write(settings), walks)
    finally:
        cloud.reset()
    return walks


def main(argv: Sequence[str]) -> int:
    """Walk; the exit status is 1 if one failed, or if none could be walked."""
    parser = argparse.ArgumentParser(prog="python -m tests.walk", description=__doc__)
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(clients.NAMES))
    names = parser.parse_args(argv).names or clients.NAMES
    unknown = set(names) - set(clients.NAMES)
    if unknown:
        parser.error(f"no such client: {', '.join(sorted(unknown))}; {', '.join(clients.NAMES)}")
    begin = time.monotonic()
    cloud = Cloud()
    try:
        cloud.up()
    except CloudError as error:
        print(f"The walk needs a real cloud, and it cannot run: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        walks = run(names, cloud, Path(folder))
    for walk in walks:
        print(
            *walk.wrong,
            f"failed {walk.name}: see above" if walk.wrong else walk.told,
            sep="\n",
            flush=True,
        )
    print(f"walks of {time.strftime('%Y-%m-%d')}, {time.monotonic() - begin:.0f} s")
    walked = [walk for walk in walks if walk.client]
    return 1 if not walked or any(walk.wrong for walk in walks) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
