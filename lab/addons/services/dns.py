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
"""The same TTL as the records of Services."""
MEMORY_MIB = 64
"""Soft limit of its Go heap (GOMEMLIMIT)."""
NO_WATCH_LISTS = {"KUBE_FEATURE_WatchListClient": "false"}
"""Use list and watch, like Kubernetes up to 1.34. A streaming list, client-go's default since 1.35,
gets no response from a cache such as yurthub 1.7 while the API server is unreachable."""


def corefile(topology: Topology, node: Node) -> str:
    """The Corefile: Services, then the lab's own names; all other names do not exist.

    A query goes to the one of three server blocks with the longest matching zone. There is no
    upstream to forward to, and unknown names must fail fast (NXDOMAIN): after REFUSED or SERVFAIL,
    pods retry repeatedly.
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
    """The unit. A cache identifies the program by its name: `coredns`, before the slash."""
    return Service(
        name=COREDNS,
        description="CoreDNS server for Service names",
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
    """Unit and files; the caller adds the program."""
    return dns_service(after).provision(
        GuestFile.text(COREFILE, corefile(topology, node)),
        GuestFile.text(KUBECONFIG, kubeconfig_text, 0o600),
    )


def dns_endpoint(topology: Topology, node: Node) -> IPv4Address:
    """The address of CoreDNS on `node`, which exists even without a network."""
    return topology.cluster_link(node.name).address
