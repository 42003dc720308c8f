"""A stack: a control plane with an edge runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_lab.artifacts import Want
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.addresses import SERVICE_SUBNET
from edge_lab.cluster.labels import check_labels
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.pki import (
    BringsAuthorities,
    HoldsCertificates,
    HoldsTrust,
    InstalledAuthority,
    InstalledCertificate,
    KeepsAuthority,
    KeepsSecrets,
    LabSigner,
    Request,
    RequestedCertificate,
    SecretFile,
    Signer,
    TrustBundle,
    TrustDomain,
)
from edge_lab.probes.cloudclient import CloudClient, DialsCloud
from edge_lab.probes.endpoint import Endpoint, Listens
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.base import (
    Capability,
    ControlPlane,
    EdgeRuntime,
    StackContext,
)
from edge_lab.stacks.pairs import check_pair
from edge_lab.stacks.readiness import UnitWatch, apply_manifests, give_labels, wait_api, wait_nodes
from edge_lab.topology import Topology


@dataclass(frozen=True)
class Stack:
    """What runs on the machines of a lab."""

    control: ControlPlane
    runtime: EdgeRuntime

    @property
    def name(self) -> str:
        """`<control plane>+<edge runtime>`."""
        return f"{self.control.name}+{self.runtime.name}"

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self.control.capabilities | self.runtime.capabilities

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        """The components it needs, including kubectl for the host."""
        both = self.control.wants(topology) + self.runtime.wants(topology)
        return tuple(dict.fromkeys(both))

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """The certificates and keys it needs."""
        return (*self.control.identities(topology), *self.runtime.identities(topology))

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        """The ports that it listens on, as far as control plane and runtime declare them."""
        parts: tuple[object, ...] = (self.control, self.runtime)
        return tuple(
            endpoint
            for part in parts
            if isinstance(part, Listens)
            for endpoint in part.endpoints(topology)
        )

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        """The units of edge nodes that connect to the cloud by TLS, if the runtime declares any."""
        runtime: object = self.runtime
        return runtime.cloud_clients(topology) if isinstance(runtime, DialsCloud) else ()

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """Certificates that can be replaced, as far as control plane and runtime declare them."""
        parts: tuple[object, ...] = (self.control, self.runtime)
        return tuple(
            held
            for part in parts
            if isinstance(part, HoldsCertificates)
            for held in part.certificates(topology)
        )

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        """All trust bundles of control plane and runtime; none unless both declare theirs, since an
        incomplete list is useless."""
        return tuple(bundle for part in self._trusting() for bundle in part.trust_bundles(topology))

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        """The files with which authorities sign; declared like `trust_bundles`."""
        return tuple(
            held for part in self._trusting() for held in part.installed_authorities(topology)
        )

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """Certificates of the authority besides `certificates`; declared like `trust_bundles`."""
        return tuple(
            held for part in self._trusting() for held in part.further_certificates(topology)
        )

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        """Certificates that components request themselves; declared like `trust_bundles`."""
        return tuple(
            held for part in self._trusting() for held in part.requested_certificates(topology)
        )

    def secret_files(self, topology: Topology) -> tuple[SecretFile, ...]:
        """Files instead of Secrets while an authority is replaced; see `trust_bundles`."""
        return tuple(
            file
            for part in self._trusting()
            if isinstance(part, KeepsSecrets)
            for file in part.secret_files(topology)
        )

    @property
    def why_authority_stays(self) -> str:
        """Why the cluster's authority cannot be replaced; empty if it can, or without a reason."""
        parts: tuple[object, ...] = (self.control, self.runtime)
        return " ".join(
            dict.fromkeys(
                part.why_authority_stays for part in parts if isinstance(part, KeepsAuthority)
            )
        )

    def signer(self, domain: TrustDomain) -> Signer:
        """The signer of that trust domain: the lab, unless a part of the stack declares another."""
        parts: tuple[object, ...] = (self.control, self.runtime)
        for part in parts:
            if isinstance(part, BringsAuthorities) and domain in part.signers:
                return part.signers[domain]
        return LabSigner(domain)

    def _trusting(self) -> tuple[HoldsTrust, ...]:
        parts: tuple[object, ...] = (self.control, self.runtime)
        found = tuple(part for part in parts if isinstance(part, HoldsTrust))
        return found if len(found) == len(parts) else ()

    def check(self, topology: Topology) -> None:
        """Raises InputError if this stack cannot run `topology`."""
        check_pair(self.control.name, self.runtime.name)
        check_labels(topology)
        for network in topology.networks:
            if network.subnet.overlaps(SERVICE_SUBNET):
                raise InputError(
                    f"the subnet {network.subnet} of network {network.name!r} overlaps "
                    f"{SERVICE_SUBNET}, the cluster addresses of services"
                )
        if topology.pod_subnet.overlaps(SERVICE_SUBNET):
            raise InputError(
                f"the pod subnet {topology.pod_subnet} overlaps {SERVICE_SUBNET}, the cluster "
                "addresses of services"
            )

    def provision(self, ctx: StackContext) -> dict[str, Provision]:
        """By node, everything that it gets before it boots."""
        self.check(ctx.topology)
        api = self.control.endpoint(ctx)
        server = self.control.provision(ctx) + self.runtime.server_provision(ctx, api)
        edges = {node.name: self.runtime.provision(ctx, node, api) for node in ctx.topology.edges}
        return {ctx.topology.server.name: server, **edges}

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        """A kubeconfig for kubectl on the host. It has all permissions: keep its mode at 0600."""
        return self.control.admin_kubeconfig(ctx)

    def units(self, topology: Topology) -> dict[str, tuple[str, ...]]:
        """By node, the units that must be running."""
        edges = {node.name: self.runtime.units() for node in topology.edges}
        return {topology.server.name: self.server_units(), **edges}

    def server_units(self) -> tuple[str, ...]:
        """The units that must be running on the server node."""
        return (*self.control.units(), *self.runtime.server_units())

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        """Objects that are applied as soon as the API server answers."""
        return (*self.control.manifests(ctx), *self.runtime.manifests(ctx))

    def wait_control_plane(
        self,
        cluster: ClusterAccess,
        manifests: tuple[Manifest, ...],
        deadline: Deadline,
        *,
        units: tuple[str, ...] = (),
    ) -> dict[str, tuple[GuestFile, ...]]:
        """Waits for the API server, and applies `manifests`; needs no edge node.

        `units` of the server node, by default those of the stack, must not fail meanwhile. Returns
        for each edge node the files that it needs to join, which did not exist before: it is to be
        switched on with them.
        """
        watch = self._server_watch(cluster, units, deadline)
        wait_api(cluster, watch, deadline)
        watched = replace(cluster, watch=watch)
        apply_manifests(watched, manifests, deadline)
        files = self.runtime.admission(watched, deadline)
        return {node.name: files for node in cluster.topology.edges}

    def _server_watch(
        self, cluster: ClusterAccess, units: tuple[str, ...], deadline: Deadline
    ) -> UnitWatch:
        server = cluster.topology.server.name
        return UnitWatch(cluster, {server: units or self.server_units()}, deadline)

    def wait_ready(
        self,
        cluster: ClusterAccess,
        deadline: Deadline,
        *,
        units: Mapping[str, tuple[str, ...]] | None = None,
        restored: bool = False,
    ) -> None:
        """Waits until the API server answers and all nodes are Ready.

        The stack's objects exist already: from `wait_control_plane`, or from the checkpoint.
        `units` by node, by default those of the stack, must not fail meanwhile. With `restored`
        (from a checkpoint), the stored state of a node does not count until it sends a heartbeat.

        Raises:
            LabError: a unit failed, or a certificate request was not as expected; immediately.
            DeadlineExceeded: not ready in time.
        """
        watched = units or self.units(cluster.topology)
        server = watched[cluster.topology.server.name]
        wait_api(cluster, self._server_watch(cluster, server, deadline), deadline)
        wait_nodes(cluster, UnitWatch(cluster, watched, deadline), deadline, heard=restored)
        give_labels(cluster, deadline)
