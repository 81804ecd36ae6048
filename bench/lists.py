"""Lists: time, memory, and what the contenders print."""

from __future__ import annotations

import ast
import contextlib
import csv
import json
import re
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import requests

from bench.contenders import floor, glance_at, shell, stand_in
from bench.measure import Contender, Section, apart, compare, run_once

_ID = re.compile(r"[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}")
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
        asked = _requests(url, contenders[2])
    wall = section.fastest
    csv_time = wall("csv", _START)
    section.figure("csv: requests", asked, count // 1000 + 1)
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
    contenders = []
    with contextlib.ExitStack() as services:
        # All in turn: what else the machine does is the same to each then.
        for count in counts:
            url = services.enter_context(stand_in(count))
            out = Path(services.enter_context(tempfile.TemporaryDirectory()))
            start = shell(url, *_LIST, "--limit", "1", "-f", "csv")
            contenders.append(Contender(f"start beside {count:,}", start))
            contenders += [
                Contender(
                    f"{output} of {count:,}",
                    shell(url, *_LIST, "-f", output),
                    out / output,
                    check=partial(apart, _count, out / output, count),
                )
                for output in ("csv", "value", "json")
            ]
        samples = compare(contenders, rounds)
    section = Section("Growth", samples)
    few, many, most = (f"{count:,}" for count in counts)
    for output in ("csv", "value", "json"):
        more = section.memory(f"{output} of {most}") - section.memory(f"{output} of {few}")
        section.figure(f"{output}: memory of {most} less that of {few}", more, 5, "MiB")
    for output in ("csv", "json"):
        times = [
            section.fastest(f"{output} of {count}", f"start beside {count}")
            for count in (many, most)
        ]
        section.figure(
            f"{output}: time for an image, {most} / {many}",
            times[1] / times[0] * counts[1] / counts[2],
            1.1,
        )
    yield section


def _requests(url: str, contender: Contender) -> int:
    """Return how many requests a list takes."""
    before, _run, after = _asked(url), run_once(contender), _asked(url)
    return after - before


def _asked(url: str) -> int:
    return int(requests.get(f"{url}/requests", timeout=10).text)


def _count(path: Path, count: int) -> None:
    """A list must have that many images, each once."""
    with path.open() as lines:
        found = {image_id for line in lines for image_id in _ID.findall(line)}
    assert len(found) == count, f"{len(found)} images in {path.name}, not {count}"


def _check(out: Path, count: int) -> None:
    """All contenders must have listed the same images in the same order, and the same of each."""
    (names, *rows), (_fields, *least) = (_rows(out / name) for name in ("csv", "floor"))
    assert len(least) == count
    assert rows == least
    records = json.loads((out / "json").read_text())
    assert [[str(record[name]) for name in names] for record in records] == rows
    assert (out / "value").read_text().splitlines() == [" ".join(row) for row in rows]
    assert _cells(out / "table") == rows
    # It shows no checksum, and the status instead.
    assert [row[:5] for row in _cells(out / "glanceclient")] == [row[:5] for row in rows]
    long, least_long = (_rows(out / f"{name} --long")[1:] for name in ("csv", "floor"))
    assert long == list(map(_as_listed, least_long))


def _rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as lines:
        return list(csv.reader(lines))


def _cells(path: Path) -> list[list[str]]:
    """Return the rows of a table, without its header."""
    lines = (line for line in path.read_text().splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines][1:]


def _as_listed(row: list[str]) -> list[str]:
    """Return a row of ``floor --long``, with what this project writes otherwise."""
    row[7] = "public" if row[7] == "True" else "private"
    row[12:14] = (moment.removesuffix(".000000") + "Z" for moment in row[12:14])
    row[16] = json.dumps(ast.literal_eval(row[16]), sort_keys=True)
    return row
