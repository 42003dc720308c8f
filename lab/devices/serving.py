"""What the two protocol servers have in common: the step that they show, and who may change it.

A server is handed a `Shown`, a place that holds the current step, and reads it at each
request.  Faults that devices really have (slow or split replies, exceptions, junk) belong
into the servers, behind `Server`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.devices.plant import Plant
from lab.devices.points import Value


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
    """A protocol server on the device's own address."""

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """Where each point is found, by name: what the truth log's first line says."""

    @abstractmethod
    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        """Raw values as this protocol serves them."""

    @abstractmethod
    async def start(self) -> None:
        """Listens. The first step is shown already."""

    @abstractmethod
    async def show(self) -> None:
        """The step in `Shown` is a new one."""

    @abstractmethod
    async def read_itself(self) -> int:
        """The sequence number, as a client reads it over the network; raises if it cannot."""

    @abstractmethod
    async def stop(self) -> None:
        """Ends all connections."""

    @property
    @abstractmethod
    def clients(self) -> int:
        """Open connections."""

    @property
    def refused(self) -> int:
        """Clients turned away because of their certificate."""
        return 0
