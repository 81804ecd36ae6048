"""What a program gives of the wrong type is refused before the first request, and none is lost."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from osc_image_v1.api import (
    ComputeImageClient,
    ComputeImageQuery,
    ImageClient,
    ImageDetail,
    ImageFields,
    ImageQuery,
    RetryPolicy,
)
from osc_image_v1.exceptions import InvalidInput
from tests.unit.conftest import COMPUTE_URL, IMAGE_URL, adapter_at

ID = "6f1a2c64-5f1d-4d0e-9d0a-6a3f0e6f2b11"
IMAGE = ImageDetail(ID, "ubuntu", properties={"arch": "x86_64"})
# What each argument is given beside what it takes.
RIGHT: dict[str, Any] = {
    "action": "Cannot list",
    "can_share": True,
    "data": [b"piece"],
    "detail": False,
    "fields": ImageFields(name="n"),
    "image": IMAGE,
    "image_id": ID,
    "key": "k",
    "members": [],
    "metadata": {"k": "v"},
    "name": "ubuntu",
    "name_or_id": "ubuntu",
    "names": ["arch"],
    "project_id": "p",
    "purge": False,
    "purge_properties": False,
    "query": None,
    "start": 1,
    "text": ID,
}
# No wrong type of these is of a consequence: they are words of messages.
FREE = {"action"}
WRONG: dict[str, list[Any]] = {
    "can_share": ["yes", 1],
    "data": ["text", None, 5],
    "detail": ["yes", None],
    "fields": [{"name": "n"}, "n"],
    "image": [ID, None],
    "members": ["abc", None, ["p"], 5],
    "metadata": ["k=v", None, {"k": 5}, {5: "v"}],
    "names": ["arch", None, 5, [5]],
    "purge": ["yes", None],
    "purge_properties": ["yes", None],
    "query": ["name", {"name": "n"}, 5],
    "start": ["1", None, 1.5, True],
}
ANY_ID = [5, None, b"id", ["id"], 1.5]


def _clients() -> list[Any]:
    return [
        ImageClient(adapter_at(IMAGE_URL)),
        ComputeImageClient(adapter_at(COMPUTE_URL, "compute")),
    ]


def _cases() -> list[Any]:
    cases = []
    for client in _clients():
        for name, method in inspect.getmembers(client, inspect.ismethod):
            taken = [] if name.startswith("_") else list(inspect.signature(method).parameters)
            for wrong in (one for one in taken if one not in FREE):
                optional = wrong == "image_id" and name == "create"
                for value in WRONG.get(wrong, ANY_ID):
                    if not (optional and value is None):
                        kind = type(client).__name__
                        named = f"{kind}.{name}({wrong}={value!r})"
                        cases.append(pytest.param(kind, name, taken, wrong, value, id=named))
    return cases


@pytest.mark.parametrize(("kind", "name", "taken", "wrong", "value"), _cases())
def test_a_wrong_type_is_refused_before_the_first_request(
    requests_mock, kind, name, taken, wrong, value
):
    client = next(one for one in _clients() if type(one).__name__ == kind)
    given = {**{one: RIGHT[one] for one in taken}, wrong: value}
    with pytest.raises(InvalidInput):
        _done(getattr(client, name)(**given))
    assert not requests_mock.called


def _done(result: Any) -> None:
    """Read what a method yields."""
    if inspect.isgenerator(result):
        list(result)


_OTHERS = [5, 1.5, True, "text", b"bytes", ["list"], {"a": "mapping"}, object()]


@pytest.mark.parametrize("kind", [ImageQuery, ComputeImageQuery, ImageFields])
def test_each_field_takes_values_of_its_types_alone(kind):
    for name, field in kind.__dataclass_fields__.items():
        words = str(field.type)
        for value in _OTHERS:
            taken = {bool: "bool", int: "int", str: "str", dict: "Mapping"}.get(type(value), "no")
            if f"{taken} |" in words or words.startswith(taken) or "Literal" in words:
                continue
            with pytest.raises(InvalidInput, match=rf"{name} is .*, must be "):
                kind(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("properties", {"arch": 5}),
        ("properties", {5: "arch"}),
        ("extra", {"sort": 5}),
        ("extra", {"sort": None}),
        ("extra", {5: "sort"}),
        ("extra", {"sort": ["name", 5]}),
        ("ids", frozenset((5,))),
        ("ids", ("a", "b")),
    ],
)
def test_texts_are_texts(name, value):
    with pytest.raises(InvalidInput, match=rf"{name} is .*, must be a "):
        ImageQuery(**{name: value})


@pytest.mark.parametrize(
    "given", [{"attempts": "4"}, {"attempts": None}, {"longest_wait": "1"}, {"attempts": True}]
)
def test_a_policy_refuses_other_types(given):
    with pytest.raises(InvalidInput, match="must be a"):
        RetryPolicy(**given)


@pytest.mark.parametrize("kind", [ImageClient, ComputeImageClient])
@pytest.mark.parametrize(
    "given", [{"timeout": "60"}, {"endpoint_override": 5}, {"retry": 3}, {"timeout": True}]
)
def test_a_client_refuses_other_types(kind, given):
    with pytest.raises(InvalidInput):
        kind(adapter_at(IMAGE_URL), **given)
