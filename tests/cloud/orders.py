"""Faults to order: what one of the cloud's services does with requests from now on.

Glance 15 takes them in every world (``image``), and Swift where there is one (``swift``).
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cloud.places import Places, replace_text
from tests.cloud.reports import CloudError


@dataclass(frozen=True)
class Order:
    """One fault, and the requests that meet it."""

    #: ``answer`` gives ``status`` and asks nobody; ``late`` lets the service do it and holds the
    #: answer back for ``seconds``; ``slow`` holds the request back; ``cut`` ends the connection
    #: after ``after`` bytes of the answer's body. ``hold`` waits there until there are other
    #: orders, for ``seconds`` at most, and ``hold body`` does so in the request's body. ``pass``
    #: lets through what a later order stops.
    do: str
    method: str = ""
    #: A part of the path.
    path: str = ""
    status: int = 503
    after: int = 0
    seconds: float = 0
    #: So many requests are let through first, and so many meet it then; 0 is all.
    skip: int = 0
    count: int = 0


def file_of(places: Places, service: str) -> Path:
    """Where a service looks for its orders."""
    return places.state / "orders" / f"{service}.json"


def give(places: Places, service: str, *orders: Order) -> None:
    """Order these faults, and no others; without any, the service does its work again."""
    _held(places, service).unlink(missing_ok=True)
    replace_text(file_of(places, service), json.dumps([asdict(order) for order in orders]))


def wait(places: Places, service: str, seconds: float = 30) -> None:
    """Wait until a request is held as ordered.

    :raises CloudError: none was
    """
    deadline = time.monotonic() + seconds
    while not _held(places, service).exists():
        if time.monotonic() > deadline:
            raise CloudError(f"{service} has held no request for {seconds:.0f} s")
        time.sleep(0.02)


def _held(places: Places, service: str) -> Path:
    """What a service makes when it holds a request."""
    return file_of(places, service).with_suffix(".held")
