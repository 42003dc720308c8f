"""The configuration of a fabric process: networks, links, ports and a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationError, model_validator

from edge_lab.core.errors import InputError
from edge_lab.fabric.frozen import FrozenModel

LOOPBACK = "127.0.0.1"

Port = Annotated[int, Field(gt=0, lt=65_536)]


class PortPair(NamedTuple):
    """UDP ports of loopback: the fabric listens on one and sends to the other."""

    fabric: int
    endpoint: int


class LinkConfig(FrozenModel):
    """A link: the fabric listens on `fabric_port` and sends to `endpoint_port`, or it receives from
    and sends to an interface of the host."""

    name: str = Field(min_length=1)
    network: str
    fabric_port: Port | None = None
    endpoint_port: Port | None = None
    interface: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_end(self) -> LinkConfig:
        given = [self.fabric_port is not None, self.endpoint_port is not None]
        if given != [self.interface is None] * 2:
            raise ValueError(f"link {self.name}: it needs two ports, or an interface")
        return self

    @property
    def ports(self) -> PortPair:
        """The ports of a link without an interface."""
        assert self.fabric_port is not None, "a link with an interface has no ports"
        assert self.endpoint_port is not None, "a link with an interface has no ports"
        return PortPair(self.fabric_port, self.endpoint_port)


class FabricConfig(FrozenModel):
    """The JSON configuration file of a fabric. Each network is an Ethernet switch."""

    networks: tuple[str, ...]
    links: tuple[LinkConfig, ...]
    seed: int = 0
    """The seed of all random numbers: the same seed and frames give the same results."""

    @model_validator(mode="after")
    def _consistent(self) -> FabricConfig:
        if len(set(self.networks)) < len(self.networks):
            raise ValueError("two networks have the same name")
        names = [link.name for link in self.links]
        if len(set(names)) < len(names):
            raise ValueError("two links have the same name")
        for link in self.links:
            if link.network not in self.networks:
                raise ValueError(f"link {link.name}: there is no network {link.network!r}")
        ports = [port for link in self.links if not link.interface for port in link.ports]
        if len(set(ports)) < len(ports):
            twice = sorted({port for port in ports if ports.count(port) > 1})
            raise ValueError(f"ports used twice: {', '.join(map(str, twice))}")
        interfaces = [link.interface for link in self.links if link.interface]
        if len(set(interfaces)) < len(interfaces):
            raise ValueError("two links have the same interface")
        return self

    @classmethod
    def read(cls, path: Path) -> FabricConfig:
        """Reads the configuration in `path`; InputError if it cannot be read or is invalid."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as trouble:
            raise InputError(f"cannot read the file: {trouble.strerror}", file=path) from trouble
        except ValidationError as trouble:
            first = trouble.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"{where}: {first['msg']}" if where else str(first["msg"]), file=path
            ) from trouble

    def write(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
