"""Shared fixtures: pods on an edge node that must never be affected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from suites.memory.memorypods import GUARDED, guarded_pods
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def guarded(lab: Lab, edge_node: LabNode, time_limit: TimeLimit) -> Iterator[None]:
    """A Guaranteed and a system-node-critical pod on the edge node, both Ready."""
    with running_pods(lab, guarded_pods(edge_node.name), GUARDED, time_limit):
        yield
