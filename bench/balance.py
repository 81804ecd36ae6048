"""How even the spread is, over machines and over the workers of a run: simulated, with no clock.

Sizes of images are log-normal, with a median of 1 GiB. The parts and their order, and which worker
takes which image, are the product's own. A spread is compared with the ideal: that all end
together, or as soon as the largest image can be brought.
"""

from __future__ import annotations

import heapq
import random
import statistics
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.measure import Section
from osc_image_v1.api.records import Record
from osc_image_v1.report.usage import Group, count_parts
from osc_image_v1.transfer.many import Line, at_large_end

_GIB = 2**30
# Of each case, each with other images.
_RUNS = 12


@dataclass(frozen=True)
class Case:
    """What is spread."""

    #: Machines, or workers of a run.
    over: int
    images: int
    #: Of the logarithm of the sizes.
    sigma: float
    #: Images of 1 to 2 TiB besides.
    giants: int = 0

    def __str__(self) -> str:
        giants = f" and {self.giants} giants" if self.giants else ""
        return f"{self.over}, {self.images:,}, {self.sigma}{giants}"

    def records(self, seed: int) -> list[Record]:
        """Return images as a list has them, always the same for a seed."""
        chance = random.Random(f"{self} {seed}")
        sizes = [int(_GIB * chance.lognormvariate(0, self.sigma)) for _ in range(self.images)]
        sizes[: self.giants] = [chance.randrange(2**40, 2**41) for _ in range(self.giants)]
        return [
            {"id": str(uuid.UUID(int=chance.getrandbits(128))), "size": size, "status": "active"}
            for size in sizes
        ]


MACHINES = (
    Case(4, 500, 1.5),
    Case(16, 500, 1.5),
    Case(16, 5_000, 2.0, 3),
    Case(64, 20_000, 2.0, 3),
)
WORKERS = (
    Case(2, 100, 1.5),
    Case(4, 100, 1.5),
    Case(4, 500, 1.5),
    Case(4, 500, 2.0),
    Case(8, 500, 1.5),
    Case(16, 500, 1.5),
    Case(16, 5_000, 2.0, 3),
    Case(64, 5_000, 2.0),
)


# How many parts for each machine.
_PARTS = (1, 4, 16, 64)
_BY_SIZE = "16 times, largest first"
_BOTH_ENDS = "a quarter at the large end"


def measure(
    machines: Sequence[Case] = MACHINES, workers: Sequence[Case] = WORKERS
) -> Iterator[Section]:
    """Yield a table of machines, and one of the workers of a run.

    :param machines: what is spread over machines
    :param workers: what is spread over the workers of a run
    """
    over = "Parts, one at a time on each machine: time / ideal, the median and the worst of twelve"
    yield _section(over, "machines", machines, _over_machines, (_BY_SIZE, 1.05))
    over = "A run, each worker at the same rate: time / ideal, the median and the worst of twelve"
    yield _section(over, "workers", workers, _over_workers, (_BOTH_ENDS, 1.2))


def _section(
    title: str,
    over: str,
    cases: Sequence[Case],
    spread: Callable[[Case, list[Record]], dict[str, float]],
    target: tuple[str, float],
) -> Section:
    rows: list[list[str]] = []
    column, most = target
    medians = []
    for case in cases:
        runs = [spread(case, case.records(seed)) for seed in range(_RUNS)]
        found = {name: [run[name] for run in runs] for name in runs[0]}
        rows = rows or [[f"{over}, images, sigma", *found]]
        cells = (f"{statistics.median(all_):.2f} {max(all_):.2f}" for all_ in found.values())
        rows.append([str(case), *cells])
        medians.append(statistics.median(found[column]))
    section = Section(title, {}, table=rows)
    section.figure(f"{column}, the largest of the medians", max(medians), most)
    return section


def _over_machines(case: Case, images: list[Record]) -> dict[str, float]:
    ideal = _ideal([image["size"] for image in images], case.over)
    found = {}
    for times in _PARTS:
        parts = count_parts(images, times * case.over)
        by_number = sorted(parts, key=lambda part: int(str(part.key).partition("/")[0]))
        name = "as many parts" if times == 1 else f"{times} times"
        found[name] = _end(case.over, iter(by_number)) / ideal
        if times == 16:
            found[_BY_SIZE] = _end(case.over, iter(parts)) / ideal
    return found


def _over_workers(case: Case, images: list[Record]) -> dict[str, float]:
    groups = [Group(None, 1, size) for size in sorted(image["size"] for image in images)]
    ideal = _ideal([group.size for group in groups], case.over)
    line = Line(groups, lambda _group: 0)
    both_ends = _end(case.over, line.taken(), line.taken(lambda: True))
    return {"smallest first": _end(case.over, iter(groups)) / ideal, _BOTH_ENDS: both_ends / ideal}


def _ideal(sizes: Sequence[int], over: int) -> float:
    return max(sum(sizes) / over, *sizes)


def _end(over: int, small: Iterator[Group], large: Iterator[Group] | None = None) -> int:
    """Return when the last has done all that it takes, whenever it is free, at a byte a second.

    :param over: how many there are
    :param small: what they take
    :param large: what those of :func:`at_large_end` take instead
    """
    at_large = at_large_end(over) if large else 0
    free = [(0, number) for number in range(over)]
    last = 0
    while free:
        now, number = heapq.heappop(free)
        last = now
        group = next(large if large and number < at_large else small, None)
        if group is not None:
            heapq.heappush(free, (now + group.size, number))
    return last
