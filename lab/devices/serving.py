"""What the two protocol servers have in common: the step that they show, and who may change it.

A server is handed a `Shown`, a place that holds the current step, and reads it at each
request.  It listens on loopback; on the device's address stands a `Relay`, which hands all on
to it and does the faults of the wire and of framing.  Only what lies inside the protocol (who
is trusted, what status a value has) is the server's own: `Server.set_fault`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.devices.faults import DeviceFault
from lab.devices.framing import Framing
from lab.devices.plant import Plant
from lab.devices.points import Value

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
    on_write: Callable[[str, Value, int], None] = lambda address, value, raw: None
    """Called with address, value as written and raw setpoint, before it takes effect."""


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

    @property
    def affected(self) -> int:
        """What that has touched since it was set: answers, or clients turned away."""
        return 0

    @property
    def refused(self) -> int:
        """Clients turned away because of their certificate."""
        return 0
