"""Shared fixtures of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_lab.addons.spire.names import WORKLOAD_IDENTITY
from edge_lab.addons.workload import sampling_nodes
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from suites.spire.registry import Registry

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def registry(lab: Lab, time_limit: TimeLimit) -> Registry:
    """The SPIRE server of the lab."""
    return Registry(lab, time_limit)


@pytest.fixture
def edge(lab: Lab) -> str:
    """An edge node with a sampler and an agent."""
    able = lab.platform.capabilities(lab.topology)
    for node in sampling_nodes(lab.topology):
        if WORKLOAD_IDENTITY in able[node.name]:
            return node.name
    raise MissingCapability(f"no edge node with a sampler has {WORKLOAD_IDENTITY!r}")
