"""Lists: time, memory, and what the contenders print."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.contenders import floor, glance_at, shell, stand_in
from bench.measure import Contender, Section, apart, compare

_LIST = ("image", "v1", "list")
_START = "start (--limit 1)"


def measure(count: int, rounds: int) -> Iterator[Section]:
    """List all of many images."""
    with stand_in(count) as url, tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        contenders = [
            Contender(_START, shell(url, *_LIST, "--limit", "1", "-f", "csv")),
            Contender("floor", floor(url), out / "floor"),
            Contender("csv", shell(url, *_LIST, "-f", "csv"), out / "csv"),
            Contender("value", shell(url, *_LIST, "-f", "value"), out / "value"),
            Contender("json", shell(url, *_LIST, "-f", "json"), out / "json"),
            Contender("table", shell(url, *_LIST), out / "table"),
            # It asks for 20 images at a time unless it is told otherwise.
            Contender(
                "glanceclient",
                glance_at(url, "image-list", "--page-size", "1000"),
                out / "glanceclient",
            ),
            Contender("floor --long", floor(url, "--long"), out / "floor --long"),
            Contender("csv --long", shell(url, *_LIST, "--long", "-f", "csv"), out / "csv --long"),
        ]
        section = Section(f"List of {count:,} images", compare(contenders, rounds))
        apart(_check, out, count)
    wall = section.wall
    csv_time = wall("csv", _START)
    section.figure("csv beyond the start / floor", csv_time / wall("floor"), 1.1)
    section.figure("csv beyond the start / glanceclient", csv_time / wall("glanceclient"), 0.18)
    section.figure(
        "csv --long beyond the start / floor --long",
        wall("csv --long", _START) / wall("floor --long"),
        1.4,
    )
    section.figure("json / csv, both beyond the start", wall("json", _START) / csv_time, 1.5)
    section.figure(
        "table beyond the start / glanceclient", wall("table", _START) / wall("glanceclient"), 0.6
    )
    section.figure("table / glanceclient, whole", wall("table") / wall("glanceclient"))
    section.figure(
        "table / glanceclient, memory", section.memory("table") / section.memory("glanceclient"), 1
    )
    yield section


def growth(counts: tuple[int, ...], rounds: int) -> Iterator[Section]:
    """List more and more images: time grows as they do, memory does not."""
    samples = {}
    for count in counts:
        with stand_in(count) as url:
            contenders = [
                Contender(f"{output} of {count:,}", shell(url, *_LIST, "-f", output))
                for output in ("csv", "value", "json")
            ]
            contenders.append(
                Contender(
                    f"start beside {count:,}", shell(url, *_LIST, "--limit", "1", "-f", "csv")
                )
            )
            samples.update(compare(contenders, rounds))
    section = Section("Growth", samples)
    few, many, most = (f"{count:,}" for count in counts)
    for output in ("csv", "value", "json"):
        more = section.memory(f"{output} of {most}") - section.memory(f"{output} of {few}")
        section.figure(f"{output}: memory of {most} less that of {few}", more, 5, "MiB")
    for output in ("csv", "json"):
        times = [
            section.wall(f"{output} of {count}", f"start beside {count}") for count in (many, most)
        ]
        section.figure(
            f"{output}: time for an image, {most} / {many}",
            times[1] / times[0] * counts[1] / counts[2],
        )
    yield section


def _check(out: Path, count: int) -> None:
    """All contenders must have listed the same images, and the same of each."""
    wanted = sorted(ids_in(out / "floor"))
    assert len(wanted) == count
    for path in out.iterdir():
        assert sorted(ids_in(path)) == wanted, path.name
    (names, *rows), (_fields, *least) = (_rows(out / name) for name in ("csv", "floor"))
    assert rows == least
    records = json.loads((out / "json").read_text())
    assert [[str(record[name]) for name in names] for record in records] == rows
    # Times and properties are written otherwise there.
    for ours, least_row in zip(
        _rows(out / "csv --long")[1:], _rows(out / "floor --long")[1:], strict=True
    ):
        assert ours[:7] == least_row[:7]
        assert json.loads(ours[-1]) == json.loads(least_row[-1].replace("'", '"'))


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as lines:
        return list(csv.reader(lines))


def ids_in(path: Path) -> list[str]:
    """Return the IDs in a list of the stand-in's images, whatever its form."""
    return re.findall(r"[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}", path.read_text())
