"""What the suites make of sandboxes: turns of pods, and samplers that are looked at in trouble."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.observe.sandboxes import KnownPod
from edge_lab.oracles.sandbox import NodeView, SandboxVerdict, judge_from_outside
from suites.autonomy import sandboxes
from suites.autonomy.sandboxes import SamplerSandboxes
from suites.sandbox import benchpods
from suites.sandbox.benchpods import (
    RUNC,
    RUNC_AGAIN,
    SANDBOXED,
    Bench,
    Variant,
    bench_pod,
    interleaved_reads,
    modbus_link,
    need_both,
    turns_of,
)
from tests.observe.test_sandboxes import lab_of
from tests.oracles.sandbox.seen import process, sandbox_outside, view
from tests.oracles.sandbox.test_figures import SAID
from tests.oracles.sandbox.test_from_outside import FREE

UNDER_RUNC = view([process(9, "/edge", "pause", **FREE)], programs=(9,))


@pytest.mark.parametrize("count", [1, 2, 20])
def test_either_is_first_in_every_other_pair(count: int) -> None:
    turns = turns_of(RUNC, SANDBOXED, count)
    assert turns[:4] == [RUNC, SANDBOXED, SANDBOXED, RUNC][: 2 * count]
    assert turns.count(RUNC) == turns.count(SANDBOXED) == count


def test_pods_differ_in_nothing_but_their_runtime_class() -> None:
    plain, sandboxed = bench_pod(RUNC, "edge-arm"), bench_pod(SANDBOXED, "edge-arm")
    assert sandboxed["spec"].pop("runtimeClassName") == "gvisor"
    assert plain["spec"] == sandboxed["spec"]
    names = {
        bench_pod(runtime, "edge-arm")["metadata"]["name"]
        for runtime in (RUNC, RUNC_AGAIN, SANDBOXED)
    }
    assert len(names) == 3


def test_a_node_that_sandboxes_all_has_nothing_to_compare_with() -> None:
    lab = lab_of("sandboxed-workload")
    with pytest.raises(MissingCapability):
        need_both(lab, lab.topology.node("edge-arm"))
    other = lab_of("sandbox")
    need_both(other, other.topology.node("edge-arm"))
    assert str(modbus_link(other, "edge-arm").address) == "10.78.0.101"
    with pytest.raises(MissingCapability):
        modbus_link(other, "server")


class Pods:
    """Says of each pod what it is told to, and notes the turns."""

    def __init__(self, **more: Any) -> None:
        self.turns: list[str] = []
        self._said = json.dumps({**SAID, **more})

    def exec(self, pod: str, command: list[str], deadline: Deadline, **more: Any) -> Any:
        assert command[:4] == ["/edge", "bench", "modbus-tcp", "10.78.0.101:502"]
        self.turns.append(pod)
        return SimpleNamespace(stdout=self._said, stderr="")


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which pods are there."""
    there: list[str] = []

    @contextlib.contextmanager
    def running(lab: Any, manifests: Any, app: str, limit: Any) -> Iterator[None]:
        there.extend(manifest["metadata"]["name"] for manifest in manifests)
        yield
        there.clear()

    monkeypatch.setattr(benchpods, "running_pods", running)
    return there


def see(monkeypatch: pytest.MonkeyPatch, **views: NodeView) -> None:
    """What the node shows of each pod, by the name of its variant."""

    def look(lab: Any, pod: KnownPod, limit: Deadline) -> SandboxVerdict:
        shown = views[pod.name.split("-")[1]].model_copy(update={"program": "edge"})
        return judge_from_outside(pod.node, "kubernetes+kubelet", pod.name, shown)

    monkeypatch.setattr(benchpods, "look_from_outside", look)


def test_both_take_turns_after_one_for_nothing(
    pods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, runc=UNDER_RUNC, gvisor=sandbox_outside())
    lab = lab_of("sandbox")
    lab.kubectl = said = Pods()
    said.get_json = lab_of("sandbox").kubectl.get_json  # type: ignore[attr-defined]
    entered: list[str] = []

    @contextlib.contextmanager
    def noted() -> Iterator[None]:
        entered.append("slow")
        yield

    slowed = Variant("gvisor", sandboxed=True, around=noted)
    first, second = interleaved_reads(lab, "edge-arm", RUNC, slowed, 2, Deadline.after)
    assert (len(first), len(second), len(entered)) == (2, 2, 3)
    order = [name.split("-")[1] for name in said.turns]
    assert order == ["runc", "gvisor", "runc", "gvisor", "gvisor", "runc"]
    assert pods == []


@pytest.mark.parametrize(
    "views",
    [
        {"runc": UNDER_RUNC, "gvisor": UNDER_RUNC},
        {"runc": sandbox_outside(), "gvisor": sandbox_outside()},
        {"runc": UNDER_RUNC, "gvisor": view([])},
    ],
    ids=["fell back", "sandboxed both", "unseen"],
)
def test_a_pod_that_is_not_in_what_is_measured_is_no_figure(
    views: dict[str, NodeView], pods: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, **views)
    with pytest.raises(LabError):
        interleaved_reads(lab_of("sandbox"), "edge-arm", RUNC, SANDBOXED, 2, Deadline.after)


def test_a_pod_that_cannot_read_the_device_fails_the_test() -> None:
    lab = lab_of("sandbox")
    lab.kubectl = Pods(ok=False, error="refused")
    with pytest.raises(AssertionError, match="refused"):
        Bench(lab, "edge-arm", Deadline.after).turn(RUNC, "10.78.0.101:502")


# -- samplers ------------------------------------------------------------------------------------


def samplers(
    monkeypatch: pytest.MonkeyPatch, lab: str, *views: NodeView
) -> tuple[SamplerSandboxes, list[SandboxVerdict]]:
    shown = iter(views)

    def look(lab: Any, pod: KnownPod, limit: Deadline) -> SandboxVerdict:
        seen = next(shown).model_copy(update={"program": "edge"})
        return judge_from_outside(pod.node, "kubernetes+kubelet", pod.name, seen)

    monkeypatch.setattr(sandboxes, "look_from_outside", look)
    recorded: list[SandboxVerdict] = []
    found = SamplerSandboxes(lab_of(lab), Deadline.after, recorded.append)
    found.find()
    return found, recorded


def test_a_sampler_that_stays_in_its_sandbox_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    found, recorded = samplers(monkeypatch, "sandboxed-workload", sandbox_outside())
    assert found.nodes == ("edge-arm",)
    found.look()
    found.judge()
    assert [verdict.pod for verdict in recorded] == ["sampler-edge-arm"]


def test_a_sampler_that_came_back_under_runc_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found, recorded = samplers(monkeypatch, "sandboxed-workload", sandbox_outside(), UNDER_RUNC)
    found.look()
    found.look()
    with pytest.raises(AssertionError, match="sandbox processes"):
        found.judge()
    assert len(recorded) == 2


def test_a_sampler_that_nobody_saw_is_no_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = samplers(monkeypatch, "sandboxed-workload")
    with pytest.raises(LabError, match="were not examined"):
        found.judge()
    gone, _ = samplers(monkeypatch, "sandboxed-workload", view([]))
    gone.look()
    with pytest.raises(LabError, match="not enough was observed"):
        gone.judge()


def test_where_no_node_sandboxes_all_pods_nothing_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, recorded = samplers(monkeypatch, "default")
    found.look()
    found.judge()
    assert (found.nodes, recorded) == ((), [])
