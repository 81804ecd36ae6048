from pathlib import Path

import pytest

from osc_image_v1.exceptions import FileFailed
from osc_image_v1.transfer.files import file_errors, make_directory, write_all


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


def test_the_directory_is_for_its_user_alone(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    make_directory(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(FileFailed, match="Cannot make"):
        make_directory(tmp_path / "file")
