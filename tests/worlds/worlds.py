"""In which worlds a test runs."""

from __future__ import annotations

import pytest

DATABASES = ("sqlite", "mariadb", "postgresql")
FRONT_ENDS = ("nginx", "haproxy", "apache")


def in_worlds(*parts: str) -> pytest.MarkDecorator:
    """Run a test once in a cloud with each of these parts: a database, a store or a front end."""
    return pytest.mark.parametrize("cloud", parts, indirect=True, scope="session")
