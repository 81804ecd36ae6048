"""Files that appear only when they are whole."""

import errno
import fcntl
import os
import stat

import pytest

from osc_image_v1.exceptions import FileFailed, ImageV1Error
from osc_image_v1.transfer import part as part_module
from osc_image_v1.transfer.part import PartFile, check_target, part_of


@pytest.fixture
def target(tmp_path):
    return tmp_path / "x"


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def fails(number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return fail


def attempt(target, *steps, keep=False):
    """Do something with a part; a step is a method's name with arguments, or an error."""
    with PartFile(target, keep) as part:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            name, *arguments = step
            getattr(part, name)(*arguments)


class TestCheckTarget:
    def test_new_and_existing(self, target):
        check_target(target)
        check_target(target, clobber=False)
        target.write_bytes(b"")
        check_target(target)
        with pytest.raises(FileFailed, match="no-clobber"):
            check_target(target, clobber=False)

    def test_link(self, target, tmp_path):
        target.symlink_to(tmp_path / "nowhere")
        check_target(target)
        with pytest.raises(FileFailed, match="exists"):
            check_target(target, clobber=False)

    def test_link_to_a_directory(self, target, tmp_path):
        target.symlink_to(tmp_path)
        with pytest.raises(FileFailed, match="is a directory"):
            check_target(target)

    @pytest.mark.parametrize("path", [".", "..", "/", "a/.."])
    def test_directory(self, path, tmp_path):
        (tmp_path / "a").mkdir()
        with pytest.raises(FileFailed, match="is a directory"):
            check_target(tmp_path / path)

    def test_no_directory(self, target):
        with pytest.raises(FileFailed, match="There is no directory"):
            check_target(target / "y")

    def test_no_regular_file(self, target):
        os.mkfifo(target)
        with pytest.raises(FileFailed, match="no regular file"):
            check_target(target)

    def test_name_too_long(self, tmp_path):
        with pytest.raises(FileFailed, match="too long"):
            check_target(tmp_path / ("x" * 256))

    def test_strange_name(self, tmp_path):
        with pytest.raises(FileFailed, match="\\\\x1b"):
            check_target(tmp_path / "a\x1b" / "b")


class TestCommit:
    def test_new(self, target, tmp_path):
        with PartFile(target) as part:
            part.write(b"da")
            part.write(b"ta")
            assert part.size == 4
            assert names(tmp_path) == ["x.osc-image-v1.part"]
            part.commit()
        assert names(tmp_path) == ["x"]
        assert target.read_bytes() == b"data"

    def test_umask(self, target):
        before = os.umask(0o027)
        try:
            with PartFile(target) as part:
                part.commit()
        finally:
            os.umask(before)
        assert stat.S_IMODE(target.stat().st_mode) == 0o640

    def test_existing(self, target):
        target.write_bytes(b"before")
        with PartFile(target) as part:
            part.write(b"data")
            part.commit()
        assert target.read_bytes() == b"data"

    def test_no_clobber(self, target, tmp_path):
        with PartFile(target) as part:
            part.write(b"data")
            part.commit(clobber=False)
        assert target.read_bytes() == b"data"
        assert names(tmp_path) == ["x"]

    def test_no_clobber_of_a_file_that_came_in_between(self, target, tmp_path):
        target.write_bytes(b"theirs")
        with pytest.raises(FileFailed, match="File exists"):
            attempt(target, ("write", b"data"), ("commit", False))
        assert target.read_bytes() == b"theirs"
        assert names(tmp_path) == ["x"]

    def test_no_clobber_without_hard_links(self, target, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "link", fails(errno.EPERM))
        with PartFile(target) as part:
            part.commit(clobber=False)
        assert names(tmp_path) == ["x"]
        with pytest.raises(FileFailed, match="no-clobber"), PartFile(target) as part:
            part.commit(clobber=False)

    def test_directory_that_cannot_be_flushed(self, target, monkeypatch):
        with PartFile(target) as part:
            monkeypatch.setattr(os, "open", fails(errno.EACCES))
            part.commit()
        assert target.exists()

    def test_disk_fails_at_the_end(self, target, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "fsync", fails(errno.EIO))
        with pytest.raises(FileFailed, match="Input/output error"):
            attempt(target, ("write", b"data"), ("commit",))
        assert names(tmp_path) == []


class TestFailure:
    def test_removed(self, target, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            attempt(target, ("write", b"data"), KeyboardInterrupt())
        assert names(tmp_path) == []

    def test_kept(self, target, tmp_path, caplog):
        with pytest.raises(ImageV1Error):
            attempt(target, ("write", b"data"), ImageV1Error(), keep=True)
        assert (tmp_path / "x.osc-image-v1.part").read_bytes() == b"data"
        assert "kept in" in caplog.text

    def test_nothing_to_keep(self, target, tmp_path):
        with PartFile(target, keep=True):
            pass
        assert names(tmp_path) == []

    def test_what_was_there_is_kept(self, target, tmp_path):
        part_of(target).write_bytes(b"earlier")
        part = PartFile(target)
        with part:
            assert b"".join(part.read()) == b"earlier"
            part.write(b", later")
        assert part_of(target).read_bytes() == b"earlier, later"

    def test_what_was_cleared_is_not_kept(self, target, tmp_path):
        part_of(target).write_bytes(b"earlier")
        with pytest.raises(ImageV1Error):
            attempt(target, ("clear",), ("write", b"data"), ImageV1Error())
        assert names(tmp_path) == []

    def test_disk_full(self, target, monkeypatch):
        monkeypatch.setattr(part_module, "write_all", fails(errno.ENOSPC))
        with pytest.raises(FileFailed, match="No space left"), PartFile(target) as part:
            part.write(b"data")

    def test_space(self, target):
        attempt(target, ("check_space", 1))
        with pytest.raises(FileFailed, match="are free"):
            attempt(target, ("check_space", 2**62))

    def test_space_that_is_taken_already(self, target, monkeypatch):
        monkeypatch.setattr(os, "fstatvfs", lambda fd: _Disk(4096, 1, 1))
        attempt(target, ("write", b"x" * 1000), ("check_space", 1000 + 4096))
        with pytest.raises(FileFailed, match="needs 4097 more bytes, and 4096 are free"):
            attempt(target, ("write", b"x" * 1000), ("check_space", 1000 + 4097))

    def test_file_system_that_does_not_tell(self, target, monkeypatch):
        monkeypatch.setattr(os, "fstatvfs", lambda fd: _Disk(0, 0, 0))
        attempt(target, ("check_space", 2**62))


class _Disk:
    def __init__(self, f_frsize, f_bavail, f_blocks):
        self.f_frsize, self.f_bavail, self.f_blocks = f_frsize, f_bavail, f_blocks


class TestOpen:
    def test_link(self, target, tmp_path):
        (tmp_path / "victim").write_bytes(b"victim")
        part_of(target).symlink_to(tmp_path / "victim")
        with pytest.raises(FileFailed, match="symbolic link"), PartFile(target):
            pass
        assert (tmp_path / "victim").read_bytes() == b"victim"
        assert names(tmp_path) == ["victim", "x.osc-image-v1.part"]

    def test_pipe(self, target):
        os.mkfifo(part_of(target))
        with pytest.raises(FileFailed, match="no regular file"), PartFile(target):
            pass

    def test_two_names(self, target, tmp_path):
        part_of(target).write_bytes(b"")
        os.link(part_of(target), tmp_path / "other")
        with pytest.raises(FileFailed, match="several names"), PartFile(target):
            pass

    def test_another_users(self, target, monkeypatch):
        part_of(target).write_bytes(b"")
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        with pytest.raises(FileFailed, match="another user"), PartFile(target):
            pass

    def test_directory(self, target):
        part_of(target).mkdir()
        with pytest.raises(FileFailed, match="Is a directory"), PartFile(target):
            pass

    @pytest.mark.parametrize("name", ["x" * 255, "\u00e4" * 127 + "x", "x" * 240])
    def test_longest_name(self, name, tmp_path):
        assert part_of(tmp_path / name) != part_of(tmp_path / (name[:-1] + "y"))
        with PartFile(tmp_path / name) as part:
            part.write(b"data")
            part.commit()
        assert names(tmp_path) == [name]

    def test_other_programs_part(self, target, tmp_path):
        """What another program has begun, or a person has called so, is no business of ours."""
        (tmp_path / "x.part").write_bytes(b"theirs")
        with pytest.raises(ImageV1Error):
            attempt(target, ("write", b"data"), ("clear",), ImageV1Error())
        assert names(tmp_path) == ["x.part"]
        assert (tmp_path / "x.part").read_bytes() == b"theirs"

    def test_nul(self, tmp_path):
        with pytest.raises(FileFailed, match="null"), PartFile(tmp_path / "a\x00b"):
            pass

    def test_in_use(self, target):
        with part_of(target).open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(FileFailed, match="is in use"), PartFile(target):
                pass
        assert part_of(target).exists()

    def test_no_locks(self, target, monkeypatch):
        monkeypatch.setattr(fcntl, "flock", fails(errno.ENOSYS))
        with PartFile(target) as part:
            part.commit()
        assert target.exists()

    def test_lock_fails(self, target, monkeypatch):
        monkeypatch.setattr(fcntl, "flock", fails(errno.EIO))
        with pytest.raises(FileFailed, match="Input/output"), PartFile(target):
            pass

    def test_another_run_ends_in_between(self, target, monkeypatch):
        """It has put into place what this one has opened: that is no part any more."""
        part_of(target).write_bytes(b"theirs")
        flock = fcntl.flock

        def late(fd, how):
            if not target.exists():
                part_of(target).replace(target)
            flock(fd, how)

        monkeypatch.setattr(fcntl, "flock", late)
        with PartFile(target) as part:
            monkeypatch.undo()
            part.write(b"ours")
            assert target.read_bytes() == b"theirs"

    def test_another_run_removes_it_in_between(self, target, monkeypatch):
        part_of(target).write_bytes(b"theirs")
        opened = os.open

        def gone(path, flags, *mode):
            if not flags & os.O_CREAT:
                part_of(target).unlink(missing_ok=True)
            return opened(path, flags, *mode)

        monkeypatch.setattr(os, "open", gone)
        with PartFile(target) as part:
            monkeypatch.undo()
            assert part.size == 0


@pytest.mark.parametrize("refuses", [False, True], ids=["", "the file system refuses"])
def test_writing_to_the_disk_begins_early(target, monkeypatch, refuses):
    begun = []

    def fadvise(fd, offset, length, advice):
        begun.append((offset, length))
        if refuses:
            raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "posix_fadvise", fadvise)
    monkeypatch.setattr(part_module, "_WRITEBACK_SIZE", 5)
    chunks = [b"abc", b"def", b"g", b"hijklmno", b"p"]
    attempt(target, *(("write", chunk) for chunk in chunks), ("commit",))
    assert begun == [(0, 6), (6, 9)]
    assert target.read_bytes() == b"".join(chunks)


def test_where_a_system_cannot_be_asked_to_begin(target, monkeypatch):
    monkeypatch.delattr(os, "posix_fadvise")
    monkeypatch.setattr(part_module, "_WRITEBACK_SIZE", 5)
    attempt(target, ("write", b"abcdef"), ("write", b"g"), ("commit",))
    assert target.read_bytes() == b"abcdefg"
