import tempfile
from pathlib import Path

import pytest

from osc_image_v1.exceptions import FileFailed
from osc_image_v1.transfer.files import (
    file_errors,
    make_directory,
    temporary_directory,
    temporary_file,
    write_all,
)
from osc_image_v1.transfer.many import Spool
from osc_image_v1.transfer.sending import Kept


def test_write_all():
    taken = bytearray()

    def write(view):
        taken.extend(view[:3])
        return min(3, len(view))

    write_all(write, b"0123456789")
    assert taken == b"0123456789"


def test_file_errors(tmp_path):
    with pytest.raises(BrokenPipeError), file_errors("write", tmp_path):
        raise BrokenPipeError
    with (
        pytest.raises(FileFailed, match=r"Cannot read 'a.x1bb': no"),
        file_errors("read", "a\x1bb"),
    ):
        raise OSError("no")
    with pytest.raises(KeyError), file_errors("write", tmp_path):
        raise KeyError


@pytest.mark.parametrize("kind", ["missing", "file", "there", "chosen"])
def test_a_folder_for_temporary_files_that_is_passed_over_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "chosen").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("TMPDIR", str(tmp_path / kind))
    # A program may have chosen another folder than its environment names.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there") if kind == "chosen" else None)
    place = temporary_directory()
    with Spool(tmp_path):
        assert not caplog.messages
    for _again in range(2):
        with Spool(), Kept(lambda: False) as kept, temporary_file():
            kept.add(b"x")
    said = f"TMPDIR names no folder that can be written to, '{tmp_path / kind}': temporary files "
    told = [f"{said}are in '{place}' instead"] if kind in ("missing", "file") else []
    assert caplog.messages == told


def test_the_directory_is_for_its_user_alone(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    make_directory(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(FileFailed, match="Cannot make"):
        make_directory(tmp_path / "file")
