"""The carrier of links: it goes down at the endpoint when the link is cut."""

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
        """Switches the carrier at the endpoint of a link; devices have none."""
        if link.endpoint in self._machines:
            self._machines[link.endpoint].set_carrier(self._topology.mac(link), up)

    def restore(self, node: str) -> None:
        """Takes down the carriers of cut links again after the machine was switched on."""
        for link in self._topology.links_of(node):
            status = self._fabric.link(link.name)
            if (status.tx, status.rx) == (CUT, CUT):
                self.switch(link, up=False)
