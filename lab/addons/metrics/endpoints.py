"""The ports of receiver, exporters and senders."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.metrics.identities import METRICS_DOMAIN, receiver_spec, sender_spec
from edge_lab.addons.metrics.names import EXPORTER, EXPORTER_ADDRESS, RECEIVER, RECEIVER_PORT
from edge_lab.addons.metrics.senders import Sender
from edge_lab.core.ports import port_of
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.probes.expected import MUTUAL_TLS
from edge_lab.probes.request import Request
from edge_lab.topology import Topology


def metrics_endpoints(topology: Topology) -> Iterable[Endpoint]:
    """Ports of receiver and exporters."""
    yield Endpoint(
        name=RECEIVER,
        node=topology.server.name,
        port=RECEIVER_PORT,
        speaks=Speaks.HTTPS,
        purpose="samples that senders write, and queries",
        admits="who has a certificate of the metrics' own authority; it is not asked for which "
        "node it writes, nor whether it writes or reads",
        policy=MUTUAL_TLS,
        domain=METRICS_DOMAIN,
        right=sender_spec("{client}"),
        request=Request("/-/ready"),
    )
    for node in topology.edges:
        yield plain_on_loopback(
            EXPORTER, node.name, port_of(EXPORTER_ADDRESS), "/healthz", "samples for senders"
        )


def sender_endpoints(topology: Topology, sender: Sender) -> tuple[Endpoint, ...]:
    """Ports of one sender on each edge node."""
    return tuple(
        plain_on_loopback(
            sender.service_name, node.name, sender.port, sender.health, "metrics of the sender"
        )
        for node in topology.edges
    )


def receiver_clients(topology: Topology, sender: Sender) -> tuple[CloudClient, ...]:
    """One sender on each edge node, which must refuse a false receiver."""
    address = str(topology.cluster_link(topology.server.name).address)
    return tuple(
        CloudClient(
            name=f"{sender.service_name} to receiver",
            node=node.name,
            unit=sender.unit,
            address=address,
            port=RECEIVER_PORT,
            purpose="samples",
            server=receiver_spec(address),
            domain=METRICS_DOMAIN,
        )
        for node in topology.edges
    )
