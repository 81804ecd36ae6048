"""An Identity service that knows projects, as openstacksdk hands it out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Keystone:
    """The Identity API v3.

    :param projects: their names, by their IDs
    :param answers: what is answered instead, one after the other: a status or an exception
    """

    def __init__(self, projects: dict[str, str], *answers: Any) -> None:
        self.projects = projects
        self.answers = list(answers)
        self.asked: list[str] = []

    def find_project(self) -> None:
        """By this the API is known."""

    def get(self, path: str, params: Any = (), **_options: Any) -> Any:
        self.asked.append(path)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        _nothing, kind, *project = path.split("/")
        listed = [
            {"id": one, "name": name, "domain_id": "default"}
            for one, name in self.projects.items()
            if (not project or project == [one]) and name == dict(params).get("name", name)
        ]
        if kind != "projects" or (project and not listed):
            answer = 404
        document = {"project": listed[0]} if project and listed else {"projects": listed}
        return SimpleNamespace(status_code=answer, headers={}, json=lambda: document)


def manager_of(identity: Any, **settings: Any) -> Any:
    """A client manager of a cloud with this Identity service."""
    config = SimpleNamespace(config={"auth_type": "password", **settings})
    return SimpleNamespace(
        sdk_connection=SimpleNamespace(identity=identity, config=config),
        session=SimpleNamespace(timeout=None),
    )
