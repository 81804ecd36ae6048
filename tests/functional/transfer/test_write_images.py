"""Images made, changed and deleted; what is stored is read by other ways."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import uuid
from typing import Any

import pytest

from tests.functional.writing import DATA, FORMATS

MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def create(openstack, beside):
    """Create an image with the command; its record."""

    def run(*argv: str, **options: Any) -> dict[str, Any]:
        result = openstack("image", "v1", "create", beside.name(), *argv, "-f", "json", **options)
        return dict(result.json)

    return run


class TestCreate:
    def test_a_record_with_all_fields(self, create, beside, cloud):
        chosen = str(uuid.uuid4())
        made = create(
            *("--id", chosen, *FORMATS, "--min-disk", "3", "--min-ram", "512", "--protected"),
            *("--public", "--property", "os_distro=ñandú", "--property", "x.y=a=b"),
            *("--project", "demo"),
        )
        stored = beside.v2(chosen)
        assert made["id"] == chosen
        assert stored["name"] == beside.name()
        assert (stored["disk_format"], stored["container_format"]) == ("raw", "bare")
        assert (stored["min_disk"], stored["min_ram"]) == (3, 512)
        assert (stored["protected"], stored["visibility"]) == (True, "public")
        assert (stored["os_distro"], stored["x.y"]) == ("ñandú", "a=b")
        assert stored["owner"] == made["owner"] == cloud.projects["demo"]
        assert stored["status"] == "queued"

    def test_from_a_file(self, create, beside, file, count):
        with count("image") as requests:
            made = create(*FORMATS, "--file", file)
        assert [request.method for request in requests] == ["POST", "PUT"]
        stored = beside.v2(made["id"])
        assert (stored["status"], stored["size"], stored["checksum"]) == ("active", len(DATA), MD5)
        assert beside.stored(made["id"]) == DATA

    def test_a_record_takes_one_request(self, create, count):
        with count("image") as requests:
            create()
        assert [request.method for request in requests] == ["POST"]

    def test_from_standard_input(self, create, beside):
        made = create(*FORMATS, "--stdin", input=DATA)
        assert made["checksum"] == MD5
        assert beside.stored(made["id"]) == DATA

    def test_from_a_pipe(self, run_openstack, beside):
        command = ("image", "v1", "create", beside.name(), *FORMATS, "--stdin", "-f", "json")
        done = run_openstack(*command, input=DATA)
        assert done.returncode == 0, done.stderr
        (record,) = beside.listed()
        assert beside.stored(record["id"]) == DATA

    def test_from_a_pipe_that_is_not_asked_for(self, run_openstack, beside):
        reading, writing = os.pipe()
        try:
            done = run_openstack("image", "v1", "create", beside.name(), stdin=reading, timeout=60)
        finally:
            os.close(reading)
            os.close(writing)
        assert done.returncode == 0, done.stderr
        assert [record["status"] for record in beside.listed()] == ["queued"]

    @pytest.mark.parametrize("way", ["file", "stdin"])
    def test_of_nothing(self, openstack, create, beside, tmp_path, way):
        empty = tmp_path / "empty"
        empty.touch()
        source = ("--file", str(empty)) if way == "file" else ("--stdin",)
        refused = openstack("image", "v1", "create", beside.name(), *FORMATS, *source)
        assert refused.status == 1
        assert "has no data at all: if the image is to be empty, give --size 0" in refused.err
        assert beside.listed() == []
        made = create(*FORMATS, *source, "--size", "0")
        assert (made["status"], made["size"]) == ("active", 0)
        assert made["checksum"] == hashlib.md5(b"").hexdigest()
        saved = tmp_path / "saved"
        argv = ("image", "v1", "save", made["id"], "--file", str(saved))
        assert openstack(*argv).err == ""
        assert saved.read_bytes() == b""

    def test_with_the_right_checksum_and_size(self, create, file):
        made = create(*FORMATS, "--file", file, "--checksum", MD5.upper(), "--size", str(len(DATA)))
        assert made["status"] == "active"

    def test_with_a_wrong_checksum(self, openstack, beside, file):
        command = ("image", "v1", "create", beside.name(), *FORMATS, "--file", file)
        result = openstack(*command, "--checksum", "0" * 32)
        (left,) = beside.listed()
        assert result.status == 1
        assert result.out == ""
        assert "did not match" in result.err
        assert f"image {left['id']} is left, killed" in result.err
        assert f"openstack image v1 delete {left['id']}" in result.err
        assert openstack("image", "v1", "delete", left["id"]).status == 0
        assert beside.gone(left["id"])

    def test_with_a_wrong_checksum_cleaned_up(self, openstack, beside, file):
        command = ("image", "v1", "create", beside.name(), *FORMATS, "--file", file)
        result = openstack(*command, "--checksum", "0" * 32, "--protected", "--clean-up")
        assert result.status == 1
        assert "is removed" in result.err
        assert beside.listed() == []

    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (("--disk-format", "bogus", "--container-format", "bare"), "Invalid disk format"),
            (("--store", "nope", *FORMATS), "Required store nope is invalid"),
        ],
    )
    def test_refused_before_the_data(
        self,
        openstack,
        beside,
        file,
        count,
        argv,
        said,
    ):
        with count("image") as requests:
            result = openstack("image", "v1", "create", beside.name(), *argv, "--file", file)
        assert result.status == 1
        assert said in result.err
        assert "no image was made" in result.err
        assert [request.method for request in requests] == ["POST", "HEAD"]

    @pytest.mark.parametrize(
        "argv",
        [
            ("--property", "Foo=1"),
            ("--property", "a-b=1"),
            ("--property", "a=x\ny"),
            ("--property", "a=🐧"),
            ("--stdin",),
            ("--copy-from", "http://127.0.0.1/"),
            ("--disk-format", "ami", "--container-format", "bare"),
            ("--file", "/nope", *FORMATS),
        ],
    )
    def test_refused_before_the_first_request(self, openstack, beside, count, argv):
        with count("image") as requests:
            result = openstack("image", "v1", "create", beside.name(), *argv)
        # A file that cannot be read is no fault of the command line.
        assert result.status == (1 if "/nope" in argv else 2)
        assert requests == []

    def test_an_id_that_is_taken(self, openstack, beside, create):
        taken = create()["id"]
        result = openstack("image", "v1", "create", beside.name(), "--id", taken, "--clean-up")
        assert result.status == 1
        assert f"The ID {taken} is taken by image '{beside.name()}'" in result.err
        assert not beside.gone(taken)

    def test_another_owner_by_a_plain_user(self, openstack, beside):
        command = ("image", "v1", "create", beside.name(), "--project", "0" * 32, "--clean-up")
        result = openstack(*command, cloud="demo")
        assert result.status == 1
        assert "only an admin chooses the owner" in result.err or "No project" in result.err
        assert beside.listed() == []

    def test_public_by_a_plain_user(self, openstack, beside):
        result = openstack("image", "v1", "create", beside.name(), "--public", cloud="demo")
        assert result.status == 1
        assert "HTTP 403" in result.err
        assert beside.listed() == []

    def test_amazon_formats(self, create, file):
        made = create("--disk-format", "aki", "--file", file)
        assert (made["disk_format"], made["container_format"]) == ("aki", "aki")


class TestFromUrls:
    @pytest.fixture
    def url(self, cloud):
        path = cloud.static / "write-source.raw"
        path.write_bytes(DATA)
        yield f"{cloud.urls['static']}/{path.name}"
        path.unlink()

    def test_copied(self, create, beside, url):
        made = create(*FORMATS, "--copy-from", url, "--wait", "--timeout", "60")
        assert (made["status"], made["size"]) == ("active", len(DATA))
        assert beside.stored(made["id"]) == DATA

    def test_in_its_place(self, create, beside, url):
        made = create(*FORMATS, "--location", url)
        assert (made["status"], made["size"]) == ("active", len(DATA))
        assert beside.v1("GET", f"/images/{made['id']}").content == DATA

    def test_nothing_there(self, openstack, beside, url):
        command = ("image", "v1", "create", beside.name(), *FORMATS)
        result = openstack(*command, "--copy-from", url + "x", "--wait", "--clean-up")
        assert result.status == 1
        assert beside.listed() == []

    def test_into_a_queued_image(self, openstack, create, beside, url):
        made = create(*FORMATS, "--property", "kept=1")
        command = ("image", "v1", "set", made["id"], "--copy-from", url, "--wait")
        assert openstack(*command).status == 0
        assert beside.stored(made["id"]) == DATA
        assert beside.properties(made["id"]) == {"kept": "1"}

    def test_wrong_size_leaves_a_record_that_is_named(self, openstack, beside, url):
        command = ("image", "v1", "create", beside.name(), *FORMATS, "--location", url)
        result = openstack(*command, "--size", "4")
        (left,) = beside.listed()
        assert result.status == 1
        assert f"image {left['id']} is left, queued" in result.err


class TestSet:
    def test_properties_are_merged(self, openstack, create, beside, count):
        made = create("--property", "a=1", "--property", "b=2")
        with count("image") as requests:
            done = openstack("image", "v1", "set", made["id"], "--property", "b=é", "--name", "")
            assert done.status == 2
            done = openstack("image", "v1", "set", made["id"], "--property", "b=é")
        assert done.status == 0, done.err
        assert [request.method for request in requests] == ["HEAD", "PUT"]
        assert beside.properties(made["id"]) == {"a": "1", "b": "é"}

    def test_a_rename_keeps_properties(self, openstack, create, beside):
        made = create("--property", "a=1")
        new = beside.name("renamed ☃")
        assert openstack("image", "v1", "set", beside.name(), "--name", new).status == 0
        stored = beside.v2(made["id"])
        assert (stored["name"], stored["a"]) == (new, "1")

    def test_properties_are_purged(self, openstack, create, beside):
        made = create("--property", "a=1", "--property", "b=2")
        done = openstack("image", "v1", "set", made["id"], "--purge-properties", "--property", "c=")
        assert done.status == 0, done.err
        assert beside.properties(made["id"]) == {"c": None}

    def test_all_other_fields(self, openstack, create, beside, cloud):
        made = create(*FORMATS)
        done = openstack(
            *("image", "v1", "set", made["id"], "--min-disk", "7", "--min-ram", "8"),
            *("--disk-format", "ari", "--container-format", "ari", "--protected", "--public"),
            *("--project", "demo"),
        )
        assert done.status == 0, done.err
        stored = beside.v2(made["id"])
        assert (stored["min_disk"], stored["min_ram"]) == (7, 8)
        assert (stored["disk_format"], stored["container_format"]) == ("ari", "ari")
        assert (stored["protected"], stored["visibility"]) == (True, "public")
        assert stored["owner"] == cloud.projects["demo"]
        done = openstack("image", "v1", "set", made["id"], "--unprotected", "--private")
        assert done.status == 0, done.err
        stored = beside.v2(made["id"])
        assert stored["protected"] is False
        assert stored["visibility"] != "public"

    def test_data_for_a_queued_image(self, openstack, create, beside, file):
        made = create(*FORMATS, "--property", "a=1")
        done = openstack(*("image", "v1", "set", made["id"], "--file", file, "--property", "b=2"))
        assert done.status == 0, done.err
        assert beside.stored(made["id"]) == DATA
        assert beside.properties(made["id"]) == {"a": "1", "b": "2"}

    def test_data_for_an_active_image(self, openstack, create, beside, file, count):
        made = create(*FORMATS, "--stdin", input=b"abc")
        with count("image") as requests:
            done = openstack("image", "v1", "set", made["id"], "--file", file, "--name", "x")
        assert done.status == 1
        assert "is active: only a queued image takes data" in done.err
        assert [request.method for request in requests] == ["HEAD"]
        assert beside.stored(made["id"]) == b"abc"

    def test_formats_that_do_not_go_together(self, openstack, create, beside):
        made = create("--disk-format", "ami")
        done = openstack("image", "v1", "set", made["id"], "--container-format", "bare")
        assert done.status == 1
        assert "do not go together" in done.err
        assert beside.v2(made["id"])["container_format"] == "ami"

    def test_owner_by_a_plain_user(self, openstack, create, beside, cloud):
        made = create(cloud="demo")
        done = openstack(
            "image", "v1", "set", made["id"], "--project", cloud.projects["other"], cloud="demo"
        )
        assert done.status == 1
        assert "only an admin chooses the owner" in done.err
        assert beside.v2(made["id"])["owner"] == cloud.projects["demo"]


class TestDelete:
    def test_many(self, openstack, create, beside, count):
        first, second, last = (create()["id"] for _ in range(3))
        openstack("image", "v1", "set", second, "--protected", "--name", beside.name("kept"))
        with count("image") as requests:
            done = openstack("image", "v1", "delete", first, beside.name("kept"), "nope", last)
        assert done.status == 1
        assert f"openstack image v1 set --unprotected {second}" in done.err
        assert "No image has the name or ID 'nope'" in done.err
        assert done.err.rstrip().endswith("2 of 4 images could not be deleted")
        assert [record["id"] for record in beside.listed()] == [second]
        assert requests[0].method == "DELETE"
        assert openstack("image", "v1", "set", "--unprotected", second).status == 0
        assert openstack("image", "v1", "delete", second).status == 0
        assert beside.gone(second)

    def test_by_id_it_is_one_request(self, openstack, create, count):
        made = create()
        with count("image") as requests:
            assert openstack("image", "v1", "delete", made["id"]).status == 0
        assert [request.method for request in requests] == ["DELETE"]

    def test_of_another_project(self, openstack, create, beside):
        made = create("--public")
        done = openstack("image", "v1", "delete", made["id"], cloud="demo")
        assert done.status == 1
        assert "HTTP 403" in done.err
        assert "unprotect" not in done.err
        assert not beside.gone(made["id"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_upload_names_what_is_left(beside, number):
    command = [sys.executable, "-m", "openstackclient.shell", "--os-cloud", "admin"]
    command += ["image", "v1", "create", beside.name(), *FORMATS, "--stdin"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(b"x" * 300_000)
    process.stdin.flush()
    for _ in range(200):
        if [record for record in beside.listed() if record["status"] == "saving"]:
            break
        time.sleep(0.1)
    process.send_signal(number)
    _out, err = process.communicate(timeout=60)
    (left,) = beside.listed()
    assert process.returncode != 0
    assert f"image {left['id']} is left".encode() in err
