"""A control plane and an edge runtime, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edge_lab.artifacts import Artifact, Want
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.labels import check_labels
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.pki import SERVICE_SUBNET
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.base import (
    Capability,
    ControlPlane,
    EdgeRuntime,
    StackContext,
)
from edge_lab.stacks.pairs import check_pair
from edge_lab.stacks.readiness import UnitWatch, apply_manifests, give_labels, wait_api, wait_nodes
from edge_lab.stacks.twins import collect_ms, mapper_provision, twin_kinds, twin_units, twin_wants
from edge_lab.topology import Device, Topology
from edge_lab.twins.manifests import twin_manifests
from edge_lab.twins.names import has_twins


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
        """The components it needs, kubectl for the host among them; the workload is not."""
        both = self.control.wants(topology) + self.runtime.wants(topology)
        return tuple(dict.fromkeys((*both, *twin_wants(topology))))

    def check(self, topology: Topology) -> None:
        """InputError if this stack cannot run `topology`."""
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
        """By node, all that it is given before it boots."""
        self.check(ctx.topology)
        api = self.control.endpoint(ctx)
        server = self.control.provision(ctx) + self.runtime.server_provision(ctx, api)
        edges = {
            node.name: self.runtime.provision(ctx, node, api)
            + mapper_provision(ctx, node, self.runtime, api)
            for node in ctx.topology.edges
        }
        return {ctx.topology.server.name: server, **edges}

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        """For kubectl on the host. It may do everything: keep it 0600."""
        return self.control.admin_kubeconfig(ctx)

    def units(self, topology: Topology) -> dict[str, tuple[str, ...]]:
        """By node, the units that must be running."""
        edges = {
            node.name: (*self.runtime.units(), *twin_units(topology, node))
            for node in topology.edges
        }
        return {topology.server.name: self.server_units(), **edges}

    def server_units(self) -> tuple[str, ...]:
        """The units that must be running on the server node."""
        return (*self.control.units(), *self.runtime.server_units())

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        """Objects that the cluster gets as soon as its API server answers."""
        return (
            *self.control.manifests(ctx),
            *self.runtime.manifests(ctx),
            *twin_kinds(ctx, self.runtime),
        )

    def devices(self, topology: Topology) -> tuple[Manifest, ...]:
        """The devices that nodes keep twins of: objects for when the nodes are there.

        Not sooner: what KubeEdge 1.23.1 sends to a node that it had to wait for gets as far as
        the node's database, and no mapper hears of it before edgecore is started again.
        """
        return twin_manifests(topology, self.collect_ms) if has_twins(topology) else ()

    def collect_ms(self, device: Device) -> int:
        """The collect cycle of the lab's own twins of a device, ms."""
        return collect_ms(device, self.runtime)

    def give_devices(self, cluster: ClusterAccess, deadline: Deadline) -> None:
        """Applies `devices`; the nodes are Ready."""
        watch = UnitWatch(cluster, self.units(cluster.topology), deadline)
        apply_manifests(
            replace(cluster, watch=watch), self.devices(cluster.topology), deadline, "devices"
        )

    def wait_control_plane(
        self, cluster: ClusterAccess, manifests: tuple[Manifest, ...], deadline: Deadline
    ) -> dict[str, tuple[GuestFile, ...]]:
        """Until the API server answers and `manifests` are there; no edge node is needed.

        Returns by edge node the files that it needs to join and that were not there before:
        it is switched on with them.
        """
        watch = self._server_watch(cluster, deadline)
        wait_api(cluster, watch, deadline)
        watched = replace(cluster, watch=watch)
        apply_manifests(watched, manifests, deadline)
        files = self.runtime.admission(watched, deadline)
        return {node.name: files for node in cluster.topology.edges}

    def _server_watch(self, cluster: ClusterAccess, deadline: Deadline) -> UnitWatch:
        return UnitWatch(cluster, {cluster.topology.server.name: self.server_units()}, deadline)

    def wait_ready(
        self, cluster: ClusterAccess, deadline: Deadline, *, restored: bool = False
    ) -> None:
        """Until the API server answers and all nodes are Ready.

        The stack's objects are there already: from `wait_control_plane`, or in the checkpoint.
        With `restored` (from a checkpoint) what the API server remembers of a node does not
        count until the node has been heard of again.

        Raises:
            LabError: a unit failed, a certificate request was not as expected; at once.
            DeadlineExceeded: not ready in time.
        """
        wait_api(cluster, self._server_watch(cluster, deadline), deadline)
        watch = UnitWatch(cluster, self.units(cluster.topology), deadline)
        wait_nodes(cluster, watch, deadline, heard=restored)
        give_labels(cluster, deadline)

    def versions(self, artifacts: Mapping[Want, Artifact]) -> dict[str, str]:
        """By component, the version of what it runs."""
        return dict(sorted((each.component, each.version) for each in artifacts.values()))
