"""A protocol of lines: for each line that a client sends, one with the values that are shown."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address

from pydantic import Field

from edge_lab.devices.faults import DeviceFault
from edge_lab.devices.framing import Framing, NotFramed, Way
from edge_lab.devices.points import Value
from edge_lab.devices.protocols import DeviceProtocol, Options
from edge_lab.devices.serving import LOOPBACK, Server, Shown
from edge_lab.devices.spec import DeviceSpec
from edge_lab.topology import Device

PORT = 7000
LONGEST_LINE = 1000


class LineOptions(Options):
    separator: str = Field(" ", min_length=1, max_length=1, description="Between two values.")


class AcmeLine(DeviceProtocol):
    """Neither the sampler nor the mapper can speak it."""

    name = "acme-line"
    options = LineOptions
    plant = "boiler"

    def port(self, device: Device) -> int | None:
        return PORT

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        return LineServer(shown, spec.address.ip, LineOptions.model_validate(spec.options))


class LineFraming(Framing):
    header = 1

    def length(self, data: bytes, way: Way) -> int | None:
        end = data.find(b"\n")
        if end < 0 and len(data) > LONGEST_LINE:
            raise NotFramed("a line without an end")
        return None if end < 0 else end + 1


class LineServer(Server):
    port = PORT
    framing = LineFraming()
    self_read_seconds = 3.0

    def __init__(self, shown: Shown, address: IPv4Address, options: LineOptions) -> None:
        self._shown = shown
        self._address = str(address)
        self._separator = options.separator
        self._listener: asyncio.Server | None = None

    def addresses(self) -> dict[str, str]:
        return {point.name: point.name for point in self._shown.plant.points}

    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        return {point.name: point.value(raw[point.name]) for point in self._shown.plant.points}

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._serve, LOOPBACK, PORT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            values = self.values(self._shown.raw)
            said = [f"seq={self._shown.seq}", *(f"{name}={values[name]}" for name in values)]
            writer.write(self._separator.join(said).encode() + b"\n")
        writer.close()

    async def show(self) -> None:
        """Nothing to do: each line says what is shown."""

    async def read_itself(self) -> int:
        reader, writer = await asyncio.open_connection(self._address, PORT)
        try:
            writer.write(b"?\n")
            line = (await reader.readline()).decode()
        finally:
            writer.close()
        return int(line.split(self._separator)[0].removeprefix("seq="))

    async def set_fault(self, fault: DeviceFault | None) -> None:
        """Nothing to do: the relay does all faults of this protocol."""

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
