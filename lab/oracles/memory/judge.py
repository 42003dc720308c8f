"""The verdict on a node that was short of memory: the casualties, whether rightly, the recovery.

A pure function of evidence. Evidence with gaps is a LabError: a log that was not read does not
prove that nothing was killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import MemoryEvidence, PodMemory
from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.oracles.memory.casualties import (
    EVICTED,
    Casualty,
    Cause,
    casualties,
    is_told,
    is_told_by_node,
)
from edge_lab.oracles.memory.kernellog import KernelKill, parse_kernel_log
from edge_lab.oracles.memory.order import should_have_gone_first
from edge_lab.oracles.spans import NANOSECONDS
from edge_lab.oracles.verdict import Verdict


@dataclass(frozen=True)
class MemoryExpectation:
    """What may be killed or evicted. The default: nothing."""

    may_lose: frozenset[str] = frozenset()
    """Pods as namespace/name, units and processes: the only ones that may be killed or evicted."""
    must_lose: frozenset[str] = frozenset()
    """At least one of these must be killed or evicted."""
    causes: frozenset[Cause] = frozenset(Cause)
    """The permitted causes."""
    must_press: bool = False
    """The API server must show MemoryPressure."""
    must_clear: bool = True
    """At the end it must show neither MemoryPressure nor its taint."""
    back_part: float = 0.7
    """Share of the memory available before that must be available at the end."""
    since: int | None = None
    """Origin of the times, ns since 1970; None for the beginning of the evidence."""


@dataclass(frozen=True)
class MemoryVerdict(Verdict):
    """The verdict, with all casualties."""

    casualties: tuple[Casualty, ...] = ()


def judge_memory(
    evidence: MemoryEvidence, expect: MemoryExpectation | None = None
) -> MemoryVerdict:
    """Judges the casualties on the node, their causes and their order, and the recovery.

    Raises:
        LabError: the evidence has gaps.
    """
    return _Judge(evidence, expect or MemoryExpectation()).verdict()


class _Judge:
    def __init__(self, evidence: MemoryEvidence, expect: MemoryExpectation) -> None:
        self._evidence = evidence
        self._expect = expect
        self._problems: list[str] = []
        self._booted = evidence.before.boot != evidence.after.boot
        _require(evidence, self._booted)
        self._kills = parse_kernel_log(evidence.kernel_log)
        self._lost = casualties(evidence, self._kills)

    def verdict(self) -> MemoryVerdict:
        self._node()
        self._counters()
        self._victims()
        self._reports()
        self._others()
        self._pressure()
        return MemoryVerdict(
            self._evidence.node,
            self._evidence.runtime,
            tuple(self._problems),
            self._measures(),
            tuple(self._shown()),
            self._lost,
        )

    # -- problems ----------------------------------------------------------------------------

    def _node(self) -> None:
        before, after = self._evidence.before, self._evidence.after
        if self._booted:
            self._problems.append("the node rebooted meanwhile")
            return
        for unit, state in before.units.items():
            if after.units.get(unit) != state and unit not in self._expect.may_lose:
                self._problems.append(f"{unit} was restarted, or no longer runs")
        wanted = before.available_mib * self._expect.back_part
        if after.available_mib < wanted:
            self._problems.append(
                f"{after.available_mib:.0f} MiB are available at the end; before, there were "
                f"{before.available_mib:.0f} MiB"
            )

    def _counters(self) -> None:
        """The kernel counts its kills: a log with fewer of them has lost lines."""
        counted = self._evidence.after.kills - self._evidence.before.kills
        if not self._booted and counted != len(self._kills):
            self._problems.append(
                f"the kernel counted {counted} killed processes, and its log has {len(self._kills)}"
            )
        if not self._booted and all(kill.group for kill in self._kills):
            self._problems += _differing(self._evidence, self._kills)
        for kill in self._kills:
            if not kill.group:
                self._problems.append(
                    f"the log does not say in which control group {kill.process} was killed"
                )

    def _victims(self) -> None:
        expect = self._expect
        for casualty in self._lost:
            if casualty.name not in expect.may_lose:
                self._problems.append(f"lost unexpectedly: {casualty}")
            elif casualty.cause not in expect.causes:
                self._problems.append(f"wrong cause: {casualty}")
            if casualty.cause is Cause.OTHER_LIMIT:
                self._problems.append(
                    f"killed at a limit that is not its own: {casualty} ({_limits(casualty.kills)})"
                )
            if casualty.cause.is_choice:
                for other in should_have_gone_first(casualty, self._lost, self._evidence):
                    self._problems.append(
                        f"wrong order: {casualty}, but {other.key} ({other.qos}) survived"
                    )
        if expect.must_lose and not expect.must_lose & {casualty.name for casualty in self._lost}:
            self._problems.append(
                f"none of {', '.join(sorted(expect.must_lose))} was killed or evicted"
            )

    def _reports(self) -> None:
        for casualty in self._lost:
            if casualty.pod is not None and not is_told(casualty, self._evidence):
                self._problems.append(f"not reported by the cluster: {casualty}")

    def _others(self) -> None:
        """Problems of pods that should have been unaffected but were not."""
        after = {pod.key: pod for pod in self._evidence.pods_after}
        for pod in self._evidence.pods_before:
            if pod.key in self._expect.may_lose:
                continue
            loss = _loss(pod, after.get(pod.key))
            if loss:
                self._problems.append(f"{pod.key} ({pod.qos}) {loss}")

    def _pressure(self) -> None:
        seen = self._evidence.pressure
        pressed = any(look.condition == "True" for look in seen)
        if self._expect.must_press and not pressed:
            self._problems.append("the API server never showed MemoryPressure")
        if not pressed and any(casualty.cause is Cause.EVICTION for casualty in self._lost):
            self._problems.append("pods were evicted, and MemoryPressure was never shown")
        last = seen[-1]
        if last.ready != "True":
            self._problems.append(f"the node is not Ready at the end: {last.ready or 'unknown'}")
        if self._expect.must_clear and (last.condition == "True" or last.tainted):
            self._problems.append("MemoryPressure, or its taint, is still shown at the end")

    # -- what was measured -------------------------------------------------------------------

    def _measures(self) -> tuple[Measure, ...]:
        pressed = [look.time for look in self._evidence.pressure if look.condition == "True"]
        tainted = [look.time for look in self._evidence.pressure if look.tainted]
        lost = [casualty.time for casualty in self._lost if casualty.time]
        lowest = min(look.available_mib for look in self._evidence.memory)
        killed = len({kill.pid for kill in self._kills})
        evicted = sum(casualty.cause is Cause.EVICTION for casualty in self._lost)
        return (
            self._measure("lowest memory available", lowest, "MiB", Better.HIGHER),
            self._measure("processes killed for memory", killed, COUNT),
            self._measure("pods evicted for memory", evicted, COUNT),
            self._after("first loss", lost, "nothing was killed or evicted"),
            self._after("MemoryPressure shown", pressed, "it was never shown"),
            self._after("taint shown", tainted, "it was never shown"),
            self._after("MemoryPressure over", self._over(), "it was never shown, or to the end"),
        )

    def _over(self) -> list[int]:
        """When MemoryPressure disappeared after it had been shown."""
        seen = self._evidence.pressure
        pressed = [look.time for look in seen if look.condition == "True"]
        if not pressed:
            return []
        return [
            look.time for look in seen if look.condition == "False" and look.time > pressed[-1]
        ][:1]

    def _after(self, heading: str, times: list[int], reason: str) -> Measure:
        since = self._evidence.began if self._expect.since is None else self._expect.since
        value = round((min(times) - since) / NANOSECONDS, 1) if times else None
        return self._measure(heading, value, "s", Better.LOWER, "" if times else reason)

    def _measure(
        self,
        heading: str,
        value: float | None,
        unit: str,
        better: Better = Better.LOWER,
        reason: str = "",
    ) -> Measure:
        return Measure(
            name="memory_" + heading.lower().replace(" ", "_"),
            value=value,
            reason=reason,
            unit=unit,
            better=better,
            node=self._evidence.node,
            heading=heading,
        )

    def _shown(self) -> list[str]:
        lines = [str(casualty) for casualty in self._lost] or ["nothing was killed or evicted"]
        for casualty in self._lost:
            if casualty.pod is None:
                named = is_told_by_node(casualty, self._evidence)
                event = "an event" if named else "no event"
                lines.append(f"{event} on the node names {casualty.name}")
        lines.append(
            f"{len(self._evidence.kernel_log)} lines of the kernel's log, "
            f"{len(self._evidence.pods_before)} pods, {len(self._evidence.memory)} looks at the "
            f"node's memory, {len(self._evidence.pressure)} changes of its conditions"
        )
        return lines


def _loss(before: PodMemory, after: PodMemory | None) -> str:
    """What happened to a pod; empty if nothing did."""
    if after is None or after.uid != before.uid:
        return "was removed or recreated"
    if after.reason == EVICTED and before.reason != EVICTED:
        return "was evicted"
    if after.restarts != before.restarts:
        return f"was restarted {after.restarts - before.restarts} times"
    if before.ready and not after.ready:
        return "is no longer Ready"
    return ""


def _differing(evidence: MemoryEvidence, kills: tuple[KernelKill, ...]) -> Iterator[str]:
    """Control groups whose own count of kills differs from the log."""
    after = evidence.after.cgroup_kills
    for path, before in evidence.before.cgroup_kills.items():
        logged = sum(kill.group == path or kill.group.startswith(f"{path}/") for kill in kills)
        if path in after and after[path] - before != logged:
            yield f"{path} counted {after[path] - before} kills, and the log has {logged}"


def _limits(kills: tuple[KernelKill, ...]) -> str:
    return ", ".join(sorted({kill.limit or "unknown" for kill in kills}))


def _require(evidence: MemoryEvidence, booted: bool) -> None:
    """LabError if the evidence has gaps."""
    log = evidence.kernel_log
    lacks = {
        "the kernel's log from mark to mark": not booted
        and not (
            log
            and all(evidence.marks)
            and evidence.marks[0] in log[0]
            and evidence.marks[1] in log[-1]
        ),
        "pods": not evidence.pods_before,
        "pods at the end": not evidence.pods_after,
        "events": evidence.events is None,
        "what the API server shows of the node": not evidence.pressure,
        "the node's memory over time": not evidence.memory,
        "units of the stack": not evidence.before.units,
        "counters of control groups": not evidence.before.cgroup_kills,
    }
    missing = [what for what, is_missing in lacks.items() if is_missing]
    if missing:
        raise LabError(f"no evidence of memory on {evidence.node}: {', '.join(missing)}")
