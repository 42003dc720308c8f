"""What devices may speak: names. What is behind a name is in `edge_lab.devices.protocols`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from edge_lab.core.names import NAME_RULE, is_name
from edge_lab.core.plugins import PluginGroup

GROUP = "edge_lab.device_protocols"
"""The entry points by which other distributions bring protocols."""
WHAT = "device protocol"


class Protocol(StrEnum):
    """The protocols that edge-lab itself has."""

    MODBUS = "modbus-tcp"
    MODBUS_RTU = "modbus-rtu-tcp"
    """RTU frames with their CRC over a TCP connection, as converters of serial lines have it."""
    OPCUA = "opcua"
    CONTAINER = "container"
    """Whatever a container image serves: without a plant and without a ground truth."""


OWN = frozenset(str(protocol) for protocol in Protocol)


def _plain(value: str) -> str:
    if not is_name(value):
        raise ValueError(f"{value!r} is no usable name: {NAME_RULE}")
    return str(value)  # of an enumeration too


ProtocolName = Annotated[
    str,
    AfterValidator(_plain),
    WithJsonSchema({"enum": [str(protocol) for protocol in Protocol], "type": "string"}),
]
"""Whether there is such a protocol is checked where a user's file is read: a lab that is up can be
ended without the distribution that brought its protocol."""

_NAMES: PluginGroup[Any] = PluginGroup(
    group=GROUP,
    what=WHAT,
    own=lambda: {str(protocol): object for protocol in Protocol},
    fits=lambda loaded, name: True,
)


def known_protocols() -> tuple[str, ...]:
    """The names of all protocols, without loading any; InputError if two have one name."""
    return _NAMES.names()
