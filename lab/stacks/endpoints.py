"""The ports of control planes and edge runtimes: who is admitted, and how others are refused.

By source: k8s.io/apiserver pkg/server/secure_serving.go and pkg/authentication/request, and
k8s.io/kubernetes pkg/kubelet/server/server.go (1.34); openyurt pkg/yurthub (1.7); kubeedge
cloud/pkg/cloudhub (1.23); K3s pkg/server (1.34).
"""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.pki import CLUSTER, CertificateSpec, TrustDomain, Usage
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks, plain_on_loopback
from edge_lab.probes.expected import (
    ANYONE_BY_TLS,
    MUTUAL_TLS,
    VERIFIED_BY_HTTP,
    let_in,
    loopback,
    status,
)
from edge_lab.probes.request import Request
from edge_lab.stacks.base import API_PORT
from edge_lab.stacks.identities import KUBELET_CLIENT_USER, api_server_spec, node_client_spec
from edge_lab.topology import Node, Topology

NODE_CLIENT = node_client_spec("{client}")

API_POLICY = VERIFIED_BY_HTTP.but(
    # Anonymous requests are admitted as system:anonymous, which may only read health and version; a
    # wrong certificate or token is an error on every path.
    none=status(403),
    other_node=status(403),
)
"""kube-apiserver with anonymous requests enabled, and the Node authorizer."""

KUBELET_POLICY = VERIFIED_BY_HTTP.but(wrong_name=status(403), other_node=status(403))

JOIN_ENDPOINT = "cloudcore-join"
KUBEEDGE_DOMAIN = TrustDomain("kubeedge", "KubeEdge")
"""The authority that cloudcore creates; the lab reads it from the cluster."""

CONTROLLER_MANAGER_PORT, SCHEDULER_PORT = 10257, 10259
KUBELET_PORT, KUBELET_HEALTH_PORT = 10250, 10248


def api_server_endpoint(node: Node) -> Endpoint:
    return Endpoint(
        name="kube-apiserver",
        node=node.name,
        port=API_PORT,
        speaks=Speaks.HTTPS,
        purpose="Kubernetes API",
        admits="clients with a certificate of the cluster's authority or a token, as far as RBAC "
        "and the Node authorizer allow; anyone for /readyz, /livez, /healthz, /version",
        policy=API_POLICY,
        right=NODE_CLIENT,
        # A node's own pods: only the Node authorizer decides that. Other clients may read Node
        # objects and leases, if a stack or an add-on needs them.
        request=Request("/api/v1/pods?fieldSelector=spec.nodeName%3D{client}", confidential=True),
    )


def api_server_health(node: Node) -> Endpoint:
    """The same port, on a path that admits everyone except clients with wrong credentials."""
    return Endpoint(
        name="kube-apiserver-readyz",
        node=node.name,
        port=API_PORT,
        speaks=Speaks.HTTPS,
        purpose="the API server's health",
        admits="anyone, except clients with a wrong certificate",
        policy=VERIFIED_BY_HTTP.but("health for anyone", none=let_in(200), wrong_name=let_in(200)),
        right=NODE_CLIENT,
        request=Request("/readyz?exclude=etcd&exclude=etcd-readiness"),
    )


def component_endpoints(node: Node) -> tuple[Endpoint, ...]:
    """Controller manager and scheduler, which listen on loopback only."""
    return tuple(
        Endpoint(
            name=name,
            node=node.name,
            port=port,
            speaks=Speaks.HTTPS,
            purpose="health",
            admits=f"anyone on the node, for {what}",
            policy=loopback(ANYONE_BY_TLS),
            reach=Reach.LOOPBACK,
            request=Request("/healthz"),
        )
        for name, port, what in (
            ("kube-controller-manager", CONTROLLER_MANAGER_PORT, "/healthz"),
            ("kube-scheduler", SCHEDULER_PORT, "/healthz and /metrics"),
        )
    )


def kubelet_endpoints(nodes: Iterable[Node]) -> tuple[Endpoint, ...]:
    """The kubelet's API on the network, and its health on loopback. Its read-only port is disabled:
    an open one is reported as undeclared."""
    return tuple(
        endpoint
        for node in nodes
        for endpoint in (
            Endpoint(
                name="kubelet",
                node=node.name,
                port=KUBELET_PORT,
                speaks=Speaks.HTTPS,
                purpose="pods, logs and exec of the node",
                admits="the API server, as a user with permission for nodes/proxy",
                policy=KUBELET_POLICY,
                right=CertificateSpec(KUBELET_CLIENT_USER),
                request=Request("/pods", confidential=True),
            ),
            plain_on_loopback(
                "kubelet-health",
                node.name,
                KUBELET_HEALTH_PORT,
                "/healthz",
                "the kubelet's health",
            ),
        )
    )


# -- OpenYurt --------------------------------------------------------------------------------

HUB_PORT, HUB_PROXY_PORT, HUB_SECURE_PORT, HUB_MULTIPLEXER_PORT = 10267, 10261, 10268, 10269


def yurthub_endpoints(nodes: Iterable[Node], *, multiplexer_on_wire: bool) -> tuple[Endpoint, ...]:
    """yurthub's four ports. Clients of the last three act as the node, so they are only for the
    node itself; with `multiplexer_on_wire` yurthub opens the last one to the network."""
    return tuple(
        endpoint for node in nodes for endpoint in _yurthub_endpoints(node, multiplexer_on_wire)
    )


def _yurthub_endpoints(node: Node, multiplexer_on_wire: bool) -> Iterable[Endpoint]:
    own_node = Request(f"/api/v1/nodes/{node.name}")
    yield plain_on_loopback(
        "yurthub",
        node.name,
        HUB_PORT,
        "/v1/healthz",
        "health, metrics, pods; join token, image upgrade",
    )
    yield plain_on_loopback(
        "yurthub-proxy",
        node.name,
        HUB_PROXY_PORT,
        own_node.path,
        "the API server, with the node's certificate",
    )
    secure = ("yurthub-secure", HUB_SECURE_PORT), ("yurthub-multiplexer", HUB_MULTIPLEXER_PORT)
    for name, port in secure:
        exposed = multiplexer_on_wire and port == HUB_MULTIPLEXER_PORT
        yield Endpoint(
            name=name,
            node=node.name,
            port=port,
            speaks=Speaks.HTTPS,
            purpose="the API server, with the node's certificate",
            admits="other nodes of the cluster" if exposed else "anyone on the node, as the node",
            # On the network it must authenticate clients; it does not, which is a known failure.
            policy=VERIFIED_BY_HTTP if exposed else loopback(ANYONE_BY_TLS),
            reach=Reach.WIRE if exposed else Reach.LOOPBACK,
            right=NODE_CLIENT,
            request=own_node,
        )


# -- KubeEdge --------------------------------------------------------------------------------

EDGED_PORT = 10350


def cloudcore_endpoints(node: Node, *, hub: int, join: int) -> tuple[Endpoint, ...]:
    """cloudcore's hub, and the port where nodes join; its stream (10003, 10004) is disabled."""
    return (
        Endpoint(
            name="cloudcore-hub",
            node=node.name,
            port=hub,
            speaks=Speaks.TLS,
            purpose="messages of edge nodes, over a WebSocket",
            admits="edge nodes with a certificate of cloudcore's authority",
            policy=MUTUAL_TLS,
            domain=KUBEEDGE_DOMAIN,
            right=NODE_CLIENT,
            # With a WebSocket request, cloudcore would consider the node connected.
            request=None,
        ),
        Endpoint(
            name=JOIN_ENDPOINT,
            node=node.name,
            port=join,
            speaks=Speaks.HTTPS,
            purpose="certificates for edge nodes",
            admits="clients with a join token, or with the node's certificate",
            policy=VERIFIED_BY_HTTP.but(
                right=None,
                # Its subject has no organization either: see kubeedge_join.
                wrong_name=None,
                weak_key=None,
                stolen_ticket=None,
                server_certificate=None,
                sha1_signature=None,
            ),
            domain=KUBEEDGE_DOMAIN,
            right=NODE_CLIENT,
            request=Request("/edge.crt", confidential=True),
        ),
        Endpoint(
            name="cloudcore-ca",
            node=node.name,
            port=join,
            speaks=Speaks.HTTPS,
            purpose="cloudcore's CA certificate, for nodes that join",
            admits="anyone",
            policy=ANYONE_BY_TLS,
            domain=KUBEEDGE_DOMAIN,
            request=Request("/ca.crt"),
        ),
    )


def hub_clients(topology: Topology, unit: str, port: int) -> tuple[CloudClient, ...]:
    """`unit` of each edge node as a client of cloudcore's hub."""
    server = topology.server.name
    address = topology.cluster_link(server).address
    return _clients(
        topology,
        unit,
        "cloudcore",
        port=port,
        purpose="messages to the node, and its reports",
        server=CertificateSpec(
            "cloudcore", dns_names=(server,), addresses=(address,), usages=(Usage.SERVER,)
        ),
        domain=KUBEEDGE_DOMAIN,
    )


def edgecore_endpoints(nodes: Iterable[Node]) -> tuple[Endpoint, ...]:
    """edgecore's kubelet API, read-only."""
    return tuple(
        plain_on_loopback(
            "edgecore", node.name, EDGED_PORT, "/healthz", "pods and health of the node, read-only"
        )
        for node in nodes
    )


# -- K3s -------------------------------------------------------------------------------------


def k3s_supervisor_endpoint(node: Node) -> Endpoint:
    """The same port as the API server's: certificates and configuration for agents."""
    return Endpoint(
        name="k3s-supervisor",
        node=node.name,
        port=API_PORT,
        speaks=Speaks.HTTPS,
        purpose="K3s' supervisor: configuration for agents",
        admits="clients with the agents' token, or with a node's certificate",
        policy=VERIFIED_BY_HTTP.but(wrong_name=status(403)),
        right=NODE_CLIENT,
        request=Request("/v1-k3s/config", confidential=True),
    )


def api_clients(topology: Topology, unit: str) -> tuple[CloudClient, ...]:
    """`unit` of each edge node as a client of the API server."""
    return _clients(
        topology,
        unit,
        "kube-apiserver",
        port=API_PORT,
        purpose="the node's objects and leases",
        server=api_server_spec(topology),
        domain=CLUSTER,
    )


def _clients(
    topology: Topology,
    unit: str,
    whom: str,
    *,
    port: int,
    purpose: str,
    server: CertificateSpec,
    domain: TrustDomain,
) -> tuple[CloudClient, ...]:
    """`unit` of each edge node as a client of the server node."""
    return tuple(
        CloudClient(
            name=f"{unit.removesuffix('.service')} to {whom}",
            node=node.name,
            unit=unit,
            address=str(topology.cluster_link(topology.server.name).address),
            port=port,
            purpose=purpose,
            server=server,
            domain=domain,
        )
        for node in topology.edges
    )
