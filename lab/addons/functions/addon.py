"""The add-on `functions`: brokers, sources, activators, and functions that events wake."""

from __future__ import annotations

import shlex
from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.dropins import kubelet_drop_in
from edge_lab.addons.functions.broker import broker_provision, edge_config, server_config
from edge_lab.addons.functions.endpoints import functions_endpoints, leaf_clients
from edge_lab.addons.functions.identities import functions_requests, keys_provision
from edge_lab.addons.functions.limits import watched_limits, watching_nodes
from edge_lab.addons.functions.names import (
    ACTIVATOR,
    BROKER,
    FUNCTIONS,
    IMAGE_SPEC,
    MONITOR_PORT,
    NAMESPACE,
    NATS,
    PODS,
    PROGRAM,
    SOURCE,
    STREAMS,
    unit,
)
from edge_lab.addons.functions.parts import (
    activator_provision,
    cloud_streams_command,
    function_provision,
    node_streams_command,
    source_provision,
    streams_provision,
)
from edge_lab.addons.functions.place import Place, place_of
from edge_lab.addons.functions.pods import (
    namespace_manifest,
    static_pod_provision,
    warm_manifest,
    warm_pod,
)
from edge_lab.addons.functions.ways import OWN_WAYS, STATIC_POD, capability, ways_of
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.pods import wait_pods_ready
from edge_lab.core.errors import LabError
from edge_lab.images import AnyImage, DebianProgram
from edge_lab.pki import Request
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.topology import Node, Topology, TopologyProblem

ASK_SECONDS = 60.0
DROP_IN = "60-edge-lab-functions.conf"

COUNT_LEAVES = (
    "import json, sys, urllib.request as u; "
    "print(json.load(u.urlopen(sys.argv[1], timeout=30))['leafnodes'])"
)


class Functions(AddOn):
    """Functions on all edge nodes, woken by devices with a limit."""

    name: ClassVar[str] = FUNCTIONS
    declares: ClassVar[frozenset[str]] = frozenset({FUNCTIONS, *map(capability, OWN_WAYS)})

    def check(self, topology: Topology) -> None:
        if not watching_nodes(topology):
            raise TopologyProblem(
                "no edge node reads a device that can wake a function",
                ("addons", topology.addons.index(FUNCTIONS)),
                "Add a device with `protocol: modbus-tcp` to a network of an edge node, "
                "or remove functions from `addons`.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return wants_for(PROGRAM, (topology.server, *topology.edges))

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        return (IMAGE_SPEC,)

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return (NATS,)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return functions_requests(topology)

    # -- placement -----------------------------------------------------------------------

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        topology, place = ctx.topology, place_of(ctx.topology, node)
        on_server = node.name == topology.server.name
        common = (
            keys_provision(node, ctx.given.pki),
            Provision(payload=(ctx.given.binary(PROGRAM, node), *ctx.program(NATS, node))),
        )
        own = self._server(topology, place) if on_server else self._edge(ctx, node, place)
        return Provision.total((*common, *own))

    def _server(self, topology: Topology, place: Place) -> tuple[Provision, ...]:
        edges = [node.name for node in topology.edges]
        return (
            broker_provision(place, server_config(place)),
            streams_provision(cloud_streams_command(place, edges)),
        )

    def _edge(self, ctx: AddOnContext, node: Node, place: Place) -> tuple[Provision, ...]:
        ways, watched = ways_of(ctx.topology, ctx.stack), watched_limits(ctx.topology, node)
        parts = [
            broker_provision(place, edge_config(place)),
            streams_provision(node_streams_command(place, ways)),
            activator_provision(place, ways),
            function_provision(place),
        ]
        if STATIC_POD in ways:
            drop_in = kubelet_drop_in(ctx.topology, node, ctx.stack, DROP_IN, staticPodPath=PODS)
            parts += [static_pod_provision(place), Provision(files=(drop_in,))]
        if watched:
            parts.append(source_provision(place, watched, ways))
        return tuple(parts)

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        names = [BROKER, STREAMS]
        if node in topology.edges:
            names.append(ACTIVATOR)
        if node in watching_nodes(topology):
            names.append(SOURCE)
        return tuple(map(unit, names))

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return tuple(functions_endpoints(topology))

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        return leaf_clients(topology)

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        # The kubelet creates mirror pods of static pods, which need the namespace.
        if stage is Stage.API_SERVER_UP:
            return (namespace_manifest(),)
        places = (place_of(ctx.topology, node) for node in ctx.topology.edges)
        return tuple(map(warm_manifest, places))

    # -- readiness -----------------------------------------------------------------------

    def wait_ready(self, cluster: Cluster) -> None:
        """Waits until warm functions run, and all brokers have consumers and are connected."""
        edges = cluster.topology.edges
        pods = [warm_pod(node.name) for node in edges]
        wait_pods_ready(cluster.access.kubectl, pods, cluster.deadline, namespace=NAMESPACE)
        ways = ",".join(way.name for way in ways_of(cluster.topology, cluster.stack))
        for node in edges:
            place = place_of(cluster.topology, node)
            ask = (place.program, "backlog", "--server", place.url, "--way", ways)
            self._until(cluster, node, f"the events of {node.name} have consumers", ask, "{")
        url = f"http://127.0.0.1:{MONITOR_PORT}/leafz"
        count = ("python3", "-I", "-c", COUNT_LEAVES, url)
        server = cluster.topology.server
        self._until(
            cluster, server, "all edge nodes' brokers are connected", count, f"{len(edges)}"
        )

    def _until(
        self, cluster: Cluster, node: Node, what: str, command: tuple[str, ...], answer: str
    ) -> None:
        machine = cluster.access.machines[node.name]

        def answers() -> bool:
            done = machine.run(
                shlex.join(command), cluster.deadline.within(ASK_SECONDS), check=False
            )
            return done.returncode == 0 and done.stdout.startswith(answer)

        cluster.deadline.wait_for(
            what, answers, every=2.0, transient=(LabError,), watch=cluster.access.watch
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        if node not in watching_nodes(topology):
            return frozenset()
        own = (way for way in ways_of(topology, stack) if way in OWN_WAYS)
        return frozenset({FUNCTIONS, *map(capability, own)})
