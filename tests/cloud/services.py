"""The services: how each is started, and how one sees that it answers."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence

from tests.cloud import engines, fronts, keystone2, processes, stores
from tests.cloud.environments import clean, drivers
from tests.cloud.places import INSIDE, Places, port_is_free
from tests.cloud.processes import Service
from tests.cloud.reports import CloudError, say, tail
from tests.cloud.together import Stop, check


def environment(**more: str) -> dict[str, str]:
    """What a process of the cloud finds in its environment: loopback is never behind a proxy."""
    ours = {k: v for k, v in clean(os.environ).items() if not k.lower().endswith("_proxy")}
    return {**ours, "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "ignore", **more}


def table(places: Places, ports: Mapping[str, int]) -> list[Service]:
    """All services, in the order in which they are started."""
    modern, pike = str(places.python("modern")), str(places.python("pike"))

    def wsgi(name: str, module: str, *threads: str) -> Sequence[str]:
        program = str(INSIDE / "wsgi_service.py")
        return (modern, program, module, str(ports[name]), str(places.access_log(name)), *threads)

    def glance15(config: str) -> Sequence[str]:
        part = "registry" if config.endswith("registry") else "api"
        return (pike, str(INSIDE / "glance15.py"), part, f"{places.config}/glance-{config}.conf")

    static = str(INSIDE / "static_files.py")
    files = (str(places.static), str(ports["static"]), str(places.access_log("static")))
    rows: list[tuple[str, str, Sequence[str], Mapping[str, str]]] = [
        (
            "identity",
            "Keystone 30",
            wsgi("identity", "keystone.wsgi.api"),
            {"OS_KEYSTONE_CONFIG_DIR": f"{places.config}/keystone"},
        ),
        ("registry", "Glance 15's registry", glance15("registry"), {}),
        ("image", "Glance 15, v1 and v2", glance15("api"), {}),
        ("image-strict", "the same, with a token only", glance15("strict"), {}),
        (
            "compute",
            "Nova 34, the image proxy",
            wsgi("compute", "nova.wsgi.osapi_compute"),
            {"OS_NOVA_CONFIG_DIR": f"{places.config}/nova"},
        ),
        (
            "target-image",
            "Glance 33, v2, RegionTwo",
            # One thread: its SQLite takes one writer at a time, and answers 500 to another.
            wsgi("target-image", "glance.wsgi.api", "1"),
            {"OS_GLANCE_CONFIG_DIR": f"{places.config}/target"},
        ),
        ("static", "files over HTTP", (modern, static, *files), {}),
        (
            "old-target-registry",
            "RegionThree's registry",
            glance15("old-target-registry"),
            {},
        ),
        ("old-target-image", "Glance 15, RegionThree", glance15("old-target"), {}),
    ]
    older = keystone2.table(places, ports) if places.world.identity == "v2" else []
    if older:
        del rows[0]
    with_drivers = drivers(places)
    return [
        *behind(places, ports),
        *older,
        *(
            Service(
                *(name, title, ports[name], command),
                {**env, **(with_drivers if command[0] == pike else {})},
                on_demand=name.startswith("old-target"),
            )
            for name, title, command, env in rows
        ),
        *fronts.table(places, ports),
    ]


def behind(places: Places, ports: Mapping[str, int]) -> list[Service]:
    """What Glance 15 keeps records and data in, where those are no files."""
    engine = engines.engine(places, ports)
    return [*([engine.service] if engine else []), *stores.table(places, ports)]


def pid(places: Places, service: Service) -> int | None:
    """The ID of the service's process, while it is there."""
    return processes.alive(places.processes / f"{service.name}.json")


def start(places: Places, services: Iterable[Service]) -> list[Service]:
    """Start those that are not there; which they are."""
    absent = [service for service in services if pid(places, service) is None]
    for service in absent:
        # The threads of a process that was ended hold its port for a moment longer.
        deadline = time.monotonic() + 3
        while not (free := port_is_free(service.port)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not free:
            raise CloudError(
                f"port {service.port} of 127.0.0.1, which {service.name} ({service.title}) was "
                "given when this cloud was made, is taken by another process. End that one, or "
                "let the cloud choose other ports: python -m tests.cloud reset --fresh"
            )
    for service in absent:
        processes.start(
            places.processes / f"{service.name}.json",
            service,
            environment(**service.env),
            places.log(service.name),
        )
    return absent


def wait(
    places: Places,
    services: Iterable[Service],
    started: Sequence[Service],
    stop: Stop | None = None,
    seconds: float = 120,
) -> None:
    """Wait until each of them answers, and tell it of those that were started just now."""
    deadline = time.monotonic() + seconds
    for service in services:
        while not answers(service):
            if stop:
                check(stop)
            gone = pid(places, service) is None
            if gone or time.monotonic() > deadline:
                raise CloudError(
                    f"{service.name} ({service.title}) "
                    + ("has ended" if gone else f"does not answer after {seconds:.0f} s")
                    + f", port {service.port}. {tail(places.log(service.name))}"
                )
            time.sleep(0.1)
        if service in started:
            say(f"{service.name} answers on port {service.port}: {service.title}")


def answers(service: Service, seconds: float = 5) -> bool:
    """Whether the service answers a request, whatever it says."""
    if service.asked_by:
        ask = subprocess.run(service.asked_by, capture_output=True, timeout=60, check=False)
        return ask.returncode == 0
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=seconds)
    try:
        connection.request("GET", "/", headers={"User-Agent": "tests.cloud probe"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def stop(places: Places, *names: str) -> list[str]:
    """End the named services' processes, or all that were started; which were there."""
    records = sorted(places.processes.glob("*.json"))
    chosen = [record for record in records if not names or record.stem in names]
    return [record.stem for record in chosen if processes.end(record) is not None]
