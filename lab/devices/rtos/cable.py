"""The cable between the board and its link, with a separate tap for the lab.

Over that tap the lab reads the device like a client, with an address that only the device sees
(link-local, RFC 3927), so that it uses no address of the network. Its frames never reach the link.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface

from edge_lab.devices.points import MODBUS_PORT
from edge_lab.devices.wire import MAX_FRAME, frames_of_tap, frames_of_wire, send_to_wire

LAB_ADDRESS = IPv4Interface("169.254.84.1/16")
LAB_MAC = "02:ed:1a:b0:54:01"

_ARP, _IPV4, _TCP = 0x0806, 0x0800, 6
_BATCH = 64


def is_for_lab(frame: bytes, mac: bytes, address: IPv4Address) -> bool:
    """Whether a frame of the board is for the lab: to its MAC, or asking for its address."""
    if frame[:6] == mac:
        return True
    return (
        len(frame) >= 42
        and int.from_bytes(frame[12:14], "big") == _ARP
        and frame[38:42] == address.packed
    )


def is_request(frame: bytes) -> bool:
    """Whether a frame contains data for the Modbus server."""
    if len(frame) < 54 or int.from_bytes(frame[12:14], "big") != _IPV4 or frame[23] != _TCP:
        return False
    header = (frame[14] & 0xF) * 4
    tcp = 14 + header
    if len(frame) < tcp + 20:
        return False
    (port,) = struct.unpack_from(">H", frame, tcp + 2)
    (total,) = struct.unpack_from(">H", frame, 16)
    return bool(port == MODBUS_PORT and total > header + (frame[tcp + 12] >> 4) * 4)


class Cable:
    """Carries frames between the board, the link (`wire`), and the lab's tap."""

    def __init__(self, wire: socket.socket, tap: int, before: Callable[[], None]) -> None:
        """`before` is called before frames of the board are forwarded."""
        self._wire = wire
        self._tap = tap
        self._before = before
        self._mac = bytes.fromhex(LAB_MAC.replace(":", ""))
        self._nic: socket.socket | None = None
        self.connected = True
        """Whether frames pass; otherwise they are dropped in both directions."""
        self.on_request: Callable[[], None] | None = None
        """Called once, when a request has been delivered; `connected` is False from then on."""
        self.to_wire = self.to_board = 0
        """Frames between link and board."""

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._tap, self._from_lab)
        loop.add_reader(self._wire, self._from_wire)

    def stop(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._tap)
        loop.remove_reader(self._wire)

    def plug(self, nic: socket.socket) -> None:
        """Connects a board that has been switched on."""
        self._nic = nic
        self.connected = True
        asyncio.get_running_loop().add_reader(nic, self._from_board)

    def unplug(self) -> None:
        """The board is switched off; frames that it has sent before are still forwarded."""
        if self._nic is not None:
            asyncio.get_running_loop().remove_reader(self._nic)
            self._nic = None

    def discard(self) -> None:
        """Drops frames of the board that have not been forwarded yet."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._nic is not None and self._nic.recv(MAX_FRAME):
                pass

    def _from_board(self) -> None:
        for _ in range(_BATCH):
            nic = self._nic
            if nic is None:
                return
            try:
                frame = nic.recv(MAX_FRAME)
            except (BlockingIOError, ConnectionError):
                return
            if not frame:
                asyncio.get_running_loop().remove_reader(nic)  # QEMU has ended
                return
            self._before()
            if not self.connected:
                continue
            if is_for_lab(frame, self._mac, LAB_ADDRESS.ip):
                with contextlib.suppress(OSError):
                    os.write(self._tap, frame)
                continue
            self.to_wire += send_to_wire(self._wire, frame)

    def _from_lab(self) -> None:
        for frame in frames_of_tap(self._tap):
            self._deliver(frame)

    def _from_wire(self) -> None:
        for frame in frames_of_wire(self._wire):
            if self._deliver(frame):
                self.to_board += 1

    def _deliver(self, frame: bytes) -> bool:
        if self._nic is None or not self.connected:
            return False
        try:
            self._nic.send(frame)
        except (BlockingIOError, ConnectionError):
            return False
        if self.on_request is not None and is_request(frame):
            strike, self.on_request = self.on_request, None
            self.connected = False
            strike()
        return True
