"""A network interface of the host as the endpoint of a link, with packet sockets (packet(7)).

Frames are received as they are on the cable: in promiscuous mode, with VLAN tags and checksums, and
segmented as the sender's card would do.  The interface is not configured, so that nothing has to
be restored; promiscuous mode ends with the socket.  Only CAP_NET_RAW is needed.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator

from edge_lab.core.errors import LabError
from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import BATCH, SLOT_ROOM, FrameBuffer, Run, count, join, slots
from edge_lab.fabric.hostinterface import CAPABILITY_REMEDY, find_objection
from edge_lab.fabric.offload import HEADER, NotDivisible, Unfinished, finish, with_tag
from edge_lab.fabric.wire import Outbox, Sent, receive_messages, widen

# <linux/if_packet.h>, <linux/if_ether.h>, <linux/sockios.h>
_SOL_PACKET = 263
_ADD_MEMBERSHIP, _AUXDATA, _VNET_HDR, _IGNORE_OUTGOING = 1, 8, 15, 23
_MR_PROMISC = 1
_ALL = 0x0003
_SIOCGIFMTU = 0x8921
_STATUS_VLAN_VALID, _STATUS_VLAN_TPID_VALID = 0x10, 0x40
_VLAN = 0x8100

_ETHERNET, _TAG = 14, 4
_LINE = 64
"""Bytes reserved for each frame's virtio_net_hdr, and for its control message."""
_CONTROL_AT = 16
_AUX = struct.Struct("=IIIHHHH")
"""struct tpacket_auxdata, after the 16 bytes of its cmsghdr."""
_ROOM = SLOT_ROOM + 512
"""A merged frame can be a little longer than 65,536 bytes."""
_MSG_TRUNC = 0x20


class _Inbox:
    """Messages for recvmmsg: each has space for a header, a frame and a control message."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, BATCH * _ROOM)
        self._frames = memoryview(self._memory)
        self._sides = bytearray(BATCH * _LINE)
        self._iov = bytearray(BATCH * 32)
        self._headers = bytearray(BATCH * 64)
        frames_at, sides_at, iov_at, self.address = (
            ctypes.addressof(ctypes.c_char.from_buffer(room))
            for room in (self._memory, self._sides, self._iov, self._headers)
        )
        iov, words = memoryview(self._iov).cast("Q"), memoryview(self._headers).cast("Q")
        for index in range(BATCH):
            side = sides_at + index * _LINE
            iov[index * 4 : index * 4 + 4] = memoryview(
                struct.pack("=4Q", side, HEADER.size, frames_at + index * _ROOM, _ROOM)
            ).cast("Q")
            words[index * 8 + 2], words[index * 8 + 3] = iov_at + index * 32, 2
            words[index * 8 + 4], words[index * 8 + 5] = side + _CONTROL_AT, _LINE - _CONTROL_AT
        self._fresh = bytes(self._headers)
        self._flags = memoryview(self._headers).cast("I")[12::16]
        self._lengths = memoryview(self._headers).cast("I")[14::16]

    def receive(self, descriptor: int, most: int) -> int:
        """The number of received messages; after an error the next call gets the next frame."""
        self._headers[:] = self._fresh  # the kernel has written into it
        return max(0, receive_messages(descriptor, self.address, most))

    def frames(self, index: int) -> Iterator[bytes | memoryview]:
        """The frames of one message, as they would be on the cable.

        Raises:
            NotDivisible: they cannot be derived.
        """
        length = self._lengths[index] - HEADER.size
        if self._flags[index] & _MSG_TRUNC or length < 0:
            raise NotDivisible
        frame = self._frames[index * _ROOM : index * _ROOM + length]
        side = index * _LINE
        aux = _AUX.unpack_from(self._sides, side + _CONTROL_AT + 16)
        status, control, protocol = aux[0], aux[5], aux[6]
        tagged = status & _STATUS_VLAN_VALID
        if not (tagged or self._sides[side] & 1 or self._sides[side + 1]):
            yield frame
            return
        work = Unfinished.parse(bytes(self._sides[side : side + HEADER.size]))
        for done in finish(bytes(frame), work):
            if tagged:
                kind = protocol if status & _STATUS_VLAN_TPID_VALID else _VLAN
                yield with_tag(done, kind, control)
            else:
                yield done


class PacketWire:
    """The fabric's end of a link whose endpoint is an interface of the host."""

    def __init__(self, interface: str, outbox: Outbox) -> None:
        """Starts to receive frames; `outbox` is one without segmentation.

        Raises:
            InputError: the interface cannot be the endpoint of a link: `find_objection`.
            LabError: packet sockets are not permitted.
        """
        if objection := find_objection(interface):
            raise objection.error()
        self.interface = interface
        self._outbox = outbox
        self._inbox = _Inbox()
        self._left: deque[bytes] = deque()
        """Segments for which the buffer had no space."""
        self._told = False
        self._source, self._target = open_packet_socket(), open_packet_socket()
        self._reminder = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        try:
            self._listen()
        except OSError as trouble:
            self.close()
            raise LabError(
                f"cannot receive frames from {interface}: {trouble.strerror}",
                remedy="Linux 4.20 or newer is needed; `lab doctor` checks the interface.",
            ) from trouble

    def _listen(self) -> None:
        widen(self._source)
        widen(self._target)
        # The second socket sends; the first one must not receive its frames.
        for option in (_IGNORE_OUTGOING, _VNET_HDR, _AUXDATA):
            self._source.setsockopt(_SOL_PACKET, option, 1)
        index = socket.if_nametoindex(self.interface)
        self._source.setsockopt(
            _SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", index, _MR_PROMISC, 0, b"")
        )
        self._target.bind((self.interface, 0))
        self._source.bind((self.interface, _ALL))
        self._epoll.register(self._source, select.EPOLLIN)
        self._epoll.register(self._reminder, select.EPOLLIN)

    def fileno(self) -> int:
        """Readable while there are frames, including those that wait for space in a buffer."""
        return self._epoll.fileno()

    def receive(self, buffer: FrameBuffer) -> Run | None:
        start = buffer.used
        if self._left:
            os.eventfd_read(self._reminder)
            while self._left and buffer.free:
                buffer.put(self._left.popleft())
        else:
            most = min(BATCH, buffer.free)
            for index in range(self._inbox.receive(self._source.fileno(), most)):
                self._put(buffer, index)
        if self._left:
            os.eventfd_write(self._reminder, 1)
        return (start, buffer.used) if buffer.used > start else None

    def _put(self, buffer: FrameBuffer, index: int) -> None:
        try:
            for frame in self._inbox.frames(index):
                if buffer.free and not self._left:
                    buffer.put(frame)
                else:
                    self._left.append(bytes(frame))
        except NotDivisible:
            if not self._told:
                self._told = True
                print(
                    f"fabric: {self.interface}: frames that cannot be divided into segments are "
                    "dropped (those of a tunnel, or longer than 65,536 bytes)",
                    file=sys.stderr,
                    flush=True,
                )

    def send(self, buffer: FrameBuffer, runs: list[Run]) -> Sent:
        frames = count(runs)
        runs = self._that_fit(buffer, runs)
        long = frames - count(runs)
        if not runs:
            return Sent(0, long, Reason.MTU)
        sent = self._outbox.send(self._target.fileno(), buffer, runs)
        if not long:
            return sent
        reason = sent.reason if sent.refused else Reason.MTU
        return Sent(sent.frames, sent.refused + long, reason)

    def _that_fit(self, buffer: FrameBuffer, runs: list[Run]) -> list[Run]:
        """Without frames that are too long for the interface, which would block all after them."""
        most = self._mtu() + _ETHERNET
        lengths = buffer.lengths
        if all(max(lengths[start:stop]) <= most for start, stop in runs):
            return runs
        kept: list[Run] = []
        for slot in slots(runs):
            tagged = bytes(buffer.frame(slot)[12:14]) == b"\x81\x00"
            if lengths[slot] <= most + (_TAG if tagged else 0):
                join(kept, [(slot, slot + 1)])
        return kept

    def _mtu(self) -> int:
        request = struct.pack("16si20x", self.interface.encode(), 0)
        try:
            return int(
                struct.unpack_from("i", fcntl.ioctl(self._target, _SIOCGIFMTU, request), 16)[0]
            )
        except OSError:  # it is gone; sending reports that, too
            return SLOT_ROOM

    def close(self) -> None:
        self._epoll.close()
        os.close(self._reminder)
        self._source.close()
        self._target.close()


def open_packet_socket() -> socket.socket:
    """A packet socket that does not receive yet.

    Raises:
        LabError: CAP_NET_RAW is missing.
    """
    try:
        return socket.socket(
            socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
    except OSError as trouble:
        if trouble.errno != errno.EPERM:
            raise LabError(f"this kernel has no packet sockets: {trouble.strerror}") from trouble
        raise LabError(
            "the fabric cannot open packet sockets: it lacks CAP_NET_RAW",
            remedy=CAPABILITY_REMEDY,
        ) from trouble
