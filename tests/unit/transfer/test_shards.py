from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from osc_image_v1.transfer.shards import Shard


@given(st.text(), st.integers(1, 100))
def test_each_image_is_in_exactly_one_shard(image_id: str, count: int) -> None:
    assert sum(image_id in Shard(index, count) for index in range(1, count + 1)) == 1


def test_the_case_of_an_id_does_not_matter() -> None:
    for index in range(1, 8):
        assert ("ABCDEF" in Shard(index, 7)) is ("abcdef" in Shard(index, 7))


def test_the_division_is_the_same_for_ever() -> None:
    # Several machines, and versions of this package, share a job.
    ids = [f"00000000-0000-0000-0000-{n:012}" for n in range(16)]
    found = [next(i for i in range(1, 4) if one in Shard(i, 3)) for one in ids]
    assert found == FOUND


FOUND = [3, 1, 1, 3, 3, 2, 1, 3, 3, 1, 2, 2, 1, 3, 1, 3]


def test_shares_are_about_equal() -> None:
    counts = [sum(f"image-{n}" in Shard(index, 4) for n in range(4000)) for index in range(1, 5)]
    assert min(counts) > 900
