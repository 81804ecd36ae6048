"""Data: one large image, many small ones, a few large ones.

Beside this project: curl, md5sum, glanceclient and the shell's own command for the Image API v1, on
the same data from the same server. Nobody finds files of the run before.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench.contenders import glance_at, own_at, sh, shell, stand_in
from bench.measure import Contender, Section, compare
from bench.stand_in import IMAGE_ID, image_id

MIB = 2**20
# openstackclient's own command takes minutes for more, and several times as much memory.
_MOST_OWN = 64 * MIB
_PROCESSORS = os.cpu_count() or 1
_FORMATS = ("--disk-format", "raw", "--container-format", "bare")


def make_file(path: Path, size: int) -> Path:
    """Make a file of noise."""
    with path.open("wb") as file:
        for begun in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - begun)))
    return path


def check_files(paths: Iterable[Path], data: Path, count: int = 1) -> None:
    """There must be that many files, each of that data."""
    found = list(paths)
    if len(found) != count:
        sys.exit(f"there are {len(found)} files, not {count}")
    for path in found:
        if not filecmp.cmp(path, data, shallow=False):
            sys.exit(f"{path} has other data")


def save(folder: Path, size: int, rounds: int) -> Iterator[Section]:
    """Save one image; a tiny one is the cost of the start."""
    large, tiny = make_file(folder / "large", size), make_file(folder / "tiny", 1)
    out = folder / "out"
    start = "start (save of 1 byte)"
    command = ("image", "v1", "save", "--file", str(out), IMAGE_ID)
    own = ("--os-image-api-version", "1", "image", "save", "--file", str(out), IMAGE_ID)

    def saver(name: str, argv: list[str], data: Path = large) -> Contender:
        return Contender(
            name,
            argv,
            prepare=lambda: out.unlink(missing_ok=True),
            check=lambda: check_files([out], data),
        )

    with stand_in(1, large) as url, stand_in(1, tiny) as small:
        contenders = [
            saver(start, shell(small, *command), tiny),
            saver("save", shell(url, *command)),
            saver(
                "curl -o, sync",
                sh(["curl", "-fsSo", out, f"{url}/v1/images/{IMAGE_ID}"], ["sync", out]),
            ),
            Contender("md5sum", ["md5sum", str(large)]),
            saver("glanceclient", glance_at(url, "image-download", "--file", str(out), IMAGE_ID)),
        ]
        if size <= _MOST_OWN:
            # It does not find the version by itself.
            contenders.append(saver("openstackclient's own", own_at(f"{url}/v1", *own)))
        section = Section(f"Save of {size // MIB:,} MiB", compare(contenders, rounds))
    out.unlink()
    _one_image(section, "save", start, "curl -o, sync", glanceclient=1)
    yield section


def _one_image(
    section: Section, job: str, start: str, curl: str, glanceclient: float | None = None
) -> None:
    """Add the figures of a job with one image.

    :param glanceclient: how many times the whole time of glanceclient it may take
    """
    ours = section.fastest(job, start)
    slower = max(section.fastest(curl), section.fastest("md5sum"))
    section.figure(f"{job} beyond the start / slower of curl and md5sum", ours / slower, 1.15)
    section.figure(
        f"{job} beyond the start / glanceclient",
        ours / section.fastest("glanceclient"),
        glanceclient,
    )
    more = section.memory(job) - section.memory(start)
    section.figure("memory beyond that of the start", more, 5, "MiB")


def create(folder: Path, size: int, rounds: int) -> Iterator[Section]:
    """Make one image from a file; a tiny one is the cost of the start."""
    large, tiny = make_file(folder / "large", size), make_file(folder / "tiny", 1)
    start = "start (create of 1 byte)"

    def creator(name: str, argv_at: Callable[[str], list[str]]) -> Contender:
        return Contender(name, argv_at(url), trial=argv_at(strict))

    def ours(at: str, data: Path = large) -> list[str]:
        return shell(at, "image", "v1", "create", *_FORMATS, "--file", str(data), "bench")

    def glanceclient(at: str) -> list[str]:
        return glance_at(at, "image-create", *_FORMATS, "--name", "n", "--file", str(large))

    with (
        stand_in(1, large) as url,
        stand_in(1, tiny) as small,
        stand_in(1, large, strict=True) as strict,
    ):
        contenders = [
            Contender(start, ours(small, tiny)),
            creator("create", ours),
            creator(
                "curl -T", lambda at: ["curl", "-fsST", str(large), f"{at}/v1/images/{IMAGE_ID}"]
            ),
            Contender("md5sum", ["md5sum", str(large)]),
            creator("glanceclient", glanceclient),
        ]
        section = Section(f"Create from {size // MIB:,} MiB", compare(contenders, rounds))
    _one_image(section, "create", start, "curl -T")
    yield section


def export(folder: Path, count: int, size: int, rounds: int) -> Iterator[Section]:
    """Export images of one size, and verify them; one of a byte is the cost of the start."""
    data, tiny = make_file(folder / "data", size), make_file(folder / "tiny", 1)
    single, exported, fetched = (folder / name for name in ("single", "exported", "fetched"))
    start, start_verify = "start (export of 1 byte)", "start (verify of 1 byte)"
    curl, batch = "xargs -P8 curl, md5sum", max(1, count // 8)
    curls = f"xargs -P8 -n{batch} curl, md5sum"
    command = ("image", "v1", "export", "--parallel", "8")
    with stand_in(count, data) as url, stand_in(1, tiny) as small:
        (folder / "ids").write_text("".join(f"{image_id(one)}\n" for one in range(count)))
        (folder / "urls").write_text(
            "".join(f"{url}/v1/images/{image_id(one)}\n" for one in range(count))
        )

        def exporter(name: str, at: str, target: Path, wanted: Path, number: int) -> Contender:
            return Contender(
                name,
                shell(at, *command, str(target)),
                prepare=lambda: shutil.rmtree(target, ignore_errors=True),
                check=lambda: check_files(target.glob("*.img"), wanted, number),
            )

        def fetcher(name: str, fetch: str) -> Contender:
            def empty() -> None:
                shutil.rmtree(fetched, ignore_errors=True)
                fetched.mkdir()

            return Contender(
                name,
                sh(fetch, "sync *", _hashing(8, batch), folder=fetched),
                prepare=empty,
                check=lambda: check_files(fetched.iterdir(), data, count),
            )

        contenders = [
            exporter(start, small, single, tiny, 1),
            exporter("export", url, exported, data, count),
            fetcher(curl, f"xargs -P8 -I{{}} curl -fsSo {{}} {url}/v1/images/{{}} < ../ids"),
            Contender(start_verify, shell(url, "image", "v1", "verify", str(single))),
            Contender("verify", shell(url, "image", "v1", "verify", str(exported))),
            Contender("md5sum of all", sh(_hashing(_PROCESSORS, batch), folder=fetched)),
        ]
        if batch > 1:
            lines = f"xargs -P8 -n{batch} curl -fsS --remote-name-all < ../urls"
            contenders.insert(2, fetcher(curls, lines))
        samples = compare(contenders, rounds)
    section = Section(f"Export of {count} images of {size / MIB:g} MiB", samples)
    ours = section.fastest("export", start)
    section.figure(f"export beyond the start / {curl}", ours / section.fastest(curl), 1.3)
    if batch > 1:
        section.figure(f"export beyond the start / {curls}", ours / section.fastest(curls))
    section.figure(
        "verify beyond the start / md5sum on all processors",
        section.fastest("verify", start_verify) / section.fastest("md5sum of all"),
        1,
    )
    more = section.memory("export") - section.memory(start)
    section.figure("memory beyond that of the start", more, unit="MiB")
    for path in (single, exported, fetched):
        shutil.rmtree(path)
    yield section


def sparse(folder: Path, size: int, rounds: int) -> Iterator[Section]:
    """Save, export and verify an image of zeros for nine tenths, and one without zeros."""
    tiny, data = make_file(folder / "tiny", 1), folder / "data"
    for title, noise, room, time in (
        ("nine tenths zeros", 1, 0.12, 0.8),
        ("noise", 10, 1.01, 1.03),
    ):
        make_file(data, 0)
        with data.open("r+b") as file:
            for begun in range(0, size, 10 * MIB):
                file.seek(begun)
                file.write(os.urandom(min(noise * MIB, size - begun)))
            file.truncate(size)
        yield _with_and_without_holes(folder, data, tiny, rounds, title, room, time)


def _with_and_without_holes(
    folder: Path, data: Path, tiny: Path, rounds: int, title: str, room: float, time: float
) -> Section:
    """Do the same with holes and with --no-sparse, as it was before there were holes.

    :param room: what an image may take on the disk at most, as a part of its size
    :param time: what it may take of the time without holes
    """
    out = folder / "out"
    targets = {option: folder / f"exported{option}" for option in ("", "--no-sparse")}

    def empty(target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        out.unlink(missing_ok=True)

    def contender(name: str, url: str, *command: str, target: Path = out) -> Contender:
        wanted = tiny if "1 byte" in name else data

        def check() -> None:
            check_files([out] if target == out else target.glob("*.img"), wanted)

        argv = shell(url, "image", "v1", *command)
        return Contender(name, argv, prepare=lambda: empty(target), check=check)

    with stand_in(1, data) as url, stand_in(1, tiny) as small:
        first = ("save", "--file", str(out), IMAGE_ID)
        contenders = [contender("start (save of 1 byte)", small, *first)]
        for option, target in targets.items():
            options = [option] if option else []
            contenders += [
                contender(f"save {option}".strip(), url, *first, *options),
                contender(
                    f"export {option}".strip(), url, "export", *options, str(target), target=target
                ),
                Contender(
                    f"verify {option}".strip(), shell(url, "image", "v1", "verify", str(target))
                ),
            ]
        samples = compare(contenders, rounds)
    size = data.stat().st_size
    section = Section(f"{size // MIB:,} MiB: {title}", samples)
    start = contenders[0].name
    for job in ("save", "export", "verify"):
        ours, before = (section.fastest(name, start) for name in (job, f"{job} --no-sparse"))
        most = None if job == "verify" else time
        section.figure(f"{job} beyond the start / --no-sparse", ours / before, most)
    (exported,) = targets[""].glob("*.img")
    taken = exported.stat().st_blocks * 512 / size
    section.figure("room on the disk after export / size", taken, room)
    for target in targets.values():
        empty(target)
    return section


def _hashing(processes: int, batch: int) -> str:
    """Return a line that hashes all files of a folder."""
    return f"ls | xargs -P{processes} -n{batch} md5sum"
