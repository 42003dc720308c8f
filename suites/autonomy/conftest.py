"""Shared fixtures of the autonomy suite: bystanders, and sandboxed samplers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import keep_verdict, scenario_of
from suites.autonomy.bystanders import DELETED, INTOLERANT, LABEL, bystander
from suites.autonomy.sandboxes import SamplerSandboxes
from suites.edges import edges
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


@pytest.fixture(scope="module")
def bystanders(lab: Lab, time_limit: TimeLimit) -> Iterator[None]:
    """The bystanders of each edge node, Ready; removed at the end.

    None of them is tolerant: the sampler of the lab's workload already tolerates everything.
    """
    kinds = (INTOLERANT, DELETED)
    manifests = [bystander(kind, node) for node in edges(lab) for kind in kinds]
    with running_pods(lab, manifests, LABEL, time_limit):
        yield


@pytest.fixture(scope="module")
def sandboxes_of(
    lab: Lab, time_limit: TimeLimit, pytestconfig: pytest.Config
) -> Callable[[str], SamplerSandboxes]:
    """Makes the known samplers of a scenario, for fixtures of a wider scope than a test."""

    def found(scenario: str) -> SamplerSandboxes:
        sandboxes = SamplerSandboxes(
            lab,
            time_limit,
            lambda verdict: keep_verdict(pytestconfig, f"{scenario}: sandbox", verdict),
        )
        sandboxes.find()
        return sandboxes

    return found


@pytest.fixture
def sandboxes(
    sandboxes_of: Callable[[str], SamplerSandboxes], request: pytest.FixtureRequest
) -> SamplerSandboxes:
    """The samplers that must be sandboxed, as known before any fault."""
    return sandboxes_of(scenario_of(request.node))
