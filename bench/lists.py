"""Lists: start of the shell, time, memory and requests. ``python -m bench.lists``."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Contender, Sample, compare, table

HERE = Path(__file__).parent


@contextlib.contextmanager
def stand_in(images: int, file: Path | None = None) -> Iterator[str]:
    """Run the stand-in, and yield its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bench.stand_in", str(port), str(images)]
    server = subprocess.Popen(
        command + ([str(file)] if file else []), stdout=subprocess.PIPE, cwd=HERE.parent
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def shell(url: str, *command: str) -> list[str]:
    return [
        *(sys.executable, "-m", "openstackclient.shell"),
        *("--os-auth-type", "admin_token", "--os-token", "t", "--os-endpoint", url, *command),
    ]


def glance(url: str, *command: str) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("glance")), "--os-image-api-version", "1"),
        *("--os-auth-token", "t", "--os-image-url", url, *command),
    ]


def ids_in(file: Path) -> list[str]:
    return re.findall(r"[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}", file.read_text())


def load_cost(rounds: int) -> str:
    """Time the loading of all commands in fresh processes."""
    code = (
        "import osc_lib.shell, osc_lib.command.command, osc_lib.cli.parseractions, time\n"
        "from stevedore import ExtensionManager\n"
        "ExtensionManager('openstack.cli.extension')\n"
        "began = time.perf_counter()\n"
        "ExtensionManager('openstack.image_v1.v1')\n"
        "print(time.perf_counter() - began)"
    )
    times = sorted(
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(max(rounds, 5) * 2)
    )
    return f"Loading all commands: {times[len(times) // 2] * 1000:.1f} ms (median)\n"


def beyond_start(samples: dict[str, Sample], name: str, start: str) -> float:
    return samples[name].median("wall") - samples[start].median("wall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-glance", action="store_true")
    options = parser.parse_args()
    count = options.images
    print(load_cost(options.rounds))
    with stand_in(count) as url, tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        listing = ("image", "v1", "list")
        contenders = [
            Contender("start (--limit 1)", shell(url, *listing, "--limit", "1", "-f", "csv")),
            Contender("floor", [sys.executable, str(HERE / "floor.py"), url], out / "floor"),
            Contender("csv", shell(url, *listing, "-f", "csv"), out / "csv"),
            Contender("value", shell(url, *listing, "-f", "value"), out / "value"),
            Contender("json", shell(url, *listing, "-f", "json"), out / "json"),
            Contender("floor --long", [sys.executable, str(HERE / "floor.py"), url, "--long"]),
            Contender("csv --long", shell(url, *listing, "--long", "-f", "csv"), out / "long"),
            Contender("table", shell(url, *listing), out / "table"),
        ]
        if not options.without_glance:
            # glanceclient asks for 20 images at a time unless it is told otherwise.
            peer = glance(url, "image-list", "--page-size", "1000")
            contenders.append(Contender("glanceclient", peer, out / "glance"))
        samples = compare(contenders, options.rounds)
        check(out, count, not options.without_glance)
        print(table(f"{count} images", samples, "floor"))
        start = "start (--limit 1)"
        ratios = {
            "csv beyond the start / floor": beyond_start(samples, "csv", start)
            / samples["floor"].median("wall"),
            "csv --long beyond the start / floor --long": beyond_start(samples, "csv --long", start)
            / samples["floor --long"].median("wall"),
            "json / csv beyond the start": beyond_start(samples, "json", start)
            / beyond_start(samples, "csv", start),
        }
        if not options.without_glance:
            peer_time = samples["glanceclient"].median("wall")
            ratios["csv beyond the start / glanceclient"] = (
                beyond_start(samples, "csv", start) / peer_time
            )
            ratios["table / glanceclient"] = samples["table"].median("wall") / peer_time
        for what, ratio in ratios.items():
            print(f"{what}: {ratio:.2f}")


def check(out: Path, count: int, with_glance: bool) -> None:
    """All contenders must have listed the same images."""
    wanted = ids_in(out / "floor")
    assert len(wanted) == count
    names = ["csv", "value", "json", "long", "table"] + (["glance"] if with_glance else [])
    for name in names:
        assert ids_in(out / name) == wanted or sorted(ids_in(out / name)) == sorted(wanted), name
    with (out / "csv").open(newline="") as ours, (out / "floor").open(newline="") as floor:
        assert list(csv.reader(ours))[1:] == list(csv.reader(floor))[1:]
    assert len(json.loads((out / "json").read_text())) == count


if __name__ == "__main__":
    main()
