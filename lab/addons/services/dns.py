"""CoreDNS of one node: its Corefile and its unit."""

from __future__ import annotations

from ipaddress import IPv4Address

from edge_lab.addons.services.names import CLUSTER_DOMAIN, COREDNS, DNS_PORT
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Topology

HOME = f"/var/lib/{COREDNS}"
COREFILE, KUBECONFIG = f"{HOME}/Corefile", f"{HOME}/kubeconfig"
READY, HEALTH, METRICS = "127.0.0.1:8181", "127.0.0.1:8182", "127.0.0.1:9153"

REVERSE_ZONES = ("in-addr.arpa", "ip6.arpa")
CACHE_SECONDS = 5
"""As long as the records of Services live anyway."""
MEMORY_MIB = 64
"""Soft limit of its Go heap: above it the collector works harder."""
NO_WATCH_LISTS = {"KUBE_FEATURE_WatchListClient": "false"}
"""To list first and watch then, as Kubernetes up to 1.34 does. A watch that is to begin with all
objects, client-go's default since 1.35, gets no answer from a cache such as yurthub's 1.7 while
the API server is out of reach."""


def corefile(topology: Topology, node: Node) -> str:
    """What it answers: Services, then the lab's own names; all else does not exist.

    By three server blocks, of which the one with the longest zone takes a query. There is nobody
    to forward to, and a name that nobody knows shall be a quick "no" (NXDOMAIN): for REFUSED or
    SERVFAIL, pods ask again and again.
    """
    bind = f"    bind {topology.cluster_link(node.name).address}"
    cluster_zones = (CLUSTER_DOMAIN, *REVERSE_ZONES)
    node_names = (host.name for host in topology.nodes)
    device_names = (device.name for device in topology.devices)
    lab_names = sorted({*node_names, *device_names})
    blocks = (
        (
            cluster_zones,
            (
                "errors",
                f"ready {READY}",
                f"health {HEALTH}",
                f"prometheus {METRICS}",
                f"kubernetes {' '.join(cluster_zones)} {{",
                f"    kubeconfig {KUBECONFIG}",
                "    pods insecure",
                "}",
                f"cache {CACHE_SECONDS}",
                "loadbalance",
            ),
        ),
        (lab_names, ("errors", "hosts /etc/hosts")),
        ((".",), ("errors", "template ANY ANY . {", "    rcode NXDOMAIN", "}")),
    )
    return "\n".join(
        "\n".join(
            (
                " ".join(f"{zone}:{DNS_PORT}" for zone in zones) + " {",
                bind,
                *(f"    {line}" for line in lines),
                "}",
                "",
            )
        )
        for zones, lines in blocks
    )


def dns_service(after: tuple[str, ...]) -> Service:
    """The unit. The program's name is what a cache knows it by: `coredns`, before the slash."""
    return Service(
        name=COREDNS,
        description="CoreDNS: names of Services",
        command=(str(PAYLOAD_MOUNT / "bin" / COREDNS), "-conf", COREFILE),
        after=after,
        wants=after,
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB", **NO_WATCH_LISTS},
        mounts=(str(PAYLOAD_MOUNT),),
        oom_score_adjust=-998,
    )


def dns_provision(
    topology: Topology, node: Node, kubeconfig_text: str, after: tuple[str, ...]
) -> Provision:
    """Unit and files; the program is the caller's to add."""
    return dns_service(after).provision(
        GuestFile.text(COREFILE, corefile(topology, node)),
        GuestFile.text(KUBECONFIG, kubeconfig_text, 0o600),
    )


def dns_endpoint(topology: Topology, node: Node) -> IPv4Address:
    """Where the CoreDNS of `node` listens: an address that the node has without a network, too."""
    return topology.cluster_link(node.name).address
