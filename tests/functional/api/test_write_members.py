"""Members of images; who may see an image is read by its users."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def shared(openstack, beside) -> str:
    """An image of the admin's that nobody else can see yet."""
    made = openstack("image", "v1", "create", beside.name(), "-f", "json")
    return str(made.json["id"])


@pytest.fixture
def members(beside, shared):
    def read() -> dict[str, Any]:
        document = beside.v1("GET", f"/images/{shared}/members").json()
        return {entry["member_id"]: entry["can_share"] for entry in document["members"]}

    return read


def sees(beside, image_id: str, user: str) -> bool:
    return beside.v1("HEAD", f"/images/{image_id}", user).status_code == 200


def test_add_and_remove(openstack, beside, shared, members, cloud):
    demo = cloud.projects["demo"]
    assert not sees(beside, shared, "demo")
    done = openstack("image", "v1", "add", "project", beside.name(), "demo", "-f", "json")
    assert done.json == {"image_id": shared, "member_id": demo, "can_share": False}
    assert members() == {demo: False}
    assert sees(beside, shared, "demo")
    assert openstack("image", "v1", "add", "project", shared, demo, "--can-share").status == 0
    assert members() == {demo: True}
    done = openstack("image", "v1", "add", "project", shared, "demo", "-f", "json")
    assert done.json["can_share"] is True
    assert members() == {demo: True}
    assert openstack("image", "v1", "add", "project", shared, "demo", "--no-can-share").status == 0
    assert members() == {demo: False}
    listed = openstack("image", "v1", "list", "--shared-with", "demo", "-f", "json").json
    assert shared in [image["ID"] for image in listed]
    assert openstack("image", "v1", "remove", "project", shared, "demo").status == 0
    assert members() == {}
    assert not sees(beside, shared, "demo")


def test_remove_what_is_no_member(openstack, shared):
    done = openstack("image", "v1", "remove", "project", shared, "demo")
    assert done.status == 1
    assert "HTTP 404" in done.err


def test_a_member_that_is_no_project_any_more(openstack, beside, shared, members):
    beside.v1("PUT", f"/images/{shared}/members/gone-project")
    assert openstack("image", "v1", "remove", "project", shared, "gone-project").status == 0
    assert members() == {}


def test_list(openstack, beside, shared, cloud):
    assert openstack("image", "v1", "member", "list", shared, "-f", "json").json == []
    openstack("image", "v1", "member", "set", shared, "other", "demo", "--can-share")
    rows = openstack("image", "v1", "member", "list", beside.name(), "-f", "json").json
    assert sorted(rows, key=lambda row: row["Project"]) == sorted(
        (
            {
                "Project": cloud.projects[name],
                "Can Share": True,
                "Project Name": name,
                "Image ID": shared,
            }
            for name in ("demo", "other")
        ),
        key=lambda row: row["Project"],
    )


def test_set_replaces_all(openstack, shared, members, cloud):
    demo, other = cloud.projects["demo"], cloud.projects["other"]
    assert openstack("image", "v1", "member", "set", shared, "demo", "--can-share").status == 0
    assert members() == {demo: True}
    assert openstack("image", "v1", "member", "set", shared, "other", demo).status == 0
    assert members() == {demo: False, other: False}
    assert openstack("image", "v1", "member", "set", shared).status == 0
    assert members() == {}


def test_sharing_on_needs_the_right_to(openstack, beside, shared, members, cloud):
    openstack("image", "v1", "add", "project", shared, "demo")
    other = cloud.projects["other"]
    done = openstack("image", "v1", "add", "project", shared, other, cloud="demo")
    assert done.status == 1
    assert "No permission to share that image" in done.err
    openstack("image", "v1", "add", "project", shared, "demo", "--can-share")
    assert openstack("image", "v1", "add", "project", shared, other, cloud="demo").status == 0
    assert other in members()
    assert sees(beside, shared, "other")


def test_an_image_of_strangers(openstack, shared):
    done = openstack("image", "v1", "member", "list", shared, cloud="demo")
    assert done.status == 1
    assert "No image has the name or ID" in done.err


def test_a_project_that_is_not_there(openstack, shared, members, count):
    with count("image") as requests:
        done = openstack("image", "v1", "member", "set", shared, "demo", "no such project")
    assert done.status == 1
    assert "No project has the name or ID 'no such project'" in done.err
    assert requests == []
    assert members() == {}


def test_what_v2_calls_private_may_have_members(openstack, beside, cloud, count, tmp_path):
    """So no list tells which images have none: each image that is not public is asked about."""
    image_id = beside.make_v2(visibility="private")
    project = cloud.projects["demo"]
    assert openstack("image", "v1", "add", "project", image_id, project).status == 0
    assert beside.v2(image_id)["visibility"] == "private"
    never = openstack("image", "v1", "create", beside.name(), "-f", "json").json["id"]
    assert beside.v2(never)["visibility"] == "shared"
    with count("image") as requests:
        openstack("image", "v1", "export", str(tmp_path), "--name-pattern", f"{beside.prefix}*")
    asked = [str(request) for request in requests if "/members" in str(request)]
    assert len(asked) == 2
    assert f'"member_id":"{project}"' in (tmp_path / "manifest.jsonl").read_text()
