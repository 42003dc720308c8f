"""What the protocol servers have in common: the step that they show, and who may change it.

A server is handed a `Shown`, a place that holds the current step, and reads it at each
request.  It listens on loopback; on the device's address stands a `Relay`, which hands all on
to it and does the faults of the wire and of framing.  Only what lies inside the protocol (who
is trusted, what status a value has) is the server's own: `Server.set_fault`.
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
"""Where servers listen, inside the device's namespace."""


@dataclass
class Shown:
    """What a device shows at this moment. Replaced as a whole, never changed in part."""

    plant: Plant[Any]
    requested: int
    """Raw setpoint asked for; in force from the next step."""
    seq: int = 0
    time: int = 0
    """ns since 1970."""
    raw: dict[str, int] = field(default_factory=dict)
    coils: list[bool] = field(default_factory=lambda: [False] * COILS)
    """What an operator has switched, where the protocol has coils."""
    signals: dict[Signal, Reading] = field(default_factory=dict)
    alarms: dict[str, AlarmState] = field(default_factory=dict)
    """State by point."""
    ticks: dict[str, int] = field(default_factory=dict)
    """Number of the last tick of each group."""
    past: deque[TruthStep] = field(default_factory=lambda: deque(maxlen=1))
    """The last steps, the one that is shown at the end: as many as are asked for."""
    on_write: Callable[[str, Value], None] = lambda address, value: None
    """Called with address and value as written, before it takes effect."""


class Server(ABC):
    """A protocol server, behind a relay on the device's own address."""

    port: int
    """TCP port, on loopback and on the device's address."""
    framing: Framing
    self_read_seconds: float
    """How long a read of itself may take."""

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """Where each point is found, by name: what the truth log's first line says."""

    @abstractmethod
    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        """Raw values as this protocol serves them."""

    @abstractmethod
    async def start(self) -> None:
        """Listens on loopback. The first step is shown already."""

    @abstractmethod
    async def show(self) -> None:
        """The step in `Shown` is a new one."""

    async def tick(self, group: str, number: int, time: int) -> None:
        """The nodes of a group show `number` from `time` (ns since 1970) on."""
        raise NotImplementedError(f"{type(self).__name__} has no nodes that count")

    @abstractmethod
    async def read_itself(self) -> int:
        """The sequence number, as a client reads it over the network; raises if it cannot.

        It goes to the device's own address, so that each fault lies in its way.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Ends all connections."""

    @abstractmethod
    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Does what of a fault lies inside the protocol, in the place of what was set."""

    async def close_sessions(self) -> None:  # noqa: B027
        """Ends what outlives a client's connection, where the protocol has such a thing."""

    @property
    def affected(self) -> int:
        """What that has touched since it was set: answers, or clients turned away."""
        return 0

    @property
    def refused(self) -> int:
        """Clients turned away because of their certificate."""
        return 0
