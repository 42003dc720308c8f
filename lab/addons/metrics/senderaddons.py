"""The add-ons `metrics-…`, one for each sender, which runs on each edge node."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster
from edge_lab.addons.metrics.endpoints import receiver_clients, sender_endpoints
from edge_lab.addons.metrics.names import EXPORTER, METRICS, SCRAPES, unit
from edge_lab.addons.metrics.place import place_of
from edge_lab.addons.metrics.records import selector
from edge_lab.addons.metrics.senders import AGENT, PROMETHEUS, VMAGENT, Sender
from edge_lab.addons.metrics.view import receiver_view
from edge_lab.core.errors import LabError
from edge_lab.images import DebianProgram
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack
from edge_lab.topology import Node, Topology

FRESH_SECONDS = 20.0
"""Maximum age of the newest sample in the cloud when a lab is ready."""
ASK_SECONDS = 60.0
"""Seconds for one query to the receiver."""


class SenderAddOn(AddOn):
    """One sender on each edge node."""

    sender: ClassVar[Sender]
    needs_addons: ClassVar[tuple[str, ...]] = (METRICS,)

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return (self.sender.program,)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if node not in ctx.topology.edges:
            return Provision()
        place = place_of(ctx.topology, node)
        return Provision(payload=ctx.program(self.sender.program, node)) + self.sender.service(
            place, (unit(EXPORTER),)
        ).provision(GuestFile.text(place.config(self.sender.name), self.sender.config(place)))

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (self.sender.unit,) if node in topology.edges else ()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return sender_endpoints(topology, self.sender)

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        return receiver_clients(topology, self.sender)

    def wait_ready(self, cluster: Cluster) -> None:
        """Waits until the receiver has samples of each node that are newer than the start of the
        wait."""
        server = cluster.access.machines[cluster.topology.server.name]
        view = receiver_view(cluster.topology)
        for node in cluster.topology.edges:
            query = f"time() - timestamp({selector(SCRAPES, node.name, self.sender.name)})"

            def fresh(query: str = query) -> bool:
                answers = view.query(server, query, cluster.deadline.within(ASK_SECONDS))
                return any(value < FRESH_SECONDS for one in answers for _, value in one.samples)

            cluster.deadline.wait_for(
                f"samples of {node.name} by {self.sender.title}",
                fresh,
                every=2.0,
                transient=(LabError,),
                watch=cluster.access.watch,
            )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node in topology.edges else frozenset()


class MetricsAgent(SenderAddOn):
    name: ClassVar[str] = AGENT.addon
    sender: ClassVar[Sender] = AGENT
    declares: ClassVar[frozenset[str]] = frozenset({AGENT.addon})


class MetricsPrometheus(SenderAddOn):
    name: ClassVar[str] = PROMETHEUS.addon
    sender: ClassVar[Sender] = PROMETHEUS
    declares: ClassVar[frozenset[str]] = frozenset({PROMETHEUS.addon})


class MetricsVmagent(SenderAddOn):
    name: ClassVar[str] = VMAGENT.addon
    sender: ClassVar[Sender] = VMAGENT
    declares: ClassVar[frozenset[str]] = frozenset({VMAGENT.addon})
