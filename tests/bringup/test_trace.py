"""The trace of a start on a host without guests: cold, from a checkpoint, and one that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.bringup import tracing
from edge_lab.bringup.lifecycle import UpOptions, bring_up, take_down
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.steprecord import Outcome
from edge_lab.evidence.chrometrace import read_trace
from edge_lab.evidence.trace import StartTrace
from edge_lab.handle.hostprocesses import HostRole
from edge_lab.topology import Topology, load_topology
from tests.bringup.fake_host import FakeHost
from tests.conftest import LABS

COLD = UpOptions(save=False)


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(LABS / "minimal.yaml")


@pytest.fixture
def host(topology: Topology) -> Iterator[FakeHost]:
    yield FakeHost()
    take_down(topology.name, Deadline.after(20))


def trace_of(topology: Topology) -> StartTrace:
    return read_trace(RunDir(topology.name).trace)


def test_a_cold_start_leaves_its_steps_and_its_processes(
    host: FakeHost, topology: Topology
) -> None:
    bring_up(topology, COLD, host)
    trace = trace_of(topology)
    assert (trace.lab, trace.kind) == (topology.name, "cold start")
    assert trace.stack == "kubernetes+kubelet"
    steps = {step.title: step for step in trace.steps}
    whole, boots = steps[f"lab {topology.name}"], [steps["boot server"], steps["boot edge-arm"]]
    assert whole.parent is None
    assert (whole.begin, whole.end) == (0, trace.end)
    assert whole.lane not in {boot.lane for boot in boots}
    assert {boot.parent for boot in boots} == {steps["machines and stack"].id}
    assert {step.outcome for step in trace.steps} == {Outcome.ENDED}
    by_role = {process.role: process for process in trace.processes}
    assert by_role[HostRole.COMMAND].pid == os.getpid()
    assert by_role[HostRole.OTHER].name == "sleep"  # the only process of this host
    assert all(process.pss_mib for process in trace.processes)


def test_a_start_from_a_checkpoint_leaves_its_own_trace(host: FakeHost, topology: Topology) -> None:
    bring_up(topology, host=host)
    take_down(topology.name, Deadline.after(20))
    bring_up(topology, host=host)
    trace = trace_of(topology)
    assert trace.kind == "from checkpoint"
    titles = {step.title for step in trace.steps}
    assert "machines" in titles
    assert "boot server" not in titles


def test_taking_hold_of_a_lab_leaves_the_trace_of_its_start(
    host: FakeHost, topology: Topology
) -> None:
    bring_up(topology, COLD, host)
    before = RunDir(topology.name).trace.read_bytes()
    bring_up(topology, COLD, host)
    assert RunDir(topology.name).trace.read_bytes() == before


def kept_trace() -> Path:
    (kept,) = (cache_home() / "kept").iterdir()
    return kept / "logs" / "trace.json"


def test_a_failed_start_leaves_its_trace_with_what_failed(
    host: FakeHost, topology: Topology
) -> None:
    host.fails = {"boot edge-arm": LabError("the console is silent")}
    with pytest.raises(LabError):
        bring_up(topology, COLD, host)
    trace = read_trace(kept_trace())
    assert trace.kind == "failed"
    failed = {step.title: step.detail for step in trace.steps if step.failed}
    around = {f"lab {topology.name}", "machines and stack", "boot edge-arm"}
    assert set(failed) >= around  # whoever waited for the machine meanwhile has failed too
    assert set(failed.values()) == {"the console is silent"}
    ended = {step.title for step in trace.steps if step.outcome is Outcome.ENDED}
    assert ended >= {"keys and disks", "control plane", "boot server"}


def test_a_start_that_is_interrupted_leaves_its_trace(host: FakeHost, topology: Topology) -> None:
    host.fails = {"start devices": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        bring_up(topology, COLD, host)
    (whole,) = (step for step in read_trace(kept_trace()).steps if step.failed)
    assert whole.detail == "KeyboardInterrupt"


def test_the_trace_of_a_lab_that_is_taken_down_is_kept(host: FakeHost, topology: Topology) -> None:
    bring_up(topology, COLD, host)
    take_down(topology.name, Deadline.after(20))
    assert read_trace(kept_trace()).kind == "cold start"


def test_a_disk_without_room_for_the_trace_does_not_fail_a_start(
    host: FakeHost, topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(trace: StartTrace, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tracing, "write_trace", write)
    bring_up(topology, COLD, host)
    assert not RunDir(topology.name).trace.exists()
    take_down(topology.name, Deadline.after(20))
    host.fails = {"open": LabError("planted")}
    with pytest.raises(LabError, match="planted"):
        bring_up(topology, COLD, host)
