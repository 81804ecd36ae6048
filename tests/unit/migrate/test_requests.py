"""What a copy of many images asks for, and what has come to the target since it was listed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.migrate import renames
from osc_image_v1.migrate.drafts import UNFINISHED, Plan
from osc_image_v1.migrate.ours import new_id_of
from tests.unit.conftest import image_id
from tests.unit.glance_v2 import GlanceV2, Refusal
from tests.unit.migrate.test_strangers import NEW, alike, copied
from tests.unit.store import Store

MANY = 20
FIRST = image_id(0)
WRITES = ("POST", "PUT", "PATCH")


@pytest.fixture
def many(store: Store) -> Store:
    """As many images as are worth a list of the target; the first is the smallest."""
    for number in range(MANY):
        store.add(number, b"x" * (number + 1))
    return store


@pytest.mark.parametrize("plan", [Plan(), NEW], ids=["same IDs", "new IDs"])
def test_what_is_missing_is_not_looked_for_again(
    client: ImageClient, many: Store, glance: GlanceV2, plan: Plan
) -> None:
    outcomes = copied(client, many, glance, plan, parallel=8)
    assert {one.action for one in outcomes.values()} == {"copied"}
    for found in glance.records:
        assert [one for one in glance.asked if found in one] == [
            f"PUT /images/{found}/file",
            f"GET /images/{found}",
            f"PATCH /images/{found}",
        ]
    others = [one for one in glance.asked if not any(found in one for found in glance.records)]
    assert others.count("POST /images") == MANY
    assert others.count("GET /info/usage") == 1
    # A list ends with a page that is not full; the quota is asked for once.
    assert set(others) == {"GET /images", "GET /info/usage", "POST /images"}
    assert len(others) <= MANY + 4
    per_image = {one: many.asked[f"GET /images/{one}"] for one in many.records}
    assert set(per_image.values()) == {1}


def appearing(glance: GlanceV2, there: str, **fields: Any) -> Callable[[], None]:
    def appear() -> None:
        glance.add(there, **fields)

    return appear


@pytest.mark.parametrize(
    ("fields", "action", "note"),
    [
        ({"data": b"x"}, "present", ""),
        ({"data": b"x", "tags": [UNFINISHED]}, "finished", ""),
        ({"tags": [UNFINISHED]}, "copied", ""),
        ({"data": b"y", "owner": "stranger"}, "failed", "it belongs to project stranger"),
        ({"data": b"other"}, "failed", "The target has another image"),
    ],
    ids=["whole", "unfinished", "empty", "a stranger's", "another"],
)
@pytest.mark.parametrize("plan", [Plan(), NEW], ids=["same ID", "new ID"])
def test_what_has_come_since_the_list_is_looked_at(
    client: ImageClient,
    many: Store,
    glance: GlanceV2,
    plan: Plan,
    fields: dict[str, Any],
    action: str,
    note: str,
) -> None:
    there = new_id_of(FIRST) if plan.new_ids else FIRST
    own = {renames.SOURCE_ID: FIRST} if plan.new_ids else {}
    record = {**alike(), **own, **fields}
    glance.before["POST /images"] = [appearing(glance, there, **record)]
    outcome = copied(client, many, glance, plan)[FIRST]
    if plan.new_ids and action == "failed":
        # An ID of its own is no reason to fail.
        assert outcome.action == "copied"
        assert outcome.target_id == new_id_of(FIRST, 1)
        return
    assert outcome.action == action
    assert note in "".join(outcome.notes)
    assert outcome.target_id == (None if action == "failed" else there)
    assert len(glance.records) == MANY


def test_an_id_that_is_used_up_costs_no_second_try(
    client: ImageClient, many: Store, glance: GlanceV2
) -> None:
    glance.deleted.add(FIRST)
    outcome = copied(client, many, glance, Plan())[FIRST]
    assert (outcome.action, outcome.reasons) == ("failed", ("id-used-up",))
    assert glance.asked.count("POST /images") == MANY
    assert [one for one in glance.asked if FIRST in one] == [f"GET /images/{FIRST}"]


def test_a_new_id_that_is_used_up_gives_way_to_the_next(
    client: ImageClient, many: Store, glance: GlanceV2
) -> None:
    glance.deleted.add(new_id_of(FIRST))
    outcome = copied(client, many, glance)[FIRST]
    assert (outcome.action, outcome.target_id) == ("copied", new_id_of(FIRST, 1))


def test_a_record_whose_answer_is_lost_is_filled(
    client: ImageClient, many: Store, glance: GlanceV2
) -> None:
    def lose() -> None:
        raise Refusal(502)

    glance.after["POST /images"] = [lose]
    assert {one.action for one in copied(client, many, glance, Plan()).values()} == {"copied"}
    assert len(glance.records) == MANY
