"""The specification of a device process: one JSON file, read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Interface
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge_lab.core.errors import InputError
from edge_lab.devices.plant import PLANTS, Plant
from edge_lab.devices.protocols import plant_of, protocol_of
from edge_lab.topology import Device, ModbusOptions, OpcUaOptions, Protocol, SerialOptions, Topology
from edge_lab.topology.protocols import ProtocolName

_NO_FILES: Mapping[str, Path] = MappingProxyType({})
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


def _mac(text: str) -> str:
    if not _MAC.fullmatch(text):
        raise ValueError(f"{text!r} is not a MAC address; write it as 52:54:00:ed:00:01")
    return text


Port = Annotated[int, Field(ge=1, le=65_535)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IdentityFiles(_Model):
    """The paths of the certificates of a device, all PEM.

    `certificate` names `urn:edge-lab:device:<name>` and may be used as client certificate
    too: the device reads itself with it.  A client is admitted if its certificate, or its
    authority's, is in the folder `trust` (*.pem, *.crt).
    """

    certificate: Path
    key: Path
    trust: Path


class DeviceSpec(_Model):
    """One simulated device."""

    name: str
    protocol: ProtocolName
    plant: str = ""
    """The plant model; if empty, the protocol's default."""
    seed: int = Field(ge=0)
    period_ms: int = Field(ge=10, le=60_000)
    """Time between two steps of the plant, ms."""
    address: IPv4Interface
    mac: Annotated[str, AfterValidator(_mac)]
    fabric_port: Port
    """UDP port on 127.0.0.1 of the fabric's end of the link."""
    endpoint_port: Port
    """UDP port on 127.0.0.1 of the device's end."""
    folder: Path
    """Ground truth, control socket."""
    identity: IdentityFiles | None = None
    modbus: ModbusOptions = ModbusOptions()
    serial: SerialOptions | None = None
    """Its serial line, if the protocol has one."""
    nodes: OpcUaOptions = OpcUaOptions()
    """The options of an OPC UA device."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The options of a device with another distribution's protocol."""
    files: dict[str, Path] = Field(default_factory=dict)
    """Components that its protocol needs on the host, by name."""
    image: str = ""
    """The image of a container, instead of a plant and its server."""
    port: Port | None = None
    """TCP port of the container."""

    @model_validator(mode="after")
    def _consistent(self) -> DeviceSpec:
        if self.plant and self.plant not in PLANTS:
            raise ValueError(f"there is no plant {self.plant!r}; available: {', '.join(PLANTS)}")
        if self.protocol == Protocol.OPCUA and self.identity is None:
            raise ValueError("an OPC UA device needs `identity`: certificate, key, trust")
        return self

    @property
    def model(self) -> Plant[Any]:
        return PLANTS[self.plant] if self.plant else plant_of(self.protocol)

    @classmethod
    def read(cls, path: Path) -> DeviceSpec:
        """Reads the specification in `path`; InputError if it is invalid."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as trouble:
            raise InputError(f"cannot read the file: {trouble.strerror}", file=path) from trouble
        except ValidationError as trouble:
            first = trouble.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{where}: {first['msg']}" if where else first["msg"]
            raise InputError(message, file=path) from trouble


def device_spec(
    topology: Topology,
    device: Device,
    *,
    fabric_port: int,
    endpoint_port: int,
    folder: Path,
    identity: IdentityFiles | None = None,
    files: Mapping[str, Path] = _NO_FILES,
) -> DeviceSpec:
    """The specification of a topology's device; `identity` is needed where the protocol is served
    with a certificate, `files` where it needs components."""
    (link,) = topology.links_of(device.name)
    return DeviceSpec(
        name=device.name,
        protocol=device.protocol,
        seed=device.seed,
        period_ms=device.period_ms,
        address=topology.interface(link),
        mac=topology.mac(link),
        fabric_port=fabric_port,
        endpoint_port=endpoint_port,
        folder=folder,
        identity=identity,
        modbus=device.modbus or ModbusOptions(),
        serial=(device.serial or SerialOptions())
        if protocol_of(device.protocol).has_serial_line
        else None,
        nodes=device.opcua or OpcUaOptions(),
        options=device.options or {},
        files=dict(files),
        image=device.image,
        port=device.port,
    )
