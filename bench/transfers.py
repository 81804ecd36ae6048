"""Data: one large image, many small ones. ``python -m bench.transfers``.

Beside this project: curl, md5sum and glanceclient, on the same data from the same server.
"""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
from pathlib import Path

from bench.lists import beyond_start, glance, shell, stand_in
from bench.measure import Contender, compare, table
from bench.stand_in import IMAGE_ID, image_id

MIB = 2**20


def make_file(path: Path, size: int) -> Path:
    """Make a file of noise."""
    with path.open("wb") as file:
        for _ in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size)))
    return path


def sh(command: str) -> list[str]:
    return ["sh", "-ec", command]


def one_image(folder: Path, size: int, rounds: int) -> None:
    """Save and create one image of a size, and a tiny one for the cost of the start."""
    large, tiny = make_file(folder / "large", size), make_file(folder / "tiny", 1)
    out = folder / "out"
    with stand_in(1, large) as url, stand_in(1, tiny) as small:
        save = ("image", "v1", "save", "--file", str(out), IMAGE_ID)
        create = ("image", "v1", "create", "--disk-format", "raw", "--container-format", "bare")
        data = f"{url}/v1/images/{IMAGE_ID}"
        peer = ("image-download", "--file", str(out), IMAGE_ID)
        saved = compare(
            [
                Contender("start (save of 1 byte)", shell(small, *save)),
                Contender("save", shell(url, *save)),
                Contender("curl -o, sync", sh(f"curl -sSo {out} {data}; sync {out}")),
                Contender("md5sum", ["md5sum", str(large)]),
                Contender("glanceclient", glance(url, *peer)),
            ],
            rounds,
        )
        created = compare(
            [
                Contender(
                    "start (create of 1 byte)", shell(small, *create, "--file", str(tiny), "n")
                ),
                Contender("create", shell(url, *create, "--file", str(large), "bench")),
                Contender("curl -T", sh(f"curl -sST {large} {data}")),
                Contender("md5sum", ["md5sum", str(large)]),
            ],
            rounds,
        )
    print(table(f"Save {size // MIB} MiB", saved, "md5sum"))
    slower = max(saved[name].median("wall") for name in ("curl -o, sync", "md5sum"))
    ratio = beyond_start(saved, "save", "start (save of 1 byte)") / slower
    print(f"save beyond the start / slower of curl and md5sum: {ratio:.2f}\n")
    print(table(f"Create {size // MIB} MiB", created, "md5sum"))
    slower = max(created[name].median("wall") for name in ("curl -T", "md5sum"))
    ratio = beyond_start(created, "create", "start (create of 1 byte)") / slower
    print(f"create beyond the start / slower of curl and md5sum: {ratio:.2f}\n")


def many_images(folder: Path, count: int, size: int, rounds: int) -> None:
    """Export images of one size, and verify them."""
    batch = max(1, count // 8)
    data = make_file(folder / "data", size)
    ids = folder / "ids"
    ids.write_text("".join(image_id(number) + "\n" for number in range(count)))
    export, fetched = folder / "export", folder / "fetched"
    fresh = f"rm -rf {export}"
    with stand_in(count, data) as url, stand_in(1, data) as single:
        command = ("image", "v1", "export", "--parallel", "8", str(export))
        fetch = f"curl -sSo {fetched}/{{}} {url}/v1/images/{{}}"
        samples = compare(
            [
                Contender(
                    "start (export of 1)", sh(f"{fresh}; {shlex.join(shell(single, *command))}")
                ),
                Contender("export", sh(f"{fresh}; {shlex.join(shell(url, *command))}")),
                Contender(
                    "xargs -P8 curl, md5sum",
                    sh(
                        f"rm -rf {fetched}; mkdir {fetched}; xargs -P8 -I{{}} {fetch} < {ids}; "
                        f"cd {fetched}; sync *; ls | xargs -P8 -n {batch} md5sum"
                    ),
                ),
                Contender("start (verify of 0)", shell(url, "image", "v1", "list", "--limit", "1")),
                Contender("verify", shell(url, "image", "v1", "verify", str(export))),
                Contender(
                    "md5sum of all",
                    sh(f"cd {fetched}; ls | xargs -P{os.cpu_count()} -n {batch} md5sum"),
                ),
            ],
            rounds,
        )
    print(table(f"{count} images of {size / MIB:g} MiB", samples, "xargs -P8 curl, md5sum"))
    ours = beyond_start(samples, "export", "start (export of 1)")
    print(
        "export beyond the start / curl and md5sum: "
        f"{ours / samples['xargs -P8 curl, md5sum'].median('wall'):.2f}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large image")
    parser.add_argument("--small", type=int, default=500, help="number of small images")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(
        dir=Path.cwd() if not os.environ.get("TMPDIR") else None
    ) as name:
        folder = Path(name)
        one_image(folder, options.size * MIB, options.rounds)
        many_images(folder, options.small, MIB // 16, options.rounds)
        many_images(folder, 8, options.size * MIB // 8, options.rounds)


if __name__ == "__main__":
    main()
