"""What a sampler lost beside a hostile pod, and what that pod took meanwhile. Shares are of one
window on one node, so that windows of one run can be compared, and no others."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.core.errors import LabError

LEAST_STEPS = 10
"""Of the device in a window, to judge by."""


@dataclass(frozen=True)
class Load:
    """What a node counts of a pod, and of its own NIC."""

    uptime: float
    """Of the node, s."""
    cpu_usec: int
    """Of the pod's control group."""
    memory_mib: float
    """Of the pod's control group, page cache too."""
    frames: int
    """Sent by the NIC."""


def parse_load(text: str) -> Load:
    """What `uptime`, `usage_usec`, `memory.current` and `tx_packets` say, one after the other.

    Raises:
        LabError: one of them is missing, as of a pod that has ended.
    """
    try:
        uptime, cpu, memory, frames = text.split()
        return Load(float(uptime), int(cpu), int(memory) / 2**20, int(frames))
    except ValueError as trouble:
        raise LabError(f"the node did not show what the pod takes: {text[:200]!r}") from trouble


@dataclass(frozen=True)
class Look:
    """One look at device, sampler and node."""

    step: int
    """Number of the device's last step, by its ground truth."""
    sampled: int
    read_errors: int
    load: Load


@dataclass(frozen=True)
class Window:
    """What went on between two looks."""

    before: Look
    after: Look

    def __post_init__(self) -> None:
        if self.steps < LEAST_STEPS or self.seconds <= 0:
            raise LabError(f"too little was seen to judge by: {self.steps} steps of the device")

    @property
    def steps(self) -> int:
        """Of the device."""
        return self.after.step - self.before.step

    @property
    def seconds(self) -> float:
        """On the node's clock."""
        return self.after.load.uptime - self.before.load.uptime

    @property
    def sampled_percent(self) -> float:
        """Of the device's steps, how many the sampler has taken."""
        return 100 * (self.after.sampled - self.before.sampled) / self.steps

    @property
    def read_errors(self) -> int:
        return self.after.read_errors - self.before.read_errors

    @property
    def cpus(self) -> float:
        """That the hostile pod kept busy."""
        return (self.after.load.cpu_usec - self.before.load.cpu_usec) / 1e6 / self.seconds

    @property
    def frames_per_s(self) -> float:
        """That the node sent."""
        return (self.after.load.frames - self.before.load.frames) / self.seconds


def lost_percent(alone: Window, beside: Window) -> float:
    """Of what the sampler takes beside a pod that does nothing, what it lost beside this one.

    Raises:
        LabError: it takes nothing there either.
    """
    if alone.sampled_percent <= 0:
        raise LabError("the sampler has taken nothing beside a pod that does nothing")
    return 100 * (1 - beside.sampled_percent / alone.sampled_percent)
