"""The add-on `metrics`: numbered samples on edge nodes, and a receiver that stores them."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext
from edge_lab.addons.metrics.endpoints import metrics_endpoints
from edge_lab.addons.metrics.exporter import exporter_provision
from edge_lab.addons.metrics.identities import keys_provision, metrics_requests
from edge_lab.addons.metrics.names import EXPORTER, METRICS, PROMETHEUS_PROGRAM, RECEIVER, unit
from edge_lab.addons.metrics.place import place_of
from edge_lab.addons.metrics.receiver import receiver_provision
from edge_lab.addons.metrics.senders import SENDERS, senders_of
from edge_lab.images import DebianProgram
from edge_lab.pki import Request
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.topology import Node, Topology, TopologyProblem


class Metrics(AddOn):
    """An exporter on each edge node, and the receiver on the server. Senders are other add-ons."""

    name: ClassVar[str] = METRICS
    declares: ClassVar[frozenset[str]] = frozenset({METRICS})

    def check(self, topology: Topology) -> None:
        if not senders_of(topology):
            names = ", ".join(sender.addon for sender in SENDERS.values())
            raise TopologyProblem(
                "nothing carries metrics to the cloud",
                ("addons", topology.addons.index(METRICS)),
                f"Add one or more of {names} to `addons`.",
            )

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return (PROMETHEUS_PROGRAM,)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return metrics_requests(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        topology = ctx.topology
        on_server = node.name == topology.server.name
        return Provision.total(
            (
                keys_provision(node, ctx.given.pki),
                Provision(payload=ctx.program(PROMETHEUS_PROGRAM, node))
                + receiver_provision(place_of(topology, node))
                if on_server
                else exporter_provision(senders_of(topology)),
            )
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (unit(RECEIVER if node.name == topology.server.name else EXPORTER),)

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return tuple(metrics_endpoints(topology))

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node in topology.edges else frozenset()
