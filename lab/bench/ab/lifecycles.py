"""Benchmarks of whole labs, which they start under a separate name and take down."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_lab.addons import load_topology
from edge_lab.bench import lifecycle
from edge_lab.bringup.lifecycle import UpOptions, bring_up, take_down

LAB = "ab-bench"


def cold_start(topology: Path, stack: str | None) -> Mapping[str, float]:
    """s, with artifacts and images in the cache."""
    wanted = load_topology(topology, name=LAB)
    take_down(LAB)
    began = time.monotonic()
    try:
        bring_up(wanted, UpOptions(stack=stack, cold=True, save=False))
        took = time.monotonic() - began
    finally:
        take_down(LAB)
    return {"cold start": took}


def life_cycle(topology: Path, stack: str | None) -> Mapping[str, float]:
    """s of each stage; medians of looks and of faults."""
    times = lifecycle.measure(load_topology(topology, name=LAB), stack)
    values = {**times.stages}
    if times.looks is not None:
        values["looks at the nodes"] = statistics.median(times.looks.client)
    if times.proofs:
        seen = [seconds for proof in times.proofs for seconds in proof.seen]
        healed = [seconds for proof in times.proofs for seconds in proof.healed]
        values["faults seen"] = statistics.median(seen)
        values["faults healed"] = statistics.median(healed)
    return values


BENCHMARKS: Mapping[str, Callable[[Path, str | None], Mapping[str, float]]] = {
    "cold-start": cold_start,
    "life-cycle": life_cycle,
}
