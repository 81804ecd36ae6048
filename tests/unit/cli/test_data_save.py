"""``image v1 save``: what it takes, where it writes, and how it ends."""

import hashlib
import io
import logging
import os
import signal
import threading

import pytest

from osc_image_v1.cli.data import SaveImage
from osc_image_v1.exceptions import ContentMismatch, FileFailed, InvalidInput
from tests.unit.conftest import IMAGE_URL, image_id

ID = image_id(1)
DATA = b"data of an image"
MD5 = hashlib.md5(DATA).hexdigest()
URL = f"{IMAGE_URL}/v1/images/{ID}"


class Stdout(io.TextIOWrapper):
    """An output of bytes, which may be a terminal."""

    def __init__(self, terminal=False):
        super().__init__(io.BytesIO(), write_through=True)
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def image(requests_mock):
    def serve(checksum=MD5, data=DATA):
        headers = {
            "X-Image-Meta-Id": ID,
            "X-Image-Meta-Name": "an image",
            "X-Image-Meta-Status": "active",
            "X-Image-Meta-Size": str(len(data if isinstance(data, bytes) else DATA)),
            **({"X-Image-Meta-Checksum": checksum} if checksum else {}),
        }
        requests_mock.head(URL, headers=headers)
        requests_mock.get(URL, headers=headers, content=data)

    serve()
    return serve


def test_file(shell, image, tmp_path, caplog):
    assert shell.run(SaveImage, "--file", str(tmp_path / "x"), ID) == ""
    assert (tmp_path / "x").read_bytes() == DATA
    assert caplog.records == [record for record in caplog.records if record.levelno < logging.INFO]


def test_a_line_of_what_was_saved(shell, image, tmp_path, caplog):
    caplog.set_level("INFO", "osc_image_v1")
    shell.run(SaveImage, "--max-rate", "1G", "--file", str(tmp_path / "x"), ID)
    image(checksum=None)
    shell.run(SaveImage, "--file", str(tmp_path / "x"), ID)
    told = [message for message in caplog.messages if message.startswith(f"Image {ID} saved: ")]
    assert [message.split(" seconds, ")[1] for message in told] == [
        "the service's MD5 vouches for it",
        "nothing vouches for its content",
    ]
    assert all(f"saved: {len(DATA)} bytes, " in message for message in told)


@pytest.mark.parametrize("option", [None, "--no-sparse"])
def test_zeros(shell, image, tmp_path, option):
    data = bytes(2**20)
    image(checksum=None, data=data)
    shell.run(SaveImage, *filter(None, [option]), "--file", str(tmp_path / "x"), ID)
    assert (tmp_path / "x").read_bytes() == data
    assert (tmp_path / "x").stat().st_blocks * 512 == (len(data) if option else 0)


def test_standard_output(shell, image):
    shell.stdout = Stdout()
    SaveImage(shell, None).take_action(_parsed(shell, ID))
    assert shell.stdout.buffer.getvalue() == DATA


def test_raw_standard_output(shell, image, tmp_path):
    """Past the buffer, which could fail once more when the shell ends."""
    with (tmp_path / "out").open("w") as shell.stdout:
        shell.stdout.write("before ")
        SaveImage(shell, None).take_action(_parsed(shell, ID))
        assert (tmp_path / "out").read_bytes() == b"before " + DATA


def test_terminal(shell, requests_mock):
    shell.stdout = Stdout(terminal=True)
    with pytest.raises(InvalidInput, match="does not go to a terminal"):
        SaveImage(shell, None).take_action(_parsed(shell, ID))
    assert requests_mock.call_count == 0


@pytest.mark.parametrize("option", ["--keep-partial", "--no-clobber", "--no-sparse"])
def test_options_of_a_file(shell, requests_mock, option):
    shell.stdout = Stdout()
    with pytest.raises(InvalidInput, match=r"needs? --file"):
        SaveImage(shell, None).take_action(_parsed(shell, option, ID))
    assert requests_mock.call_count == 0


def test_no_clobber(shell, requests_mock, tmp_path):
    (tmp_path / "x").write_bytes(b"before")
    with pytest.raises(FileFailed, match="no-clobber"):
        shell.run(SaveImage, "--no-clobber", "--file", str(tmp_path / "x"), ID)
    assert requests_mock.call_count == 0


def test_keep_partial(shell, image, tmp_path):
    image(checksum="0" * 32)
    with pytest.raises(ContentMismatch):
        shell.run(SaveImage, "--keep-partial", "--file", str(tmp_path / "x"), ID)
    assert (tmp_path / "x.osc-image-v1.part").read_bytes() == DATA


def test_no_checksum(shell, image, tmp_path, caplog):
    image(checksum=None)
    shell.run(SaveImage, "--file", str(tmp_path / "x"), ID)
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert hashlib.sha256(DATA).hexdigest() in warning.getMessage()


@pytest.mark.parametrize(
    ("number", "error", "status"),
    [
        (signal.SIGTERM, SystemExit, 143),
        (signal.SIGHUP, SystemExit, 129),
        (signal.SIGINT, KeyboardInterrupt, None),
    ],
)
def test_signal(shell, image, tmp_path, caplog, number, error, status):
    def interrupted(request, context):
        os.kill(os.getpid(), number)
        return DATA

    image(data=interrupted)
    before = signal.getsignal(number)
    with pytest.raises(error) as stop:
        shell.run(SaveImage, "--file", str(tmp_path / "x"), ID)
    assert getattr(stop.value, "code", None) == status
    assert "Interrupted: the image is not saved" in caplog.text
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is before


def test_signal_that_is_ignored_stays_so(shell, image, tmp_path):
    """As nohup has it."""

    def interrupted(request, context):
        os.kill(os.getpid(), signal.SIGHUP)
        return DATA

    image(data=interrupted)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        shell.run(SaveImage, "--file", str(tmp_path / "x"), ID)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (tmp_path / "x").read_bytes() == DATA


def test_in_a_thread(shell, image, tmp_path):
    """Signals are the main thread's alone."""
    command = ("--file", str(tmp_path / "x"), ID)
    thread = threading.Thread(target=shell.run, args=(SaveImage, *command))
    thread.start()
    thread.join()
    assert (tmp_path / "x").read_bytes() == DATA


def _parsed(shell, *argv):
    return SaveImage(shell, None).get_parser("openstack").parse_args(argv)
