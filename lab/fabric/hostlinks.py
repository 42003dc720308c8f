"""Checks the links of a topology whose endpoints are interfaces of the host."""

from __future__ import annotations

from edge_lab.fabric.hostinterface import find_objection
from edge_lab.fabric.packetwire import open_packet_socket
from edge_lab.topology import Topology, TopologyProblem, host_links


def check_host_interfaces(topology: Topology) -> None:
    """Raises TopologyProblem for the first interface that cannot be the endpoint of a link."""
    for link in host_links(topology):
        if objection := find_objection(link.host_interface or ""):
            raise TopologyProblem(
                f"link {link.name!r}: {objection.message}",
                ("links", topology.links.index(link), "host-interface"),
                objection.remedy,
            )


def require_host_interfaces(topology: Topology) -> None:
    """The same without the topology's file; also checks that packet sockets can be opened.

    Raises:
        InputError: an interface cannot be the endpoint of a link.
        LabError: CAP_NET_RAW is missing.
    """
    for link in host_links(topology):
        open_packet_socket().close()
        if objection := find_objection(link.host_interface or ""):
            raise objection.error()
