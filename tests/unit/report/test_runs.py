"""Reports of runs: lines as outcomes come, and a page."""

from __future__ import annotations

import json
import logging
import os
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from osc_image_v1.exceptions import FileFailed, InvalidInput
from osc_image_v1.migrate.drafts import Plan
from osc_image_v1.migrate.job import NOT_TRIED, Outcome
from osc_image_v1.migrate.notes import STOPPED, Note
from osc_image_v1.report.runs import Lines, Reports, Tally, head_of, read_runs

EVIL = "<script>alert(1)</script>\x1b[31m\u202e\ud800"
OUTCOMES = [
    Outcome("a", "one", 2**20, "copied", (Note("as b", "id"),), "b"),
    Outcome("c", EVIL, None, "failed", (Note(f"said {EVIL}", "http-413"),)),
    Outcome("d", None, 5, NOT_TRIED, (Note("the target had no room", "not-tried"),)),
    Outcome("e", "whole", 7, "copied", (), "e"),
]
PLAN = Plan(new_ids=True, visibility="private", projects={"p": "q"}, keep_projects=False)


def written(*paths: Path, outcomes: Any = OUTCOMES, interrupted: bool = False) -> Reports:
    reports, tally = Reports([str(path) for path in paths]), Tally()
    reports.begin(head_of(PLAN, command="copy", cloud="new", api="v2", dry_run=False))
    for outcome in outcomes:
        tally.add(outcome)
        reports.add(outcome)
    summary = tally.summary(6, interrupted=interrupted, why="full", unclear=3)
    reports.end(summary)
    return reports


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    written(path)
    head, *images, summary = lines(path)
    assert (head["kind"], head["cloud"], head["new_ids"]) == ("plan", "new", True)
    assert [image["id"] for image in images] == ["a", "c", "d", "e"]
    assert (
        images[0].items()
        >= {
            "kind": "image",
            "name": "one",
            "size": 2**20,
            "action": "copied",
            "failed": False,
            "target_id": "b",
            "reasons": ["id"],
            "notes": ["as b"],
        }.items()
    )
    assert (
        summary.items()
        >= {
            "kind": "summary",
            "images": {"copied": 2, "failed": 1, "not tried": 1},
            "bytes": {"copied": 2**20 + 7, "failed": 0, "not tried": 5},
            "failed": 1,
            "left": 3,
            "why_left": "full",
            "interrupted": False,
            "ids_unclear": 3,
        }.items()
    )


def test_what_was_stopped_is_left_and_has_not_failed(tmp_path: Path) -> None:
    stopped = Outcome("a", "one", 1, STOPPED, (Note("stopped", STOPPED),))
    written(tmp_path / "report.jsonl", outcomes=[stopped], interrupted=True)
    _head, image, summary = lines(tmp_path / "report.jsonl")
    assert (image["failed"], image["reasons"]) == (False, ["stopped"])
    assert (summary["failed"], summary["left"]) == (0, 6)


def test_a_run_that_is_killed_has_written_what_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "report.jsonl"
    report = Lines(path)
    report.begin(head_of(PLAN, command="copy"))
    report.add({"kind": "image", "id": "a"})
    # Nothing is closed, nothing is flushed by anyone.
    assert [line["kind"] for line in lines(path)] == ["plan", "image"]
    with path.open("ab") as file:
        file.write(b'{"kind": "image", "id"')
    written(path)
    past = read_runs(path)
    (warning,) = caplog.messages
    assert warning.startswith(f"Lines of '{path}' that cannot be read, of images of which it does")
    assert ": 1 (a run" in warning
    assert past.images.keys() == {"a", "c", "d", "e"}
    assert past.images["a"]["action"] == "copied"
    assert past.target_id("a") == "b"
    assert past.target_id("none") is None
    assert past.plan() == PLAN


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", "[1]", '{"kind": "image"}', '{"kind": "plan"}', '{"format": "osc-image-v1"}'],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="no report"):
        read_runs(path)


def test_a_report_of_a_newer_release(tmp_path: Path) -> None:
    path = tmp_path / "newer"
    path.write_text(json.dumps({**head_of(PLAN), "version": 2}))
    with pytest.raises(InvalidInput, match="newer release"):
        read_runs(path)
    with pytest.raises(FileFailed, match="Cannot read"):
        read_runs(tmp_path / "none")


class Reader(HTMLParser):
    """Notes which elements a page has, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.fetched += [name for name, _value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_page(tmp_path: Path, interrupted: bool) -> None:
    path = tmp_path / "report.html"
    path.write_text("what was there")
    written(path, interrupted=interrupted)
    text = path.read_text()
    page = Reader(text)
    assert "script" not in page.tags
    assert not page.fetched
    assert "url(" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"<script>alert(1)</script>\x1b[31m\u202e\ud800" in page.text
    assert "1 of 4 images failed" in page.text
    assert "3 are left" in page.text
    assert ("interrupted" in page.text) is interrupted
    assert "1.0 MiB" in page.text
    assert 'style="width: 50.0%"' in text
    assert "there b" in page.text
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_a_page_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.HTML"
    written(path, outcomes=[])
    assert "6 are left" in Reader(path.read_text()).text


def test_a_page_takes_the_place_of_another_one_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.html"
    path.write_text("what was there")
    monkeypatch.setattr(os, "fsync", full)
    assert written(path).failed
    assert path.read_text() == "what was there"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_several_reports_of_one_run(tmp_path: Path) -> None:
    paths = tmp_path / "a.jsonl", tmp_path / "b.html", tmp_path / "a.jsonl"
    assert not written(*paths).failed
    assert len(lines(paths[0])) == 6
    assert paths[1].exists()


def test_what_cannot_be_a_report_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileFailed, match="it is a directory"):
        Reports([str(tmp_path)])
    with pytest.raises(FileFailed, match="its directory is not there"):
        Reports([str(tmp_path / "none" / "report")])
    with pytest.raises(InvalidInput, match="the name of none here"):
        Reports(["-"])
    assert not list(tmp_path.iterdir())


def test_a_page_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InvalidInput, match=r"pip install 'Jinja2>=3\.1' brings it"):
        Reports([str(tmp_path / "report.html")])
    written(tmp_path / "report.jsonl")


def test_a_disk_that_is_full_keeps_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reports = Reports([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")])
    reports.begin(head_of(PLAN))
    write, left = os.write, [0]

    def full(fd: int, data: Any) -> int:
        left[0] += 1
        if left[0] == 1:
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    with caplog.at_level(logging.ERROR):
        for outcome in OUTCOMES:
            reports.add(outcome)
    assert reports.failed
    assert len(caplog.messages) == 1
    assert "No space left" in caplog.messages[0]
    assert len(lines(tmp_path / "a.jsonl")) == 1
    assert len(lines(tmp_path / "b.jsonl")) == 5
