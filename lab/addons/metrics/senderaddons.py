"""The add-ons `metrics-…`, one for each sender, which runs on each edge node."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster
from edge_lab.addons.guestprogram import guest_program
from edge_lab.addons.metrics import guest
from edge_lab.addons.metrics.endpoints import receiver_clients, sender_endpoints
from edge_lab.addons.metrics.identities import METRICS_DOMAIN, sidecar_spec
from edge_lab.addons.metrics.names import (
    BLOCKS,
    EXPORTER,
    METRICS,
    SCRAPES,
    SIDECAR,
    SIDECAR_PORT,
    THANOS,
    VERSITYGW,
    unit,
)
from edge_lab.addons.metrics.place import place_of
from edge_lab.addons.metrics.records import selector
from edge_lab.addons.metrics.senders import AGENT, PROMETHEUS, SIDECAR_SENDER, VMAGENT, Sender
from edge_lab.addons.metrics.thanos import (
    SECRET_REQUEST,
    credentials,
    endpoints_config,
    objects_config,
    secret_key,
    server_services,
    sidecar_files,
    sidecar_service,
)
from edge_lab.addons.metrics.thanosendpoints import sidecar_clients, thanos_endpoints
from edge_lab.addons.metrics.view import sender_view
from edge_lab.artifacts import Want
from edge_lab.core.errors import LabError
from edge_lab.images import DebianProgram
from edge_lab.pki import IdentityRequest, Request
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack
from edge_lab.topology import Node, Topology

FRESH_SECONDS = 20.0
"""Maximum age of the newest sample in the cloud when a lab is ready."""
ASK_SECONDS = 60.0
"""Seconds for one query to a view."""


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
        """Waits until its view has a sample of each node of the last FRESH_SECONDS."""
        server = cluster.access.machines[cluster.topology.server.name]
        view = sender_view(cluster.topology, self.sender)
        for node in cluster.topology.edges:
            query = f"time() - timestamp({selector(SCRAPES, node.name, self.sender.name)})"

            def fresh(query: str = query) -> bool:
                answers = view.query(server, query, cluster.deadline.within(ASK_SECONDS))
                return any(
                    value < FRESH_SECONDS for answer in answers for _, value in answer.samples
                )

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


class MetricsThanos(SenderAddOn):
    """Prometheus with Thanos' sidecar on each edge node; S3 server, store gateway and querier on
    the server node."""

    name: ClassVar[str] = SIDECAR_SENDER.addon
    sender: ClassVar[Sender] = SIDECAR_SENDER
    declares: ClassVar[frozenset[str]] = frozenset({SIDECAR_SENDER.addon})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        archs = {node.arch: None for node in (topology.server, *topology.edges)}
        return (Want(VERSITYGW, topology.server.arch), *(Want(THANOS, arch) for arch in archs))

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        sidecars = (
            IdentityRequest(
                METRICS_DOMAIN, f"sidecar-{node.name}", sidecar_spec(node.name, address)
            )
            for node, address in _edge_addresses(topology)
        )
        return (SECRET_REQUEST, *sidecars)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        place, pki = place_of(ctx.topology, node), ctx.given.pki
        secret = secret_key(pki)
        common = Provision(
            files=(GuestFile.text(place.config("objects"), objects_config(place, secret), 0o600),),
            payload=(ctx.given.binary(THANOS, node),),
        )
        if node.name != ctx.topology.server.name:
            identity = pki.identity(METRICS_DOMAIN, f"sidecar-{node.name}")
            tls = sidecar_files(place)
            sidecar = sidecar_service(place).provision(
                GuestFile(tls.certificate, identity.certificate_pem),
                GuestFile(tls.key, identity.key_pem, 0o600),
            )
            return Provision.total((super().provision(ctx, node), common, sidecar))
        sidecars = tuple(
            f"{address}:{SIDECAR_PORT}" for _, address in _edge_addresses(ctx.topology)
        )
        files = (
            GuestFile.text(place.environment("objects"), credentials(secret), 0o600),
            GuestFile.text(place.config("endpoints"), endpoints_config(place, sidecars)),
            GuestFile.text(BLOCKS, guest_program(guest.__name__, "blocks")),
        )
        return Provision.total(
            (
                common,
                Provision(files=files, payload=(ctx.given.binary(VERSITYGW, node),)),
                *(service.provision() for service in server_services(place)),
            )
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        if node.name == topology.server.name:
            return tuple(service.unit for service in server_services(place_of(topology, node)))
        return (*super().units(topology, node, stack), unit(SIDECAR))

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return (*super().endpoints(topology, stack), *thanos_endpoints(topology))

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        """The sidecars: its Prometheus writes to nobody."""
        return sidecar_clients(topology)


def _edge_addresses(topology: Topology) -> tuple[tuple[Node, str], ...]:
    """Edge nodes, and their addresses in the cluster."""
    return tuple((node, str(topology.cluster_link(node.name).address)) for node in topology.edges)
