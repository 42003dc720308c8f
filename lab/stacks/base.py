"""What a stack is: a control plane on the server node times a runtime on each edge node.

Suites know `Stack`; a new control plane or runtime implements the Protocol here and gets a
name in `edge_lab.stacks.registry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edge_lab.artifacts import Artifact, Want, host_arch
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.pki import Pki, Request
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision
from edge_lab.topology import Arch, Node, Topology

if TYPE_CHECKING:
    from edge_lab.images import ImageArchive, RootImage
    from edge_lab.probes.endpoint import Endpoint
    from edge_lab.probes.joining import Joining

API_PORT = 6443
"""The API server's port on the cluster network, and in the guest for the host's forward."""


class Capability(StrEnum):
    """What a suite may ask of a stack; a test that needs another is skipped or expected to fail.

    Each is asked for by a test, and lacked by a stack: else nobody knows whether it is true.
    """

    AUTONOMY = "autonomy"
    """A node that is offline is answered from its own cache and keeps working by it."""
    OFFLINE_REBOOT = "offline-reboot"
    """Pods start again on a node that reboots while the API server is out of reach."""
    EXEC = "exec"
    """Logs of pods on edge nodes, and commands in them, through the API server."""
    RUNTIME_CLASS = "runtime-class"
    """A pod's `runtimeClassName` is followed: it runs in that container runtime, or not at all."""


def go_duration(seconds: float) -> str:
    """A duration as Go's flags and Kubernetes' configuration files take it."""
    return f"{seconds:g}s"


@dataclass(frozen=True)
class StackContext:
    """What a stack is made from."""

    topology: Topology
    artifacts: Mapping[Want, Artifact]
    container_images: ImageArchive
    """Those that its nodes have from the start."""
    pki: Pki
    api_host_port: int
    """Port of the host's 127.0.0.1 that leads to `API_PORT` of the server node."""
    packages: Mapping[Arch, Path] = field(default_factory=dict)
    """By architecture, a folder with the Debian packages that add-ons take programs from."""
    root_images: Mapping[Arch, RootImage] = field(default_factory=dict)
    """What its nodes boot."""

    def artifact(self, component: str, arch: Arch) -> Artifact:
        """The local file of a component that the stack's `wants` name."""
        want = Want(component, arch)
        try:
            return self.artifacts[want]
        except KeyError as trouble:
            raise LabError(f"no artifact for {want}; add it to the stack's `wants`") from trouble

    def binary(self, component: str, node: Node) -> PayloadFile:
        """The component for the node's architecture, as bin/<component> of its payload."""
        artifact = self.artifact(component, node.arch)
        return PayloadFile(f"bin/{component}", artifact.path, artifact.sha256)


@dataclass(frozen=True)
class ApiEndpoint:
    """Where the nodes find the API server, and who vouches for it."""

    url: str
    ca_pem: bytes
    unit: str
    """The unit of the server node that has started when somebody answers there."""


class ControlPlane(Protocol):
    """What runs on the server node, its own node agent included."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        """The components it needs."""
        ...

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """The certificates and keys it needs, those of its own node among them."""
        ...

    def endpoint(self, ctx: StackContext) -> ApiEndpoint:
        """Where edge nodes reach the API server."""
        ...

    def provision(self, ctx: StackContext) -> Provision:
        """For the server node."""
        ...

    def units(self) -> tuple[str, ...]:
        """Units that must be running on the server node."""
        ...

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        """Applied as soon as the API server answers."""
        ...

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        """For the host: everything allowed, through the forwarded port."""
        ...


class EdgeRuntime(Protocol):
    """What runs on an edge node."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    @property
    def agents(self) -> tuple[str, ...]:
        """Units that keep pods running and speak to the control plane: what a suite may kill."""
        ...

    def wants(self, topology: Topology) -> tuple[Want, ...]: ...

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """The certificates and keys it needs on edge nodes and on the server node."""
        ...

    def provision(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision: ...

    def units(self) -> tuple[str, ...]: ...

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]: ...

    def server_provision(self, ctx: StackContext, api: ApiEndpoint) -> Provision:
        """What it needs beside the control plane on the server node (KubeEdge: cloudcore)."""
        ...

    def server_units(self) -> tuple[str, ...]:
        """Units of `server_provision` that must be running."""
        ...

    def admission(self, cluster: ClusterAccess, deadline: Deadline) -> tuple[GuestFile, ...]:
        """Files that let an edge node join, and that only the running cluster can give.

        Asked once, when the control plane is there and before any edge node is switched on
        (KubeEdge: the token that its cloud side has made).
        """
        ...


@runtime_checkable
class DmiServer(Protocol):
    """An edge runtime that keeps twins of devices itself: it serves DMI to their mappers."""

    @property
    def dmi_socket(self) -> str:
        """Path in the guest of the Unix socket where it does."""
        ...


@runtime_checkable
class ApiCache(Protocol):
    """An edge runtime that answers programs of its node in the API server's place, from a cache
    while that is out of reach. It shows the node's own certificate for them."""

    @property
    def api_cache_url(self) -> str:
        """Where on the node it does."""
        ...

    @property
    def api_cache_unit(self) -> str:
        """The unit that it is."""
        ...


@runtime_checkable
class LetsNodesJoin(Protocol):
    """An edge runtime whose nodes ask for their certificates over the network, with a token."""

    def join_token(self, cluster: ClusterAccess, deadline: Deadline) -> str:
        """The token of a running cluster; LabError if it has none."""
        ...

    def join_endpoints(self, joining: Joining) -> tuple[Endpoint, ...]:
        """One for each thing that may be asked for, with what each peer shall meet there."""
        ...


def wants_for(component: str, nodes: Iterable[Node]) -> tuple[Want, ...]:
    """`component` once for each architecture of `nodes`."""
    return tuple(dict.fromkeys(Want(component, node.arch) for node in nodes))


def kubectl_want() -> Want:
    """kubectl for the host that runs the lab."""
    return Want("kubectl", host_arch())
