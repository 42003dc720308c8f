"""Device protocols: one descriptor for each, in its own module."""

from edge_lab.devices.protocols.base import (
    MAPPER_SPEAKS,
    RELAYED_FAULTS,
    SAMPLER_SPEAKS,
    DeviceProtocol,
    Misfit,
    Options,
    address_of,
)
from edge_lab.devices.protocols.catalog import PROTOCOLS, device_wants, plant_of, protocol_of
from edge_lab.devices.protocols.checks import check_devices

__all__ = [
    "MAPPER_SPEAKS",
    "PROTOCOLS",
    "RELAYED_FAULTS",
    "SAMPLER_SPEAKS",
    "DeviceProtocol",
    "Misfit",
    "Options",
    "address_of",
    "check_devices",
    "device_wants",
    "plant_of",
    "protocol_of",
]
