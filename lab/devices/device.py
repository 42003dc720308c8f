"""One simulated device: plant, truth, protocol server and control, in one event loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

from lab.devices.control import ControlServer, DeviceSnapshot, DeviceStatus
from lab.devices.modbus import ModbusServer
from lab.devices.opcua import OpcUaServer
from lab.devices.points import Value
from lab.devices.serving import Server, Shown
from lab.devices.spec import DeviceSpec
from lab.devices.truth import TruthLog, TruthStep, TruthWrite, last_step, now
from lab.devices.wire import Pump, enter_namespace, open_tap, open_wire
from lab.errors import LabError
from lab.topology import Protocol

log = logging.getLogger(__name__)


def run_device(spec: DeviceSpec) -> None:
    """Runs the device until SIGTERM. The process must have one thread, and ends up in a
    network namespace of its own.

    Raises:
        LabError: the wire, the tap or the server cannot be had.
    """
    spec.folder.mkdir(parents=True, exist_ok=True)
    wire = open_wire(spec.endpoint_port, spec.fabric_port)
    enter_namespace()
    tap = open_tap(spec.address, spec.mac)
    asyncio.run(Device(spec).run(tap, wire))


class Device:
    """A device in the making, then running. Everything happens in one event loop."""

    def __init__(self, spec: DeviceSpec) -> None:
        self._spec = spec
        self._plant = spec.model
        self._truth = TruthLog(spec.folder)
        before = last_step(spec.folder)
        try:
            self._state = (
                self._plant.load(before.state) if before else self._plant.initial(spec.seed)
            )
        except ValueError as trouble:
            raise LabError(
                f"the truth log in {spec.folder} is not of this device: {trouble}",
                remedy="`lab down` removes it with its lab.",
            ) from trouble
        setpoint = self._plant.setpoint
        self._shown = Shown(
            self._plant,
            requested=before.requested if before else setpoint.point.raw(setpoint.initial),
            seq=before.seq if before else 0,
            on_write=self._written,
        )
        self._server = self._make_server()
        self._running = asyncio.Event()
        self._pump: Pump | None = None

    def _make_server(self) -> Server:
        if self._spec.protocol is Protocol.MODBUS:
            return ModbusServer(self._shown, self._spec.address.ip)
        if self._spec.opcua is None:  # the specification has seen to it
            raise LabError("an OPC UA device needs certificates")
        return OpcUaServer(self._shown, self._spec.name, self._spec.address.ip, self._spec.opcua)

    async def run(self, tap: int, wire: socket.socket) -> None:
        """Serves until SIGTERM or SIGINT."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        self._truth.describe(
            {
                "device": self._spec.name,
                "plant": self._plant.name,
                "protocol": self._spec.protocol.value,
                "seed": self._spec.seed,
                "period_ms": self._spec.period_ms,
                "addresses": self._server.addresses(),
            }
        )
        self._pump = Pump(tap, wire)
        self._pump.start()
        control = ControlServer(
            self._spec.folder,
            {
                "status": self._status,
                "snapshot": self._snapshot,
                "pause": self._pause,
                "resume": self._resume,
            },
        )
        self._take_step()
        try:
            await self._server.start()
            await control.start()
            self._running.set()
            log.info("%s serves %s on %s", self._spec.name, self._spec.protocol, self._spec.address)
            steps = asyncio.create_task(self._steps())
            waiting = asyncio.create_task(ended.wait())
            await asyncio.wait({steps, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if steps.done():
                steps.result()
            steps.cancel()
        finally:
            await control.stop()
            await self._server.stop()
            self._pump.stop()
            self._truth.close()

    # -- steps ---------------------------------------------------------------------------

    async def _steps(self) -> None:
        loop = asyncio.get_running_loop()
        period = self._spec.period_ms / 1000
        due = loop.time() + period
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._running.wait()
            self._take_step()
            await self._server.show()
            # What was missed (the host slept, the device was paused) is not made up for.
            due = max(due + period, loop.time())

    def _take_step(self) -> None:
        """Makes the next step, writes it down, and only then shows it."""
        shown = self._shown
        setpoint = self._plant.setpoint.point.value(shown.requested)
        seq = shown.seq + 1
        seconds = self._spec.period_ms / 1000
        self._state = self._plant.advance(self._state, setpoint, seconds, self._spec.seed, seq)
        raw = self._plant.raw(self._state, setpoint)
        when = now()
        self._truth.step(
            TruthStep(
                seq,
                when,
                self._server.values(raw),
                self._plant.dump(self._state),
                shown.requested,
            )
        )
        shown.seq, shown.time, shown.raw = seq, when, raw

    def _written(self, address: str, value: Value, raw: int) -> None:
        self._truth.write(TruthWrite(self._shown.seq, now(), address, value))
        self._shown.requested = raw

    # -- control -------------------------------------------------------------------------

    async def _status(self) -> DeviceStatus:
        clients = self._server.clients
        trouble = ""
        try:
            await self._server.read_itself()
        except Exception as problem:  # noqa: BLE001  whatever it is, the device is not reachable
            trouble = f"{type(problem).__name__}: {problem}"
        return DeviceStatus(
            name=self._spec.name,
            protocol=self._spec.protocol,
            seq=self._shown.seq,
            reachable=not trouble,
            trouble=trouble,
            running=self._running.is_set(),
            clients=clients,
            refused=self._server.refused,
            frames_out=self._pump.to_wire if self._pump else 0,
            frames_in=self._pump.to_tap if self._pump else 0,
        )

    async def _snapshot(self) -> DeviceSnapshot:
        return DeviceSnapshot(
            name=self._spec.name,
            plant=self._plant.name,
            seq=self._shown.seq,
            time=self._shown.time,
            state=self._plant.dump(self._state),
            requested=self._shown.requested,
            truth_size=self._truth.size,
        )

    async def _pause(self) -> DeviceSnapshot:
        self._running.clear()
        return await self._snapshot()

    async def _resume(self) -> None:
        self._running.set()
