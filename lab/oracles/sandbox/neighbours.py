"""What a sampler lost beside a hostile pod, and what that pod used meanwhile. Shares are of one
window on one node, so only windows of one run can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.core.errors import LabError

LEAST_STEPS = 10
"""Minimum steps of the device in a window."""


@dataclass(frozen=True)
class Load:
    """A node's counters of a pod and of its own NIC."""

    uptime: float
    """Of the node, s."""
    cpu_usec: int
    """Of the pod's control group."""
    memory_mib: float
    """Of the pod's control group, including page cache."""
    frames: int
    """Sent by the NIC."""


def parse_load(text: str) -> Load:
    """Parses `uptime`, `usage_usec`, `memory.current` and `tx_packets`, in this order.

    Raises:
        LabError: one of them is missing, as after the end of the pod.
    """
    try:
        uptime, cpu, memory, frames = text.split()
        return Load(float(uptime), int(cpu), int(memory) / 2**20, int(frames))
    except ValueError as trouble:
        raise LabError(f"the node did not report the pod's usage: {text[:200]!r}") from trouble


@dataclass(frozen=True)
class Look:
    """One reading of device, sampler and node."""

    step: int
    """Number of the device's last step, by its ground truth."""
    sampled: int
    read_errors: int
    load: Load


@dataclass(frozen=True)
class Window:
    """The changes between two readings."""

    before: Look
    after: Look

    def __post_init__(self) -> None:
        if self.steps < LEAST_STEPS or self.seconds <= 0:
            raise LabError(
                f"not enough was observed for a verdict: {self.steps} steps of the device"
            )

    @property
    def steps(self) -> int:
        """Of the device."""
        return self.after.step - self.before.step

    @property
    def seconds(self) -> float:
        """By the node's clock."""
        return self.after.load.uptime - self.before.load.uptime

    @property
    def sampled_percent(self) -> float:
        """The share of the device's steps that the sampler took."""
        return 100 * (self.after.sampled - self.before.sampled) / self.steps

    @property
    def read_errors(self) -> int:
        return self.after.read_errors - self.before.read_errors

    @property
    def cpus(self) -> float:
        """CPUs that the hostile pod kept busy."""
        return (self.after.load.cpu_usec - self.before.load.cpu_usec) / 1e6 / self.seconds

    @property
    def frames_per_s(self) -> float:
        """Packets per second that the node sent."""
        return (self.after.load.frames - self.before.load.frames) / self.seconds


def lost_percent(alone: Window, beside: Window) -> float:
    """The share of samples lost beside this pod, of those taken beside an idle one.

    Raises:
        LabError: none were taken beside the idle one either.
    """
    if alone.sampled_percent <= 0:
        raise LabError("the sampler took no samples next to an idle pod")
    return 100 * (1 - beside.sampled_percent / alone.sampled_percent)
