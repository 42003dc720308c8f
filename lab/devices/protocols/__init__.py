"""What devices speak: one descriptor for each protocol, in a module of its own."""

from edge_lab.devices.protocols.base import DeviceProtocol
from edge_lab.devices.protocols.catalog import PROTOCOLS, plant_of, protocol_of

__all__ = ["PROTOCOLS", "DeviceProtocol", "plant_of", "protocol_of"]
