"""Control plane `k3s`: K3s' server, one process for all that `kubernetes` has four for.

It has not been seen running yet. Its tests look at what it is told, and systemd at its unit;
what it is told follows its documentation and source.

The lab's authority is put in as K3s' own before the first start (docs.k3s.io, "Using custom
CA certificates"). K3s signs what it needs with it, so that nodes with the lab's certificates
and the lab's admin are let in as by the other control plane.
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
"""What K3s would deploy into the cluster: memory that a 2 GiB machine lacks, images that no
node may pull, and nothing that a suite asks for."""

MEMORY_MIB = 1100
"""Soft limit of its Go heap; as much as the parts of `kubernetes` have together."""


@dataclass(frozen=True)
class K3s:
    """The server, with its own node agent, on Debian's containerd or (`embedded`) on K3s' own."""

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
        # All others are made by K3s itself, with the lab's authority.
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
        # The lab's own bridge and routes are the pod network.
        "flannel-backend": "none",
        "disable-network-policy": True,
        # As with the other control plane, nothing answers on services' addresses.
        "disable-kube-proxy": True,
        "disable": list(PACKAGED),
        "disable-helm-controller": True,
        "disable-cloud-controller": True,
        # The API server calls kubelets itself: not all of them have a K3s agent's tunnel.
        "egress-selector-mode": "disabled",
        "kube-apiserver-arg": api_server_arguments(ctx.topology),
        "kube-controller-manager-arg": controller_manager_arguments(ctx.topology),
    }


def api_server_arguments(topology: Topology) -> list[str]:
    """What K3s does not set by itself, as in `edge_lab.stacks.kubernetes`."""
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
    """The topology's timing; pod networks are the lab's, not the cluster's to give."""
    timing = topology.timing
    return [
        f"node-monitor-period={go_duration(timing.node_monitor_period)}",
        f"node-monitor-grace-period={go_duration(timing.node_monitor_grace)}",
        "allocate-node-cidrs=false",
    ]


def authorities(ctx: StackContext) -> tuple[GuestFile, ...]:
    """The lab's authority under every name of K3s', and the key of service accounts."""
    names = ("server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca")
    authority = ctx.pki.authority(CLUSTER).identity
    return (
        *(GuestFile(f"{TLS}/{name}.crt", authority.certificate_pem) for name in names),
        *(GuestFile(f"{TLS}/{name}.key", authority.key_pem, 0o600) for name in names),
        GuestFile(f"{TLS}/service.key", ctx.pki.signing_key(CLUSTER, SERVICE_ACCOUNT), 0o600),
    )
