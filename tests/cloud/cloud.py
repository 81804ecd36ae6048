"""The cloud as a whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud import (
    configuration,
    databases,
    engines,
    environments,
    identities,
    orders,
    services,
    worlds,
)
from tests.cloud.orders import Order
from tests.cloud.places import Places, replace_text
from tests.cloud.processes import Service
from tests.cloud.reports import CloudError, say
from tests.cloud.sowing import Sower, write_static_files
from tests.cloud.swift import Swift
from tests.cloud.together import Stop, check, together
from tests.cloud.worlds import World


@dataclass(frozen=True)
class Request:
    """One line of an access log."""

    time: str
    status: int
    method: str
    #: Path and query, as they were sent.
    target: str
    #: ``OpenStack-API-Version`` (or Nova's older header); None where it was not sent.
    api_version: str | None
    user_agent: str | None


class Cloud:
    """A real cloud on loopback, in one folder.

    ::

        from tests.cloud import Cloud

        cloud = Cloud()
        cloud.up()                                  # two minutes the first time, then seconds
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(cloud.clouds_yaml)
        mark = cloud.mark("image")
        ...                                         # openstack --os-cloud demo ...
        assert [r.target for r in cloud.requests_since(mark, "image")] == [...]
        cloud.down("image")                         # what if it is not there?
        cloud.reset()                               # as it was right after the seeding, and up
        cloud.down()

    ``up``, ``down``, ``reset`` and ``destroy`` may be called at any time, by several at once. What
    they cannot do they say in a :class:`CloudError`. The images are :data:`tests.cloud.SEEDS`.
    """

    def __init__(self, root: Path | None = None, base: Cloud | None = None) -> None:
        self.places = Places(root)
        #: Whose environments it has, if it is a world's.
        self._base = base

    # What it is

    @property
    def clouds_yaml(self) -> Path:
        """For ``OS_CLIENT_CONFIG_FILE``. Its clouds: admin, demo, other, target, target-demo,
        old-target and, without a login, anonymous.
        """
        return self.places.clouds_yaml

    @property
    def urls(self) -> dict[str, str]:
        """The services' URLs.

        In the catalog: identity, image (Glance 15), compute, in RegionTwo target-image and in
        RegionThree old-target-image.
        Beside it: image-strict (the same Glance 15, but 401 without a good token), registry, and
        static (files over HTTP). In a world with Swift, swift; with a front end its doors, which
        are in :mod:`tests.cloud.fronts`.
        """
        return configuration.urls(self.places.ports())

    @property
    def projects(self) -> dict[str, str]:
        """The projects' IDs: admin, demo, other and service."""
        projects: dict[str, str] = json.loads(self.places.facts.read_text())["projects"]
        return projects

    @property
    def static(self) -> Path:
        """The folder whose files ``urls["static"]`` serves."""
        return self.places.static

    @property
    def store(self) -> Path:
        """Where Glance 15 keeps the data, one file an image, named by its ID."""
        return self.places.images

    @property
    def swift(self) -> Swift:
        """What Glance 15 keeps the data in, in a world with Swift."""
        return Swift(self.urls["swift"], self.places.swift)

    def sql(self, statement: str) -> list[list[str]]:
        """Run SQL in the images' database, in a world with a database server; the rows."""
        engine = engines.engine(self.places, self.places.ports())
        if engine is None:
            raise CloudError("this cloud keeps its images in SQLite: open the file")
        return [line.split("\t") for line in engine.execute(statement).splitlines()]

    def services(self) -> list[Service]:
        """Every service, whether it is up or not."""
        return services.table(self.places, self.places.ports())

    def pids(self) -> dict[str, int]:
        """The processes that are up, by their services' names."""
        found = {service.name: services.pid(self.places, service) for service in self.services()}
        return {name: pid for name, pid in found.items() if pid is not None}

    def session(self, user: str = "admin") -> Any:
        """A keystoneauth1 session as admin, demo or other."""
        return identities.session(self.urls["identity"], user, user)

    def environ(self, cloud: str | None = None) -> dict[str, str]:
        """An environment for a command: this process's own, with no cloud in it but this one."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        ours |= {"OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml), "NO_PROXY": "127.0.0.1"}
        return {**ours, "OS_CLOUD": cloud} if cloud else ours

    def twin(self, name: str) -> Cloud:
        """Another cloud on the same environments, for tests that run at the same time.

        It ends with this one. This one has to be up: its environments are taken as they are.
        """
        root = self.places.twins / name
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (root / "environments").symlink_to(self.places.environments)
        return Cloud(root)

    def world(
        self,
        database: str = "sqlite",
        store: str = "file",
        front_end: str = "none",
        identity: str = "v3",
    ) -> Cloud:
        """The cloud of another world: a twin that is named by what it is made of.

        ::

            Cloud().world(database="mariadb", store="swift", front_end="nginx").up()

        :raises worlds.WorldUnavailable: a server that it takes is not on this machine
        """
        world = World(database, store, front_end, identity)
        world.need()
        if world == self.places.world:
            return self
        twin = self.twin(world.name)
        worlds.write(twin.places.root, world)
        return Cloud(twin.places.root, base=self)

    def _twins(self) -> list[Cloud]:
        return [Cloud(folder) for folder in sorted(self.places.twins.glob("*"))]

    # What was asked of it

    def mark(self, service: str) -> int:
        """This moment in a service's access log, for ``requests_since``."""
        log = self.places.access_log(service)
        return log.stat().st_size if log.exists() else 0

    def requests_since(self, mark: int, service: str) -> list[Request]:
        """The requests that a service (image, compute, identity, ...) answered since a mark.

        The services ask each other, too: Nova asks Glance for images, all of them ask Keystone
        about tokens. ``Request.user_agent`` tells them apart.
        """
        log = self.places.access_log(service)
        if not log.exists():
            return []
        with log.open("rb") as lines:
            lines.seek(mark)
            return [_request(line.decode()) for line in lines if line.endswith(b"\n")]

    @contextlib.contextmanager
    def ordered(self, service: str, *faults: Order) -> Iterator[None]:
        """Let a service (image, swift) of a world fail as ordered while this lasts."""
        orders.give(self.places, service, *faults)
        try:
            yield
        finally:
            orders.give(self.places, service)

    def held(self, service: str) -> None:
        """Wait until a request is held in the middle, as a service was ordered to."""
        orders.wait(self.places, service)

    # What can be done with it

    def up(self, old_target: bool = False) -> None:
        """Bring up what is not up; the first time, make it all.

        With ``old_target`` RegionThree's services run, too, which otherwise stay as they are.
        """
        identities.need_keystoneauth()
        with self.places.locked():
            self._up(old_target)

    def down(self, *names: str) -> list[str]:
        """End the processes, or some services' only; which were there. All else stays.

        Without names its twins are ended, too.
        """
        unknown = set(names) - {service.name for service in self.services()} if names else set()
        if unknown:
            raise CloudError(f"no such service: {', '.join(sorted(unknown))}")
        for twin in [] if names else self._twins():
            twin.down()
        with self.places.locked():
            return services.stop(self.places, *names)

    def reset(self, fresh: bool = False) -> None:
        """Make it as it was right after the seeding, quickly; or, fresh, make it anew."""
        identities.need_keystoneauth()
        with self.places.locked():
            if fresh:
                self._destroy()
            if fresh or not self._is_ready():
                self._up()
                return
            services.stop(self.places, *self._behind())
            changed = databases.restore(self.places)
            say(f"restored: {', '.join(changed) or 'no database had changed'}")
            if "keystone" in changed:
                # It remembers what it has read; the others do not.
                services.stop(self.places, "identity")
            self._up()

    def destroy(self, everything: bool = False) -> None:
        """End it and delete it, with its ports; with everything, the environments too."""
        for twin in self._twins():
            twin.destroy()
        with self.places.locked():
            self._destroy()
            shutil.rmtree(self.places.twins, ignore_errors=True)
            if everything:
                shutil.rmtree(self.places.environments, ignore_errors=True)

    # How

    def _is_ready(self) -> bool:
        try:
            return self.places.ready.read_text() == _fingerprint(self.places)
        except OSError:
            return False

    def _destroy(self) -> None:
        services.stop(self.places)
        engines.forget(self.places)
        shutil.rmtree(self.places.state, ignore_errors=True)
        shutil.rmtree(self.places.pristine, ignore_errors=True)
        self.places.forget_ports()

    def _build(self, world: World) -> None:
        missing = environments.missing(self.places, world)
        if set(missing) & set(environments.NAMES):
            services.stop(self.places)
        if missing:
            environments.build(self.places, missing)

    def _up(self, old_target: bool = False) -> None:
        if self._base:
            with self._base.places.locked():
                self._base._build(self.places.world)
        else:
            self._build(self.places.world)
        if not self._is_ready():
            self._make()
        wanted = [one for one in self.services() if old_target or not one.on_demand]
        started = services.start(self.places, wanted)
        services.wait(self.places, wanted, started)

    def _behind(self) -> list[str]:
        """The services of a world that hold Glance 15's records and data."""
        return [one.name for one in services.behind(self.places, self.places.ports())]

    def _make(self) -> None:
        """Make the cloud's state; the mark that it is whole is written last."""
        services.stop(self.places)
        if self.places.state.exists():
            say("making the cloud anew: it was made by another version of tests/cloud, or half")
        engines.forget(self.places)
        shutil.rmtree(self.places.state, ignore_errors=True)
        ports = self.places.choose_ports()
        configuration.write(self.places, ports)
        write_static_files(self.places)
        say("making the databases")
        projects = self._make_databases_and_start(ports)
        replace_text(self.places.facts, json.dumps({"projects": projects}, indent=1) + "\n")
        say("sowing the images")
        Sower(self.places, ports, projects).sow()
        services.stop(self.places, *self._behind())
        databases.keep(self.places)
        replace_text(self.places.ready, _fingerprint(self.places))

    def _make_databases_and_start(self, ports: Mapping[str, int]) -> dict[str, str]:
        """Each service is started as soon as its database is there; the projects' IDs."""
        table = {service.name: service for service in self.services()}
        places = self.places

        def begin(stop: Stop, *names: str) -> None:
            check(stop)
            chosen = [table[name] for name in names]
            services.wait(places, chosen, services.start(places, chosen), stop)

        def identity(stop: Stop) -> dict[str, str]:
            databases.make_keystone(places, configuration.urls(ports))
            begin(stop, *(name for name in table if name.startswith("identity")))
            return identities.make(ports)

        def image(stop: Stop) -> dict[str, str]:
            engine = engines.engine(places, ports)
            if engine:
                engine.make()
            begin(stop, *self._behind())
            if engine:
                engine.create_database()
            databases.make_glance15(places)
            begin(stop, "registry", "image", "image-strict", "static")
            return {}

        def compute(stop: Stop) -> dict[str, str]:
            databases.make_nova(places)
            begin(stop, "compute")
            return {}

        def target(stop: Stop) -> dict[str, str]:
            databases.make_target(places)
            begin(stop, "target-image")
            return {}

        jobs = {"Keystone": identity, "Glance 15": image, "Nova": compute, "Glance 33": target}
        return together(jobs, "making")["Keystone"]


def _request(line: str) -> Request:
    time, status, method, target, version, agent = line.rstrip("\n").split("\t")
    return Request(
        time,
        int(status),
        method,
        target,
        None if version == "-" else version,
        None if agent == "-" else agent,
    )


def _fingerprint(places: Places) -> str:
    """What a cloud was made by: the files of this package, and its pins."""
    digest = hashlib.sha256()
    here = Path(__file__).resolve().parent
    made_by = ["configuration", "databases", "identities", "seeds", "sowing"]
    made_by += ["engines", "fronts", "keystone2", "stores"] if places.world.parts else []
    files = [here / f"{name}.py" for name in made_by]
    for path in sorted([*files, *here.glob("inside/*.py"), *here.glob("pins/*.txt")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
