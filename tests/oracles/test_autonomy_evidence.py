"""Without evidence the autonomy oracle passes nothing; and which faults concern a node."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from edge_lab.devices.faults import Gone
from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import Cut, Kill, OnDevice
from edge_lab.oracles.autonomy import concern_of
from edge_lab.topology import Topology
from tests.oracles.recordings import (
    NODE,
    POD,
    answered,
    api,
    at,
    containers,
    fault,
    pod,
    ready,
    waiting,
)
from tests.oracles.verdicts import CUT, altered, judged, says


@pytest.mark.parametrize(
    ("change", "expect", "sentence"),
    [
        ({"faults": ()}, {}, "no fault that concerns edge-arm was injected"),
        (
            {"faults": (fault(1, Cut(link="arm-cloud"), 60, None, 150, 152),)},
            {},
            "fault 1 (cut on arm-cloud) was never proved",
        ),
        ({"nodes": ("other",)}, {}, "edge-arm was not observed"),
        ({"node_seen": ()}, {}, "the API server did not show edge-arm before"),
        ({"pod_seen": ()}, {}, f"the API server did not show edge-lab/{POD} before"),
        ({"pod_seen": (pod(61),)}, {}, f"the API server did not show edge-lab/{POD} before"),
        ({"container_seen": ()}, {}, "no containers were seen on edge-arm"),
        ({"container_seen": (containers(61, "x"),)}, {}, "nothing ran on edge-arm before"),
        ({"container_seen": (containers(1),)}, {}, "nothing ran on edge-arm before"),
        ({}, {"pods": ("edge-lab/other",)}, "edge-lab/other did not run on edge-arm before"),
        ({"answered": ()}, {}, "whether edge-arm answered before"),
        (
            {"answered": answered((0, True, "b"), node="other")},
            {},
            "whether edge-arm answered before",
        ),
        ({"waiting_seen": ()}, {}, "the number of samples buffered on edge-arm"),
        (
            {"waiting_seen": waiting([(2, 1)])},
            {},
            "samples buffered on edge-arm after the last heal",
        ),
        ({"api_seen": ()}, {}, "whether the API server answered before the first fault"),
        ({"api_seen": api((61, True))}, {}, "whether the API server answered before"),
        (
            {"api_seen": api((0, True), (100, False), (110, True))},
            {},
            "the API server did not answer +40.0 s to +50.0 s, without a fault on it",
        ),
        ({"samples": ()}, {}, "no samples of edge-arm were recorded"),
        ({}, {"devices": ("boiler", "press")}, "no samples of boiler on edge-arm"),
        ({"samples": (replace(CUT.samples[0], counts=None),)}, {}, "did not answer"),
        ({"ended": at(165)}, {}, "edge-arm was seen Ready for only 3.0 s at the end"),
    ],
)
def test_without_evidence_nothing_passes(
    change: dict[str, Any], expect: dict[str, Any], sentence: str
) -> None:
    verdict = judged(altered(CUT, **change), **expect)
    assert not verdict.passed
    problems = [each for each in verdict.problems if sentence in each]
    assert problems, verdict
    assert "no evidence" in problems[0]


def test_an_empty_recording_fails_with_every_reason_but_invents_no_figure() -> None:
    empty = Recording(
        began=at(0), ended=at(100), runtime="k3s+kubeedge", nodes=(), faults=CUT.faults
    )
    verdict = judged(empty)
    assert set(astuple(verdict.figures)) == {None}
    assert len(verdict.problems) >= 6


def test_a_view_of_the_api_server_that_ends_early_shows_no_return() -> None:
    blind = altered(CUT, api_seen=api((0, True), (155, False)))
    verdict = judged(blind)
    assert verdict.figures.ready_after_s is None
    assert f"{NODE} never became Ready again: unknown at the end" in verdict.problems


def test_a_fault_on_the_server_explains_that_the_api_server_is_out_of_sight() -> None:
    served = altered(
        CUT,
        faults=(fault(1, Kill(node="server", service="k3s"), 60, 61, 62, 80),),
        api_seen=api((0, True), (60, False), (79, True)),
        node_seen=ready((1, "True")),
    )
    verdict = judged(served)
    assert verdict.passed, verdict
    assert "API server did not answer +0.0 s to +19.0 s, by fault 1" in verdict.evidence
    left = fault(1, Kill(node="server", service="k3s"), 60, 61)
    dead = altered(served, faults=(left,), api_seen=api((0, True), (60, False)))
    assert judged(dead, must_return=False).passed


def test_after_a_fault_on_the_server_a_node_is_back_only_when_it_was_seen_again() -> None:
    served = altered(
        CUT,
        faults=(fault(1, Kill(node="server", service="k3s"), 60, 61, 62, 80),),
        api_seen=api((0, True), (60, False), (95, True)),
        node_seen=ready((1, "True")),
    )
    assert judged(served).figures.ready_after_s == 15.0


# -- which faults concern a node -------------------------------------------------------------


def test_faults_elsewhere_do_not_concern_a_node(default_topology: Topology) -> None:
    node = default_topology.edges[0].name
    own = default_topology.cluster_link(node).name
    others = default_topology.cluster_link(default_topology.edges[1].name).name
    concern = concern_of(default_topology, node)
    assert {node, own, default_topology.server.name} <= concern
    assert others not in concern
    elsewhere = altered(CUT, faults=(fault(1, Cut(link=others), 60, 61, 150, 152),))
    says(judged(elsewhere, concern=concern), "no fault that concerns")


def test_a_fault_on_a_device_concerns_a_node_only_if_it_is_said_so() -> None:
    device = OnDevice(device="press", does=Gone())
    recording = altered(CUT, faults=(fault(1, device, 60, 61, 150, 152),))
    says(judged(recording), "no fault that concerns")
    assert judged(recording, concern=frozenset({"press"})).passed
