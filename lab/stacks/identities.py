"""The identities of a cluster's own parts: what control planes and edge runtimes request."""

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
"""Group system:masters: may do everything. For the host alone."""
API_SERVER = "apiserver"
"""What the API server shows to its clients."""
API_SERVER_KUBELET_CLIENT = "apiserver-kubelet-client"
"""What the API server shows to kubelets (logs, exec)."""
CONTROLLER_MANAGER, SCHEDULER = "controller-manager", "scheduler"
SERVICE_ACCOUNT = "service-account"
"""The key pair of service account tokens."""

KUBELET_CLIENT_USER = "edge-lab:apiserver-kubelet-client"


def admin_requests() -> tuple[Request, ...]:
    """The host's administrator, and the authority of the cluster with it."""
    return (
        IdentityRequest(CLUSTER, ADMIN, CertificateSpec("edge-lab:admin", ("system:masters",))),
        SigningKeyRequest(CLUSTER, SERVICE_ACCOUNT),
    )


def control_plane_requests(topology: Topology) -> tuple[Request, ...]:
    """API server, controller manager and scheduler as programs of their own."""
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
    """The request of that name for a certificate of the cluster; LabError if nobody made it."""
    for request in requests:
        if isinstance(request, IdentityRequest) and (request.domain, request.name) == (
            CLUSTER,
            name,
        ):
            return request
    raise LabError(f"nobody has requested the identity {name!r}")


def node_client(pki: Pki, node: str) -> Identity:
    """What the node shows to the API server, as system:node:<node>."""
    return pki.identity(CLUSTER, f"node-{node}")


def kubelet_server(pki: Pki, node: str) -> Identity:
    """What the node's kubelet shows to the API server that calls it."""
    return pki.identity(CLUSTER, f"kubelet-{node}")


# -- what stands in each certificate -----------------------------------------------------


def api_server_spec(topology: Topology) -> CertificateSpec:
    """Serving certificate of the API server: all names and addresses it is called by."""
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
    """What a program beside the API server shows to it, and to who asks it how it is."""
    return CertificateSpec(
        user,
        dns_names=("localhost",),
        addresses=(LOOPBACK,),
        usages=(Usage.CLIENT, Usage.SERVER),
    )


def node_client_spec(node: str) -> CertificateSpec:
    """Client certificate of a node, as the Node authorizer wants it."""
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
