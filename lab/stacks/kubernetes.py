"""Control plane `kubernetes`: API server, controller manager and scheduler over kine.

kine stores the cluster's state in SQLite, as in K3s. Each program is a separate unit; they start
in the order of their dependencies, so that programs that wait do not use an emulated CPU. The
server is up when all of them serve. It runs a plain kubelet, so that it accepts pods with any
edge runtime.
"""

from __future__ import annotations

from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import binding_manifest
from edge_lab.pki import (
    CLUSTER,
    InstalledAuthority,
    InstalledCertificate,
    Request,
    RequestedCertificate,
    TrustBundle,
)
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import identities as names
from edge_lab.stacks.base import API_PORT, ApiEndpoint, Capability, StackContext, kubectl_want
from edge_lab.stacks.endpoints import (
    api_server_endpoint,
    api_server_health,
    component_endpoints,
    kubelet_endpoints,
)
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubelet import KUBELET, KUBELET_UNIT, kubelet_provision, node_kubeconfig
from edge_lab.stacks.kubernetes_keys import (
    control_plane_certificates,
    control_plane_keys,
    control_plane_signers,
    control_plane_trust,
    further_control_plane_certificates,
)
from edge_lab.stacks.kubernetes_programs import (
    API_SERVER,
    API_SERVES,
    API_SERVES_UNIT,
    CONTROL_PLANE_SERVES,
    CONTROLLER_MANAGER,
    KINE,
    SCHEDULER,
    api_server,
    controller_manager,
    datastore,
    readiness,
    scheduler,
)
from edge_lab.stacks.node import IMAGES, POD_NETWORK
from edge_lab.topology import Topology


class Kubernetes:
    """The four programs on the server node."""

    name = "kubernetes"
    capabilities: frozenset[Capability] = frozenset()

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        arch = topology.server.arch
        programs = (KINE, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBELET)
        return (*(Want(program, arch) for program in programs), kubectl_want())

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return (
            *names.admin_requests(),
            *names.control_plane_requests(topology),
            *names.node_requests(topology, topology.server),
        )

    def endpoint(self, ctx: StackContext) -> ApiEndpoint:
        authority = ctx.pki.authority(CLUSTER)
        return ApiEndpoint(server_url(ctx.topology), authority.certificate_pem, API_SERVES_UNIT)

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        return kubeconfig(
            f"https://127.0.0.1:{ctx.api_host_port}",
            ca_pem=ctx.pki.authority(CLUSTER).certificate_pem,
            identity=ctx.pki.identity(CLUSTER, names.ADMIN),
        )

    def units(self) -> tuple[str, ...]:
        programs = (KINE, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, IMAGES, POD_NETWORK)
        names = (*programs, API_SERVES, CONTROL_PLANE_SERVES)
        return (*(f"{name}.service" for name in names), KUBELET_UNIT)

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        server = topology.server
        return (
            api_server_endpoint(server),
            api_server_health(server),
            *component_endpoints(server),
            *kubelet_endpoints((server,)),
        )

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return control_plane_certificates(topology)

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return further_control_plane_certificates(topology)

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        return ()

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        return control_plane_trust(topology)

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        return control_plane_signers(topology)

    def provision(self, ctx: StackContext) -> Provision:
        server = ctx.topology.server
        programs = (KINE, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)
        return Provision.total(
            (
                control_plane_keys(ctx.pki),
                datastore(),
                api_server(ctx),
                controller_manager(ctx),
                scheduler(),
                readiness(),
                kubelet_provision(
                    ctx,
                    server,
                    node_kubeconfig(self.endpoint(ctx)),
                    after=(API_SERVES_UNIT,),
                ),
                Provision(payload=tuple(ctx.binary(program, server) for program in programs)),
            )
        )

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return (
            binding_manifest(
                "edge-lab:apiserver-kubelet-client",
                "system:kubelet-api-admin",
                [names.KUBELET_CLIENT_USER],
                subject_kind="User",
            ),
        )


def server_url(topology: Topology) -> str:
    """The API server as seen by the nodes."""
    return f"https://{topology.cluster_link(topology.server.name).address}:{API_PORT}"
