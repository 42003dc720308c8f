"""Checks the host's interfaces that are links of a topology, and the permission to use them."""

from __future__ import annotations

from collections.abc import Iterator

from edge_lab.doctor.host import Examination
from edge_lab.doctor.model import HostCheck
from edge_lab.topology import host_links


def check_host_interfaces(this: Examination) -> Iterator[HostCheck]:
    """No checks for a topology without such links."""
    links = host_links(this.topology)
    if not links:
        return
    problem = this.host.packet_socket_problem()
    yield HostCheck(
        name="CAP_NET_RAW",
        ok=problem is None,
        found=problem.message if problem else "packet sockets can be opened",
        needed_for=f"links that end at an interface: {', '.join(link.name for link in links)}",
        remedy=problem.remedy if problem else "",
        needs_root=problem is not None,
    )
    for link in links:
        name = link.host_interface or ""
        objection = this.host.interface_objection(name)
        yield HostCheck(
            name=f"interface {name}",
            ok=objection is None,
            found=objection.message if objection else "not in use",
            needed_for=f"the link {link.name}",
            remedy=objection.remedy if objection else "",
            needs_root=objection is not None,
        )
