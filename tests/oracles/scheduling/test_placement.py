"""Where a pod may be: each of the scheduler's reasons by itself, and pods on wrong nodes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.placement import free, placement, quantity, requested

TAINT = {"key": "reserved", "value": "yes", "effect": "NoSchedule"}


def node(name: str = "edge-arm", arch: str = "arm64", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/arch": arch, "kubernetes.io/hostname": name, "speed": "7"},
        },
        "spec": more,
        "status": {"allocatable": {"cpu": "1", "memory": "1900Mi"}},
    }


def pod(bound: str = "", cpu: str = "", **spec: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    where = {"nodeName": bound} if bound else {}
    containers = [{"name": "main", "resources": resources}]
    return {"metadata": {"name": "one"}, "spec": {"containers": containers, **where, **spec}}


def rule(key: str, operator: str, *values: str) -> dict[str, Any]:
    expression = {"key": key, "operator": operator, "values": list(values)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    return {"affinity": {"nodeAffinity": required}}


NODES = (node(), node("edge-riscv", "riscv64"))

FITS: list[dict[str, Any]] = [
    {},
    {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
    rule("kubernetes.io/arch", "In", "arm64", "amd64"),
    rule("kubernetes.io/arch", "NotIn", "riscv64"),
    rule("nothing", "NotIn", "anything"),
    rule("speed", "Exists"),
    rule("nothing", "DoesNotExist"),
    rule("speed", "Gt", "6"),
    rule("speed", "Lt", "8"),
]
DOES_NOT_FIT: list[dict[str, Any]] = [
    {"nodeSelector": {"kubernetes.io/arch": "riscv64"}},
    {"nodeSelector": {"nothing": "anything"}},
    rule("kubernetes.io/arch", "In", "riscv64"),
    rule("kubernetes.io/arch", "NotIn", "arm64"),
    rule("nothing", "Exists"),
    rule("speed", "DoesNotExist"),
    rule("speed", "Gt", "7"),
    rule("kubernetes.io/arch", "Lt", "7"),
    {
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}
            }
        }
    },
]


@pytest.mark.parametrize("spec", FITS)
def test_a_pod_is_where_it_may_be(spec: dict[str, Any]) -> None:
    assert placement(pod("edge-arm", **spec), NODES).passed


@pytest.mark.parametrize("spec", DOES_NOT_FIT)
def test_a_pod_on_a_node_that_it_may_not_be_on_fails(spec: dict[str, Any]) -> None:
    found = placement(pod("edge-arm", **spec), NODES)
    assert not found.passed
    assert "edge-arm" in found.refused


@pytest.mark.parametrize(
    ("tolerations", "fits"),
    [
        ([], False),
        ([{"key": "reserved", "value": "yes", "effect": "NoSchedule"}], True),
        ([{"key": "reserved", "operator": "Exists"}], True),
        ([{"operator": "Exists"}], True),
        ([{"key": "reserved", "value": "no"}], False),
        ([{"key": "reserved", "operator": "Exists", "effect": "NoExecute"}], False),
        ([{"key": "other", "operator": "Exists"}], False),
    ],
)
def test_a_taint_needs_its_toleration(tolerations: list[dict[str, Any]], fits: bool) -> None:
    found = placement(pod("edge-arm", tolerations=tolerations), [node(taints=[TAINT])])
    assert found.passed is fits
    soft = {**TAINT, "effect": "PreferNoSchedule"}
    assert placement(pod("edge-arm", tolerations=tolerations), [node(taints=[soft])]).passed


def test_a_node_that_takes_no_pods_and_one_that_is_not_there() -> None:
    assert not placement(pod("edge-arm"), [node(unschedulable=True)]).passed
    assert not placement(pod("nowhere"), NODES).passed


def test_what_fits_nowhere_waits_and_an_event_says_so() -> None:
    large = pod(cpu="2")
    told = placement(large, NODES, events=["FailedScheduling: 2 Insufficient cpu."])
    assert told.passed
    assert not told.allowed
    assert not placement(large, NODES).passed
    # One that could be placed and is not, whatever is said of it.
    assert not placement(pod(), NODES, events=["FailedScheduling: no"]).passed


def test_what_others_have_reserved_is_not_free() -> None:
    other = {**pod("edge-arm", cpu="600m"), "metadata": {"name": "other"}}
    assert placement(pod("edge-arm", cpu="500m"), NODES).passed
    assert not placement(pod("edge-arm", cpu="500m"), NODES, [other]).passed
    done = {**other, "status": {"phase": "Succeeded"}}
    assert placement(pod("edge-arm", cpu="500m"), NODES, [done]).passed
    assert free(NODES[0], "cpu", [other]) == Decimal("0.4")


def test_a_pod_reserves_its_containers_or_the_largest_that_comes_first() -> None:
    first = [{"name": "first", "resources": {"limits": {"cpu": "2"}}}]
    assert requested(pod(cpu="250m", initContainers=first), "cpu") == 2
    assert requested(pod(cpu="250m", overhead={"cpu": "50m"}), "cpu") == Decimal("0.3")


@pytest.mark.parametrize(
    ("text", "value"),
    [("250m", "0.25"), ("1", "1"), ("1.5", "1.5"), ("64Mi", str(64 * 2**20)), ("2k", "2000")],
)
def test_quantities(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "much", "1Xi", "-1"])
def test_no_quantity(text: str) -> None:
    with pytest.raises(LabError):
        quantity(text)


def test_what_is_not_judged_is_no_evidence() -> None:
    with pytest.raises(LabError):
        placement(pod("edge-arm"), [])
    with pytest.raises(LabError):
        placement(pod("edge-arm", affinity={"podAffinity": {"x": []}}), NODES)
    with pytest.raises(LabError):
        placement(pod("edge-arm", **rule("speed", "Almost")), NODES)
