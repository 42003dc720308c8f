"""All nodes of a fleet are silent, and return within a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import Eviction, HerdEvidence
from edge_lab.fixtures.fleets import READY_SECONDS, Fleets, sizes_of
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.oracles.fleet import judge_herd
from edge_lab.oracles.fleet.herd import CLOCK_NS
from suites.edges import edges, is_ready, until_evicted

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Fleet"), allure.feature("Herd")]

SETTLE_SECONDS = 30.0
"""Seconds after all are Ready, for pending evictions."""


@pytest.mark.scenario("herd")
@allure.title(
    "A fleet that was silent is Ready again, and only pods whose eviction was due are evicted"
)
def test_a_herd_comes_back(
    lab: Lab, fleets: Fleets, pytestconfig: pytest.Config, time_limit: TimeLimit
) -> None:
    size = sizes_of(pytestconfig)[-1]
    asked = float(pytestconfig.getoption("--lab-fleet-silence"))
    silence = max(asked, until_evicted(lab))
    with fleets.beside(size) as fleet:
        assert not fleet.growth.never_ready, "the fleet is not sustained: choose a smaller one"
        fleet.add_pods(time_limit(READY_SECONDS))
        herd = fleets.measuring(fleet).herd(silence, SETTLE_SECONDS)
        away = [node for node in edges(lab) if not is_ready(lab, node, time_limit)]
    verdict = fleets.judge_herd(herd)
    assert verdict.passed, str(verdict)
    assert not away, f"edge nodes are not Ready during the herd: {', '.join(away)}"
    assert_controls(herd)


def assert_controls(herd: HerdEvidence) -> None:
    """The oracle rejects this evidence after any of these changes."""
    node = next(iter(herd.ready))
    assert not judge_herd(herd.altered(not_ready=(node,))).passed
    dumb = {name: when for name, when in herd.renewed.items() if name != node}
    assert not judge_herd(herd.altered(renewed=dumb)).passed
    assert not judge_herd(herd.altered(untainted={})).passed
    back = max(*herd.ready.values(), *herd.untainted.values())
    evicted = Eviction(pod=f"pod-{node}", node=node, time=back + 2 * CLOCK_NS)
    assert not judge_herd(herd.altered(evictions=(*herd.evictions, evicted))).passed
    with pytest.raises(LabError):
        judge_herd(herd.altered(lost=()))
