"""A request that changes something and gets no answer: looked up, and never sent again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.faults.server import IMAGE_ID, FakeImage, Service, Undone, lost
from tests.faults.test_save_alone import Shell

_PROJECT = "9" * 32
_OTHER = "8" * 32
_WRITES = [
    (f"image v1 create --id {IMAGE_ID} new", "create"),
    (f"image v1 set --name other --property q=w {IMAGE_ID}", "change"),
    (f"image v1 set --purge-properties {IMAGE_ID}", "change"),
    (f"image v1 unset --property p {IMAGE_ID}", "change"),
    (f"image v1 delete {IMAGE_ID}", "delete"),
    (f"image v1 add project --can-share {IMAGE_ID} {_PROJECT}", "share"),
    (f"image v1 remove project {IMAGE_ID} {_OTHER}", "share"),
    (f"image v1 member set {IMAGE_ID} {_PROJECT}", "share"),
    (f"compute image set --property q=w {IMAGE_ID}", "nova_change"),
    (f"compute image unset --property p {IMAGE_ID}", "nova_change"),
    (f"compute image delete {IMAGE_ID}", "nova_change"),
]


def _service(kind: str, fault: Undone | None) -> Service:
    members = [{"member_id": _OTHER, "can_share": False}]
    more = {"properties": {"p": "v", "r": "s"}, "members": members}
    images = [] if kind == "create" else [FakeImage(data=b"data", more=more)]
    return Service(images, {kind: [fault or lost()]}, v2=False)


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize(("command", "kind"), _WRITES, ids=lambda text: " ".join(text.split()[:4]))
def test_lost(command: str, kind: str, done: bool, shell: Shell) -> None:
    with _service(kind, None if done else Undone(lost())) as service:
        before = dict(service.images)
        result = shell(service, *command.split())
    written = [asked for asked in service.asked if asked.method not in ("GET", "HEAD")]
    assert [asked.kind for asked in written if asked.kind != "change2"] == [kind]
    assert (service.images != before) is done
    lines: Sequence[str] = result.err.splitlines()
    if done:
        assert (result.status, lines) == (0, [])
    else:
        assert result.status == 1
        assert "no answer from" in lines[0]
