"""Agents, inference servers and the operator for real, on this machine, with the suite's scenarios
and verdicts: a control plane, a registry, two edge nodes and the cloud's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.models.versions import BETTER, CORRUPT, UNLOADABLE, WORSE
from edge_lab.data import LABS
from edge_lab.oracles.models import cloud as cloudjudging
from edge_lab.oracles.models.cloud import judge_canary, judge_latency, judge_reported
from edge_lab.oracles.models.regions import judge_regions
from edge_lab.oracles.models.requests import judge_requests
from edge_lab.oracles.models.updates import (
    judge_cut_update,
    judge_full_disk,
    judge_killed_agent,
    judge_missed_update,
    judge_refusal,
    judge_rollback,
    judge_staged_reset,
)
from edge_lab.topology import Timing, Topology
from suites.models import interruptions, regions, scenarios
from tests.addons.models.site import registry_program, running_site
from tests.addons.models.standin import NativeSide
from tests.controlplane import control_plane, require

pytestmark = pytest.mark.native(
    reason="a control plane, a registry, ONNX Runtime and kopf as processes of this host"
)

STAGES = {"north": ("edge-1",), "south": ("edge-2",), "cloud": ("cloud",)}
TIMING = Timing(node_lease=8, node_monitor_period=1, node_monitor_grace=8, unreachable_toleration=5)
SHORTER = {"BEFORE_SECONDS": 4.0, "UNKNOWN_SECONDS": 40.0}


@pytest.fixture(scope="module")
def side(default_topology: Topology) -> Iterator[NativeSide]:
    require()
    registry_program()
    pytest.importorskip("onnxruntime", reason="`make setup` installs it")
    pytest.importorskip("kopf", reason="`make setup` installs it")
    topology = load_topology(LABS / "edge-models.yaml")
    with tempfile.TemporaryDirectory(prefix="el") as made, pytest.MonkeyPatch.context() as patch:
        for name, seconds in SHORTER.items():
            patch.setattr(scenarios, name, seconds)
        patch.setattr(interruptions, "AWAY_SECONDS", 22.0)
        patch.setattr(regions, "AWAY_SECONDS", 22.0)
        patch.setattr(cloudjudging, "SILENT_SECONDS", 30.0)
        folder = Path(made)
        with (
            control_plane(folder / "plane", default_topology, TIMING) as plane,
            running_site(folder / "site", plane, topology, STAGES) as site,
        ):
            yield NativeSide(site)


def test_an_update_goes_from_node_to_node(side: NativeSide) -> None:
    rolled = scenarios.update(side)
    for verdict in (
        judge_canary(rolled.canary),
        *(judge_requests(evidence, {rolled.old, rolled.new}) for evidence in rolled.evidence),
        *(judge_reported(reported) for reported in rolled.reported),
    ):
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize("reset", [False, True], ids=["cut", "cut and power lost"])
def test_half_an_update_never_serves(side: NativeSide, reset: bool) -> None:
    verdict = judge_cut_update(interruptions.cut_update(side, side.nodes[0], reset=reset))
    assert verdict.passed, str(verdict)


def test_a_loss_of_power_during_a_comparison(side: NativeSide) -> None:
    verdict = judge_staged_reset(interruptions.staged_reset(side, side.nodes[0]))
    assert verdict.passed, str(verdict)


def test_a_killed_agent_goes_on_where_it_was(side: NativeSide) -> None:
    verdict = judge_killed_agent(interruptions.killed_agent(side, side.nodes[0]))
    assert verdict.passed, str(verdict)


def test_a_full_disk_delays_an_update(side: NativeSide) -> None:
    verdict = judge_full_disk(interruptions.full_disk(side, side.nodes[0]))
    assert verdict.passed, str(verdict)


def test_an_update_reaches_a_node_that_was_offline(side: NativeSide) -> None:
    missed, reported = interruptions.missed_update(side, side.nodes[0])
    for verdict in (judge_missed_update(missed), judge_reported(reported)):
        assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    "scenario",
    [regions.good_version, regions.brittle_version, regions.region_cut_off],
    ids=lambda scenario: scenario.__name__,
)
def test_a_version_goes_from_region_to_region(
    side: NativeSide, scenario: Callable[[NativeSide], regions.Found]
) -> None:
    rollout, evidence = scenario(side)
    for verdict in (
        judge_regions(rollout),
        *(judge_requests(each, {rollout.previous, rollout.tag}) for each in evidence),
    ):
        assert verdict.passed, str(verdict)


def test_a_worse_version_is_not_promoted(side: NativeSide) -> None:
    verdict = judge_refusal(scenarios.refusal(side, WORSE, "Worse", compared=True))
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize(
    ("tag", "reason"),
    [(CORRUPT, "Corrupt"), (UNLOADABLE, "Unloadable")],
    ids=str,
)
def test_a_broken_artifact_is_refused(side: NativeSide, tag: str, reason: str) -> None:
    verdict = judge_refusal(scenarios.refusal(side, tag, reason))
    assert verdict.passed, str(verdict)


def test_a_rollback_needs_no_cloud(side: NativeSide) -> None:
    found, reported = scenarios.rollback(side, side.nodes[0])
    for verdict in (judge_rollback(found), judge_reported(reported)):
        assert verdict.passed, str(verdict)


def test_a_version_that_becomes_worse_is_rolled_back(side: NativeSide) -> None:
    verdict = judge_rollback(scenarios.brittle(side, side.nodes[0]))
    assert verdict.passed, str(verdict)


def test_latency_at_the_edge_and_in_the_cloud(side: NativeSide) -> None:
    for found in scenarios.latencies(side, side.nodes[0]):
        verdict = judge_latency(found, tag=BETTER)
        assert verdict.passed, str(verdict)
