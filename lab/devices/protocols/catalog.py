"""The descriptors of all protocols: edge-lab's own, and those of other distributions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edge_lab.artifacts import Want
from edge_lab.core.plugins import PluginGroup
from edge_lab.devices.plant import Plant
from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.devices.protocols.container import Container
from edge_lab.devices.protocols.modbus import Modbus, ModbusRtu, ModbusSerial
from edge_lab.devices.protocols.opcua import OpcUa
from edge_lab.devices.protocols.rtos import ModbusRtos
from edge_lab.topology import Topology
from edge_lab.topology.protocols import GROUP, WHAT

PROTOCOLS: Mapping[str, type[DeviceProtocol]] = MappingProxyType(
    {
        protocol.name: protocol
        for protocol in (Modbus, ModbusRtu, ModbusSerial, ModbusRtos, OpcUa, Container)
    }
)
"""The lab's own."""

PLUGINS: PluginGroup[DeviceProtocol] = PluginGroup(
    group=GROUP,
    what=WHAT,
    own=lambda: PROTOCOLS,
    fits=lambda loaded, name: isinstance(loaded, DeviceProtocol) and loaded.name == name,
)


def protocol_of(name: str) -> DeviceProtocol:
    """The descriptor of a protocol.

    Raises:
        InputError: there is none, or its distribution cannot be imported.
    """
    return PLUGINS.find(name)


def device_wants(topology: Topology) -> tuple[Want, ...]:
    """The components that the topology's devices need on the host."""
    wanted = [want for device in topology.devices for want in protocol_of(device.protocol).wants()]
    return tuple(dict.fromkeys(wanted))


def plant_of(protocol: str) -> Plant[Any]:
    """The default plant model of that protocol."""
    return protocol_of(protocol).model
