"""The common parts of the protocol servers: the current step, and its changes.

A server gets a `Shown`, which has the current step, and reads it at each request.  It listens on
loopback; a `Relay` on the device's address forwards to it and implements the faults of
connections and framing.  Only faults inside the protocol (trust, the status of values) are
implemented by the server: `Server.set_fault`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge_lab.devices.alarms import AlarmState
from edge_lab.devices.faults import DeviceFault
from edge_lab.devices.framing import Framing
from edge_lab.devices.plant import Plant
from edge_lab.devices.points import COILS, Value
from edge_lab.devices.signals import Reading
from edge_lab.devices.truth import TruthStep
from edge_lab.topology import Signal

LOOPBACK = "127.0.0.1"
"""The address on which servers listen, inside the device's namespace."""


@dataclass
class Shown:
    """The current values of a device. Replaced as a whole, never changed partially."""

    plant: Plant[Any]
    requested: int
    """Requested raw setpoint; active from the next step."""
    seq: int = 0
    time: int = 0
    """ns since 1970."""
    raw: dict[str, int] = field(default_factory=dict)
    coils: list[bool] = field(default_factory=lambda: [False] * COILS)
    """The state of coils, where the protocol has them."""
    signals: dict[Signal, Reading] = field(default_factory=dict)
    alarms: dict[str, AlarmState] = field(default_factory=dict)
    """State by point."""
    ticks: dict[str, int] = field(default_factory=dict)
    """Number of the last tick of each group."""
    past: deque[TruthStep] = field(default_factory=lambda: deque(maxlen=1))
    """The last steps, ending with the current one, up to the requested number."""
    on_write: Callable[[str, Value], None] = lambda address, value: None
    """Called with address and value as written, before it takes effect."""


class Server(ABC):
    """A protocol server, behind a relay on the device's own address."""

    port: int
    """TCP port, on loopback and on the device's address."""
    framing: Framing
    self_read_seconds: float
    """Maximum seconds for a read of itself."""

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """The address of each point by name, for the first line of the truth log."""

    @abstractmethod
    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        """Raw values as this protocol serves them."""

    @abstractmethod
    async def start(self) -> None:
        """Starts to listen on loopback. `Shown` has the first step already."""

    @abstractmethod
    async def show(self) -> None:
        """Called after the step in `Shown` has changed."""

    async def tick(self, group: str, number: int, time: int) -> None:
        """Sets the nodes of a group to `number` from `time` (ns since 1970) on."""
        raise NotImplementedError(f"{type(self).__name__} has no counting nodes")

    @abstractmethod
    async def read_itself(self) -> int:
        """The sequence number, as a client reads it over the network; raises if it cannot.

        It uses the device's own address, so that it is subject to all faults.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Ends all connections."""

    @abstractmethod
    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Replaces the fault, as far as it is inside the protocol."""

    async def close_sessions(self) -> None:  # noqa: B027
        """Ends sessions that outlive connections, where the protocol has them."""

    @property
    def affected(self) -> int:
        """Answers and clients that this fault has affected since it was set."""
        return 0

    @property
    def refused(self) -> int:
        """Clients refused because of their certificate."""
        return 0
