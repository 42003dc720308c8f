"""Verdicts of the suite, each with controls: the same oracle on evidence that was altered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import MemoryEvidence, PressureSeen
from edge_lab.observe.watch import Watch
from edge_lab.oracles.memory import MemoryExpectation, judge_memory
from edge_lab.oracles.samples import judge_samples
from suites.memory.eaters import critical, guaranteed, key

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


def assert_controls(evidence: MemoryEvidence) -> None:
    """The oracle objects to this very evidence as soon as something in it is otherwise."""
    with pytest.raises(LabError):
        judge_memory(evidence.altered(kernel_log=()))
    with pytest.raises(LabError):
        judge_memory(evidence.altered(memory=()))
    spared = {key(guaranteed(evidence.node)), key(critical(evidence.node))}
    everybody = frozenset(pod.key for pod in (*evidence.pods_before, *evidence.pods_after))
    lenient = MemoryExpectation(may_lose=everybody - spared, must_clear=False)
    assert judge_memory(evidence, lenient).passed
    hurt = tuple(
        pod.model_copy(update={"restarts": pod.restarts + 1}) if pod.key in spared else pod
        for pod in evidence.pods_after
    )
    assert not judge_memory(evidence.altered(pods_after=hurt), lenient).passed
    more = evidence.after.model_copy(update={"kills": evidence.after.kills + 1})
    assert not judge_memory(evidence.altered(after=more), lenient).passed


def sample_problems(watch: Watch, node: str) -> list[str]:
    """What is wrong with the samples of a node since the watch began; that there are none, too."""
    since = watch.since[node]
    verdicts = [
        judge_samples(samples, since=since.get(samples.device, 0))
        for samples in watch.recording.samples
        if samples.node == node
    ]
    found = [str(verdict) for verdict in verdicts if not verdict.passed]
    return found if verdicts else [f"no samples of {node}"]


def pressure_is_over(lab: Lab, watch: Watch, node: str) -> bool:
    """Whether the API server shows no MemoryPressure of a node, nor its taint, and it is Ready."""
    seen = watch.recorder.newest(PressureSeen, node)
    return (
        seen is not None and seen.condition == "False" and not seen.tainted and seen.ready == "True"
    )
