"""Runs a command in a network namespace of its own that is wired to devices.

    python peer.py --address 10.78.0.11/24 --wire 20002:20001 [--wire …] -- COMMAND …

Each wire is own-port:other-port, UDP on loopback; all of them and the namespace's tap are
joined as by a hub.  Ends with the command, and with its exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from ipaddress import IPv4Interface
from pathlib import Path

from edge_lab.devices.wire import MAX_FRAME, enter_namespace, open_tap, open_wire


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", type=IPv4Interface, required=True)
    parser.add_argument("--wire", action="append", default=[])
    parser.add_argument("--mac", default="52:54:00:ed:00:fe")
    parser.add_argument("--tun", type=Path, default=Path("/dev/net/tun"))
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    ports = [tuple(int(port) for port in wire.split(":")) for wire in arguments.wire]
    wires = [open_wire(own, other) for own, other in ports]
    enter_namespace()
    tap = open_tap(arguments.address, arguments.mac, arguments.tun)
    return asyncio.run(hub(tap, wires, arguments.command))


async def hub(tap: int, wires: list[socket.socket], command: list[str]) -> int:
    loop = asyncio.get_running_loop()

    def spread(frame: bytes, source: socket.socket | None) -> None:
        for wire in wires:
            if wire is not source:
                with contextlib.suppress(OSError):
                    wire.send(frame)
        if source is not None:
            with contextlib.suppress(OSError):
                os.write(tap, frame)

    def from_tap() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                spread(os.read(tap, MAX_FRAME), None)

    def from_wire(wire: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    spread(wire.recv(MAX_FRAME), wire)
                except ConnectionRefusedError:
                    continue

    loop.add_reader(tap, from_tap)
    for wire in wires:
        loop.add_reader(wire, from_wire, wire)
    child = await asyncio.create_subprocess_exec(*command)
    return await child.wait()


if __name__ == "__main__":
    sys.exit(main())
