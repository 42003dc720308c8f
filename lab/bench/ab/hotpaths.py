"""Benchmarks of the framework itself: they boot no machine and need no cache.

Those of the gate measure CPU time, which other programs affect far less than wall-clock time. Each
function takes one sample.
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
"""Number of plans per sample."""
EFFECTS = 20


def fabric_forward() -> float:
    """ns of CPU time per frame."""
    return _frame_cost(None)


def fabric_impair() -> float:
    """ns of CPU time per frame that is delayed and may be lost."""
    return _frame_cost(FAULTS)


def _frame_cost(state: DirectionState | None) -> float:
    """Per frame that the fabric received, including dropped ones, which also cost time."""
    with running_fabric() as fabric_:
        if state is not None:
            fabric_.client.set("link0", tx=state)
        before = fabric_.cpu_time()
        receiver = Child(lambda: asdict(receive(fabric_.ends.receiver)))
        sender = Child(lambda: send(fabric_.ends.sender, FRAMES, SIZE, 0, segmented=True))
        sender.result()
        arrived = receiver.result()["frames"]
        spent = fabric_.cpu_time() - before
        # Frames that the kernel dropped before the fabric cost no time.
        received = fabric_.client.link("link0").counters.tx.frames
    if not arrived:
        raise LabError("no frame came through the fabric")
    return spent * 1e9 / received


def fabric_steer() -> float:
    """us of CPU time for one change of a link's state."""
    with running_fabric() as fabric_:
        before = fabric_.cpu_time()
        for _ in range(CHANGES):
            fabric_.client.set("link0", tx=DROP)
            fabric_.client.set("link0", tx=CLEAR)
        spent = fabric_.cpu_time() - before
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
    """ms of CPU time from a topology file to components, certificates and units."""
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

    once()  # imports, and files that are read once
    began = time.process_time()
    for _ in range(LOOKS):
        once()
    return (time.process_time() - began) * 1e3 / LOOKS


def command() -> float:
    """ms of CPU time."""
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
