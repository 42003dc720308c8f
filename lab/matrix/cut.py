"""Cuts a matrix into shards. A shard is a whole lab, and a test file is never split."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.bringup.admission import Demand
from edge_lab.matrix.plan import Plan, PlannedFile, Shard
from edge_lab.topology import Topology


@dataclass(frozen=True)
class LabRun:
    """All files to be run in one topology with one stack, in the order of the matrix file."""

    topology: Topology
    file: str
    digest: str
    stack: str
    files: tuple[PlannedFile, ...]


def cut(
    name: str, runs: Sequence[LabRun], *, longest_s: float, start_s: float, limit_s: float
) -> Plan:
    """The plan in which no shard takes longer than `longest_s`, unless a single file does."""
    shards = [
        _shard(run, part, start_s) for run in runs for part in parts(run.files, longest_s - start_s)
    ]
    longest: dict[tuple[int, int], float] = {}
    for shard in shards:
        demand = shard.memory_mib, shard.cpus
        longest[demand] = max(longest.get(demand, 0.0), shard.seconds)

    def order(shard: Shard) -> tuple[float, int, int, float]:
        demand = shard.memory_mib, shard.cpus
        return -longest[demand], *demand, -shard.seconds

    return Plan(
        name=name,
        limit_s=limit_s,
        shards=tuple(
            shard.model_copy(update={"index": index})
            for index, shard in enumerate(sorted(shards, key=order))
        ),
    )


def _shard(run: LabRun, files: tuple[PlannedFile, ...], start_s: float) -> Shard:
    demand = Demand.of(run.topology)
    return Shard(
        index=0,
        lab=run.topology.name,
        topology=run.file,
        topology_digest=run.digest,
        stack=run.stack,
        files=files,
        start_s=start_s,
        memory_mib=demand.memory_mib,
        cpus=demand.cpus,
    )


def parts(files: Sequence[PlannedFile], budget_s: float) -> list[tuple[PlannedFile, ...]]:
    """The files in as few parts as keep each within the budget.

    The longest file first, each to the part that is shortest so far. Within a part the files keep
    their order.
    """
    at_least = max(1, math.ceil(sum(each.seconds for each in files) / budget_s))
    for count in range(min(at_least, len(files)), len(files) + 1):
        found = _spread(files, count)
        if all(sum(each.seconds for each in part) <= budget_s for part in found):
            return found
    return [(each,) for each in files]


def _spread(files: Sequence[PlannedFile], count: int) -> list[tuple[PlannedFile, ...]]:
    parts_so_far: list[list[int]] = [[] for _ in range(count)]
    seconds = [0.0] * count
    for number in sorted(range(len(files)), key=lambda number: -files[number].seconds):
        shortest = seconds.index(min(seconds))
        parts_so_far[shortest].append(number)
        seconds[shortest] += files[number].seconds
    return [tuple(files[number] for number in sorted(part)) for part in parts_so_far if part]
