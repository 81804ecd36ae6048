"""Answers of real services, recorded, as requests-mock wants them.

``captures/image-v1/*.txt`` hold many exchanges a file, each under a ``=== title``, with ``>``
before what was sent and ``<`` before what came back; a body's further lines have no mark.
``captures/compute/*.txt`` hold one exchange a file, as ``curl -i`` shows it.
``captures/old-releases/*.txt`` have the form of image-v1's: what a release of Glance answered
otherwise than Pike, each on Python 2.7.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HOME = Path(__file__).parent / "captures"


@dataclass(frozen=True)
class Answer:
    """A recorded answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def mock(self) -> dict[str, Any]:
        """Arguments for a requests-mock matcher."""
        return {
            "status_code": self.status,
            "headers": dict(self.headers),
            "content": self.body,
        }

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return {key.lower(): value for key, value in self.headers}[name.lower()]


def image_v1(file: str, title: str) -> Answer:
    """Return an answer of the Image API v1.

    :param file: the file's name without its ending
    :param title: the exchange's title
    """
    answer = _exchanges("image-v1", file)[title]
    if len(answer.body) < int(answer.header("Content-Length")):
        raise ValueError(f"the recording cut the body of '{title}' in {file}")
    return answer


#: Releases of Glance whose answers were recorded, the oldest first. Pike's are those of image-v1.
RELEASES = (
    "havana",
    "icehouse",
    "juno",
    "kilo",
    "liberty",
    "mitaka",
    "newton",
    "ocata",
    "queens",
)


def of_release(release: str, title: str) -> Answer:
    """Return an answer of Glance of a release; data is left out.

    :param release: one of :data:`RELEASES`
    :param title: the exchange's title
    :raises LookupError: if the release answers that as Pike does
    """
    return _exchanges("old-releases", release)[title]


@cache
def _exchanges(folder: str, file: str) -> dict[str, Answer]:
    data = (_HOME / folder / f"{file}.txt").read_bytes()
    answers: dict[str, Answer] = {}
    for exchange in data.removeprefix(b"=== ").split(b"\n\n=== "):
        title, _newline, lines = exchange.partition(b"\n")
        received = lines[lines.index(b"< HTTP/") :].split(b"\n")
        answer = b"\n".join(line.removeprefix(b"< ") for line in received)
        answers[title.decode().strip()] = _parse(answer)
    return answers


def compute(file: str) -> Answer:
    """Return an answer of the Compute service.

    :param file: the file's name without its ending
    """
    _command, _newline, answer = (_HOME / "compute" / f"{file}.txt").read_bytes().partition(b"\n")
    return _parse(answer)


def _parse(answer: bytes) -> Answer:
    head, _blank, body = answer.partition(b"\n\n")
    status_line, *lines = head.decode("latin-1").split("\n")
    headers = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    length = next((int(value) for name, value in headers if name == "Content-Length"), len(body))
    return Answer(int(status_line.split()[1]), headers, body[:length])
