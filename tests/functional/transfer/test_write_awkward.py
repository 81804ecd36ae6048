"""Names, properties and bytes that are awkward come back as they went."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keystoneauth1.adapter import Adapter

from osc_image_v1.api import ImageClient, ImageFields
from osc_image_v1.exceptions import ImageV1Error, InvalidInput
from osc_image_v1.transfer.upload import create_image
from tests.functional.writing import FORMATS

VALUES = [
    "à",  # its last byte is white space in Latin-1
    "xÅ",  # and this one's a line end
    "a  b",
    "a\tb",
    "a,b;c=d",
    '"quoted" \\ back',
    "%41%",
    "=?utf-8?q?x?=",
    "日本語",
    "\u0085 \u2028 \u202e \ufeff",
    "None",
    "true",
    "0",
    "{}",
    "x" * 4000,
]
#: Made by v2 alone.
V2_PROPERTIES = {
    "Foo": "1",
    "foo": "2",
    "a-b": "3",
    "a_b": "4",
    "my key": "5",
    "k/e~y": "6",
    "ключ": "7",
    "empty": "",
    "blanks": " x ",
    "lines": "a\nb",
    "Status": "8",
}


@pytest.fixture
def client(session) -> ImageClient:
    return ImageClient(Adapter(session("admin"), service_type="image", interface="public"))


@pytest.mark.parametrize("value", VALUES)
def test_create_set_and_unset(openstack, beside, value):
    name = beside.name(value[:200])
    command = ("image", "v1", "create", f"--property=kept={value}", *FORMATS, "--stdin")
    made = openstack(*command, "-f", "json", "--", name, input=value.encode())
    image_id = made.json["id"]
    assert made.json["name"] == name
    assert made.json["properties"] == {"kept": value}
    stored = beside.v2(image_id)
    assert (stored["name"], stored["kept"]) == (name, value)
    assert beside.stored(image_id) == value.encode()

    done = openstack("image", "v1", "set", image_id, f"--property=more={value}")
    assert done.status == 0, done.err
    assert beside.properties(image_id) == {"kept": value, "more": value}
    shown = openstack("image", "v1", "show", image_id, "-f", "json").json
    assert shown["properties"] == {"kept": value, "more": value}

    done = openstack("image", "v1", "unset", image_id, "--property", "more")
    assert done.status == 0, done.err
    assert beside.properties(image_id) == {"kept": value}
    assert openstack("image", "v1", "delete", image_id).status == 0
    assert beside.gone(image_id)


def test_null(openstack, beside):
    made = openstack(
        "image", "v1", "create", beside.name(), "--property", "nul=", "-f", "json"
    ).json
    assert made["properties"] == {"nul": None}
    openstack("image", "v1", "set", made["id"], "--property", "a=1", "--property", "b=2")
    openstack("image", "v1", "unset", made["id"], "--property", "a")
    assert beside.properties(made["id"]) == {"nul": None, "b": "2"}
    assert openstack("image", "v1", "unset", made["id"], "--property", "nul").status == 0
    assert beside.properties(made["id"]) == {"b": "2"}


def test_unset_takes_exactly_one_of_v2s(openstack, beside):
    left = dict(V2_PROPERTIES)
    image_id = beside.make_v2(**left)
    for name in V2_PROPERTIES:
        done = openstack("image", "v1", "unset", image_id, "--property", name)
        assert done.status == 0, done.err
        del left[name]
        assert beside.properties(image_id) == left


def test_unset_takes_several_at_once(openstack, beside, count):
    image_id = beside.make_v2(**V2_PROPERTIES)
    with count("image") as requests:
        done = openstack(
            "image", "v1", "unset", image_id, "--property", "Foo", "--property", "k/e~y"
        )
    assert done.status == 0, done.err
    # The line break in one of the properties cuts off HEAD's answer: a list has it whole.
    assert [request.method for request in requests] == ["HEAD", "GET", "PATCH"]
    left = {key: value for key, value in V2_PROPERTIES.items() if key not in ("Foo", "k/e~y")}
    assert beside.properties(image_id) == left


def test_unset_takes_nothing_if_one_is_missing(openstack, beside):
    image_id = beside.make_v2(**V2_PROPERTIES)
    done = openstack("image", "v1", "unset", image_id, "--property", "Foo", "--property", "A_B")
    assert done.status == 1
    assert "has no property 'A_B'; it has 'a-b', 'a_b'; nothing was removed" in done.err
    assert beside.properties(image_id) == V2_PROPERTIES


def test_set_leaves_v2s_properties_alone(openstack, beside):
    image_id = beside.make_v2(**V2_PROPERTIES)
    name = beside.name("new")
    done = openstack("image", "v1", "set", image_id, "--name", name, "--property", "new=1")
    assert done.status == 0, done.err
    assert beside.properties(image_id) == {**V2_PROPERTIES, "new": "1"}


def test_names_that_v2_takes_for_fields(openstack, beside):
    names = ("owner", "name", "id", "status", "visibility", "size", "tags", "locations")
    options = [word for name in names for word in ("--property", f"{name}=x")]
    made = openstack("image", "v1", "create", beside.name(), *options, "-f", "json").json
    left = dict.fromkeys(names, "x")
    for name in names:
        done = openstack("image", "v1", "unset", made["id"], "--property", name)
        assert done.status == 0, done.err
        del left[name]
        assert beside.properties(made["id"]) == left
    assert beside.v2(made["id"])["name"] == beside.name()


@pytest.mark.parametrize("kept", [{"Foo": "1"}, {"a-b": "1"}, {"e": ""}, {"s": " x"}, {"n": "\n"}])
def test_without_v2_nothing_is_lost(beside, client, kept, monkeypatch):
    monkeypatch.setattr("osc_image_v1.api.detours.v2_shows", lambda _names: False)
    image_id = beside.make_v2(**kept, gone="1")
    with pytest.raises(ImageV1Error, match="would lose one"):
        client.remove_properties(client.get(image_id), ["gone"])
    assert beside.properties(image_id) == {**kept, "gone": "1"}


properties = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz0123456789_.!#$%&'*+^`|~", min_size=1, max_size=12),
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs",)), max_size=30),
    min_size=1,
    max_size=4,
)
names = st.text(st.characters(exclude_categories=()), min_size=1, max_size=30)


@settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(names, properties, st.booleans())
def test_whatever_is_taken_is_kept(beside, client, monkeypatch, name, wanted, by_v1):
    """What is not refused beforehand is stored as it is, and unset leaves the rest alone."""
    name = f"{beside.prefix}{name}"
    try:
        fields = ImageFields(name=name, properties=wanted)
    except InvalidInput:
        return
    kept = {key: value or None for key, value in wanted.items()}
    image = create_image(client, fields, str(uuid.uuid4()))
    try:
        exact = client.exact(image)
        assert (exact.name, exact.properties) == (name, kept)
        assert beside.v2(image.id)["name"] == name
        gone = sorted(kept)[0]
        with monkeypatch.context() as patch:
            if by_v1:
                patch.setattr("osc_image_v1.api.detours.v2_shows", lambda _names: False)
            client.remove_properties(image, [gone])
        del kept[gone]
        assert client.exact(image).properties == kept
    finally:
        client.delete(image.id)
