"""The stack and the add-ons of a lab, put together: all that runs on its machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.catalog import find_addon
from edge_lab.addons.checks import lacking
from edge_lab.addons.platform_endpoints import device_endpoints
from edge_lab.artifacts import Artifact, Want
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.step import step
from edge_lab.devices.protocols import device_wants, protocol_of
from edge_lab.images import SANDBOX_IMAGE, AnyImage, DebianPart
from edge_lab.measuring.watcher import Watcher
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.cloudclient import CloudClient, DialsCloud
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, StackContext, get_stack, wants_for
from edge_lab.stacks.readiness import UnitWatch, apply_manifests
from edge_lab.topology import Node, Topology, abilities

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


T = TypeVar("T")


@dataclass(frozen=True)
class Platform:
    """What runs on the machines of a lab. Add-ons take their turns in the topology's order."""

    stack: Stack
    addons: tuple[AddOn, ...] = ()

    @property
    def name(self) -> str:
        """The stack's: add-ons are listed apart."""
        return self.stack.name

    def check(self, topology: Topology) -> None:
        """InputError if the stack cannot run `topology`, or an add-on cannot run on the stack."""
        self.stack.check(topology)
        for addon in self.addons:
            if lack := lacking(addon, self.stack):
                raise InputError(
                    f"the add-on {addon.name!r} needs {lack}, which the stack {self.stack.name} "
                    "lacks",
                    remedy=f"Use another stack, or remove {addon.name} from the topology's "
                    "`addons`.",
                )

    # -- what it is made of --------------------------------------------------------------

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        """The components it needs, with kubectl for the host, the images' programs, and what
        devices need."""
        wanted = list(self.stack.wants(topology))
        for addon in self.addons:
            wanted += addon.wants(topology, self.stack)
        for image in self.images(topology):
            wanted += wants_for(image.component, topology.nodes)
        wanted += device_wants(topology)
        return tuple(dict.fromkeys(wanted))

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        """The container images of its nodes; every pod is in a sandbox."""
        of_addons = [image for addon in self.addons for image in addon.images(topology)]
        return tuple(dict.fromkeys((SANDBOX_IMAGE, *of_addons)))

    def programs(self, topology: Topology) -> tuple[DebianPart, ...]:
        """What add-ons run of Debian packages that are in no root image."""
        found = [
            program for addon in self.addons for program in addon.programs(topology, self.stack)
        ]
        return tuple(dict.fromkeys(found))

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """All keys and certificates of a lab, its devices' among them."""
        requests = list(self.stack.identities(topology))
        for device in topology.devices:
            requests += protocol_of(device.protocol).identities(topology, device)
        for addon in self.addons:
            requests += addon.identities(topology)
        return tuple(requests)

    # -- what nodes are given ------------------------------------------------------------

    def provision(self, given: StackContext) -> dict[str, Provision]:
        """By node, all that it is given before it boots."""
        self.check(given.topology)
        ctx = AddOnContext(given, self.stack)
        of_stack = self.stack.provision(given)
        return {
            node.name: Provision.total(
                (of_stack[node.name], *(addon.provision(ctx, node) for addon in self.addons))
            )
            for node in given.topology.nodes
        }

    def units(self, topology: Topology) -> dict[str, tuple[str, ...]]:
        """By node, the units that must be running."""
        of_stack = self.stack.units(topology)
        return {
            node.name: (*of_stack[node.name], *self._addon_units(topology, node))
            for node in topology.nodes
        }

    def _addon_units(self, topology: Topology, node: Node) -> tuple[str, ...]:
        units = [unit for addon in self.addons for unit in addon.units(topology, node, self.stack)]
        return tuple(dict.fromkeys(units))

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        """All ports that are declared, by the stack, the add-ons, and of devices."""
        of_addons = (
            endpoint for addon in self.addons for endpoint in addon.endpoints(topology, self.stack)
        )
        return (
            *self.stack.endpoints(topology),
            *of_addons,
            *device_endpoints(topology),
        )

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        """The units of edge nodes that dial the cloud by TLS, as stack and add-ons declare them."""
        return (
            *self.stack.cloud_clients(topology),
            *(
                client
                for addon in self.addons
                if isinstance(addon, DialsCloud)
                for client in addon.cloud_clients(topology)
            ),
        )

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """All that can be replaced while the lab runs, of the stack and the add-ons."""
        of_addons = (
            held for addon in self.addons for held in addon.certificates(topology, self.stack)
        )
        return (*self.stack.certificates(topology), *of_addons)

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        """Those by the cluster's authority beside `certificates`; none where the stack does not
        say whom its components trust."""
        of_stack = self.stack.further_certificates(topology)
        return self._with_addons(
            topology,
            of_stack,
            (addon.further_certificates(topology, self.stack) for addon in self.addons),
        )

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        """All files by which stack and add-ons trust the cluster's authority; none where the stack
        does not say."""
        of_stack = self.stack.trust_bundles(topology)
        return self._with_addons(
            topology,
            of_stack,
            (addon.trust_bundles(topology, self.stack) for addon in self.addons),
        )

    def _with_addons(
        self, topology: Topology, of_stack: tuple[T, ...], of_addons: Iterable[tuple[T, ...]]
    ) -> tuple[T, ...]:
        if not self.stack.trust_bundles(topology):
            return ()
        return (*of_stack, *(held for of_addon in of_addons for held in of_addon))

    def manifests(self, given: StackContext, stage: Stage) -> dict[str, tuple[Manifest, ...]]:
        """By whom they are from, the objects that the cluster gets at `stage`."""
        ctx = AddOnContext(given, self.stack)
        of_stack = self.stack.manifests(given) if stage is Stage.API_SERVER_UP else ()
        of_addons = {addon.name: addon.manifests(ctx, stage) for addon in self.addons}
        return {f"stack {self.stack.name}": of_stack, **of_addons}

    # -- until it works ------------------------------------------------------------------

    def wait_control_plane(
        self, cluster: ClusterAccess, given: StackContext, deadline: Deadline
    ) -> dict[str, tuple[GuestFile, ...]]:
        """Until the API server answers and has the objects of its stage; no edge node is needed.

        Returns by edge node the files that it needs to join and that were not there before:
        it is switched on with them.
        """
        by_origin = self.manifests(given, Stage.API_SERVER_UP)
        objects = tuple(manifest for manifests in by_origin.values() for manifest in manifests)
        return self.stack.wait_control_plane(
            cluster, objects, deadline, units=self._server_units(cluster.topology)
        )

    def _server_units(self, topology: Topology) -> tuple[str, ...]:
        return (*self.stack.server_units(), *self._addon_units(topology, topology.server))

    def deploy(self, cluster: ClusterAccess, given: StackContext, deadline: Deadline) -> None:
        """Until all nodes are Ready and each add-on has its objects and works."""
        topology = cluster.topology
        with step(f"stack {self.name}"):
            self.stack.wait_ready(cluster, deadline, units=self.units(topology))
        watch = UnitWatch(cluster, self.units(topology), deadline)
        watched = replace(cluster, watch=watch)
        ctx = AddOnContext(given, self.stack)
        for addon in self.addons:
            with step(f"add-on {addon.name}"):
                objects = addon.manifests(ctx, Stage.NODES_READY)
                apply_manifests(watched, objects, deadline, "objects")
                addon.wait_ready(Cluster(watched, self.stack, deadline))

    def wait_ready(self, cluster: ClusterAccess, deadline: Deadline) -> None:
        """Until a lab that was restored is as ready as it was when it had been booted."""
        with step(f"stack {self.name}"):
            self.stack.wait_ready(
                cluster, deadline, units=self.units(cluster.topology), restored=True
            )
        for addon in self.addons:
            with step(f"add-on {addon.name}"):
                addon.wait_ready(Cluster(cluster, self.stack, deadline, restored=True))

    # -- what it gives -------------------------------------------------------------------

    def capabilities(self, topology: Topology) -> dict[str, frozenset[str]]:
        """By node, what it can do: by the stack, by each add-on, and by its machine."""
        of_stack = frozenset(str(name) for name in self.stack.capabilities)
        return {
            node.name: of_stack.union(
                (ability.value for ability in abilities(node)),
                *(addon.capabilities(topology, node, self.stack) for addon in self.addons),
            )
            for node in topology.nodes
        }

    def watchers(self, lab: Lab) -> tuple[Watcher, ...]:
        """What the add-ons record while a test breaks the lab."""
        return tuple(watcher for addon in self.addons for watcher in addon.watchers(lab))

    def versions(self, artifacts: Mapping[Want, Artifact], topology: Topology) -> dict[str, str]:
        """By component, the version of what it runs."""
        found = dict(
            sorted((artifact.component, artifact.version) for artifact in artifacts.values())
        )
        for addon in self.addons:
            found |= addon.versions(topology)
        return found


def get_platform(stack: str, topology: Topology) -> Platform:
    """The stack of that name with the add-ons of `topology`; InputError names what is unknown."""
    return Platform(get_stack(stack), tuple(find_addon(name) for name in topology.addons))
