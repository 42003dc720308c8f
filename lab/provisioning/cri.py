"""The container runtimes of nodes: their units, sockets, and the state of containers below /run.

Whatever depends on which of them a node has takes it from `cri_of`. Paths and annotations are
those of Debian's containerd (1.7, 2.x) and of CRI-O 1.34 as the lab configures them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge_lab.topology import Cri, Node


@dataclass(frozen=True)
class PodAnnotations:
    """Names of the annotations of a container that describe its pod."""

    kind: str
    """`container` or `sandbox`."""
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class CriRuntime:
    """An implementation of the Container Runtime Interface."""

    name: str
    """In a node's containerRuntimeVersion, before `://`."""
    unit: str
    socket: str
    """Absolute path."""
    states: str
    """Shell pattern of folders, one for each container, with its OCI specification in config.json
    and the process id of its init in `pid_file`."""
    pid_file: str
    annotations: PodAnnotations
    pid_file_stays: bool
    """Whether the folder outlives the process, so that its id may be that of a later process."""

    @property
    def endpoint(self) -> str:
        """The URL of its socket."""
        return f"unix://{self.socket}"


TASKS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
"""containerd's folder with one folder for each task, which disappears with the task."""
CONTAINERS = "/run/containers/storage/overlay-containers"
"""CRI-O's folder with one folder for each container."""

CONTAINERD = CriRuntime(
    name="containerd",
    unit="containerd.service",
    socket="/run/containerd/containerd.sock",
    states=f"{TASKS}/*",
    pid_file="init.pid",
    annotations=PodAnnotations(
        kind="io.kubernetes.cri.container-type",
        namespace="io.kubernetes.cri.sandbox-namespace",
        name="io.kubernetes.cri.sandbox-name",
        uid="io.kubernetes.cri.sandbox-uid",
    ),
    pid_file_stays=False,
)
CRI_O = CriRuntime(
    name="cri-o",
    unit="crio.service",
    socket="/run/crio/crio.sock",
    states=f"{CONTAINERS}/*/userdata",
    pid_file="pidfile",
    annotations=PodAnnotations(
        kind="io.kubernetes.cri-o.ContainerType",
        namespace="io.kubernetes.pod.namespace",
        name="io.kubernetes.pod.name",
        uid="io.kubernetes.pod.uid",
    ),
    pid_file_stays=True,
)

_RUNTIMES: Mapping[Cri, CriRuntime] = MappingProxyType(
    {Cri.CONTAINERD: CONTAINERD, Cri.CRI_O: CRI_O}
)


def cri_of(node: Node) -> CriRuntime:
    """The container runtime of `node`."""
    return _RUNTIMES[node.cri]
