"""The add-on `spire`: SPIFFE identities for pods, and mutual TLS of the lab's workload by them."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Stage
from edge_lab.addons.spire.agent import agent_provision
from edge_lab.addons.spire.attestors import (
    asking,
    attestor_files,
    certificate_on,
    trust_on,
    workload_attestor,
)
from edge_lab.addons.spire.endpoints import spire_clients, spire_endpoints
from edge_lab.addons.spire.entries import Entry, entries_provision
from edge_lab.addons.spire.identities import kubelet_user, spire_requests
from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import (
    AGENT_HEALTH,
    AGENT_UNIT,
    ENTRIES,
    SERVER_UNIT,
    SERVES,
    SPIRE,
    SPIRE_AGENT,
    SPIRE_SERVER,
    WORKLOAD_IDENTITY,
    agent_nodes,
)
from edge_lab.addons.spire.server import server_provision
from edge_lab.addons.workload.accounts import account_nodes
from edge_lab.addons.workload.manifests import NAMESPACE
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import binding_manifest, role_manifest
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.stacks.serving import serving
from edge_lab.topology import Node, Topology

KUBELET_ROLE = "edge-lab:spire-agent"


class Spire(AddOn):
    """A SPIRE server on the server node, an agent on each node, and entries for the workload."""

    name: ClassVar[str] = SPIRE
    declares: ClassVar[frozenset[str]] = frozenset({WORKLOAD_IDENTITY})
    lifetimes: ClassVar[Lifetimes] = Lifetimes()

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return (
            Want(SPIRE_SERVER, topology.server.arch),
            *wants_for(SPIRE_AGENT, agent_nodes(topology)),
        )

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return spire_requests(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        topology, pki = ctx.topology, ctx.given.pki
        on_server = node.name == topology.server.name
        attestor = workload_attestor(topology, node, ctx.stack)
        server = str(topology.cluster_link(topology.server.name).address)
        parts = [
            agent_provision(pki, node, server, attestor, (SERVER_UNIT,) if on_server else ()),
            serving(
                SERVES,
                "Workload API: the agent answers pods",
                [f"http://{AGENT_HEALTH}/ready"],
                (AGENT_UNIT,),
            ),
            Provision(
                files=attestor_files(topology, node, ctx.stack, pki),
                payload=(ctx.given.binary(SPIRE_AGENT, node),),
            ),
        ]
        if on_server:
            parts += [
                server_provision(pki, self.lifetimes),
                entries_provision(workload_entries(topology)),
                Provision(payload=(ctx.given.binary(SPIRE_SERVER, node),)),
            ]
        return Provision.total(parts)

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        of_agent = (AGENT_UNIT, f"{SERVES}.service")
        if node.name != topology.server.name:
            return of_agent
        return (SERVER_UNIT, f"{ENTRIES}.service", *of_agent)

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return spire_endpoints(topology)

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        return spire_clients(topology)

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        return tuple(certificate_on(node) for node in asking(topology, stack))

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return tuple(trust_on(node) for node in asking(topology, stack))

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        # Early: agents query kubelets, which ask the API server for authorization.
        if stage is not Stage.API_SERVER_UP:
            return ()
        users = [kubelet_user(node.name) for node in agent_nodes(ctx.topology)]
        pods = {"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}
        return (
            role_manifest(KUBELET_ROLE, [pods]),
            binding_manifest(KUBELET_ROLE, KUBELET_ROLE, users, subject_kind="User"),
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node in agent_nodes(topology) else frozenset()


def workload_entries(topology: Topology) -> tuple[Entry, ...]:
    """The entries of the lab's workload, on the nodes where it runs; none without a workload."""
    return tuple(
        Entry(node.name, NAMESPACE, account)
        for account, nodes in account_nodes(topology).items()
        for node in nodes
    )
