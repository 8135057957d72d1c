"""The small store, fresh for each test."""

import pytest

from tests.shared_kernel.http.small_store import SmallStore


@pytest.fixture
def store() -> SmallStore:
    """An application with one route of each sort."""
    return SmallStore()
