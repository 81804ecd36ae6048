"""A million images: what is known of all of them takes time in proportion, and no more memory."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bench.contenders import shell, stand_in
from bench.measure import Contender, Sample, Section, apart, compare

_CLOUD = "copies"
# What the memory may differ by: tables that are in temporary files keep 4 MiB each.
_MEMORY = 32


class _Room:
    """What files without a name take on the disk, looked at several times a second.

    :param folder: where the files are
    :ivar most: bytes that those of a job had at most
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._job = ""
        self._end = threading.Event()
        self.most: dict[str, int] = {}

    def __enter__(self) -> _Room:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._end.set()
        self._thread.join()

    def begin(self, job: str) -> None:
        """Count for another job from now on."""
        self._job = job

    def _watch(self) -> None:
        while not self._end.wait(0.2):
            job, taken = self._job, 0
            for link in Path("/proc").glob("[0-9]*/fd/*"):
                # A process, or a file of it, may be gone by now.
                with contextlib.suppress(OSError):
                    name = str(link.readlink())
                    if name.startswith(str(self._folder)) and name.endswith(" (deleted)"):
                        taken += link.stat().st_blocks * 512
            self.most[job] = max(taken, self.most.get(job, 0))


def measure(folder: Path, most: int) -> Iterator[Section]:
    """Run what goes through all images, once for a tenth of them and once for all."""
    counts = (most // 10, most)
    samples: dict[str, Sample] = {}
    exported = folder / "exported"
    with _Room(folder) as room:
        for count in counts:
            # Of each private image an export asks for the members, which is no matter of memory.
            with stand_in(count, public=True) as url:
                samples |= compare(list(_contenders(url, folder, count, room)), 0)
    directory = sum(file.stat().st_blocks * 512 for file in exported.iterdir())
    shutil.rmtree(exported)
    section = Section(f"Metadata of {most:,} images", samples)
    few, many = (f"{count:,}" for count in counts)
    for job in _jobs(folder):
        more = section.memory(f"{job} of {many}") - section.memory(f"{job} of {few}")
        section.figure(f"{job}: memory of {many} less that of {few}", more, _MEMORY, "MiB")
        least, whole = (
            samples[f"{job} of {count:,}"].fastest("cpu")
            - samples[f"start beside {count:,}"].fastest("cpu")
            for count in counts
        )
        section.figure(f"{job}: CPU for 1,000 images", whole * 1000 / most, unit="s")
        ratio = whole / least * counts[0] / most
        section.figure(f"{job}: CPU for an image, {many} / {few}", ratio, 1.2)
        temporary = room.most[f"{job} of {most:,}"] / most / 1024
        section.figure(f"{job}: temporary files, for an image", temporary, unit="KiB")
    section.figure("the directory, for an image", directory / most / 1024, unit="KiB")
    yield section


def _jobs(folder: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the commands, of which each but the first three leaves a line an image."""
    exported = str(folder / "exported")
    cloud = ("--keep-project-ids", "-f", "csv")
    return {
        "usage": ("usage", "-f", "csv"),
        "usage --shards": ("usage", "--shards", "256", "-f", "csv"),
        "usage --problems": ("usage", "--problems", "--no-look", "-f", "csv"),
        "export --metadata-only": ("export", "--metadata-only", "--no-progress", exported),
        "the same again": ("export", "--metadata-only", "--no-progress", exported),
        "verify": ("verify", "--no-progress", exported, "-f", "csv"),
        "compare with the directory": ("compare", "--with", f"directory:{exported}", "-f", "csv"),
        "compare with a cloud": ("compare", "--with", f"cloud:{_CLOUD}", *cloud),
        "copy --dry-run": ("copy", "--to-cloud", _CLOUD, "--dry-run", "--no-progress", *cloud),
    }


def _contenders(url: str, folder: Path, count: int, room: _Room) -> Iterator[Contender]:
    clouds, temporary = folder / "clouds.yaml", folder / "temporary"
    temporary.mkdir(exist_ok=True)
    way = {"auth_type": "admin_token", "auth": {"endpoint": url, "token": "t"}}
    clouds.write_text(json.dumps({"clouds": {_CLOUD: way}}))
    env = {"OS_CLIENT_CONFIG_FILE": str(clouds), "TMPDIR": str(temporary)}
    start = shell(url, "image", "v1", "list", "--limit", "1", "-f", "csv")
    yield Contender(f"start beside {count:,}", start)
    # Nothing of the data is in the directory: a comparison says so of each image, with status 1.
    run = ["sh", "-c", '"$@" || test $? = 1', "sh"]
    listed, exported = folder / "listed", folder / "exported"

    def prepare(name: str) -> None:
        room.begin(name)
        if name.startswith("export"):
            shutil.rmtree(exported, ignore_errors=True)

    for job, command in _jobs(folder).items():
        name = f"{job} of {count:,}"
        yield Contender(
            name,
            [*run, *shell(url, "image", "v1", *command)],
            listed,
            env,
            partial(prepare, name),
            partial(apart, _check, job, listed, count),
        )


def _check(job: str, listed: Path, count: int) -> None:
    """What goes through all images must have seen each of them."""
    text = listed.read_text()
    if job.startswith(("compare with the directory", "copy")):
        assert text.count("\n") == count + 1
    if job.startswith(("export", "the same")):
        assert f" {count} " in text
    if job == "usage":
        rows = csv.DictReader(text.splitlines())
        assert sum(int(row["Images"]) for row in rows) == count
