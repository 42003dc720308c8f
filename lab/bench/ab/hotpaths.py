"""Benchmarks of what the framework does itself: no machine is booted, and no cache is needed.

Those of the gate go by processor time, which other programs of the machine disturb far less than
the clock on the wall. Each function is one sample.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from edge_lab.bench.effects import effects
from edge_lab.bench.frames import receive, send
from edge_lab.bench.media import FAULTS, fabric, running_fabric
from edge_lab.bench.processes import Child
from edge_lab.bench.rates import latencies, trial
from edge_lab.core.errors import LabError
from edge_lab.fabric import CLEAR, DROP, DirectionState
from edge_lab.measuring.percentile import percentile

FRAMES = 150_000
SIZE = 1514
CHANGES = 60
LOOKS = 3
"""Times that a plan is made in one sample."""
EFFECTS = 20


def fabric_forward() -> float:
    """ns of processor time for a frame."""
    return _frame_cost(None)


def fabric_impair() -> float:
    """ns of processor time for a frame that is delayed and may be lost."""
    return _frame_cost(FAULTS)


def _frame_cost(state: DirectionState | None) -> float:
    """By all frames that the fabric has received: those that it drops cost it, too."""
    with running_fabric() as fabric_:
        if state is not None:
            fabric_.client.set("link0", tx=state)
        before = fabric_.processor_time()
        receiver = Child(lambda: asdict(receive(fabric_.ends.receiver)))
        sender = Child(lambda: send(fabric_.ends.sender, FRAMES, SIZE, 0, segmented=True))
        sender.result()
        arrived = receiver.result()["frames"]
        spent = fabric_.processor_time() - before
        # What the kernel dropped before the fabric has cost it nothing.
        received = fabric_.client.link("link0").counters.tx.frames
    if not arrived:
        raise LabError("no frame came through the fabric")
    return spent * 1e9 / received


def fabric_steer() -> float:
    """us of processor time for one change of a link's state."""
    with running_fabric() as fabric_:
        before = fabric_.processor_time()
        for _ in range(CHANGES):
            fabric_.client.set("link0", tx=DROP)
            fabric_.client.set("link0", tx=CLEAR)
        spent = fabric_.processor_time() - before
    return spent * 1e6 / (2 * CHANGES)


def fabric_flood() -> float:
    """Frames a second."""
    return trial(fabric, FRAMES, SIZE, 0).arrived_per_second


def fabric_latency() -> float:
    """us, median."""
    return percentile(latencies(fabric), 50)


def fabric_effect() -> float:
    """us, median."""
    return percentile(effects(EFFECTS).stopped, 50) * 1e6


def plan() -> float:
    """ms of processor time from a topology file to components, certificates and units."""
    from edge_lab.addons import get_platform, load_topology
    from edge_lab.data import LABS

    def once() -> None:
        topology = load_topology(LABS / "default.yaml")
        for name in topology.stacks:
            platform = get_platform(name, topology)
            platform.check(topology)
            platform.wants(topology)
            platform.identities(topology)
            platform.units(topology)
            platform.endpoints(topology)
            platform.capabilities(topology)

    once()  # imports, and what is read once
    began = time.process_time()
    for _ in range(LOOKS):
        once()
    return (time.process_time() - began) * 1e3 / LOOKS


def command() -> float:
    """ms of processor time."""
    with tempfile.TemporaryDirectory(prefix="bench-") as cwd:
        before = _children()
        subprocess.run(
            [sys.executable, "-c", "from edge_lab.cli import main; main()", "--version"],
            cwd=Path(cwd),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return (_children() - before) * 1e3


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
