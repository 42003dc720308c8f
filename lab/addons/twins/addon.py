"""The add-on `twins`: a device mapper on nodes updates twins of devices in the cluster."""

from __future__ import annotations

from edge_lab.addons.base import AddOn, AddOnContext, Stage
from edge_lab.addons.twins.identities import mapper_requests
from edge_lab.addons.twins.manifests import device_definitions, mapper_rights, twin_manifests
from edge_lab.addons.twins.mapperunit import (
    collect_ms,
    mapper_certificates,
    mapper_provision,
    mapper_trust,
)
from edge_lab.addons.twins.names import MAPPER_UNIT, has_twins, twins_of
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.core.yamlmodel import Loc
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import DmiServer, Stack
from edge_lab.stacks.kubeedge import custom_resources, custom_resources_want
from edge_lab.topology import Node, Topology


class Twins(AddOn):
    """The mapper on each node with twins, and its objects in the cluster.

    A runtime with its own support for twins (a `DmiServer`) brings the CustomResourceDefinitions of
    devices; with any other they are installed from KubeEdge, and the mapper uses the API server.
    """

    name = "twins"

    def asked_for_at(self, topology: Topology) -> Loc | None:
        for index, device in enumerate(topology.devices):
            if device.twins:
                return ("devices", index, "twins")
        return None

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return (custom_resources_want(),) if has_twins(topology) else ()

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return mapper_requests(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        return mapper_provision(ctx, node)

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (MAPPER_UNIT,) if twins_of(topology, node) else ()

    def certificates(self, topology: Topology, stack: Stack) -> tuple[InstalledCertificate, ...]:
        return mapper_certificates(topology, stack.runtime)

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return mapper_trust(topology, stack.runtime)

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        if not has_twins(ctx.topology):
            return ()
        if stage is Stage.NODES_READY:
            # Not earlier: devices that KubeEdge 1.23.1 sends to a node that was not ready only
            # reach the node's database, and no mapper receives them before edgecore restarts.
            return twin_manifests(
                ctx.topology, lambda device: collect_ms(device, ctx.stack.runtime)
            )
        if isinstance(ctx.stack.runtime, DmiServer):
            return ()
        return (*device_definitions(custom_resources(ctx.given)), *mapper_rights())
