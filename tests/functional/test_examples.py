"""Every example of the README and the documentation prints what is printed there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import examples
from tests.cloud import Cloud

WITH_EXAMPLES = [page for page in examples.PAGES if examples.blocks(page.read_text())]


@pytest.fixture
def fresh(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud as it was seeded, before and after a page."""
    cloud.reset()
    yield cloud
    cloud.reset()


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_the_examples_of_a_page(page: Path, fresh: Cloud) -> None:
    text = page.read_text()
    for block, lines in examples.run_page(text, examples.settings(fresh)):
        assert examples.comparable(block.lines) == examples.comparable(lines)
