"""Restarts the timers of riscv64 guests after a restore.

QEMU (at least 7.2) restores the compare registers of the harts' timers when it loads a saved
machine, but not the alarms that they had set.  Linux waits for a requested alarm before it
requests another one, so each hart hangs as soon as it waits for time.
Writing a compare register sets the alarm.  From outside the guest this is possible over QEMU's
debugger port: each register is read and written back unchanged while the harts are stopped.

These are the timers of the ACLINT (RISC-V ACLINT specification, "MTIMER"), which Linux uses
through the firmware if the CPU lacks the Sstc extension. The lab's guests lack it: with Sstc
alarms are set in registers of the CPU instead of memory, and no boot was faster.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

MTIMECMP = 0x0200_4000
"""Physical address of hart 0's compare register on QEMU's `virt` machine; 8 bytes per hart."""

REPLY_SECONDS = 10.0

_PACKET_LIMIT = 65_536


def packet(body: str) -> bytes:
    """One packet of the GDB remote protocol."""
    return f"${body}#{sum(body.encode()) % 256:02x}".encode()


class _Debugger:
    """The part of the GDB remote protocol that reads and writes physical memory."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def ask(self, body: str) -> str:
        """Sends a packet and returns the body of the reply."""
        self._connection.sendall(packet(body))
        reply = self._next_packet()
        self._connection.sendall(b"+")
        return reply

    def _next_packet(self) -> str:
        while True:
            start = self._received.find(b"$")
            end = self._received.find(b"#", start)
            if 0 <= start < end and len(self._received) >= end + 3:
                body = self._received[start + 1 : end]
                self._received = self._received[end + 3 :]
                return body.decode()
            more = self._connection.recv(4096)
            if not more or len(self._received) > _PACKET_LIMIT:
                raise LabError("QEMU's debugger port did not answer")
            self._received += more


def rearm_timers(debugger: Path, harts: int) -> None:
    """Sets the alarm of each hart through its compare register. The machine must be paused.

    `debugger` is the Unix socket of QEMU's debugger port.  The machine stays paused.
    """
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(Deadline.scaled(REPLY_SECONDS).remaining)
            connection.connect(os.fsencode(debugger))
            gdb = _Debugger(connection)
            _must_be_ok(gdb.ask("Qqemu.PhyMemMode:1"))
            for hart in range(harts):
                where = f"{MTIMECMP + 8 * hart:x},8"
                value = gdb.ask(f"m{where}")
                if len(value) != 16:
                    raise LabError(
                        f"QEMU's debugger port returned no timer of hart {hart}: {value!r}"
                    )
                _must_be_ok(gdb.ask(f"M{where}:{value}"))
            _must_be_ok(gdb.ask("Qqemu.PhyMemMode:0"))
    except OSError as trouble:
        raise LabError(f"QEMU's debugger port {debugger} does not answer: {trouble}") from trouble


def _must_be_ok(reply: str) -> None:
    if reply != "OK":
        raise LabError(f"QEMU's debugger port rejected the request: {reply!r}")
