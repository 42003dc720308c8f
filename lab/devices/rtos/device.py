"""A device that is firmware on an emulated board: its ground truth, its faults, its control."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.devices.control import MEMORY, ControlServer, DeviceSnapshot, DeviceStatus
from edge_lab.devices.faults import (
    DEVICE_FAULT,
)
from edge_lab.devices.modbus_self_read import read_sequence
from edge_lab.devices.points import (
    REQUESTED_SETPOINT,
    SETPOINT_REGISTER,
    discrete_input,
    registers_of,
)
from edge_lab.devices.protocols.rtos import FIRMWARE, RtosOptions
from edge_lab.devices.rtos.board import Configuration
from edge_lab.devices.rtos.cable import LAB_ADDRESS, LAB_MAC, Cable
from edge_lab.devices.rtos.console import (
    Boot,
    Clients,
    Failed,
    Hanging,
    Listening,
    Pausing,
    Step,
    Write,
    parse_line,
    state_numbers,
)
from edge_lab.devices.rtos.faults import BoardFaults
from edge_lab.devices.rtos.power import Board
from edge_lab.devices.spec import DeviceSpec
from edge_lab.devices.truth import TruthLog, TruthStep, TruthWrite, now, read_past
from edge_lab.devices.wire import NIC, enter_namespace, open_tap, open_wire

log = logging.getLogger(__name__)

_SELF_READ_SECONDS = 3.0
_PAUSE_SECONDS = 10.0


def run_firmware(spec: DeviceSpec) -> None:
    """Runs the device until SIGTERM, in a separate network namespace.

    Raises:
        LabError: the link, the tap or the emulator is unavailable, or the emulator has ended.
    """
    spec.folder.mkdir(parents=True, exist_ok=True)
    if FIRMWARE not in spec.files:
        raise LabError(f"the device {spec.name} has no firmware", remedy="Run `lab doctor`.")
    wire = open_wire(spec.endpoint_port, spec.fabric_port)
    enter_namespace()
    tap = open_tap(LAB_ADDRESS, LAB_MAC)
    _route(str(spec.address.ip))
    asyncio.run(FirmwareDevice(spec, tap, wire).run())


def _route(address: str) -> None:
    """Routes the device's address, which is in another network, over the lab's tap."""
    argv = ["ip", "route", "add", f"{address}/32", "dev", NIC]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"no route to the device: {done.stderr.strip()}")


class FirmwareDevice:
    """The device, while it runs. Everything happens in one event loop."""

    def __init__(self, spec: DeviceSpec, tap: int, wire: socket.socket) -> None:
        self._spec = spec
        self._plant = spec.model
        self._options = RtosOptions.model_validate(spec.options)
        self._truth = TruthLog(spec.folder)
        self._last = read_past(spec.folder).step
        self._board = Board(
            spec.files[FIRMWARE], spec.mac, self._said, self._was_reset, self._emulator_ended
        )
        self._cable = Cable(wire, tap, self._board.drain)
        self._faults = BoardFaults(
            self._board, self._cable, self, str(spec.address.ip), self._options
        )
        self._boots = 0
        self._paused_or_not = asyncio.Event()
        self._held = False
        self._changing = asyncio.Lock()
        self._over = asyncio.Event()
        self._problem: Exception | None = None

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT; LabError if the emulator ends before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        self._describe()
        self._cable.start()
        control = ControlServer(
            self._spec.folder,
            {
                "status": self._status,
                "snapshot": self._snapshot,
                "pause": self._pause,
                "resume": self._resume,
                "save": self._save,
                "fault": self._misbehave,
            },
        )
        try:
            await self.switch_on(self._saved_memory())
            await control.start()
            log.info("%s runs its firmware on %s", self._spec.name, self._spec.address)
            await self._over.wait()
            if self._problem is not None:
                raise self._problem
        finally:
            await self._faults.stop()
            await control.stop()
            self._cable.stop()
            await self._board.power_off(self._cable)
            self._truth.close()

    def _describe(self) -> None:
        addresses = {
            register.point.name: str(register.address)
            for register in registers_of(self._plant.points)
        }
        flags = enumerate(self._plant.flags)
        self._truth.describe(
            {
                "device": self._spec.name,
                "plant": self._plant.name,
                "protocol": self._spec.protocol,
                "seed": self._spec.seed,
                "period_ms": self._spec.period_ms,
                "addresses": {
                    **addresses,
                    REQUESTED_SETPOINT: str(SETPOINT_REGISTER),
                    **{flag.name: discrete_input(number) for number, flag in flags},
                },
            }
        )

    def _saved_memory(self) -> Path | None:
        file = self._spec.folder / MEMORY
        return file if file.exists() else None

    # -- Power ---------------------------------------------------------------------------

    async def switch_on(self, memory: Path | None = None) -> None:
        """With `memory` it continues from that file."""
        if self._board.is_on:
            return
        last = self._last
        try:
            state = state_numbers(last.state) if last else [0] * 5
        except KeyError as trouble:
            raise LabError(
                f"the truth log in {self._spec.folder} is not that of this device",
                remedy="`lab down` removes it with its lab.",
            ) from trouble
        configuration = Configuration(
            address=self._spec.address,
            period_ms=self._spec.period_ms,
            seed=self._spec.seed,
            connections=self._options.connections,
            watchdog_ms=self._options.watchdog_ms,
            boots=self._boots,
            sequence=last.seq if last else 0,
            state=state,
        )
        await self._board.power_on(configuration, self._cable, memory)
        if memory is not None:
            # Only once: after a later loss of power it must not continue from there.
            memory.unlink()
            self._boots = 1
            self._faults.set_knobs()

    async def switch_off(self) -> None:
        await self._board.power_off(self._cable)
        self._faults.forget_clients()

    def _was_reset(self) -> None:
        self._faults.was_reset()

    def _emulator_ended(self) -> None:
        self._problem = LabError(f"the emulator of {self._spec.name} has ended")
        self._over.set()

    # -- Log of the firmware -------------------------------------------------------------

    def _said(self, line: str) -> None:
        match said := parse_line(line):
            case Step():
                self._last = TruthStep(said.seq, now(), said.values, said.state, said.requested)
                self._truth.add(self._last)
                self._faults.steps.step()
            case Write(address=address, value=value):
                self._truth.add(TruthWrite(self._seq, now(), address, value))
            case Clients():
                self._faults.clients = said
            case Boot():
                self._started(said)
            case Listening():
                self._faults.set_knobs()
            case Hanging():
                self._faults.hangs()
            case Pausing(on=on):
                if on == self._faults.paused:
                    self._paused_or_not.set()
            case Failed(place=place):
                log.error("%s: its firmware failed at %s", self._spec.name, place)
            case None:
                log.warning("%s said %r", self._spec.name, line)

    def _started(self, boot: Boot) -> None:
        self._boots = boot.number
        self._faults.started(boot)
        log.info("%s: start %d, by %s", self._spec.name, boot.number, boot.cause.name.lower())

    @property
    def _seq(self) -> int:
        return self._last.seq if self._last else 0

    # -- Control -------------------------------------------------------------------------

    async def _status(self, request: Mapping[str, Any]) -> DeviceStatus:
        limit = min(_SELF_READ_SECONDS, float(request.get("within", "inf")))
        trouble, answer_ms = await self._try_itself(limit)
        return DeviceStatus(
            name=self._spec.name,
            protocol=self._spec.protocol,
            seq=self._seq,
            reachable=not trouble,
            trouble=trouble,
            running=not self._faults.paused,
            clients=self._faults.clients.open,
            refused=0,
            fault=self._faults.fault,
            affected=self._faults.affected,
            answer_ms=answer_ms,
            frames_out=self._cable.to_wire,
            frames_in=self._cable.to_board,
            boots=self._boots,
            period_ms=self._spec.period_ms,
            step_ms=self._faults.steps.mean_ms,
        )

    async def _try_itself(self, limit: float) -> tuple[str, float | None]:
        """Reads itself within `limit` seconds: the error, or the duration in ms."""
        if not self._board.is_on:
            return "it is switched off", None
        began = time.monotonic()
        reading = read_sequence(str(self._spec.address.ip), self._plant.points, limit)
        try:
            await asyncio.wait_for(reading, limit)
        except TimeoutError:
            return f"TimeoutError: no answer within {limit:.3g} s", None
        except Exception as problem:  # noqa: BLE001 - whatever it is, it cannot be read
            return f"{type(problem).__name__}: {problem}", None
        return "", (time.monotonic() - began) * 1000

    async def _misbehave(self, request: Mapping[str, Any]) -> DeviceStatus:
        """Replaces the fault; null clears it."""
        asked = request.get("fault")
        fault = DEVICE_FAULT.validate_python(asked) if asked is not None else None
        if fault is not None:
            fault.check(self._spec.protocol)
        async with self._changing:
            await self._faults.set(fault)
        log.info("%s %s", self._spec.name, fault or "fault cleared")
        return await self._status(request)

    async def _snapshot(self, request: Mapping[str, Any]) -> DeviceSnapshot:
        self._board.drain()
        return DeviceSnapshot(
            name=self._spec.name,
            plant=self._plant.name,
            seq=self._seq,
            time=self._last.time if self._last else 0,
            state=dict(self._last.state) if self._last else {},
            requested=self._last.requested if self._last else 0,
            truth_size=self._truth.size,
            has_memory=self._board.is_on,
        )

    async def _pause(self, request: Mapping[str, Any]) -> DeviceSnapshot:
        await self._let_plant_stand(True)
        return await self._snapshot(request)

    async def _resume(self, request: Mapping[str, Any]) -> None:
        if self._held and self._board.is_on:
            await self._board.go_on()
        self._held = False
        await self._let_plant_stand(False)
        self._faults.steps.restart()

    async def _let_plant_stand(self, still: bool) -> None:
        """Returns when no step is being computed; LabError if the firmware does not confirm it."""
        self._faults.paused = still
        self._paused_or_not.clear()
        if not self._board.is_on:
            return
        self._faults.set_knobs()
        try:
            limit = Deadline.scaled(_PAUSE_SECONDS)
            await asyncio.wait_for(self._paused_or_not.wait(), limit.remaining)
        except TimeoutError as trouble:
            raise LabError(f"the firmware of {self._spec.name} does not answer") from trouble

    async def _save(self, request: Mapping[str, Any]) -> None:
        """Writes the board's memory to the folder `into`. The board stays paused until resumed."""
        self._held = True
        await self._board.hold()
        await self._board.save(Path(str(request["into"])) / MEMORY)
