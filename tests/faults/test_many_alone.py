"""Many images with full disks, signals, pipes, and two runs at once, in processes of their own."""

from __future__ import annotations

import functools
import resource
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import pytest

from osc_image_v1.transfer import outage
from tests.faults import many_rows
from tests.faults.conftest import Result
from tests.faults.many_rows import CROWDS, IDS, IMAGES, OtherRow, alone
from tests.faults.server import (
    Answer,
    FakeImage,
    Fault,
    Service,
    Undone,
    cut,
    dripping,
    front_end,
    instead,
    lost,
)
from tests.faults.test_many import (
    COPY,
    EXPORT,
    IMPORT,
    Shell,
    clouds,
    command_of,
    directory,
    exported,
    on_target,
    plain,
    whole_files,
)
from tests.faults.test_save_alone import Start, ended, ended_by, nobody, small_disk

__all__ = ["directory", "small_disk"]
_TWICE = "Two runs at once into the same cloud: each image comes once, the later run waits for it"
_SIGNALS = [
    ("Control-C", signal.SIGINT),
    ("SIGTERM", signal.SIGTERM),
    ("SIGKILL, power loss", signal.SIGKILL),
]


def patient(words: Sequence[str], directory: Path) -> list[str]:
    """A command that does not give up on a silent service before it gets its signal."""
    return ["--os-image-v1-timeout", "3", *command_of(words, directory)[2:]]


def check(row: OtherRow, result: Result, service: Service, directory: Path) -> None:
    """Check the exit status, and that the row's line is among those that were said."""
    lines = [plain(line, service, directory) for line in result.err.splitlines()]
    assert result.status == row.status
    assert (row.says in lines) if row.says else "Traceback" not in result.err


def test_no_room(shell: Shell, directory: Path) -> None:
    image = FakeImage(data=b"x", size=2**60, more={"disk_format": "qcow2"})
    with Service([image]) as service:
        result = shell(service, *command_of(EXPORT, directory))
    check(alone("export", "The disk has no room for all images"), result, service, directory)
    assert "data" not in service.kinds


def test_disk_full(shell: Shell, small_disk: Path) -> None:
    """The first image's size is not known beforehand, and it is larger than the disk."""
    large = FakeImage(id=IDS[0], name="image 0", data=b"x" * 2**20, more={"size": None})
    small = FakeImage(id=IDS[1], data=b"small")
    with Service([large, small]) as service:
        result = shell(service, *command_of(EXPORT, small_disk))
    check(alone("export", "The disk fills up: the others go on"), result, service, small_disk)
    assert (small_disk / f"{IDS[1]}.img").read_bytes() == b"small"
    assert not (small_disk / f"{IDS[0]}.img").exists()


def test_no_room_for_one_after_the_other(shell: Shell, small_disk: Path) -> None:
    images = [FakeImage(id=str(uuid.UUID(int=n)), data=b"x" * 2**20) for n in range(5)]
    with Service(images) as service:
        result = shell(service, *command_of(EXPORT, small_disk), "--parallel", "1")
    name = "The disk has no room for three images in a row, which are not known to be no zeros"
    check(alone("export", name), result, service, small_disk)
    assert "may need 5242880 more bytes" in result.err
    assert not list(small_disk.glob("*.img*"))


def test_directory_not_writable(
    shell: Shell, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the shell looks up in its environment, which someone else may not be able to read.
    monkeypatch.setattr(metadata, "version", functools.cache(metadata.version))
    with Service(IMAGES) as service:
        shell(service, *command_of(EXPORT, directory), "--dry-run")
        directory.chmod(0o555)
        for parent in directory.parents:
            if parent.is_relative_to(tempfile.gettempdir()) and parent.stat().st_mode & 0o1000 == 0:
                parent.chmod(0o755)
        service.asked.clear()
        with nobody():
            result = shell(service, *command_of(EXPORT, directory))
    check(alone("export", "The directory cannot be written to"), result, service, directory)
    assert "data" not in service.kinds


def test_two_exports(start: Start, shell: Shell, directory: Path) -> None:
    faults = {"data": [dripping(10, 0.03)] * 6}
    row = alone("export", "Another run exports to the same directory")
    with Service(IMAGES, faults) as service:
        command = command_of(EXPORT, directory)
        results = [ended(process) for process in [start(service, *command) for _ in range(2)]]
        assert min(result.status for result in results) == 0
        for result in results:
            if result.status:
                check(row, result, service, directory)
    assert whole_files(directory) == IDS
    with Service() as silent:
        assert shell(silent, "image", "v1", "verify", str(directory)).status == 0


@pytest.mark.parametrize(("name", "number"), _SIGNALS)
def test_export_is_ended(
    name: str, number: int, start: Start, shell: Shell, directory: Path
) -> None:
    with Service(IMAGES, {"data": [None, cut(100_000, "stall")]}) as service:
        process = start(service, *patient(EXPORT, directory))
        result = ended_by(number, process, service)
    check(alone("export", name), result, service, directory)
    assert whole_files(directory) == IDS[:1]
    with Service(IMAGES) as service:
        assert shell(service, *command_of(EXPORT, directory)).status == 0
    assert whole_files(directory) == IDS
    # What was whole is not fetched again.
    fetched = [asked.path for asked in service.asked if asked.kind in ("data", "rest")]
    assert [IDS[0] in path for path in fetched] == [False] * len(fetched)


def _nobody_reads(process: subprocess.Popen[bytes]) -> Result:
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    return ended(process)


def test_export_to_nobody(start: Start, directory: Path) -> None:
    with Service(IMAGES) as service:
        result = _nobody_reads(start(service, *command_of(EXPORT, directory)))
    row = alone("export", "Nobody reads the summary (closed pipe)")
    check(row, result, service, directory)
    assert whole_files(directory) == IDS


Clouds = Callable[[Service], None]


@pytest.fixture
def to_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clouds:
    return lambda target: clouds(monkeypatch, tmp_path / "clouds.yaml", target)


def check_once(results: Sequence[Result], target: Service) -> None:
    """Both runs are content, and each image is there, whole, and was made and filled once."""
    assert [result.status for result in results] == [0, 0], [result.err for result in results]
    assert on_target(target) == IDS
    stored = [
        asked.path for asked in target.asked if asked.kind == "upload2" and asked.status < 300
    ]
    assert sorted(stored) == [f"/v2/images/{image_id}/file" for image_id in IDS]


def test_two_copies(start: Start, directory: Path, to_cloud: Clouds) -> None:
    with Service(IMAGES, {"data": [dripping(10, 0.03)] * 6}) as service, Service() as target:
        to_cloud(target)
        command = command_of(COPY, directory)
        results = [ended(process) for process in [start(service, *command) for _ in range(2)]]
        for result in results:
            check(alone("copy", _TWICE), result, service, directory)
        check_once(results, target)


def test_two_imports(start: Start, shell: Shell, directory: Path) -> None:
    exported(shell, directory)
    with Service() as target:
        command = command_of(IMPORT, directory)
        results = [ended(process) for process in [start(target, *command) for _ in range(2)]]
        for result in results:
            check(alone("import", _TWICE), result, target, directory)
        check_once(results, target)


@pytest.mark.parametrize(("name", "number"), _SIGNALS)
def test_copy_is_ended(
    name: str, number: int, start: Start, shell: Shell, directory: Path, to_cloud: Clouds
) -> None:
    with (
        Service(IMAGES, {"data": [None, cut(290_000, "stall")]}) as service,
        Service() as target,
    ):
        to_cloud(target)
        process = start(service, *patient(COPY, directory))
        result = ended_by(number, process, service)
        check(alone("copy", name), result, service, directory)
        assert on_target(target) == IDS[:1]
        assert {record["status"] for record in target.v2_images.values()} == {"active", "queued"}
        assert shell(service, *command_of(COPY, directory)).status == 0
        assert on_target(target) == IDS


def test_copy_is_ended_with_rows(start: Start, directory: Path, to_cloud: Clouds) -> None:
    with (
        Service(IMAGES, {"data": [None, cut(290_000, "stall")]}) as service,
        Service() as target,
    ):
        to_cloud(target)
        command = [word if word != "json" else "table" for word in patient(COPY, directory)]
        process = start(service, *command)
        result = ended_by(signal.SIGINT, process, service)
        name = "Control-C, and the table goes to a file: the rows so far are in it"
        check(alone("copy", name), result, service, directory)
        assert on_target(target) == IDS[:1]
    rows = [line for line in result.out.decode().splitlines() if " image " in line]
    assert IDS[0] in rows[0]
    assert "copied" in rows[0]
    # The image that was under way has no result, or that it failed.
    assert [line for line in rows[1:] if "failed" not in line] == []


CROWD = [
    FakeImage(
        id=f"00000000-0000-4000-9000-{number:012}",
        name=f"image {number}",
        data=b"%04d" % number * 750,
        more={"is_public": True},
    )
    for number in range(35)
]
_ILL = {image.id for image in CROWD[:24]}


def _of_the_ill(fault: Fault) -> Fault:
    """The fault for those images alone."""

    def chosen(answer: Answer, service: Service) -> Answer:
        ids = {value for name, value in answer.headers if name == "X-Image-Meta-id"}
        return fault(answer, service) if ids & _ILL else answer

    return chosen


_REFUSED = instead(401, "Authentication required")
_CROWDS: Mapping[str, Mapping[str, Sequence[Fault | None]]] = {
    "The data of 24 images ends at the same byte each time (a lost segment)": {
        "data": [_of_the_ill(cut(1000))] * 200,
        "rest": [instead(400, "Getting images randomly from this store is not supported")] * 200,
    },
    "A front end answers 502 for the headers of many images: v2 has their data": {
        "data": [_of_the_ill(front_end(502))] * 200
    },
    "A front end answers 502 for the headers of 24 images, and there is no Image API v2": {
        "data": [_of_the_ill(front_end(502))] * 200,
        "rest": [instead(300, "")] * 200,
    },
    "The store is down: 500 for each image's data, after half a minute": {
        "data": [instead(500)] * 200
    },
    "The service does not answer any more": {
        "data": [lost()] * 200,
        "list": [None, None, *[lost()] * 200],
    },
    "The token is not accepted any more, and cannot be renewed": {
        "data": [_REFUSED] * 200,
        "list": [None, None, *[_REFUSED] * 200],
    },
    "Target: no room or no quota for any image's data (413)": {
        "upload2": [Undone(instead(413, "Over your quota"))] * 200
    },
}


@pytest.mark.parametrize("row", CROWDS, ids=lambda row: f"{row.command}: {row.name}")
def test_many_images(
    row: OtherRow,
    shell: Shell,
    directory: Path,
    to_cloud: Clouds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if row.name.startswith("The store is down"):
        # Half a minute each is too long for a test.
        monkeypatch.setattr(outage, "_SLOW", 0.0)
    words = EXPORT if row.command == "export" else COPY
    faults = _CROWDS[row.name]
    with Service(CROWD, faults) as service, Service([], faults) as target:
        to_cloud(target)
        result = shell(service, *command_of(words, directory))
        check(row, result, service, directory)
        assert "not tried" in row.says or "not tried" not in result.err
        whole = {image.id for image in CROWD if image.id in target.v2_data}
        whole |= {path.stem for path in directory.glob("*.img")}
    well = {image.id for image in CROWD} - (set() if row.status == 0 else _ILL)
    assert whole == (well if row.status == 0 or "24" in row.says + row.name else set())


def test_those_that_had_no_turn_come_first(shell: Shell, directory: Path) -> None:
    gone = _CROWDS["The service does not answer any more"]
    with Service(CROWD, gone) as service:
        shell(service, *command_of(EXPORT, directory))
        tried = {asked.path for asked in service.asked if asked.kind == "data"}
    with Service(CROWD) as service:
        assert shell(service, *command_of(EXPORT, directory)).status == 0
        order = [asked.path for asked in service.asked if asked.kind == "data"]
    assert len(tried) == 10
    assert set(order[-10:]) == tried


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Iterator[Callable[[int], None]]:
    """Let files have no more than so many bytes, for root too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("There is no folder for temporary files (a read-only root)", 0),
        ("The folder for temporary files is full", 5000),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_temporary_files(
    name: str,
    most: int,
    more: Sequence[str],
    shell: Shell,
    directory: Path,
    to_cloud: Clouds,
    no_room: Callable[[int], None],
) -> None:
    with Service(CROWD) as service, Service() as target:
        to_cloud(target)
        no_room(most)
        result = shell(service, *command_of(COPY, directory), *more)
        check(alone("copy", name), result, service, directory)
        assert result.err.count("\n") == 1
        assert target.v2_images == {}
        assert most or not service.asked
        assert not target.asked


def test_copy_to_nobody(start: Start, shell: Shell, directory: Path, to_cloud: Clouds) -> None:
    with Service(IMAGES) as service, Service() as target:
        to_cloud(target)
        command = [word if word != "json" else "csv" for word in command_of(COPY, directory)]
        result = _nobody_reads(start(service, *command))
        row = alone("copy", "Nobody reads the rows (closed pipe)")
        check(row, result, service, directory)
        assert shell(service, *command).status == 0
        assert on_target(target) == IDS


@pytest.mark.parametrize(
    ("name", "manifest"),
    [
        ("The manifest is damaged", None),
        ("The manifest is none", b"\x7fELF" + bytes(100) + b"\n"),
        ("The directory is not there", b""),
    ],
)
def test_import_of_what_is_none(
    name: str, manifest: bytes | None, shell: Shell, directory: Path
) -> None:
    if name == "The directory is not there":
        directory.rmdir()
    elif manifest is None:
        exported(shell, directory)
        many_rows._damage_manifest(directory)
    else:
        (directory / "manifest.jsonl").write_bytes(manifest)
    with Service() as target:
        result = shell(target, *command_of(IMPORT, directory))
    check(alone("import", name), result, target, directory)
    assert target.v2_images == {}
