"""Data: one large image, many small ones, a few large ones.

Beside this project: curl, md5sum, glanceclient and the shell's own command for the Image API v1, on
the same data from the same server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bench.contenders import glance_at, sh, shell, stand_in
from bench.measure import Contender, Section, compare
from bench.stand_in import IMAGE_ID, image_id

MIB = 2**20
# openstackclient's own command takes minutes for more, and several times as much memory.
_MOST_OWN = 64 * MIB
_PROCESSORS = os.cpu_count() or 1


def make_file(path: Path, size: int) -> Path:
    """Make a file of noise."""
    with path.open("wb") as file:
        for begun in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - begun)))
    return path


def save(folder: Path, size: int, rounds: int) -> Iterator[Section]:
    """Save one image; a tiny one is the cost of the start."""
    large, tiny = make_file(folder / "large", size), make_file(folder / "tiny", 1)
    out = folder / "out"
    start = "start (save of 1 byte)"
    with stand_in(1, large) as url, stand_in(1, tiny) as small:
        command = ("image", "v1", "save", "--file", str(out), IMAGE_ID)
        own = ("--os-image-api-version", "1", "image", "save", "--file", str(out), IMAGE_ID)
        contenders = [
            Contender(start, shell(small, *command)),
            Contender("save", shell(url, *command)),
            Contender(
                "curl -o, sync", sh(f"curl -sSo {out} {url}/v1/images/{IMAGE_ID}", f"sync {out}")
            ),
            Contender("md5sum", ["md5sum", str(large)]),
            Contender(
                "glanceclient", glance_at(url, "image-download", "--file", str(out), IMAGE_ID)
            ),
        ]
        if size <= _MOST_OWN:
            # It does not find the version by itself.
            contenders.append(Contender("openstackclient's own", shell(f"{url}/v1", *own)))
        section = Section(f"Save of {size // MIB:,} MiB", compare(contenders, rounds))
    assert out.stat().st_size == size
    _one_image(section, "save", start, "curl -o, sync", glanceclient=1)
    yield section


def _one_image(
    section: Section, job: str, start: str, curl: str, glanceclient: float | None = None
) -> None:
    """Add the figures of a job with one image.

    :param glanceclient: how many times the whole time of glanceclient it may take
    """
    ours = section.wall(job, start)
    slower = max(section.wall(curl), section.wall("md5sum"))
    section.figure(f"{job} beyond the start / slower of curl and md5sum", ours / slower, 1.15)
    section.figure(
        f"{job} beyond the start / glanceclient", ours / section.wall("glanceclient"), glanceclient
    )
    more = section.memory(job) - section.memory(start)
    section.figure("memory beyond that of the start", more, 5, "MiB")


def create(folder: Path, size: int, rounds: int) -> Iterator[Section]:
    """Make one image from a file; a tiny one is the cost of the start."""
    large, tiny = make_file(folder / "large", size), make_file(folder / "tiny", 1)
    start = "start (create of 1 byte)"
    with stand_in(1, large) as url, stand_in(1, tiny) as small:
        formats = ("--disk-format", "raw", "--container-format", "bare")
        command = ("image", "v1", "create", *formats, "--file")
        contenders = [
            Contender(start, shell(small, *command, str(tiny), "n")),
            Contender("create", shell(url, *command, str(large), "bench")),
            Contender("curl -T", sh(f"curl -sST {large} {url}/v1/images/{IMAGE_ID}")),
            Contender("md5sum", ["md5sum", str(large)]),
            Contender(
                "glanceclient",
                glance_at(url, "image-create", *formats, "--name", "n", "--file", str(large)),
            ),
        ]
        section = Section(f"Create from {size // MIB:,} MiB", compare(contenders, rounds))
    _one_image(section, "create", start, "curl -T")
    yield section


def export(folder: Path, count: int, size: int, rounds: int) -> Iterator[Section]:
    """Export images of one size, and verify them."""
    data = make_file(folder / "data", size)
    ids = folder / "ids"
    ids.write_text("".join(image_id(number) + "\n" for number in range(count)))
    single, exported, fetched = (folder / name for name in ("single", "exported", "fetched"))
    start, start_verify = "start (export of 1)", "start (verify of 1)"
    with stand_in(count, data) as url, stand_in(1, data) as other:
        command = ("image", "v1", "export", "--parallel", "8")
        fetch = f"curl -sSo {fetched}/{{}} {url}/v1/images/{{}}"
        batch = max(1, count // 8)
        hashing = "ls | xargs -P{} -n{} md5sum"
        contenders = [
            Contender(start, sh(f"rm -rf {single}", shell(other, *command, str(single)))),
            Contender("export", sh(f"rm -rf {exported}", shell(url, *command, str(exported)))),
            Contender(
                "xargs -P8 curl, md5sum",
                sh(
                    *(f"rm -rf {fetched}", f"mkdir {fetched}"),
                    f"xargs -P8 -I{{}} {fetch} < {ids}",
                    *(f"cd {fetched}", "sync *", hashing.format(8, batch)),
                ),
            ),
            Contender(start_verify, shell(url, "image", "v1", "verify", str(single))),
            Contender("verify", shell(url, "image", "v1", "verify", str(exported))),
            Contender("md5sum of all", sh(f"cd {fetched}", hashing.format(_PROCESSORS, batch))),
        ]
        samples = compare(contenders, rounds)
    assert len(list(exported.glob("*.img"))) == len(list(fetched.iterdir())) == count
    section = Section(f"Export of {count} images of {size / MIB:g} MiB", samples)
    section.figure(
        "export beyond the start / curl and md5sum",
        section.wall("export", start) / section.wall("xargs -P8 curl, md5sum"),
        1.3,
    )
    section.figure(
        "verify beyond the start / md5sum on all processors",
        section.wall("verify", start_verify) / section.wall("md5sum of all"),
        1,
    )
    section.figure(
        "memory beyond that of the start",
        section.memory("export") - section.memory(start),
        unit="MiB",
    )
    yield section
