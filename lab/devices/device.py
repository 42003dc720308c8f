"""One simulated device: plant, truth, protocol server and control, in one event loop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.devices.alarms import AlarmState, states_of
from edge_lab.devices.control import ControlServer, DeviceSnapshot, DeviceStatus
from edge_lab.devices.faults import (
    DEVICE_FAULT,
    BrownOut,
    Busy,
    DeviceFault,
    Gone,
    Hang,
    Reset,
    SlowClock,
)
from edge_lab.devices.points import COILS, Value, coil
from edge_lab.devices.protocols import protocol_of
from edge_lab.devices.relay import Relay
from edge_lab.devices.restarts import Restarts
from edge_lab.devices.serial.line import SerialLine
from edge_lab.devices.serial.operations import line_operations
from edge_lab.devices.serving import LOOPBACK, Shown
from edge_lab.devices.signals import reading
from edge_lab.devices.spec import DeviceSpec
from edge_lab.devices.steptimes import StepTimes
from edge_lab.devices.truth import (
    TruthAlarm,
    TruthLog,
    TruthSignals,
    TruthStep,
    TruthTick,
    TruthWrite,
    now,
    read_past,
)
from edge_lab.devices.wire import Pump, enter_namespace, open_tap, open_wire, set_nic

log = logging.getLogger(__name__)


def run_device(spec: DeviceSpec) -> None:
    """Runs the device until SIGTERM. The process must have a single thread, and moves to a
    separate network namespace.

    Raises:
        LabError: the link, the tap or the server is unavailable.
    """
    spec.folder.mkdir(parents=True, exist_ok=True)
    wire = open_wire(spec.endpoint_port, spec.fabric_port)
    enter_namespace()
    tap = open_tap(spec.address, spec.mac)
    asyncio.run(Device(spec).run(tap, wire))


class Device:
    """A device, while it starts and runs. Everything happens in one event loop."""

    def __init__(self, spec: DeviceSpec) -> None:
        self._spec = spec
        self._plant = spec.model
        self._truth = TruthLog(spec.folder)
        past = read_past(spec.folder, spec.nodes.history)
        before = past.step
        try:
            self._state = (
                self._plant.load(before.state) if before else self._plant.initial(spec.seed)
            )
        except ValueError as trouble:
            raise LabError(
                f"the truth log in {spec.folder} is not that of this device: {trouble}",
                remedy="`lab down` removes it with its lab.",
            ) from trouble
        setpoint = self._plant.setpoint
        self._shown = Shown(
            self._plant,
            requested=before.requested if before else setpoint.point.raw(setpoint.initial),
            seq=before.seq if before else 0,
            coils=[bool(past.written.get(coil(number), False)) for number in range(COILS)],
            alarms=states_of(spec.nodes.alarms, before.values) if before else {},
            ticks=dict(past.ticks),
            past=deque(past.steps, maxlen=max(1, spec.nodes.history)),
            on_write=self._written,
        )
        self._server = protocol_of(spec.protocol).make_server(spec, self._shown)
        self._relay = Relay(
            (str(spec.address.ip), self._server.port),
            (LOOPBACK, self._server.port),
            self._server.framing,
            self._server.close_sessions,
        )
        self._restarts = Restarts(self._relay, self._as_from_factory)
        self._steps_taken = StepTimes()
        self._line = (
            SerialLine(spec.serial, spec.folder, (str(spec.address.ip), self._server.port))
            if spec.serial is not None
            else None
        )
        self._fault: DeviceFault | None = None
        self._changing = asyncio.Lock()
        self._abandoned: set[asyncio.Task[int]] = set()
        """Reads of itself that took too long and are being cancelled."""
        self._running = asyncio.Event()
        self._pump: Pump | None = None

    async def run(self, tap: int, wire: socket.socket) -> None:
        """Serves until SIGTERM or SIGINT."""
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        self._truth.describe(
            {
                "device": self._spec.name,
                "plant": self._plant.name,
                "protocol": self._spec.protocol,
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
                "fault": self._misbehave,
                **(line_operations(self._line) if self._line else {}),
            },
        )
        self._take_step()
        try:
            await self._server.start()
            await self._relay.start()
            if self._line is not None:
                self._line.start()
            await control.start()
            self._running.set()
            log.info("%s serves %s on %s", self._spec.name, self._spec.protocol, self._spec.address)
            work = {
                asyncio.create_task(self._steps()),
                *(
                    asyncio.create_task(self._ticks(group, asked.period_ms / 1000))
                    for group, asked in self._spec.nodes.groups.items()
                ),
            }
            waiting = asyncio.create_task(ended.wait())
            await asyncio.wait({*work, waiting}, return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                if task.done():
                    task.result()
                task.cancel()
        finally:
            await control.stop()
            await self._restarts.stop()
            if self._line is not None:
                await self._line.stop()
            await self._relay.stop()
            await self._server.stop()
            self._pump.stop()
            self._truth.close()

    # -- Steps ---------------------------------------------------------------------------

    async def _steps(self) -> None:
        async for _ in self._beats(self._spec.period_ms / 1000):
            self._take_step()
            await self._server.show()

    async def _ticks(self, group: str, period: float) -> None:
        async for _ in self._beats(period):
            number, when = self._shown.ticks.get(group, 0) + 1, now()
            self._truth.add(TruthTick(group, number, when))
            self._shown.ticks[group] = number
            await self._server.tick(group, number, when)

    async def _beats(self, period: float) -> AsyncIterator[None]:
        """Waits for the next period, while it is not paused."""
        loop = asyncio.get_running_loop()
        due = loop.time() + period
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._running.wait()
            yield
            # Missed steps (the host was suspended, the device was paused) are skipped.
            due = max(due + period / self._clock_rate, loop.time())

    @property
    def _clock_rate(self) -> float:
        return self._fault.rate if isinstance(self._fault, SlowClock) else 1.0

    def _take_step(self) -> None:
        """Computes the next step, logs it, and only then shows it."""
        shown = self._shown
        setpoint = self._plant.setpoint.point.value(shown.requested)
        seq = shown.seq + 1
        seconds = self._spec.period_ms / 1000
        self._state = self._plant.advance(self._state, setpoint, seconds, self._spec.seed, seq)
        raw = self._plant.raw(self._state, setpoint)
        step = TruthStep(
            seq, now(), self._server.values(raw), self._plant.dump(self._state), shown.requested
        )
        self._truth.add(step)
        self._take_signals(step)
        self._take_alarms(step)
        shown.past.append(step)
        shown.seq, shown.time, shown.raw = seq, step.time, raw
        self._steps_taken.step()

    def _take_signals(self, step: TruthStep) -> None:
        asked, seed = self._spec.nodes, self._spec.seed
        if asked.signals:
            found = {
                signal: reading(signal, seed, step.seq, asked.anomaly) for signal in asked.signals
            }
            values = {signal.value: shown.value for signal, shown in found.items()}
            clean = {signal.value: shown.clean for signal, shown in found.items()}
            self._truth.add(TruthSignals(step.seq, step.time, values, clean))
            self._shown.signals = found

    def _take_alarms(self, step: TruthStep) -> None:
        states = states_of(self._spec.nodes.alarms, step.values)
        for point, state in states.items():
            if state is not self._shown.alarms.get(point, AlarmState.NORMAL):
                value = step.values[point]
                self._truth.add(TruthAlarm(step.seq, step.time, point, state.value, value))
        self._shown.alarms = states

    def _as_from_factory(self) -> None:
        """Resets setpoint and coils, as a loss of power does."""
        setpoint = self._plant.setpoint
        self._shown.requested = setpoint.point.raw(setpoint.initial)
        for number, is_on in enumerate(self._shown.coils):
            if is_on:
                self._written(coil(number), 0)
                self._shown.coils[number] = False

    def _written(self, address: str, value: Value) -> None:
        self._truth.add(TruthWrite(self._shown.seq, now(), address, value))

    # -- Control -------------------------------------------------------------------------

    async def _status(self, request: Mapping[str, Any]) -> DeviceStatus:
        limit = min(self._server.self_read_seconds, float(request.get("within", "inf")))
        trouble, answer_ms = await self._try_itself(limit)
        return DeviceStatus(
            name=self._spec.name,
            protocol=self._spec.protocol,
            seq=self._shown.seq,
            reachable=not trouble,
            trouble=trouble,
            running=self._running.is_set(),
            clients=self._relay.clients,
            refused=self._server.refused,
            fault=self._fault,
            affected=self._affected,
            answer_ms=answer_ms,
            frames_out=self._pump.to_wire if self._pump else 0,
            frames_in=self._pump.to_tap if self._pump else 0,
            boots=self._restarts.boots,
            period_ms=self._spec.period_ms,
            step_ms=self._steps_taken.mean_ms,
        )

    @property
    def _affected(self) -> int:
        match self._fault:
            case SlowClock():
                return self._steps_taken.count
            case Reset() | BrownOut() | Hang():
                return self._restarts.affected
        return self._relay.affected + self._server.affected

    async def _try_itself(self, limit: float) -> tuple[str, float | None]:
        """Reads itself within `limit` seconds: the error, or the duration in ms."""
        began = time.monotonic()
        reading = asyncio.create_task(self._server.read_itself())
        done, _ = await asyncio.wait({reading}, timeout=limit)
        took = (time.monotonic() - began) * 1000
        if not done:
            # Closing the connection to a device that does not answer may take as long again.
            self._abandoned.add(reading)
            reading.add_done_callback(self._forget)
            reading.cancel()
            return f"TimeoutError: no answer within {limit:.3g} s", None
        problem = reading.exception()
        return (f"{type(problem).__name__}: {problem}", None) if problem else ("", took)

    def _forget(self, reading: asyncio.Task[int]) -> None:
        self._abandoned.discard(reading)
        if not reading.cancelled():
            reading.exception()  # otherwise asyncio warns that it was never retrieved

    async def _snapshot(self, request: Mapping[str, Any]) -> DeviceSnapshot:
        return DeviceSnapshot(
            name=self._spec.name,
            plant=self._plant.name,
            seq=self._shown.seq,
            time=self._shown.time,
            state=self._plant.dump(self._state),
            requested=self._shown.requested,
            truth_size=self._truth.size,
        )

    async def _pause(self, request: Mapping[str, Any]) -> DeviceSnapshot:
        self._running.clear()
        return await self._snapshot(request)

    async def _resume(self, request: Mapping[str, Any]) -> None:
        self._running.set()

    async def _misbehave(self, request: Mapping[str, Any]) -> DeviceStatus:
        """Replaces the fault; null clears it."""
        asked = request.get("fault")
        fault = DEVICE_FAULT.validate_python(asked) if asked is not None else None
        if fault is not None:
            fault.check(self._spec.protocol)
        async with self._changing:
            await self._restarts.stop()
            silent = isinstance(fault, Gone) and fault.how == "silent"
            if silent:  # first, so that closing connections is not visible on the link
                set_nic(up=False)
            await self._server.set_fault(fault)
            await self._relay.set_fault(fault)
            if not silent:
                set_nic(up=True)
            if isinstance(fault, Busy):
                await self._relay.overfill(fault.connections)
            self._fault = fault
            self._steps_taken.restart()
            self._restarts.begin(fault)
        log.info("%s %s", self._spec.name, fault or "fault cleared")
        return await self._status(request)
