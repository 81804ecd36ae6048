"""The commands that write."""

import argparse
import json
import sys

import pytest

from osc_image_v1.cli import compute_image, image_write, member
from osc_image_v1.exceptions import ImageV1Error, InvalidInput
from tests.unit import captures
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, image_id
from tests.unit.glance import Glance, refuse
from tests.unit.keystone import Keystone

ID, OTHER = image_id(1), image_id(2)
FORMATS = ("--disk-format", "raw", "--container-format", "bare")
PROJECTS = {"demo": "d" * 32, "other": "e" * 32}


@pytest.fixture
def glance(requests_mock):
    return Glance(requests_mock)


@pytest.fixture(autouse=True)
def identity(shell):
    projects = {project: name for name, project in PROJECTS.items()}
    shell.client_manager.sdk_connection.identity = Keystone(projects)


class TestCreate:
    def run(self, shell, *argv):
        return json.loads(shell.run(image_write.CreateImage, "-f", "json", *argv))

    def test_a_record(self, shell, glance, stdin):
        image = self.run(
            shell,
            "an image",
            *("--id", ID, "--min-disk", "3", "--min-ram", "512", "--protected", "--public"),
            *("--property", "os_distro=ñandú", "--property", "x=a=b", "--project", "demo"),
        )
        assert image["id"] == ID
        assert (image["name"], image["status"]) == ("an image", "queued")
        assert (image["min_disk"], image["min_ram"]) == (3, 512)
        assert (image["protected"], image["is_public"]) == (True, True)
        assert image["properties"] == {"os_distro": "ñandú", "x": "a=b"}
        assert image["owner"] == PROJECTS["demo"]
        assert sys.stdin.buffer.tell() == 0

    def test_from_a_file(self, shell, glance, tmp_path):
        path = tmp_path / "image.raw"
        path.write_bytes(b"abc")
        image = self.run(shell, "a", *FORMATS, "--file", str(path), "--size", "3")
        assert (image["status"], image["size"]) == ("active", 3)
        assert glance.bodies == [b"abc"]

    def test_from_standard_input(self, shell, glance, stdin):
        stdin(b"abc")
        self.run(shell, "a", *FORMATS, "--stdin")
        assert glance.bodies == [b"abc"]

    @pytest.mark.parametrize("way", ["file", "stdin"])
    def test_nothing_at_all(self, shell, glance, stdin, tmp_path, way):
        """What a command has left that failed makes no image; on purpose it does."""
        stdin(b"")
        path = tmp_path / "empty"
        path.touch()
        source = ("--stdin",) if way == "stdin" else ("--file", str(path))
        with pytest.raises(InvalidInput, match=r"has no data at all: .* give --size 0"):
            self.run(shell, "a", *FORMATS, *source, "--project", "demo")
        assert not glance.asked
        stdin(b"")
        image = self.run(shell, "a", *FORMATS, *source, "--size", "0")
        assert (image["status"], image["size"]) == ("active", 0)

    @pytest.mark.parametrize("closed", [True, False])
    def test_not_from_a_terminal(self, shell, glance, stdin, monkeypatch, closed):
        stdin(b"", terminal=True)
        if closed:
            monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(InvalidInput, match="not from a terminal"):
            self.run(shell, "a", *FORMATS, "--stdin")

    def test_waiting(self, shell, glance):
        with pytest.raises(ImageV1Error, match="still queued after 0 seconds"):
            self.run(
                shell,
                *("a", *FORMATS, "--copy-from", "http://a/b", "--wait", "--timeout", "0"),
            )
        glance.before["HEAD"] = lambda: next(iter(glance.records.values())).update(status="active")
        glance.records.clear()
        image = self.run(shell, "a", *FORMATS, "--copy-from", "http://a/b", "--wait")
        assert image["status"] == "active"

    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            (("--property", "Foo=1"), "would store the property 'Foo' as 'foo'"),
            (("--copy-from", "http://a/b"), "data needs a disk and a container format"),
            (("--stdin", "--disk-format", "raw"), "data needs a container format"),
            (("--file", "/nope", *FORMATS), "Cannot read '/nope'"),
            (("--file", "/etc/passwd", "--size", "1", *FORMATS), "bytes, not 1"),
            (("--wait",), "--wait is for --copy-from"),
            (("--max-rate", "1M"), "--max-rate is for --file and --stdin"),
            (("--timeout", "3"), "--timeout is for --wait"),
            (("--project", "nope"), "No project has the name"),
            (("--disk-format", "ami", "--container-format", "bare"), "do not go together"),
        ],
    )
    def test_wrong_input_sends_nothing(self, shell, glance, stdin, argv, said):
        with pytest.raises(InvalidInput, match=said):
            self.run(shell, "a", *argv)
        assert not glance.asked

    @pytest.mark.parametrize(
        "argv",
        [
            ("",),
            ("a", "--id", "x"),
            ("a", "--checksum", "x"),
            ("a", "--size", "x"),
            ("a", "--min-disk", "-1"),
            ("a", "--file", "x", "--stdin"),
            ("a", "--public", "--private"),
            ("a", "--property", "x"),
            ("a", "--property", "=x"),
        ],
    )
    def test_wrong_options(self, shell, glance, argv):
        # osc-lib's own action, in its older releases, leaves argparse's error to the shell.
        with pytest.raises((SystemExit, argparse.ArgumentTypeError)):
            self.run(shell, *argv)
        assert not glance.asked

    def test_clean_up(self, shell, glance, stdin):
        stdin(b"abc")
        with pytest.raises(ImageV1Error, match="is removed"):
            self.run(shell, "a", *FORMATS, "--stdin", "--clean-up", "--checksum", "0" * 32)
        assert not glance.records


class TestSet:
    def run(self, shell, *argv):
        assert shell.run(image_write.SetImage, *argv) == ""

    def test_fields(self, shell, glance):
        glance.add(1, properties={"old": "1"})
        self.run(shell, ID, "--name", "new", "--property", "b=", "--private", "--unprotected")
        self.run(shell, "new", "--project", "other", "--min-ram", "0")
        record = glance.records[ID]
        assert record["properties"] == {"old": "1", "b": None}
        assert (record["name"], record["owner"]) == ("new", PROJECTS["other"])
        assert (record["is_public"], record["protected"]) == (False, False)

    def test_purging(self, shell, glance):
        glance.add(1, properties={"old": "1"})
        self.run(shell, ID, "--purge-properties", "--property", "b=2")
        assert glance.records[ID]["properties"] == {"b": "2"}
        self.run(shell, ID, "--purge-properties")
        assert glance.records[ID]["properties"] == {}

    def test_properties_with_options_of_their_own(self, shell, glance):
        glance.add(1, properties={"a": "1"})
        named = ("--os-distro", "debian", "--os-version", "12", "--architecture", "x86_64")
        ids = ("--kernel-id", OTHER, "--ramdisk-id", OTHER, "--instance-id", ID)
        self.run(shell, ID, *named, *ids, "--property", "os_distro=debian", "--property", "b=2")
        assert glance.records[ID]["properties"] == {
            "a": "1",
            "b": "2",
            "os_distro": "debian",
            "os_version": "12",
            "architecture": "x86_64",
            "kernel_id": OTHER,
            "ramdisk_id": OTHER,
            "instance_uuid": ID,
        }

    def test_nothing_at_all(self, shell, glance, stdin):
        glance.add(1, status="queued")
        stdin(b"")
        with pytest.raises(InvalidInput, match="standard input has no data at all"):
            self.run(shell, ID, "--stdin")
        with pytest.raises(InvalidInput, match="--size is for --file and --stdin"):
            self.run(shell, ID, "--name", "new", "--size", "0")
        assert not glance.asked
        self.run(shell, ID, "--stdin", "--size", "0")
        assert (glance.records[ID]["status"], glance.bodies) == ("active", [b""])

    def test_data(self, shell, glance, stdin):
        stdin(b"abc")
        glance.add(1, status="queued", properties={"old": "1"})
        self.run(shell, ID, "--stdin")
        assert glance.bodies == [b"abc"]
        assert glance.records[ID]["properties"] == {"old": "1"}

    def test_a_source(self, shell, glance):
        glance.add(1, status="queued")
        self.run(shell, ID, "--location", "http://a/b")
        assert glance.headers[-1]["x-image-meta-location"] == "http://a/b"

    def test_data_for_an_active_image(self, shell, glance, stdin):
        stdin(b"abc")
        glance.add(1)
        with pytest.raises(InvalidInput, match="only a queued image takes data"):
            self.run(shell, ID, "--stdin", "--name", "x")
        assert glance.asked == [f"HEAD /v1/images/{ID}"]

    def test_formats_that_do_not_go_together(self, shell, glance):
        glance.add(1, disk_format="ami", container_format="ami")
        with pytest.raises(InvalidInput, match="do not go together"):
            self.run(shell, ID, "--container-format", "bare")
        glance.add(2)
        with pytest.raises(InvalidInput, match="do not go together"):
            self.run(shell, OTHER, "--container-format", "ami", "--disk-format", "raw")
        self.run(shell, ID, "--container-format", "bare", "--disk-format", "raw")

    @pytest.mark.parametrize(
        ("argv", "said"),
        [
            ((), "Nothing to change"),
            (("--store", "file"), "--store is for"),
            (("--wait", "--name", "x"), "--wait is for"),
            (("--os-distro", "a", "--property", "os_distro=b"), "os_distro is given twice"),
            (("--property", "a-b=1"), "as 'a_b'"),
        ],
    )
    def test_wrong_input_sends_nothing(self, shell, glance, argv, said):
        with pytest.raises(InvalidInput, match=said):
            self.run(shell, ID, *argv)
        assert not glance.asked

    def test_standard_input_is_not_read_unasked(self, shell, glance, stdin):
        glance.add(1)
        self.run(shell, ID, "--name", "x")
        assert sys.stdin.buffer.tell() == 0


class TestUnset:
    def test_properties(self, shell, glance):
        glance.add(1, properties={"Foo": "1", "foo": "2", "x": None})
        shell.run(
            image_write.UnsetImage,
            *(ID, "--property", "Foo", "--property", "x", "--property", "x"),
        )
        assert glance.records[ID]["properties"] == {"foo": "2"}

    def test_a_property_is_needed(self, shell, glance):
        with pytest.raises(SystemExit):
            shell.run(image_write.UnsetImage, ID)


class TestDelete:
    def test_by_id_and_name(self, shell, glance):
        glance.add(1)
        glance.add(2, name="b")
        shell.run(image_write.DeleteImage, ID, "b")
        assert not glance.records
        assert glance.asked[0] == f"DELETE /v1/images/{ID}"

    def test_a_name_that_looks_like_an_id(self, shell, glance):
        glance.add(1, name=OTHER)
        shell.run(image_write.DeleteImage, OTHER)
        assert not glance.records

    def test_going_on_after_an_error(self, shell, glance, caplog):
        glance.add(1, protected=True)
        glance.add(2)
        with pytest.raises(ImageV1Error, match="2 of 3 images could not be deleted"):
            shell.run(image_write.DeleteImage, ID, "nope", OTHER)
        assert list(glance.records) == [ID]
        assert f"unprotect it first: openstack image v1 set --unprotected {ID}" in caplog.text
        assert "No image has the name or ID 'nope'" in caplog.text

    def test_another_refusal_is_no_protection(self, shell, glance, caplog):
        glance.add(1)
        glance.before["DELETE"] = refuse(403)
        with pytest.raises(ImageV1Error):
            shell.run(image_write.DeleteImage, ID)
        assert "unprotect" not in caplog.text

    def test_a_refusal_that_cannot_be_explained(self, shell, glance, caplog):
        glance.add(1, protected=True)
        glance.before["HEAD"] = refuse(400)
        with pytest.raises(ImageV1Error):
            shell.run(image_write.DeleteImage, ID)
        assert "Image is protected" in caplog.text
        assert "unprotect it" not in caplog.text


class TestMembers:
    URL = f"{IMAGE_URL}/v1/images/{ID}/members"

    @pytest.fixture(autouse=True)
    def image(self, glance, requests_mock):
        glance.add(1, name="shared")
        answer = captures.image_v1("08-members", "members as t2 (member)")
        requests_mock.get(self.URL, **answer.mock)

    def test_list(self, shell, monkeypatch):
        asked = []
        name_of = {"t2": "demo"}.get
        monkeypatch.setattr(
            "osc_image_v1.cli.projects.ProjectNames.get",
            lambda _self, project: asked.append(project) or name_of(project),
        )
        rows = json.loads(shell.run(member.ListMember, "-f", "json", "shared"))
        named = {"Project": "t2", "Can Share": False, "Project Name": "demo", "Image ID": ID}
        assert rows == [named]
        assert asked == ["t2"]
        line = shell.run(member.ListMember, "-f", "value", "-c", "Project", "shared")
        assert line == "t2\n"
        assert asked == ["t2"]

    @pytest.mark.parametrize(
        ("argv", "body"),
        [((), None), (("--can-share",), True), (("--no-can-share",), False)],
    )
    def test_add(self, shell, requests_mock, argv, body):
        added = requests_mock.put(
            f"{self.URL}/{PROJECTS['demo']}",
            status_code=204,
            headers={"X-Openstack-Request-Id": "req-1"},
        )
        members = {"members": [{"member_id": PROJECTS["demo"], "can_share": True}]}
        requests_mock.get(self.URL, json=members)
        shown = json.loads(shell.run(member.AddProjectToImage, ID, "demo", *argv, "-f", "json"))
        assert list(shown) == ["image_id", "member_id", "can_share"]
        # What was not asked for is what the service has.
        can_share = True if body is None else body
        assert list(shown.values()) == [ID, PROJECTS["demo"], can_share]
        sent = added.last_request.json()["member"]["can_share"] if body is not None else None
        assert sent == body

    def test_what_is_done_stays_done(self, shell, requests_mock):
        headers = {"X-Openstack-Request-Id": "req-1"}
        requests_mock.put(f"{self.URL}/{PROJECTS['demo']}", status_code=204, headers=headers)
        requests_mock.get(self.URL, status_code=403)
        shown = json.loads(shell.run(member.AddProjectToImage, ID, "demo", "-f", "json"))
        assert shown["can_share"] is None

    def test_add_a_project_that_is_not_there(self, shell, glance):
        with pytest.raises(InvalidInput, match="No project"):
            shell.run(member.AddProjectToImage, ID, "nope")
        assert not glance.asked

    def test_remove(self, shell, requests_mock):
        removed = requests_mock.delete(
            f"{self.URL}/{PROJECTS['demo']}",
            status_code=204,
            headers={"X-Openstack-Request-Id": "req-1"},
        )
        shell.run(member.RemoveProjectFromImage, ID, "demo")
        assert removed.called

    def test_remove_a_project_that_is_gone(self, shell, requests_mock):
        removed = requests_mock.delete(
            f"{self.URL}/t2", status_code=204, headers={"X-Openstack-Request-Id": "req-1"}
        )
        shell.run(member.RemoveProjectFromImage, ID, "t2")
        assert removed.called

    @pytest.mark.parametrize("can_share", [True, False])
    def test_set(self, shell, requests_mock, can_share):
        replaced = requests_mock.put(
            self.URL, status_code=204, headers={"X-Openstack-Request-Id": "req-1"}
        )
        flag = ["--can-share"] if can_share else []
        shell.run(member.SetMember, ID, "demo", PROJECTS["demo"], "other", *flag)
        assert replaced.last_request.json() == {
            "memberships": [
                {"member_id": PROJECTS["demo"], "can_share": can_share},
                {"member_id": PROJECTS["other"], "can_share": can_share},
            ]
        }

    def test_set_none(self, shell, requests_mock):
        replaced = requests_mock.put(
            self.URL, status_code=204, headers={"X-Openstack-Request-Id": "req-1"}
        )
        shell.run(member.SetMember, ID)
        assert replaced.last_request.json() == {"memberships": []}


class TestCompute:
    URL = f"{COMPUTE_URL}/images/{ID}"

    @pytest.fixture(autouse=True)
    def image(self, requests_mock):
        requests_mock.get(
            self.URL, json={"image": {"id": ID, "status": "ACTIVE", "metadata": {"a": "1"}}}
        )

    def test_set(self, compute_shell, requests_mock):
        requests_mock.post(f"{self.URL}/metadata", json={"metadata": {"a": "1", "B": "x"}})
        compute_shell.run(compute_image.SetComputeImage, ID, "--property", "B=x")
        assert requests_mock.last_request.json() == {"metadata": {"B": "x"}}

    def test_purge(self, compute_shell, requests_mock):
        put = requests_mock.put(f"{self.URL}/metadata", json={"metadata": {"a": "1"}})
        compute_shell.run(
            compute_image.SetComputeImage, ID, "--purge-properties", "--property", "a=1"
        )
        assert put.last_request.json() == {"metadata": {"a": "1"}}

    @pytest.mark.parametrize(
        ("argv", "said"),
        [((), "Nothing to change"), (("--property", "owner=x"), "would drop it without a word")],
    )
    def test_wrong_input_sends_nothing(self, compute_shell, requests_mock, argv, said):
        with pytest.raises(InvalidInput, match=said):
            compute_shell.run(compute_image.SetComputeImage, ID, *argv)
        assert not requests_mock.called

    def test_unset(self, compute_shell, requests_mock):
        removed = requests_mock.delete(
            f"{self.URL}/metadata/a", status_code=204, headers={"X-Openstack-Request-Id": "req-1"}
        )
        compute_shell.run(compute_image.UnsetComputeImage, ID, "--property", "a")
        assert removed.call_count == 1

    def test_unset_what_is_not_there(self, compute_shell, requests_mock):
        with pytest.raises(InvalidInput, match="has no property 'A', 'b'; nothing was removed"):
            compute_shell.run(
                compute_image.UnsetComputeImage,
                *(ID, "--property", "a", "--property", "A", "--property", "b"),
            )
        assert [sent.method for sent in requests_mock.request_history] == ["GET"]

    def test_delete(self, compute_shell, requests_mock, caplog):
        requests_mock.delete(self.URL, **captures.compute("30-delete-protected").mock)
        requests_mock.delete(f"{COMPUTE_URL}/images/{OTHER}", status_code=404)
        requests_mock.get(f"{COMPUTE_URL}/images/{OTHER}", status_code=404)
        requests_mock.get(f"{COMPUTE_URL}/images/detail", json={"images": []})
        with pytest.raises(ImageV1Error, match="2 of 2 images could not be deleted"):
            compute_shell.run(compute_image.DeleteComputeImage, ID, OTHER)
        assert "or protected: 'openstack image v1 set --unprotected'" in caplog.text
        assert f"No image has the name or ID '{OTHER}'" in caplog.text
