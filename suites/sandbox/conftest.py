"""Fixtures of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from suites.sandbox.sharedpods import Attacker, Once

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture
def attacker(
    lab: Lab,
    edge_node: LabNode,
    setting: Setting,
    hostile_pods: HostilePods,
    time_limit: TimeLimit,
) -> Attacker:
    """Makes pods of the test's `setting`, which it is parametrized with, on each edge node."""
    return Attacker(lab, hostile_pods, edge_node, setting, time_limit)


@pytest.fixture(scope="session")
def once() -> Once:
    """Runs pods whose attempts several tests judge."""
    return Once()
