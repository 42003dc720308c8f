"""Measures the time from a fault of a link until its proof, and from the heal until the recovery.

This includes a check before the fault that the link carries frames, and SSH commands on an emulated
node for the fault and for its recovery. For the fabric itself see `edge_lab.bench.fabric`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Drop, LinkFault
from edge_lab.faults.limits import scaled_limit
from edge_lab.handle.lab import Lab
from edge_lab.oracles.spans import Span


@dataclass(frozen=True)
class ProofTimes:
    """Seconds for one fault, injected several times in an idle lab."""

    title: str
    seen: tuple[float, ...]
    """From the command until its effect was observed."""
    healed: tuple[float, ...]
    """From the command until the recovery was observed."""


def measure(lab: Lab, count: int) -> tuple[ProofTimes, ...]:
    """A silent drop, a cut and a cut of one direction, on the uplink of each edge node."""
    engine = FaultEngine.of(lab, scaled_limit())
    return tuple(_one(engine, fault, count) for fault in _faults(lab))


def _faults(lab: Lab) -> Iterator[LinkFault]:
    for node in lab.topology.edges:
        link = lab.topology.cluster_link(node.name).name
        yield Drop(link=link)
        yield Cut(link=link)
        yield Cut(link=link, direction="tx")


def _one(engine: FaultEngine, fault: LinkFault, count: int) -> ProofTimes:
    seen: list[float] = []
    healed: list[float] = []
    for _ in range(count):
        record = engine.heal(engine.inject(fault))
        if record.seen is None or record.heal_began is None or record.healed is None:
            raise LabError(f"{fault.title} was not proved and healed: {record}")
        seen.append(Span(record.began, record.seen).seconds)
        healed.append(Span(record.heal_began, record.healed).seconds)
    return ProofTimes(fault.title, tuple(seen), tuple(healed))
