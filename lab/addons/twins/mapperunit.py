"""The mapper on a node that keeps twins: its unit, its configuration, its keys.

A runtime that keeps twins itself serves DMI, KubeEdge's interface to mappers, at a socket;
it says so by being a `DmiServer`.  On any other the mapper speaks to the API server, past
the runtime and with a certificate of its own.
"""

from __future__ import annotations

import json
from typing import Any

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.twins.identities import mapper_identity, mapper_requests, mapper_uri
from edge_lab.addons.twins.mapperapp import PAYLOAD, mapper_app
from edge_lab.addons.twins.names import MAPPER_UNIT, twins_of
from edge_lab.devices.protocols import protocol_of
from edge_lab.pki import (
    CLUSTER,
    DEVICES,
    InstalledCertificate,
    LabSigner,
    Pki,
    TrustBundle,
    TrustDomain,
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
"""Folders of ca.crt, tls.crt and tls.key."""
OWN_SOCKET = "/run/edge-mapper/mapper.sock"
"""Where a runtime that serves DMI calls the mapper back."""

COLLECT_MS = 10_000
"""Collect cycle of each property, ms. Each report is a write to the API server: with one each two
seconds those of two twins were a third of all writes."""

COLLECT_SINGLY_MS = 30_000
"""The same where the runtime makes a report of each property. Two twins of nine properties in ten
seconds, and the mapper's repetitions, were more than edgecore, cloudcore and an API server got
through, all emulated on two busy cores: values came up to a minute late, and ever later."""


def collect_ms(device: Device, runtime: EdgeRuntime) -> int:
    """The collect cycle of the lab's own twins of a device, ms: never faster than the device."""
    least = COLLECT_SINGLY_MS if isinstance(runtime, DmiServer) else COLLECT_MS
    return max(least, device.period_ms)


def mapper_provision(ctx: AddOnContext, node: Node) -> Provision:
    """What a node that keeps twins is given for it; nothing for any other."""
    pki, runtime = ctx.given.pki, ctx.stack.runtime
    if not twins_of(ctx.topology, node):
        return Provision()
    config: dict[str, Any] = {"node": node.name}
    files: tuple[GuestFile, ...] = ()
    if isinstance(runtime, DmiServer):
        config["dmi"] = {"socket": runtime.dmi_socket, "own": OWN_SOCKET}
    else:
        config["api"] = {"url": ctx.api.url, **_paths(API)}
        files += _keys(API, CLUSTER, pki, node)
    if any(
        protocol_of(device.protocol).mapper_needs_certificate
        for device in twins_of(ctx.topology, node)
    ):
        config["opcua"] = {"uri": mapper_uri(node.name), **_paths(OPCUA)}
        files += _keys(OPCUA, DEVICES, pki, node)
    service = Service(
        name=NAME,
        description="Device mapper: twins of the devices within reach",
        command=("/usr/bin/python3", str(PAYLOAD_MOUNT / PAYLOAD), CONFIG),
        after=runtime.units(),
        # Each of its threads would else take memory in advance.
        environment={"MALLOC_ARENA_MAX": "2"},
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=NAME,
        runtime_directory=NAME,
        # Its own start is long, and nothing that keeps the node Ready shall wait for it.
        nice=10,
    )
    text = json.dumps(config, indent=2) + "\n"
    unit = service.provision(GuestFile.text(CONFIG, text), *files)
    return unit + Provision(payload=(mapper_app().payload,))


def mapper_certificates(
    topology: Topology, runtime: EdgeRuntime
) -> tuple[InstalledCertificate, ...]:
    """What mappers show to the API server; none where the runtime keeps twins itself."""
    if isinstance(runtime, DmiServer):
        return ()
    requests = mapper_requests(topology)
    return tuple(
        InstalledCertificate(
            name="mapper",
            node=node.name,
            spec=request_named(requests, mapper_identity(node.name)).spec,
            signer=LabSigner(CLUSTER),
            certificate=f"{API}/tls.crt",
            key=f"{API}/tls.key",
            unit=MAPPER_UNIT,
        )
        for node in topology.edges
        if twins_of(topology, node)
    )


def mapper_trust(topology: Topology, runtime: EdgeRuntime) -> tuple[TrustBundle, ...]:
    """By which mappers know the API server."""
    held = mapper_certificates(topology, runtime)
    return tuple(
        TrustBundle(it.node, CLUSTER, _paths(API)["authority"], (MAPPER_UNIT,)) for it in held
    )


def _paths(folder: str) -> dict[str, str]:
    return {
        "authority": f"{folder}/ca.crt",
        "certificate": f"{folder}/tls.crt",
        "key": f"{folder}/tls.key",
    }


def _keys(folder: str, domain: TrustDomain, pki: Pki, node: Node) -> tuple[GuestFile, ...]:
    identity = pki.identity(domain, mapper_identity(node.name))
    return (
        GuestFile(f"{folder}/ca.crt", pki.authority(domain).certificate_pem),
        GuestFile(f"{folder}/tls.crt", identity.certificate_pem),
        GuestFile(f"{folder}/tls.key", identity.key_pem, 0o600),
    )
