"""The verdict on topology spread, from objects alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.spread import spread

KEY = "kubernetes.io/hostname"
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}
WHY = "FailedScheduling: 0/2 nodes are available"


def a_node(name: str, *taints: dict[str, Any], labelled: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {KEY: name} if labelled else {}},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}},
    }


def a_pod(name: str, node: str = "", **constraint: Any) -> dict[str, Any]:
    rule = {"topologyKey": KEY, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **constraint}
    return {
        "metadata": {"name": name},
        "spec": {"nodeName": node, "containers": [{}], "topologySpreadConstraints": [rule]},
    }


def test_pods_that_are_spread_evenly_pass() -> None:
    found = spread([a_pod("a", "arm"), a_pod("b", "riscv")], [a_node("arm"), a_node("riscv")], {})
    assert found.passed
    assert found.skew == 0


def test_pods_that_are_all_on_one_node_are_found() -> None:
    pods = [a_pod("a", "arm"), a_pod("b", "arm")]
    found = spread(pods, [a_node("arm"), a_node("riscv")], {})
    assert found.skew == 2
    assert not found.passed


def test_a_lost_node_counts_unless_taints_are_honored() -> None:
    nodes = [a_node("arm", UNREACHABLE), a_node("riscv")]
    waiting = [a_pod("a", "riscv"), a_pod("b")]
    assert spread(waiting, nodes, {"b": [WHY]}).passed
    honoring = [a_pod("a", "riscv", nodeTaintsPolicy="Honor"), a_pod("b", nodeTaintsPolicy="Honor")]
    found = spread(honoring, nodes, {"b": [WHY]})
    assert "could be on riscv" in str(found)


def test_a_pending_pod_needs_a_reason() -> None:
    nodes = [a_node("arm", UNREACHABLE), a_node("riscv")]
    assert not spread([a_pod("a", "riscv"), a_pod("b")], nodes, {"b": ["Scheduled: x"]}).passed


def test_a_pod_on_a_node_without_the_label_is_found() -> None:
    nodes = [a_node("arm"), a_node("bare", labelled=False)]
    assert not spread([a_pod("a", "bare")], nodes, {}).passed


@pytest.mark.parametrize(
    "pods",
    [
        pytest.param([], id="no pod"),
        pytest.param([a_pod("a", whenUnsatisfiable="ScheduleAnyway")], id="soft"),
        pytest.param([a_pod("a"), a_pod("b", maxSkew=2)], id="different"),
    ],
)
def test_what_cannot_be_judged_is_an_error(pods: list[dict[str, Any]]) -> None:
    with pytest.raises(LabError):
        spread(pods, [a_node("arm")], {})


def test_no_domain_is_no_evidence() -> None:
    with pytest.raises(LabError, match="no evidence"):
        spread([a_pod("a")], [a_node("bare", labelled=False)], {})


@given(st.lists(st.sampled_from(["arm", "riscv", "server"]), min_size=1, max_size=12))
def test_the_verdict_is_the_skew_of_the_counts(places: list[str]) -> None:
    pods = [a_pod(f"pod-{number}", node) for number, node in enumerate(places)]
    found = spread(pods, [a_node(name) for name in ("arm", "riscv", "server")], {})
    counts = [places.count(name) for name in ("arm", "riscv", "server")]
    assert found.passed == (max(counts) - min(counts) <= 1)
