"""Metadata through the Compute service; what is stored is read from the image service."""

from __future__ import annotations

import pytest
from keystoneauth1.adapter import Adapter

from osc_image_v1.api import ComputeImageClient


@pytest.fixture
def image(openstack, beside) -> str:
    """An image with one property."""
    made = openstack("image", "v1", "create", beside.name(), "--property", "a=1", "-f", "json")
    return str(made.json["id"])


def test_set_merges(openstack, beside, image, count):
    with count("compute") as requests:
        done = openstack(
            *("compute", "image", "set", image, "--property", "B-c:d. e= é ", "--property", "x="),
        )
    assert (done.status, done.out) == (0, ""), done.err
    assert [request.method for request in requests] == ["GET", "POST"]
    assert beside.properties(image) == {"a": "1", "B-c:d. e": " é ", "x": ""}


def test_set_by_name_as_a_plain_user(openstack, beside):
    made = openstack("image", "v1", "create", beside.name(), "-f", "json", cloud="demo").json
    done = openstack("compute", "image", "set", beside.name(), "--property", "k=v", cloud="demo")
    assert done.status == 0, done.err
    assert beside.v2(made["id"])["k"] == "v"


def test_set_purges(openstack, beside, image):
    done = openstack(
        "compute", "image", "set", image, "--purge-properties", "--property", "only=this"
    )
    assert done.status == 0, done.err
    assert beside.properties(image) == {"only": "this"}
    assert openstack("compute", "image", "set", image, "--purge-properties").status == 0
    assert beside.properties(image) == {}


def test_unset_removes_exactly_that(openstack, beside):
    properties = {"Foo": "1", "foo": "2", "a-b": "3", "a_b": "4", "k:e y": "5", "empty": ""}
    image = beside.make_v2(**properties)
    for name in list(properties):
        done = openstack("compute", "image", "unset", image, "--property", name)
        assert done.status == 0, done.err
        del properties[name]
        assert beside.properties(image) == properties


def test_unset_keeps_null(openstack, beside, image):
    openstack("image", "v1", "set", image, "--property", "nul=")
    assert openstack("compute", "image", "unset", image, "--property", "a").status == 0
    assert beside.properties(image) == {"nul": None}


def test_unset_of_what_is_not_there_removes_nothing(openstack, beside, image):
    done = openstack("compute", "image", "unset", image, "--property", "a", "--property", "A")
    assert done.status == 1
    assert "has no property 'A'; nothing was removed" in done.err
    assert beside.properties(image) == {"a": "1"}


DROPPED = (
    "id image_id name owner visibility checksum container_format disk_format min_disk min_ram "
    "remove_props".split()
)
REFUSED = (
    "status size virtual_size location locations created_at updated_at deleted deleted_at "
    "protected tags file self schema direct_url".split()
)


@pytest.mark.parametrize("key", [*DROPPED, *REFUSED, "a/b", " a", ".", "ñ"])
def test_refused_before_the_first_request(openstack, image, count, key):
    with count("compute") as requests:
        done = openstack("compute", "image", "set", image, "--property", f"{key}=1")
    assert done.status == 2
    assert requests == []


@pytest.mark.parametrize("key", DROPPED)
def test_the_service_does_drop_these(beside, session, cloud, image, key):
    url = f"{cloud.urls['compute']}/images/{image}/metadata"
    answer = session("admin").post(url, json={"metadata": {key: "1"}})
    assert answer.status_code == 200
    assert beside.properties(image) == {"a": "1"}


@pytest.mark.parametrize("key", REFUSED)
def test_the_service_does_refuse_these(beside, session, cloud, image, key):
    url = f"{cloud.urls['compute']}/images/{image}/metadata"
    answer = session("admin").post(url, json={"metadata": {key: "1"}}, raise_exc=False)
    assert answer.status_code in (403, 500)
    assert beside.properties(image) == {"a": "1"}


@pytest.mark.parametrize("value", ["", "None", " none "])
def test_a_kernel_of_none_is_refused(openstack, image, count, value):
    with count("compute") as requests:
        done = openstack("compute", "image", "set", image, "--property", f"kernel_id={value}")
    assert done.status == 2
    assert requests == []


def test_the_service_ends_sharing(openstack, beside, image):
    """Not wanted, but so it is, and the help says it."""
    openstack("image", "v1", "add", "project", image, "demo")
    assert beside.v2(image)["visibility"] == "shared"
    assert openstack("compute", "image", "set", image, "--property", "b=1").status == 0
    assert beside.v2(image)["visibility"] == "private"
    assert "private" in openstack("compute", "image", "set", "--help").out


def test_too_much_in_all(openstack, image, session):
    client = ComputeImageClient(Adapter(session("admin"), service_type="compute"))
    client.set_metadata(image, {f"k{i}": "v" for i in range(127)})
    done = openstack("compute", "image", "set", image, "--property", "one=more")
    assert done.status == 1
    assert "Image metadata limit exceeded" in done.err


def test_delete(openstack, beside, image):
    kept = openstack("image", "v1", "create", beside.name("kept"), "--protected", "-f", "json").json
    done = openstack("compute", "image", "delete", kept["id"], "nope", image)
    assert done.status == 1
    assert "protected: 'openstack image v1 set --unprotected'" in done.err
    assert done.err.rstrip().endswith("2 of 3 images could not be deleted")
    assert [record["id"] for record in beside.listed()] == [kept["id"]]


def test_delete_by_name(openstack, beside, image):
    assert openstack("compute", "image", "delete", beside.name()).status == 0
    assert beside.gone(image)
