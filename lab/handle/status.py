"""What a lab looks like now, as data: the contents of `lab status --json` and `lab samples`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from edge_lab.handle.hostprocesses import HostProcess
from edge_lab.handle.linkstate import LinkState


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class NodeStatus(_Model):
    name: str
    arch: str
    memory_mib: int
    ready: bool
    """As the API server sees it."""
    runtime: str
    """The edge runtime and what the node says of itself, as `openyurt (kubelet v1.34.4)`."""
    capabilities: tuple[str, ...] = ()
    """What it can do, by the stack and the add-ons."""
    address: str
    accelerator: str
    reboots: int
    """Boots made once more because the emulator had crashed the guest."""


class LinkStatus(_Model):
    name: str
    endpoint: str
    network: str
    state: LinkState
    """The worse direction counts."""
    detail: str
    """What is set on each direction that is not plain, else empty."""
    frames_tx: int
    frames_rx: int


class DeviceStatus(_Model):
    name: str
    protocol: str
    address: str
    reachable: bool
    """Whether it answered a read in its own protocol just now."""
    sequence: int
    """Number of the newest set of values."""


class PodStatus(_Model):
    namespace: str
    name: str
    node: str
    """Empty until it is scheduled."""
    phase: str
    ready: bool
    restarts: int
    """Of all its containers."""
    reason: str = ""
    """Why it is not as it should be, if that is said."""


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
    """Of the lab on the host, with their memory and processor time."""
    versions: dict[str, str]


class DeviceSamples(_Model):
    """One row of `lab samples`: what one node took from one device."""

    device: str
    node: str
    written: int
    """Sets of values that the device has written since the node took its first sample."""
    sampled: int
    """Samples that the node has put into its buffer."""
    arrived: int
    """Different samples that the collector holds."""
    waiting: int
    lost: int
    """Numbers that the sampler gave out and no longer holds, and that never arrived."""
    repeated: int
    wrong: int
    """Samples whose values differ from the ground truth at their sequence number."""
    missed: int
    """Values that the device has shown in that time and that were never sampled."""
