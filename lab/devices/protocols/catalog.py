"""The descriptors of all protocols."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.devices.plant import PLANTS, Plant
from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.devices.protocols.container import Container
from edge_lab.devices.protocols.modbus import Modbus, ModbusRtu
from edge_lab.devices.protocols.opcua import OpcUa
from edge_lab.topology import Protocol

PROTOCOLS: Mapping[Protocol, DeviceProtocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (Modbus(), ModbusRtu(), OpcUa(), Container())}
)


def protocol_of(name: Protocol) -> DeviceProtocol:
    """The descriptor of a protocol; LabError if there is none."""
    try:
        return PROTOCOLS[name]
    except KeyError as trouble:
        raise LabError(f"the lab knows no protocol {name!r}") from trouble


def plant_of(protocol: Protocol) -> Plant[Any]:
    """The model behind a device of that protocol, where its specification names none."""
    return PLANTS[protocol_of(protocol).plant]
