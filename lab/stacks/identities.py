"""The identities that control planes and edge runtimes request for the parts of a cluster."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.cluster.addresses import API_SERVICE_IP, LOOPBACK
from edge_lab.core.errors import LabError
from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    Identity,
    IdentityRequest,
    Pki,
    Request,
    SigningKeyRequest,
    Usage,
)
from edge_lab.topology import Node, Topology

ADMIN = "admin"
"""Group system:masters, with all permissions. Only for the host."""
API_SERVER = "apiserver"
"""The serving certificate of the API server."""
API_SERVER_KUBELET_CLIENT = "apiserver-kubelet-client"
"""The client certificate of the API server for kubelets (logs, exec)."""
CONTROLLER_MANAGER, SCHEDULER = "controller-manager", "scheduler"
SERVICE_ACCOUNT = "service-account"
"""The key pair of service account tokens."""

KUBELET_CLIENT_USER = "edge-lab:apiserver-kubelet-client"


def admin_requests() -> tuple[Request, ...]:
    """The host's administrator, together with the cluster's authority."""
    return (
        IdentityRequest(CLUSTER, ADMIN, CertificateSpec("edge-lab:admin", ("system:masters",))),
        SigningKeyRequest(CLUSTER, SERVICE_ACCOUNT),
    )


def control_plane_requests(topology: Topology) -> tuple[Request, ...]:
    """For API server, controller manager and scheduler as separate programs."""
    specs = {
        API_SERVER: api_server_spec(topology),
        API_SERVER_KUBELET_CLIENT: CertificateSpec(KUBELET_CLIENT_USER),
        CONTROLLER_MANAGER: control_plane_spec("system:kube-controller-manager"),
        SCHEDULER: control_plane_spec("system:kube-scheduler"),
    }
    return tuple(IdentityRequest(CLUSTER, name, spec) for name, spec in specs.items())


def node_requests(topology: Topology, node: Node) -> tuple[Request, ...]:
    """Client and serving certificate of the kubelet on `node`."""
    return (
        IdentityRequest(CLUSTER, f"node-{node.name}", node_client_spec(node.name)),
        IdentityRequest(CLUSTER, f"kubelet-{node.name}", kubelet_server_spec(topology, node)),
    )


def request_named(requests: Iterable[Request], name: str) -> IdentityRequest:
    """The request of that name for a certificate of the cluster; LabError if there is none."""
    for request in requests:
        if isinstance(request, IdentityRequest) and (request.domain, request.name) == (
            CLUSTER,
            name,
        ):
            return request
    raise LabError(f"the identity {name!r} was not requested")


def node_client(pki: Pki, node: str) -> Identity:
    """The client certificate of the node for the API server, as system:node:<node>."""
    return pki.identity(CLUSTER, f"node-{node}")


def kubelet_server(pki: Pki, node: str) -> Identity:
    """The serving certificate of the node's kubelet."""
    return pki.identity(CLUSTER, f"kubelet-{node}")


# -- Content of the certificates ---------------------------------------------------------


def api_server_spec(topology: Topology) -> CertificateSpec:
    """Serving certificate of the API server, with all its names and addresses."""
    server = topology.server.name
    return CertificateSpec(
        common_name="kube-apiserver",
        dns_names=(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            server,
        ),
        addresses=(
            API_SERVICE_IP,
            LOOPBACK,
            *(link.address for link in topology.links_of(server)),
        ),
        usages=(Usage.SERVER,),
    )


def control_plane_spec(user: str) -> CertificateSpec:
    """Client certificate of a program beside the API server, also used to serve its health."""
    return CertificateSpec(
        user,
        dns_names=("localhost",),
        addresses=(LOOPBACK,),
        usages=(Usage.CLIENT, Usage.SERVER),
    )


def node_client_spec(node: str) -> CertificateSpec:
    """Client certificate of a node, as the Node authorizer requires it."""
    return CertificateSpec(f"system:node:{node}", ("system:nodes",))


def kubelet_server_spec(topology: Topology, node: Node) -> CertificateSpec:
    """Serving certificate of a kubelet: the node's name and its address on the cluster network."""
    return CertificateSpec(
        common_name=f"system:node:{node.name}",
        organizations=("system:nodes",),
        dns_names=(node.name,),
        addresses=(topology.cluster_link(node.name).address, LOOPBACK),
        usages=(Usage.SERVER,),
    )
