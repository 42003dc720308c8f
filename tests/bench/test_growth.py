"""Labs of several sizes, and the table of what they use."""

from __future__ import annotations

import pytest

from edge_lab.addons.checks import check_addons
from edge_lab.bench.growth import Size, Start, section, topology_of
from edge_lab.bench.page import performance_page
from edge_lab.handle.hostprocesses import HostProcess, HostRole

PROCESSES = (
    HostProcess(
        role=HostRole.NODE, name="server", pid=1, pss_mib=1500, guest_mib=1200, cpu_seconds=40
    ),
    HostProcess(
        role=HostRole.NODE, name="edge-1", pid=2, pss_mib=800, guest_mib=700, cpu_seconds=20
    ),
    HostProcess(role=HostRole.FABRIC, name="fabric", pid=3, pss_mib=30, cpu_seconds=2),
    HostProcess(role=HostRole.LIBVIRT, name="libvirtd", pid=4, pss_mib=None, cpu_seconds=None),
)
START = Start(120.0, PROCESSES)


@pytest.mark.parametrize("nodes", [2, 8])
def test_a_topology_has_so_many_nodes(nodes: int) -> None:
    topology = topology_of(nodes)
    check_addons(topology)
    assert len(topology.nodes) == len(topology.links) == nodes
    assert len(topology.edges) == nodes - 1


def test_memory_is_that_of_guests_of_qemu_and_of_the_rest() -> None:
    figures = (START.guests_mib, START.emulators_mib, START.others_mib, START.cpu_seconds)
    assert figures == (1900, 400, 30, 62)


def test_the_page_has_a_row_for_each_start() -> None:
    size = Size(2, START, Start(15.0, PROCESSES))
    assert "| 2 | cold | 120 | 62 | 1900 | 200 | 30 |" in section([size])
    page = performance_page({}, [], [], [size])
    assert "| 2 | checkpoint | 15 | 62 | 1900 | 200 | 30 |" in page
