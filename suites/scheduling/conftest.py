"""Fixtures of the suite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from edge_lab.fixtures.lab import TimeLimit
from suites.scheduling.filled import most_cpu
from suites.scheduling.objects import priorities

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def first_edge(lab: Lab) -> str:
    """The name of the first edge node."""
    return lab.topology.edges[0].name


@pytest.fixture
def most(lab: Lab, first_edge: str, time_limit: TimeLimit) -> Iterator[str]:
    """So much CPU that it fits on the first edge node once and not twice. The priority classes
    exist."""
    cpu = most_cpu(lab, first_edge, time_limit)
    with priorities(lab, time_limit):
        yield cpu
