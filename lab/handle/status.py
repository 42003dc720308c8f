"""The status of a lab, as data: the content of `lab status --json` and `lab samples`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from edge_lab.handle.hostprocesses import HostProcess
from edge_lab.handle.linkstate import LinkState
from edge_lab.provisioning.cri import CONTAINERD


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class NodeStatus(_Model):
    name: str
    arch: str
    memory_mib: int
    ready: bool
    """Its state in the API server."""
    runtime: str
    """The edge runtime and the versions that the node reports: `openyurt (kubelet v1.34.4)`, or
    `openyurt (kubelet v1.34.4, cri-o 1.34.8)` on a node with another runtime than containerd."""
    container_runtime: str = ""
    """Its container runtime as the node reports it: `containerd://1.7.24`; empty if unknown."""
    capabilities: tuple[str, ...] = ()
    """Its capabilities, by the stack and the add-ons."""
    address: str
    accelerator: str
    reboots: int
    """Boots that were repeated because the emulator had crashed the guest."""


class LinkStatus(_Model):
    name: str
    endpoint: str
    network: str
    state: LinkState
    """The state of the worse direction."""
    detail: str
    """The states of directions in which frames do not pass unchanged; otherwise empty."""
    frames_tx: int
    frames_rx: int


class DeviceStatus(_Model):
    name: str
    protocol: str
    address: str
    reachable: bool
    """Whether it has just answered a read in its protocol."""
    sequence: int
    """Number of the latest set of values."""


class PodStatus(_Model):
    namespace: str
    name: str
    node: str
    """Empty until it is scheduled."""
    phase: str
    ready: bool
    restarts: int
    """Sum over its containers."""
    reason: str = ""
    """The reason if it is not as expected, if one is reported."""


class FaultStatus(_Model):
    id: int
    """For `lab fault heal`."""
    title: str


class LabStatus(_Model):
    lab: str
    stack: str
    addons: tuple[str, ...] = ()
    restored: bool
    kubeconfig: str
    nodes: tuple[NodeStatus, ...]
    links: tuple[LinkStatus, ...]
    devices: tuple[DeviceStatus, ...]
    faults: tuple[FaultStatus, ...] = ()
    """The active faults."""
    processes: tuple[HostProcess, ...] = ()
    """Processes of the lab on the host, with their memory and CPU time."""
    versions: dict[str, str]


class DeviceSamples(_Model):
    """A row of `lab samples`: the samples of one node from one device."""

    device: str
    node: str
    written: int
    """Sets of values that the device has logged since the node's first sample."""
    sampled: int
    """Samples that the node has buffered."""
    arrived: int
    """Distinct samples in the collector."""
    waiting: int
    lost: int
    """Sequence numbers that the sampler assigned and no longer buffers, but that never arrived."""
    repeated: int
    wrong: int
    """Samples whose values differ from the ground truth at their sequence number."""
    missed: int
    """Values that the device showed in that time but that were never sampled."""


def with_versions(runtime: str, info: Mapping[str, str]) -> str:
    """The edge runtime with the versions in `info`, a node's `nodeInfo`, which may be empty; with
    that of the container runtime if it is not containerd."""
    if not info:
        return runtime
    versions = [f"kubelet {info['kubeletVersion']}"]
    name, _, version = info.get("containerRuntimeVersion", "").partition("://")
    if name not in ("", CONTAINERD.name):
        versions.append(f"{name} {version}")
    return f"{runtime} ({', '.join(versions)})"
