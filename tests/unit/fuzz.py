"""How thoroughly whatever comes from outside is tried, in one place.

``tox -e faults`` tries 1,000 inputs a test, the other environments a hundred. The tests that have
this are in doc/source/reference/faults.rst, see test_fuzz.py.
"""

import os
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest

#: How many inputs are tried.
EXAMPLES = int(os.environ.get("OSC_IMAGE_V1_EXAMPLES", "100"))


def thorough(test: Callable[..., Any]) -> Any:
    """Decorate a test under ``given``."""
    return pytest.mark.thorough(hypothesis.settings(max_examples=EXAMPLES)(test))
