"""Edge runtime `openyurt`: the kubelet behind yurthub, which answers it while offline.

yurthub runs as a unit on the node, in its mode `kubeletcertificate`: it presents the node's client
certificate to the API server. It requests its serving certificate from the cluster; the lab
checks and approves that request (`readiness.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edge_lab.artifacts import Want
from edge_lab.cluster.addresses import LOOPBACK
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import NODES_GROUP, Rule, binding_manifest, role_manifest
from edge_lab.pki import (
    CLUSTER,
    InstalledAuthority,
    InstalledCertificate,
    Request,
    RequestedCertificate,
    TrustBundle,
)
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.base import ApiEndpoint, Capability, EdgeOnly, StackContext, wants_for
from edge_lab.stacks.endpoints import api_clients, kubelet_endpoints, yurthub_endpoints
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubelet import (
    KUBELET,
    KUBELET_UNIT,
    edge_certificates,
    edge_node_requests,
    edge_trust,
    kubelet_provision,
    node_kubeconfig,
)
from edge_lab.stacks.node import IMAGES, POD_NETWORK
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Topology

YURTHUB = "yurthub"
YURTHUB_UNIT = "yurthub.service"

PROXY = "http://127.0.0.1:10261"
HEALTH = "http://127.0.0.1:10267/v1/healthz"
HUB_KUBECONFIG = "/etc/kubernetes/kubelet.conf"
"""The path in kubeletcertificate mode, which is fixed in yurthub."""
CACHE = "/etc/kubernetes/cache"
ROOT = "/var/lib/yurthub"
SERVING_CERTIFICATES = f"{ROOT}/pki/yurthub-server-"
"""Prefix of its files; `-current.pem` is a link to the current one."""
NODE_POOL = "edge"
"""The name that yurthub demands; without node pools nothing depends on it."""
POOL_FLAG = "--nodepool-name"
OTHER_FILTERS = (
    "masterservice",
    "discardcloudservice",
    "inclusterconfig",
    "nodeportisolation",
    "forwardkubesvctraffic",
    "serviceenvupdater",
)
"""yurthub's filters other than `servicetopology`. They change what pods see of the API server's
address and of Services of clouds."""
HEARTBEAT_PATIENCE = 5
"""Minimum timeout in seconds for a heartbeat, which renews the node's lease; the same as the
interval of heartbeats. yurthub's default is two, and an emulated API server is sometimes slower:
the node would be lost without any fault."""


@dataclass(frozen=True)
class OpenYurt(EdgeOnly):
    """yurthub between the kubelet and the API server.

    yurthub 1.7 serves its proxy also at port 10269 of the address in --node-ip, without
    authentication: requests without a token are forwarded with the node's certificate.
    `multiplexer_on_wire` keeps it on the node's address, as in OpenYurt's default set-up; otherwise
    it is set to loopback. Apart from that, --node-ip only determines the addresses in its serving
    certificate. See docs/findings/openyurt-yurthub-10269.md.
    """

    multiplexer_on_wire: bool = False

    name: ClassVar[str] = "openyurt"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.AUTONOMY,
            Capability.OFFLINE_REBOOT,
            Capability.EXEC,
            Capability.RUNTIME_CLASS,
        }
    )
    agents: ClassVar[tuple[str, ...]] = (YURTHUB_UNIT, KUBELET_UNIT)
    api_cache_url: ClassVar[str] = PROXY
    api_cache_unit: ClassVar[str] = YURTHUB_UNIT

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        return wants_for(KUBELET, topology.edges) + wants_for(YURTHUB, topology.edges)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return edge_node_requests(topology)

    def provision(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision:
        kubelet = kubelet_provision(
            ctx,
            node,
            kubeconfig(PROXY),
            after=(YURTHUB_UNIT,),
            labels={"openyurt.io/is-edge-worker": "true"},
        )
        return kubelet + self._hub(ctx, node, api)

    def _hub(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision:
        service = self.hub_service(ctx.topology, node, api)
        hub = GuestFile.text(HUB_KUBECONFIG, node_kubeconfig(api), 0o600)
        return service.provision(hub) + Provision(
            payload=(ctx.binary(YURTHUB, node),), folders=(ROOT, CACHE)
        )

    def hub_service(
        self, topology: Topology, node: Node, api: ApiEndpoint, pool: str = ""
    ) -> Service:
        """The unit of yurthub on `node`. With a `pool` it filters endpoints of Services by that
        node pool, which needs yurt-manager's NodeBuckets; no other filter is on."""
        heartbeat = max(1, round(topology.timing.edge_heartbeat))
        filters: tuple[str, ...] = ("--enable-resource-filter=false",)
        if pool:
            filters = (
                "--enable-pool-service-topology=true",
                f"--disabled-resource-filters={','.join(OTHER_FILTERS)}",
            )
        return Service(
            name=YURTHUB,
            description="OpenYurt yurthub",
            command=(
                str(PAYLOAD_MOUNT / "bin/yurthub"),
                f"--node-name={node.name}",
                f"{POOL_FLAG}={pool or NODE_POOL}",
                f"--node-ip={self.multiplexer_address(topology, node)}",
                f"--server-addr={api.url}",
                "--bootstrap-mode=kubeletcertificate",
                "--bind-address=127.0.0.1",
                "--working-mode=edge",
                "--namespace=kube-system",
                f"--root-dir={ROOT}",
                f"--disk-cache-path={CACHE}/",
                f"--heartbeat-interval-seconds={heartbeat}",
                f"--heartbeat-timeout-seconds={max(HEARTBEAT_PATIENCE, heartbeat)}",
                "--enable-dummy-if=false",
                # Of the two ways to know the nodes of a pool, the deprecated one.
                "--enable-node-pool=false",
                *filters,
            ),
            mounts=(str(PAYLOAD_MOUNT),),
            oom_score_adjust=-998,
        )

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        return (
            *kubelet_endpoints(topology.edges),
            *yurthub_endpoints(topology.edges, multiplexer_on_wire=self.multiplexer_on_wire),
        )

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        return api_clients(topology, YURTHUB_UNIT)

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """yurthub presents the node's certificate, also on behalf of the kubelet."""
        return edge_certificates(topology, YURTHUB_UNIT)

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        """Trust bundle of yurthub for the API server, and of the kubelet for its clients."""
        return edge_trust(topology, (YURTHUB_UNIT, KUBELET_UNIT))

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        return ()

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return ()

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        """The serving certificate of yurthub's ports 10268 and 10269."""
        return tuple(
            RequestedCertificate(node.name, CLUSTER, f"{SERVING_CERTIFICATES}*", YURTHUB_UNIT)
            for node in topology.edges
        )

    def multiplexer_address(self, topology: Topology, node: Node) -> str:
        """The address of yurthub's port 10269."""
        address = topology.cluster_link(node.name).address
        return str(address if self.multiplexer_on_wire else LOOPBACK)

    def units(self) -> tuple[str, ...]:
        return (IMAGES + ".service", POD_NETWORK + ".service", YURTHUB_UNIT, KUBELET_UNIT)

    def node_rules(self) -> tuple[Rule, ...]:
        """What yurthub reads with the certificate of its node."""
        return (
            {
                "apiGroups": [""],
                "resources": ["services", "endpoints"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["list", "watch"],
            },
            {
                "apiGroups": ["apps.openyurt.io"],
                "resources": ["nodepools"],
                "verbs": ["list", "watch"],
            },
        )

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        role = "yurt-hub"
        return (
            role_manifest(role, self.node_rules()),
            # No leases, which OpenYurt's chart grants: the Node authorizer permits a node its own.
            binding_manifest(role, role, [NODES_GROUP]),
            # Only its own ConfigMaps. OpenYurt's chart permits those of all namespaces.
            role_manifest(
                role,
                [
                    {
                        "apiGroups": [""],
                        "resources": ["configmaps"],
                        "verbs": ["get", "list", "watch"],
                    },
                ],
                namespace="kube-system",
            ),
            binding_manifest(role, role, [NODES_GROUP], namespace="kube-system"),
        )
