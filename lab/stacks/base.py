"""A stack: a control plane on the server node, with an edge runtime on each edge node.

Suites use `Stack`; a new control plane or runtime implements the protocol in this module and
is registered in `edge_lab.stacks.registry`.
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
from edge_lab.cluster.rbac import Rule
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
"""The API server's port on the cluster network, also the target of the host's port forward."""


class Capability(StrEnum):
    """What a test can require of a stack; tests that need a missing capability are skipped or
    expected to fail.

    Each is required by a test and missing in some stack: otherwise it would be unverified.
    """

    AUTONOMY = "autonomy"
    """A node that is offline is served from its own cache, and keeps working."""
    OFFLINE_REBOOT = "offline-reboot"
    """Pods start again on a node that reboots while the API server is unreachable."""
    EXEC = "exec"
    """Logs of pods on edge nodes, and exec in them, through the API server."""
    RUNTIME_CLASS = "runtime-class"
    """A pod's `runtimeClassName` is honoured: it runs in that container runtime or not at all."""


def go_duration(seconds: float) -> str:
    """A duration in the format of Go's flags and Kubernetes' configuration files."""
    return f"{seconds:g}s"


@dataclass(frozen=True)
class StackContext:
    """The inputs from which a stack is provisioned."""

    topology: Topology
    artifacts: Mapping[Want, Artifact]
    container_images: ImageArchive
    """The images that its nodes have from the start."""
    pki: Pki
    api_host_port: int
    """Port of the host's 127.0.0.1 that is forwarded to `API_PORT` of the server node."""
    packages: Mapping[Arch, Path] = field(default_factory=dict)
    """By architecture, a folder with Debian packages from which add-ons take programs."""
    root_images: Mapping[Arch, RootImage] = field(default_factory=dict)
    """The root images that its nodes boot."""

    def artifact(self, component: str, arch: Arch) -> Artifact:
        """The local file of a component from the stack's `wants`."""
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
    """The URL of the API server for nodes, and the authority that signs its certificate."""

    url: str
    ca_pem: bytes
    unit: str
    """The unit of the server node that has started when the API server answers."""


class ControlPlane(Protocol):
    """What runs on the server node, including its node agent."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        """The components it needs."""
        ...

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """The certificates and keys it needs, including those of its node."""
        ...

    def endpoint(self, ctx: StackContext) -> ApiEndpoint:
        """How edge nodes reach the API server."""
        ...

    def provision(self, ctx: StackContext) -> Provision:
        """What the server node needs before it boots."""
        ...

    def units(self) -> tuple[str, ...]:
        """Units that must be running on the server node."""
        ...

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        """Objects that are applied as soon as the API server answers."""
        ...

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        """A kubeconfig for the host with all permissions, through the forwarded port."""
        ...


class EdgeRuntime(Protocol):
    """What runs on an edge node."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    @property
    def agents(self) -> tuple[str, ...]:
        """Units that keep pods running and connect to the control plane; suites kill them."""
        ...

    def wants(self, topology: Topology) -> tuple[Want, ...]: ...

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        """The certificates and keys it needs on edge nodes and on the server node."""
        ...

    def provision(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision: ...

    def units(self) -> tuple[str, ...]: ...

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]: ...

    def server_provision(self, ctx: StackContext, api: ApiEndpoint) -> Provision:
        """What it needs on the server node besides the control plane (KubeEdge: cloudcore)."""
        ...

    def server_units(self) -> tuple[str, ...]:
        """Units of `server_provision` that must be running."""
        ...

    def admission(self, cluster: ClusterAccess, deadline: Deadline) -> tuple[GuestFile, ...]:
        """Files that an edge node needs to join, and that only the running cluster can provide.

        Called once, when the control plane is ready and before any edge node is switched on
        (KubeEdge: the token that cloudcore has created).
        """
        ...


class EdgeOnly:
    """Base of an edge runtime that has nothing on the server node, and whose nodes join without
    files of the running cluster."""

    def server_provision(self, ctx: StackContext, api: ApiEndpoint) -> Provision:
        return Provision()

    def server_units(self) -> tuple[str, ...]:
        return ()

    def admission(self, cluster: ClusterAccess, deadline: Deadline) -> tuple[GuestFile, ...]:
        return ()


@runtime_checkable
class DmiServer(Protocol):
    """An edge runtime that manages device twins itself, and serves DMI to their mappers."""

    @property
    def dmi_socket(self) -> str:
        """Path of its Unix socket in the guest."""
        ...


@runtime_checkable
class GrantsNodes(Protocol):
    """An edge runtime whose nodes need more rights than the Node authorizer permits."""

    def node_rules(self) -> tuple[Rule, ...]:
        """The rules of the ClusterRole that it binds to all nodes."""
        ...


@runtime_checkable
class ApiCache(Protocol):
    """An edge runtime that proxies the API server for programs of its node, with the node's
    certificate, and answers from a cache while the API server is unreachable."""

    @property
    def api_cache_url(self) -> str:
        """URL of the proxy on the node."""
        ...

    @property
    def api_cache_unit(self) -> str:
        """The unit of the proxy."""
        ...


@runtime_checkable
class LetsNodesJoin(Protocol):
    """An edge runtime whose nodes request their certificates over the network, with a token."""

    def join_token(self, cluster: ClusterAccess, deadline: Deadline) -> str:
        """The join token of a running cluster; LabError if it has none."""
        ...

    def join_endpoints(self, joining: Joining) -> tuple[Endpoint, ...]:
        """One endpoint for each possible request, with the expected result of each probe."""
        ...


def wants_for(component: str, nodes: Iterable[Node]) -> tuple[Want, ...]:
    """`component` once for each architecture of `nodes`."""
    return tuple(dict.fromkeys(Want(component, node.arch) for node in nodes))


def kubectl_want() -> Want:
    """kubectl for the host that runs the lab."""
    return Want("kubectl", host_arch())
