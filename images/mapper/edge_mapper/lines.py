"""A line, the connection to one physical device: the common parts of both protocols.

Several Device objects may refer to the same physical device; they share one line to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .config import OpcUaConfig
from .fields import MALFORMED
from .objects import Property
from .values import Value, text_of

MODBUS, OPCUA = "modbus", "opcua"
PROTOCOLS = (MODBUS, OPCUA)

GONE_SECONDS = 1.5
"""So long after a device did not answer, it is not asked again: of a hundred twins that share
a line, each would else wait for an answer of its own."""


class Gone(Exception):
    """The device does not answer."""


class Silent(Gone):
    """It accepted a request without an answer, which may be its reaction to this request."""


class Unusable(Gone):
    """The device cannot be contacted: its configuration is invalid."""


class Declined(Exception):
    """The device refuses a request: with an exception, or a bad status."""


class Unavailable(Declined):
    """A temporary refusal, independent of the content of the request."""


@dataclass(frozen=True)
class Refusal:
    """Why one property could not be read, and where at the device it is."""

    why: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.why}" if self.where else self.why


class Line(ABC):
    """Requests go one after another; a device that is gone is called again with the next."""

    def __init__(self) -> None:
        self._busy = asyncio.Lock()
        self._gone: tuple[float, str] | None = None

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        async with self._busy:
            if self._gone and time.monotonic() - self._gone[0] < GONE_SECONDS:
                raise Gone(self._gone[1])
            try:
                yield
            except Gone as trouble:
                self._gone = time.monotonic(), str(trouble)
                raise
            self._gone = None

    async def read(self, properties: Sequence[Property]) -> Mapping[str, Value | Refusal]:
        """By name, the values that could be read, those of neighbours in one request, and why
        others could not.

        Raises:
            Gone: the device does not answer.
            Declined: it answers, and gives none of them, all for one reason.
        """
        async with self._turn():
            return await self.fetch(properties)

    async def write(self, to: Property, value: Value) -> None:
        """Writes one value.

        Raises:
            Gone: the device does not answer; it may or may not have taken the value.
            Declined: it does not take the value.
        """
        async with self._turn():
            await self.put(to, value)

    @abstractmethod
    def check(self, of: Property) -> None:
        """ValueError if it does not say where at the device it is."""
        ...

    @abstractmethod
    async def fetch(self, properties: Sequence[Property]) -> Mapping[str, Value | Refusal]: ...

    @abstractmethod
    async def put(self, to: Property, value: Value) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def text(self, of: Property, value: Value) -> str:
        """The value as twins carry it."""
        ...


class UnusableLine(Line):
    """The line of a device whose configuration is invalid."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self._why = why

    def check(self, of: Property) -> None:
        """Nothing is wrong with a property."""

    async def fetch(self, properties: Sequence[Property]) -> Mapping[str, Value | Refusal]:
        raise Unusable(self._why)

    async def put(self, to: Property, value: Value) -> None:
        raise Unusable(self._why)

    def text(self, of: Property, value: Value) -> str:
        return text_of(value)

    async def close(self) -> None:
        """There is nothing to close."""


class Lines:
    """All lines, each as long as a device uses it."""

    def __init__(self, opcua: OpcUaConfig | None) -> None:
        self._opcua = opcua
        self._lines: dict[str, tuple[Line, int]] = {}

    def take(self, protocol: str, config: Mapping[str, Any]) -> tuple[str, Line]:
        """A line and the name to give it back by.

        If the configuration is no good it is an UnusableLine.
        """
        name = f"{protocol} {sorted(config.items())}"
        if name in self._lines:
            line, users = self._lines[name]
        else:
            line, users = self._make_or_say_why(protocol, config), 0
        self._lines[name] = (line, users + 1)
        return name, line

    def _make_or_say_why(self, protocol: str, config: Mapping[str, Any]) -> Line:
        try:
            return self._make(protocol, config)
        except KeyError as trouble:
            return UnusableLine(f"its protocol's configData lacks {trouble}")
        except MALFORMED as trouble:
            return UnusableLine(f"its protocol's configData is invalid: {trouble}")

    def _make(self, protocol: str, config: Mapping[str, Any]) -> Line:
        if protocol == MODBUS:
            from .modbus import ModbusLine

            return ModbusLine(config)
        if protocol == OPCUA:
            if self._opcua is None:
                raise ValueError("this node has no certificate for OPC UA")
            from .opcua import OpcUaLine

            return OpcUaLine(config, self._opcua)
        raise ValueError(f"unknown protocol {protocol!r}")

    async def give_back(self, name: str) -> None:
        line, users = self._lines.pop(name)
        if users > 1:
            self._lines[name] = (line, users - 1)
        else:
            await line.close()
