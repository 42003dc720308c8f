"""Measures how long a lab takes to start, to be saved and restored, and to be taken down.

Absolute times depend on the machine, so they are recorded, never asserted.  Artifacts and images
are built beforehand and not included.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edge_lab.bench import looks, proofs
from edge_lab.bringup.checkpoint import CheckpointStore
from edge_lab.bringup.lifecycle import UpOptions, bring_up, take_down
from edge_lab.bringup.saving import restore_checkpoint, save_checkpoint
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Topology

SAVE_LIMIT = 1800.0
PROOFS = 7
"""Of each fault."""
LOOKS = 20
"""Readings of all nodes, each way."""


@dataclass
class Times:
    """Seconds of each stage; `stages` in the order that they were run in."""

    topology: str
    stack: str = ""
    accelerator: str = ""
    stages: dict[str, float] = field(default_factory=dict)
    boots: dict[str, float] = field(default_factory=dict)
    """By node, from power-on to SSH."""
    checkpoint_mib: int = 0
    reboots: int = 0
    proofs: tuple[proofs.ProofTimes, ...] = ()
    looks: looks.LookTimes | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.stages[name] = round(time.monotonic() - started, 1)


def measure(topology: Topology, stack: str | None = None) -> Times:
    """Cold start, save, down, start from the checkpoint, restore in place, down."""
    times = Times(topology.name)
    take_down(topology.name)
    try:
        with times.stage("cold start to ready"):
            lab = bring_up(topology, UpOptions(stack=stack, cold=True, save=False))
        times.stack = lab.stack_name
        times.accelerator = ", ".join(sorted(set(lab.state.accelerator.values())))
        for name, machine in lab.machines.items():
            times.boots[name] = round(machine.record.ssh_seconds or 0.0, 1)
            times.reboots += machine.reboots
        with times.stage("save, and ready again"):
            key = save_checkpoint(lab, Deadline.scaled(SAVE_LIMIT))
        found = CheckpointStore().find(key)
        times.checkpoint_mib = _mib(found.path) if found else 0
        with times.stage("down"):
            take_down(topology.name)
        with times.stage("start from the checkpoint to ready"):
            lab = bring_up(topology, UpOptions(stack=stack))
        with times.stage("restore in place, and ready again"):
            restore_checkpoint(lab, Deadline.scaled(SAVE_LIMIT))
        times.looks = looks.measure(lab, LOOKS)
        times.proofs = proofs.measure(lab, PROOFS)
    finally:
        with times.stage("down, after a restore"):
            take_down(topology.name)
    return times


def _mib(folder: Path) -> int:
    """The actual disk usage of the files in `folder`."""
    blocks = sum(file.stat().st_blocks for file in folder.rglob("*") if file.is_file())
    return blocks * 512 // (1024 * 1024)
