"""The add-on `services`: pods reach Services by ClusterIP and by name, where the runtime allows."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Stage
from edge_lab.addons.services.credentials import (
    certificates_on,
    files_on,
    kubeconfig_for,
    trust_on,
)
from edge_lab.addons.services.dns import READY, dns_provision
from edge_lab.addons.services.endpoints import service_endpoints
from edge_lab.addons.services.names import (
    COREDNS,
    COREDNS_UNIT,
    KUBE_PROXY,
    KUBE_PROXY_UNIT,
    SERVES,
    SERVICES,
    has_services,
    nodes_with_services,
)
from edge_lab.addons.services.objects import dns_objects, rights
from edge_lab.addons.services.pods import resolution_drop_in
from edge_lab.addons.services.proxy import HEALTH, proxy_provision
from edge_lab.addons.services.upstream import api_cache, service_requests, started_before
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import ApiCache, Stack, kubeconfig, wants_for
from edge_lab.stacks.serving import serving
from edge_lab.topology import Node, Topology


class Services(AddOn):
    """kube-proxy and a name server on each node whose runtime gives them access to Services."""

    name: ClassVar[str] = SERVICES
    declares: ClassVar[frozenset[str]] = frozenset({SERVICES})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        nodes = nodes_with_services(topology, stack)
        return wants_for(KUBE_PROXY, nodes) + wants_for(COREDNS, nodes)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return service_requests(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        topology = ctx.topology
        if not has_services(topology, node, ctx.stack):
            return Provision()
        after = started_before(ctx, node)
        cache = api_cache(topology, node, ctx.stack)

        def access(program: str) -> str:
            if cache is not None:
                return kubeconfig(cache.api_cache_url)
            return kubeconfig_for(program, ctx.api.url)

        keys = () if cache is not None else files_on(node, ctx.given.pki, ctx.api.ca_pem)
        return Provision.total(
            (
                proxy_provision(topology, node, access(KUBE_PROXY), after),
                dns_provision(topology, node, access(COREDNS), after),
                serving(
                    SERVES,
                    "kube-proxy and CoreDNS know the Services",
                    [f"http://{HEALTH}/healthz", f"http://{READY}/ready"],
                    (KUBE_PROXY_UNIT, COREDNS_UNIT),
                ),
                Provision(
                    files=(resolution_drop_in(topology, node, ctx.stack), *keys),
                    payload=tuple(ctx.given.binary(name, node) for name in (KUBE_PROXY, COREDNS)),
                ),
            )
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        if not has_services(topology, node, stack):
            return ()
        return (KUBE_PROXY_UNIT, COREDNS_UNIT, f"{SERVES}.service")

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return service_endpoints(nodes_with_services(topology, stack))

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        nodes = self._asking(topology, stack)
        return tuple(held for node in nodes for held in certificates_on(node))

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        nodes = self._asking(topology, stack)
        return tuple(bundle for node in nodes for bundle in trust_on(node))

    def _asking(self, topology: Topology, stack: Stack) -> tuple[Node, ...]:
        """The nodes whose programs connect to the API server directly."""
        nodes = nodes_with_services(topology, stack)
        return tuple(node for node in nodes if api_cache(topology, node, stack) is None)

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        # Early: kube-proxy and CoreDNS need them at the first boot.
        if stage is not Stage.API_SERVER_UP:
            return ()
        nodes = nodes_with_services(ctx.topology, ctx.stack)
        behind_cache = isinstance(ctx.stack.runtime, ApiCache)
        return (*rights(behind_cache), *dns_objects(ctx.topology, nodes))

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if has_services(topology, node, stack) else frozenset()
