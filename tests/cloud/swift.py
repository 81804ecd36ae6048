"""Swift's own API, for the sowing and for what the tests let happen to the data of images."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from tests.cloud.reports import CloudError
from tests.cloud.stores import CONTAINER, KEY, USER


class Swift:
    """Swift's own API, as the user that Glance is.

    :param url: where Swift answers
    :param folder: its folder
    """

    def __init__(self, url: str, folder: Path) -> None:
        import requests

        self._devices = folder / "devices"
        self._session = requests.Session()
        self._session.trust_env = False
        login = {"X-Auth-User": USER, "X-Auth-Key": KEY}
        answer = self._session.get(f"{url}/auth/v1.0", headers=login, timeout=30)
        answer.raise_for_status()
        self._session.headers["X-Auth-Token"] = answer.headers["X-Auth-Token"]
        self._container = f"{answer.headers['X-Storage-Url']}/{CONTAINER}"

    def objects(self, image_id: str) -> list[str]:
        """The names of an image's objects: its own, and those of its segments."""
        answer = self._ask("GET", "", params={"prefix": image_id})
        return str(answer.text).split()

    def read(self, name: str) -> bytes:
        """An object's data."""
        return bytes(self._ask("GET", f"/{name}").content)

    def write(self, name: str, data: bytes) -> None:
        """Make an object, or give it other data."""
        self._ask("PUT", f"/{name}", data=data)

    def delete(self, name: str) -> None:
        """Delete an object, in the orderly way."""
        self._ask("DELETE", f"/{name}")

    def lose(self, name: str) -> None:
        """Let a disk lose an object: it is listed as before, and cannot be read."""
        wanted = f"/{CONTAINER}/{name}"
        for path in self._devices.glob("*/objects/**/*.data"):
            # What Swift knows of an object lies beside its data, pickled.
            known = pickle.loads(os.getxattr(path, "user.swift.metadata"))
            if known[b"name"].decode().endswith(wanted):
                path.unlink()
                return
        raise CloudError(f"Swift has no object {name}")

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self._session.request(method, self._container + path, timeout=30, **more)
        answer.raise_for_status()
        return answer
