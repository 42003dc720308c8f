"""A device's serial line: receives requests at its port and sends answers, as on a real line.

The line connects to the device over TCP: to its relay, which implements the faults of devices, and
its server.  The line itself behaves like a cable and a receiver: characters take time, may be
altered or lost, and a frame ends after 3.5 silent characters.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

from edge_lab.core.errors import LabError
from edge_lab.devices import rtu
from edge_lab.devices.points import MODBUS_UNIT
from edge_lab.devices.serial.faults import (
    Disturbance,
    LineState,
    LineStates,
    SerialAnswer,
    SerialStatus,
)
from edge_lab.devices.serial.port import open_port
from edge_lab.devices.serial.timing import LineTiming
from edge_lab.topology import SerialOptions

log = logging.getLogger(__name__)

Address = tuple[str, int]

GONE = "the serial port is gone"
_MOST = 4096
_PROBE = rtu.with_crc(bytes((MODBUS_UNIT, 3, 0, 0, 0, 1)))
_PATIENCE = 0.5
"""Seconds after which the line no longer waits for the answer to a client's request."""
_LOCAL = ("127.0.0.1", 0)
"""The address from which the line connects; the device uses its own address for its own reads."""


class SerialLine:
    """A line from its port to the device at `device`."""

    def __init__(self, options: SerialOptions, folder: Path, device: Address) -> None:
        """Opens the port; LabError if that is not possible."""
        self._port = open_port(options, folder)
        self._timing = LineTiming.of(options)
        self._device = device
        self._ways = {"rx": Disturbance(), "tx": Disturbance()}
        self._frames = self._discarded = 0
        self._received = bytearray()
        self._spoiled = False
        self._silence: asyncio.TimerHandle | None = None
        self._rx_free = self._tx_free = 0.0
        """When the last character passes, by the loop's clock."""
        self._answers_to: Callable[[bytes], None] = self._send
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._requests: asyncio.Queue[bytes] = asyncio.Queue()
        self._serving: asyncio.Task[None] | None = None
        self._probing = asyncio.Lock()
        self._is_asking = False
        """The line is reading the device itself: data of clients waits in the port."""
        self._is_gone = False
        """The port is gone; it is not read any more."""
        self._asked_at: float | None = None
        """When the device got a request that is still pending."""

    # -- Start and stop --------------------------------------------------------------------

    def start(self) -> None:
        self._serving = asyncio.create_task(self._serve())
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._take)
        log.info("the serial line is at %s", self._port.name)

    async def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._port.fileno())
        if self._silence is not None:
            self._silence.cancel()
        for task in (self._serving, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._disconnect()
        self._port.close()

    # -- State -----------------------------------------------------------------------------

    @property
    def status(self) -> SerialStatus:
        rx, tx = self._ways["rx"], self._ways["tx"]
        return SerialStatus(
            port=self._port.name,
            rx=rx.counters,
            tx=tx.counters,
            states=LineStates(rx=rx.state, tx=tx.state),
            frames=self._frames,
            discarded=self._discarded,
        )

    def set(self, states: LineStates) -> None:
        """Replaces the states of both directions."""
        was_held = self._ways["tx"].state.is_broken
        for way, state in (("rx", states.rx), ("tx", states.tx)):
            if state != self._ways[way].state:
                self._ways[way].set(state)
                self._mark_break(way, state)
        if states.tx.is_broken != was_held:
            self._hold(states.tx.is_broken)

    def _hold(self, broken: bool) -> None:
        try:
            self._port.hold(broken)
        except OSError as trouble:
            if broken:  # ending the break of a port that is gone is not an error
                why = GONE if self._has_gone() else trouble.strerror
                raise LabError(f"cannot send a break at {self._port.name}: {why}") from trouble

    def _mark_break(self, way: str, state: LineState) -> None:
        """A break damages the frame that the device is receiving."""
        if way == "rx" and state.is_broken:
            self._spoiled = self._spoiled or bool(self._received)

    # -- Port ------------------------------------------------------------------------------

    def _take(self) -> None:
        if data := self._read():
            self._receive(data)
        else:
            self._has_gone()

    def _read(self) -> bytes:
        try:
            return os.read(self._port.fileno(), _MOST)
        except BlockingIOError:
            return b""
        except OSError as trouble:
            # A pseudo-terminal without a client (EIO) works again with the next client.
            if trouble.errno != errno.EIO or self._port.is_paced:
                self._lose(trouble.strerror or str(trouble))
            return b""

    def _has_gone(self) -> bool:
        """Whether the port is gone; it is not used any more then."""
        if not self._is_gone and self._port.is_gone():
            self._lose("hung up")
        return self._is_gone

    def _lose(self, why: str) -> None:
        self._is_gone = True
        log.warning("%s: %s (%s)", GONE, self._port.name, why)
        asyncio.get_running_loop().remove_reader(self._port.fileno())

    def _send(self, data: bytes) -> None:
        """Sends data of the device, after the time that it takes on the line."""
        arrived, _ = self._ways["tx"].apply(data)
        if not arrived:
            return
        if self._port.is_paced:
            self._write(arrived)
            return
        loop = asyncio.get_running_loop()
        took = len(data) * self._timing.character
        self._tx_free = max(loop.time(), self._tx_free) + took
        loop.call_at(self._tx_free, self._write, arrived)

    def _write(self, data: bytes) -> None:
        # Without a reader, data that does not fit into the buffer is lost, as on a real line.
        with contextlib.suppress(OSError):
            os.write(self._port.fileno(), data)

    # -- Frames ----------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        arrived, spoiled = self._ways["rx"].apply(data)
        self._received += arrived
        self._spoiled = self._spoiled or spoiled
        loop = asyncio.get_running_loop()
        if not self._port.is_paced:
            took = len(data) * self._timing.character
            self._rx_free = max(loop.time(), self._rx_free) + took
        else:
            self._rx_free = loop.time()
        if self._silence is not None:
            self._silence.cancel()
        self._silence = loop.call_at(self._rx_free + self._timing.silence, self._end_frame)

    def _end_frame(self) -> None:
        """The line was silent, unless this process was late and more data has arrived."""
        late = b"" if self._is_asking or self._is_gone else self._read()
        if late:
            self._receive(late)
            return
        frame, spoiled = bytes(self._received), self._spoiled
        self._received.clear()
        self._spoiled = False
        if not frame and not spoiled:
            return
        if spoiled or not rtu.crc_fits(frame) or len(frame) > rtu.LONGEST:
            self._discarded += 1
            return
        self._frames += 1
        self._requests.put_nowait(frame)

    # -- Device ----------------------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            request = await self._requests.get()
            try:
                writer = self._writer or await self._connect()
                writer.write(request)
                self._asked_at = asyncio.get_running_loop().time()
            except OSError:  # the device is gone: there is no answer
                self._disconnect()

    async def _connect(self) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(*self._device, local_addr=_LOCAL)
        self._writer = writer
        self._reading = asyncio.create_task(self._pass_on(reader, writer))
        return writer

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while (data := await reader.read(_MOST)) and self._writer is writer:
                self._asked_at = None
                self._answers_to(data)
        if self._writer is writer:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # -- Read over the line ------------------------------------------------------------------

    async def ask(self, seconds: float) -> SerialAnswer:
        """Reads one register like a client at the port; nothing is sent at the port."""
        async with self._probing:
            if self._has_gone():
                return SerialAnswer(answered=False, detail=GONE, status=self.status)
            loop = asyncio.get_running_loop()
            heard: asyncio.Queue[bytes] = asyncio.Queue()
            answered = False
            # A running transaction may finish; new data of clients waits in the port.
            loop.remove_reader(self._port.fileno())
            try:
                while self._is_taken(loop.time()):
                    await asyncio.sleep(self._timing.silence)
                self._is_asking, self._answers_to = True, heard.put_nowait
                self._receive(_PROBE)
                detail, answered = await self._hear(heard, loop.time() + seconds)
            finally:
                if not answered:
                    self._disconnect()  # discards an answer that comes too late
                self._is_asking, self._answers_to = False, self._send
                self._received.clear()
                self._spoiled = False
                if not self._is_gone:
                    loop.add_reader(self._port.fileno(), self._take)
        return SerialAnswer(answered=answered, detail=detail, status=self.status)

    def _is_taken(self, now: float) -> bool:
        """Whether a client is sending, or waits for an answer."""
        waiting = self._asked_at is not None and now < self._asked_at + _PATIENCE
        quiet_since = max(self._rx_free, self._tx_free) + 2 * self._timing.silence
        return bool(self._received) or waiting or now < quiet_since

    async def _hear(self, heard: asyncio.Queue[bytes], until: float) -> tuple[str, bool]:
        answer = b""
        while True:
            left = until - asyncio.get_running_loop().time()
            try:
                data = await asyncio.wait_for(heard.get(), max(left, 0.0))
            except TimeoutError:
                return (f"no answer, but {answer.hex()}" if answer else "no answer"), False
            arrived, spoiled = self._ways["tx"].apply(data)
            answer += arrived
            if spoiled:
                return f"wrong parity in {answer.hex()}", False
            if len(answer) >= 5 and rtu.crc_fits(answer):
                return answer.hex(), True
            if len(answer) >= 7:
                return f"wrong CRC in {answer.hex()}", False
