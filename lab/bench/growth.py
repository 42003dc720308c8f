"""Measures how the costs of a lab grow with its nodes.

Each lab has a server and equal edge nodes on one network, without devices and add-ons. It is
started cold and from its checkpoint. Memory is the proportional set size (PSS) of its processes on
the host, when the start has ended. Absolute times depend on the machine, so they are recorded,
never asserted.

`python -m edge_lab.bench.growth 2 4 8` prints the section of docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.bench.tables import table
from edge_lab.bringup.lifecycle import Lab, UpOptions, bring_up, take_down
from edge_lab.bringup.saving import save_checkpoint
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError
from edge_lab.core.step import Phase, StepEvent, listening
from edge_lab.handle.hostprocesses import HostProcess, HostRole, host_processes
from edge_lab.topology import Topology

NAME = "growth"
SERVER_MIB, EDGE_MIB = 2048, 1024
SAVE_LIMIT = 1800.0


@dataclass(frozen=True)
class Start:
    """One start of a lab, and what the lab uses on the host at its end."""

    seconds: float
    processes: tuple[HostProcess, ...]

    @property
    def guests_mib(self) -> float:
        """Memory that the guests have touched."""
        return sum(process.guest_mib or 0.0 for process in self.processes)

    @property
    def emulators_mib(self) -> float:
        """Memory of QEMU besides its guests."""
        return _mib(self.processes, HostRole.NODE) - self.guests_mib

    @property
    def others_mib(self) -> float:
        """Memory of libvirtd, the fabric and the process that has started the lab."""
        return _mib(self.processes) - _mib(self.processes, HostRole.NODE)

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all processes."""
        return sum(process.cpu_seconds or 0.0 for process in self.processes)


@dataclass(frozen=True)
class Size:
    """A lab with so many nodes."""

    nodes: int
    cold: Start
    resumed: Start
    """From the checkpoint."""


def _mib(processes: Iterable[HostProcess], role: HostRole | None = None) -> float:
    return sum(
        process.pss_mib or 0.0 for process in processes if role is None or process.role is role
    )


def topology_of(nodes: int) -> Topology:
    """A server and `nodes` - 1 edge nodes."""
    edges = [f"edge-{number}" for number in range(1, nodes)]
    addresses = {"server": "10.77.0.1"}
    addresses |= {edge: f"10.77.0.{10 + number}" for number, edge in enumerate(edges)}
    return Topology.model_validate(
        {
            "name": NAME,
            "stacks": ["kubernetes+kubelet"],
            "networks": [{"name": "cloud", "subnet": "10.77.0.0/24"}],
            "nodes": [
                {"name": "server", "arch": "x86_64", "role": "server", "memory": SERVER_MIB},
                *(
                    {
                        "name": edge,
                        "arch": "x86_64",
                        "role": "edge",
                        "memory": EDGE_MIB,
                        "cpus": 1,
                    }
                    for edge in edges
                ),
            ],
            "links": [
                {
                    "name": f"{node}-cloud",
                    "endpoint": node,
                    "network": "cloud",
                    "address": address,
                }
                for node, address in addresses.items()
            ],
        }
    )


def measure(counts: Sequence[int]) -> tuple[Size, ...]:
    """One lab of each size, after the other."""
    return tuple(_measured(topology_of(count)) for count in counts)


def _measured(topology: Topology) -> Size:
    take_down(topology.name)
    try:
        lab, cold = _started(topology, UpOptions(cold=True, save=False))
        save_checkpoint(lab, Deadline.scaled(SAVE_LIMIT))
        take_down(topology.name)
        _, resumed = _started(topology, UpOptions())
    finally:
        take_down(topology.name)
    return Size(len(topology.nodes), cold, resumed)


def _started(topology: Topology, options: UpOptions) -> tuple[Lab, Start]:
    began = time.monotonic()
    lab = bring_up(topology, options)
    seconds = time.monotonic() - began
    return lab, Start(round(seconds, 1), host_processes(lab.run, with_this=True))


def section(sizes: Sequence[Size]) -> str:
    """Of docs/performance.md."""
    rows = [
        (
            size.nodes,
            how,
            f"{start.seconds:.0f}",
            f"{start.cpu_seconds:.0f}",
            f"{start.guests_mib:.0f}",
            f"{start.emulators_mib / size.nodes:.0f}",
            f"{start.others_mib:.0f}",
        )
        for size in sizes
        for how, start in (("cold", size.cold), ("checkpoint", size.resumed))
    ]
    head = (
        "nodes",
        "start",
        "seconds",
        "CPU time so far, s",
        "guests, MiB",
        "QEMU besides its guest, MiB for each node",
        "libvirtd, fabric and command, MiB",
    )
    return (
        "\n## Growth with the number of nodes\n\n"
        f"A server with {SERVER_MIB} MiB and edge nodes of x86_64 with {EDGE_MIB} MiB and one CPU "
        "each, `kubernetes+kubelet`. Method: the docstring of `lab/bench/growth.py`.\n\n"
        + table(head, rows)
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_lab.bench.growth", description=__doc__)
    parser.add_argument("nodes", type=int, nargs="+", help="sizes, in nodes")
    counts = parser.parse_args().nodes

    def tell(event: StepEvent) -> None:
        if event.phase in (Phase.START, Phase.WARNING):
            sys.stderr.write(f"{event.title}\n")

    try:
        with listening(tell):
            sys.stdout.write(section(measure(counts)))
    except EdgeLabError as trouble:
        sys.stderr.write(f"{trouble}\n")
        return trouble.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
