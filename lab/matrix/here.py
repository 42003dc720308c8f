"""Runs all shards on this machine, one after the other, with the retries of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge_lab.bringup.lifecycle import take_down
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import warn
from edge_lab.handle.state import known_labs
from edge_lab.matrix.plan import Plan, Shard
from edge_lab.matrix.record import RETRIES, Record, records, shard_folder
from edge_lab.matrix.shard import run_shard

DOWN_SECONDS = 60.0

Told = Callable[[Shard, Record | None], None]
"""Called when a shard begins (with None), and when an attempt has ended."""


def run_here(plan: Plan, results: Path, told: Told, *, more: Sequence[str] = ()) -> None:
    """Runs each shard that has no final result in `results`; `more` are arguments for pytest."""
    for shard in plan.shards:
        _run(plan, shard, results, told, more)


def _run(plan: Plan, shard: Shard, results: Path, told: Told, more: Sequence[str]) -> None:
    while True:
        was_up = shard.lab in known_labs()
        told(shard, None)
        record = run_shard(plan, shard.index, results, more=more)
        told(shard, record)
        if record.is_final:
            return
        if not was_up:  # a lab that the user has started is left for them to look at
            clear(shard.lab)
        if len(list(records(shard_folder(results, shard.index)))) > RETRIES:
            return


def clear(lab: str) -> None:
    """Takes down what is left of a lab; a failure is only reported."""
    try:
        take_down(lab, Deadline.scaled(DOWN_SECONDS))
    except LabError as trouble:
        warn(f"what is left of lab {lab}: {trouble.message}")
