"""Measure this project beside what a user would run instead: ``python -m bench``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from bench import lists, real, start, transfers
from bench.measure import Section
from bench.transfers import MIB

_PACKAGES = ("python-openstackclient", "python-glanceclient", "cliff", "requests")


def parts(
    options: argparse.Namespace, folder: Path
) -> Mapping[str, Callable[[], Iterator[Section]]]:
    """Return what can be measured, by name."""
    rounds, size = options.rounds, options.size * MIB
    counts = (1000, options.images, options.images * 10)
    return {
        "start": lambda: start.measure(rounds),
        "list": lambda: lists.measure(options.images, rounds),
        "growth": lambda: lists.growth(counts, max(1, rounds // 2)),
        "save": lambda: transfers.save(folder, size, rounds),
        "save-small": lambda: transfers.save(folder, size // 16, rounds),
        "create": lambda: transfers.create(folder, size, rounds),
        "small": lambda: transfers.export(folder, options.small, MIB // 16, 2 * rounds),
        "large": lambda: transfers.export(folder, 8, size // 8, rounds),
        "real": lambda: real.measure(options.real, size // 4, rounds),
    }


def machine() -> dict[str, str]:
    """Return what the figures were taken on."""
    return {
        "system": platform.platform(),
        "processors": str(os.cpu_count()),
        "Python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def parse(names: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", choices=[[], *names], help=", ".join(names)
    )
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each (default: 5)")
    parser.add_argument("--images", type=int, default=100_000, help="in a list (default: 100000)")
    parser.add_argument("--size", type=int, default=1024, help="MiB of data (default: 1024)")
    parser.add_argument("--small", type=int, default=500, help="small images (default: 500)")
    parser.add_argument("--real", type=int, default=3000, help="on the real cloud (default: 3000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs there, too")
    return parser.parse_args()


def main() -> None:
    """Measure what is named, or all."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("TMPDIR", ".")) as name:
        names = list(parts(argparse.Namespace(rounds=1, size=1, images=1), Path()))
        options = parse(names)
        sections = []
        print("\n".join(f"{what}: {which}" for what, which in machine().items()) + "\n")
        chosen = parts(options, Path(name))
        for part in options.parts or names:
            for section in chosen[part]():
                print(section)
                sys.stdout.flush()
                sections.append(section.as_data())
        if options.json:
            document = {"machine": machine(), "sections": sections}
            options.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
