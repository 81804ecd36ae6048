"""A request that changes something and gets no answer: looked up, and never sent again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.server import IMAGE_ID, FakeImage, Fault, Service, Undone
from tests.faults.test_save import said
from tests.faults.test_save_alone import Shell
from tests.faults.write_rows import CHANGES, LOSSES, OTHER, WRITES, WriteRow


def _service(command: str, faults: dict[str, list[Fault]]) -> Service:
    members = [{"member_id": OTHER, "can_share": False}]
    more = {"properties": {"p": "v", "r": "s"}, "members": members}
    images = [] if " create " in command else [FakeImage(data=b"data", more=more)]
    return Service(images, faults, v2=False)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize(("command", "kind"), WRITES, ids=lambda text: " ".join(text.split()[:4]))
def test_lost(command: str, kind: str, done: bool, loss: str, shell: Shell) -> None:
    fault = LOSSES[loss] if done else Undone(LOSSES[loss])
    with _service(command, {kind: [fault]}) as service:
        before = dict(service.images)
        result = shell(service, "--os-image-v1-timeout", "0.3", *command.split())
    written = [asked for asked in service.asked if asked.method not in ("GET", "HEAD")]
    assert [asked.kind for asked in written if asked.kind != "change2"] == [kind]
    assert (service.images != before) is done
    lines: Sequence[str] = result.err.splitlines()
    if done:
        assert (result.status, lines) == (0, [])
    else:
        assert result.status == 1
        said = {"page": "the answer is not the service's but a page"}.get(loss, "no answer from")
        assert (f"(HTTP {loss})" if loss.isdecimal() else said) in lines[0]
        assert "not known" not in lines[0]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row.name)
def test_change(row: WriteRow, shell: Shell, tmp_path: Path) -> None:
    with _service(row.command, {kind: list(faults) for kind, faults in row.faults.items()}) as it:
        before = dict(it.images)
        result = shell(it, *row.command.split())
    lines = said(result, it, tmp_path).replace(IMAGE_ID, "<image>").split("\n")
    assert row.says in (lines if row.says else lines[:1])
    assert result.status == row.status
    assert (it.images != before) is row.done
