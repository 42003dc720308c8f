"""What an add-on is: something that runs on nodes or in the cluster, whatever the stack.

An add-on inherits from `AddOn` and overrides what it needs; every method has a default, "nothing".
It gets its name in `edge_lab.addons.catalog`, or in the entry point group `edge_lab.addons` of
another distribution, and is used by the topologies that list it under `addons:`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from edge_lab.artifacts import Want
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.yamlmodel import Loc
from edge_lab.images import AnyImage, DebianProgram, program_files
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
    """As soon as the API server answers; no edge node is there yet."""
    NODES_READY = "nodes Ready"
    """All nodes are Ready, and take pods."""


@dataclass(frozen=True)
class AddOnContext:
    """What an add-on is made from: all that the stack is made from, and the stack."""

    given: StackContext
    stack: Stack

    @property
    def topology(self) -> Topology:
        return self.given.topology

    @property
    def api(self) -> ApiEndpoint:
        """Where edge nodes reach the API server."""
        return self.stack.control.endpoint(self.given)

    def program(self, program: DebianProgram, node: Node) -> tuple[PayloadFile, ...]:
        """A program that the add-on's `programs` names, for the payload of `node`; a unit starts
        it by its `command`."""
        try:
            root = self.given.packages[node.arch]
        except KeyError as trouble:
            raise LabError(
                f"{program.package} is not unpacked for {node.arch.value}; "
                "add it to the add-on's `programs`"
            ) from trouble
        return program_files(root, program)


@dataclass(frozen=True)
class Cluster:
    """A cluster that comes up or is restored, for an add-on that waits for its own part of it."""

    access: ClusterAccess
    stack: Stack
    deadline: Deadline
    restored: bool = False
    """From a checkpoint: what the API server remembers may be older than the restore."""

    @property
    def topology(self) -> Topology:
        return self.access.topology


class AddOn:
    """The default of everything: nothing is wanted, made, or waited for."""

    name: ClassVar[str]
    """As topologies list it."""

    needs_addons: ClassVar[tuple[str, ...]] = ()
    """Add-ons that a topology must list too."""
    needs_capabilities: ClassVar[frozenset[str]] = frozenset()
    """What the stack must be able to do."""
    container_runtimes: ClassVar[frozenset[str]] = frozenset()
    """Those that it brings to nodes, as a node's `container_runtime` names them."""
    declares: ClassVar[frozenset[str]] = frozenset()
    """All that `capabilities` may give, so that a misspelt marker is an error on every lab."""

    # -- whether it fits -----------------------------------------------------------------

    def asked_for_at(self, topology: Topology) -> Loc | None:
        """The place in a topology that makes sense with this add-on only, if there is one.

        Such a topology is refused unless it lists the add-on.
        """
        return None

    def check(self, topology: Topology) -> None:
        """TopologyProblem if the add-on cannot do what `topology` asks of it."""

    # -- what it is made of --------------------------------------------------------------

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        """Components that it needs."""
        return ()

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        """Container images that its pods run; every node has them from the start."""
        return ()

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        """Programs of Debian packages that `provision` puts into payloads, by
        `AddOnContext.program`; for those that no root image has."""
        return ()

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """Certificates and keys that it needs, by trust domain."""
        return ()

    # -- where it runs -------------------------------------------------------------------

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        """What `node`, the server or an edge node, is given before it boots."""
        return Provision()

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        """Units of `provision` that must be running before the lab is ready."""
        return ()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        """Ports on which its parts listen, and who is meant to get in there."""
        return ()

    def certificates(self, topology: Topology, stack: Stack) -> tuple[InstalledCertificate, ...]:
        """Those of its parts that can be replaced while the lab runs."""
        return ()

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        """Those by the cluster's authority that are not among `certificates`: nobody notes that
        one of them was used."""
        return ()

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        """Files by which its parts trust the cluster's authority."""
        return ()

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        """Objects that the cluster gets at `stage`."""
        return ()

    def wait_ready(self, cluster: Cluster) -> None:
        """Until it works; its objects are applied.

        Raises:
            LabError: it never will.
            DeadlineExceeded: not in time.
        """

    # -- what it gives -------------------------------------------------------------------

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        """What `node` can do by it; a subset of `declares`."""
        return frozenset()

    def watchers(self, lab: Lab) -> Sequence[Watcher]:
        """What records its side of things while a test breaks the lab."""
        return ()

    def versions(self, topology: Topology) -> Mapping[str, str]:
        """By component, versions for the report that are not those of `wants`."""
        return {}
