"""A real cloud on loopback for the tests: Keystone, Glance with v1, Nova's image proxy.

From a shell, ``python -m tests.cloud up``; from Python, :class:`Cloud`. The images that it holds
are the table in :mod:`tests.cloud.seeds`. More is in the README beside this file.
"""

from tests.cloud.cloud import Cloud, Request
from tests.cloud.orders import Order
from tests.cloud.reports import CloudError
from tests.cloud.seeds import BY_KEY, SEEDS, Seed, id_of, seeds
from tests.cloud.worlds import World, WorldUnavailable

__all__ = [
    "BY_KEY",
    "SEEDS",
    "Cloud",
    "CloudError",
    "Order",
    "Request",
    "Seed",
    "World",
    "WorldUnavailable",
    "id_of",
    "seeds",
]
