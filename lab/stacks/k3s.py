"""Control plane `k3s`: K3s' server, a single process instead of the four of `kubernetes`.

It has not been run yet. Tests check its configuration, which follows its documentation and
source, and systemd checks its unit.

The lab's authority is installed as that of K3s before the first start (docs.k3s.io, "Using
custom CA certificates"). K3s signs its certificates with it, so that it admits nodes with the
lab's certificates and the lab's admin, like the other control plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from edge_lab.artifacts import Want
from edge_lab.cluster.addresses import SERVICE_SUBNET
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import CLUSTER, Request
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.audit import AUDIT_LOG, AUDIT_POLICY, audit_policy
from edge_lab.stacks.base import (
    API_PORT,
    ApiEndpoint,
    Capability,
    StackContext,
    go_duration,
    kubectl_want,
)
from edge_lab.stacks.endpoints import (
    api_server_endpoint,
    k3s_supervisor_endpoint,
    kubelet_endpoints,
)
from edge_lab.stacks.identities import ADMIN, SERVICE_ACCOUNT, admin_requests, api_server_spec
from edge_lab.stacks.k3s_node import AIRGAP_IMAGES, DATA, K3S, K3sNode, secret
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubernetes import server_url
from edge_lab.stacks.node import IMAGES, POD_NETWORK
from edge_lab.topology import Topology

K3S_UNIT = "k3s.service"
TLS = f"{DATA}/server/tls"

PACKAGED = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")
"""What K3s would deploy into the cluster: too much memory for a 2 GiB machine, images that nodes
cannot pull, and nothing that a suite needs."""

MEMORY_MIB = 1100
"""Soft limit of its Go heap; the sum of those of the programs of `kubernetes`."""


@dataclass(frozen=True)
class K3s:
    """The server with its node agent, on Debian's containerd or (`embedded`) on that of K3s."""

    embedded: bool = False

    why_authority_stays: ClassVar[str] = (
        "K3s keeps its authorities in its datastore too and does not start if their files differ; "
        "the lab has not tried `k3s certificate rotate-ca`, which replaces both."
    )

    @property
    def name(self) -> str:
        return "k3s"

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset()

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        arch = topology.server.arch
        images = (Want(AIRGAP_IMAGES, arch),) if self.embedded else ()
        return (Want(K3S, arch), *images, kubectl_want())

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        # K3s creates all others itself, with the lab's authority.
        return admin_requests()

    def endpoint(self, ctx: StackContext) -> ApiEndpoint:
        authority = ctx.pki.authority(CLUSTER)
        return ApiEndpoint(server_url(ctx.topology), authority.certificate_pem, K3S_UNIT)

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        return kubeconfig(
            f"https://127.0.0.1:{ctx.api_host_port}",
            ca_pem=ctx.pki.authority(CLUSTER).certificate_pem,
            identity=ctx.pki.identity(CLUSTER, ADMIN),
        )

    def units(self) -> tuple[str, ...]:
        return (f"{IMAGES}.service", f"{POD_NETWORK}.service", K3S_UNIT)

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        server = topology.server
        return (
            api_server_endpoint(server),
            k3s_supervisor_endpoint(server),
            *kubelet_endpoints((server,)),
        )

    def provision(self, ctx: StackContext) -> Provision:
        node = K3sNode(ctx.topology.server, "server", K3S, self.embedded)
        return node.provision(
            ctx,
            server_config(ctx, node),
            {"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
            *authorities(ctx),
            GuestFile.text(AUDIT_POLICY, audit_policy()),
        )

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return ()


def server_config(ctx: StackContext, node: K3sNode) -> dict[str, Any]:
    """The content of config.yaml."""
    spec = api_server_spec(ctx.topology)
    config = node.config(ctx)
    return {
        **config,
        "advertise-address": config["node-ip"],
        "https-listen-port": API_PORT,
        "tls-san": [*spec.dns_names, *map(str, spec.addresses)],
        "token": secret(ctx.pki, "server"),
        "agent-token": secret(ctx.pki, "agent"),
        "write-kubeconfig-mode": "0600",
        "cluster-cidr": str(ctx.topology.pod_subnet),
        "service-cidr": str(SERVICE_SUBNET),
        # The pod network consists of the lab's bridge and routes.
        "flannel-backend": "none",
        "disable-network-policy": True,
        # As with the other control plane, nothing answers on the addresses of services.
        "disable-kube-proxy": True,
        "disable": list(PACKAGED),
        "disable-helm-controller": True,
        "disable-cloud-controller": True,
        # The API server connects to kubelets itself: not all have the tunnel of a K3s agent.
        "egress-selector-mode": "disabled",
        "kube-apiserver-arg": api_server_arguments(ctx.topology),
        "kube-controller-manager-arg": controller_manager_arguments(ctx.topology),
    }


def api_server_arguments(topology: Topology) -> list[str]:
    """Settings that K3s does not make itself, as in `edge_lab.stacks.kubernetes`."""
    timing = topology.timing
    return [
        "kubelet-preferred-address-types=InternalIP",
        f"default-not-ready-toleration-seconds={round(timing.not_ready_toleration)}",
        f"default-unreachable-toleration-seconds={round(timing.unreachable_toleration)}",
        f"audit-policy-file={AUDIT_POLICY}",
        f"audit-log-path={AUDIT_LOG}",
        "audit-log-maxsize=10",
        "audit-log-maxbackup=1",
        "max-requests-inflight=100",
        "max-mutating-requests-inflight=50",
    ]


def controller_manager_arguments(topology: Topology) -> list[str]:
    """The topology's timing; the lab assigns pod networks, not the cluster."""
    timing = topology.timing
    return [
        f"node-monitor-period={go_duration(timing.node_monitor_period)}",
        f"node-monitor-grace-period={go_duration(timing.node_monitor_grace)}",
        "allocate-node-cidrs=false",
    ]


def authorities(ctx: StackContext) -> tuple[GuestFile, ...]:
    """The lab's authority under all names that K3s uses, and the key of service accounts."""
    names = ("server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca")
    authority = ctx.pki.authority(CLUSTER).identity
    return (
        *(GuestFile(f"{TLS}/{name}.crt", authority.certificate_pem) for name in names),
        *(GuestFile(f"{TLS}/{name}.key", authority.key_pem, 0o600) for name in names),
        GuestFile(f"{TLS}/service.key", ctx.pki.signing_key(CLUSTER, SERVICE_ACCOUNT), 0o600),
    )
