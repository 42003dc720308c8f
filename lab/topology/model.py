"""The models of a topology: frozen, validated as a whole; `load.py` reads them from YAML."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from edge_lab.core.names import NAME_RULE, is_name
from edge_lab.topology.arch import Arch, Cri, Role
from edge_lab.topology.consistency import check_consistency
from edge_lab.topology.device import Login, ModbusOptions, OpcUaOptions, SerialOptions
from edge_lab.topology.external import External
from edge_lab.topology.hostlinks import InterfaceName
from edge_lab.topology.protocols import MODBUS, OWN, WITH_OPTIONS, Protocol, ProtocolName
from edge_lab.topology.timing import Timing

MIB = 1024 * 1024
MIN_MEMORY_MIB = 512
MAX_MEMORY_MIB = 65536
RUNC = "runc"
"""The container runtime that every node has."""

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*(MiB|GiB|Mi|Gi)")

_N = TypeVar("_N", "Node", "Link", "Network", "Device")


def _memory_mib(value: Any) -> Any:
    """`2GiB`, `512MiB` or a plain number of MiB, as MiB."""
    if isinstance(value, str):
        found = _QUANTITY.fullmatch(value.strip())
        if not found:
            raise ValueError(f"{value!r} is not an amount of memory; write it as 2GiB or 512MiB")
        number, unit = float(found[1]), found[2]
        mib = number * (1024 if unit.startswith("G") else 1)
        if mib != int(mib):
            raise ValueError(f"{value!r} is not a whole number of MiB")
        return int(mib)
    return value


def _memory_bounds(value: int) -> int:
    if not MIN_MEMORY_MIB <= value <= MAX_MEMORY_MIB:
        raise ValueError(
            f"{value} MiB is out of range: a node has {MIN_MEMORY_MIB} MiB "
            f"to {MAX_MEMORY_MIB // 1024} GiB"
        )
    return value


def _name(value: str) -> str:
    if not is_name(value):
        raise ValueError(f"{value!r} is not a valid name: {NAME_RULE}")
    return value


Name = Annotated[str, AfterValidator(_name)]
MemoryMib = Annotated[
    int,
    BeforeValidator(_memory_mib, json_schema_input_type=int | str),
    AfterValidator(_memory_bounds),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Taint(_Model):
    key: str
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Network(_Model):
    """An Ethernet segment of the fabric: a switch with any number of ports."""

    name: Annotated[
        Name, Field(max_length=11, description="At most 11 characters: NICs are named after it.")
    ]
    subnet: IPv4Network


class Node(_Model):
    name: Name
    arch: Arch
    role: Role
    memory: MemoryMib = Field(2048, description="2GiB, 512MiB, or a number of MiB.")
    cpus: int = Field(2, ge=1, le=8)
    labels: dict[str, str] = Field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    container_runtime: str = Field(
        RUNC,
        description="What runs containers of pods that name no RuntimeClass: runc, or one that an "
        "add-on brings, such as gvisor.",
    )
    cri: Cri = Field(
        Cri.CONTAINERD,
        description="What manages its containers and images for the kubelet, by the Container "
        "Runtime Interface: containerd, or cri-o with the add-on of that name.",
        # As below.
        exclude_if=lambda value: value is Cri.CONTAINERD,
    )
    virtualization: bool = Field(
        False,
        description="Whether the CPU offers virtualization, so that KVM works in the node.",
        # A topology without it is dumped as if there were no such field, since keys of
        # checkpoints depend on that.
        exclude_if=lambda value: not value,
    )
    cpu_model: Literal["cortex-a76"] | None = Field(
        None,
        description="Of an emulated arm64 node, instead of the Cortex-A72: some programs need "
        "instructions of ARMv8.2.",
        exclude_if=lambda value: value is None,
    )
    external: External | None = Field(
        None,
        description="A machine that the lab does not boot, and how it is reached.",
        exclude_if=lambda value: value is None,
    )

    def beside(self, folder: Path) -> Node:
        """A copy with its paths resolved relative to `folder`."""
        if self.external is None:
            return self
        return self.model_copy(update={"external": self.external.beside(folder)})


class Link(_Model):
    """The connection of a node, a device or a real endpoint to a network.

    Each link has two directions, named from the endpoint: `tx` carries what the endpoint
    sends, `rx` what it receives.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Name
    endpoint: str = Field(
        description="The name of a node or of a device, or of what stands at the host-interface."
    )
    network: str
    address: IPv4Address = Field(description="The endpoint's address on that network.")
    host_interface: InterfaceName | None = Field(
        None,
        alias="host-interface",
        description="The network interface of the host behind which the endpoint is.",
    )
    node_interface: InterfaceName | None = Field(
        None,
        alias="node-interface",
        description="Of an external node: its own interface on that network.",
        exclude_if=lambda value: value is None,
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="With host-interface: a TCP port at which the endpoint takes connections.",
    )


class Device(_Model):
    name: Name
    protocol: ProtocolName = Field(
        Protocol.CONTAINER.value, description="Not needed with an image."
    )
    seed: int = Field(1, ge=0, description="Seed of the plant model that moves its values.")
    period_ms: int = Field(1000, ge=50, le=60_000, description="Time between two values, ms.")
    modbus: ModbusOptions | None = None
    serial: SerialOptions | None = Field(
        None, description="The serial line of a device that speaks modbus-rtu."
    )
    opcua: OpcUaOptions | None = None
    options: dict[str, Any] | None = Field(
        None,
        description="Options that the protocol itself defines.",
    )
    sampled: bool | None = Field(
        None, description="Whether samplers read it; by default, where they can."
    )
    twins: tuple[str, ...] = Field((), description="Edge nodes that have a twin of the device.")
    image: str = Field("", description="A container image known to Docker, instead of a protocol.")
    port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="The TCP port of the image: the device is ready when it is open.",
    )

    @model_validator(mode="after")
    def _options_fit(self) -> Device:
        # An unknown protocol is reported before options that do not belong to it.
        if self.modbus and self.protocol in OWN - MODBUS:
            raise ValueError(f"the options modbus are not for a device that speaks {self.protocol}")
        if self.serial and self.protocol in OWN - {Protocol.MODBUS_SERIAL}:
            raise ValueError(f"the options serial are not for a device that speaks {self.protocol}")
        if self.opcua and self.protocol in OWN - {Protocol.OPCUA}:
            raise ValueError(f"the options opcua are not for a device that speaks {self.protocol}")
        if self.options and self.protocol in OWN - WITH_OPTIONS:
            raise ValueError(f"`options` are not for a device that speaks {self.protocol}")
        if self.protocol == Protocol.CONTAINER and not self.image:
            raise ValueError("a device needs a protocol, or a container's image")
        if self.protocol != Protocol.CONTAINER and (self.image or self.port):
            raise ValueError(f"image and port are not for a device that speaks {self.protocol}")
        if self.image and self.twins:
            raise ValueError("a container cannot have twins: its points are unknown")
        if self.twins and self.opcua and set(self.opcua.logins) == {Login.CERTIFICATE}:
            raise ValueError(
                "a device that accepts only user certificates cannot have twins: "
                "add anonymous or password to its logins"
            )
        return self

    def beside(self, folder: Path) -> Device:
        """A copy with its paths resolved relative to `folder`."""
        if not self.opcua:
            return self
        nodesets = tuple(folder / file for file in self.opcua.nodesets)
        return self.model_copy(
            update={"opcua": self.opcua.model_copy(update={"nodesets": nodesets})}
        )

    def __str__(self) -> str:
        """The name: titles in the report may contain `{device}`."""
        return self.name


DEFAULT_ADDONS = ("twins", "workload")
"""The default of a topology that lists none."""


class Topology(_Model):
    """One lab: its nodes, networks, links, devices, possible stacks, and add-ons."""

    name: Name
    stacks: tuple[str, ...] = Field(min_length=1, description="In order of preference.")
    networks: tuple[Network, ...] = Field(min_length=1)
    nodes: tuple[Node, ...] = Field(min_length=1)
    links: tuple[Link, ...] = Field(min_length=1)
    devices: tuple[Device, ...] = ()
    addons: tuple[Name, ...] = Field(
        DEFAULT_ADDONS, description="What runs in addition to the stack, in order."
    )
    pod_subnet: IPv4Network = Field(IPv4Network("10.42.0.0/16"), description="A /16.")
    timing: Timing = Timing()

    # -- Derived values ------------------------------------------------------------------

    @property
    def server(self) -> Node:
        return next(node for node in self.nodes if node.role is Role.SERVER)

    @property
    def edges(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.role is Role.EDGE)

    @property
    def architectures(self) -> tuple[Arch, ...]:
        """Each architecture of a node once, in the order of the nodes."""
        return tuple(dict.fromkeys(node.arch for node in self.nodes))

    def at_pace(self, pace: int) -> Topology:
        """A copy with the cluster's `timing` for a host that is `pace` times slower."""
        return self.model_copy(update={"timing": self.timing.at_pace(pace)})

    def beside(self, folder: Path) -> Topology:
        """A copy with its paths resolved relative to `folder`."""
        return self.model_copy(
            update={
                "devices": tuple(device.beside(folder) for device in self.devices),
                "nodes": tuple(node.beside(folder) for node in self.nodes),
            }
        )

    def node(self, name: str) -> Node:
        """The node of that name; KeyError if there is none."""
        return _by_name(self.nodes, name)

    def link(self, name: str) -> Link:
        """The link of that name; KeyError if there is none."""
        return _by_name(self.links, name)

    def network(self, name: str) -> Network:
        """The network of that name; KeyError if there is none."""
        return _by_name(self.networks, name)

    def device(self, name: str) -> Device:
        """The device of that name; KeyError if there is none."""
        return _by_name(self.devices, name)

    def links_of(self, endpoint: str) -> tuple[Link, ...]:
        """The links of a node or device, in the order of the file."""
        return tuple(link for link in self.links if link.endpoint == endpoint)

    def interface(self, link: Link) -> IPv4Interface:
        """The endpoint's address with the prefix length of the network."""
        return IPv4Interface(f"{link.address}/{self.network(link.network).subnet.prefixlen}")

    def mac(self, link: Link) -> str:
        """A locally administered MAC address, the same on every run."""
        return f"52:54:00:ed:00:{self.links.index(link) + 1:02x}"

    def nic(self, link: Link) -> str:
        """The name of the NIC at a node's end of `link`."""
        return link.node_interface or f"{link.network}0"

    @property
    def cluster_network(self) -> Network:
        """The network of the server's first link, between nodes and API server."""
        return self.network(self.links_of(self.server.name)[0].network)

    def cluster_link(self, node: str) -> Link:
        """The node's link to the cluster network."""
        return next(
            link for link in self.links_of(node) if link.network == self.cluster_network.name
        )

    def pod_cidr(self, node: str) -> IPv4Network:
        """The /24 of the node's pods: assigned by the lab, so that it can set the routes."""
        index = [known.name for known in self.nodes].index(node)
        return list(self.pod_subnet.subnets(new_prefix=24))[index + 1]

    # -- Constraints ---------------------------------------------------------------------

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        check_consistency(self)
        return self


def _by_name(items: tuple[_N, ...], name: str) -> _N:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
