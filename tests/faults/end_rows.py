"""What a command is at when it is told to end, and what is said then, as data.

The service is silent for longer than a test waits: what ends, ends by the signal alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.server import IMAGE_ID, Answer, Fault, Service, cut, instead, lost

_GO_ON = "Interrupted: run the same command again, and it goes on"
_FORMATS = ("--disk-format", "raw", "--container-format", "bare")
_NOWHERE = ("--to-cloud", "there", "-f", "json")


def _later(answer: Answer, service: Service) -> Answer:
    service.reached.set()
    return instead(503, "Busy", ("Retry-After", "60"))(answer, service)


_SILENT = lost("stall")


@dataclass(frozen=True)
class EndRow:
    """A state of a command.

    :ivar name: what it is at
    :ivar command: what a person has typed
    :ivar says: the lines on standard error
    :ivar faults: of the service
    :ivar target_faults: of the service that images go to
    :ivar keystone: whether the service wants tokens
    """

    name: str
    command: Sequence[str]
    says: Sequence[str] = ()
    faults: Mapping[str, Sequence[Fault | None]] = field(default_factory=dict)
    target_faults: Mapping[str, Sequence[Fault | None]] = field(default_factory=dict)
    keystone: bool = False


ENDS = (
    EndRow(
        "logging in; the Identity service is silent",
        ("image", "v1", "list"),
        faults={"token": [_SILENT]},
        keystone=True,
    ),
    EndRow(
        "a list; the service is silent in the middle of it",
        ("image", "v1", "list"),
        faults={"list": [cut(100, "stall")]},
    ),
    EndRow(
        "waiting until the service may be asked again (``Retry-After``)",
        ("image", "v1", "usage"),
        faults={"list": [_later]},
    ),
    EndRow(
        "the list of an export; the service is silent",
        ("image", "v1", "export", "<directory>"),
        faults={"list": [_SILENT]},
    ),
    EndRow(
        "an export; the service is silent about members",
        ("image", "v1", "export", "<directory>"),
        (_GO_ON,),
        {"members": [_SILENT] * 9},
    ),
    EndRow(
        "a save; the service is silent in the middle of the data",
        ("image", "v1", "save", "--file", "<directory>/x", IMAGE_ID),
        ("Interrupted: the image is not saved",),
        {"data": [cut(1000, "stall")]},
    ),
    EndRow(
        "a copy; the target is silent when it has the data",
        ("image", "v1", "copy", *_NOWHERE),
        (_GO_ON,),
        target_faults={"upload2": [_SILENT] * 9},
    ),
    EndRow(
        "a create; the service is silent when it has the data, and when it is looked for",
        ("image", "v1", "create", "x", "--file", "<directory>/source", *_FORMATS),
        (
            "The image may be there and is not complete: look with 'openstack image v1 show "
            "<image>'",
            "Interrupted",
        ),
        {"upload": [_SILENT], "head": [_SILENT] * 9},
    ),
    EndRow(
        "a set; the service is silent",
        ("image", "v1", "set", "--name", "x", IMAGE_ID),
        ("Interrupted: an image that was just given data is killed, and must be created anew",),
        {"change": [_SILENT]},
    ),
    EndRow(
        "a delete; the service is silent",
        ("image", "v1", "delete", IMAGE_ID),
        faults={"delete": [_SILENT]},
    ),
    EndRow(
        "a compute image delete; the service is silent",
        ("compute", "image", "delete", IMAGE_ID),
        faults={"nova_change": [_SILENT]},
    ),
)

#: Each played by a test of its own.
ENDS_ALONE = (
    EndRow("a list, and nobody reads its output (a pipe that is full)", ()),
    EndRow(
        "a copy, and nobody reads its rows (a pipe that is full); its report is whole",
        (),
        (_GO_ON,),
    ),
)
