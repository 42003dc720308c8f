"""Nodes that the lab does not boot: SSH access, hardware drivers and abilities."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edge_lab.core.yamlmodel import Problem
from edge_lab.topology.arch import Role

if TYPE_CHECKING:
    from edge_lab.topology.model import Node, Topology

LABGRID = "labgrid"
"""The default library of drivers."""

FINGERPRINT = "SHA256:"
_DIGEST_BYTES = 32
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/]+=*(?: .*)?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?")


class Ability(StrEnum):
    """What can be done to a node's machine from outside. Machines that the lab boots have all."""

    POWER = "power"
    """Its power can be cut, and its reset button pressed."""
    PAUSE = "pause"
    """Its CPUs can be stopped."""
    SNAPSHOT = "snapshot"
    """Its state can be saved and restored, as a part of a checkpoint."""
    DISK_PACE = "disk-pace"
    """Its disk can be slowed down."""
    BALLOON = "balloon"
    """Its hypervisor can take memory away from it and give it back."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _matching(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"{value!r} is not {what}")
        return value

    return AfterValidator(check)


def _host_key(value: str) -> str:
    if value.startswith(FINGERPRINT):
        try:
            text = value.removeprefix(FINGERPRINT)
            digest = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) == _DIGEST_BYTES:
            return value
    elif _PUBLIC_KEY.fullmatch(value):
        return value
    raise ValueError(
        f"{value!r} is neither a fingerprint (SHA256:… as `ssh-keygen -lf` prints it) nor a public "
        "key (ssh-ed25519 AAAA…)"
    )


class HardwareDriver(_Model):
    """A driver, with its arguments and resources."""

    driver: str = Field(
        min_length=1, description="Its name in the library, such as NetworkPowerDriver."
    )
    library: str = Field(LABGRID, description="Its library, an entry point of edge_lab.hardware.")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the driver, as its library documents them."
    )
    resources: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Resources that it uses, by class: NetworkSerialPort: {host: …, port: …}.",
    )


class External(_Model):
    """A machine that the lab does not boot: a board, or any other Linux machine."""

    address: Annotated[str, _matching(_HOST, "an address or the name of a host")] = Field(
        description="Of its SSH server, reached over a path that no fault of the lab affects."
    )
    port: int = Field(22, ge=1, le=65_535)
    user: Annotated[str, _matching(_USER, "the name of a user")] = Field(
        "root", description="Root, or a user with sudo for all commands without a password."
    )
    key: Path = Field(
        description="File with the user's private key; relative to the topology's folder."
    )
    host_key: Annotated[str, AfterValidator(_host_key)] | None = Field(
        None, description="Its host key: a fingerprint (SHA256:…) or a public key."
    )
    known_hosts: Path | None = Field(
        None,
        description="Instead, a known_hosts file of OpenSSH with the key of that address and port.",
    )
    power: HardwareDriver | None = Field(
        None,
        description="Driver that switches its power. Without it, faults of its power are refused.",
    )
    console: HardwareDriver | None = Field(
        None, description="Driver that reads its serial console, which is recorded."
    )

    @model_validator(mode="after")
    def _verified(self) -> External:
        if (self.host_key is None) == (self.known_hosts is None):
            raise ValueError(
                "give either host_key or known_hosts: its host key is always verified "
                "(`ssh-keyscan -p PORT ADDRESS | ssh-keygen -lf -` prints fingerprints; compare "
                "them with those on the machine itself)"
            )
        return self

    @property
    def drivers(self) -> Mapping[str, HardwareDriver]:
        """The configured drivers, by field."""
        both = {"power": self.power, "console": self.console}
        return {name: driver for name, driver in both.items() if driver is not None}

    def beside(self, folder: Path) -> External:
        """A copy with its paths resolved relative to `folder`."""
        known = self.known_hosts and folder / self.known_hosts.expanduser()
        return self.model_copy(update={"key": folder / self.key.expanduser(), "known_hosts": known})


def external_nodes(topology: Topology) -> tuple[Node, ...]:
    """The nodes that the lab does not boot, in the order of the file."""
    return tuple(node for node in topology.nodes if node.external is not None)


def booted_nodes(topology: Topology) -> tuple[Node, ...]:
    """The nodes that the lab boots, in the order of the file."""
    return tuple(node for node in topology.nodes if node.external is None)


def abilities(node: Node) -> frozenset[Ability]:
    """The abilities of the machine of `node`."""
    if node.external is None:
        return frozenset(Ability)
    return frozenset({Ability.POWER}) if node.external.power else frozenset()


def why_unable(node: Node, ability: Ability) -> str:
    """Why the machine of `node` lacks that ability; empty if it has it."""
    if ability in abilities(node):
        return ""
    if ability is Ability.POWER:
        return f"{node.name} is an external node without a power driver"
    return f"{node.name} is an external node, which does not support {ability.value!r}"


def check_external_nodes(topology: Topology) -> None:
    """Raises Problem for the first violated constraint."""
    external = {node.name for node in external_nodes(topology)}
    for index, node in enumerate(topology.nodes):
        if node.external is None:
            continue
        if node.role is not Role.EDGE:
            raise Problem(
                f"the external node {node.name!r} is not an edge node",
                ("nodes", index, "role"),
                "The lab boots the server: add another node for it.",
            )
        if node.virtualization:
            raise Problem(
                f"{node.name!r} is external: the lab does not configure its CPU",
                ("nodes", index, "virtualization"),
                "Remove it.",
            )
        if node.cpu_model:
            raise Problem(
                f"{node.name!r} is external: the lab does not choose its CPU",
                ("nodes", index, "cpu_model"),
                "Remove it.",
            )
    for index, link in enumerate(topology.links):
        if link.endpoint in external:
            if not link.host_interface:
                raise Problem(
                    f"{link.endpoint!r} is an external node, but link {link.name!r} does not "
                    "name the host's interface that it is connected to",
                    ("links", index, "endpoint"),
                    "Add `host-interface: …`.",
                )
            if not link.node_interface:
                raise Problem(
                    f"{link.endpoint!r} is an external node, but link {link.name!r} does not "
                    "name the node's own interface",
                    ("links", index, "endpoint"),
                    "Add `node-interface: …`, as shown by `ip link` on the machine.",
                )
            if link.port is not None:
                raise Problem(
                    f"link {link.name!r} has a port, but {link.endpoint!r} is a node",
                    ("links", index, "port"),
                    "Remove it: the ports of nodes and devices are known.",
                )
        elif link.node_interface:
            raise Problem(
                f"link {link.name!r} has a node-interface, but {link.endpoint!r} is not an "
                "external node",
                ("links", index, "node-interface"),
                "Remove it: the lab names the interfaces of the nodes that it boots.",
            )


def check_external_files(topology: Topology, folder: Path) -> None:
    """Raises Problem if a file is missing; paths are relative to `folder`."""
    for index, node in enumerate(topology.nodes):
        if node.external is None:
            continue
        here = node.external.beside(folder)
        for field, path in (("key", here.key), ("known_hosts", here.known_hosts)):
            if path is not None and not path.is_file():
                raise Problem(
                    f"there is no file {path}",
                    ("nodes", index, "external", field),
                    "Its path is relative to the folder of the topology file.",
                )
