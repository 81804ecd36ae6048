from __future__ import annotations

import pytest

from osc_image_v1.api.image_v1 import ImageClient
from osc_image_v1.exceptions import AmbiguousName, ImageNotFound
from osc_image_v1.transfer.listed import named_records
from tests.unit.conftest import image_id
from tests.unit.store import Store


def test_named_images(store: Store, client: ImageClient) -> None:
    one = store.add(1)
    store.add(2, name="two")
    # A name can look like an ID.
    store.add(3, name=image_id(77))
    records = named_records(client, [one, "two", image_id(77)])
    assert [record["id"] for record in records] == [one, image_id(2), image_id(3)]
    with pytest.raises(ImageNotFound):
        list(named_records(client, ["nothing"]))
    store.add(4, name="two")
    with pytest.raises(AmbiguousName):
        list(named_records(client, ["two"]))


def test_many_named_images_in_their_order_each_looked_up_once(
    store: Store, client: ImageClient
) -> None:
    ids = [store.add(number) for number in range(60)][::-1]
    found = named_records(client, [*ids, *ids])
    assert [record["id"] for record in found] == ids
    assert {store.asked[f"HEAD /images/{one}"] for one in ids} == {1}
    assert store.asked["LIST /images/detail"] == 60


def test_the_first_name_in_their_order_that_nobody_has_is_told(
    store: Store, client: ImageClient
) -> None:
    one = store.add(1)
    found = named_records(client, [one, "nothing", "nobody"])
    assert next(found)["id"] == one
    with pytest.raises(ImageNotFound, match="nothing"):
        next(found)
    # Where the first is not there, no other one is looked for.
    store.asked.clear()
    with pytest.raises(ImageNotFound, match="nothing"):
        list(named_records(client, ["nothing", one]))
    assert not store.asked[f"HEAD /images/{one}"]


def test_a_named_image_that_no_list_has(store: Store, client: ImageClient) -> None:
    one = store.add(1)
    record = next(named_records(client, [one]))
    assert record == store.records[one]
    store.unlisted.add(one)
    assert next(named_records(client, [one])) == {
        **record,
        "created_at": "2026-11-22T13:32:06.003166Z",
        "updated_at": "2026-11-22T13:32:07Z",
    }
