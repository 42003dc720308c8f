"""Verdicts of the suite, each with controls: the same oracle on altered evidence."""

from __future__ import annotations

from collections.abc import Callable

import allure
import pytest

from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import MemoryEvidence, PressureSeen
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.watch import Watch
from edge_lab.oracles.memory import MemoryExpectation, MemoryVerdict, judge_memory
from edge_lab.oracles.samples import judge_samples
from suites.memory.memorypods import critical, guaranteed, key
from suites.nodestate import seen_in_time


def judged(
    evidence: MemoryEvidence,
    expect: MemoryExpectation,
    record: Callable[[MemoryVerdict], None],
) -> MemoryVerdict:
    """Records the verdict and attaches the evidence, so that it can be judged again."""
    text = evidence.model_dump_json(indent=1)
    allure.attach(text, "memory evidence", allure.attachment_type.JSON)
    verdict = judge_memory(evidence, expect)
    record(verdict)
    return verdict


def assert_controls(evidence: MemoryEvidence) -> None:
    """The oracle rejects this evidence after any of these changes."""
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
    """Problems of the samples of a node since the watch began, including their absence."""
    since = watch.since[node]
    verdicts = [
        judge_samples(samples, since=since.get(samples.device, 0))
        for samples in watch.recording.samples
        if samples.node == node
    ]
    found = [str(verdict) for verdict in verdicts if not verdict.passed]
    return found if verdicts else [f"no samples of {node}"]


SHOWN_SECONDS = 60.0
"""Seconds until MemoryPressure is shown: the kubelet checks every ten seconds, and reports."""
OVER_SECONDS = 420.0
"""The kubelet keeps MemoryPressure for five minutes after it is over
(evictionPressureTransitionPeriod)."""


def wait_until_over(watch: Watch, node: str, time_limit: TimeLimit) -> None:
    """Waits until a node is Ready, without MemoryPressure and its taint.

    Whether it was shown at all is judged by the oracle.
    """

    def newest() -> PressureSeen | None:
        return watch.recorder.newest(PressureSeen, node)

    def pressed() -> bool:
        seen = newest()
        return seen is not None and seen.condition == "True"

    def over() -> bool:
        seen = newest()
        return (
            seen is not None
            and (seen.condition, seen.ready) == ("False", "True")
            and not seen.tainted
        )

    seen_in_time(time_limit(SHOWN_SECONDS), pressed)
    eventually(f"{node} is Ready, and not under pressure", over, time_limit(OVER_SECONDS))
