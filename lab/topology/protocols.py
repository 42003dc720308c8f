"""The names of device protocols. Their descriptors are in `edge_lab.devices.protocols`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from edge_lab.core.names import NAME_RULE, is_name
from edge_lab.core.plugins import PluginGroup

GROUP = "edge_lab.device_protocols"
"""The entry points by which other distributions provide protocols."""
WHAT = "device protocol"


class Protocol(StrEnum):
    """The protocols that come with edge-lab."""

    MODBUS = "modbus-tcp"
    MODBUS_RTU = "modbus-rtu-tcp"
    """RTU frames with CRC over a TCP connection, as used by serial device servers."""
    MODBUS_SERIAL = "modbus-rtu"
    """The same frames on a serial line, and over TCP as well."""
    MODBUS_RTOS = "modbus-tcp-rtos"
    """Modbus TCP by firmware on an emulated microcontroller."""
    OPCUA = "opcua"
    CONTAINER = "container"
    """Any protocol of a container image: without a plant model or ground truth."""


MODBUS = frozenset({Protocol.MODBUS, Protocol.MODBUS_RTU, Protocol.MODBUS_SERIAL})
WITH_OPTIONS = frozenset({str(Protocol.MODBUS_RTOS)})
"""The protocols of edge-lab that take `options`, as those of other distributions may."""
OWN = frozenset(str(protocol) for protocol in Protocol)


def _plain(value: str) -> str:
    if not is_name(value):
        raise ValueError(f"{value!r} is not a valid name: {NAME_RULE}")
    return str(value)  # also for a member of an enumeration


ProtocolName = Annotated[
    str,
    AfterValidator(_plain),
    WithJsonSchema({"enum": [str(protocol) for protocol in Protocol], "type": "string"}),
]
"""Whether the protocol exists is checked when a user's file is read: a running lab can be stopped
without the distribution that provided its protocol."""

_NAMES: PluginGroup[Any] = PluginGroup(
    group=GROUP,
    what=WHAT,
    own=lambda: {str(protocol): object for protocol in Protocol},
    fits=lambda loaded, name: True,
)


def known_protocols() -> tuple[str, ...]:
    """The names of all protocols, without loading any; InputError for duplicate names."""
    return _NAMES.names()
