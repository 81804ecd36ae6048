"""How fast data flows, by a clock that stands still until somebody waits."""

from __future__ import annotations

from collections.abc import Iterator

from osc_image_v1.transfer.rate import Rate
from osc_image_v1.transfer.sending import ImageSource
from tests.unit.conftest import Clock

MIB = 2**20


def flow(rate: Rate, clock: Clock, count: int, size: int = MIB) -> Iterator[bytes]:
    return rate.paced((bytes(size) for _ in range(count)), clock)


def test_as_many_bytes_a_second_as_are_allowed(clock: Clock) -> None:
    rate = Rate(2 * MIB, clock)
    assert len(list(flow(rate, clock, 20))) == 20
    assert clock.now == 10


def test_transfers_share_it(clock: Clock) -> None:
    rate = Rate(2 * MIB, clock)
    flows = [flow(rate, clock, 20) for _ in range(4)]
    for _ in range(20):
        for one in flows:
            next(one)
    assert clock.now == 40


def test_a_service_that_is_slower_is_not_waited_for(clock: Clock) -> None:
    rate = Rate(2 * MIB, clock)
    for _piece in flow(rate, clock, 10):
        clock.now += 1
    assert clock.now == 0.5 + 10


def test_what_was_not_taken_for_long_is_not_made_up_for(clock: Clock) -> None:
    rate = Rate(2 * MIB, clock)
    clock.now = 1000
    list(flow(rate, clock, 20))
    assert clock.now == 1009


def test_the_waiting_ends_when_all_is_to_stop(clock: Clock) -> None:
    rate = Rate(1, clock)
    clock.set()
    # Whoever gets it looks at that, too.
    assert next(flow(rate, clock, 2)) == bytes(MIB)
    assert clock.now == 0


def test_the_data_of_an_image(clock: Clock) -> None:
    rate = Rate(MIB, clock)
    source = ImageSource(3 * MIB, "md5", lambda: [bytes(MIB)] * 3, "checksum", held=False)
    paced = rate.source(source, clock)
    assert (paced.size, paced.md5, paced.checksum, paced.held) == (
        3 * MIB,
        "md5",
        "checksum",
        False,
    )
    for seconds in (3, 6):
        assert b"".join(paced.read()) == bytes(3 * MIB)
        assert clock.now == seconds
