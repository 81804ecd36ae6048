"""Writes whose answers a front end loses, on the real services."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cloud import Cloud
from tests.functional.conftest import Result
from tests.functional.relay import Relay
from tests.functional.writing import DATA, FORMATS, Beside

LOST = ["lost", "reset"]


@pytest.fixture
def relay(cloud: Cloud) -> Iterator[Relay]:
    with Relay(cloud.urls["image"]) as front_end:
        yield front_end


@pytest.fixture
def v1(openstack: Callable[..., Result], relay: Relay) -> Callable[..., Result]:
    """Run a command of the Image API v1 through the front end."""

    def run(*argv: str, **options: Any) -> Result:
        return openstack(
            "--os-image-v1-endpoint-override", relay.url, "image", "v1", *argv, **options
        )

    return run


@pytest.fixture
def compute(
    openstack: Callable[..., Result],
    cloud: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Callable[..., Result], Relay]]:
    """Run a command about compute images through a front end."""
    with Relay(cloud.urls["compute"]) as front_end:
        settings = yaml.safe_load(cloud.clouds_yaml.read_text())
        settings["clouds"]["admin"]["compute_endpoint_override"] = front_end.url
        changed = tmp_path / "clouds.yaml"
        changed.write_text(yaml.safe_dump(settings))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(changed))
        yield (lambda *argv: openstack("compute", "image", *argv)), front_end


@pytest.fixture
def image(openstack: Callable[..., Result], beside: Beside) -> str:
    result = openstack(
        *("image", "v1", "create", beside.name(), *FORMATS, "--stdin", "--property", "old=1"),
        *("-f", "value", "-c", "id"),
        input=DATA,
    )
    assert result.status == 0, result.err
    return result.out.strip()


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("clean_up", [(), ("--clean-up",)])
def test_create(v1, relay, beside, file, how, clean_up):
    relay.how = how
    result = v1("create", beside.name(), *FORMATS, "--file", file, *clean_up, "-f", "json")
    assert (result.status, result.err) == (0, "")
    assert result.json["status"] == "active"
    assert result.json["checksum"] == hashlib.md5(DATA).hexdigest()
    assert beside.stored(result.json["id"]) == DATA
    assert relay.written == ["POST", "PUT"]


@pytest.mark.parametrize("clean_up", [(), ("--clean-up",)])
def test_create_that_is_stored_for_longer(v1, relay, openstack, beside, file, clean_up):
    made = openstack(
        *("image", "v1", "create", beside.name(), *FORMATS, "-f", "value", "-c", "id")
    ).out.strip()
    relay.how = "slow"
    result = v1("set", made, "--file", file)
    assert (result.status, result.out) == (0, "")
    waiting = f"image {made} is (saving|queued): waiting for that, (300|10) seconds at most\n"
    assert re.search(waiting, result.err)
    assert beside.stored(made) == DATA


@pytest.mark.parametrize("how", LOST)
def test_create_without_data(v1, relay, beside, how):
    relay.how = how
    result = v1("create", beside.name(), "--property", "a=b", "-f", "json")
    assert (result.status, result.err) == (0, "")
    assert [record["status"] for record in beside.listed()] == ["queued"]


def test_create_that_never_comes_to_it(v1, relay, beside, file):
    relay.how = "never"
    result = v1("create", beside.name(), *FORMATS, "--file", file)
    assert result.status == 1
    assert "; it was not done 10 seconds later, and may be done yet; look with " in result.err
    assert "no image was made" not in result.err
    assert beside.listed() == []


@pytest.mark.parametrize("how", LOST)
def test_set_and_unset(v1, relay, beside, image, how):
    relay.how = how
    done = v1("set", image, "--name", beside.name("new"), "--property", "b=2")
    assert (done.status, done.err) == (0, "")
    assert beside.v2(image)["name"] == beside.name("new")
    assert beside.properties(image) == {"old": "1", "b": "2"}
    done = v1("unset", image, "--property", "old")
    assert (done.status, done.err) == (0, "")
    assert beside.properties(image) == {"b": "2"}


@pytest.mark.parametrize("how", LOST)
def test_members(v1, relay, openstack, image, cloud, how):
    relay.how = how
    demo, other = cloud.projects["demo"], cloud.projects["other"]

    def members():
        listed = openstack("image", "v1", "member", "list", image, "-f", "json").json
        return {member["Project"]: member["Can Share"] for member in listed}

    for argv, there in [
        (("add", "project", "--can-share", image, demo), {demo: True}),
        (("member", "set", image, other), {other: False}),
        (("remove", "project", image, other), {}),
    ]:
        done = v1(*argv)
        assert (done.status, done.err) == (0, "")
        assert members() == there


@pytest.mark.parametrize("how", LOST)
def test_delete(v1, relay, beside, image, how):
    relay.how = how
    done = v1("delete", image)
    assert (done.status, done.err) == (0, "")
    assert beside.gone(image)
    assert relay.written == ["DELETE"]


@pytest.mark.parametrize(
    ("how", "said"),
    [("never", "Gateway Time-out"), ("page", "the answer is not the service's but a page of")],
)
def test_what_was_not_done(v1, relay, beside, image, cloud, how, said):
    relay.how = how
    demo = cloud.projects["demo"]
    for argv in [
        ("set", image, "--name", beside.name("new")),
        ("add", "project", image, demo),
        ("delete", image),
    ]:
        result = v1(*argv)
        assert result.status == 1
        assert said in result.err
        assert "not known" not in result.err
    assert beside.v2(image)["name"] == beside.name()
    assert not beside.gone(image)


@pytest.mark.parametrize("how", LOST)
def test_compute(compute, beside, image, how):
    run, relay = compute
    relay.how = how
    for argv in [
        ("set", image, "--property", "b=2"),
        ("unset", image, "--property", "old"),
    ]:
        done = run(*argv)
        assert (done.status, done.err) == (0, "")
    assert beside.properties(image)["b"] == "2"
    assert "old" not in beside.properties(image)
    done = run("delete", image)
    assert (done.status, done.err) == (0, "")
    assert beside.gone(image)


def test_compute_and_a_page(compute, beside, image):
    run, relay = compute
    relay.how = "page"
    result = run("delete", image)
    assert result.status == 1
    assert "the answer is not the service's but a page of something in front" in result.err
    assert not beside.gone(image)
