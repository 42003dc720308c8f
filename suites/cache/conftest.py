"""Shared fixtures: the edge nodes that pull through a cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from edge_lab.fixtures.lab import TimeLimit
from suites.cache.onnode import CacheNode

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def cache_node(lab: Lab, time_limit: TimeLimit) -> Callable[[str], CacheNode]:
    """Returns an edge node by its name."""
    return lambda name: CacheNode(lab, name, time_limit)
