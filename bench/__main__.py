"""Measure this project beside what a user would run instead: ``python -m bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench import balance, far, lists, million, real, start, transfers
from bench import measure as measures
from bench.contenders import HERE
from bench.measure import Section
from bench.transfers import MIB

# Take as long as all others.
_BY_REQUEST = ("parallel", "million")


_PARTS: Mapping[str, Callable[[argparse.Namespace, Path], Iterator[Section]]] = {
    "start": lambda given, _folder: start.measure(4 * given.rounds),
    "list": lambda given, _folder: lists.measure(given.images, given.rounds),
    "growth": lambda given, _folder: lists.growth(
        (1000, given.images, given.images * 10), max(1, given.rounds // 2)
    ),
    "save": lambda given, folder: transfers.save(folder, given.size * MIB, given.rounds),
    "save-small": lambda given, folder: transfers.save(
        folder, max(MIB, given.size * MIB // 16), given.rounds
    ),
    "sparse": lambda given, folder: transfers.sparse(folder, given.size * MIB, given.rounds),
    "create": lambda given, folder: transfers.create(folder, given.size * MIB, given.rounds),
    "small": lambda given, folder: transfers.export(
        folder, given.small, MIB // 16, 2 * given.rounds
    ),
    "large": lambda given, folder: transfers.export(folder, 8, given.size * MIB // 8, given.rounds),
    "far": lambda given, folder: far.measure(folder, given.far, given.rounds),
    "parallel": lambda given, folder: far.parallel(folder, given.far, max(1, given.rounds // 2)),
    "million": lambda given, folder: million.measure(folder, given.million),
    "balance": lambda _given, _folder: balance.measure(),
    "real": lambda given, _folder: real.measure(given.real, given.size * MIB // 4, given.rounds),
}


def machine(before: str | None) -> dict[str, str]:
    """Return what the figures were taken on, and when.

    :param before: the interpreter that has the build before
    """
    builds = [_build(python)["versions"] for python in (sys.executable, before) if python]
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processors": str(os.cpu_count()),
        **builds[0],
        **{
            f"{name} of the build before": number
            for build in builds[1:]
            for name, number in build.items()
        },
    }


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return int(text)

    return number


def _other_build(text: str) -> str:
    """Return the interpreter of an environment with another build of this project."""
    python = str(Path(text).expanduser().absolute())
    try:
        other = _build(python)
    except (OSError, subprocess.CalledProcessError):
        raise argparse.ArgumentTypeError(
            f"{text} is no Python with this project and the shell"
        ) from None
    if other["place"] == _build(sys.executable)["place"]:
        raise argparse.ArgumentTypeError(f"{text} has this build, not another")
    return python


def _build(python: str) -> Any:
    """Return which build of this project an interpreter has, and what else."""
    return json.loads(
        subprocess.check_output([python, "-I", HERE / "build.py"], stderr=subprocess.DEVNULL)
    )


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"{', '.join(_PARTS)}; by default all but {' and '.join(_BY_REQUEST)}",
    )
    add(
        "--rounds",
        type=_at_least(1),
        default=5,
        help="measured runs of each (default: 5); of what is short more, of growth half as many",
    )
    add("--images", type=_at_least(2000), default=100_000, help="in a list (default: 100000)")
    add("--size", type=_at_least(8), default=1024, help="MiB of data (default: 1024)")
    add("--small", type=_at_least(16), default=500, help="small images (default: 500)")
    add("--far", type=_at_least(20), default=200, help="small images far away (default: 200)")
    add(
        "--million",
        type=_at_least(20_000),
        default=1_000_000,
        help="images of the part million (default: 1000000)",
    )
    add("--real", type=_at_least(1), default=3000, help="on the real cloud (default: 3000)")
    add(
        "--before",
        type=_other_build,
        metavar="PYTHON",
        help="the interpreter of an environment with another build of this project, beside which "
        "this one is measured",
    )
    add("--json", type=Path, metavar="FILE", help="write all runs there, too")
    given = parser.parse_args()
    for part in given.parts:
        if part not in _PARTS:
            parser.error(f"there is no part {part}, but {', '.join(_PARTS)}")
    return given


def measure(given: argparse.Namespace) -> None:
    """Measure what is named, or all, and print each part when it is there."""
    document: dict[str, Any] = {
        "machine": machine(given.before),
        "options": {name: str(value) for name, value in vars(given).items()},
        "sections": [],
    }
    print("\n".join(f"{what}: {which}" for what, which in document["machine"].items()) + "\n")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("TMPDIR", ".")) as name:
        for part in given.parts or [one for one in _PARTS if one not in _BY_REQUEST]:
            for section in _PARTS[part](given, Path(name).resolve()):
                section.compare_builds()
                print(section, flush=True)
                document["sections"].append({"part": part, **section.as_data()})
                if given.json:
                    given.json.write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    """Measure; what was started ends with this."""
    given = parse()
    measures.before = given.before
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if given.json:
            given.json.touch()
        measure(given)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
