"""The mapper on a node with twins: its unit, its configuration, its keys.

A runtime with its own support for twins serves DMI, KubeEdge's interface for mappers, on a socket,
and is a `DmiServer`.  With any other the mapper uses the API server directly, with its own
certificate.
"""

from __future__ import annotations

import json
from typing import Any

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.tlsfiles import TlsFiles, tls_files
from edge_lab.addons.twins.identities import mapper_identity, mapper_requests, mapper_uri
from edge_lab.addons.twins.mapperapp import PAYLOAD, mapper_app
from edge_lab.addons.twins.names import MAPPER_UNIT, twins_of
from edge_lab.devices.protocols import protocol_of
from edge_lab.pki import (
    CLUSTER,
    DEVICES,
    InstalledCertificate,
    TrustBundle,
)
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks import DmiServer, EdgeRuntime
from edge_lab.stacks.identities import request_named
from edge_lab.stacks.unit import Service
from edge_lab.topology import Device, Node, Topology

NAME = MAPPER_UNIT.removesuffix(".service")
HOME = "/etc/edge-mapper"
CONFIG = f"{HOME}/config.json"
API, OPCUA = f"{HOME}/api", f"{HOME}/opcua"
"""Folders of keys."""
API_FILES = TlsFiles.in_folder(API)
OWN_SOCKET = "/run/edge-mapper/mapper.sock"
"""The mapper's own socket, for calls of a runtime that serves DMI."""

COLLECT_MS = 10_000
"""Collect cycle of each property, ms. Each report is a write to the API server: with one every two
seconds two twins caused a third of all writes."""

COLLECT_SINGLY_MS = 30_000
"""The same if the runtime reports each property separately. Two twins of nine properties in ten
seconds, with the mapper's repetitions, overloaded edgecore, cloudcore and an API server, all
emulated on two busy cores: values were up to a minute late, and increasingly so."""


def collect_ms(device: Device, runtime: EdgeRuntime) -> int:
    """The collect cycle of the lab's own twins of a device, ms: never faster than the device."""
    least = COLLECT_SINGLY_MS if isinstance(runtime, DmiServer) else COLLECT_MS
    return max(least, device.period_ms)


def mapper_provision(ctx: AddOnContext, node: Node) -> Provision:
    """The parts of a node with twins; nothing for other nodes."""
    pki, runtime = ctx.given.pki, ctx.stack.runtime
    if not twins_of(ctx.topology, node):
        return Provision()
    config: dict[str, Any] = {"node": node.name}
    files: tuple[GuestFile, ...] = ()
    if isinstance(runtime, DmiServer):
        config["dmi"] = {"socket": runtime.dmi_socket, "own": OWN_SOCKET}
    else:
        config["api"] = {"url": ctx.api.url, **API_FILES.as_config()}
        files += tls_files(API, CLUSTER, mapper_identity(node.name), pki)
    if any(
        protocol_of(device.protocol).mapper_needs_certificate
        for device in twins_of(ctx.topology, node)
    ):
        config["opcua"] = {"uri": mapper_uri(node.name), **TlsFiles.in_folder(OPCUA).as_config()}
        files += tls_files(OPCUA, DEVICES, mapper_identity(node.name), pki)
    service = Service(
        name=NAME,
        description="Mapper of device twins",
        command=("/usr/bin/python3", str(PAYLOAD_MOUNT / PAYLOAD), CONFIG),
        after=runtime.units(),
        # Otherwise each of its threads would reserve memory.
        environment={"MALLOC_ARENA_MAX": "2"},
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=NAME,
        runtime_directory=NAME,
        # It starts slowly, and must not delay what keeps the node Ready.
        nice=10,
    )
    text = json.dumps(config, indent=2) + "\n"
    unit = service.provision(GuestFile.text(CONFIG, text), *files)
    return unit + Provision(payload=(mapper_app().payload,))


def mapper_certificates(
    topology: Topology, runtime: EdgeRuntime
) -> tuple[InstalledCertificate, ...]:
    """The mappers' certificates for the API server; none if the runtime supports twins itself."""
    if isinstance(runtime, DmiServer):
        return ()
    requests = mapper_requests(topology)
    return tuple(
        API_FILES.client_certificate(
            "mapper",
            node.name,
            request_named(requests, mapper_identity(node.name)).spec,
            MAPPER_UNIT,
        )
        for node in topology.edges
        if twins_of(topology, node)
    )


def mapper_trust(topology: Topology, runtime: EdgeRuntime) -> tuple[TrustBundle, ...]:
    """The authority with which mappers verify the API server."""
    held = mapper_certificates(topology, runtime)
    return tuple(API_FILES.trust(identity.node, MAPPER_UNIT) for identity in held)
