"""How ``bench/`` runs another build of this project beside this one, and what it simulates."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import balance, measure
from bench.contenders import SHELL
from bench.measure import Contender, Run, Sample, Section, compare


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The interpreter of another build, which notes each run, and knows the option --new not."""
    log, python = tmp_path / "runs", tmp_path / "python"
    monkeypatch.setattr(measure, "SHELL", ["sh", "-c", f"echo now $1 >> {log}", "--"])
    monkeypatch.setattr(measure, "shell_of", lambda path: [path])
    monkeypatch.setattr(measure, "before", str(python))
    python.write_text(
        f"#!/bin/sh\necho before $1 >> {log}\n"
        'test "$1" != --new || { printf "usage:\\nno option --new\\n" >&2; exit 2; }\n'
    )
    python.chmod(0o755)
    return log


def _ours(name: str, *command: str) -> Contender:
    return Contender(name, [*measure.SHELL, *command])


def test_each_command_of_this_project_is_run_by_the_build_before_first(before: Path) -> None:
    samples = compare([_ours("save", "save"), Contender("curl", ["true"])], 2)
    assert before.read_text().split("\n") == ["before save", "now save"] * 3 + [""]
    assert {name: len(sample.runs) for name, sample in samples.items()} == {
        "save, before": 2,
        "save": 2,
        "curl": 2,
    }


def test_with_no_rounds_the_first_run_counts(before: Path) -> None:
    samples = compare([_ours("copy", "copy"), _ours("new", "--new")], 0)
    assert {name: len(sample.runs) for name, sample in samples.items()} == {
        "copy, before": 1,
        "copy": 1,
        "new, before": 0,
        "new": 1,
    }


def test_a_command_within_others_is_found_and_a_trial_is_of_both(before: Path) -> None:
    one = Contender("fed", ["env", *measure.SHELL, "fed"], trial=["env", *measure.SHELL, "tried"])
    compare([one], 1)
    assert before.read_text().split() == "before tried now tried before fed now fed".split()


def test_what_the_build_before_lacks_is_left_out_with_its_words(before: Path) -> None:
    section = Section("Copies", compare([_ours("copy", "--new")], 2))
    section.compare_builds()
    assert before.read_text().count("before") == 1
    assert before.read_text().count("now") == 3
    assert "copy, before: left out: no option --new" in str(section)
    assert section.as_data()["left out"] == {"copy, before": "no option --new"}
    assert section.figures == []


def test_what_this_build_lacks_ends_the_run(before: Path) -> None:
    def check() -> None:
        raise AssertionError("other data")

    with pytest.raises(AssertionError):
        compare([Contender("curl", ["true"], check=check)], 1)
    assert not before.exists()


def test_ratios_are_beyond_the_start() -> None:
    def sample(wall: float, cpu: float) -> Sample:
        return Sample([Run(wall, cpu, 90), Run(2 * wall, 2 * cpu, 90)])

    section = Section(
        "Export",
        {
            "export, before": sample(3, 5),
            "export": sample(2, 1),
            "start (of 1 byte), before": sample(1, 1),
            "start (of 1 byte)": sample(1, 0.5),
            "verify, before": sample(5, 1),
            "verify": sample(3, 2),
            "curl": sample(1, 1),
        },
    )
    section.compare_builds()
    assert [(figure.name, round(figure.value, 2)) for figure in section.figures] == [
        ("export / build before", 0.67),
        ("export / build before, CPU", 0.2),
        ("start (of 1 byte) / build before", 1.0),
        ("start (of 1 byte) / build before, CPU", 0.5),
        # Nothing of the CPU time of the build before is beyond its start.
        ("verify beyond the start / build before", 0.5),
    ]


def test_without_another_build_all_run_once_a_round() -> None:
    assert measure.before is None
    assert list(compare([Contender("list", [*SHELL[:1], "-c", ""])], 1)) == ["list"]


def test_how_even_the_spread_is() -> None:
    """The tables of the page are what comes of the first cases now."""
    page = (Path(measure.__file__).parent / "README.rst").read_text()
    told = [line.split("  ") for line in page.splitlines()]
    rows = [[cell.strip() for cell in line if cell] for line in told]
    for section in balance.measure(balance.MACHINES[:1], balance.WORKERS[:2]):
        for row in section.table:
            assert row in rows
        (figure,) = section.figures
        assert figure.target is not None
        assert 1 <= figure.value <= figure.target


def test_what_is_spread_is_done_once() -> None:
    case = balance.Case(3, 50, 2.0, 1)
    images = case.records(7)
    assert images == case.records(7) != case.records(8)
    assert len({image["id"] for image in images}) == 50
    # One alone does all of it, in whatever order and parts.
    alone = balance.Case(1, 50, 2.0, 1)
    assert set(balance._over_machines(alone, images).values()) == {1.0}
    assert set(balance._over_workers(alone, images).values()) == {1.0}
