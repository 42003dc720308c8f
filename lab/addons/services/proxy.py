"""kube-proxy of one node: its configuration, its unit, and the route that the node itself needs."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.services.names import KUBE_PROXY
from edge_lab.cluster.addresses import SERVICE_SUBNET
from edge_lab.core.yamltext import yaml_text
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Topology

HOME = f"/var/lib/{KUBE_PROXY}"
CONFIG, KUBECONFIG = f"{HOME}/config.yaml", f"{HOME}/kubeconfig"
HEALTH, METRICS = "127.0.0.1:10256", "127.0.0.1:10249"

ROUTE_LINK = "services0"
SERVICE_ROUTE = (
    # It exists already when kube-proxy restarts.
    ("-/usr/bin/ip", "link", "add", ROUTE_LINK, "type", "dummy"),
    ("/usr/bin/ip", "link", "set", ROUTE_LINK, "up"),
    ("/usr/bin/ip", "route", "replace", str(SERVICE_SUBNET), "dev", ROUTE_LINK),
)
"""Commands that give the node a route to the ClusterIPs, over a dummy link.

Nodes have no default route, and without a route the kernel returns "unreachable" before a rule sees
the packet: to the node's programs, and to pods that use a Service without endpoints. Not over an
uplink, which may be down, nor lo, where a rejection does not reach the program. kube-proxy replaces
the source address of the packets anyway.
"""

MEMORY_MIB = 96
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def proxy_config(topology: Topology, node: Node) -> str:
    """The KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1) of `node`, as YAML."""
    config: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": KUBECONFIG},
        "hostnameOverride": node.name,
        # Otherwise it waits half a minute for a Node object that does not exist yet, and then
        # uses 127.0.0.1 as the node's address.
        "bindAddress": str(topology.cluster_link(node.name).address),
        "healthzBindAddress": HEALTH,
        "metricsBindAddress": METRICS,
        # Packets from pods keep their address: each node has a route to every other's pods.
        "detectLocalMode": "ClusterCIDR",
        "clusterCIDR": str(topology.pod_subnet),
        # Keeps the kernel's limits, which depend on the machine's memory. To set others it needs
        # nf_conntrack before any rule has loaded it, and exits otherwise.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return yaml_text(config)


def proxy_service(after: tuple[str, ...]) -> Service:
    """The unit, with the route to Services that the node itself needs."""
    return Service(
        name=KUBE_PROXY,
        description="Kubernetes kube-proxy",
        command=(str(PAYLOAD_MOUNT / "bin" / KUBE_PROXY), f"--config={CONFIG}"),
        after=after,
        wants=after,
        before_start=SERVICE_ROUTE,
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
        oom_score_adjust=-998,
    )


def proxy_provision(
    topology: Topology, node: Node, kubeconfig_text: str, after: tuple[str, ...]
) -> Provision:
    """Unit and files; the caller adds the program."""
    return proxy_service(after).provision(
        GuestFile.text(CONFIG, proxy_config(topology, node)),
        GuestFile.text(KUBECONFIG, kubeconfig_text, 0o600),
    )
