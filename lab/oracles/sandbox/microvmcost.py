"""The cost of a microVM compared with a pod under runc: one of each, in one run; never judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from edge_lab.core.errors import LabError
from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.oracles.verdict import Verdict

MIB = 1024 * 1024


@dataclass(frozen=True)
class PodCost:
    """One pod's."""

    start_s: float
    """From the kubelet's start time of the pod to the first line of its program, by the node's
    clock; the former has a resolution of one second."""
    memory: int
    """Bytes of its control group that cannot be reclaimed, after that line."""


def first_word_s(log: str, taken: str) -> float:
    """Seconds from `taken` to the first line of JSON in a container log (CRI:
    `TIME stdout F TEXT`), by the node's clock.

    Raises:
        LabError: there is no such line.
    """
    for line in log.splitlines():
        words = line.split(" ", 3)
        if len(words) == 4 and words[1] == "stdout" and words[3].startswith("{"):
            said = datetime.fromisoformat(words[0])
            return (said - datetime.fromisoformat(taken)).total_seconds()
    raise LabError("the pod's log has no line from which its start could be measured")


def cost_verdict(node: str, runtime: str, microvm: PodCost, runc: PodCost) -> Verdict:
    """Both figures and their ratios, as measures."""
    rows: Sequence[tuple[str, str, float, float]] = (
        ("start of a pod", "s", microvm.start_s, runc.start_s),
        ("memory of a pod", "MiB", microvm.memory / MIB, runc.memory / MIB),
    )
    measures: list[Measure] = []
    for what, unit, of_microvm, of_runc in rows:
        name = what.replace(" ", "_")
        evidence = "one pod of each, one after the other, in this run"
        for label, value in (("microVM", of_microvm), ("runc", of_runc)):
            measures.append(
                Measure(
                    name=f"{name}_{label.lower()}",
                    value=round(value, 1),
                    unit=unit,
                    better=Better.LOWER,
                    node=node,
                    evidence=evidence,
                    heading=what,
                    label=label,
                )
            )
        measures.append(
            Measure(
                name=f"{name}_ratio",
                value=round(of_microvm / of_runc, 1) if of_runc > 0 else None,
                reason="" if of_runc > 0 else "the figure of runc could not be measured",
                unit=COUNT,
                better=Better.LOWER,
                node=node,
                evidence=evidence,
                heading=f"{what}, microVM to runc",
            )
        )
    return Verdict(node, runtime, (), tuple(measures), ("a microVM beside a pod under runc",))
