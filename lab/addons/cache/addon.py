"""The add-ons `cache` and `pull-through`: a registry in the cloud, and caches on edge nodes."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext
from edge_lab.addons.cache.content import registry_files
from edge_lab.addons.cache.edge import cache_provision, data_provision
from edge_lab.addons.cache.endpoints import cache_endpoints
from edge_lab.addons.cache.hosts import hosts_files
from edge_lab.addons.cache.identities import authority_file, cache_requests, key_files
from edge_lab.addons.cache.names import (
    CACHE,
    CACHE_PORT,
    CACHE_UNIT,
    CERTIFICATE,
    CERTS_D,
    DATA_UNIT,
    KEY,
    NGINX,
    ORIGIN_PORT,
    ORIGIN_UNIT,
    OUTLIVES_UPSTREAM,
    PULL_THROUGH,
    REGISTRY,
    STATE,
    pulls_through,
)
from edge_lab.addons.cache.registry import (
    CONTENT,
    origin_config,
    origin_provision,
    pull_through_config,
    pull_through_provision,
)
from edge_lab.addons.containerd import CONFIG, root_config, with_certs_d
from edge_lab.addons.gvisor.names import gvisor_addon, has_gvisor
from edge_lab.artifacts import Want
from edge_lab.images import EDGE_PROGRAM, DebianProgram
from edge_lab.pki import Request
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.topology import Cri, Node, Topology, TopologyProblem


class _Registry(AddOn):
    """The registry on the server, and what every node with a cache needs; subclasses add the
    cache."""

    def check(self, topology: Topology) -> None:
        if CACHE in topology.addons and PULL_THROUGH in topology.addons:
            raise TopologyProblem(
                f"{CACHE} and {PULL_THROUGH} are two kinds of one cache",
                ("addons", topology.addons.index(PULL_THROUGH)),
                "Remove one of them.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return wants_for(EDGE_PROGRAM, topology.edges)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return cache_requests(topology)

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return cache_endpoints(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if node.name == ctx.topology.server.name:
            return self._server(ctx, node)
        if node.cri is not Cri.CONTAINERD:  # the cache runs, but its runtime does not use it
            return self._cache(ctx, node)
        files = hosts_files(ctx.topology, node)
        # With gVisor on the node, that add-on writes the whole file.
        if not (gvisor_addon(ctx.topology) and has_gvisor(node)):
            config = with_certs_d(root_config(node.arch), CERTS_D)
            files = (*files, GuestFile.text(CONFIG, config))
        return Provision(files=files) + self._cache(ctx, node)

    def _server(self, ctx: AddOnContext, node: Node) -> Provision:
        address = ctx.topology.cluster_link(node.name).address
        config = origin_config(
            f"{address}:{ORIGIN_PORT}", storage=str(CONTENT), certificate=CERTIFICATE, key=KEY
        )
        programs = {
            edge.arch: ctx.given.artifact(EDGE_PROGRAM, edge.arch).path
            for edge in ctx.topology.edges
        }
        payload: tuple[PayloadFile, ...] = (
            *ctx.program(REGISTRY, node),
            *registry_files(programs),
        )
        files = key_files(ctx.given.pki, node)
        return origin_provision(config) + Provision(files=files, payload=payload)

    def _cache(self, ctx: AddOnContext, node: Node) -> Provision:
        """The parts of the cache of an edge node."""
        raise NotImplementedError

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (ORIGIN_UNIT,) if node.name == topology.server.name else (CACHE_UNIT,)

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if pulls_through(topology, node, stack) else frozenset()


class Cache(_Registry):
    """nginx on each edge node: images and data, also while the cloud is silent or down."""

    name: ClassVar[str] = CACHE
    declares: ClassVar[frozenset[str]] = frozenset({CACHE, OUTLIVES_UPSTREAM})

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return (REGISTRY, NGINX)

    def _server(self, ctx: AddOnContext, node: Node) -> Provision:
        data = Provision(payload=ctx.program(NGINX, node)) + data_provision(ctx.topology)
        return super()._server(ctx, node) + data

    def _cache(self, ctx: AddOnContext, node: Node) -> Provision:
        given = Provision(files=key_files(ctx.given.pki, node), payload=ctx.program(NGINX, node))
        return cache_provision(ctx.topology, node) + given

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        units = super().units(topology, node, stack)
        return (*units, DATA_UNIT) if node.name == topology.server.name else units


class PullThrough(_Registry):
    """docker-registry as pull-through cache on each edge node: only images, and only online."""

    name: ClassVar[str] = PULL_THROUGH
    declares: ClassVar[frozenset[str]] = frozenset({CACHE})

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return (REGISTRY,)

    def _cache(self, ctx: AddOnContext, node: Node) -> Provision:
        address = ctx.topology.cluster_link(ctx.topology.server.name).address
        config = pull_through_config(
            f"127.0.0.1:{CACHE_PORT}", f"https://{address}:{ORIGIN_PORT}", storage=STATE
        )
        given = Provision(
            files=(authority_file(ctx.given.pki),), payload=ctx.program(REGISTRY, node)
        )
        return pull_through_provision(config) + given
