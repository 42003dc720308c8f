"""The add-on `pools`: node pools, workloads with a configuration for each pool, and Services whose
traffic stays in its pool."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.controller import controller_provision
from edge_lab.addons.kinds import wait_for_kinds
from edge_lab.addons.pools.endpoints import pools_endpoints
from edge_lab.addons.pools.hub import hub_drop_in
from edge_lab.addons.pools.identities import CLIENT
from edge_lab.addons.pools.manager import KINDS, manager_service
from edge_lab.addons.pools.membership import has_pools, pool_of, pools_of
from edge_lab.addons.pools.names import (
    CRDS,
    HEALTH,
    HOME,
    NAMESPACE,
    POOL_LABEL,
    POOLS,
    SERVES,
    SITE,
    STATE,
    WITNESS,
    WITNESS_UNIT,
    YURT_MANAGER,
    YURT_MANAGER_UNIT,
)
from edge_lab.addons.pools.objects import definitions, first_objects
from edge_lab.addons.pools.place import Place
from edge_lab.addons.pools.rights import rights
from edge_lab.addons.services.names import SERVICES
from edge_lab.addons.witness import witness_provision
from edge_lab.addons.workload.accounts import workload_images
from edge_lab.artifacts import Want, host_arch
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import Manifest
from edge_lab.images import AnyImage
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.stacks.openyurt import OpenYurt
from edge_lab.stacks.serving import serving
from edge_lab.topology import Node, Topology, TopologyProblem

PLACE = Place()


class Pools(AddOn):
    """Node pools, where the edge runtime is OpenYurt's; elsewhere it does nothing."""

    name: ClassVar[str] = POOLS
    needs_addons: ClassVar[tuple[str, ...]] = (SERVICES,)
    declares: ClassVar[frozenset[str]] = frozenset({POOLS})

    def check(self, topology: Topology) -> None:
        if not pools_of(topology):
            raise TopologyProblem(
                "no edge node is in a node pool",
                ("addons", topology.addons.index(POOLS)),
                f"Add `labels: {{{POOL_LABEL}: north}}` to an edge node, "
                "or remove pools from `addons`.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        if not has_pools(stack):
            return ()
        return Want(YURT_MANAGER, topology.server.arch), Want(CRDS, host_arch())

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        return workload_images(topology)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return (CLIENT.request,)

    # -- placement -----------------------------------------------------------------------

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        runtime = ctx.stack.runtime
        if not isinstance(runtime, OpenYurt):
            return Provision()
        if node.name == ctx.topology.server.name:
            return self._manager(ctx, node)
        if not pool_of(node):
            return Provision()
        drop_in = Provision(files=(hub_drop_in(ctx, runtime, node),))
        return drop_in + witness_provision(WITNESS, HOME, STATE)

    def _manager(self, ctx: AddOnContext, node: Node) -> Provision:
        before = wait_for_kinds(HOME, ctx.api.url, PLACE.keys, KINDS)
        service = manager_service(PLACE, before, ctx.api.unit)
        ready = [f"http://{HEALTH}/readyz"]
        return controller_provision(ctx, node, service, PLACE, CLIENT) + serving(
            SERVES, "yurt-manager works", ready, (YURT_MANAGER_UNIT,)
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        if not has_pools(stack):
            return ()
        if node.name == topology.server.name:
            return (YURT_MANAGER_UNIT, f"{SERVES}.service")
        return (WITNESS_UNIT,) if pool_of(node) else ()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return pools_endpoints(topology) if has_pools(stack) else ()

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        return (CLIENT.certificate_on(topology),) if has_pools(stack) else ()

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return (CLIENT.trust_on(topology),) if has_pools(stack) else ()

    # -- the cluster -----------------------------------------------------------------------

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        if not has_pools(ctx.stack):
            return ()
        # Early: yurt-manager waits for its kinds, and yurthub for the pools.
        if stage is Stage.API_SERVER_UP:
            file = ctx.given.artifact(CRDS, host_arch()).path
            return (*definitions(file), *rights())
        return first_objects(pools_of(ctx.topology))

    def wait_ready(self, cluster: Cluster) -> None:
        """Each pool has its nodes, and each of them runs a pod."""
        if not has_pools(cluster.stack):
            return
        kubectl, deadline = cluster.access.kubectl, cluster.deadline

        def works() -> bool:
            found = kubectl.items("nodepools", deadline=deadline)
            members = {
                pool["metadata"]["name"]: sorted(pool.get("status", {}).get("nodes", ()))
                for pool in found
            }
            wanted = pools_of(cluster.topology)
            deployments = kubectl.items(
                "deployments", "-n", NAMESPACE, "-l", f"app={SITE}", deadline=deadline
            )
            return members == {pool: sorted(nodes) for pool, nodes in wanted.items()} and (
                sum(
                    deployment.get("status", {}).get("readyReplicas", 0)
                    for deployment in deployments
                )
                == sum(map(len, wanted.values()))
            )

        deadline.wait_for(
            "each node of a pool runs the workload of its pool",
            works,
            transient=NOT_YET,
            watch=cluster.access.watch,
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        able = has_pools(stack) and node in topology.edges and bool(pool_of(node))
        return self.declares if able else frozenset()
