"""The carrier of links: an endpoint sees it go when the cable of its link is out."""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.fabric import CUT, FabricClient
from edge_lab.faults.probe import Prober
from edge_lab.topology import Link, Topology


class Carriers:
    """Switches the carrier of links at their endpoints."""

    def __init__(
        self, topology: Topology, fabric: FabricClient, machines: Mapping[str, Prober]
    ) -> None:
        self._topology = topology
        self._fabric = fabric
        self._machines = machines

    def switch(self, link: Link, *, up: bool) -> None:
        """A device's end of a cable is a tap of the lab's own, without a carrier to switch."""
        if link.endpoint in self._machines:
            self._machines[link.endpoint].set_carrier(self._topology.mac(link), up)

    def restore(self, node: str) -> None:
        """A machine that has got its power back has all its carriers; takes those that are cut."""
        for link in self._topology.links_of(node):
            status = self._fabric.link(link.name)
            if (status.tx, status.rx) == (CUT, CUT):
                self.switch(link, up=False)
