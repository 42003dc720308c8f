"""The add-on `functions-keda`: KEDA's operator on the server, and a Deployment of each edge node,
which it scales."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.controller import controller_provision
from edge_lab.addons.functions.limits import watching_nodes
from edge_lab.addons.functions.names import FUNCTIONS, MONITOR_PORT, NAMESPACE
from edge_lab.addons.functions.place import place_of
from edge_lab.addons.keda.endpoints import keda_endpoints
from edge_lab.addons.keda.identities import CLIENT
from edge_lab.addons.keda.names import (
    CRDS,
    FUNCTIONS_KEDA,
    HEALTH,
    HOME,
    OPERATOR,
    OPERATOR_UNIT,
    SCALED_OBJECTS,
    SERVES,
    function_name,
)
from edge_lab.addons.keda.objects import definitions, deployment, scaled_object
from edge_lab.addons.keda.operator import KINDS, operator_service
from edge_lab.addons.keda.place import Place
from edge_lab.addons.keda.rights import rights
from edge_lab.addons.kinds import wait_for_kinds
from edge_lab.artifacts import Want, host_arch
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.stacks.serving import serving
from edge_lab.topology import Node, Topology

PLACE = Place()


class FunctionsKeda(AddOn):
    """One more way of waking a function, on all edge nodes whose devices wake functions."""

    name: ClassVar[str] = FUNCTIONS_KEDA
    needs_addons: ClassVar[tuple[str, ...]] = (FUNCTIONS,)
    declares: ClassVar[frozenset[str]] = frozenset({FUNCTIONS_KEDA})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return Want(OPERATOR, topology.server.arch), Want(CRDS, host_arch())

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return (CLIENT.request,)

    # -- placement -----------------------------------------------------------------------

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if node.name != ctx.topology.server.name:
            return Provision()
        before = wait_for_kinds(HOME, ctx.api.url, PLACE.keys, KINDS)
        service = operator_service(PLACE, before, ctx.api.unit)
        ready = [f"http://{HEALTH}/readyz"]
        return controller_provision(ctx, node, service, PLACE, CLIENT) + serving(
            SERVES, "KEDA's operator works", ready, (OPERATOR_UNIT,)
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (OPERATOR_UNIT, f"{SERVES}.service") if node.name == topology.server.name else ()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return keda_endpoints(topology)

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        return (CLIENT.certificate_on(topology),)

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return (CLIENT.trust_on(topology),)

    # -- the cluster -----------------------------------------------------------------------

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        # Early: the operator waits for its kinds.
        if stage is Stage.API_SERVER_UP:
            file = ctx.given.artifact(CRDS, host_arch()).path
            return (*definitions(file), *rights())
        return tuple(
            manifest
            for node in watching_nodes(ctx.topology)
            for manifest in (
                deployment(place_of(ctx.topology, node)),
                scaled_object(node.name, monitor_of(ctx.topology, node)),
            )
        )

    def wait_ready(self, cluster: Cluster) -> None:
        """Waits until the operator has asked the broker of each node."""
        kubectl, deadline = cluster.access.kubectl, cluster.deadline
        wanted = {function_name(node.name) for node in watching_nodes(cluster.topology)}

        def asked() -> bool:
            found = kubectl.items(SCALED_OBJECTS, "-n", NAMESPACE, deadline=deadline)
            return wanted <= {scaled["metadata"]["name"] for scaled in found if is_ready(scaled)}

        deadline.wait_for(
            "KEDA asks the broker of each node",
            asked,
            transient=NOT_YET,
            watch=cluster.access.watch,
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node in watching_nodes(topology) else frozenset()


def monitor_of(topology: Topology, node: Node) -> str:
    """`address:port` of the monitoring endpoint of a node's broker, from the server."""
    return f"{topology.cluster_link(node.name).address}:{MONITOR_PORT}"


def is_ready(scaled_object: Manifest) -> bool:
    """Whether KEDA has accepted a ScaledObject, and the last query of its broker was answered."""
    found = scaled_object.get("status", {}).get("conditions", ())
    states = {condition["type"]: condition["status"] for condition in found}
    # Before the first query, Active is Unknown; a failed query sets Ready to False.
    return states.get("Ready") == "True" and states.get("Active") in ("True", "False")
