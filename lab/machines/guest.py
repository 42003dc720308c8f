"""The specification of a machine, as data: the node, its disks, its NICs and its ports.

A `GuestSpec` contains everything from which the domain XML and the seed disk are derived, so
equal specifications give equal machines.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge_lab.core.errors import LabError
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch, Node, Topology, outside_names

if TYPE_CHECKING:
    from edge_lab.images import RootImage

AcceleratorName = Literal["kvm", "tcg"]
"""The accelerator of a guest: the host's hardware, or QEMU's emulation."""

MANAGEMENT_NIC = "mgmt0"
MANAGEMENT_MAC = "52:54:00:ed:ff:01"
MANAGEMENT_ADDRESS = IPv4Interface("10.0.2.15/24")
"""Address on QEMU's user-mode network: each guest has a separate one, so all are the same."""

SSH_PORT = 22

_NAMESPACE = uuid.UUID("6f1c2f0e-6d5b-5c0e-9c86-8a3f6f0b7a11")


@dataclass(frozen=True)
class Route:
    """A route for `destination` by the neighbour `via`."""

    destination: IPv4Network
    via: IPv4Address


@dataclass(frozen=True)
class WireNic:
    """A NIC that is connected to the fabric: one UDP datagram over loopback per Ethernet frame.

    The guest sends from 127.0.0.1:`local_port` to 127.0.0.1:`peer_port`, where the fabric
    listens.  Only ports may differ after a restore.
    """

    name: str
    mac: str
    address: IPv4Interface
    local_port: int
    peer_port: int
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class PortForward:
    """Forwards 127.0.0.1:`host_port` to TCP port `guest_port` of the management NIC."""

    guest_port: int
    host_port: int


@dataclass(frozen=True)
class GuestSpec:
    """A machine of the lab `lab`."""

    lab: str
    node: Node
    image: RootImage
    nics: tuple[WireNic, ...]
    forwards: tuple[PortForward, ...]
    """Must contain port 22; others as needed by the stack, such as that of the API server."""
    files: tuple[GuestFile, ...] = ()
    """Files of the stack; host name, keys and network files are added to them."""
    units: tuple[str, ...] = ()
    """systemd units that are enabled for multi-user.target."""
    payload: Path | None = None
    hosts: Mapping[str, IPv4Address] = field(default_factory=dict)
    """Lines of /etc/hosts besides that of the guest itself."""

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def arch(self) -> Arch:
        return self.node.arch

    @property
    def domain_name(self) -> str:
        """The domain's name; unique to this lab, even in a shared daemon."""
        return f"{self.lab}-{self.name}"

    @property
    def uuid(self) -> uuid.UUID:
        """The same on every run: libvirt restores a machine only under its original UUID."""
        return uuid.uuid5(_NAMESPACE, f"{self.lab}/{self.name}")

    @property
    def ssh_port(self) -> int:
        """The loopback port that is forwarded to the guest's SSH server."""
        for forward in self.forwards:
            if forward.guest_port == SSH_PORT:
                return forward.host_port
        raise LabError(f"{self.name} has no port forward for SSH")


def wire_nics(
    topology: Topology, node: str, ports: Mapping[str, tuple[int, int]]
) -> tuple[WireNic, ...]:
    """The NICs of `node`, one per link, in the order of `topology.links_of(node)`.

    `ports` has the guest's and the fabric's UDP port for each link.  A node has a route over its
    link to the cluster network for the pods of each other node.
    """
    cluster = topology.cluster_link(node)
    routes = tuple(
        Route(topology.pod_cidr(other.name), topology.cluster_link(other.name).address)
        for other in topology.nodes
        if other.name != node
    )
    return tuple(
        WireNic(
            name=topology.nic(link),
            mac=topology.mac(link),
            address=topology.interface(link),
            local_port=ports[link.name][0],
            peer_port=ports[link.name][1],
            routes=routes if link == cluster else (),
        )
        for link in topology.links_of(node)
    )


def cluster_hosts(topology: Topology) -> dict[str, IPv4Address]:
    """Names of nodes with their addresses on the cluster network, of devices, and of endpoints at
    interfaces of the host with the address of their first link."""
    hosts = {node.name: topology.cluster_link(node.name).address for node in topology.nodes}
    for device in topology.devices:
        hosts[device.name] = topology.links_of(device.name)[0].address
    for name in outside_names(topology):
        hosts[name] = topology.links_of(name)[0].address
    return hosts
