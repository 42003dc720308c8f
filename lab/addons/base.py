"""The interface of add-ons: software that runs on nodes or in the cluster, with any stack.

An add-on inherits from `AddOn` and overrides what it needs; the default of every method is to do or
return nothing. It is registered by name in `edge_lab.addons.catalog`, or in the entry point group
`edge_lab.addons` of another distribution. Topologies use it by listing it under `addons:`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edge_lab.artifacts import Want
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.yamlmodel import Loc
from edge_lab.images import (
    AnyImage,
    DebianModules,
    DebianPart,
    DebianProgram,
    module_files,
    program_files,
)
from edge_lab.measuring.watcher import Watcher
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import PayloadFile, Provision
from edge_lab.stacks import ApiEndpoint, Stack, StackContext
from edge_lab.topology import Node, Topology

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab


class Stage(StrEnum):
    """When objects are applied to the cluster."""

    API_SERVER_UP = "API server up"
    """As soon as the API server answers; no edge node exists yet."""
    NODES_READY = "nodes Ready"
    """When all nodes are Ready and accept pods."""


@dataclass(frozen=True)
class AddOnContext:
    """The input of an add-on: that of the stack, and the stack itself."""

    given: StackContext
    stack: Stack

    @property
    def topology(self) -> Topology:
        return self.given.topology

    @property
    def api(self) -> ApiEndpoint:
        """The address of the API server for edge nodes."""
        return self.stack.control.endpoint(self.given)

    def program(self, program: DebianProgram, node: Node) -> tuple[PayloadFile, ...]:
        """A program from the add-on's `programs`, for the payload of `node`; a unit starts it by
        its `command`."""
        return program_files(self._packages(program, node), program)

    def modules(self, modules: DebianModules, node: Node) -> tuple[PayloadFile, ...]:
        """Python modules from the add-on's `programs`, for the payload of `node`."""
        return module_files(self._packages(modules, node), modules)

    def _packages(self, part: DebianPart, node: Node) -> Path:
        try:
            return self.given.packages[node.arch]
        except KeyError as trouble:
            raise LabError(
                f"{part.package} is not unpacked for {node.arch.value}; "
                "add it to the add-on's `programs`"
            ) from trouble


@dataclass(frozen=True)
class Cluster:
    """A cluster that is started or restored, for an add-on that waits for its part of it."""

    access: ClusterAccess
    stack: Stack
    deadline: Deadline
    restored: bool = False
    """Restored from a checkpoint: objects in the API server may be older than the restore."""

    @property
    def topology(self) -> Topology:
        return self.access.topology


class AddOn:
    """The base class, in which every method does or returns nothing."""

    name: ClassVar[str]
    """Its name in topologies."""

    needs_addons: ClassVar[tuple[str, ...]] = ()
    """Add-ons that a topology must list too."""
    needs_capabilities: ClassVar[frozenset[str]] = frozenset()
    """Capabilities that the stack must have."""
    container_runtimes: ClassVar[frozenset[str]] = frozenset()
    """Container runtimes that it installs on nodes, by their names in `container_runtime`."""
    declares: ClassVar[frozenset[str]] = frozenset()
    """All capabilities that `capabilities` may return, so that a misspelt marker is an error."""

    # -- validation ----------------------------------------------------------------------

    def asked_for_at(self, topology: Topology) -> Loc | None:
        """The place in a topology that requires this add-on, if there is one.

        Such a topology is refused unless it lists the add-on.
        """
        return None

    def check(self, topology: Topology) -> None:
        """Raises TopologyProblem if the add-on cannot do what `topology` requires."""

    # -- parts ---------------------------------------------------------------------------

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        """Components that it needs."""
        return ()

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        """Container images of its pods; every node has them from the start."""
        return ()

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianPart, ...]:
        """Programs and Python modules of Debian packages that `provision` puts into payloads with
        `AddOnContext.program` and `modules`; for those that are not in root images."""
        return ()

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """Certificates and keys that it needs, by trust domain."""
        return ()

    # -- installation --------------------------------------------------------------------

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        """The files and units of `node`, the server or an edge node, before it boots."""
        return Provision()

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        """Units of `provision` that must be running before the lab is ready."""
        return ()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        """Ports on which its parts listen, and who is to be admitted there."""
        return ()

    def certificates(self, topology: Topology, stack: Stack) -> tuple[InstalledCertificate, ...]:
        """Certificates of its parts that can be replaced while the lab runs."""
        return ()

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        """Certificates of the cluster's authority that are not among `certificates`: their use is
        not recorded anywhere."""
        return ()

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        """Files with which its parts trust the cluster's authority."""
        return ()

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        """Objects to apply to the cluster at `stage`."""
        return ()

    def wait_ready(self, cluster: Cluster) -> None:
        """Waits until it works, after its objects are applied.

        Raises:
            LabError: it failed for good.
            DeadlineExceeded: it was not ready in time.
        """

    # -- capabilities and observation ----------------------------------------------------

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        """Capabilities that it gives to `node`; a subset of `declares`."""
        return frozenset()

    def watchers(self, lab: Lab) -> Sequence[Watcher]:
        """Watchers that record its state while a test injects faults."""
        return ()

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """By component, versions for the report that differ from those of `wants`."""
        return {}
