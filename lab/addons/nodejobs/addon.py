"""The add-on `node-jobs`: KubeEdge's controller manager on the server."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Stage
from edge_lab.addons.controller import controller_provision
from edge_lab.addons.kinds import wait_for_kinds
from edge_lab.addons.nodejobs.endpoints import node_jobs_endpoints
from edge_lab.addons.nodejobs.identities import CLIENT
from edge_lab.addons.nodejobs.manager import KINDS, manager_service
from edge_lab.addons.nodejobs.names import (
    HEALTH,
    HOME,
    MANAGER,
    MANAGER_UNIT,
    NODE_JOBS,
    SERVES,
    has_node_jobs,
)
from edge_lab.addons.nodejobs.place import Place
from edge_lab.addons.nodejobs.rights import rights
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.stacks.serving import serving
from edge_lab.topology import Node, Topology

PLACE = Place()


class NodeJobs(AddOn):
    """Jobs on nodes, where the edge runtime is KubeEdge; elsewhere it does nothing.

    The kinds are among those that every stack with KubeEdge has.
    """

    name: ClassVar[str] = NODE_JOBS
    declares: ClassVar[frozenset[str]] = frozenset({NODE_JOBS})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return (Want(MANAGER, topology.server.arch),) if has_node_jobs(stack) else ()

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return (CLIENT.request,)

    # -- placement -----------------------------------------------------------------------

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if not has_node_jobs(ctx.stack) or node.name != ctx.topology.server.name:
            return Provision()
        before = wait_for_kinds(HOME, ctx.api.url, PLACE.keys, KINDS)
        service = manager_service(PLACE, before, ctx.api.unit)
        ready = [f"http://{HEALTH}/readyz"]
        return controller_provision(ctx, node, service, PLACE, CLIENT) + serving(
            SERVES, "controllermanager works", ready, (MANAGER_UNIT,)
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        on_server = has_node_jobs(stack) and node.name == topology.server.name
        return (MANAGER_UNIT, f"{SERVES}.service") if on_server else ()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return node_jobs_endpoints(topology) if has_node_jobs(stack) else ()

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        return (CLIENT.certificate_on(topology),) if has_node_jobs(stack) else ()

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return (CLIENT.trust_on(topology),) if has_node_jobs(stack) else ()

    # -- the cluster -----------------------------------------------------------------------

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        early = stage is Stage.API_SERVER_UP
        return rights() if early and has_node_jobs(ctx.stack) else ()

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        able = has_node_jobs(stack) and node in topology.edges
        return self.declares if able else frozenset()
